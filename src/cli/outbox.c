/*
 * Messages live in a ring, oldest first:
 *
 *     head ──── on the way ──── next ──── waiting ──── tail (being collected)
 *
 * The server numbers a connection's messages from 1, so the head's number and its distance in the
 * ring give every message's. A new connection sets next = head and starts counting again. Messages
 * that were acked go to a free list, so that a window's worth of memory is all that is ever used.
 */
#include "outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "livetally/buffer.h"
#include "livetally/mem.h"
#include "reply.h"
#include "ws.h"

#define RING_SIZE         16384 /* a power of two; window_events is held below it */
#define WINDOW_EVENTS_MAX 16000
#define WINDOW_BYTES      (4U << 20)
#define EVENTS_MAX        1000 /* of a message */
#define MESSAGE_BYTES     (1U << 20)
#define CHECK_MS          500

struct parcel {
    struct buffer text;
    struct parcel *next_free;
    uint64_t sent_ns;
    uint32_t count;
    uint64_t tags[]; /* options.batch of them */
};

struct outbox {
    struct ws *ws;
    struct outbox_options options;
    struct outbox_ops ops;
    uint32_t batch; /* events in a message, as far as the server takes them */
    uint32_t window;
    size_t message_bytes;
    bool greeted; /* on this connection */
    uv_timer_t timer;

    struct parcel *ring[RING_SIZE];
    uint32_t head;
    uint32_t next;
    uint32_t tail;
    uint64_t head_number;      /* of the head on this connection */
    struct parcel *collecting; /* NULL: nothing collected */
    struct parcel *free_list;
    size_t unacked_bytes;

    struct outbox_counts counts;
    struct latency latency;
    uint64_t progress_ms; /* uv_now at the last ack, or while there was nothing to wait for */
    bool finishing;
    bool finished;
    bool delivered;
    bool unreachable_told;
};

static struct parcel *parcel_at(const struct outbox *outbox, uint32_t place)
{
    return outbox->ring[place & (RING_SIZE - 1)];
}

static struct parcel *take_parcel(struct outbox *outbox)
{
    struct parcel *parcel = outbox->free_list;
    if (parcel) {
        outbox->free_list = parcel->next_free;
    } else {
        parcel = mem_zalloc(sizeof(*parcel) + outbox->options.batch * sizeof(parcel->tags[0]));
    }
    buffer_reset(&parcel->text);
    parcel->count = 0;
    return parcel;
}

static void release_head(struct outbox *outbox)
{
    struct parcel *parcel = parcel_at(outbox, outbox->head++);
    outbox->head_number++;
    outbox->counts.unacked -= parcel->count;
    outbox->unacked_bytes -= parcel->text.size;
    parcel->next_free = outbox->free_list;
    outbox->free_list = parcel;
}

static void on_timer(uv_timer_t *timer);

static void finish(struct outbox *outbox, bool delivered)
{
    if (!outbox->finished) {
        outbox->finished = true;
        outbox->delivered = delivered;
        ws_close(outbox->ws); /* on_closed() goes on */
    }
}

static void check_finished(struct outbox *outbox)
{
    if (outbox->finishing && outbox->counts.unacked == 0) {
        finish(outbox, true);
    }
}

static void ask_for_more(struct outbox *outbox)
{
    if (outbox->greeted && !outbox->finishing && outbox_room(outbox)) {
        outbox->ops.room(outbox->ops.context);
    }
}

/* ------------------------------------------------------------------------ from the server */

static void on_hello(struct outbox *outbox, const struct reply *reply)
{
    int64_t batch = reply->batch_events > 0 ? reply->batch_events : outbox->batch;
    int64_t window = reply->window_events > 0 ? reply->window_events : WINDOW_EVENTS_MAX;
    outbox->batch = batch < outbox->options.batch ? (uint32_t)batch : outbox->options.batch;
    outbox->window = window < WINDOW_EVENTS_MAX ? (uint32_t)window : WINDOW_EVENTS_MAX;
    if (reply->message_bytes > 0 && reply->message_bytes < WINDOW_BYTES) {
        outbox->message_bytes = (size_t)reply->message_bytes;
    }
    outbox->greeted = true;
    outbox->unreachable_told = false;
    outbox->head_number = 1;
    outbox->next = outbox->head;
    outbox->progress_ms = uv_now(outbox->timer.loop);
    if (outbox->next != outbox->tail) {
        ws_want_write(outbox->ws);
    }
    ask_for_more(outbox);
    check_finished(outbox);
}

