/*
 * Whole small files: read with a bound, written so that nobody ever sees half of one.
 */
#ifndef LIVETALLY_DAEMON_FILE_H
#define LIVETALLY_DAEMON_FILE_H

#include <stddef.h>

#include "livetally/buffer.h"
#include "livetally/error.h"
#include "livetally/slice.h"

/* Appends the content to *out; a file longer than max_bytes is ERROR_LIMIT. */
int file_read(const char *path, size_t max_bytes, struct buffer *out, struct error *error);
/* Into a file beside it, then renamed over it; not synced: for what a restart makes anew. */
int file_replace(const char *path, struct slice content, struct error *error);

#endif
