/*
 * What totals cost by themselves, with many products: facts added to a board of which everything
 * is loaded that a daemon always has loaded, and a viewer of rankings who is served once a tick.
 * No sockets and no Redis; the hub does for this viewer what it does for any.
 *
 *   bench_board PRODUCTS FACTS_PER_TICK TICKS      prints one JSON object
 *
 * Few products sell most (the n-th one about 1/n of the first). Every product has sold before the
 * clock starts. It fails when the last ranking or the grand total is not what it has to be.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_common.h"
#include "livetally/hub.h"
#include "livetally/mem.h"

#define START_MS      INT64_C(1790000000000)
#define TICK_MS       250
#define HOSTS         1000
#define COUNTIES      300
#define PRODUCTS_MAX  10000000
#define REFS_AT_ONCE  500
#define LANE          0
#define RANKINGS      "\"top/products?n=20\",\"top/products?by=net&n=20\",\"top/hosts?n=20\""
#define RANKING_COUNT 3

struct bench {
    struct view view;
    struct hub *hub;
    struct clock clock;
    struct stats stats;
    int64_t monotonic_ms;
    uint32_t products;
    uint32_t *product_ids; /* numbers in names */
    uint32_t host_ids[HOSTS];
    uint32_t platform_id;
    struct fact *facts; /* of one tick */
    uint64_t lane_version;
    uint64_t applied;
    uint64_t random;
    uint64_t frames, frame_bytes;
    uint64_t ranked; /* products, as the last frame says */
};

static int64_t wall_ms(void *context)
{
    (void)context;
    return START_MS;
}

static int64_t monotonic_ms(void *context)
{
    return ((struct bench *)context)->monotonic_ms;
}

/* What the store does for a group of which Redis has nothing. */
static void load_empty(struct board *board, struct group_key key)
{
    struct group *group = board_open(board, key);
    if (group->state == GROUP_LOADED)
        return;
    board_load_begin(board, group);
    if (!board_load_finish(board, group))
        bench_fail("a group could not be loaded");
}

static bool want(void *context, struct group_key key)
{
    struct bench *bench = context;
    load_empty(bench->view.board, key);
    hub_groups_changed(bench->hub);
    return true;
}

/* The viewer's socket: always has room, and reads how many products were ranked. */
static bool take_frame(void *peer, struct frame *frame)
{
    static const char of[] = "\"of\":";
    struct bench *bench = peer;
    const char *text = (const char *)frame_text(frame);
    const char *board = memmem(text, frame->size, "\"top/products?n=20\"", 19);
    const char *at =
        board ? memmem(board, frame->size - (size_t)(board - text), of, sizeof of - 1) : NULL;
    bench->frames++;
    bench->frame_bytes += frame->size;
    if (at)
        bench->ranked = strtoull(at + sizeof of - 1, NULL, 10);
    return true;
}

static void make_names(struct bench *bench)
{
    char text[32];
    bench->product_ids = mem_resize(NULL, bench->products, sizeof *bench->product_ids);
    for (uint32_t i = 0; i < bench->products; i++) {
        snprintf(text, sizeof text, "tea-%" PRIu32, i);
        bench->product_ids[i] = names_intern(bench->view.names, slice_of(text));
    }
    for (uint32_t i = 0; i < HOSTS; i++) {
        snprintf(text, sizeof text, "host-%" PRIu32, i);
        bench->host_ids[i] = names_intern(bench->view.names, slice_of(text));
    }
    bench->platform_id = names_intern(bench->view.names, SLICE("douyin"));
}

/* Everything that a daemon always has loaded, for all time and today. */
static void load_pins(struct bench *bench)
{
    static const enum rollup pins[] = {ROLLUP_TOTAL,   ROLLUP_HOST,    ROLLUP_COUNTY,
                                       ROLLUP_PRODUCT, ROLLUP_SESSION, ROLLUP_PLATFORM};
    for (size_t i = 0; i < sizeof pins / sizeof *pins; i++) {
        struct group_key key = {.rollup = (uint16_t)pins[i], .period = PERIOD_ALL};
        load_empty(bench->view.board, key);
        board_watch(bench->view.board, key);
        key.period = PERIOD_DAY;
        key.when = bench->view.today;
        load_empty(bench->view.board, key);
        board_watch(bench->view.board, key);
    }
}

static void set_up(struct bench *bench)
{
    const struct hub_options options = {LIVE_TOPICS_MAX, 1000, 1000, 20};
    const struct hub_source source = {want, bench};
    const struct calendar calendar = {480};
    const struct board_options board = {calendar, 100000000, 48 * HOUR_MS};
    bench->random = UINT64_C(88172645463325252);
    bench->monotonic_ms = 1000000;
    bench->clock = (struct clock){wall_ms, monotonic_ms, bench};
    bench->view = (struct view){.board = board_new(&board),
                                .board_number = 1,
                                .names = names_new(),
                                .catalog = catalog_new(1000),
                                .ticker = ticker_new(),
                                .calendar = calendar,
                                .today = calendar_day(&calendar, START_MS),
                                .epoch = "0123456789abcdef",
                                .ready = true};
    make_names(bench);
    load_pins(bench);
    bench->hub = hub_new(&options, &bench->view, &source, &bench->clock, &bench->stats);
}

