/*
 * hiredis on a libuv loop: the event hooks of one redisAsyncContext, as a uv_poll_t.
 */
#ifndef LIVETALLY_STORE_REDIS_UV_H
#define LIVETALLY_STORE_REDIS_UV_H

#include <hiredis/async.h>
#include <uv.h>

/*
 * Attaches a fresh context to the loop. The context owns the handle from then on, and closes it
 * when it is freed; closed(owner) tells when libuv let go of it. Returns 0 or a uv error.
 */
int redis_uv_attach(uv_loop_t *loop, redisAsyncContext *context, void (*closed)(void *owner),
                    void *owner);

#endif
