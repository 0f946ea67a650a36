/*
 * All cells of all groups, each with two values that ought to agree: what it should be, and what it
 * is. An auditor fills one side from the ledger and the other from the lanes; or one from finer
 * cells and the other from coarser ones. Memory: about 200 bytes for a cell that anybody counted
 * in.
 */
#ifndef LIVETALLY_VERIFY_TALLY_H
#define LIVETALLY_VERIFY_TALLY_H

#include <stdint.h>

#include "livetally/rollup.h"

struct tally_key {
    struct group_key group;
    uint32_t cell;
};

struct tally_cell {
    struct tally_key key;
    struct metrics want;
    struct metrics have;
    uint64_t version; /* up to where the hash of lane `lane_plus_1` counts in it */
    uint32_t lane_plus_1;
};

struct tally {
    struct tally_cell *cells; /* in order of their first mention */
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* place + 1; 0 = free */
    uint32_t mask;
};

void tally_init(struct tally *tally);
void tally_done(struct tally *tally);
/* A new cell is all zeros. It may move when another is opened. */
struct tally_cell *tally_open(struct tally *tally, struct tally_key key);
/* Like metrics_add(), but stays at the end of its range: what is added may be corrupt. */
void tally_add(struct metrics *sum, const struct metrics *delta);

#endif
