/*
 * What the files of the network side share.
 *
 *   listener.c   our own listening sockets        context.c    lws context, callback dispatch
 *   address.c    HOST:PORT and unix:PATH          connection.c life, writing, goodbye of a socket
 *   ingest.c     /v1/ingest; ack.c: its acks      liveness.c   the wheel of deadlines and pings
 *   live.c       /v1/live; sse.c: as events       upgrade.c    who may become a WebSocket
 *   http*.c      requests and answers             parcel.c     posts under way, recycled
 *   server.c     the public face, shutdown        assets.c     the pages, from memory
 *   activity.c   what an idle viewer doesn't need
 *   auth.c       who it is, and what he may do     site.c       whose page asks
 *   proxy.c      the head that a proxy sends first
 *   quota.h      whose it is and how many he has (peer.c), how fast he may send (pace.c), and what
 *                all of them hold of our memory (memory.c)
 *   tls.c        certificates, and TLS as lws doesn't do it by itself
 *   inbound.h    what peers send, looked at before lws reads it; by head.c and framing.c
 *
 * Ownership: a connection is made at accept and freed by LWS_CALLBACK_WSI_DESTROY; between lws's
 * CLOSED and that its phase is PHASE_DEAD and nothing may touch its wsi. Nothing here ever closes a
 * wsi on the spot: connection_kill() lets lws do it from its own turn, so no callback of ours finds
 * a connection gone that it was working on.
 */
#ifndef LIVETALLY_NET_H
#define LIVETALLY_NET_H

#include <assert.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

#include "activity.h"
#include "inbound.h"
#include "livetally/buffer.h"
#include "livetally/ip.h"
#include "livetally/listen.h"
#include "livetally/roster.h"
#include "livetally/server.h"
#include "livetally/tls.h"
#include "quota.h"

#define INGEST_PROTOCOL "livetally.ingest.v1"
#define LIVE_PROTOCOL   "livetally.live.v1"

#define LIVE_INTERVAL_MIN_MS 100 /* PROTOCOL */

#define WHEEL_TICK_MS 250
#define WHEEL_SLOTS   256 /* 64 s; later deadlines are looked at again then */
#define WHEEL_PINGS   512 /* pings sent in one tick; the rest wait for the next */

#define GOODBYE_FLUSH_MS  5000 /* for a goodbye to leave our buffer */
#define GOODBYE_LINGER_MS 2000 /* PROTOCOL: read and discard, so that the goodbye arrives */

#define REFUSED_CONNECTIONS 64 /* over the limit, still told so politely; more are just closed */

enum connection_kind {
    KIND_HTTP,
    KIND_INGEST,
    KIND_LIVE,
};

enum connection_phase {
    PHASE_HANDSHAKE, /* accepted, no whole request yet */
    PHASE_AUTH,      /* WebSocket: its first message has to bring a token */
    PHASE_OPEN,
    PHASE_GOODBYE, /* WebSocket: goodbye and close frame are still to be sent */
    PHASE_CLOSING, /* all said: discard what comes until the peer closes or time is up */
    PHASE_DEAD,    /* closed; lws will free it */
};

/* name, close code, code on the wire, message */
#define GOODBYES(X)                                                                                \
    X(SHUTTING_DOWN, 1001, "shutting_down", "the server is shutting down; reconnect later")        \
    X(UNMASKED, 1002, "bad_frame", "frames of a client have to be masked (RFC 6455, 5.1)")         \
    X(FRAMING, 1002, "bad_frame", "a frame breaks the rules of WebSocket (RFC 6455, 5)")           \
    X(BINARY, 1003, "bad_message", "messages are JSON text, not binary")                           \
    X(NOT_UTF8, 1007, "not_utf8", "the message is not UTF-8")                                      \
    X(TOO_BIG, 1009, "message_too_big", "the message is larger than this server accepts")          \
    X(RULES, 1012, "access_changed", "what is shown without a token has changed; reconnect")       \
    X(TOKEN, 4401, "unauthorized",                                                                 \
      "a token is required: as Authorization, or as the first message")                            \
    X(EXPIRED, 4401, "token_expired", "the token has expired")                                     \
    X(REVOKED, 4401, "token_revoked", "the token's key is no longer accepted")                     \
    X(FORBIDDEN, 4403, "forbidden", "the token does not allow this")                               \
    X(LATE, 4408, "auth_timeout", "no token came in time")                                         \
    X(BAD_MESSAGES, 4400, "too_many_bad_messages", "too many bad messages in a row")               \
    X(MESSAGE_LATE, 4408, "message_timeout", "a message did not arrive whole in time")             \
    X(CONNECTIONS, 4429, "too_many_connections", "the server has no room for more connections")    \
    X(ADDRESS, 4429, "too_many_connections", "there are too many connections of this address")     \
    X(TOKEN_CONNECTIONS, 4429, "too_many_connections",                                             \
      "there are too many connections with this token")                                            \
    X(RATE, 4429, "too_fast", "more was sent than may be, for too long")

