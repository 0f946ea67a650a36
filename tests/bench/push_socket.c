/*
 * See push_socket.h.
 */
#include "push_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_common.h"

#define READ_BYTES 65536
#define MASK       UINT32_C(0x5a17c3e9)

void push_socket_init(struct push_socket *socket, int fd)
{
    bench_set_nonblocking(fd);
    *socket = (struct push_socket){.fd = fd};
}

void push_socket_done(struct push_socket *socket)
{
    (void)close(socket->fd);
    buffer_done(&socket->begun);
    socket->fd = -1;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        struct pollfd room = {.fd = fd, .events = POLLOUT};

        if (sent >= 0) {
            data += sent;
            size -= (size_t)sent;
        } else if (errno != EAGAIN) {
            bench_fail("send: %s", strerror(errno));
        } else if (poll(&room, 1, BENCH_STALL_MS) == 0) {
            bench_fail("waited %d ms in vain for the daemon to read", BENCH_STALL_MS);
        }
    }
}

static void send_frame(struct push_socket *socket, unsigned opcode, struct slice text)
{
    struct buffer frame = BUFFER_INIT;
    unsigned char *bytes =
        (unsigned char *)buffer_reserve(&frame, BENCH_FRAME_HEADER_BYTES + text.size);
    size_t header = bench_frame_header(opcode, text.size, MASK, bytes);

    if (text.size > 0)
        memcpy(bytes + header, text.data, text.size);
    bench_frame_mask(bytes + header, text.size, MASK);
    send_all(socket->fd, (const char *)bytes, header + text.size);
    buffer_done(&frame);
}

void push_socket_send(struct push_socket *socket, struct slice text)
{
    send_frame(socket, BENCH_OPCODE_TEXT, text);
}

/* Returns how many bytes were whole frames. */
static size_t take_frames(struct push_socket *socket, struct slice data, push_message_fn *message,
                          void *context)
{
    size_t taken = 0;

    for (;;) {
        struct slice text;
        unsigned opcode;
        size_t frame = bench_frame_read((const unsigned char *)data.data + taken, data.size - taken,
                                        &opcode, &text.data, &text.size);

        if (frame == 0)
            return taken;
        taken += frame;
        if (opcode == BENCH_OPCODE_TEXT)
            message(context, text, frame);
        else if (opcode == BENCH_OPCODE_PING)
            send_frame(socket, BENCH_OPCODE_PONG, text);
        else if (opcode == BENCH_OPCODE_CLOSE)
            bench_fail("the daemon closed a connection");
    }
}

static void take(struct push_socket *socket, struct slice data, push_message_fn *message,
                 void *context)
{
    size_t taken;

    if (socket->begun.size == 0) {
        taken = take_frames(socket, data, message, context);
        if (taken < data.size)
            buffer_append(&socket->begun, data.data + taken, data.size - taken);
        return;
    }
    buffer_append_slice(&socket->begun, data);
    taken = take_frames(socket, buffer_slice(&socket->begun), message, context);
    buffer_consume(&socket->begun, taken);
}

void push_socket_read(struct push_socket *socket, push_message_fn *message, void *context)
{
    char data[READ_BYTES];
    ssize_t got;

    do {
        got = recv(socket->fd, data, sizeof(data), 0);
        if (got > 0)
            take(socket, (struct slice){data, (size_t)got}, message, context);
    } while (got == READ_BYTES);
    if (got == 0)
        bench_fail("the daemon closed a connection");
    if (got < 0 && errno != EAGAIN)
        bench_fail("recv: %s", strerror(errno));
}
