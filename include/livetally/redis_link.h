/*
 * One connection to Redis on a libuv loop, kept alive: connect (with time-out), AUTH, SELECT, then
 * `up`; on any failure `down`, and again after an exponential back-off with jitter. Commands are
 * pipelined and answered in order. A command whose reply does not come within reply_timeout_ms
 * brings the connection down. While it is down nothing is queued: redis_link_send() returns false.
 * No callback ever runs inside a call of this module but redis_link_flush(): reset and close take
 * effect in the loop.
 *
 * A reply of LOADING, MASTERDOWN or READONLY means that this is not the Redis to talk to, or not
 * now; such a command had no effect. It is answered with NULL, and the connection made anew.
 * Bound: 65,536 commands without an answer; one more brings the connection down.
 *
 * hiredis's own libuv adapter never reports a refused connect, so this has its own (see .c).
 */
#ifndef LIVETALLY_REDIS_LINK_H
#define LIVETALLY_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "livetally/error.h"
#include "livetally/log.h"
#include "livetally/slice.h"
#include "livetally/stats.h"

/*
 * Where Redis is: redis://[:PASSWORD@]HOST[:PORT][/DB], unix:PATH, or unix:PATH?db=N. An IPv6
 * address stands in brackets; a password may use %XX.
 */
struct redis_target {
    char host[256]; /* "" for a Unix socket; also an IPv6 address without brackets */
    int port;
    char path[108];     /* of the Unix socket, else "" */
    char password[256]; /* "" = none; may also be set by the caller */
    int database;
};

int redis_target_parse(const char *text, struct redis_target *ret_target, struct error *error);
void redis_target_describe(const struct redis_target *target, char *out,
                           size_t size); /* no password */

struct redis_link;

struct redis_link_ops {
    void (*up)(void *context);
    /*
     * Comes after every failure, also of an attempt that was never up. All pending commands have
     * been answered with NULL by then. Nothing is logged here: the owner knows what it said.
     */
    void (*down)(void *context, const char *reason);
    void *context;
};

struct redis_link_options {
    struct redis_target target;
    uint32_t connect_timeout_ms;
    uint32_t reply_timeout_ms;
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
};

/* reply is NULL when the connection broke first; else it lives during the call. */
typedef void redis_reply_fn(void *context, const redisReply *reply);

struct redis_link *redis_link_new(uv_loop_t *loop, const struct redis_link_options *options,
                                  const struct redis_link_ops *ops, const struct log *log,
                                  struct stats *stats);
/* Starts connecting (at once, or after what is left of a back-off). */
void redis_link_start(struct redis_link *link);
/* Sends one command already encoded in RESP; bytes are copied. False: down, nothing was sent. */
bool redis_link_send(struct redis_link *link, struct slice resp, redis_reply_fn *done,
                     void *context);
/*
 * Sends commands that are one request, as MULTI … EXEC are: `commands` one behind the other, each
 * up to its end. done() gets the last one's reply, or, when another one's is an error, the first of
 * those. False: as above; nothing of it will be done.
 */
bool redis_link_send_group(struct redis_link *link, const char *commands, const size_t *ends,
                           uint32_t count, redis_reply_fn *done, void *context);
/* Convenience for rare commands: formats as redisCommand() does. */
bool redis_link_command(struct redis_link *link, redis_reply_fn *done, void *context,
                        const char *format, ...);
/*
 * Commands are written when the loop is about to wait. To be called at the end of a uv_prepare that
 * sent some, else they would wait with it. Callbacks may run in here.
 */
void redis_link_flush(struct redis_link *link);
const char *redis_link_where(const struct redis_link *link); /* the target, for messages */
bool redis_link_is_up(const struct redis_link *link);
/*
 * Breaks the connection and starts over, e.g. because its state is in doubt. From now on sending
 * fails and every pending command is answered with NULL; down(reason) follows. No-op while down.
 */
void redis_link_reset(struct redis_link *link, const char *reason);
/*
 * Disconnects, answers what is pending with NULL, frees the link, then calls closed(), when no
 * handle of it is left in the loop. down() is not called any more.
 */
void redis_link_close(struct redis_link *link, void (*closed)(void *context), void *context);

#endif
