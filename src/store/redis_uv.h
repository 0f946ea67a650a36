/*
 * hiredis on a libuv loop: the event hooks of one redisAsyncContext, as a uv_poll_t.
 */
#ifndef LIVETALLY_STORE_REDIS_UV_H
#define LIVETALLY_STORE_REDIS_UV_H

#include <hiredis/async.h>
#include <uv.h>

/*
 * Attaches a fresh context to the loop. The context owns the handles from then on, and closes them
 * when it is freed; closed(owner) tells when libuv let go of them. Returns 0 or a uv error.
 */
int redis_uv_attach(uv_loop_t *loop, redisAsyncContext *context, void (*closed)(void *owner),
                    void *owner);

/* Commands are written just before the loop waits. Whoever sends some in a uv_prepare of his own,
 * which may run after ours, calls this at its end. hiredis may call back. */
void redis_uv_flush(redisAsyncContext *context);

#endif
