/*
 * How far apart checkpoints begin. What they cost Redis follows from the cells that changed between
 * two of them: the longer apart, the more of them changed again and again and are written once for
 * all of it. But what no checkpoint has is read from the feeds when a daemon starts, or a total
 * nobody watched before is asked for. So they keep to checkpoint_ms as long as that costs little.
 */
#ifndef LIVETALLY_STORE_SPACING_H
#define LIVETALLY_STORE_SPACING_H

#include <stdint.h>

/* Of all daemons together: about a twentieth of Redis's time. */
#define CELLS_PER_MS 50
/* Lanes share neither cells nor feed: with more seats taken each waits longer, so that orders cost
 * the same however many daemons they come through. */
#define SPACING_SEAT_MS 5000
#define SPACING_MAX_MS  15000

/*
 * From the beginning of one checkpoint to that of the next, if that one were to write so many
 * cells. seats: taken in the data set; usual_ms: checkpoint_ms, which is never gone below.
 */
static inline int64_t checkpoint_spacing_ms(uint32_t cells, int64_t seats, int64_t usual_ms)
{
    int64_t sharing = seats > 1 ? seats : 1;
    int64_t longest = sharing * SPACING_SEAT_MS;
    int64_t spaced = cells * sharing / CELLS_PER_MS;

    if (longest > SPACING_MAX_MS)
        longest = SPACING_MAX_MS;
    if (spaced > longest)
        spaced = longest;
    return spaced > usual_ms ? spaced : usual_ms;
}

#endif