static void report_rejections(struct outbox *outbox, const struct reply *reply)
{
    struct json_reader reader;
    struct reply_rejection rejection;
    reply_walk_rejected(&reader, reply);
    while (reply_next_rejection(&reader, &rejection)) {
        uint64_t ahead = (uint64_t)rejection.message - outbox->head_number;
        if (rejection.message <= 0 || ahead >= outbox->next - outbox->head) {
            continue;
        }
        const struct parcel *parcel = parcel_at(outbox, outbox->head + (uint32_t)ahead);
        bool whole = rejection.index < 0 || rejection.index >= parcel->count;
        outbox->counts.rejected += whole ? parcel->count : 1;
        struct outbox_rejection told = {
            .tag = parcel->tags[whole ? 0 : rejection.index],
            .id = slice_of(rejection.id),
            .code = slice_of(rejection.code),
            .field = rejection.field[0] ? slice_of(rejection.field) : (struct slice){NULL, 0},
            .error = slice_of(rejection.error),
            .final = rejection.final,
        };
        outbox->ops.rejected(outbox->ops.context, &told);
    }
}

static void on_ack(struct outbox *outbox, const struct reply *reply)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t sent = outbox->head_number + (outbox->next - outbox->head) - 1;
    if (reply->upto < 0 || (uint64_t)reply->upto > sent) {
        ws_break(outbox->ws, "the server acked what was not sent");
        return;
    }
    report_rejections(outbox, reply);
    outbox->counts.accepted += (uint64_t)reply->accepted;
    outbox->counts.duplicates += (uint64_t)reply->duplicates;
    outbox->counts.parked += (uint64_t)reply->parked;
    while (outbox->head != outbox->next && outbox->head_number <= (uint64_t)reply->upto) {
        latency_add(&outbox->latency, (now_ns - parcel_at(outbox, outbox->head)->sent_ns) / 1000);
        release_head(outbox);
        outbox->progress_ms = uv_now(outbox->timer.loop);
    }
    ask_for_more(outbox);
    check_finished(outbox);
}

static void on_goodbye(struct outbox *outbox, const struct reply *reply)
{
    char text[512];
    snprintf(text, sizeof(text), "the server says goodbye: %s (%s)", reply->message, reply->code);
    outbox->ops.notice(outbox->ops.context, text);
    ws_retry_after(outbox->ws, reply->retry_after_ms);
}

static void on_message(void *context, struct slice text)
{
    struct outbox *outbox = context;
    struct reply reply;
    if (outbox->finished) {
        return;
    }
    if (!reply_parse(text, &reply)) {
        ws_break(outbox->ws, "the server does not speak this protocol");
        return;
    }
    switch (reply.type) {
    case REPLY_HELLO:
        on_hello(outbox, &reply);
        break;
    case REPLY_ACK:
        on_ack(outbox, &reply);
        break;
    case REPLY_STATUS:
        outbox->ops.notice(outbox->ops.context, reply.store_available
                                                    ? "the server's store is available again"
                                                    : "the server's store is unavailable: waiting");
        break;
    case REPLY_GOODBYE:
        on_goodbye(outbox, &reply);
        break;
    case REPLY_OTHER:
        break;
    }
}

static void on_opened(void *context)
{
    (void)context; /* the server speaks first */
}

static void on_writable(void *context)
{
    struct outbox *outbox = context;
    bool more = outbox->greeted;
    while (more && outbox->next != outbox->tail) {
        struct parcel *parcel = parcel_at(outbox, outbox->next);
        parcel->sent_ns = uv_hrtime();
        outbox->next++;
        more = ws_send(outbox->ws, buffer_slice(&parcel->text));
    }
    if (outbox->next != outbox->tail) {
        ws_want_write(outbox->ws);
    }
}

static void on_closed(void *context, const char *reason)
{
    struct outbox *outbox = context;
    outbox->greeted = false;
    if (outbox->finished) {
        uv_timer_start(&outbox->timer, on_timer, 0, 0);
        return;
    }
    if (!outbox->unreachable_told) {
        char text[512];
        outbox->unreachable_told = true;
        snprintf(text, sizeof(text), "no connection: %s; trying again", reason);
        outbox->ops.notice(outbox->ops.context, text);
    }
}

