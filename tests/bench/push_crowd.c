/*
 * See push_crowd.h. Connecting is done one after the other and blocking.
 */
#include "push_crowd.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench_common.h"
#include "livetally/mem.h"
#include "push_socket.h"

#define SAMPLES_MAX    (4U << 20)
#define TOPICS_AT_ONCE 50 /* in one request for totals */
#define EVENTS_AT_ONCE 256
#define FIRST_SOURCE   UINT32_C(0x7f000001) /* 127.0.0.1 */
#define PAYLOAD_STARTS "\"topics\":{"
#define SUBPROTOCOL    "livetally.live.v1" /* as browsers of ours: without one more is kept */
#define TYPE_AT        (sizeof("{\"type\":\"") - 1)

struct push_viewer {
    struct push_socket socket;
    struct push_crowd *crowd;
    struct buffer shown; /* topics of the last message */
    int64_t heard_us;    /* when it came; 0: not since timing began */
};

struct push_crowd {
    struct push_options options;
    struct push_viewer *viewers;
    struct push_counts counts;
    uint32_t snapshots;
    bool timing;
    uint32_t *late_us;
    size_t late_count;
};

void push_topic(const struct push_options *options, uint32_t set, char topic[PUSH_TOPIC_BYTES])
{
    if (options->sets == 1)
        (void)snprintf(topic, PUSH_TOPIC_BYTES, "total");
    else
        (void)snprintf(topic, PUSH_TOPIC_BYTES, "host/%s-%u", options->run, set);
}

static void note_time(struct push_viewer *viewer)
{
    struct push_crowd *crowd = viewer->crowd;
    int64_t now_us = bench_now_us();
    int64_t late_us = now_us - viewer->heard_us - crowd->options.interval_ms * 1000;

    if (viewer->heard_us > 0 && crowd->late_count < SAMPLES_MAX)
        crowd->late_us[crowd->late_count++] = late_us > 0 ? (uint32_t)late_us : 0;
    viewer->heard_us = now_us;
}

static void show(struct push_viewer *viewer, struct slice text)
{
    const char *topics = memmem(text.data, text.size, PAYLOAD_STARTS, strlen(PAYLOAD_STARTS));

    if (!topics)
        bench_fail("not a message of topics: %.*s", SLICE_ARG(text));
    buffer_reset(&viewer->shown);
    buffer_append(&viewer->shown, topics, (size_t)(text.data + text.size - topics));
}

static bool is_type(struct slice text, const char *type)
{
    size_t size = strlen(type);

    return text.size > TYPE_AT + size && memcmp(text.data + TYPE_AT, type, size) == 0 &&
           text.data[TYPE_AT + size] == '"';
}

static void on_message(void *context, struct slice text, size_t frame_bytes)
{
    struct push_viewer *viewer = context;
    struct push_crowd *crowd = viewer->crowd;

    if (is_type(text, "update")) {
        crowd->counts.messages++;
        crowd->counts.bytes += frame_bytes;
        if (crowd->timing)
            note_time(viewer);
        show(viewer, text);
    } else if (is_type(text, "snapshot")) {
        crowd->snapshots++;
        show(viewer, text);
    } else if (!is_type(text, "hello") && !is_type(text, "heartbeat")) {
        bench_fail("a viewer was told %.*s", SLICE_ARG(text));
    }
}

static void connect_viewer(struct push_crowd *crowd, uint32_t number, int epoll_fd)
{
    const struct push_options *options = &crowd->options;
    struct push_viewer *viewer = &crowd->viewers[number];
    struct in_addr from = {htonl(FIRST_SOURCE + number % options->sources)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = viewer};

    viewer->crowd = crowd;
    push_socket_init(&viewer->socket,
                     bench_ws_connect(&options->daemon, &from, "/v1/live", SUBPROTOCOL));
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, viewer->socket.fd, &event))
        bench_fail("epoll can't take one more socket");
}

static void subscribe(struct push_crowd *crowd, uint32_t number)
{
    char topic[PUSH_TOPIC_BYTES];
    char text[PUSH_TOPIC_BYTES + 80];

    push_topic(&crowd->options, number % crowd->options.sets, topic);
    (void)snprintf(text, sizeof(text),
                   "{\"type\":\"subscribe\",\"topics\":[\"%s\"],\"interval_ms\":%lld}", topic,
                   (long long)crowd->options.interval_ms);
    push_socket_send(&crowd->viewers[number].socket, slice_of(text));
}

/* Returns how many sockets had something. */
static int read_ready(struct push_crowd *crowd, int epoll_fd, int wait_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, wait_ms);

    for (int i = 0; i < count; i++)
        push_crowd_read(crowd, events[i].data.ptr);
    return count;
}

