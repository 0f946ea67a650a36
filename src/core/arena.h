/*
 * Memory that is handed out piece by piece and freed all at once; pieces never move. The blocks are
 * kept for the next round.
 */
#ifndef LIVETALLY_CORE_ARENA_H
#define LIVETALLY_CORE_ARENA_H

#include <stddef.h>

#include "livetally/slice.h"

struct arena_block;

struct arena {
    struct arena_block *first; /* all blocks, in order of use */
    struct arena_block *current;
};

void arena_done(struct arena *arena);
void arena_reset(struct arena *arena);
/* Room for `size` bytes, unaligned; may be called with more than will be used: see arena_keep(). */
char *arena_reserve(struct arena *arena, size_t size);
/* Keeps the first `size` bytes of what was last reserved; the rest is free again. */
struct slice arena_keep(struct arena *arena, size_t size);
struct slice arena_copy(struct arena *arena, struct slice bytes);

#endif
