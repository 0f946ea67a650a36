/*
 * What bench_load sells: orders made from their number and a seed alone, and the integer model of
 * what all totals must be when they are posted. An order sent again, or refunded, is made again
 * from its number, so nothing is kept of ten million orders but how many refunds each has had.
 */
#ifndef LOAD_SALES_H
#define LOAD_SALES_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"

#define SALES_COUNTIES     500
#define SALES_ORDERS_MAX   INT64_C(100000000)
#define SALES_HOSTS_MAX    100000 /* five digits */
#define SALES_PRODUCTS_MAX 10000000

struct sales_options {
    uint64_t seed;
    uint64_t orders;
    uint32_t hosts;
    uint32_t products;
    bool zipf;  /* else uniform */
    bool plain; /* orders without session and platform */
};

/* The metrics of a scope, in the order and the words of the protocol. Amounts are in fen. */
enum sales_metric {
    SALES_ORDERS,
    SALES_UNITS,
    SALES_GROSS,
    SALES_REFUNDS,
    SALES_REFUNDED,
    SALES_RETURNED,
    SALES_METRICS,
};
extern const char *const sales_metric_names[SALES_METRICS];

struct sales_sums {
    int64_t metric[SALES_METRICS];
};

struct sales_order {
    uint64_t number;
    uint32_t host;
    uint32_t product;
    uint32_t quantity;
    uint32_t amount_fen;
    uint32_t refund_parts; /* it is given back in one refund, or in two */
};

struct sales {
    struct sales_options options;
    int64_t start_ms; /* when the first order was paid, since the Unix epoch */
    uint64_t id_prefix;
    uint64_t *shares; /* of the drawn dimension, cumulative, of 2^63 */
    struct sales_sums total;
    struct sales_sums *hosts;
    struct sales_sums *products;
    struct sales_sums counties[SALES_COUNTIES];
    uint8_t *refunds; /* by order number: posted so far */
};

void sales_init(struct sales *sales, const struct sales_options *options);
void sales_done(struct sales *sales);

struct sales_order sales_order(const struct sales *sales, uint64_t number);
uint64_t sales_random(uint64_t *state);

/* Append the event, and (if it is to be counted) add it to the model. */
void sales_write_order(const struct sales *sales, const struct sales_order *order,
                       struct buffer *out);
void sales_write_refund(const struct sales *sales, const struct sales_order *order, uint32_t part,
                        struct buffer *out);
void sales_count_order(struct sales *sales, const struct sales_order *order);
void sales_count_refund(struct sales *sales, const struct sales_order *order, uint32_t part);

uint32_t sales_county_code(uint32_t county);

#endif
