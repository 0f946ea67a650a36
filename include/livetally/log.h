/*
 * Where messages to the operator go: a port, so that neither core nor the adapters know of files or
 * journals. Only edges log (something happened to a connection, to Redis, to the process); library
 * code returns errors. One line per event, lower case, "key=value" for what a machine may look for.
 */
#ifndef LIVETALLY_LOG_H
#define LIVETALLY_LOG_H

#include <stdarg.h>
#include <stdint.h>

#include "livetally/clock.h"

enum log_level {
    LOG_LEVEL_ERROR,   /* somebody has to act */
    LOG_LEVEL_WARNING, /* somebody should look */
    LOG_LEVEL_NOTICE,  /* start, stop, change of state */
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

#define LOG_KINDS      64 /* more share the last place */
#define LOG_KIND_LINES 20
#define LOG_KIND_MS    10000

struct log_kind {
    const char *format;
    int64_t since_ms; /* monotonic, when its lines began to be counted */
    uint32_t lines;
    uint32_t left_out;
};

/*
 * Whatever peers do, of each kind of line (each format) at most LOG_KIND_LINES are written in
 * LOG_KIND_MS; log_tell_left_out() says how many were not. Begins as zeros and a clock.
 */
struct log_limiter {
    const struct clock *clock;
    struct log_kind kinds[LOG_KINDS];
};

struct log {
    enum log_level level; /* less severe messages are dropped */
    void (*write)(void *context, enum log_level level, const char *text);
    void *context;
    struct log_limiter *limiter; /* NULL: every line is written */
};

/* log may be NULL. The text is cut at 1 KiB. */
void log_print(const struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* To be called now and then: a line for each kind whose time is over. */
void log_tell_left_out(const struct log *log);

#endif
