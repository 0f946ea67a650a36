/*
 * The rest of an answer that is larger than what lws sends at once.
 *
 * lws 4.1.6 keeps the rest, and sends it on whenever there is room. But it takes nothing from a
 * connection meanwhile, not even its end, and turns in circles as soon as something comes; and of
 * one that is paused it doesn't send, and turns in circles as soon as there is room. So a
 * connection is paused while there is no room, and an epoll of our own, which may watch what
 * libuv's watches too, tells when there is.
 *
 *   rest_begin() ─▶ FLOWING: read from, in server->flowing ─ all is sent ─▶ rest_end()
 *                      ▲ └─ no room ─▶ paused, in the epoll ─┐
 *                      └───────────── room ──────────────────┘
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net.h"

#define ROOMS_PER_TURN 64

static void enter(struct connection *connection)
{
    struct server *server = connection->server;
    struct activity *activity = activity_begin(connection);

    connection->flowing = true;
    activity->rest_prev = NULL;
    activity->rest_next = server->flowing;
    if (server->flowing)
        server->flowing->activity->rest_prev = connection;
    server->flowing = connection;
    connection_pause(connection, PAUSE_HTTP, false);
}

static void leave(struct connection *connection)
{
    const struct activity *activity = activity_of(connection);

    if (!connection->flowing)
        return;
    connection->flowing = false;
    if (activity->rest_next)
        activity->rest_next->activity->rest_prev = activity->rest_prev;
    if (activity->rest_prev)
        activity->rest_prev->activity->rest_next = activity->rest_next;
    else
        connection->server->flowing = activity->rest_next;
}

void rest_begin(struct connection *connection)
{
    if (connection->sending)
        return;
    connection->sending = true;
    enter(connection);
}

void rest_end(struct connection *connection)
{
    connection->sending = false;
    leave(connection);
    if (connection->awaits_room)
        (void)epoll_ctl(connection->server->room_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    connection->awaits_room = false;
}

/* Also when it is broken, which lws shall see. */
static bool has_room(const struct connection *connection)
{
    struct pollfd look = {.fd = connection->fd, .events = POLLOUT};

    return poll(&look, 1, 0) != 0;
}

/* Told once, then to be asked again. Where that can't be, it stays as lws would have it. */
static void await_room(struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT, .data.ptr = connection};
    int change = connection->awaits_room ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    leave(connection);
    if (epoll_ctl(connection->server->room_fd, change, connection->fd, &event))
        return;
    connection->awaits_room = true;
    connection_pause(connection, PAUSE_HTTP, true);
}

void rest_look(struct server *server)
{
    struct connection *next;

    for (struct connection *at = server->flowing; at; at = next) {
        next = at->activity->rest_next;
        if (!has_room(at))
            await_room(at);
    }
}

static void on_room(uv_poll_t *handle, int status, int events)
{
    struct server *server = handle->data;
    struct epoll_event ready[ROOMS_PER_TURN];
    int count = status < 0 ? 0 : epoll_wait(server->room_fd, ready, ROOMS_PER_TURN, 0);

    (void)events;
    for (int i = 0; i < count; i++)
        enter(ready[i].data.ptr);
}

int rest_init(struct server *server, struct error *error)
{
    server->room_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server->room_fd < 0)
        return error_set(error, ERROR_SYSTEM, "can't make an epoll: %s", strerror(errno));
    return 0;
}

void rest_start(struct server *server)
{
    (void)uv_poll_init(server->loop, &server->room_poll, server->room_fd);
    server->room_poll.data = server;
    (void)uv_poll_start(&server->room_poll, UV_READABLE, on_room);
}

void rest_done(struct server *server)
{
    (void)close(server->room_fd);
}
