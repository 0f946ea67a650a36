/*
 * Cheap enough to keep a fast server busy: the parts of an order that depend on its host or its
 * product are written once, and who sells what is one random number and one look-up (Walker's
 * alias method). The last 4096 orders are remembered for refunds and for sending them again; an
 * order is written from its record, so that the second time is equal to the first.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "livetally/mem.h"
#include "sim_catalog.h"

#define RECENT          4096 /* a power of two */
#define FRAGMENT_BYTES  96
#define CYCLE_ORDERS    2000 /* from one burst to the next, on average */
#define BURST_ORDERS    500  /* length of a burst, on average */
#define BURST_PERCENT   250  /* pace while it lasts */
#define ON_AIR_PERCENT  70   /* of a burst's orders are for what is on air */
#define EARLY_PERCENT   2    /* of refunds come before their order */
#define PARTIAL_PERCENT 30   /* of refunds are for a part of the amount */
#define DEFAULT_RATE    50
#define QUEUE           4

/* The pace outside of bursts that makes 100 on the long run. */
#define CALM_PERCENT                                                                               \
    (100 * (CYCLE_ORDERS - BURST_ORDERS) / (CYCLE_ORDERS - BURST_ORDERS * 100 / BURST_PERCENT))

struct order {
    uint64_t number;
    int64_t time_ms; /* 0: left out */
    int64_t refund_time_ms;
    uint32_t host;
    uint32_t product;
    uint32_t quantity;
    uint32_t amount;
    uint32_t refund_amount; /* 0: not refunded */
    uint32_t refund_quantity;
};

/* Draws i with a probability proportional to 1/(i+1). */
struct zipf {
    uint32_t count;
    uint32_t *keep;  /* of 2^32: how often slot i stays i */
    uint32_t *alias; /* what it is otherwise */
};

struct fragment {
    uint32_t size;
    char text[FRAGMENT_BYTES];
};

enum step {
    STEP_ORDER,
    STEP_REFUND,
};

struct sim {
    struct sim_options options;
    struct sim_counts counts;
    uint64_t random;
    char id_prefix[16]; /* of order ids */
    struct zipf hosts;
    struct zipf products;
    struct fragment *host_text;    /* ,"host_id":…,"session_id":… */
    struct fragment *product_text; /* ,"product_id":…,"county":… */
    uint32_t *prices;

    struct order recent[RECENT]; /* by order number */
    struct queued {
        enum step step;
        uint64_t number;
    } queue[QUEUE]; /* events that are due before the next order */
    uint32_t queued;

    uint32_t burst_left; /* orders */
    uint32_t burst_host;
    uint32_t burst_product;
};

/* -------------------------------------------------------------------------------- chance */

