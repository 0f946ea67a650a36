/*
 * The insides of a redis_link, shared by redis_link.c (life cycle, time-outs) and redis_connect.c
 * (from a target to a connection that is ready for use). See redis_link.c for how they play.
 */
#ifndef LIVETALLY_STORE_REDIS_LINK_INTERNAL_H
#define LIVETALLY_STORE_REDIS_LINK_INTERNAL_H

#include <arpa/inet.h>
#include <hiredis/async.h>
#include <stdarg.h>

#include "livetally/redis_link.h"
#include "redis_replies.h"

#define REDIS_ADDRESSES_MAX 8
#define REDIS_REASON_BYTES  512
#define GROUP_ERROR_BYTES   256

enum state {
    STATE_IDLE,
    STATE_RESOLVING,
    STATE_CONNECTING,
    STATE_HANDSHAKE,
    STATE_UP,
    STATE_BREAKING,
    STATE_BACKOFF,
    STATE_CLOSING,
};

struct pending {
    redis_reply_fn *done;
    void *context;
    uint64_t sent_ms;   /* uv_now */
    uint64_t sent_ns;   /* uv_hrtime */
    bool group_goes_on; /* its reply is not the last of its group */
};

struct redis_link {
    uv_loop_t *loop;
    struct redis_link_options options;
    struct redis_link_ops ops;
    const struct log *log;
    struct stats *stats;
    char where[384]; /* the target, for messages */

    enum state state;
    redisAsyncContext *redis; /* NULL while there is none */
    struct redis_replies replies;
    uv_timer_t timer;
    bool second_chance;    /* the running time-out has already fired once */
    uint32_t open_handles; /* the timer, and watchers of this and earlier connections */

    uv_getaddrinfo_t resolve;
    bool resolving; /* the request is with libuv */
    char addresses[REDIS_ADDRESSES_MAX][INET6_ADDRSTRLEN];
    uint32_t address_count;
    uint32_t address_next;

    struct pending *ring;
    uint32_t ring_size; /* a power of two */
    uint32_t ring_head;
    uint32_t ring_count;

    char group_error[GROUP_ERROR_BYTES]; /* the first of the group that is being answered */
    char reason[REDIS_REASON_BYTES];     /* why the connection is going down; "" = ask hiredis */
    bool retry_soon;                     /* Redis is there, but not ready */
    uint32_t failures;                   /* since the last connection that held */
    uint64_t up_since_ms;
    uint64_t random;

    void (*closed)(void *context);
    void *closed_context;
};

/* redis_link.c */
void redis_link_set_timer(struct redis_link *link, uint64_t delay_ms);
/* Notes why, flags everything as finished, and leaves the rest to the timer. */
void redis_link_break(struct redis_link *link, const char *reason);
/* The same for an error of Redis. */
void redis_link_break_by(struct redis_link *link, const redisReply *error);
/* There is no connection (any more), for link->reason: tells, and comes back later. */
void redis_link_fail(struct redis_link *link);
/* Frees the context. Only from the timer: there no hiredis frame is on the stack. */
void redis_link_drop(struct redis_link *link);
void redis_link_handle_closed(struct redis_link *link);
bool redis_link_send_format(struct redis_link *link, redis_reply_fn *done, void *context,
                            const char *format, va_list args);

/* redis_connect.c */
void redis_connect_start(struct redis_link *link);
/* Tries the addresses that are left; when none is, the link fails for the last one's reason. */
void redis_connect_next(struct redis_link *link);

#endif
