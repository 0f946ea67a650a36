/*
 * livetally simulate: feeds the events of a simulated livestream to an outbox, or to stdout. The
 * pace is kept by a timer that works out how many events are due by now, so a late timer catches
 * up; a server that can't keep up slows it down, since the outbox gives no room then.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "livetally/buffer.h"
#include "livetally/mem.h"
#include "outbox.h"
#include "sim.h"

#define TICK_MS       10
#define CATCH_UP_MS   1000 /* of a delay, at most, is made up for */
#define PRINT_BYTES   65536
#define DEFAULT_RATE  50
#define DEFAULT_PRINT 100

struct simulate {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t interrupt;
    uv_signal_t terminate;
    struct outbox *outbox;
    struct sim *sim;
    struct buffer event;
    uint64_t rate;       /* events a second; 0 = as fast as they are acked */
    uint64_t due_micro;  /* millionths of events that are due */
    uint64_t last_ms;    /* uv_now when that was worked out */
    uint64_t started_ns; /* of the first event */
    uint64_t ended_ns;
    uint64_t number;
    bool ended;
    int exit_code;
};

static void close_handles(struct simulate *self)
{
    uv_close((uv_handle_t *)&self->timer, NULL);
    uv_close((uv_handle_t *)&self->interrupt, NULL);
    uv_close((uv_handle_t *)&self->terminate, NULL);
}

static void end(struct simulate *self)
{
    if (!self->ended) {
        self->ended = true;
        outbox_finish(self->outbox);
    }
}

static bool is_due(const struct simulate *self)
{
    return self->rate == 0 || self->due_micro >= 1000000 || !sim_catalog_done(self->sim);
}

/* Adds events while there is room and (at a rate) they are due; names are due at once. */
static void feed(struct simulate *self)
{
    if (self->started_ns == 0) {
        self->started_ns = uv_hrtime();
    }
    while (!self->ended && outbox_room(self->outbox) && is_due(self)) {
        self->due_micro -= self->rate != 0 && sim_catalog_done(self->sim) ? 1000000 : 0;
        buffer_reset(&self->event);
        if (!sim_next(self->sim, &self->event)) {
            end(self);
            return;
        }
        outbox_add(self->outbox, buffer_slice(&self->event), ++self->number);
    }
    if (self->rate != 0) {
        outbox_flush(self->outbox);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct simulate *self = timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    uint64_t passed_ms = now_ms - self->last_ms;
    self->last_ms = now_ms;
    if (!self->ended && outbox_room(self->outbox)) {
        passed_ms = passed_ms < CATCH_UP_MS ? passed_ms : CATCH_UP_MS;
        self->due_micro += passed_ms * self->rate * 10 * sim_pace_percent(self->sim);
        feed(self);
    }
}

static void on_room(void *context)
{
    struct simulate *self = context;
    if (self->rate == 0) {
        feed(self);
    }
}

static void on_rejected(void *context, const struct outbox_rejection *rejection)
{
    (void)context;
    fprintf(stderr, "event %llu: %.*s: %.*s\n", (unsigned long long)rejection->tag,
            SLICE_ARG(rejection->code), SLICE_ARG(rejection->error));
}

static void on_notice(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "livetally: %s\n", text);
}

static void on_finished(void *context, bool delivered)
{
    struct simulate *self = context;
    self->ended = true;
    self->ended_ns = uv_hrtime();
    self->exit_code = !delivered                                  ? EXIT_UNDELIVERED
                      : outbox_counts(self->outbox)->rejected > 0 ? EXIT_REJECTED
                                                                  : EXIT_DONE;
    close_handles(self);
}

