/*
 * Sales by minute, for sparklines: a window of at most a day that ends with the current minute,
 * read from the minute groups (one per business hour) of a topic.
 */
#ifndef LIVETALLY_CORE_SERIES_H
#define LIVETALLY_CORE_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/board.h"
#include "livetally/buffer.h"
#include "livetally/calendar.h"

#define SERIES_MINUTES_MAX 1440
#define SERIES_GROUPS_MAX  25 /* hours that a day's window touches */

struct series_bucket {
    int64_t orders;
    int64_t gross;
    int64_t refunded;
};

struct series {
    const struct calendar *calendar;
    const struct group *const *groups;
    uint32_t group_count;
    int64_t minute_now; /* minutes since the epoch; the last bucket */
    uint32_t minutes;
};

/* What a reader has: everything up to a board version, and buckets up to a minute. */
struct series_seen {
    uint64_t version;
    int64_t minute;
};

#define SERIES_NOTHING_SEEN ((struct series_seen){0, -1})

/* Hours whose groups the window needs, oldest first; returns how many. */
uint32_t series_hours(const struct calendar *calendar, int64_t minute_now, uint32_t minutes,
                      uint32_t hours[SERIES_GROUPS_MAX]);

/* True when a bucket of the window is not as the reader has it. */
bool series_changed(const struct series *series, struct series_seen seen);

/* Appends the payload with all buckets. `buckets` is room for SERIES_MINUTES_MAX. */
void series_write_all(struct buffer *out, const struct series *series,
                      struct series_bucket *buckets);
/* Appends the payload from the first to the last changed bucket; false (and nothing): none did. */
bool series_write_since(struct buffer *out, const struct series *series, struct series_seen seen,
                        struct series_bucket *buckets);

#endif
