/*
 * Looks at the daemon itself while it works: how late the loop is, ten times a second, and once a
 * second whether there is something to log that is too common for a line each: connections that
 * were refused. Of each reason there is at most one line a minute, with how many they were.
 */
#ifndef LIVETALLY_DAEMON_MONITOR_H
#define LIVETALLY_DAEMON_MONITOR_H

#include <uv.h>

#include "livetally/log.h"
#include "livetally/stats.h"

struct told_count {
    uint64_t count;  /* when last told */
    int64_t next_ms; /* loop time; earliest for the next line */
};

struct monitor {
    uv_timer_t timer;
    int64_t due_ms; /* of the timer, in loop time */
    uint32_t ticks;
    const struct log *log;
    struct stats *stats;
    struct told_count refusals[REFUSAL_COUNT];
    struct told_count auth_refusals[AUTH_REFUSAL_COUNT];
};

/* The timer never keeps the loop alive. log and stats must outlive it. */
void monitor_start(struct monitor *monitor, uv_loop_t *loop, const struct log *log,
                   struct stats *stats);
void monitor_close(struct monitor *monitor); /* the loop must still run once */

#endif
