/*
 * /v1/live: a viewer of the hub, and the socket it looks through.
 *
 * The hub's frames are shared by many viewers and written straight to the socket. One that finds
 * no room is refused, and the hub is told when there is room again; it then sends the newest state
 * instead. Unsent data in the kernel is kept short too, for the same reason: it could only grow
 * old there.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "livetally/json.h"
#include "livetally/server.h"
#include "net.h"

#define MESSAGE_BYTES 65536 /* of a viewer */
#define UNSENT_BYTES  32768

static void ask_for_room(struct connection *connection)
{
    connection->waiting = true;
    connection_ask_writable(connection);
}

/* Puts the header of an unmasked text message (RFC 6455, 5.2) before the frame's text. */
static unsigned char *write_header(struct frame *frame)
{
    unsigned char *text = frame_text(frame);
    size_t size = frame->size;
    size_t length_bytes = size < 126 ? 0 : size <= UINT16_MAX ? 2 : 8;
    unsigned char *header = text - length_bytes - 2;

    header[0] = 0x81;
    header[1] = (unsigned char)(length_bytes == 0 ? size : length_bytes == 2 ? 126 : 127);
    for (unsigned char *at = text; at > header + 2; size >>= 8)
        *--at = (unsigned char)size;
    return header;
}

/*
 * Straight to the socket. lws_write() does the same and no more on a connection without TLS and
 * extensions that has nothing buffered, but takes some 500 instructions, and what the socket
 * has no room for it would keep, to grow old. Only the rest of a frame that the socket took in part
 * is left to lws: LWS_WRITE_HTTP is how it sends bytes as they are.
 */
static bool send_directly(struct connection *connection, unsigned char *bytes, size_t size)
{
    ssize_t sent = send(connection->fd, bytes, size, MSG_NOSIGNAL);

    if (sent == (ssize_t)size)
        return true;
    if (sent < 0 && errno == EAGAIN) {
        ask_for_room(connection);
        return false;
    }
    size -= (size_t)(sent > 0 ? sent : 0);
    if (sent < 0 || lws_write(connection->wsi, bytes + sent, size, LWS_WRITE_HTTP) < 0)
        connection_kill(connection);
    else
        memory_written(connection, size);
    return true;
}

static bool send_message(struct connection *connection, struct frame *frame)
{
    unsigned char *header = write_header(frame);

    return send_directly(connection, header, (size_t)(frame_text(frame) - header) + frame->size);
}

static bool send_event(struct connection *connection, struct frame *frame)
{
    struct slice text = {(const char *)frame_text(frame), frame->size};
    struct buffer *out;
    bool sent;

    if (connection->tls) {
        sse_send(connection, text);
        return true;
    }
    out = connection_begin(connection);
    sse_wrap(out, text);
    sent = send_directly(connection, (unsigned char *)out->data + LWS_PRE, out->size - LWS_PRE);
    sse_watch(connection);
    return sent;
}

static bool send_frame(void *peer, struct frame *frame)
{
    struct connection *connection = peer;

    if (!connection_writable(connection)) {
        ask_for_room(connection);
        return false;
    }
    if (connection->stream)
        return send_event(connection, frame);
    if (!connection->tls)
        return send_message(connection, frame);
    connection_send_bytes(connection, frame_text(frame), frame->size);
    return true;
}

static const struct viewer_ops viewer_ops = {.send = send_frame};

void live_open(struct connection *connection)
{
    struct server *server = connection->server;
    int fd = lws_get_socket_fd(connection->wsi);
    int unsent = UNSENT_BYTES;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    server->stats->connections_live++;
    server->stats->live_connections++;
    connection_hello(connection, LIVE_PROTOCOL);
    connection->u.viewer = hub_join(server->hub, &viewer_ops, connection);
    hub_limit(connection->u.viewer, connection->grant);
    server_wake_hub(server);
}

void live_close(struct connection *connection)
{
    if (!connection->u.viewer)
        return;
    connection->server->stats->live_connections--;
    if (connection->activity)
        buffer_done(&connection->activity->message);
    hub_leave(connection->u.viewer);
    connection->u.viewer = NULL;
}

static void accept_message(struct connection *connection, struct slice text)
{
    if (!utf8_ok(text))
        connection_say_goodbye(connection, GOODBYE_NOT_UTF8);
    else if (connection->may_auth && auth_first_message(connection, text))
        return;
    else if (!hub_receive(connection->u.viewer, text))
        connection_say_goodbye(connection, GOODBYE_BAD_MESSAGES);
    server_wake_hub(connection->server);
}

void live_receive(struct connection *connection, const char *data, size_t size, bool first,
                  bool final)
{
    struct buffer *message;

    if (size > MESSAGE_BYTES - activity_of(connection)->message.size) {
        connection_say_goodbye(connection, GOODBYE_TOO_BIG);
        return;
    }
    if (first && final) {
        accept_message(connection, (struct slice){size ? data : "", size});
        return;
    }
    message = &activity_begin(connection)->message;
    if (size > 0)
        buffer_append(message, data, size);
    if (!final)
        return;
    accept_message(connection, buffer_slice(message));
    buffer_done(message);
}

bool live_stuck(const struct connection *connection)
{
    return connection->waiting || lws_partial_buffered(connection->wsi);
}

void live_drained(struct connection *connection)
{
    if (!connection->waiting || !connection->u.viewer)
        return;
    connection->waiting = false;
    hub_drained(connection->u.viewer);
    server_wake_hub(connection->server);
}