/* The first stops the stream and waits for acks, the second doesn't wait. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct simulate *self = handle->data;
    (void)number;
    if (self->ended) {
        outbox_give_up(self->outbox);
    } else {
        end(self);
    }
}

static void print_summary(const struct simulate *self)
{
    const struct outbox_counts *counts = outbox_counts(self->outbox);
    const struct sim_counts *made = sim_counts(self->sim);
    const struct latency *latency = outbox_latency(self->outbox);
    uint64_t time_ns = self->started_ns ? self->ended_ns - self->started_ns : 0;
    uint64_t time_ms = time_ns / 1000000 ? time_ns / 1000000 : 1;
    uint64_t p50 = latency_percentile_us(latency, 50);
    uint64_t p99 = latency_percentile_us(latency, 99);
    fprintf(
        stderr,
        "%llu orders, %llu refunds, %llu sent twice, %llu names in %llu.%03llu s: %llu orders/s\n"
        "accepted %llu, duplicates %llu, parked %llu, rejected %llu, not acked %llu; "
        "ack latency p50 %llu.%03llu ms, p99 %llu.%03llu ms\n",
        (unsigned long long)made->orders, (unsigned long long)made->refunds,
        (unsigned long long)made->duplicates, (unsigned long long)made->catalog,
        (unsigned long long)(time_ms / 1000), (unsigned long long)(time_ms % 1000),
        (unsigned long long)(made->orders * 1000 / time_ms), (unsigned long long)counts->accepted,
        (unsigned long long)counts->duplicates, (unsigned long long)counts->parked,
        (unsigned long long)counts->rejected, (unsigned long long)counts->unacked,
        (unsigned long long)(p50 / 1000), (unsigned long long)(p50 % 1000),
        (unsigned long long)(p99 / 1000), (unsigned long long)(p99 % 1000));
}

static void watch_signal(struct simulate *self, uv_signal_t *handle, int number)
{
    uv_signal_init(&self->loop, handle);
    handle->data = self;
    uv_signal_start(handle, on_signal, number);
}

static int post_events(const struct outbox_options *options, const struct sim_options *sim,
                       uint64_t rate)
{
    struct simulate self = {.rate = rate};
    struct outbox_ops ops = {on_room, on_rejected, on_notice, on_finished, &self};
    uv_loop_init(&self.loop);
    self.outbox = outbox_new(&self.loop, options, &ops);
    if (!self.outbox) {
        uv_loop_close(&self.loop);
        return EXIT_UNDELIVERED;
    }
    self.sim = sim_new(sim);
    self.last_ms = uv_now(&self.loop);
    watch_signal(&self, &self.interrupt, SIGINT);
    watch_signal(&self, &self.terminate, SIGTERM);
    uv_timer_init(&self.loop, &self.timer);
    self.timer.data = &self;
    if (rate != 0) {
        uv_timer_start(&self.timer, on_tick, TICK_MS, TICK_MS);
    }
    uv_run(&self.loop, UV_RUN_DEFAULT);
    print_summary(&self);
    outbox_free(self.outbox);
    sim_free(self.sim);
    buffer_done(&self.event);
    uv_loop_close(&self.loop);
    return self.exit_code;
}

static bool write_out(struct buffer *text)
{
    bool good = fwrite(text->data, 1, text->size, stdout) == text->size;
    buffer_reset(text);
    return good;
}

static int print_events(const struct sim_options *options)
{
    struct sim *sim = sim_new(options);
    struct buffer text = BUFFER_INIT;
    bool good = true;
    while (good && sim_next(sim, &text)) {
        buffer_append_byte(&text, '\n');
        if (text.size >= PRINT_BYTES) {
            good = write_out(&text);
        }
    }
    good = good && (text.size == 0 || write_out(&text)) && fflush(stdout) == 0;
    buffer_done(&text);
    sim_free(sim);
    return good ? EXIT_DONE : EXIT_UNDELIVERED;
}

enum {
    OPTION_RATE = 256,
    OPTION_ORDERS,
    OPTION_SEED,
    OPTION_BATCH,
    OPTION_HOSTS,
    OPTION_PRODUCTS,
    OPTION_REFUNDS,
    OPTION_DUPLICATES,
    OPTION_START_TIME,
    OPTION_GIVE_UP,
    NUMBERS_END,
    OPTION_PRINT,
};

static const struct option options_table[] = {
    {"rate", required_argument, NULL, OPTION_RATE},
    {"orders", required_argument, NULL, OPTION_ORDERS},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"hosts", required_argument, NULL, OPTION_HOSTS},
    {"products", required_argument, NULL, OPTION_PRODUCTS},
    {"refunds", required_argument, NULL, OPTION_REFUNDS},
    {"duplicates", required_argument, NULL, OPTION_DUPLICATES},
    {"start-time", required_argument, NULL, OPTION_START_TIME},
    {"give-up", required_argument, NULL, OPTION_GIVE_UP},
    {"print", no_argument, NULL, OPTION_PRINT},
    CLI_CALLER_OPTIONS,
    {NULL, 0, NULL, 0},
};

/* default, smallest, largest; in the order of the enum */
static const struct {
    const char *name;
    int64_t initial;
    int64_t min;
    int64_t max;
} numbers_table[NUMBERS_END - OPTION_RATE] = {
    {"--rate", -1, 0, 10000000},
    {"--orders", -1, 0, INT64_C(999999999)},
    {"--seed", -1, 0, INT64_MAX},
    {"--batch", 64, 1, 1000},
    {"--hosts", 40, 1, SIM_HOSTS_MAX},
    {"--products", 200, 1, SIM_PRODUCTS_MAX},
    {"--refunds", 8, 0, 100},
    {"--duplicates", 2, 0, 100},
    {"--start-time", 0, 0, INT64_C(253402300799999)},
    {"--give-up", 60, 0, 1000000},
};

