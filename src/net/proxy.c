/*
 * The head that a proxy sends first, on listeners marked so. It is read before lws sees the socket,
 * and not a byte more: what is peeked at and can only be header is taken, then the rest of it, and
 * what follows (a request, or a TLS handshake) is left where it is.
 *
 * Until then it is no connection yet, but counts as one for the limit of all of them, and has as
 * long as a handshake. The waiting ones stand in order of arrival, so one timer serves them all.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "livetally/mem.h"
#include "livetally/proxy_header.h"
#include "livetally/server.h"
#include "net.h"

struct proxy_wait {
    uv_poll_t poll;
    struct listener *listener;
    struct proxy_wait *prev, *next;
    struct ip peer; /* the proxy */
    struct buffer header;
    int64_t since_ms; /* loop time */
    int fd;           /* -1: given to lws */
};

static void on_timer(uv_timer_t *timer);

static void schedule(struct server *server)
{
    const struct proxy_wait *first = server->proxies.first;
    int64_t due_ms;

    if (!first) {
        (void)uv_timer_stop(&server->proxy_timer);
        return;
    }
    due_ms = first->since_ms + server->options.handshake_ms - (int64_t)uv_now(server->loop);
    (void)uv_timer_start(&server->proxy_timer, on_timer, due_ms > 0 ? (uint64_t)due_ms : 0, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct proxy_wait *wait = handle->data;

    if (wait->fd >= 0)
        (void)close(wait->fd);
    buffer_done(&wait->header);
    free(wait);
}

/* Out of the list at once; freed when libuv is done with it, and then lws gets the socket. */
static void end(struct proxy_wait *wait, uv_close_cb closed)
{
    struct server *server = wait->listener->server;

    if (wait->next)
        wait->next->prev = wait->prev;
    else
        server->proxies.last = wait->prev;
    if (wait->prev)
        wait->prev->next = wait->next;
    else
        server->proxies.first = wait->next;
    server->proxies.count--;
    server->head_bytes -= wait->header.capacity;
    uv_close((uv_handle_t *)&wait->poll, closed);
}

static void refuse(struct proxy_wait *wait)
{
    wait->listener->server->stats->connections_refused[REFUSAL_PROXY]++;
    end(wait, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
    struct server *server = timer->data;
    int64_t since_ms = (int64_t)uv_now(server->loop) - server->options.handshake_ms;

    while (server->proxies.first && server->proxies.first->since_ms <= since_ms)
        refuse(server->proxies.first);
    schedule(server);
}

/* The poll is gone, so the descriptor may be watched by another. */
static void on_handed_over(uv_handle_t *handle)
{
    struct proxy_wait *wait = handle->data;
    int fd = wait->fd;

    wait->fd = -1;
    if (wait->listener->server->draining)
        (void)close(fd);
    else
        listener_take(wait->listener, fd, &wait->peer, true);
    on_closed(handle);
}

static void conclude(struct proxy_wait *wait, const struct proxy_header *header)
{
    if (header->source.kind != IP_UNKNOWN)
        wait->peer = header->source;
    end(wait, on_handed_over);
}

/* Takes `size` bytes that were peeked at. */
static bool consume(struct proxy_wait *wait, size_t size)
{
    size_t held = wait->header.capacity;
    char *to = buffer_reserve(&wait->header, size);

    wait->listener->server->head_bytes += wait->header.capacity - held;
    if (recv(wait->fd, to, size, 0) != (ssize_t)size)
        return false;
    wait->header.size += size;
    return true;
}

/*
 * One look. The header so far and what waits in the socket are parsed as one; as long as that is no
 * more than a beginning, all of it is the header's.
 */
static enum proxy_verdict look(struct proxy_wait *wait, struct proxy_header *header)
{
    char bytes[PROXY_HEADER_BYTES];
    size_t before = wait->header.size;
    ssize_t peeked = recv(wait->fd, bytes, sizeof(bytes) - before, MSG_PEEK);
    struct buffer whole = BUFFER_INIT;
    enum proxy_verdict verdict;

    if (peeked < 0 && (errno == EAGAIN || errno == EINTR))
        return PROXY_MORE;
    if (peeked <= 0)
        return PROXY_BAD;
    buffer_append_slice(&whole, buffer_slice(&wait->header));
    buffer_append(&whole, bytes, (size_t)peeked);
    verdict = proxy_header_parse(whole.data, whole.size, header);
    buffer_done(&whole);
    if (verdict == PROXY_MORE && !consume(wait, (size_t)peeked))
        return PROXY_BAD;
    if (verdict == PROXY_DONE && !consume(wait, header->size - before))
        return PROXY_BAD;
    return verdict;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct proxy_wait *wait = poll->data;
    struct server *server = wait->listener->server;
    struct proxy_header header;
    enum proxy_verdict verdict = status < 0 ? PROXY_BAD : look(wait, &header);

    (void)events;
    if (verdict == PROXY_MORE)
        return;
    if (verdict == PROXY_DONE)
        conclude(wait, &header);
    else
        refuse(wait);
    schedule(server);
}

void proxy_accept(struct listener *listener, int fd, const struct ip *peer)
{
    struct server *server = listener->server;
    struct proxy_wait *wait;

    if (!peer_is_trusted(server, peer)) {
        server->stats->connections_refused[REFUSAL_PROXY]++;
        (void)close(fd);
        return;
    }
    wait = mem_zalloc(sizeof(*wait));
    wait->listener = listener;
    wait->peer = *peer;
    wait->since_ms = (int64_t)uv_now(server->loop);
    wait->fd = fd;
    if (uv_poll_init(server->loop, &wait->poll, fd)) {
        (void)close(fd);
        free(wait);
        return;
    }
    wait->poll.data = wait;
    wait->prev = server->proxies.last;
    if (wait->prev)
        wait->prev->next = wait;
    else
        server->proxies.first = wait;
    server->proxies.last = wait;
    server->proxies.count++;
    (void)uv_poll_start(&wait->poll, UV_READABLE, on_readable);
    schedule(server);
}

void proxy_init(struct server *server)
{
    (void)uv_timer_init(server->loop, &server->proxy_timer);
    server->proxy_timer.data = server;
}

void proxy_close_all(struct server *server)
{
    while (server->proxies.first)
        end(server->proxies.first, on_closed);
    (void)uv_timer_stop(&server->proxy_timer);
}
