/*
 * Why not the adapter that hiredis ships: it returns silently when libuv reports an error on the
 * socket, so a refused connect never calls back. libuv has by then stopped the watcher. Here an
 * error is handed to hiredis as "readable": it finds the cause by getsockopt or read, and ends the
 * connection through its callbacks.
 *
 * Writing: hiredis asks to be told when the socket is writable, which it nearly always is, and that
 * would cost a turn of the loop and two changes of the watcher for every command. So what is to be
 * written goes out just before the loop waits, and only what the kernel didn't take waits for the
 * socket.
 *
 * The struct is freed in the close callbacks only: hiredis drops its context, and with it calls
 * on_cleanup, in the middle of redisAsyncHandleRead/Write.
 */
#include "redis_uv.h"

#include <stdbool.h>
#include <stdlib.h>

#include "livetally/mem.h"

struct redis_uv {
    uv_poll_t poll;
    uv_prepare_t prepare;
    uint32_t open_handles;
    redisAsyncContext *context; /* NULL once hiredis has let go */
    int events;
    bool write_due; /* before the loop waits */
    bool writing;   /* what is left after that waits for the socket */
    void (*closed)(void *owner);
    void *owner;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct redis_uv *self, int events)
{
    self->events = events;
    if (events != 0) {
        uv_poll_start(&self->poll, events, on_poll);
    } else {
        uv_poll_stop(&self->poll);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct redis_uv *self = poll->data;
    if (status < 0) {
        redisAsyncHandleRead(self->context);
        if (self->context) {
            watch(self, self->events);
        }
        return;
    }
    if (events & UV_READABLE) {
        redisAsyncHandleRead(self->context);
    }
    if (self->context && (events & UV_WRITABLE)) {
        redisAsyncHandleWrite(self->context);
    }
}

/* hiredis calls the hooks for every command and every read: only changes reach libuv. */
static void add_events(void *data, int events)
{
    struct redis_uv *self = data;
    if ((self->events | events) != self->events) {
        watch(self, self->events | events);
    }
}

static void delete_events(void *data, int events)
{
    struct redis_uv *self = data;
    if ((self->events & events) != 0) {
        watch(self, self->events & ~events);
    }
}

static void on_add_read(void *data)
{
    add_events(data, UV_READABLE);
}

static void on_delete_read(void *data)
{
    delete_events(data, UV_READABLE);
}

static void on_add_write(void *data)
{
    struct redis_uv *self = data;
    /* Until it is connected, writable means that the attempt is over. */
    bool at_once = (self->context->c.flags & REDIS_CONNECTED) && !self->writing;
    if (at_once && (self->events & UV_WRITABLE) == 0) {
        self->write_due = true;
    } else {
        add_events(self, UV_WRITABLE);
    }
}

static void on_delete_write(void *data)
{
    struct redis_uv *self = data;
    self->write_due = false;
    delete_events(self, UV_WRITABLE);
}

static void write_due(struct redis_uv *self)
{
    if (!self->write_due || !self->context) {
        return;
    }
    self->write_due = false;
    self->writing = true;
    redisAsyncHandleWrite(self->context);
    self->writing = false;
}

static void on_prepare(uv_prepare_t *prepare)
{
    write_due(prepare->data);
}

void redis_uv_flush(redisAsyncContext *context)
{
    write_due(context->ev.data);
}

static void on_closed(uv_handle_t *handle)
{
    struct redis_uv *self = handle->data;
    if (--self->open_handles > 0) {
        return;
    }
    if (self->closed) {
        self->closed(self->owner);
    }
    free(self);
}

static void on_cleanup(void *data)
{
    struct redis_uv *self = data;
    self->context = NULL;
    uv_close((uv_handle_t *)&self->poll, on_closed);
    uv_close((uv_handle_t *)&self->prepare, on_closed);
}

int redis_uv_attach(uv_loop_t *loop, redisAsyncContext *context, void (*closed)(void *owner),
                    void *owner)
{
    struct redis_uv *self = mem_zalloc(sizeof(*self));
    int status = uv_poll_init(loop, &self->poll, context->c.fd);
    if (status < 0) {
        free(self);
        return status;
    }
    uv_prepare_init(loop, &self->prepare);
    uv_prepare_start(&self->prepare, on_prepare);
    self->open_handles = 2;
    self->poll.data = self->prepare.data = self;
    self->context = context;
    self->closed = closed;
    self->owner = owner;
    context->ev.data = self;
    context->ev.addRead = on_add_read;
    context->ev.delRead = on_delete_read;
    context->ev.addWrite = on_add_write;
    context->ev.delWrite = on_delete_write;
    context->ev.cleanup = on_cleanup;
    return 0;
}
