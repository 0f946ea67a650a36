/*
 * The network side: listeners, WebSocket and HTTP by libwebsockets as guest on our libuv loop.
 *
 *   listener (our own fds) ─ accept ─▶ lws ─▶ ingest connection ─▶ post ─▶ submit()
 *                                          ├▶ live connection   ─▶ hub
 *                                          └▶ http request      ─▶ hub_query, submit, stats
 *
 * Knows nothing of Redis: it reaches the partition through struct server_ops.
 */
#ifndef LIVETALLY_SERVER_H
#define LIVETALLY_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "livetally/clock.h"
#include "livetally/error.h"
#include "livetally/event.h"
#include "livetally/grant.h"
#include "livetally/hub.h"
#include "livetally/ip.h"
#include "livetally/log.h"
#include "livetally/meter.h"
#include "livetally/post.h"
#include "livetally/stats.h"
#include "livetally/tls.h"

#define LISTENERS_MAX 16
#define TRUSTED_MAX   16

/* A file that pages load. */
struct asset {
    const char *path; /* of its URL, from the / on */
    const char *type; /* Content-Type */
    const char *etag; /* without quotes */
    struct slice plain;
    struct slice zipped; /* the same by gzip; empty: none */
};

struct server_options {
    uint32_t message_bytes;    /* PROTOCOL: 1 MiB */
    uint32_t batch_events;     /* 1000 */
    uint32_t window_events;    /* unacked events of a connection before it is not read from: 8192 */
    uint32_t window_bytes;     /* the same in bytes of messages held: 4 MiB */
    uint64_t waiting_bytes;    /* memory of all that waits for Redis: 256 MiB */
    uint64_t assembly_bytes;   /* of messages of which a part is here: 256 MiB */
    uint64_t send_queue_bytes; /* of what peers have yet to read: 256 MiB */
    uint32_t max_connections;  /* over all kinds; more are refused */
    uint32_t max_per_address;  /* IPv6: per /64; 0: any number */
    uint32_t max_per_token;    /* WebSockets, and requests under way; 0: any number */
    struct meter_rate rate;    /* of what one connection may send */
    struct meter_rate token_rate; /* of all that come with one token */
    uint32_t rate_close_ms;       /* held back for longer than this: closed */
    uint32_t message_ms;          /* for a message, or a body, to arrive whole */
    uint32_t ping_idle_ms;        /* 30 s */
    uint32_t ping_wait_ms;        /* 10 s */
    uint32_t handshake_ms;        /* TCP accepted until upgraded or requested: 5 s */
    uint32_t auth_ms;             /* WebSocket open until its token is there: 5 s */
    uint32_t post_wait_ms;        /* POST /v1/events: 503 when not durable by then: 10 s */
    uint32_t max_topics;          /* told to viewers in hello; 0: LIVE_TOPICS_MAX */
    uint32_t trusted_count;
    struct ip_net trusted[TRUSTED_MAX]; /* proxies that are believed about who is behind them */
    const struct event_rules *rules;
    const struct tls *tls;        /* NULL: no listener may speak TLS */
    const struct asset *counties; /* their names; the other files are embedded */
    const char *version;          /* "livetally/0.1.0" */
    int32_t day_offset_minutes;   /* from UTC, of business days: told in hello */
};

/* What a connection's grant is worth after the rules changed. */
enum server_standing {
    STANDING_GOOD,
    STANDING_REVOKED, /* what it came with is no longer accepted */
    STANDING_CHANGED, /* it would get another one now */
};

enum server_origin { ORIGIN_NONE_LISTED, ORIGIN_LISTED, ORIGIN_NOT_LISTED };

struct server_ops {
    /*
     * Who has this token (data NULL: none came). True: *ret_grant is a reference to what he may
     * do, or NULL where nobody needs a token. False: why, also as a sentence for him, which is
     * empty for AUTH_REFUSAL_MISSING.
     */
    bool (*authenticate)(void *context, struct slice token, bool in_url, struct grant **ret_grant,
                         enum auth_refusal *ret_refusal, struct buffer *why);
    enum server_standing (*review)(void *context, const struct grant *grant); /* may be NULL */
    /* Sites whose pages may connect, besides our own. */
    enum server_origin (*find_origin)(void *context, const char *origin);
    void (*submit)(void *context, struct post *post);
    bool (*store_available)(void *context);
    /* Bodies of /healthz and /readyz as JSON, and whether it is 200. */
    bool (*ready)(void *context, struct buffer *json);
    bool (*alive)(void *context, struct buffer *json);
    /* Brings stats up to date before they are written to /metrics. */
    void (*refresh_stats)(void *context);
    void *context;
};

struct server;

int server_new(uv_loop_t *loop, const struct server_options *options, const struct server_ops *ops,
               struct hub *hub, const struct view *view, const struct clock *clock,
               const struct log *log, struct stats *stats, struct server **ret_server,
               struct error *error);

/*
 * "HOST:PORT" ([…] for IPv6, port 0 picks one) or "unix:PATH", then words (livetally/listen.h). TCP
 * with SO_REUSEPORT. A Unix path left behind by a dead process is replaced; a live one is an error.
 */
int server_listen(struct server *server, const char *address, struct error *error);
/* From systemd; traits: enum listen_trait. */
int server_listen_fd(struct server *server, int fd, uint32_t traits, struct error *error);
/* True when an address is loopback or a Unix socket; error set when it can't be resolved. */
int server_address_is_local(const char *address, bool *ret_local, struct error *error);
uint32_t server_listener_count(const struct server *server);
/* URL of a listener: "http://127.0.0.1:8090", "https://…", "unix:/run/x.sock", "unix+tls:…". */
const char *server_listener_url(const struct server *server, uint32_t index);
/* Bound to loopback or a Unix socket; also right for descriptors from systemd. */
bool server_listener_local(const struct server *server, uint32_t index);
uint32_t server_listener_traits(const struct server *server, uint32_t index);
/* For connections to come, in place of the one in options, when there was one. It stays the
 * caller's, and must outlive the server or be replaced first. */
void server_use_tls(struct server *server, const struct tls *tls);

/* Tells all ingest connections once that the store went away or came back. */
void server_store_available(struct server *server, bool available);
/* What authenticate() says has changed: looks at all connections again, and closes those that it
 * would not let in now. Returns how many. */
uint32_t server_review(struct server *server);
/*
 * From now on these limits, for connections there are too. Nobody is closed because a number of
 * connections was lowered. False: max_connections is beyond what there was room for at the start;
 * that is now the limit, as *ret_most.
 */
bool server_set_limits(struct server *server, const struct server_options *options,
                       uint32_t *ret_most);
/* Some view changed: serve the hub soon. */
void server_wake_hub(struct server *server);

/* Stops accepting and reading; what was received stays to be acked. */
void server_drain(struct server *server);
/* Sends goodbye to everybody, closes within timeout_ms, then closed(); after it the loop has no
 * handle of the server's left once it has run dry. */
void server_close(struct server *server, uint32_t timeout_ms, void (*closed)(void *context),
                  void *context);
void server_free(struct server *server); /* after closed() */

#endif
