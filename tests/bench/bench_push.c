/*
 * What a delivered update costs the daemon, and how punctual it is: many viewers on few or many
 * topics, an order for each topic in the middle of every interval, so that every tick has one
 * message for every viewer. The daemon's ticks lie on multiples of the interval of the monotonic
 * clock, which is this machine's, so ours lie between them.
 *
 * First the same orders are posted while nobody watches, for as long: what that costs is
 * base_cpu_us, and all beyond it is the viewers'. Fails when a viewer's last value isn't the
 * total, or an order wasn't accepted.
 *
 *   bench_push --url ws://127.0.0.1:PORT --viewers V --sets D --interval-ms I --seconds S
 *              --pid daemon:PID [--source ADDRESSES]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench_common.h"
#include "livetally/mem.h"
#include "push_crowd.h"
#include "push_poster.h"

#define WARM_ROUNDS    3
#define ROUNDS_MIN     3
#define EVENTS_AT_ONCE 256
#define SPARE_FILES    64
#define SETTLE_MS      10000 /* for the last values to arrive */

struct bench {
    struct push_options options;
    struct bench_processes processes;
    int epoll_fd;
    struct push_poster poster;
    struct push_crowd *crowd; /* NULL: nobody watches yet */
};

struct results {
    struct bench_processes base, used;
    int64_t own_us;
    struct push_counts counts;
    int64_t rss_before_bytes, rss_idle_bytes;
};

static const struct option long_options[] = {
    {"url", required_argument, NULL, 'u'},     {"viewers", required_argument, NULL, 'v'},
    {"sets", required_argument, NULL, 'd'},    {"interval-ms", required_argument, NULL, 'i'},
    {"seconds", required_argument, NULL, 's'}, {"pid", required_argument, NULL, 'p'},
    {"source", required_argument, NULL, 'a'},  {0},
};

static void read_option(struct bench *bench, int option)
{
    struct push_options *options = &bench->options;

    switch (option) {
    case 'u':
        options->daemon = bench_url(optarg);
        break;
    case 'v':
        options->viewers = (uint32_t)bench_number("--viewers", optarg, 1, 100000);
        break;
    case 'd':
        options->sets = (uint32_t)bench_number("--sets", optarg, 1, 100000);
        break;
    case 'i':
        options->interval_ms = bench_number("--interval-ms", optarg, 100, 5000);
        break;
    case 's':
        options->seconds = bench_number("--seconds", optarg, 1, 600);
        break;
    case 'p':
        bench_processes_add(&bench->processes, optarg);
        break;
    case 'a':
        options->sources = (uint32_t)bench_number("--source", optarg, 1, 250);
        break;
    default:
        exit(2);
    }
}

static void read_options(struct bench *bench, int argc, char **argv)
{
    struct push_options *options = &bench->options;
    int option;

    *options = (struct push_options){
        .viewers = 100, .sets = 1, .sources = 1, .interval_ms = 250, .seconds = 5};
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        read_option(bench, option);
    if (optind < argc || !options->daemon.sin_port || bench->processes.count == 0)
        bench_fail("--url and --pid are required, and nothing but options");
    if (options->sets > options->viewers)
        bench_fail("more sets than viewers");
    (void)snprintf(options->run, sizeof(options->run), "push%llx",
                   (unsigned long long)bench_now_us());
}

static void allow_files(uint32_t needed)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        bench_fail("no limit of open files to be had");
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    if (limit.rlim_cur < needed || setrlimit(RLIMIT_NOFILE, &limit))
        bench_fail("%u open files are needed, %llu allowed", needed,
                   (unsigned long long)limit.rlim_max);
}

static void handle_events(struct bench *bench, int64_t wait_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(bench->epoll_fd, events, EVENTS_AT_ONCE, (int)wait_ms);

    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &bench->poster)
            push_poster_read(&bench->poster);
        else
            push_crowd_read(bench->crowd, events[i].data.ptr);
    }
}

static void handle_until(struct bench *bench, int64_t due_us)
{
    int64_t left_us;

    while ((left_us = due_us - bench_now_us()) > 0)
        handle_events(bench, left_us / 1000 + 1);
}

static void handle_to_middle(struct bench *bench)
{
    int64_t interval_us = bench->options.interval_ms * 1000;
    int64_t now_us = bench_now_us() + interval_us / 2;

    handle_until(bench, now_us - now_us % interval_us + interval_us / 2);
}

/* Begins and ends in the middle of an interval. */
static void run_rounds(struct bench *bench, int64_t rounds)
{
    for (int64_t i = 0; i < rounds; i++) {
        push_poster_post(&bench->poster, &bench->options);
        handle_to_middle(bench);
    }
}

