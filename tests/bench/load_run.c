/*
 * Sends and listens. See load_run.h.
 *
 * One epoll, edge-triggered, so that nothing has to be asked for again: a connection is written to
 * until it takes no more or its window is full, and read from until it is empty.
 */
#include "load_run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "livetally/mem.h"
#include "load_acks.h"

#define READ_BYTES   16384
#define EVENTS       64
#define FAULTS_SHOWN 5
#define TEXT_SHOWN   300
#define INGEST       "livetally.ingest.v1"

struct line {
    int fd;
    uint32_t number;
    const struct frames_run *run;
    uint64_t sent_bytes, due_bytes; /* due: of the messages that the window let through */
    uint64_t due, acked;            /* messages */
    int64_t *due_us;                /* by message number modulo the window */
    unsigned char *input;           /* what came in and isn't a whole frame yet */
    size_t input_bytes, input_room;
};

struct load {
    const struct load_options *options;
    const struct frames *frames;
    struct load_result *result;
    struct line *lines;
    int epoll;
    uint32_t unfinished;
    int64_t now_us;
};

static void open_lines(struct load *load)
{
    const struct load_options *options = load->options;
    load->lines = mem_zalloc(options->connections * sizeof *load->lines);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        bench_fail("epoll: %s", strerror(errno));
    for (uint32_t i = 0; i < options->connections; i++) {
        struct line *line = &load->lines[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = line};
        line->number = i;
        line->run = &load->frames->runs[i];
        line->due_us = mem_zalloc(options->window * sizeof *line->due_us);
        line->input = mem_alloc(READ_BYTES);
        line->input_room = READ_BYTES;
        line->fd = bench_ws_connect(&options->servers[i % options->server_count], NULL,
                                    "/v1/ingest", INGEST);
        bench_set_nonblocking(line->fd);
        load->unfinished += line->run->message_count > 0;
        if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, line->fd, &event))
            bench_fail("epoll: %s", strerror(errno));
    }
}

static void close_lines(struct load *load)
{
    for (uint32_t i = 0; i < load->options->connections; i++) {
        close(load->lines[i].fd);
        free(load->lines[i].due_us);
        free(load->lines[i].input);
    }
    free(load->lines);
    close(load->epoll);
}