enum goodbye {
#define X(name, close, code, message) GOODBYE_##name,
    GOODBYES(X)
#undef X
};

/* Why a connection is not read from. */
enum {
    PAUSE_WINDOW = 1, /* what it sent before waits */
    PAUSE_HTTP = 2,   /* a request is being served */
    PAUSE_RATE = 4,
    PAUSE_MEMORY = 8, /* of messages under way */
    PAUSE_ALL = 15,
};

struct connection;
struct http_request;
struct ingest;

/* One message on its way: a post, and its place among those of its connection. */
struct parcel {
    struct post post; /* first: a post of ours is a parcel */
    struct server *server;
    struct parcel *prev, *next; /* of the same connection, in order */
    uint64_t bytes;             /* of text, as counted in the window */
    uint32_t events;            /* the same in events, at least 1 */
    uint64_t waiting_bytes;     /* of memory, while it waits for Redis */
    uint64_t unread_bytes;      /* of memory, while its ack can't be written */
    bool done;
};

/* As little as an idle viewer needs; what else there is to a connection is its activity. */
struct connection {
    struct server *server;
    struct lws *wsi;
    struct connection *prev, *next;
    struct connection *wheel_prev, *wheel_next;
    struct activity *activity;          /* NULL: at rest; see activity_of() */
    struct grant *grant;                /* a WebSocket's; a reference; NULL: no limits */
    struct party *parties[PLACE_COUNT]; /* where it counts; NULL: nowhere */
    struct meter meter;
    int64_t since_ms; /* loop time: start of the phase; PHASE_OPEN of a WebSocket: the last sign of
                         life, or, when pinged, the ping; a stream: when pinged, that */
    union {
        struct ingest *ingest;
        struct http_request *request;
        struct viewer *viewer; /* NULL: not opened yet, or closed */
    } u;
    int fd;             /* that inbound.c knows it by, if it does */
    int16_t wheel_slot; /* -1: in none */
    uint8_t kind;
    uint8_t phase;
    uint8_t goodbye;  /* enum goodbye, from PHASE_GOODBYE on */
    uint8_t refusal;  /* enum refusal, when refused */
    uint8_t paused;   /* PAUSE_…; not read from unless 0 */
    uint8_t expected; /* of the peer; inbound.c */
    struct ip client; /* its peer, or whom X-Forwarded-For names, if that may; limits go by this */
    uint8_t guest;    /* bits by enum place: over the limit, not among the party's members */
    bool goodbye_sent : 1; /* the message; the close frame follows */
    bool refused : 1;      /* over a limit: to be told so */
    bool pinged : 1;       /* since the last sign of life */
    bool binary : 1;       /* the message under way */
    bool sending : 1;      /* HTTP: lws holds a part of an answer */
    bool flowing : 1;      /* and there was room for it */
    bool awaits_room : 1;  /* its socket is in the server's epoll */
    bool stream : 1;       /* KIND_LIVE by server-sent events: still HTTP for lws */
    bool nameless : 1;     /* came without a token that it needs */
    bool may_auth : 1;     /* may bring a token as its first message, which it doesn't need */
    bool tls : 1;
    bool proxied : 1;   /* came to a listener of proxies */
    bool cut_off : 1;   /* its memory counts no more: it is being closed for that */
    bool explained : 1; /* words are for the peer, and no longer from it */
    bool waiting : 1;   /* KIND_LIVE: the hub wants to hear when there is room */
};

#if UINTPTR_MAX == UINT64_MAX
/* Every viewer takes it, in steps of 16 bytes with malloc's own 8. What grows it by a field that
 * only some need belongs into struct activity. */
