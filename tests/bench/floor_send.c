/*
 * What no server that pushes over TCP can go below: the same bytes, handed to the kernel for the
 * same number of sockets, by a loop that does nothing else. As in the daemon the sockets are
 * accepted ones on loopback, non-blocking and without Nagle's delay, another process reads them,
 * and one burst is sent each interval: sending without a pause would find all that the kernel
 * needs still in the caches.
 *
 *   bench_floor send --sockets V --bytes B --rounds R [--interval-ms I] [--source ADDRESSES]
 */
#include "floor_send.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_common.h"
#include "livetally/mem.h"

#define WARM_ROUNDS    3
#define BACKLOG        1024
#define EVENTS_AT_ONCE 256
#define SPARE_FILES    64
#define READ_BYTES     65536
#define FIRST_SOURCE   UINT32_C(0x7f000001) /* 127.0.0.1 */

struct floor_options {
    uint32_t sockets;
    uint32_t sources;
    size_t bytes;
    int64_t rounds;
    int64_t interval_ms;
};

static const struct option long_options[] = {
    {"sockets", required_argument, NULL, 'n'},     {"bytes", required_argument, NULL, 'b'},
    {"rounds", required_argument, NULL, 'r'},      {"source", required_argument, NULL, 'a'},
    {"interval-ms", required_argument, NULL, 'i'}, {0},
};

static bool read_options(struct floor_options *options, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'n':
            options->sockets = (uint32_t)bench_number("--sockets", optarg, 1, 100000);
            break;
        case 'b':
            options->bytes = (size_t)bench_number("--bytes", optarg, 1, READ_BYTES);
            break;
        case 'r':
            options->rounds = bench_number("--rounds", optarg, 1, 1000000);
            break;
        case 'a':
            options->sources = (uint32_t)bench_number("--source", optarg, 1, 250);
            break;
        case 'i':
            options->interval_ms = bench_number("--interval-ms", optarg, 1, 5000);
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

static void allow_files(uint32_t needed)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        bench_fail("getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    if (limit.rlim_cur < needed || setrlimit(RLIMIT_NOFILE, &limit))
        bench_fail("%u open files are needed, %llu allowed", needed,
                   (unsigned long long)limit.rlim_max);
}

static int listen_loopback(struct sockaddr_in *ret_address)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG) ||
        getsockname(fd, (struct sockaddr *)&address, &size))
        bench_fail("can't listen: %s", strerror(errno));
    *ret_address = address;
    return fd;
}

static int connect_from(const struct sockaddr_in *to, uint32_t source)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(FIRST_SOURCE + source)}};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
        connect(fd, (const struct sockaddr *)to, sizeof(*to)))
        bench_fail("can't connect: %s", strerror(errno));
    return fd;
}

/* Reads until all peers closed. */
static void drain(int epoll_fd, uint32_t sockets)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    char data[READ_BYTES];

    while (sockets > 0) {
        int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, BENCH_STALL_MS);

        if (count <= 0)
            bench_fail("waited %d ms in vain for something to read", BENCH_STALL_MS);
        for (int i = 0; i < count; i++) {
            if (recv(events[i].data.fd, data, sizeof(data), 0) > 0)
                continue;
            (void)close(events[i].data.fd);
            sockets--;
        }
    }
}

/* In a process of its own. */
static _Noreturn void run_readers(const struct floor_options *options,
                                  const struct sockaddr_in *sender)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t i = 0; i < options->sockets; i++) {
        struct epoll_event event = {.events = EPOLLIN};

        event.data.fd = connect_from(sender, i % options->sources);
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event))
            bench_fail("epoll_ctl: %s", strerror(errno));
    }
    drain(epoll_fd, options->sockets);
    _exit(0);
}

static int accept_reader(int listener)
{
    int one = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
        bench_fail("can't accept: %s", strerror(errno));
    return fd;
}

static void send_round(const struct floor_options *options, const int *sockets, const char *data)
{
    for (uint32_t i = 0; i < options->sockets; i++) {
        ssize_t sent = send(sockets[i], data, options->bytes, MSG_NOSIGNAL);

        if (sent != (ssize_t)options->bytes)
            bench_fail("a socket took %zd of %zu bytes", sent, options->bytes);
    }
}

static void sleep_until(int64_t due_us)
{
    struct timespec due = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        continue;
}

/* Returns the CPU time of the rounds after the first few. */
static int64_t send_rounds(const struct floor_options *options, const int *sockets)
{
    char *data = mem_alloc(options->bytes);
    int64_t due_us = bench_now_us();
    int64_t start_us = 0;

    memset(data, 'x', options->bytes);
    for (int64_t i = 0; i < options->rounds + WARM_ROUNDS; i++) {
        if (i == WARM_ROUNDS)
            start_us = bench_cpu_us(0);
        send_round(options, sockets, data);
        due_us += options->interval_ms * 1000;
        sleep_until(due_us);
    }
    free(data);
    return bench_cpu_us(0) - start_us;
}

static void send_to_readers(const struct floor_options *options, int listener)
{
    int *sockets = mem_resize(NULL, options->sockets, sizeof(*sockets));
    int64_t cpu_us;

    for (uint32_t i = 0; i < options->sockets; i++)
        sockets[i] = accept_reader(listener);
    cpu_us = send_rounds(options, sockets);
    printf("{\"sockets\":%u,\"bytes\":%zu,\"interval_ms\":%lld,\"sends\":%lld,\"cpu_us\":%lld}\n",
           options->sockets, options->bytes, (long long)options->interval_ms,
           (long long)options->rounds * options->sockets, (long long)cpu_us);
    for (uint32_t i = 0; i < options->sockets; i++)
        (void)close(sockets[i]);
    free(sockets);
}

int floor_send(int argc, char **argv)
{
    struct floor_options options = {
        .sockets = 100, .sources = 1, .bytes = 300, .rounds = 10, .interval_ms = 250};
    struct sockaddr_in address;
    pid_t readers;
    int status;
    int listener;

    if (!read_options(&options, argc, argv))
        return 2;
    allow_files(options.sockets + SPARE_FILES);
    listener = listen_loopback(&address);
    readers = fork();
    if (readers < 0)
        bench_fail("fork: %s", strerror(errno));
    if (readers == 0) {
        (void)close(listener);
        run_readers(&options, &address);
    }
    send_to_readers(&options, listener);
    (void)close(listener);
    if (waitpid(readers, &status, 0) != readers || status)
        bench_fail("the readers failed");
    return 0;
}