static void await_snapshots(struct push_crowd *crowd, int epoll_fd)
{
    while (crowd->snapshots < crowd->options.viewers) {
        if (read_ready(crowd, epoll_fd, BENCH_STALL_MS) <= 0)
            bench_fail("waited %d ms in vain for snapshots: %u of %u came", BENCH_STALL_MS,
                       crowd->snapshots, crowd->options.viewers);
    }
}

struct push_crowd *push_crowd_new(const struct push_options *options, int epoll_fd)
{
    struct push_crowd *crowd = mem_zalloc(sizeof(*crowd));

    crowd->options = *options;
    crowd->viewers = mem_zalloc(options->viewers * sizeof(*crowd->viewers));
    crowd->late_us = mem_resize(NULL, SAMPLES_MAX, sizeof(*crowd->late_us));
    for (uint32_t i = 0; i < options->viewers; i++) {
        connect_viewer(crowd, i, epoll_fd);
        (void)read_ready(crowd, epoll_fd, 0); /* pings want an answer */
    }
    for (uint32_t i = 0; i < options->viewers; i++)
        subscribe(crowd, i);
    await_snapshots(crowd, epoll_fd);
    return crowd;
}

void push_crowd_free(struct push_crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->options.viewers; i++) {
        push_socket_done(&crowd->viewers[i].socket);
        buffer_done(&crowd->viewers[i].shown);
    }
    free(crowd->viewers);
    free(crowd->late_us);
    free(crowd);
}

void push_crowd_read(struct push_crowd *crowd, void *event)
{
    struct push_viewer *viewer = event;

    if (viewer < crowd->viewers || viewer >= crowd->viewers + crowd->options.viewers)
        return;
    push_socket_read(&viewer->socket, on_message, viewer);
}

struct push_counts push_crowd_counts(const struct push_crowd *crowd)
{
    return crowd->counts;
}

void push_crowd_time(struct push_crowd *crowd, bool on)
{
    crowd->timing = on;
}

static int compare_late(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

int64_t push_crowd_late_us(struct push_crowd *crowd, double share)
{
    if (crowd->late_count == 0)
        return 0;
    qsort(crowd->late_us, crowd->late_count, sizeof(*crowd->late_us), compare_late);
    return crowd->late_us[(size_t)(share * (double)(crowd->late_count - 1))];
}

/* The object that begins at text. Strings hold no braces: the names are ours. */
static struct slice object_at(const char *text)
{
    size_t depth = 0;
    size_t size = 0;

    do {
        depth += text[size] == '{';
        depth -= text[size] == '}';
        size++;
    } while (depth > 0 && text[size]);
    return (struct slice){text, size};
}

static uint32_t differing_of(struct push_crowd *crowd, uint32_t set, const char *totals)
{
    char topic[PUSH_TOPIC_BYTES];
    struct buffer wanted = BUFFER_INIT;
    char key[PUSH_TOPIC_BYTES + 4];
    const char *found;
    uint32_t differing = 0;

    push_topic(&crowd->options, set, topic);
    (void)snprintf(key, sizeof(key), "\"%s\":", topic);
    found = strstr(totals, key);
    if (!found)
        bench_fail("/v1/totals doesn't tell %s", topic);
    buffer_append_text(&wanted, PAYLOAD_STARTS);
    buffer_append_text(&wanted, key);
    buffer_append_slice(&wanted, object_at(found + strlen(key)));
    buffer_append_text(&wanted, "}}");
    for (uint32_t i = set; i < crowd->options.viewers; i += crowd->options.sets)
        differing += !slice_equal(buffer_slice(&wanted), buffer_slice(&crowd->viewers[i].shown));
    buffer_done(&wanted);
    return differing;
}

uint32_t push_crowd_differing(struct push_crowd *crowd)
{
    uint32_t sets = crowd->options.sets;
    uint32_t differing = 0;

    for (uint32_t first = 0; first < sets; first += TOPICS_AT_ONCE) {
        uint32_t end = sets - first > TOPICS_AT_ONCE ? first + TOPICS_AT_ONCE : sets;
        struct buffer path = BUFFER_INIT;
        char *totals;

        buffer_append_text(&path, "/v1/totals");
        for (uint32_t set = first; set < end; set++) {
            char topic[PUSH_TOPIC_BYTES];

            push_topic(&crowd->options, set, topic);
            buffer_printf(&path, "%ctopic=%s", set == first ? '?' : '&', topic);
        }
        totals = bench_http_get(&crowd->options.daemon, buffer_cstr(&path));
        for (uint32_t set = first; set < end; set++)
            differing += differing_of(crowd, set, totals);
        free(totals);
        buffer_done(&path);
    }
    return differing;
}