static_assert(sizeof(struct connection) <= 152, "an idle viewer takes more memory");
#endif

/* To look at: what is under way, also when that is nothing. */
static inline const struct activity *activity_of(const struct connection *connection)
{
    return connection->activity ? connection->activity : &activity_none;
}

struct listener {
    uv_poll_t poll;
    struct server *server;
    int fd; /* -1: closed */
    bool tcp;
    bool local;
    uint32_t traits; /* enum listen_trait */
    char url[160];
    char path[112]; /* of a Unix socket that we made, else "" */
    dev_t device;   /* of that socket's file, so that only ours is removed */
    ino_t inode;
};

struct server {
    uv_loop_t *loop;
    struct server_options options;
    struct server_ops ops;
    struct hub *hub;
    const struct view *view;
    struct clock clock;
    const struct log *log;
    struct stats *stats;

    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_vhost *tls_vhost; /* NULL: none can speak TLS */
    const struct tls *tls;       /* of connections to come; NULL as above */

    struct listener *listeners[LISTENERS_MAX];
    uint32_t listener_count;
    int reserve_fd; /* given up for a moment when accept() runs out of descriptors */

    struct connection *connections;
    uint32_t connection_count;
    uint32_t refused_count; /* of those, over max_connections */
    uint32_t room;          /* for connections, as lws sized its tables */

    struct roster addresses, tokens;
    int64_t refusal_told_ms; /* loop time of the last line about one */
    uint32_t refusals_untold;
    struct {
        struct proxy_wait *first, *last;
        uint32_t count;
    } proxies;           /* sockets whose PROXY header isn't here yet */
    uint64_t head_bytes; /* memory of heads, a proxy's too, of which a part is here */
    uint64_t queued_bytes;
    uint64_t arriving_bytes;
    struct connection *arriving_first; /* is read from in spite of those; NULL: nobody waits */
    int64_t cut_off_told_ms;           /* loop time */
    uint32_t cut_off_count;            /* since */
    uint64_t cut_off_bytes;

    struct connection *wheel[WHEEL_SLOTS];
    uint32_t wheel_count;
    int64_t wheel_tick; /* the last one served */
    uint32_t pings_left;

    struct http_request *requests; /* to be served before the loop sleeps */
    struct connection *faulty;     /* what they sent breaks rules; told before the loop sleeps */
    struct connection *flowing;    /* whose answers' rests are being sent */
    int room_fd;                   /* epoll of those whose sockets are full */
    struct ingest *dirty;          /* connections with acks to send before the loop sleeps */
    struct parcel *parcels;        /* free ones */
    uint64_t parcel_bytes;         /* memory those hold */
    uint64_t waiting_bytes;        /* of parcels that wait for Redis, also of connections gone */
    bool pressed;                  /* no ingest connection is read from because of them */

    /*
     * When what is being handled was read: both clocks are asked once for many messages. Some come
     * out of lws's own buffers, without a read. But all come in its callbacks, which the loop makes
     * when it polls or is idle, and between these and its next sleep on_flush() forgets the time.
     */
    struct arrival {
        bool known; /* until something is read again, or the loop is about to sleep */
        int64_t wall_ms;
        int64_t monotonic_ns;
    } arrival;

    struct buffer scratch; /* the message being written; LWS_PRE bytes of headroom */
    uint64_t random;
    bool store_available;
    bool draining;
    bool closing;

    uv_prepare_t flush;
    uv_idle_t hub_soon;
    uv_timer_t hub_timer;
    uv_timer_t wheel_timer;
    uv_timer_t close_timer;
    uv_timer_t proxy_timer;
    uv_poll_t room_poll;
    uv_idle_t close_idle;
    uint32_t handles; /* of ours, open */
    uint32_t close_turns;
    int64_t close_due_ms; /* loop time */
    void (*closed)(void *context);
    void *closed_context;
};

/* address.c */
struct address_parts {
    bool unix_socket;
    char path[108];
    char host[256]; /* "": any */
    char port[6];
    uint32_t traits; /* enum listen_trait */
};
int address_split(const char *address, struct address_parts *ret_parts, struct error *error);
int address_resolve(const struct address_parts *parts, struct addrinfo **ret_list,
                    struct error *error);
