/*
 * The sink of log messages; see log_sink.h. A message goes out in one write(), so that lines of
 * several processes on one stderr don't mix.
 */
#include "log_sink.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "livetally/buffer.h"

/* Of syslog(3), which the journal reads. */
static const int priorities[] = {3, 4, 5, 6, 7};
static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};

bool log_sink_is_journal(void)
{
    struct stat status;
    const char *stream = getenv("JOURNAL_STREAM");
    char ours[64];
    if (!stream || fstat(STDERR_FILENO, &status) != 0)
        return false;
    (void)snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    return strcmp(stream, ours) == 0;
}

static void append_time(struct buffer *line, int64_t wall_ms)
{
    struct tm tm;
    char text[32];
    time_t seconds = (time_t)(wall_ms / 1000);
    if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return;
    buffer_printf(line, "%s.%03dZ ", text, (int)(wall_ms % 1000));
}

/* A reader of a pipe that stands still must not hold up everything: lines are lost then. */
static void write_if_taken(struct slice line)
{
    struct pollfd stream = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&stream, 1, 0) != 1 || !(stream.revents & POLLOUT))
        return;
    ssize_t ignored = write(STDERR_FILENO, line.data, line.size);
    (void)ignored; /* nowhere to tell */
}

static void sink_write(void *context, enum log_level level, const char *text)
{
    const struct log_sink *sink = context;
    struct buffer line = BUFFER_INIT;
    if (sink->journal) {
        buffer_printf(&line, "<%d>", priorities[level]);
    } else {
        append_time(&line, clock_wall_ms(sink->clock));
        buffer_printf(&line, "%s: ", level_names[level]);
    }
    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        buffer_append_byte(&line, byte < ' ' || byte == 127 ? ' ' : *at);
    }
    buffer_append_byte(&line, '\n');
    write_if_taken(buffer_slice(&line));
    buffer_done(&line);
}

struct log log_sink_log(struct log_sink *sink, enum log_level level)
{
    sink->limiter.clock = sink->clock;
    return (struct log){
        .level = level, .write = sink_write, .context = sink, .limiter = &sink->limiter};
}
