/*
 * The way out: what other lanes' facts cost the board, rankings kept up to date, and the hub from
 * its tick to what it hands to sockets, which here take everything and do nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/rank.h"
#include "instructions.h"
#include "livetally/hub.h"
#include "livetally/mem.h"

#define HOSTS       1000
#define FACTS       1024 /* of an entry */
#define RANKED      20
#define INTERVAL_MS 250

struct way_out {
    struct counting *counting;
    struct view view;
    struct hub *hub;
    struct stats stats;
    struct clock clock;
    int64_t wall_ms;
    int64_t monotonic_ms;
    uint64_t lane_version;
    uint64_t sent;
    uint32_t viewer_count;
    struct viewer *viewers[HOSTS];
};

static int64_t wall_ms(void *context)
{
    return ((struct way_out *)context)->wall_ms;
}

static int64_t monotonic_ms(void *context)
{
    return ((struct way_out *)context)->monotonic_ms;
}

/* Nothing was sold before a group is watched, so there is nothing to read. */
static bool load_group(void *context, struct group_key key)
{
    struct way_out *out = context;
    struct group *group = board_open(out->view.board, key);
    if (group->state == GROUP_COLD) {
        board_load_begin(out->view.board, group);
        if (!board_load_finish(out->view.board, group))
            abort();
    }
    hub_groups_changed(out->hub);
    return true;
}

static bool take_frame(void *peer, struct frame *frame)
{
    ((struct way_out *)peer)->sent += frame->size > 0;
    return true;
}

static void way_out_init(struct way_out *out, struct counting *counting)
{
    struct board_options options = {{480}, 1u << 24, 48 * HOUR_MS};
    struct hub_options limits = {LIVE_TOPICS_MAX, 100000, 100000, 1000};
    struct hub_source source = {load_group, out};
    *out = (struct way_out){.counting = counting, .wall_ms = NOW_MS, .monotonic_ms = 1000000};
    out->clock = (struct clock){wall_ms, monotonic_ms, out};
    out->view.calendar.offset_minutes = 480;
    out->view.board = board_new(&options);
    out->view.board_number = 1;
    out->view.names = names_new();
    out->view.catalog = catalog_new(1000);
    out->view.ticker = ticker_new();
    out->view.today = calendar_day(&out->view.calendar, NOW_MS);
    out->view.ready = true;
    memcpy(out->view.epoch, "0123456789abcdef", EPOCH_BYTES);
    out->hub = hub_new(&limits, &out->view, &source, &out->clock, &out->stats);
}

static void way_out_done(struct way_out *out)
{
    for (uint32_t i = 0; i < out->viewer_count; i++)
        hub_leave(out->viewers[i]);
    hub_free(out->hub);
    board_free(out->view.board);
    ticker_free(out->view.ticker);
    catalog_free(out->view.catalog);
    names_free(out->view.names);
}

static uint32_t intern(struct way_out *out, const char *kind, uint32_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%s-%" PRIu32, kind, number);
    return names_intern(out->view.names, slice_of(text));
}

static struct fact sale(struct way_out *out, uint32_t host, uint32_t product, int64_t amount)
{
    return (struct fact){.kind = FACT_ORDER,
                         .host = intern(out, "host", host),
                         .product = intern(out, "tea", product),
                         .session = intern(out, "room", host),
                         .platform = intern(out, "platform", 1),
                         .county = 422801 + product % 28,
                         .quantity = 1,
                         .amount = amount,
                         .time_ms = NOW_MS};
}

/* A commit of another lane. */
static void apply(struct way_out *out, const struct fact *facts, uint32_t count)
{
    board_apply(out->view.board, 1, ++out->lane_version, false, facts, count, out->wall_ms);
    ticker_push(out->view.ticker, facts, count);
}

static void sell(struct way_out *out, uint32_t host, uint32_t product)
{
    struct fact fact = sale(out, host, product, 1000);
    apply(out, &fact, 1);
}

/* Every product sells once, each at another price. */
static void sell_all(struct way_out *out, uint32_t products)
{
    struct fact *facts = mem_resize(NULL, FACTS, sizeof *facts);
    uint64_t random = 1;
    for (uint32_t product = 0; product < products;) {
        uint32_t count = 0;
        for (; count < FACTS && product < products; product++)
            facts[count++] = sale(out, product % HOSTS, product,
                                  1000 + (int64_t)(next_random(&random) % 10000000));
        apply(out, facts, count);
    }
    free(facts);
}

/* --- boards ------------------------------------------------------------------------------- */

