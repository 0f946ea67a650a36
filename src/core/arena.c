/*
 * A chain of blocks, each used from its start. A reservation that does not fit the current block
 * goes to the next one, which is made large enough if need be.
 */
#include "arena.h"

#include <stdlib.h>

#include "livetally/mem.h"

#define BLOCK_BYTES ((size_t)64 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t capacity;
    char bytes[];
};

void arena_done(struct arena *arena)
{
    struct arena_block *block = arena->first;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct arena){NULL, NULL};
}

void arena_reset(struct arena *arena)
{
    for (struct arena_block *block = arena->first; block; block = block->next)
        block->used = 0;
    arena->current = arena->first;
}

char *arena_reserve(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->current;
    if (block && block->capacity - block->used >= size)
        return block->bytes + block->used;
    struct arena_block *next = block ? block->next : arena->first;
    if (!next || next->capacity < size) {
        size_t capacity = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        struct arena_block *made = mem_alloc(sizeof *made + capacity);
        *made = (struct arena_block){.next = next, .used = 0, .capacity = capacity};
        if (block)
            block->next = made;
        else
            arena->first = made;
        next = made;
    }
    arena->current = next;
    return next->bytes;
}

struct slice arena_keep(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->current;
    struct slice kept = {block->bytes + block->used, size};
    block->used += size;
    return kept;
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    char *out = arena_reserve(arena, bytes.size);
    if (bytes.size)
        memcpy(out, bytes.data, bytes.size);
    return arena_keep(arena, bytes.size);
}
