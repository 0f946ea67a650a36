/*
 * See push_poster.h.
 */
#include "push_poster.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench_common.h"

#define BATCH_EVENTS 1000 /* PROTOCOL: in one message */
#define ACCEPTED_KEY "\"accepted\":"

void push_poster_init(struct push_poster *poster, const struct push_options *options, int epoll_fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = poster};

    *poster = (struct push_poster){.text = BUFFER_INIT};
    push_socket_init(&poster->socket, bench_ws_connect(&options->daemon, NULL, "/v1/ingest", NULL));
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, poster->socket.fd, &event))
        bench_fail("epoll can't take one more socket");
}

void push_poster_done(struct push_poster *poster)
{
    push_socket_done(&poster->socket);
    buffer_done(&poster->text);
}

static void add_order(struct push_poster *poster, const struct push_options *options, uint32_t set)
{
    uint64_t number = poster->posted++;

    buffer_printf(&poster->text,
                  "{\"type\":\"order\",\"order_id\":\"%s-%llu\",\"host_id\":\"%s-%u\","
                  "\"product_id\":\"tea\",\"county\":\"330106\",\"quantity\":1,\"amount\":%llu}\n",
                  options->run, (unsigned long long)number, options->run, set,
                  (unsigned long long)(100 + number % 9900));
}

void push_poster_post(struct push_poster *poster, const struct push_options *options)
{
    for (uint32_t set = 0; set < options->sets; set++) {
        add_order(poster, options, set);
        if ((set + 1) % BATCH_EVENTS && set + 1 < options->sets)
            continue;
        push_socket_send(&poster->socket, buffer_slice(&poster->text));
        buffer_reset(&poster->text);
    }
}

static void on_message(void *context, struct slice text, size_t frame_bytes)
{
    struct push_poster *poster = context;
    const char *accepted = memmem(text.data, text.size, ACCEPTED_KEY, strlen(ACCEPTED_KEY));

    (void)frame_bytes;
    if (accepted)
        poster->accepted += strtoull(accepted + strlen(ACCEPTED_KEY), NULL, 10);
    else if (!memmem(text.data, text.size, "\"hello\"", 7))
        bench_fail("the poster was told %.*s", SLICE_ARG(text));
}

void push_poster_read(struct push_poster *poster)
{
    push_socket_read(&poster->socket, on_message, poster);
}
