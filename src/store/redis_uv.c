/*
 * Why not the adapter that hiredis ships: it returns silently when libuv reports an error on the
 * socket, so a refused connect never calls back. libuv has by then stopped the watcher. Here an
 * error is handed to hiredis as "readable": it finds the cause by getsockopt or read, and ends the
 * connection through its callbacks.
 *
 * Writing: hiredis asks to be told when the socket is writable, which it nearly always is, and that
 * would cost a turn of the loop and two changes of the watcher for every command. So what is to be
 * written goes out just before the loop waits, and only what the kernel didn't take waits for the
 * socket. hiredis gives its buffer back with every write that the kernel takes whole; here it is
 * kept, since a commit would let it grow anew.
 *
 * Reading: hiredis takes 16 kB a time, and then waits for the socket. While a reply is unfinished,
 * what else lies in the socket is put behind those in the same turn, without a copy on the way.
 * hiredis still reads last, and so finds the end and parses.
 *
 * The struct is freed in the close callbacks only: hiredis drops its context, and with it calls
 * on_cleanup, in the middle of redisAsyncHandleRead/Write.
 */
#include "redis_uv.h"

#include <hiredis/sds.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "livetally/mem.h"

/* Buffers up to these sizes are kept while they are empty. */
#define READ_KEEP_BYTES  524288
#define WRITE_KEEP_BYTES 524288

#define READ_ON_BYTES  65536 /* a time, and not more: hiredis moves it up after every reply */
#define READS_PER_TURN 5     /* then others have theirs */

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

static bool is_amid_reply(const redisContext *redis)
{
    return !redis->err && !redis->reader->err && redis->reader->ridx >= 0;
}

/* Puts what the socket holds behind an unfinished reply; returns how much that was. An end or an
 * error is 0 too: hiredis finds it, now or in the next turn. */
static size_t read_on(redisContext *redis)
{
    redisReader *reader = redis->reader;
    sds buffer = sdsMakeRoomFor(reader->buf, READ_ON_BYTES);
    if (!buffer) {
        return 0;
    }
    reader->buf = buffer;
    ssize_t got = read(redis->fd, buffer + sdslen(buffer), READ_ON_BYTES);
    if (got <= 0) {
        return 0;
    }
    sdsIncrLen(buffer, (int)got);
    reader->len = sdslen(buffer);
    return (size_t)got;
}

static void read_all(struct redis_uv *self)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        bool amid = is_amid_reply(&self->context->c);
        size_t got = amid ? read_on(&self->context->c) : 0;
        if (i > 0 && got == 0) {
            return;
        }
        redisAsyncHandleRead(self->context);
        if (!self->context || (amid && got < READ_ON_BYTES)) {
            return;
        }
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
        read_all(self);
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

/* False: something is left for hiredis to write, or to find out. */
static bool write_out(redisContext *redis)
{
    size_t size = sdslen(redis->obuf);
    if (redis->err || sdsalloc(redis->obuf) > WRITE_KEEP_BYTES) {
        return false;
    }
    ssize_t taken = write(redis->fd, redis->obuf, size);
    if (taken <= 0) {
        return false;
    }
    if ((size_t)taken < size) {
        sdsrange(redis->obuf, (int)taken, -1);
        return false;
    }
    sdsclear(redis->obuf);
    return true;
}

static void write_due(struct redis_uv *self)
{
    if (!self->write_due || !self->context) {
        return;
    }
    self->write_due = false;
    if (write_out(&self->context->c)) {
        return;
    }
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
    context->c.reader->maxbuf = READ_KEEP_BYTES;
    context->ev.data = self;
    context->ev.addRead = on_add_read;
    context->ev.delRead = on_delete_read;
    context->ev.addWrite = on_add_write;
    context->ev.delWrite = on_delete_write;
    context->ev.cleanup = on_cleanup;
    return 0;
}
