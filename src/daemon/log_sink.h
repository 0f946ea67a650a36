/*
 * Messages to stderr, one line each: with "<N>" in front when stderr is the journal (which adds the
 * time itself), else with time and level.
 */
#ifndef LIVETALLY_DAEMON_LOG_SINK_H
#define LIVETALLY_DAEMON_LOG_SINK_H

#include <stdbool.h>

#include "livetally/clock.h"
#include "livetally/log.h"

struct log_sink {
    const struct clock *clock;
    bool journal;
    struct log_limiter limiter;
};

/* True when stderr is the stream that systemd connected to the journal. */
bool log_sink_is_journal(void);
/* A log that writes to the sink, which must outlive it. */
struct log log_sink_log(struct log_sink *sink, enum log_level level);

#endif