bool address_is_loopback(const struct sockaddr *address);
struct ip address_ip(const struct sockaddr *address);

/* listener.c */
void listener_close_all(struct server *server);
/* Takes fd, a connection of this peer. */
void listener_take(struct listener *listener, int fd, const struct ip *peer, bool proxied);

/* proxy.c */
void proxy_init(struct server *server);
void proxy_accept(struct listener *listener, int fd, const struct ip *peer); /* takes fd */
void proxy_close_all(struct server *server);

/* context.c */
int context_start(struct server *server, struct error *error);
/* Takes a socket that this listener accepted from this peer; NULL: it was closed. */
struct connection *context_adopt(struct listener *listener, int fd, const struct ip *peer);

/* tls.c */
void tls_prepare_context(SSL_CTX *context, struct server *server); /* of the vhost */
/* Nothing more will be sent: says so to the peer, within TLS where that is spoken. */
void tls_shut_half(struct connection *connection);
/* Has lws look for what TLS has read already, which no event tells of. */
void tls_resume(struct connection *connection);

/* connection.c */
struct connection *connection_new(struct server *server);
void connection_gone(struct connection *connection); /* lws closed it */
void connection_free(struct connection *connection);
void connection_kill(struct connection *connection); /* soon, without a word */
/* The same, and what lws still holds isn't sent, for which it would take seconds. */
void connection_cut(struct connection *connection);
void connection_set_phase(struct connection *connection, enum connection_phase phase);
/* Stops reading for these reasons (PAUSE_…), or resumes when no reason is left. */
void connection_pause(struct connection *connection, uint8_t reasons, bool pause);
/* Nothing of ours is waiting in lws, and data may be sent. */
bool connection_writable(const struct connection *connection);
void connection_ask_writable(struct connection *connection);
/* Starts a message in server->scratch; connection_send() sends it. Only when writable. */
struct buffer *connection_begin(struct connection *connection);
void connection_send(struct connection *connection);
/* Sends text with at least LWS_PRE bytes of headroom before it. */
void connection_send_bytes(struct connection *connection, unsigned char *text, size_t size);
void connection_open(struct connection *connection); /* it may begin */
void connection_hello(struct connection *connection, const char *protocol);
void connection_say_goodbye(struct connection *connection, enum goodbye goodbye);
enum goodbye connection_refusal(const struct connection *connection); /* why it was refused */
/* Socket events. The int ones return what the lws callback is to return. */
int connection_established(struct connection *connection);
int connection_received(struct connection *connection, const char *data, size_t size);
void connection_drained(struct connection *connection);
int connection_peer_closes(struct connection *connection);
uint64_t server_random(struct server *server);

/* liveness.c */
void liveness_init(struct server *server);
void liveness_schedule(struct connection *connection); /* its deadline may have moved closer */
void liveness_cancel(struct connection *connection);
void liveness_heard(struct connection *connection);

/* upgrade.c: for LWS_CALLBACK_HTTP_CONFIRM_UPGRADE */
int upgrade_confirm(struct connection *connection);

/* site.c: of the request that lws is at */
#define SITE_COMPLAINT                                                                             \
    "without tokens this server goes by an address or localhost; list other names in auth.origins"
/* Found by a name that may be a stranger's, on an address that only this machine has. */
bool site_is_foreign(const struct connection *connection);
bool site_ok(const struct connection *connection); /* not so, where nobody needs a token */
/* Not sent by a page of a site that may not. */
bool origin_ok(const struct connection *connection, enum connection_kind kind);

/* auth.c */
#define AUTH_CHALLENGE_NONE  "WWW-Authenticate: Bearer\r\n"
#define AUTH_CHALLENGE_TOKEN "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n"
#define AUTH_CHALLENGE_SCOPE "WWW-Authenticate: Bearer error=\"insufficient_scope\"\r\n"

struct admission {
    struct grant *grant; /* a reference, when admitted; NULL: no limits */
    bool anonymous;      /* without a token, where others have limits */
    enum auth_refusal refusal;
    struct buffer why; /* of the refusal, a sentence; to be freed in any case */
};
/* By the header of a request, or by its URL where that may be. */
bool auth_request(struct connection *connection, enum grant_scope scope, bool url_too,
                  struct admission *admission);