static int run(const struct command *command, int argc, char **argv)
{
    int64_t numbers[NUMBERS_END - OPTION_RATE];
    bool print = false;
    struct cli_caller caller = {.token = NULL};
    int exit_code;
    int option;
    for (int i = 0; i < NUMBERS_END - OPTION_RATE; i++) {
        numbers[i] = numbers_table[i].initial;
    }
    while ((option = getopt_long(argc, argv, "h", options_table, NULL)) != -1) {
        if (option >= OPTION_RATE && option < NUMBERS_END) {
            int i = option - OPTION_RATE;
            if (!cli_parse_number(command, numbers_table[i].name, optarg, numbers_table[i].min,
                                  numbers_table[i].max, &numbers[i])) {
                return EXIT_USAGE;
            }
        } else if (option == OPTION_PRINT) {
            print = true;
        } else if (!cli_take_option(command, option, &caller, &exit_code)) {
            return exit_code;
        }
    }
    if (!cli_take_token(command, &caller)) {
        return EXIT_USAGE;
    }
#define NUMBER(name) numbers[OPTION_##name - OPTION_RATE]
    struct outbox_options outbox = {
        .tls = caller.tls,
        .token = caller.token,
        .batch = (uint32_t)NUMBER(BATCH),
        .give_up_s = (uint32_t)NUMBER(GIVE_UP),
    };
    if (!cli_take_url(command, argc, argv, &optind, &outbox.url) ||
        !cli_check_tls(command, &caller.tls, &outbox.url)) {
        return EXIT_USAGE;
    }
    if (optind < argc) {
        return cli_usage_error(command, "\"%s\" is not a URL", argv[optind]);
    }
    int64_t rate = NUMBER(RATE) >= 0 ? NUMBER(RATE) : DEFAULT_RATE;
    int64_t orders = NUMBER(ORDERS) >= 0 ? NUMBER(ORDERS) : print ? DEFAULT_PRINT : 0;
    int64_t seed = NUMBER(SEED) >= 0 ? NUMBER(SEED) : (int64_t)(uv_hrtime() >> 1);
    struct sim_options sim = {
        .seed = (uint64_t)seed,
        .orders = (uint64_t)orders,
        .hosts = (uint32_t)NUMBER(HOSTS),
        .products = (uint32_t)NUMBER(PRODUCTS),
        .refund_percent = (uint32_t)NUMBER(REFUNDS),
        .duplicate_percent = (uint32_t)NUMBER(DUPLICATES),
        .start_time_ms = NUMBER(START_TIME),
        .orders_per_second = (uint32_t)rate,
    };
#undef NUMBER
    if (print) {
        return print_events(&sim);
    }
    if (numbers[OPTION_SEED - OPTION_RATE] < 0) {
        fprintf(stderr, "livetally: --seed %lld\n", (long long)seed);
    }
    return post_events(&outbox, &sim, (uint64_t)rate);
}

const struct command command_simulate = {
    "simulate",
    "makes up a livestream and posts it, or prints its events",
    run,
    "livetally simulate [URL] [OPTION…]\n"
    "\n"
    "Makes up a livestream and posts it: hosts in their sessions sell teas of many counties; a "
    "few\n"
    "sell most; when a product is put on air, a burst of orders follows; some orders are "
    "refunded,\n"
    "some events are sent twice. Runs until Ctrl-C, or until --orders are through.\n"
    "\n"
    "  --rate N          events a second on average (default 50); 0 = as fast as they are acked\n"
    "  --orders N        stop after so many orders (default 0: never; with --print: 100)\n"
    "  --seed N          the same seed makes the same orders, so that a second run of it is all\n"
    "                    duplicates (default: a new one each time, which is told)\n"
    "  --hosts N         (default 40)\n"
    "  --products N      (default 200)\n"
    "  --refunds PCT     of the orders (default 8)\n"
    "  --duplicates PCT  of the orders (default 2)\n"
    "  --batch N         events in a message, at most (default 64)\n"
    "  --start-time MS   state times, from this one on (ms since 1970, UTC); without it events\n"
    "                    carry no time and count as they arrive\n" CLI_TLS_HELP
    "  --give-up S       exit 3 after so long without progress (default 60; 0 = never)\n"
    "  --print           write the events to stdout, one a line, instead of posting them\n"
    "  --token TOKEN     authenticate; @FILE reads it from a file (default: LIVETALLY_TOKEN)\n"
    "\n"
    "Examples:\n"
    "  livetally simulate                                    50 events a second, for ever\n"
    "  livetally simulate --rate 0 --orders 1000000          how fast is this machine?\n"
    "  livetally simulate unix:/run/livetally/ingest.sock --rate 500\n"
    "  livetally simulate --print --seed 1 --orders 1000 > orders.jsonl\n"
    "  livetally simulate --print --seed 1 --refunds 0 | jq -r .amount\n"
    "\n"
    "Exit status: 0 all durable, 1 some rejected, 2 usage, 3 not delivered.\n",
};
