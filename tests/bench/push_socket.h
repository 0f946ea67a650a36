/*
 * A WebSocket client that says little and reads small text messages, cheap enough to have ten
 * thousand of them beside the daemon on one machine.
 *
 * Messages are handed out from a buffer shared by all sockets; only a message that the kernel cut
 * is kept with its socket until the rest of it comes. Pings are answered here.
 */
#ifndef BENCH_PUSH_SOCKET_H
#define BENCH_PUSH_SOCKET_H

#include <stddef.h>

#include "livetally/buffer.h"

struct push_socket {
    int fd;
    struct buffer begun; /* the message that is not all there yet */
};

/* frame_bytes: of the message with its frame header. */
typedef void push_message_fn(void *context, struct slice text, size_t frame_bytes);

/* Takes over a connection after its handshake. */
void push_socket_init(struct push_socket *socket, int fd);
void push_socket_done(struct push_socket *socket);

/* One text message; waits for room. */
void push_socket_send(struct push_socket *socket, struct slice text);

/* Hands out all messages that are there, without waiting. */
void push_socket_read(struct push_socket *socket, push_message_fn *message, void *context);

#endif
