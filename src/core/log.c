/*
 * Why this exists: the port to the operator's log. Formats on the stack, so that it works when
 * nothing else does. No state but the limiter's, which is the caller's.
 */
#include "livetally/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "utf8_step.h"

#define LOG_TEXT_MAX_BYTES 1024

static struct log_kind *find_kind(struct log_limiter *limiter, const char *format)
{
    struct log_kind *kind = limiter->kinds;
    while (kind->format && kind->format != format && kind < &limiter->kinds[LOG_KINDS - 1])
        kind++;
    if (!kind->format)
        kind->format = format;
    return kind;
}

static bool may_write(struct log_limiter *limiter, const char *format)
{
    int64_t now_ms = clock_monotonic_ms(limiter->clock);
    struct log_kind *kind = find_kind(limiter, format);
    if (kind->lines == 0 || (!kind->left_out && now_ms - kind->since_ms >= LOG_KIND_MS)) {
        kind->since_ms = now_ms;
        kind->lines = 0;
    }
    if (kind->lines < LOG_KIND_LINES) {
        kind->lines++;
        return true;
    }
    kind->left_out++;
    return false;
}

/* What was left out is told past the limiter, before lines of that kind are written again. */
void log_tell_left_out(const struct log *log)
{
    struct log_limiter *limiter = log->limiter;
    struct log told = *log;
    int64_t now_ms;
    if (!limiter)
        return;
    told.limiter = NULL;
    now_ms = clock_monotonic_ms(limiter->clock);
    for (int i = 0; i < LOG_KINDS && limiter->kinds[i].format; i++) {
        struct log_kind *kind = &limiter->kinds[i];
        if (!kind->left_out || now_ms - kind->since_ms < LOG_KIND_MS)
            continue;
        log_print(&told, LOG_LEVEL_WARNING, "left out lines=%u seconds=%d like: %s", kind->left_out,
                  (int)((now_ms - kind->since_ms) / 1000), kind->format);
        kind->lines = kind->left_out = 0;
    }
}

void log_print(const struct log *log, enum log_level level, const char *format, ...)
{
    if (!log || !log->write || level > log->level)
        return;
    if (log->limiter && !may_write(log->limiter, format))
        return;
    char text[LOG_TEXT_MAX_BYTES + 1];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0)
        return;
    if ((size_t)size >= sizeof text)
        text[utf8_trim(text, sizeof text - 1)] = '\0';
    /* What a peer sent may be quoted in here: it must not be able to begin a line of its own. */
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20U || *at == 0x7F)
            *at = ' ';
    log->write(log->context, level, text);
}
