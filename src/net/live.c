/*
 * /v1/live: a viewer of the hub, and the socket it looks through.
 *
 * The hub's frames are shared by many viewers and written straight to the socket. One that finds
 * no room is refused, and the hub is told when there is room again; it then sends the newest state
 * instead. Unsent data in the kernel is kept short too, for the same reason: it could only grow
 * old there.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "livetally/json.h"
#include "livetally/server.h"
#include "net.h"

#define MESSAGE_BYTES 65536 /* of a viewer */
#define UNSENT_BYTES  32768

static bool send_frame(void *peer, struct frame *frame)
{
    struct connection *connection = peer;

    if (!connection_writable(connection)) {
        connection->u.live.waiting = true;
        connection_ask_writable(connection);
        return false;
    }
    connection_send_bytes(connection, frame_text(frame), frame->size);
    return true;
}

static const struct viewer_ops viewer_ops = {.send = send_frame};

void live_open(struct connection *connection)
{
    struct server *server = connection->server;
    int unsent = UNSENT_BYTES;

    (void)setsockopt(lws_get_socket_fd(connection->wsi), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent,
                     sizeof(unsent));
    server->stats->connections_live++;
    server->stats->live_connections++;
    connection_hello(connection, LIVE_PROTOCOL);
    connection->u.live.viewer = hub_join(server->hub, &viewer_ops, connection);
    server_wake_hub(server);
}

void live_close(struct connection *connection)
{
    if (!connection->u.live.viewer)
        return;
    connection->server->stats->live_connections--;
    buffer_done(&connection->u.live.message);
    hub_leave(connection->u.live.viewer);
    connection->u.live.viewer = NULL;
}

static void accept_message(struct connection *connection, struct slice text)
{
    if (!utf8_ok(text))
        connection_say_goodbye(connection, GOODBYE_NOT_UTF8);
    else if (!hub_receive(connection->u.live.viewer, text))
        connection_say_goodbye(connection, GOODBYE_BAD_MESSAGES);
    server_wake_hub(connection->server);
}

void live_receive(struct connection *connection, const char *data, size_t size, bool first,
                  bool final)
{
    struct buffer *message = &connection->u.live.message;

    if (size > MESSAGE_BYTES - message->size) {
        connection_say_goodbye(connection, GOODBYE_TOO_BIG);
        return;
    }
    if (first && final) {
        accept_message(connection, (struct slice){size ? data : "", size});
        return;
    }
    if (size > 0)
        buffer_append(message, data, size);
    if (!final)
        return;
    accept_message(connection, buffer_slice(message));
    buffer_done(message);
}

void live_drained(struct connection *connection)
{
    if (!connection->u.live.waiting || !connection->u.live.viewer)
        return;
    connection->u.live.waiting = false;
    hub_drained(connection->u.live.viewer);
    server_wake_hub(connection->server);
}