static void line_send(struct load *load, struct line *line)
{
    uint64_t limit = line->acked + load->options->window;
    if (limit > line->run->message_count)
        limit = line->run->message_count;
    for (; line->due < limit; line->due++) {
        line->due_us[line->due % load->options->window] = load->now_us;
        line->due_bytes += line->run->messages[line->due].size;
    }
    while (line->sent_bytes < line->due_bytes) {
        ssize_t sent = send(line->fd, line->run->bytes + line->sent_bytes,
                            line->due_bytes - line->sent_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            bench_fail("connection %u broke with %" PRIu64 " messages not acked: %s", line->number,
                       line->run->message_count - line->acked, strerror(errno));
        line->sent_bytes += (uint64_t)sent;
    }
}

static void fault(struct load *load, const struct line *line, const struct reply *reply,
                  const struct reply *expected)
{
    if (load->result->faults++ >= FAULTS_SHOWN)
        return;
    fprintf(stderr,
            "connection %u, ack upto %" PRIu64 ": accepted %" PRIu64 " (not %" PRIu64
            "), duplicates %" PRIu64 " (not %" PRIu64 "), parked %" PRIu64 ", rejected %" PRIu64
            "\n",
            line->number, reply->upto, reply->accepted, expected->accepted, reply->duplicates,
            expected->duplicates, reply->parked, reply->rejected);
}

/* Everything in the messages up to this one is acked now, and must be as it was meant to be. */
static void take_ack(struct load *load, struct line *line, const struct reply *reply)
{
    struct load_result *result = load->result;
    struct reply expected = {0};
    if (reply->upto <= line->acked || reply->upto > line->due)
        bench_fail("connection %u: ack upto %" PRIu64 " when %" PRIu64 " to %" PRIu64
                   " were not acked",
                   line->number, reply->upto, line->acked + 1, line->due);
    for (; line->acked < reply->upto; line->acked++) {
        const struct frames_message *message = &line->run->messages[line->acked];
        int64_t due_us = line->due_us[line->acked % load->options->window];
        uint64_t took_us = (uint64_t)(load->now_us - due_us);
        expected.accepted += message->accepted;
        expected.duplicates += message->duplicates;
        latency_add(&result->ack, took_us);
        if (took_us > result->ack_max_us)
            result->ack_max_us = took_us;
    }
    result->acks++;
    result->accepted += reply->accepted;
    result->duplicates += reply->duplicates;
    result->rejected += reply->rejected;
    if (!load->options->discard &&
        (reply->accepted != expected.accepted || reply->duplicates != expected.duplicates ||
         reply->parked > 0 || reply->rejected > 0))
        fault(load, line, reply, &expected);
    load->unfinished -= line->acked == line->run->message_count;
}

static void take_frame(struct load *load, struct line *line, unsigned opcode, const char *text,
                       size_t size)
{
    if (opcode == BENCH_OPCODE_PING || opcode == BENCH_OPCODE_PONG)
        return; /* whatever we send counts as life */
    if (opcode != BENCH_OPCODE_TEXT)
        bench_fail("connection %u was closed by the server with %" PRIu64 " messages not acked",
                   line->number, line->run->message_count - line->acked);
    struct reply reply =
        load->options->discard ? reply_read_count(text, size) : reply_read(text, size);
    if (reply.kind == REPLY_ACK) {
        take_ack(load, line, &reply);
        if (reply.rejected > 0 && load->result->faults <= FAULTS_SHOWN)
            fprintf(stderr, "%.*s\n", (int)(size < TEXT_SHOWN ? size : TEXT_SHOWN), text);
    } else if (reply.kind != REPLY_HELLO) {
        fprintf(stderr, "connection %u was told: %.*s\n", line->number,
                (int)(size < TEXT_SHOWN ? size : TEXT_SHOWN), text);
    }
}

static void take_frames(struct load *load, struct line *line)
{
    size_t at = 0, taken, text_bytes;
    const char *text;
    unsigned opcode;
    while ((taken = bench_frame_read(line->input + at, line->input_bytes - at, &opcode, &text,
                                     &text_bytes)) > 0) {
        take_frame(load, line, opcode, text, text_bytes);
        at += taken;
    }
    line->input_bytes -= at;
    if (at > 0 && line->input_bytes > 0)
        memmove(line->input, line->input + at, line->input_bytes);
}

static void line_receive(struct load *load, struct line *line)
{
    for (;;) {
        if (line->input_bytes == line->input_room) /* an ack with many rejections */
            line->input = mem_realloc(line->input, line->input_room *= 2);
        size_t room = line->input_room - line->input_bytes;
        ssize_t got = recv(line->fd, line->input + line->input_bytes, room, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            bench_fail("connection %u broke with %" PRIu64 " messages not acked: %s", line->number,
                       line->run->message_count - line->acked,
                       got ? strerror(errno) : "closed by the server");
        line->input_bytes += (size_t)got;
        take_frames(load, line);
        if ((size_t)got < room)
            return;
    }
}

static void wait_for_acks(struct load *load)
{
    struct epoll_event events[EVENTS];
    uint64_t acks_before = load->result->acks;
    int64_t last_us = load->now_us;
    while (load->unfinished > 0) {
        int count = epoll_wait(load->epoll, events, EVENTS, 1000);
        load->now_us = bench_now_us();
        for (int i = 0; i < count; i++) {
            struct line *line = events[i].data.ptr;
            if (events[i].events & ~(unsigned)EPOLLOUT)
                line_receive(load, line);
            line_send(load, line);
        }
        if (load->result->acks > acks_before) {
            acks_before = load->result->acks;
            last_us = load->now_us;
        } else if (load->now_us - last_us > BENCH_STALL_MS * INT64_C(1000)) {
            bench_fail("no ack for %d s; %u connections wait for one", BENCH_STALL_MS / 1000,
                       load->unfinished);
        }
    }
}

void load_run(const struct load_options *options, const struct frames *frames,
              struct bench_processes *processes, struct load_result *ret_result)
{
    struct load load = {.options = options, .frames = frames, .result = ret_result};
    *ret_result = (struct load_result){0};
    open_lines(&load);
    bench_processes_start(processes);
    int64_t own_start_us = bench_cpu_us(0), start_us = load.now_us = bench_now_us();
    for (uint32_t i = 0; i < options->connections; i++)
        line_send(&load, &load.lines[i]);
    wait_for_acks(&load);
    ret_result->wall_us = bench_now_us() - start_us;
    ret_result->own_cpu_us = bench_cpu_us(0) - own_start_us;
    bench_processes_stop(processes);
    close_lines(&load);
}
