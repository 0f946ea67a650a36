/*
 * Where messages to the operator go: a port, so that neither core nor the adapters know of files or
 * journals. Only edges log (something happened to a connection, to Redis, to the process); library
 * code returns errors. One line per event, lower case, "key=value" for what a machine may look for.
 */
#ifndef LIVETALLY_LOG_H
#define LIVETALLY_LOG_H

#include <stdarg.h>

enum log_level {
    LOG_LEVEL_ERROR,   /* somebody has to act */
    LOG_LEVEL_WARNING, /* somebody should look */
    LOG_LEVEL_NOTICE,  /* start, stop, change of state */
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

struct log {
    enum log_level level; /* less severe messages are dropped */
    void (*write)(void *context, enum log_level level, const char *text);
    void *context;
};

/* log may be NULL. The text is cut at 1 KiB. */
void log_print(const struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
