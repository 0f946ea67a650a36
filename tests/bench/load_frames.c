/*
 * Writes the frames of bench_load. See load_frames.h.
 */
#include "load_frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench_common.h"
#include "livetally/mem.h"

#define REACH  4096 /* orders: how far back duplicates and refunds reach */
#define TRIES  8    /* at an order that can be refunded, before looking at one after the other */
#define NOBODY UINT64_MAX

/* A connection's messages while they are written. */
struct writer {
    struct frames *frames;
    const struct frames_options *options;
    struct sales *sales;
    struct buffer text; /* of the message under way */
    struct frames_message message;
    uint64_t random;
    uint64_t first, next, end; /* numbers of the orders of this connection */
    uint64_t settled;          /* orders below it are in earlier messages */
    uint32_t owed_duplicates;  /* hundredths of an event */
    uint32_t owed_refunds;
};

static void end_message(struct writer *writer)
{
    struct frames *frames = writer->frames;
    unsigned char header[BENCH_FRAME_HEADER_BYTES];
    uint32_t mask = (uint32_t)sales_random(&writer->random) | 1;
    size_t header_bytes = bench_frame_header(BENCH_OPCODE_TEXT, writer->text.size, mask, header);
    if (frames->size + header_bytes + writer->text.size > FRAMES_MAX_BYTES)
        bench_fail("the frames don't fit into %llu MiB: post fewer orders",
                   (unsigned long long)(FRAMES_MAX_BYTES >> 20));
    unsigned char *at = frames->bytes + frames->size;
    memcpy(at, header, header_bytes);
    memcpy(at + header_bytes, writer->text.data, writer->text.size);
    bench_frame_mask(at + header_bytes, writer->text.size, mask);
    writer->message.size = (uint32_t)(header_bytes + writer->text.size);
    frames->size += writer->message.size;
    frames->accepted += writer->message.accepted;
    frames->duplicates += writer->message.duplicates;
    frames->all[frames->messages++] = writer->message;
    writer->message = (struct frames_message){0};
    writer->settled = writer->next;
    buffer_reset(&writer->text);
}

static void begin_event(struct writer *writer)
{
    if (writer->message.accepted + writer->message.duplicates > 0)
        buffer_append_byte(&writer->text, '\n');
}

static void end_event(struct writer *writer)
{
    if (writer->message.accepted + writer->message.duplicates == (int)writer->options->batch)
        end_message(writer);
}

static void put_order(struct writer *writer)
{
    struct sales_order order = sales_order(writer->sales, writer->next++);
    begin_event(writer);
    sales_write_order(writer->sales, &order, &writer->text);
    sales_count_order(writer->sales, &order);
    writer->message.accepted++;
    writer->owed_duplicates += writer->options->duplicates_percent;
    writer->owed_refunds += writer->options->refunds_percent;
    end_event(writer);
}

/* One of the last orders in earlier messages; there is one. */
static uint64_t any_earlier(struct writer *writer, uint64_t *ret_oldest)
{
    uint64_t oldest =
        writer->settled - writer->first > REACH ? writer->settled - REACH : writer->first;
    *ret_oldest = oldest;
    return oldest + sales_random(&writer->random) % (writer->settled - oldest);
}

static uint64_t find_refundable(struct writer *writer)
{
    const struct sales *sales = writer->sales;
    uint64_t oldest = 0, number = 0;
    for (int i = 0; i < TRIES; i++) {
        number = any_earlier(writer, &oldest);
        if (sales->refunds[number] < sales_order(sales, number).refund_parts)
            return number;
    }
    for (number = oldest; number < writer->settled; number++)
        if (sales->refunds[number] < sales_order(sales, number).refund_parts)
            return number;
    return NOBODY;
}

static bool put_refund(struct writer *writer)
{
    uint64_t number = find_refundable(writer);
    if (number == NOBODY)
        return false;
    struct sales_order order = sales_order(writer->sales, number);
    uint32_t part = writer->sales->refunds[number]++;
    begin_event(writer);
    sales_write_refund(writer->sales, &order, part, &writer->text);
    sales_count_refund(writer->sales, &order, part);
    writer->message.accepted++;
    writer->owed_refunds -= 100;
    end_event(writer);
    return true;
}

/* The order, or (half of the time) its newest refund. */
static void put_duplicate(struct writer *writer)
{
    uint64_t oldest;
    struct sales_order order = sales_order(writer->sales, any_earlier(writer, &oldest));
    uint32_t refunds = writer->sales->refunds[order.number];
    begin_event(writer);
    if (refunds > 0 && sales_random(&writer->random) & 1)
        sales_write_refund(writer->sales, &order, refunds - 1, &writer->text);
    else
        sales_write_order(writer->sales, &order, &writer->text);
    writer->message.duplicates++;
    writer->owed_duplicates -= 100;
    end_event(writer);
}

/* Whether there was one to write. */
static bool put_event(struct writer *writer)
{
    bool orders_left = writer->next < writer->end;
    if (!orders_left && writer->settled < writer->next)
        end_message(writer); /* so that what is still owed can be of the last orders too */
    if (writer->settled > writer->first) {
        if (writer->owed_duplicates >= 100) {
            put_duplicate(writer);
            return true;
        }
        if (writer->owed_refunds >= 100 && put_refund(writer))
            return true;
    }
    if (orders_left)
        put_order(writer);
    return orders_left;
}

static void write_run(struct writer *writer, struct frames_run *run)
{
    struct frames *frames = writer->frames;
    uint64_t messages_before = frames->messages;
    run->bytes = frames->bytes + frames->size;
    run->messages = frames->all + messages_before;
    while (put_event(writer))
        ;
    if (writer->text.size > 0)
        end_message(writer);
    run->message_count = frames->messages - messages_before;
}

/* At most: every connection may end with two messages that aren't full. */
static uint64_t messages_bound(const struct frames_options *options, uint64_t orders)
{
    uint64_t events = orders + orders * options->duplicates_percent / 100 +
                      orders * options->refunds_percent / 100;
    return events / options->batch + 2 * (uint64_t)options->connections + 1;
}

void frames_init(struct frames *frames, const struct frames_options *options, struct sales *sales)
{
    uint64_t orders = sales->options.orders;
    *frames = (struct frames){0};
    frames->runs = mem_zalloc(options->connections * sizeof *frames->runs);
    frames->all = mem_alloc(messages_bound(options, orders) * sizeof *frames->all);
    frames->bytes = mmap(NULL, FRAMES_MAX_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (frames->bytes == MAP_FAILED)
        bench_fail("memory for frames: %s", strerror(errno));
    struct writer writer = {.frames = frames, .options = options, .sales = sales};
    writer.random = sales->options.seed;
    for (uint32_t i = 0; i < options->connections; i++) {
        writer.first = writer.next = writer.settled = orders * i / options->connections;
        writer.end = orders * (i + UINT64_C(1)) / options->connections;
        writer.owed_duplicates = writer.owed_refunds = 0;
        write_run(&writer, &frames->runs[i]);
    }
    buffer_done(&writer.text);
}

void frames_done(struct frames *frames)
{
    munmap(frames->bytes, FRAMES_MAX_BYTES);
    free(frames->runs);
    free(frames->all);
}
