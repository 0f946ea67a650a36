/*
 * What the live side reads: everything that is shown, as one value. The partition owns and changes
 * it; the hub only looks. After a resync with Redis `board` is another one, and `board_number`
 * tells so: pointers into the old board are then invalid, watches have to be set anew.
 */
#ifndef LIVETALLY_VIEW_H
#define LIVETALLY_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/board.h"
#include "livetally/calendar.h"
#include "livetally/catalog.h"
#include "livetally/county_names.h"
#include "livetally/names.h"
#include "livetally/ticker.h"

#define EPOCH_BYTES 17 /* 16 hex digits and NUL */

struct view {
    struct board *board; /* never NULL; empty before the first load */
    uint64_t board_number;
    struct names *names;
    struct catalog *catalog;
    const struct county_names *county_names; /* NULL: none */
    struct ticker *ticker;
    struct calendar calendar;
    uint32_t today;          /* business day that is shown, yyyymmdd */
    char epoch[EPOCH_BYTES]; /* "" before the first load */
    bool ready;              /* connected and caught up */
    bool stale;              /* unable to read from Redis for over 2 s */
};

#endif
