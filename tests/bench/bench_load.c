/*
 * The load generator: posts orders to running daemons as fast as they take them, holds every ack
 * and at the end the totals of every daemon against its own model, and prints one JSON object with
 * what it took. Exit status 0 only when all of it was exact; 1 when not, or when a daemon broke
 * off; 2 for unknown options. It costs less than what it measures: what is sent is made beforehand,
 * masked and complete, in up to 2.5 GB of memory (about ten million orders).
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench_common.h"
#include "load_check.h"
#include "load_frames.h"
#include "load_run.h"
#include "load_sales.h"

#define SERVERS_MAX   16
#define WINDOW_SINGLE 64 /* messages in flight, when they hold one event */
#define WINDOW_BATCH  4

static const char usage[] =
    "usage: bench_load --url ws://127.0.0.1:PORT [--url ...] [options]\n"
    "  --orders N          different orders (100000)\n"
    "  --batch N           events in a message (64)\n"
    "  --connections N     (10), dealt round robin to the URLs\n"
    "  --window N          messages in flight on each connection (64 for --batch 1, else 4)\n"
    "  --duplicates N      percent of orders of which something is sent twice (0)\n"
    "  --refunds N         refunds, as percent of orders (0)\n"
    "  --hosts N           (1000)\n"
    "  --products N        (20000)\n"
    "  --skew zipf|uniform of hosts or products, whichever there is more of (zipf)\n"
    "  --seed N            (1)\n"
    "  --plain             orders without session and platform\n"
    "  --pid NAME:PID      processes whose CPU time is measured\n"
    "  --floor, --discard  the peer is `bench_floor lws`: acks only count messages, no totals\n";

struct arguments {
    struct sockaddr_in servers[SERVERS_MAX];
    struct bench_processes processes;
    struct sales_options sales;
    struct frames_options frames;
    struct load_options load;
};

static void add_server(struct arguments *arguments, const char *url)
{
    if (arguments->load.server_count == SERVERS_MAX)
        bench_fail("at most %d --url", SERVERS_MAX);
    arguments->servers[arguments->load.server_count++] = bench_url(url);
}

enum choice {
    OPTION_URL = 1,
    OPTION_ORDERS,
    OPTION_BATCH,
    OPTION_CONNECTIONS,
    OPTION_WINDOW,
    OPTION_DUPLICATES,
    OPTION_REFUNDS,
    OPTION_HOSTS,
    OPTION_PRODUCTS,
    OPTION_SKEW,
    OPTION_SEED,
    OPTION_PLAIN,
    OPTION_PID,
    OPTION_DISCARD,
};

static const struct option options[] = {
    {"url", required_argument, NULL, OPTION_URL},
    {"orders", required_argument, NULL, OPTION_ORDERS},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"window", required_argument, NULL, OPTION_WINDOW},
    {"duplicates", required_argument, NULL, OPTION_DUPLICATES},
    {"refunds", required_argument, NULL, OPTION_REFUNDS},
    {"hosts", required_argument, NULL, OPTION_HOSTS},
    {"products", required_argument, NULL, OPTION_PRODUCTS},
    {"skew", required_argument, NULL, OPTION_SKEW},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"plain", no_argument, NULL, OPTION_PLAIN},
    {"pid", required_argument, NULL, OPTION_PID},
    {"discard", no_argument, NULL, OPTION_DISCARD},
    {"floor", no_argument, NULL, OPTION_DISCARD},
    {NULL, 0, NULL, 0},
};

static _Noreturn void exit_usage(void)
{
    fputs(usage, stderr);
    exit(2);
}

