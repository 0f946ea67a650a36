/*
 * Stands between the load programs, which speak in clear text, and a daemon: passes bytes on, by
 * TLS with --tls. What the daemon pays for TLS is then the difference between two runs that are
 * alike but for that; what the relay pays nobody counts. Prints the port it listens on, on
 * loopback, and runs until it is killed.
 *
 * Edge-triggered: whatever happens to a pair of sockets, both directions go on as far as they can.
 *
 *   bench_relay --to PORT [--tls]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_common.h"
#include "livetally/mem.h"

#define BACKLOG     4096
#define PIECE_BYTES 16384

/* What was read on one side and not yet taken by the other. */
struct rest {
    unsigned char *bytes;
    size_t size;
};

struct pair {
    int client;
    int daemon;
    SSL *tls; /* of the daemon's side, or NULL */
    struct rest to_client;
    struct rest to_daemon;
};

struct relay {
    int listener;
    int epoll;
    struct sockaddr_in daemon;
    SSL_CTX *tls; /* NULL: clear text */
};

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* As read(2) and write(2); within TLS "not now" is EAGAIN as well. */
static ssize_t pass(struct pair *pair, bool daemon, unsigned char *bytes, size_t size, bool write)
{
    int fd = daemon ? pair->daemon : pair->client;
    int count, reason;

    if (!daemon || !pair->tls)
        return write ? send(fd, bytes, size, MSG_NOSIGNAL) : recv(fd, bytes, size, 0);
    count = write ? SSL_write(pair->tls, bytes, (int)size) : SSL_read(pair->tls, bytes, (int)size);
    if (count > 0)
        return count;
    reason = SSL_get_error(pair->tls, count);
    errno = reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
    return reason == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

/* One direction, as far as it goes. False: the pair is over. */
static bool flow(struct pair *pair, bool to_daemon)
{
    struct rest *rest = to_daemon ? &pair->to_daemon : &pair->to_client;
    unsigned char piece[PIECE_BYTES];

    for (;;) {
        bool kept = rest->size > 0;
        unsigned char *bytes = kept ? rest->bytes : piece;
        ssize_t size =
            kept ? (ssize_t)rest->size : pass(pair, !to_daemon, piece, sizeof(piece), false);
        ssize_t put;

        if (size <= 0)
            return size < 0 && errno == EAGAIN;
        put = pass(pair, to_daemon, bytes, (size_t)size, true);
        if (put < 0 && errno != EAGAIN)
            return false;
        if (put < 0)
            put = 0;
        if (put == size) {
            free(rest->bytes);
            *rest = (struct rest){NULL, 0};
            continue;
        }
        if (!kept)
            rest->bytes = mem_alloc(PIECE_BYTES);
        memmove(rest->bytes, bytes + put, (size_t)(size - put));
        rest->size = (size_t)(size - put);
        return true;
    }
}

static void end_pair(struct pair *pair)
{
    SSL_free(pair->tls);
    (void)close(pair->client);
    (void)close(pair->daemon);
    free(pair->to_client.bytes);
    free(pair->to_daemon.bytes);
    free(pair);
}

static void watch(const struct relay *relay, int fd, struct pair *pair)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = pair};
    int one = 1;

    bench_set_nonblocking(fd);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (epoll_ctl(relay->epoll, EPOLL_CTL_ADD, fd, &event))
        bench_fail("epoll: %s", strerror(errno));
}

static void accept_pair(const struct relay *relay)
{
    int client = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC);
    struct pair *pair;

    if (client < 0)
        return;
    pair = mem_zalloc(sizeof(*pair));
    pair->client = client;
    pair->daemon = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (pair->daemon < 0 ||
        connect(pair->daemon, (const struct sockaddr *)&relay->daemon, sizeof(relay->daemon)))
        bench_fail("can't connect to the daemon: %s", strerror(errno));
    if (relay->tls) {
        pair->tls = SSL_new(relay->tls);
        if (!pair->tls || SSL_set_fd(pair->tls, pair->daemon) != 1)
            bench_fail("OpenSSL has no room for one more connection");
        SSL_set_connect_state(pair->tls);
    }
    watch(relay, pair->daemon, pair);
    watch(relay, pair->client, pair);
}

/* One event at a time: the next one could be of a pair that this one ends. */
static _Noreturn void run(const struct relay *relay)
{
    for (;;) {
        struct epoll_event event;
        struct pair *pair;

        if (epoll_wait(relay->epoll, &event, 1, -1) != 1)
            continue;
        pair = event.data.ptr;
        if (!pair)
            accept_pair(relay);
        else if (!flow(pair, true) || !flow(pair, false))
            end_pair(pair);
    }
}

static void listen_on_loopback(struct relay *relay)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);

    relay->epoll = epoll_create1(EPOLL_CLOEXEC);
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (relay->epoll < 0 || relay->listener < 0 ||
        bind(relay->listener, (const struct sockaddr *)&address, sizeof(address)) ||
        listen(relay->listener, BACKLOG) ||
        getsockname(relay->listener, (struct sockaddr *)&address, &size) ||
        epoll_ctl(relay->epoll, EPOLL_CTL_ADD, relay->listener, &event))
        bench_fail("can't listen: %s", strerror(errno));
    (void)printf("%u\n", (unsigned)ntohs(address.sin_port));
    (void)fflush(stdout);
}

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'}, {"tls", no_argument, NULL, 's'}, {0}};
    struct relay relay = {.tls = NULL};
    bool tls = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 't')
            relay.daemon = loopback((uint16_t)bench_number("--to", optarg, 1, UINT16_MAX));
        else if (option == 's')
            tls = true;
        else
            return 2;
    }
    if (relay.daemon.sin_port == 0)
        bench_fail("--to PORT is missing");
    if (tls) {
        relay.tls = SSL_CTX_new(TLS_client_method());
        if (!relay.tls)
            bench_fail("OpenSSL can't be used");
        SSL_CTX_set_mode(relay.tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    }
    raise_file_limit();
    listen_on_loopback(&relay);
    run(&relay);
}
