/*
 * The model as lines of text.
 */
#ifndef LIVETALLY_CLI_SCREEN_H
#define LIVETALLY_CLI_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "model.h"

struct screen_options {
    uint32_t width;  /* columns; lines are no longer */
    uint32_t height; /* lines to get by with: boards and tickers are cut; 0 = all of it */
    bool color;      /* use bold and dim */
    bool grey;       /* what is shown may be old: the caller dims all of it */
};

/* Appends lines, each ended by \n. */
void screen_draw(struct buffer *out, const struct model *model,
                 const struct screen_options *options);
/* hh:mm:ss where the server's data is at home. */
void screen_format_clock(const struct model *model, int64_t time_ms, char out[9]);

#endif
