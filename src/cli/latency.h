/*
 * A histogram of times: exact below 16 µs, within 1/16 above, up to about an hour. Fixed size.
 */
#ifndef LIVETALLY_CLI_LATENCY_H
#define LIVETALLY_CLI_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS 512

struct latency {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t total;
};

void latency_add(struct latency *latency, uint64_t time_us);
/* The time that `percent` of all were not above; 0 when there are none. */
uint64_t latency_percentile_us(const struct latency *latency, uint32_t percent);

#endif
