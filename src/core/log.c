/*
 * Why this exists: the port to the operator's log. Formats on the stack, so that it works when
 * nothing else does. No state.
 */
#include "livetally/log.h"

#include <stddef.h>
#include <stdio.h>

#include "utf8_step.h"

#define LOG_TEXT_MAX_BYTES 1024

void log_print(const struct log *log, enum log_level level, const char *format, ...)
{
    if (!log || !log->write || level > log->level)
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