static void take_option(struct arguments *arguments, int option, const char *text)
{
    switch (option) {
    case OPTION_URL:
        add_server(arguments, text);
        break;
    case OPTION_ORDERS:
        arguments->sales.orders = (uint64_t)bench_number("--orders", text, 1, SALES_ORDERS_MAX);
        break;
    case OPTION_BATCH:
        arguments->frames.batch = (uint32_t)bench_number("--batch", text, 1, 1000);
        break;
    case OPTION_CONNECTIONS:
        arguments->load.connections = (uint32_t)bench_number("--connections", text, 1, 10000);
        break;
    case OPTION_WINDOW:
        arguments->load.window = (uint32_t)bench_number("--window", text, 1, 1000000);
        break;
    case OPTION_DUPLICATES:
        arguments->frames.duplicates_percent = (uint32_t)bench_number("--duplicates", text, 0, 100);
        break;
    case OPTION_REFUNDS:
        arguments->frames.refunds_percent = (uint32_t)bench_number("--refunds", text, 0, 100);
        break;
    case OPTION_HOSTS:
        arguments->sales.hosts = (uint32_t)bench_number("--hosts", text, 1, SALES_HOSTS_MAX);
        break;
    case OPTION_PRODUCTS:
        arguments->sales.products =
            (uint32_t)bench_number("--products", text, 1, SALES_PRODUCTS_MAX);
        break;
    case OPTION_SKEW:
        arguments->sales.zipf = strcmp(text, "zipf") == 0;
        if (!arguments->sales.zipf && strcmp(text, "uniform") != 0)
            exit_usage();
        break;
    case OPTION_SEED:
        arguments->sales.seed = (uint64_t)bench_number("--seed", text, 0, INT64_MAX);
        break;
    case OPTION_PLAIN:
        arguments->sales.plain = true;
        break;
    case OPTION_PID:
        bench_processes_add(&arguments->processes, text);
        break;
    case OPTION_DISCARD:
        arguments->load.discard = true;
        break;
    default:
        exit_usage();
    }
}

static void read_arguments(struct arguments *arguments, int argc, char **argv)
{
    int option;
    *arguments = (struct arguments){
        .sales = {.seed = 1, .orders = 100000, .hosts = 1000, .products = 20000, .zipf = true},
        .frames = {.batch = 64},
        .load = {.connections = 10, .servers = arguments->servers},
    };
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(arguments, option, optarg);
    if (optind < argc || arguments->load.server_count == 0)
        exit_usage();
    if (arguments->load.window == 0)
        arguments->load.window = arguments->frames.batch == 1 ? WINDOW_SINGLE : WINDOW_BATCH;
    if (arguments->load.connections > arguments->sales.orders)
        bench_fail("each connection needs an order");
    arguments->frames.connections = arguments->load.connections;
}

/* Buckets are told by their top, which the largest of all may be below. */
static uint64_t ack_us(const struct load_result *result, uint32_t percent)
{
    uint64_t top_us = latency_percentile_us(&result->ack, percent);
    return top_us < result->ack_max_us ? top_us : result->ack_max_us;
}

static void print_result(const struct arguments *arguments, const struct frames *frames,
                         const struct load_result *result, bool exact)
{
    uint64_t events = frames->accepted + frames->duplicates;
    printf("{\"orders\":%" PRIu64 ",\"events\":%" PRIu64 ",\"messages\":%" PRIu64
           ",\"bytes\":%" PRIu64 ",\"wall_us\":%" PRId64 ",\"orders_per_s\":%" PRId64
           ",\"own_cpu_us\":%" PRId64 ",\"cpu_us\":",
           arguments->sales.orders, events, frames->messages, frames->size, result->wall_us,
           (int64_t)((double)arguments->sales.orders * 1e6 / (double)result->wall_us),
           result->own_cpu_us);
    bench_processes_print(&arguments->processes, stdout);
    printf(",\"ack_us\":{\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"max\":%" PRIu64
           "},\"acks\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"duplicates\":%" PRIu64
           ",\"rejected\":%" PRIu64 ",\"exact\":%s}\n",
           ack_us(result, 50), ack_us(result, 99), result->ack_max_us, result->acks,
           result->accepted, result->duplicates, result->rejected, exact ? "true" : "false");
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct sales sales;
    struct frames frames;
    struct check check = {0};
    struct load_result result;
    read_arguments(&arguments, argc, argv);
    sales_init(&sales, &arguments.sales);
    frames_init(&frames, &arguments.frames, &sales);
    if (!arguments.load.discard)
        check_init(&check, &sales, arguments.servers, arguments.load.server_count);
    load_run(&arguments.load, &frames, &arguments.processes, &result);
    bool exact = result.faults == 0 && (arguments.load.discard || check_totals(&check));
    print_result(&arguments, &frames, &result, exact);
    check_done(&check);
    frames_done(&frames);
    sales_done(&sales);
    return exact ? 0 : 1;
}