void auth_count(struct server *server, enum auth_refusal refusal);
bool auth_is_open(const struct server *server);         /* nobody needs a token */
bool auth_is_near(const struct connection *connection); /* from this machine, through no proxy */
/* By header or URL of the upgrade; returns what the lws callback is to return. */
int auth_upgrade(struct connection *connection, enum connection_kind kind);
void auth_receive(struct connection *connection, const char *data, size_t size, bool final);
/* While may_auth. True: it was an auth message, and nothing more is to be done with it. */
bool auth_first_message(struct connection *connection, struct slice text);
void auth_late(struct connection *connection);
int64_t auth_due_ms(const struct connection *connection, int64_t now_ms); /* loop time; expiry */
bool auth_expired(struct connection *connection); /* true: and is closed for it */
void auth_forget_words(struct connection *connection);

/* ingest.c */
void ingest_open(struct connection *connection);
void ingest_close(struct connection *connection);
void ingest_receive(struct connection *connection, const char *data, size_t size, bool first,
                    bool final);
void ingest_flush(struct connection *connection); /* acks that are due */
void ingest_flush_dirty(struct server *server);
void ingest_tell_store(struct connection *connection); /* soon, when it doesn't know yet */

/* ack.c */
void ack_write(struct buffer *out, uint64_t upto, const struct parcel *first,
               const struct parcel *last);

/* parcel.c */
struct parcel *parcel_new(struct server *server);
void parcel_free(struct parcel *parcel);            /* for the next one, or for good */
uint64_t parcel_bytes(const struct parcel *parcel); /* of memory */
void parcel_drop_all(struct server *server);
void parcel_parse(struct parcel *parcel);
bool parcel_is_utf8(const struct parcel *parcel);
/* True when the message is one event object of this type. */
bool parcel_is_auth(const struct parcel *parcel);
void parcel_submit(struct parcel *parcel, uint64_t number, post_done_fn *done, void *origin);
void parcel_settled(struct parcel *parcel); /* it waits no longer */
void parcel_look(struct server *server);    /* whether there is room again for what would wait */

/* live.c */
void live_open(struct connection *connection);
void live_close(struct connection *connection);
void live_receive(struct connection *connection, const char *data, size_t size, bool first,
                  bool final);
void live_drained(struct connection *connection);
/* What it was sent last waits for room in its socket. */
bool live_stuck(const struct connection *connection);

/* sse.c */
bool sse_wanted(struct lws *wsi, const char *path);
void sse_wrap(struct buffer *out, struct slice json); /* a message as an event */
void sse_send(struct connection *connection, struct slice json);
void sse_watch(struct connection *connection);   /* after each write */
void sse_drained(struct connection *connection); /* there is room in the socket */
void sse_end(struct connection *connection);     /* all is said: nothing more will come */
/* The peer has closed, or says something, which comes to the same. */
bool sse_has_left(const struct connection *connection);
void sse_open(struct http_request *request); /* answers with a stream, or with a problem */

/* http.c: what lws tells of a request; the int ones return what its callback is to return */
int http_handle(struct connection *connection, const char *path);
int http_body(struct connection *connection, const char *data, size_t size);
int http_body_complete(struct connection *connection);
void http_rebound(struct connection *connection); /* lws goes to the next request */
void http_serve_ready(struct server *server);
void http_close(struct connection *connection);           /* forgets the request under way */
int64_t http_due_ms(const struct connection *connection); /* INT64_MAX: no deadline */

/* http_answer.c */
void http_shut_half(struct connection *connection); /* when all is sent */
/* Whether lws has read on beyond the request; the connection is read from afterwards. */
bool http_has_leftovers(struct connection *connection);
/* For lws's callbacks before there is a request: answers, and returns -1, which closes. */
int http_refuse(struct connection *connection, int status, const char *code, const char *text,
                const char *headers);

/* http_rest.c: of an answer that lws holds a part of */
int rest_init(struct server *server, struct error *error);
void rest_start(struct server *server);
void rest_done(struct server *server);
void rest_begin(struct connection *connection);
void rest_end(struct connection *connection); /* it is sent, or nobody waits for it any more */
void rest_look(struct server *server);        /* before the loop sleeps */

/* http_serve.c */
void http_expired(struct connection *connection);
void http_shut_down(struct connection *connection);

/* assets.c */
const struct asset *asset_find(const struct server *server, const char *path);

#endif