static void fill_fact(struct bench *bench, struct fact *fact, uint32_t product)
{
    uint32_t host = product % HOSTS;
    *fact = (struct fact){.kind = FACT_ORDER,
                          .host = bench->host_ids[host],
                          .product = bench->product_ids[product],
                          .session = bench->host_ids[host],
                          .platform = bench->platform_id,
                          .county = 422801 + product % COUNTIES % 99,
                          .quantity = 1 + product % 3,
                          .amount = 1000 + (int64_t)(bench_next_random(&bench->random) % 20000),
                          .time_ms = START_MS};
}

/* Between 0 and products - 1, the n-th about n times as rare as the first. */
static uint32_t pick_product(struct bench *bench)
{
    double uniform = (double)(bench_next_random(&bench->random) >> 11) / 9007199254740992.0;
    uint32_t picked = (uint32_t)(exp(uniform * log((double)bench->products + 1)) - 1);
    return picked < bench->products ? picked : bench->products - 1;
}

static void apply(struct bench *bench, uint32_t count)
{
    bench->lane_version++;
    board_apply(bench->view.board, LANE, bench->lane_version, true, bench->facts, count, START_MS);
    bench->applied += count;
}

/* What a checkpoint does to the board; the writing is Redis's and the store's. */
static void take_dirty(struct bench *bench)
{
    static const struct metrics zeros = {{0}};
    struct cell_ref refs[REFS_AT_ONCE];
    for (uint32_t count; (count = board_dirty_take(bench->view.board, refs, REFS_AT_ONCE)) > 0;)
        for (uint32_t i = 0; i < count; i++) {
            board_set_base(bench->view.board, refs[i], &zeros);
            board_dirty_written(bench->view.board, refs[i]);
        }
}

static void tick(struct bench *bench)
{
    bench->monotonic_ms += TICK_MS;
    while (hub_tick(bench->hub) == 0) {
    }
}

static void sell_each_product(struct bench *bench, uint32_t at_once)
{
    for (uint32_t product = 0; product < bench->products;) {
        uint32_t count = 0;
        while (count < at_once && product < bench->products)
            fill_fact(bench, &bench->facts[count++], product++);
        apply(bench, count);
        take_dirty(bench);
    }
}

static void check(const struct bench *bench)
{
    struct group_key key = {.rollup = ROLLUP_TOTAL, .period = PERIOD_ALL};
    struct metrics total = group_get(board_find(bench->view.board, key), 1);
    if ((uint64_t)total.v[METRIC_ORDERS] != bench->applied)
        bench_fail("the total says %" PRId64 " orders, not %" PRIu64, total.v[METRIC_ORDERS],
                   bench->applied);
    if (bench->ranked != bench->products)
        bench_fail("the ranking is of %" PRIu64 " products, not %" PRIu32, bench->ranked,
                   bench->products);
}

static void tear_down(struct bench *bench, struct viewer *viewer)
{
    hub_leave(viewer);
    hub_free(bench->hub);
    board_free(bench->view.board);
    ticker_free(bench->view.ticker);
    catalog_free(bench->view.catalog);
    names_free(bench->view.names);
    free(bench->product_ids);
    free(bench->facts);
}

int main(int argc, char **argv)
{
    static const struct viewer_ops ops = {take_frame};
    struct bench bench = {0};
    if (argc != 4)
        bench_fail("usage: bench_board PRODUCTS FACTS_PER_TICK TICKS");
    bench.products = (uint32_t)bench_number("PRODUCTS", argv[1], 1, PRODUCTS_MAX);
    uint32_t facts = (uint32_t)bench_number("FACTS_PER_TICK", argv[2], 1, 1000000);
    uint32_t ticks = (uint32_t)bench_number("TICKS", argv[3], 1, 100000);
    bench.facts = mem_resize(NULL, facts, sizeof *bench.facts);
    set_up(&bench);
    sell_each_product(&bench, facts);
    struct viewer *viewer = hub_join(bench.hub, &ops, &bench);
    hub_receive(viewer, SLICE("{\"type\":\"subscribe\",\"topics\":[" RANKINGS "]}"));
    tick(&bench);
    bench.frames = bench.frame_bytes = 0;

    double apply_us = 0, tick_us = 0;
    for (uint32_t t = 0; t < ticks; t++) {
        for (uint32_t i = 0; i < facts; i++)
            fill_fact(&bench, &bench.facts[i], pick_product(&bench));
        double start = bench_own_cpu_us();
        apply(&bench, facts);
        double applied = bench_own_cpu_us();
        tick(&bench);
        tick_us += bench_own_cpu_us() - applied;
        apply_us += applied - start;
        take_dirty(&bench);
    }
    check(&bench);
    if (bench.frames != ticks)
        bench_fail("%" PRIu64 " frames in %" PRIu32 " ticks", bench.frames, ticks);
    printf("{\"products\":%" PRIu32 ",\"facts_per_tick\":%" PRIu32 ",\"ticks\":%" PRIu32
           ",\"rankings\":%d,\"apply_us_per_fact\":%.4f,\"us_per_tick\":%.2f,\"frame_bytes\":%.0f"
           ",\"exact\":true}\n",
           bench.products, facts, ticks, RANKING_COUNT, apply_us / ((double)facts * ticks),
           tick_us / ticks, (double)bench.frame_bytes / ticks);
    tear_down(&bench, viewer);
    return 0;
}
