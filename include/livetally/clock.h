/*
 * Time, injected: nothing in core asks the system what time it is. Wall time is milliseconds since
 * the Unix epoch, UTC, and may jump; monotonic time is milliseconds since some start and never
 * goes back: use it for intervals and time-outs, wall time for what goes on the wire and into days.
 */
#ifndef LIVETALLY_CLOCK_H
#define LIVETALLY_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(void *context);
    int64_t (*monotonic_ms)(void *context);
    void *context;
};

static inline int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock->context);
}

static inline int64_t clock_monotonic_ms(const struct clock *clock)
{
    return clock->monotonic_ms(clock->context);
}

extern const struct clock clock_system; /* CLOCK_REALTIME and CLOCK_MONOTONIC */

#endif
