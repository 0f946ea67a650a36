/*
 * A believable livestream, as events: hosts in their sessions sell products of tea counties. Who
 * sells what follows Zipf's law; now and then a product is put on air and a burst of orders for it
 * follows; some orders are refunded, a few refunds arrive before their order, and some events are
 * sent twice. Pure: the same options give the same events, byte for byte.
 *
 * Hosts, products and sessions depend on their number alone, not on the seed, so that runs with
 * different seeds add to the same data set without conflicts. Order ids depend on the seed.
 */
#ifndef LIVETALLY_CLI_SIM_H
#define LIVETALLY_CLI_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"

#define SIM_HOSTS_MAX    10000
#define SIM_PRODUCTS_MAX 1000000

struct sim_options {
    uint64_t seed;
    uint64_t orders;            /* to make; 0 = without end */
    uint32_t hosts;             /* 1 … SIM_HOSTS_MAX, each with one session */
    uint32_t products;          /* 1 … SIM_PRODUCTS_MAX */
    uint32_t refund_percent;    /* of orders */
    uint32_t duplicate_percent; /* of orders and refunds */
    int64_t start_time_ms; /* of the first order; 0 = leave times out, the server fills them in */
    uint32_t orders_per_second; /* how fast stated times pass; 0 = 50 */
};

struct sim_counts {
    uint64_t catalog; /* hosts, products, sessions */
    uint64_t orders;
    uint64_t refunds;
    uint64_t early_refunds; /* of these, sent before their order */
    uint64_t duplicates;    /* orders and refunds sent once more */
};

struct sim;

struct sim *sim_new(const struct sim_options *options);
void sim_free(struct sim *sim);
/* Appends the next event, one JSON object without a line break. False: that was all. */
bool sim_next(struct sim *sim, struct buffer *out);
const struct sim_counts *sim_counts(const struct sim *sim);
/* True once hosts, products and sessions are through and orders come. */
bool sim_catalog_done(const struct sim *sim);
/* How busy the stream is just now, 100 on the long run; more while a burst lasts. */
uint32_t sim_pace_percent(const struct sim *sim);

#endif
