/*
 * Token buckets: how many messages and bytes somebody may still send now. Full at first, refilled
 * at a steady rate, never above `burst_ms` worth of it. What has come has been read, so taking
 * never fails; it may leave less than nothing, and then nothing more should be read before
 * meter_due_ms().
 *
 * Exact in integers: levels are thousandths, so that a rate per second times milliseconds is one.
 * Largest: 2^32 bytes/s times 600 s of burst times 1000, which fits by far.
 */
#ifndef LIVETALLY_METER_H
#define LIVETALLY_METER_H

#include <stdbool.h>
#include <stdint.h>

#define METER_BURST_MS_MAX 600000

/* A rate of 0: no limit. */
struct meter_rate {
    uint32_t messages_per_s;
    uint32_t bytes_per_s;
    uint32_t burst_ms; /* 1…METER_BURST_MS_MAX */
};

struct meter {
    int64_t at_ms; /* when it was last refilled */
    int64_t messages;
    int64_t bytes;
};

static inline int64_t meter_refilled(int64_t level, uint32_t per_s, int64_t passed_ms,
                                     uint32_t burst_ms)
{
    int64_t full = (int64_t)per_s * burst_ms;

    if (passed_ms >= 2 * (int64_t)METER_BURST_MS_MAX)
        return full;
    level += passed_ms * per_s;
    return level < full ? level : full;
}

/* Brings the levels up to date. */
static inline void meter_refill(struct meter *meter, const struct meter_rate *rate, int64_t now_ms)
{
    int64_t passed_ms = now_ms - meter->at_ms;

    if (passed_ms <= 0)
        return;
    meter->messages =
        meter_refilled(meter->messages, rate->messages_per_s, passed_ms, rate->burst_ms);
    meter->bytes = meter_refilled(meter->bytes, rate->bytes_per_s, passed_ms, rate->burst_ms);
    meter->at_ms = now_ms;
}

static inline bool meter_is_over(const struct meter *meter, const struct meter_rate *rate)
{
    return (rate->messages_per_s && meter->messages < 0) || (rate->bytes_per_s && meter->bytes < 0);
}

/* Returns whether that was more than there was. */
static inline bool meter_take(struct meter *meter, const struct meter_rate *rate, int64_t now_ms,
                              uint32_t messages, uint64_t bytes)
{
    meter_refill(meter, rate, now_ms);
    if (rate->messages_per_s)
        meter->messages -= (int64_t)messages * 1000;
    if (rate->bytes_per_s)
        meter->bytes -= (int64_t)bytes * 1000;
    return meter_is_over(meter, rate);
}

void meter_fill(struct meter *meter, const struct meter_rate *rate, int64_t now_ms);
/* When it will be over no more, if nothing is taken meanwhile; now_ms: it isn't. */
int64_t meter_due_ms(const struct meter *meter, const struct meter_rate *rate, int64_t now_ms);

#endif
