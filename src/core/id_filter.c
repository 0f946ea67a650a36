/*
 * A Bloom filter in blocks of one cache line: a hash chooses a line, and one bit in each of its
 * eight words. With 32 ids a line, one in a thousand that were never added seems to be there.
 *
 * It grows by layers. New ids go into the newest; when that has all it was made for, a larger one
 * is added: four times as large while they are small, so that there are few to look at, then twice,
 * so that little room is left empty. Memory is not touched before it is used.
 */
#include "livetally/id_filter.h"

#include <stdlib.h>

#include "livetally/mem.h"

#define WORDS      8 /* of a line */
#define LINE_BYTES (WORDS * sizeof(uint64_t))
#define LINE_IDS   32
#define FIRST_IDS  65536
#define SMALL_IDS  (1u << 20)
#define LAYERS_MAX 24 /* more than any bound needs */

struct layer {
    void *memory;
    uint64_t *words; /* in it, where a line begins */
    uint64_t lines;
};

struct id_filter {
    struct layer layers[LAYERS_MAX];
    uint32_t layer_count; /* 0: full */
    uint64_t count;
    uint64_t newest_left; /* ids that the newest layer still takes */
    uint64_t room;        /* of all layers, in ids */
    uint64_t max;
};

static void add_layer(struct id_filter *filter, uint64_t ids)
{
    struct layer *layer = &filter->layers[filter->layer_count++];
    layer->lines = (ids + LINE_IDS - 1) / LINE_IDS;
    layer->memory = mem_zalloc((layer->lines + 1) * LINE_BYTES);
    uintptr_t start = (uintptr_t)layer->memory;
    layer->words = (uint64_t *)((start + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES);
    filter->newest_left = ids;
    filter->room += ids;
}

static void give_back(struct id_filter *filter)
{
    for (uint32_t i = 0; i < filter->layer_count; i++)
        free(filter->layers[i].memory);
    filter->layer_count = 0;
}

struct id_filter *id_filter_new(uint64_t expected_ids, uint64_t max_ids)
{
    struct id_filter *filter = mem_zalloc(sizeof *filter);
    uint64_t ids = expected_ids < FIRST_IDS ? FIRST_IDS : expected_ids;
    filter->max = max_ids;
    if (expected_ids <= max_ids && max_ids)
        add_layer(filter, ids < max_ids ? ids : max_ids);
    return filter;
}

void id_filter_free(struct id_filter *filter)
{
    if (!filter)
        return;
    give_back(filter);
    free(filter);
}

/* The high bits of the hash choose the line, those of a product, in which all bits take part, the
 * bits in it. */
static uint64_t *line_of(const struct layer *layer, uint64_t hash)
{
    return layer->words + ((hash >> 32) * layer->lines >> 32) * WORDS;
}

static uint64_t bits_of(uint64_t hash)
{
    return hash * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

static bool half_has(const uint64_t *words, uint64_t bits)
{
    return 1 & words[0] >> (bits & 63) & words[1] >> (bits >> 6 & 63) &
           words[2] >> (bits >> 12 & 63) & words[3] >> (bits >> 18 & 63);
}

/* Few ids that are not there get past the first half, so what comes next is easy to foresee. */
static bool line_has(const uint64_t *line, uint64_t bits)
{
    return half_has(line, bits) && half_has(line + WORDS / 2, bits >> 24);
}

bool id_filter_may_have(const struct id_filter *filter, uint64_t hash)
{
    uint64_t bits = bits_of(hash);
    for (uint32_t i = 0; i < filter->layer_count; i++)
        if (line_has(line_of(&filter->layers[i], hash), bits))
            return true;
    return filter->layer_count == 0;
}

/* False: the bound is reached. */
static bool grow(struct id_filter *filter)
{
    uint64_t left = filter->max - filter->room;
    const struct layer *newest = &filter->layers[filter->layer_count - 1];
    uint64_t ids = newest->lines * LINE_IDS;
    ids *= ids < SMALL_IDS ? 4 : 2;
    if (!left || filter->layer_count == LAYERS_MAX) {
        give_back(filter);
        return false;
    }
    add_layer(filter, ids < left ? ids : left);
    return true;
}

bool id_filter_add(struct id_filter *filter, uint64_t hash)
{
    if (id_filter_may_have(filter, hash))
        return true;
    filter->count++;
    if (!filter->newest_left && !grow(filter))
        return false;
    filter->newest_left--;
    uint64_t *line = line_of(&filter->layers[filter->layer_count - 1], hash);
    uint64_t bits = bits_of(hash);
    for (int i = 0; i < WORDS; i++)
        line[i] |= UINT64_C(1) << (bits >> 6 * i & 63);
    return false;
}

void id_filter_prefetch(const struct id_filter *filter, uint64_t hash)
{
    for (uint32_t i = 0; i < filter->layer_count; i++)
        __builtin_prefetch(line_of(&filter->layers[i], hash), 1);
}

bool id_filter_is_full(const struct id_filter *filter)
{
    return filter->layer_count == 0;
}

uint64_t id_filter_count(const struct id_filter *filter)
{
    return filter->count;
}

size_t id_filter_memory_bytes(const struct id_filter *filter)
{
    size_t bytes = sizeof *filter;
    for (uint32_t i = 0; i < filter->layer_count; i++)
        bytes += (filter->layers[i].lines + 1) * LINE_BYTES;
    return bytes;
}
