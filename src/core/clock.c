/*
 * Why this exists: the one place where time comes from the machine. Everything else is handed a
 * struct clock, so that tests can turn it by hand. No state.
 */
#include "livetally/clock.h"

#include <time.h>

static int64_t clock_read_ms(clockid_t id)
{
    struct timespec now = {0, 0};
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + (int64_t)now.tv_nsec / 1000000;
}

static int64_t clock_system_wall_ms(void *context)
{
    (void)context;
    return clock_read_ms(CLOCK_REALTIME);
}

static int64_t clock_system_monotonic_ms(void *context)
{
    (void)context;
    return clock_read_ms(CLOCK_MONOTONIC);
}

const struct clock clock_system = {
    .wall_ms = clock_system_wall_ms,
    .monotonic_ms = clock_system_monotonic_ms,
    .context = NULL,
};
