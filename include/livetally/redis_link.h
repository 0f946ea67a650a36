/*
 * One connection to Redis on a libuv loop, kept alive: connect (with time-out), AUTH, SELECT, then
 * `up`; on any failure `down`, and again after an exponential back-off with jitter. Commands are
 * pipelined and answered in order. A command whose reply does not come within reply_timeout_ms
 * brings the connection down. While it is down nothing is queued: redis_link_send() returns false.
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

/* Where Redis is: redis://[:PASSWORD@]HOST:PORT[/DB], unix:PATH, or unix:PATH?db=N. */
struct redis_target {
    char host[256]; /* "" for a Unix socket; also an IPv6 address without brackets */
    int port;
    char path[108]; /* of the Unix socket, else "" */
    char password[256]; /* "" = none; may also be set by the caller */
    int database;
};

int redis_target_parse(const char *text, struct redis_target *ret_target, struct error *error);
void redis_target_describe(const struct redis_target *target, char *out, size_t size); /* no password */

struct redis_link;

struct redis_link_ops {
    void (*up)(void *context);
    /* After this all pending commands have been answered with NULL. reason: one line. */
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
/* Convenience for rare commands: formats as redisCommand() does. */
bool redis_link_command(struct redis_link *link, redis_reply_fn *done, void *context,
                        const char *format, ...);
bool redis_link_is_up(const struct redis_link *link);
/* Breaks the connection and starts over, e.g. because its state is in doubt. */
void redis_link_reset(struct redis_link *link, const char *reason);
/* Disconnects, answers what is pending with NULL, then calls closed(); frees the link. */
void redis_link_close(struct redis_link *link, void (*closed)(void *context), void *context);

#endif