/* Looks for progress; after the end, outside of all of libwebsockets' frames, tears down. */
static void on_timer(uv_timer_t *timer)
{
    struct outbox *outbox = timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    if (outbox->finished) {
        ws_shutdown(outbox->ws);
        uv_close((uv_handle_t *)timer, NULL);
        outbox->ops.finished(outbox->ops.context, outbox->delivered);
        return;
    }
    if (outbox->greeted && outbox->counts.unacked == 0) {
        outbox->progress_ms = now_ms;
    }
    if (outbox->options.give_up_s != 0 &&
        now_ms - outbox->progress_ms >= (uint64_t)outbox->options.give_up_s * 1000) {
        finish(outbox, false);
    }
}

/* -------------------------------------------------------------------------------- public */

struct outbox *outbox_new(uv_loop_t *loop, const struct outbox_options *options,
                          const struct outbox_ops *ops)
{
    struct outbox *outbox = mem_zalloc(sizeof(*outbox));
    struct ws_options ws_options = {
        .url = options->url,
        .path = "/v1/ingest",
        .subprotocol = "livetally.ingest.v1",
        .token = options->token,
        .tls = options->tls,
    };
    struct ws_ops ws_ops = {on_opened, on_message, on_writable, on_closed, outbox};
    outbox->ws = ws_new(loop, &ws_options, &ws_ops);
    if (!outbox->ws) {
        free(outbox);
        return NULL;
    }
    outbox->options = *options;
    if (outbox->options.batch > EVENTS_MAX) {
        outbox->options.batch = EVENTS_MAX;
    }
    outbox->batch = outbox->options.batch;
    outbox->window = WINDOW_EVENTS_MAX;
    outbox->message_bytes = MESSAGE_BYTES;
    outbox->ops = *ops;
    outbox->progress_ms = uv_now(loop);
    uv_timer_init(loop, &outbox->timer);
    outbox->timer.data = outbox;
    uv_timer_start(&outbox->timer, on_timer, CHECK_MS, CHECK_MS);
    ws_start(outbox->ws);
    return outbox;
}

bool outbox_room(const struct outbox *outbox)
{
    return outbox->greeted && !outbox->finished && outbox->counts.unacked < outbox->window &&
           outbox->unacked_bytes < WINDOW_BYTES;
}

bool outbox_add(struct outbox *outbox, struct slice event, uint64_t tag)
{
    struct parcel *parcel = outbox->collecting;
    if (event.size > outbox->message_bytes) {
        return false;
    }
    if (parcel && parcel->text.size + 1 + event.size > outbox->message_bytes) {
        outbox_flush(outbox);
        parcel = NULL;
    }
    if (!parcel) {
        parcel = take_parcel(outbox);
        outbox->collecting = parcel;
    } else {
        buffer_append_byte(&parcel->text, '\n');
    }
    buffer_append_slice(&parcel->text, event);
    parcel->tags[parcel->count++] = tag;
    outbox->counts.unacked++;
    outbox->unacked_bytes += event.size + (parcel->count > 1);
    if (parcel->count >= outbox->batch) {
        outbox_flush(outbox);
    }
    return true;
}

void outbox_flush(struct outbox *outbox)
{
    if (outbox->collecting) {
        outbox->ring[outbox->tail++ & (RING_SIZE - 1)] = outbox->collecting;
        outbox->collecting = NULL;
        ws_want_write(outbox->ws);
    }
}

void outbox_finish(struct outbox *outbox)
{
    outbox_flush(outbox);
    outbox->finishing = true;
    check_finished(outbox);
}

void outbox_give_up(struct outbox *outbox)
{
    finish(outbox, outbox->counts.unacked == 0);
}

const struct outbox_counts *outbox_counts(const struct outbox *outbox)
{
    return &outbox->counts;
}

const struct latency *outbox_latency(const struct outbox *outbox)
{
    return &outbox->latency;
}

static void free_parcel(struct parcel *parcel)
{
    if (parcel) {
        buffer_done(&parcel->text);
        free(parcel);
    }
}

void outbox_free(struct outbox *outbox)
{
    while (outbox->head != outbox->tail) {
        free_parcel(parcel_at(outbox, outbox->head++));
    }
    while (outbox->free_list) {
        struct parcel *parcel = outbox->free_list;
        outbox->free_list = parcel->next_free;
        free_parcel(parcel);
    }
    free_parcel(outbox->collecting);
    ws_free(outbox->ws);
    free(outbox);
}
