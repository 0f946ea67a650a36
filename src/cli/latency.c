/*
 * Buckets grow with the value: 16 of them for every power of two, found by the position of the
 * highest bit and the four bits below it.
 */
#include "latency.h"

static uint32_t bucket_of(uint64_t time_us)
{
    if (time_us < 16) {
        return (uint32_t)time_us;
    }
    uint32_t high = 63 - (uint32_t)__builtin_clzll(time_us);
    uint32_t bucket = (high - 3) * 16 + (uint32_t)(time_us >> (high - 4) & 15);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest time that falls into the bucket. */
static uint64_t top_of(uint32_t bucket)
{
    if (bucket < 16) {
        return bucket;
    }
    uint32_t high = bucket / 16 + 3;
    return ((UINT64_C(17) + bucket % 16) << (high - 4)) - 1;
}

void latency_add(struct latency *latency, uint64_t time_us)
{
    latency->counts[bucket_of(time_us)]++;
    latency->total++;
}

uint64_t latency_percentile_us(const struct latency *latency, uint32_t percent)
{
    uint64_t rank = (latency->total * percent + 99) / 100;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->counts[i];
        if (seen >= rank && seen > 0) {
            return top_of(i);
        }
    }
    return 0;
}