static void count_rank(struct counting *counting, const char *path, uint32_t products)
{
    struct way_out out;
    struct rank rank;
    uint64_t random = 2;
    way_out_init(&out, counting);
    struct group_key key = {ROLLUP_PRODUCT, PERIOD_DAY, out.view.today, 0};
    load_group(&out, key);
    board_watch(out.view.board, key);
    sell_all(&out, products);
    rank_init(&rank, BOARD_BY_GROSS, RANKED, 0, out.view.names);
    rank_refresh(&rank, board_find(out.view.board, key), board_version(out.view.board));
    counting_start(counting);
    for (int i = 0; i < 4; i++) {
        sell(&out, 1, (uint32_t)(next_random(&random) % products));
        struct group *group = board_find(out.view.board, key);
        counting_begin(counting, path);
        rank_refresh(&rank, group, board_version(out.view.board));
        counting_end(counting, path, 1);
    }
    counting_stop(counting);
    rank_done(&rank);
    board_unwatch(out.view.board, key);
    way_out_done(&out);
}

/* Facts of another lane, with nothing loaded but what the start page shows. */
static void count_other_lane(struct counting *counting)
{
    static const char path[] = "apply-other-lane";
    static const enum rollup pins[] = {ROLLUP_TOTAL,   ROLLUP_HOST,    ROLLUP_COUNTY,
                                       ROLLUP_PRODUCT, ROLLUP_SESSION, ROLLUP_PLATFORM};
    struct way_out out;
    struct fact facts[64];
    way_out_init(&out, counting);
    for (size_t i = 0; i < sizeof pins / sizeof *pins; i++) {
        load_group(&out, (struct group_key){(uint16_t)pins[i], PERIOD_ALL, 0, 0});
        load_group(&out, (struct group_key){(uint16_t)pins[i], PERIOD_DAY, out.view.today, 0});
    }
    sell_all(&out, HOSTS);
    board_spread(out.view.board);
    for (uint32_t i = 0; i < 64; i++)
        facts[i] = sale(&out, i, i, 1000);
    counting_start(counting);
    counting_begin(counting, path);
    board_apply(out.view.board, 1, ++out.lane_version, false, facts, 64, NOW_MS);
    board_spread(out.view.board);
    counting_end(counting, path, 64);
    counting_stop(counting);
    way_out_done(&out);
}

void count_boards(struct counting *counting)
{
    count_other_lane(counting);
    count_rank(counting, "rank-20-of-1e3", 1000);
    if (counting->full)
        count_rank(counting, "rank-20-of-1e6", 1000000);
}

/* --- audiences ---------------------------------------------------------------------------- */

/* Each watches the total, a host (its own, or all the same one) and `topics`: ,"NAME"… */
static void join(struct way_out *out, uint32_t viewers, bool shared, const char *topics)
{
    static const struct viewer_ops ops = {take_frame};
    struct buffer text = BUFFER_INIT;
    for (uint32_t i = 0; i < viewers; i++) {
        struct viewer *viewer = hub_join(out->hub, &ops, out);
        out->viewers[out->viewer_count++] = viewer;
        buffer_reset(&text);
        buffer_printf(&text,
                      "{\"type\":\"subscribe\",\"topics\":[\"total\",\"host/host-%" PRIu32 "\"%s]}",
                      shared ? 0 : i, topics);
        if (!hub_receive(viewer, buffer_slice(&text)))
            abort();
    }
    buffer_done(&text);
}

static void pass_interval(struct way_out *out)
{
    out->wall_ms += INTERVAL_MS;
    out->monotonic_ms += INTERVAL_MS;
}

/* The tick after one sale, per message sent. */
static void count_push(struct counting *counting, const char *path, uint32_t viewers, bool shared,
                       const char *topics)
{
    struct way_out out;
    way_out_init(&out, counting);
    for (uint32_t i = 0; i < HOSTS; i++)
        (void)sale(&out, i, i, 1);
    join(&out, viewers, shared, topics);
    for (uint32_t i = 0; i < 8; i++) {
        sell(&out, i, i);
        hub_tick(out.hub);
        pass_interval(&out);
    }
    counting_start(counting);
    for (uint32_t i = 0; i < 4; i++) {
        sell(&out, 0, i);
        board_spread(out.view.board);
        uint64_t before = out.sent;
        counting_begin(counting, path);
        hub_tick(out.hub);
        counting_end(counting, path, out.sent - before);
        if (out.sent != before + viewers)
            abort();
        pass_interval(&out);
    }
    counting_stop(counting);
    way_out_done(&out);
}

void count_audiences(struct counting *counting)
{
    count_push(counting, "frame-total-host", 1, true, "");
    count_push(counting, "frame-two-boards-ticker", 1, true,
               ",\"top/hosts?n=20\",\"top/products?n=20\",\"ticker\"");
    count_push(counting, "frame-1000-topic-sets", 1000, false, "");
    count_push(counting, "push-per-message", 1000, true, "");
}