static void await_acks(struct bench *bench)
{
    const struct push_poster *poster = &bench->poster;
    int64_t progress_us = bench_now_us();

    while (poster->accepted < poster->posted) {
        uint64_t accepted = poster->accepted;

        handle_events(bench, 100);
        if (poster->accepted > accepted)
            progress_us = bench_now_us();
        else if (bench_now_us() - progress_us > (int64_t)BENCH_STALL_MS * 1000)
            bench_fail("waited %d ms in vain for acks: %llu of %llu orders accepted",
                       BENCH_STALL_MS, (unsigned long long)poster->accepted,
                       (unsigned long long)poster->posted);
    }
}

static void run_base(struct bench *bench, struct results *results, int64_t rounds)
{
    handle_to_middle(bench);
    run_rounds(bench, WARM_ROUNDS); /* hosts become known */
    await_acks(bench);
    handle_to_middle(bench);
    bench_processes_start(&bench->processes);
    run_rounds(bench, rounds);
    bench_processes_stop(&bench->processes);
    results->base = bench->processes;
    await_acks(bench);
}

static void run_pushed(struct bench *bench, struct results *results, int64_t rounds)
{
    struct push_counts before;

    handle_to_middle(bench);
    run_rounds(bench, WARM_ROUNDS);
    before = push_crowd_counts(bench->crowd);
    push_crowd_time(bench->crowd, true);
    results->own_us = bench_cpu_us(0);
    bench_processes_start(&bench->processes);
    run_rounds(bench, rounds);
    bench_processes_stop(&bench->processes);
    results->own_us = bench_cpu_us(0) - results->own_us;
    push_crowd_time(bench->crowd, false);
    results->used = bench->processes;
    results->counts = push_crowd_counts(bench->crowd);
    results->counts.messages -= before.messages;
    results->counts.bytes -= before.bytes;
    await_acks(bench);
}

/* How many viewers hold another value than the total, when they had time for the last one. */
static uint32_t settle(struct bench *bench)
{
    int64_t due_us = bench_now_us() + (int64_t)SETTLE_MS * 1000;
    uint32_t differing;

    do {
        handle_until(bench, bench_now_us() + bench->options.interval_ms * 1000);
        differing = push_crowd_differing(bench->crowd);
    } while (differing > 0 && bench_now_us() < due_us);
    return differing;
}

static void print(const struct bench *bench, const struct results *results, bool exact)
{
    const struct push_options *options = &bench->options;
    uint64_t messages = results->counts.messages;

    printf("{\"viewers\":%u,\"sets\":%u,\"interval_ms\":%lld,\"messages\":%llu,"
           "\"bytes_per_message\":%llu,\"own_cpu_us\":%lld,\"cpu_us\":",
           options->viewers, options->sets, (long long)options->interval_ms,
           (unsigned long long)messages,
           (unsigned long long)(messages ? results->counts.bytes / messages : 0),
           (long long)results->own_us);
    bench_processes_print(&results->used, stdout);
    printf(",\"base_cpu_us\":");
    bench_processes_print(&results->base, stdout);
    printf(",\"late_us\":{\"p50\":%lld,\"p99\":%lld,\"max\":%lld}",
           (long long)push_crowd_late_us(bench->crowd, 0.5),
           (long long)push_crowd_late_us(bench->crowd, 0.99),
           (long long)push_crowd_late_us(bench->crowd, 1));
    printf(",\"rss_before_bytes\":%lld,\"rss_idle_bytes\":%lld,\"final_exact\":%s}\n",
           (long long)results->rss_before_bytes, (long long)results->rss_idle_bytes,
           exact ? "true" : "false");
}

int main(int argc, char **argv)
{
    struct bench bench = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    struct results results = {.own_us = 0};
    pid_t daemon;
    uint32_t differing;
    int64_t rounds;

    read_options(&bench, argc, argv);
    allow_files(bench.options.viewers + SPARE_FILES);
    rounds = bench.options.seconds * 1000 / bench.options.interval_ms;
    if (rounds < ROUNDS_MIN)
        rounds = ROUNDS_MIN;
    daemon = bench.processes.process[0].pid;

    push_poster_init(&bench.poster, &bench.options, bench.epoll_fd);
    run_base(&bench, &results, rounds);
    results.rss_before_bytes = bench_rss_bytes(daemon);
    bench.crowd = push_crowd_new(&bench.options, bench.epoll_fd);
    results.rss_idle_bytes = bench_rss_bytes(daemon);
    run_pushed(&bench, &results, rounds);
    differing = settle(&bench);
    print(&bench, &results, differing == 0);
    if (differing > 0)
        (void)fprintf(stderr, "%u viewers don't hold the final total\n", differing);
    push_crowd_free(bench.crowd);
    push_poster_done(&bench.poster);
    (void)close(bench.epoll_fd);
    return differing > 0;
}