static uint64_t next_random(struct sim *sim)
{
    uint64_t value = sim->random += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static uint32_t below(struct sim *sim, uint32_t bound)
{
    return (uint32_t)((next_random(sim) >> 32) * bound >> 32);
}

static bool chance(struct sim *sim, uint32_t percent)
{
    return below(sim, 100) < percent;
}

/* Shares in 1/count of 2^32 each; integers only, so that every machine draws the same. */
static void zipf_init(struct zipf *zipf, uint32_t count)
{
    uint64_t *share = mem_resize(NULL, count, sizeof(*share));
    uint32_t *small = mem_resize(NULL, count, sizeof(*small));
    uint32_t *large = mem_resize(NULL, count, sizeof(*large));
    uint32_t small_count = 0;
    uint32_t large_count = 0;
    uint64_t total = 0;
    zipf->count = count;
    zipf->keep = mem_resize(NULL, count, sizeof(*zipf->keep));
    zipf->alias = mem_resize(NULL, count, sizeof(*zipf->alias));
    for (uint32_t i = 0; i < count; i++) {
        total += (UINT64_C(1) << 32) / (i + 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t weight = (UINT64_C(1) << 32) / (i + 1) * count; /* below 2^52, total below 2^36 */
        share[i] = (weight / total << 32) + (weight % total << 27) / (total >> 5);
        if (share[i] < UINT64_C(1) << 32) {
            small[small_count++] = i;
        } else {
            large[large_count++] = i;
        }
    }
    while (small_count > 0 && large_count > 0) {
        uint32_t less = small[--small_count];
        uint32_t more = large[large_count - 1];
        zipf->keep[less] = (uint32_t)share[less];
        zipf->alias[less] = more;
        share[more] -= (UINT64_C(1) << 32) - share[less];
        if (share[more] < UINT64_C(1) << 32) {
            large_count--;
            small[small_count++] = more;
        }
    }
    while (large_count > 0 || small_count > 0) {
        uint32_t rest = large_count > 0 ? large[--large_count] : small[--small_count];
        zipf->keep[rest] = UINT32_MAX;
        zipf->alias[rest] = rest;
    }
    free(share);
    free(small);
    free(large);
}

static void zipf_done(struct zipf *zipf)
{
    free(zipf->keep);
    free(zipf->alias);
}

static uint32_t zipf_draw(struct sim *sim, const struct zipf *zipf)
{
    uint32_t slot = below(sim, zipf->count);
    return (uint32_t)next_random(sim) < zipf->keep[slot] ? slot : zipf->alias[slot];
}

/* --------------------------------------------------------------------------------- events */

static struct order *order_of(struct sim *sim, uint64_t number)
{
    return &sim->recent[number & (RECENT - 1)];
}

/* 19 digits, as platforms have them: 10 of the seed, 9 of the order. */
static void append_order_id(const struct sim *sim, struct buffer *out, uint64_t number)
{
    char *at = buffer_reserve(out, 19);
    memcpy(at, sim->id_prefix, 10);
    for (int i = 18; i >= 10; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
    out->size += 19;
}

static void append_time(struct buffer *out, int64_t time_ms)
{
    if (time_ms != 0) {
        buffer_append(out, ",\"time\":", 8);
        buffer_append_int(out, time_ms);
    }
    buffer_append_byte(out, '}');
}

static void append_order(const struct sim *sim, struct buffer *out, const struct order *order)
{
    const struct fragment *host = &sim->host_text[order->host];
    const struct fragment *product = &sim->product_text[order->product];
    buffer_append_slice(out, SLICE("{\"type\":\"order\",\"order_id\":\""));
    append_order_id(sim, out, order->number);
    buffer_append_byte(out, '"');
    buffer_append(out, host->text, host->size);
    buffer_append(out, product->text, product->size);
    buffer_append_slice(out, SLICE(",\"quantity\":"));
    buffer_append_uint(out, order->quantity);
    buffer_append_slice(out, SLICE(",\"amount\":"));
    buffer_append_uint(out, order->amount);
    append_time(out, order->time_ms);
}

static void append_refund(const struct sim *sim, struct buffer *out, const struct order *order)
{
    buffer_append_slice(out, SLICE("{\"type\":\"refund\",\"refund_id\":\"r1\",\"order_id\":\""));
    append_order_id(sim, out, order->number);
    buffer_append_slice(out, SLICE("\",\"amount\":"));
    buffer_append_uint(out, order->refund_amount);
    buffer_append_slice(out, SLICE(",\"quantity\":"));
    buffer_append_uint(out, order->refund_quantity);
    append_time(out, order->refund_time_ms);
}

static int64_t time_of_order(const struct sim *sim, uint64_t number)
{
    uint32_t rate = sim->options.orders_per_second ? sim->options.orders_per_second : DEFAULT_RATE;
    if (sim->options.start_time_ms == 0) {
        return 0;
    }
    return sim->options.start_time_ms +
           (int64_t)(number / rate * 1000 + number % rate * 1000 / rate);
}

static void enqueue(struct sim *sim, enum step step, uint64_t number)
{
    if (sim->queued < QUEUE) {
        sim->queue[sim->queued++] = (struct queued){step, number};
    }
}

/* --------------------------------------------------------------------------------- orders */

static void choose_what(struct sim *sim, struct order *order)
{
    if (sim->burst_left > 0) {
        sim->burst_left--;
    } else if (below(sim, CYCLE_ORDERS - BURST_ORDERS) == 0) {
        sim->burst_left = BURST_ORDERS / 2 + below(sim, BURST_ORDERS);
        sim->burst_host = zipf_draw(sim, &sim->hosts);
        sim->burst_product = zipf_draw(sim, &sim->products);
    }
    if (sim->burst_left > 0 && chance(sim, ON_AIR_PERCENT)) {
        order->host = sim->burst_host;
        order->product = sim->burst_product;
    } else {
        order->host = zipf_draw(sim, &sim->hosts);
        order->product = zipf_draw(sim, &sim->products);
    }
}

static void choose_how_much(struct sim *sim, struct order *order)
{
    uint32_t dice = below(sim, 100);
    order->quantity = dice < 72 ? 1 : dice < 90 ? 2 : dice < 98 ? 3 : 5 + below(sim, 16);
    order->amount = sim->prices[order->product] * order->quantity;
    if (chance(sim, 25)) {
        order->amount -= order->amount / 20; /* a coupon of 5 % */
    }
}

static void choose_refund(struct sim *sim, struct order *order)
{
    if (order->quantity > 1 && chance(sim, PARTIAL_PERCENT)) {
        order->refund_quantity = 1;
        order->refund_amount = order->amount / order->quantity;
    } else if (chance(sim, PARTIAL_PERCENT)) {
        order->refund_quantity = 0;
        order->refund_amount = order->amount / 2;
    } else {
        order->refund_quantity = order->quantity;
        order->refund_amount = order->amount;
    }
    order->refund_time_ms = time_of_order(sim, sim->counts.orders);
}

/* A random one of the orders still remembered, so that refunds and retries come late. */
static struct order *pick_recent(struct sim *sim)
{
    uint64_t known = sim->counts.orders < RECENT ? sim->counts.orders : RECENT;
    return order_of(sim, sim->counts.orders - 1 - below(sim, (uint32_t)known));
}

static void plan_refund(struct sim *sim)
{
    for (int attempt = 0; attempt < 8; attempt++) {
        struct order *order = pick_recent(sim);
        if (order->refund_amount == 0) {
            choose_refund(sim, order);
            sim->counts.refunds++;
            enqueue(sim, STEP_REFUND, order->number);
            return;
        }
    }
}

static void plan_duplicate(struct sim *sim)
{
    const struct order *order = pick_recent(sim);
    bool refund = order->refund_amount != 0 && chance(sim, 10);
    for (uint32_t i = 0; i < sim->queued; i++) {
        if (sim->queue[i].number == order->number) {
            return; /* not sent a first time yet */
        }
    }
    sim->counts.duplicates++;
    enqueue(sim, refund ? STEP_REFUND : STEP_ORDER, order->number);
}

static void make_order(struct sim *sim)
{
    uint64_t number = sim->counts.orders;
    struct order *order = order_of(sim, number);
    *order = (struct order){.number = number, .time_ms = time_of_order(sim, number)};
    choose_what(sim, order);
    choose_how_much(sim, order);
    sim->counts.orders++;
    bool refund = chance(sim, sim->options.refund_percent);
    if (refund && chance(sim, EARLY_PERCENT)) {
        choose_refund(sim, order);
        sim->counts.refunds++;
        sim->counts.early_refunds++;
        enqueue(sim, STEP_REFUND, number);
        refund = false;
    }
    enqueue(sim, STEP_ORDER, number);
    if (refund) {
        plan_refund(sim);
    }
    if (chance(sim, sim->options.duplicate_percent)) {
        plan_duplicate(sim);
    }
}

/* --------------------------------------------------------------------------------- public */

static void set_fragment(struct fragment *fragment, struct buffer *text)
{
    fragment->size = (uint32_t)text->size;
    memcpy(fragment->text, text->data, text->size);
    buffer_reset(text);
}

static void write_fragments(struct sim *sim)
{
    struct buffer text = BUFFER_INIT;
    sim->host_text = mem_resize(NULL, sim->options.hosts, sizeof(*sim->host_text));
    sim->product_text = mem_resize(NULL, sim->options.products, sizeof(*sim->product_text));
    sim->prices = mem_resize(NULL, sim->options.products, sizeof(*sim->prices));
    for (uint32_t i = 0; i < sim->options.hosts; i++) {
        buffer_append_text(&text, ",\"host_id\":\"");
        sim_append_host_id(&text, i);
        buffer_append_text(&text, "\",\"session_id\":\"");
        sim_append_session_id(&text, i);
        buffer_append_byte(&text, '"');
        set_fragment(&sim->host_text[i], &text);
    }
    for (uint32_t i = 0; i < sim->options.products; i++) {
        buffer_append_text(&text, ",\"product_id\":\"");
        sim_append_product_id(&text, i);
        buffer_append_text(&text, "\",\"county\":\"");
        buffer_append_uint(&text, sim_product_county(i));
        buffer_append_byte(&text, '"');
        set_fragment(&sim->product_text[i], &text);
        sim->prices[i] = sim_product_price(i);
    }
    buffer_done(&text);
}

static uint32_t clamp(uint32_t value, uint32_t max)
{
    return value < 1 ? 1 : value > max ? max : value;
}

struct sim *sim_new(const struct sim_options *options)
{
    struct sim *sim = mem_zalloc(sizeof(*sim));
    sim->options = *options;
    sim->options.hosts = clamp(options->hosts, SIM_HOSTS_MAX);
    sim->options.products = clamp(options->products, SIM_PRODUCTS_MAX);
    sim->random = options->seed;
    uint64_t prefix = 6900000000 + next_random(sim) % 100000000;
    for (int i = 9; i >= 0; i--) {
        sim->id_prefix[i] = (char)('0' + prefix % 10);
        prefix /= 10;
    }
    zipf_init(&sim->hosts, sim->options.hosts);
    zipf_init(&sim->products, sim->options.products);
    write_fragments(sim);
    return sim;
}

void sim_free(struct sim *sim)
{
    if (!sim) {
        return;
    }
    zipf_done(&sim->hosts);
    zipf_done(&sim->products);
    free(sim->host_text);
    free(sim->product_text);
    free(sim->prices);
    free(sim);
}

/* Hosts, then products, then sessions: each before anything refers to it. */
static bool append_catalog(struct sim *sim, struct buffer *out)
{
    uint64_t at = sim->counts.catalog;
    uint32_t hosts = sim->options.hosts;
    uint32_t products = sim->options.products;
    if (at < hosts) {
        sim_append_host(out, (uint32_t)at);
    } else if (at < (uint64_t)hosts + products) {
        sim_append_product(out, (uint32_t)(at - hosts));
    } else if (at < (uint64_t)hosts * 2 + products) {
        sim_append_session(out, (uint32_t)(at - hosts - products), sim->options.start_time_ms);
    } else {
        return false;
    }
    sim->counts.catalog++;
    return true;
}

bool sim_next(struct sim *sim, struct buffer *out)
{
    if (append_catalog(sim, out)) {
        return true;
    }
    if (sim->queued == 0) {
        if (sim->options.orders != 0 && sim->counts.orders >= sim->options.orders) {
            return false;
        }
        make_order(sim);
    }
    struct queued due = sim->queue[0];
    sim->queued--;
    memmove(sim->queue, sim->queue + 1, sim->queued * sizeof(sim->queue[0]));
    if (due.step == STEP_ORDER) {
        append_order(sim, out, order_of(sim, due.number));
    } else {
        append_refund(sim, out, order_of(sim, due.number));
    }
    return true;
}

const struct sim_counts *sim_counts(const struct sim *sim)
{
    return &sim->counts;
}

bool sim_catalog_done(const struct sim *sim)
{
    return sim->counts.catalog == (uint64_t)sim->options.hosts * 2 + sim->options.products;
}

uint32_t sim_pace_percent(const struct sim *sim)
{
    return sim->burst_left > 0 ? BURST_PERCENT : CALM_PERCENT;
}
