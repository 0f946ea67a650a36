/*
 * The generator and the model of bench_load. See load_sales.h.
 *
 * A product is sold by up to four hosts and comes from one county, so there are a few cells a
 * product, as in life, and not as many as hosts times products. Whichever there is more of, hosts
 * or products, is drawn by the skew asked for; the other follows from it.
 */
#include "load_sales.h"

#include <stdlib.h>
#include <string.h>

#include "bench_common.h"
#include "livetally/mem.h"

#define SELLERS        4     /* a power of two */
#define SPAN_MS        10000 /* from the first order's time to the last one's */
#define HALVES_PERCENT 30    /* of refunded orders are given back in two parts */
#define AMOUNT_MIN_FEN 1000
#define AMOUNTS_FEN    20000
#define QUANTITIES     3
#define PREFECTURES    4
#define FIRST_COUNTY   21

const char *const sales_metric_names[SALES_METRICS] = {"orders",  "units",    "gross",
                                                       "refunds", "refunded", "returned"};

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

uint64_t sales_random(uint64_t *state)
{
    return mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

static uint32_t drawn_count(const struct sales *sales)
{
    return sales->options.products >= sales->options.hosts ? sales->options.products
                                                           : sales->options.hosts;
}

static void shares_init(struct sales *sales)
{
    uint32_t count = drawn_count(sales);
    double sum = 0, so_far = 0;
    sales->shares = mem_alloc(count * sizeof *sales->shares);
    for (uint32_t i = 0; i < count; i++)
        sum += sales->options.zipf ? 1.0 / (i + 1) : 1.0;
    for (uint32_t i = 0; i < count; i++) {
        so_far += (sales->options.zipf ? 1.0 / (i + 1) : 1.0) / sum;
        sales->shares[i] = so_far >= 1 ? UINT64_C(1) << 63 : (uint64_t)(so_far * 0x1p63);
    }
    sales->shares[count - 1] = UINT64_C(1) << 63;
}

void sales_init(struct sales *sales, const struct sales_options *options)
{
    *sales = (struct sales){.options = *options};
    sales->start_ms = bench_wall_ms() - SPAN_MS;
    /* Runs on one data set don't meet each other's ids: those of one second differ by seed. */
    sales->id_prefix = ((uint64_t)sales->start_ms / 1000 * 100 + options->seed % 100) % 100000000;
    sales->hosts = mem_zalloc(options->hosts * sizeof *sales->hosts);
    sales->products = mem_zalloc(options->products * sizeof *sales->products);
    sales->refunds = mem_zalloc(options->orders);
    shares_init(sales);
}

void sales_done(struct sales *sales)
{
    free(sales->hosts);
    free(sales->products);
    free(sales->refunds);
    free(sales->shares);
}

/* The first whose cumulative share is above what was drawn. */
static uint32_t draw(const struct sales *sales, uint64_t random)
{
    uint64_t at = random >> 1;
    uint32_t low = 0, high = drawn_count(sales) - 1;
    if (!sales->options.zipf)
        return (uint32_t)(random % (high + UINT64_C(1)));
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sales->shares[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct sales_order sales_order(const struct sales *sales, uint64_t number)
{
    uint64_t state = mix(sales->options.seed + 1) ^ number * UINT64_C(0xd1342543de82ef95);
    uint32_t drawn = draw(sales, sales_random(&state));
    uint64_t random = sales_random(&state);
    uint32_t seller = (uint32_t)random & (SELLERS - 1);
    struct sales_order order = {.number = number};
    if (sales->options.products >= sales->options.hosts) {
        order.product = drawn;
        order.host = (drawn + seller * (sales->options.hosts / SELLERS)) % sales->options.hosts;
    } else {
        order.host = drawn;
        order.product =
            (drawn + seller * (sales->options.products / SELLERS)) % sales->options.products;
    }
    order.quantity = 1 + (uint32_t)(random >> 8) % QUANTITIES;
    order.amount_fen = AMOUNT_MIN_FEN + (uint32_t)(random >> 16 & 0xffffff) % AMOUNTS_FEN;
    order.refund_parts = (random >> 40) % 100 < HALVES_PERCENT ? 2 : 1;
    return order;
}

uint32_t sales_county_code(uint32_t county)
{
    static const uint8_t provinces[] = {11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33,
                                        34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50,
                                        51, 52, 53, 54, 61, 62, 63, 64, 65};
    uint32_t rest = county / sizeof provinces;
    return provinces[county % sizeof provinces] * UINT32_C(10000) + (1 + rest % PREFECTURES) * 100 +
           FIRST_COUNTY + rest / PREFECTURES;
}

/* -------------------------------------------------------------------------------- events */

static void put_digits(struct buffer *out, uint64_t value, int digits)
{
    char *at = buffer_reserve(out, (size_t)digits);
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
    out->size += (size_t)digits;
}

static void put_order_id(const struct sales *sales, uint64_t number, struct buffer *out)
{
    buffer_append_text(out, "69");
    put_digits(out, sales->id_prefix, 8);
    put_digits(out, number, 9);
}

static int64_t order_time_ms(const struct sales *sales, uint64_t number)
{
    return sales->start_ms + (int64_t)(number * SPAN_MS / sales->options.orders);
}

void sales_write_order(const struct sales *sales, const struct sales_order *order,
                       struct buffer *out)
{
    static const char *const platforms[] = {"douyin", "taobao", "kuaishou"};
    buffer_append_text(out, "{\"type\":\"order\",\"order_id\":\"");
    put_order_id(sales, order->number, out);
    buffer_append_text(out, "\",\"host_id\":\"host-");
    put_digits(out, order->host, 5);
    if (!sales->options.plain) {
        buffer_append_text(out, "\",\"session_id\":\"room-");
        put_digits(out, order->host, 5);
        buffer_append_text(out, "\",\"platform\":\"");
        buffer_append_text(out, platforms[order->host % 3]);
    }
    buffer_append_text(out, "\",\"product_id\":\"tea-");
    put_digits(out, order->product, 7);
    buffer_append_text(out, "\",\"county\":\"");
    put_digits(out, sales_county_code(order->product % SALES_COUNTIES), 6);
    buffer_append_text(out, "\",\"quantity\":");
    buffer_append_uint(out, order->quantity);
    buffer_append_text(out, ",\"amount\":");
    buffer_append_uint(out, order->amount_fen);
    buffer_append_text(out, ",\"time\":");
    buffer_append_int(out, order_time_ms(sales, order->number));
    buffer_append_byte(out, '}');
}

struct refund {
    uint32_t amount_fen;
    uint32_t quantity;
};

/* Part 0 of two is half of it, rounded down; part 1 is the rest. */
static struct refund refund_of(const struct sales_order *order, uint32_t part)
{
    struct refund all = {order->amount_fen, order->quantity};
    struct refund half = {order->amount_fen / 2, order->quantity / 2};
    if (order->refund_parts == 1)
        return all;
    if (part == 0)
        return half;
    return (struct refund){all.amount_fen - half.amount_fen, all.quantity - half.quantity};
}

void sales_write_refund(const struct sales *sales, const struct sales_order *order, uint32_t part,
                        struct buffer *out)
{
    struct refund refund = refund_of(order, part);
    buffer_append_text(out, part ? "{\"type\":\"refund\",\"refund_id\":\"r2\",\"order_id\":\""
                                 : "{\"type\":\"refund\",\"refund_id\":\"r1\",\"order_id\":\"");
    put_order_id(sales, order->number, out);
    buffer_append_text(out, "\",\"amount\":");
    buffer_append_uint(out, refund.amount_fen);
    buffer_append_text(out, ",\"quantity\":");
    buffer_append_uint(out, refund.quantity);
    buffer_append_text(out, ",\"time\":");
    buffer_append_int(out, order_time_ms(sales, order->number) + 1);
    buffer_append_byte(out, '}');
}

/* -------------------------------------------------------------------------------- the model */

static void count(struct sales *sales, const struct sales_order *order,
                  const struct sales_sums *more)
{
    struct sales_sums *scopes[] = {&sales->total, &sales->hosts[order->host],
                                   &sales->products[order->product],
                                   &sales->counties[order->product % SALES_COUNTIES]};
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
        for (size_t j = 0; j < SALES_METRICS; j++)
            scopes[i]->metric[j] += more->metric[j];
}

void sales_count_order(struct sales *sales, const struct sales_order *order)
{
    count(sales, order, &(struct sales_sums){{1, order->quantity, order->amount_fen, 0, 0, 0}});
}

void sales_count_refund(struct sales *sales, const struct sales_order *order, uint32_t part)
{
    struct refund refund = refund_of(order, part);
    count(sales, order, &(struct sales_sums){{0, 0, 0, 1, refund.amount_fen, refund.quantity}});
}
