/*
 * A load on the way in may have a hundred thousand groups, and read millions of facts of which each
 * counts in some two dozen of them: nearly each of these steps waits for memory. So they are taken
 * in rounds over a block of facts, and each round fetches ahead what the next one reads:
 *
 *   places ─▶ slots ─▶ items ─▶ images, and what board_images_add() fetches
 *
 *   slots     the key's hash, number of the item + 1; open addressing, at most half
 *             full, so that what is not loaded is mostly told by the first one
 */
#include "load_items.h"

#include <stdlib.h>

#include "livetally/mem.h"

#define BLOCK     8u /* facts */
#define SLOTS_MIN 64u
#define ITEM_NONE UINT32_MAX

struct load_slot {
    uint32_t hash;
    uint32_t item_plus_1; /* 0: free */
};

/* A place of a fact that may be loaded. */
struct candidate {
    const struct fact *fact;
    struct fact_place place;
    uint32_t hash;
};

void load_items_init(struct load_items *items, struct partition *partition, struct board *board,
                     uint32_t max)
{
    uint32_t slot_count = SLOTS_MIN;
    while (slot_count / 2 < max)
        slot_count *= 2;
    *items = (struct load_items){.partition = partition, .board = board, .mask = slot_count - 1};
    items->items = mem_zalloc((max ? max : 1) * sizeof *items->items);
    items->slots = mem_zalloc(slot_count * sizeof *items->slots);
}

void load_items_done(struct load_items *items)
{
    free(items->items);
    free(items->slots);
    *items = (struct load_items){0};
}

static void drop_images(struct load_item *item)
{
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        board_image_free(item->images[lane]);
        item->images[lane] = NULL;
    }
    item->cells = 0;
}

void load_items_drop_images(struct load_items *items)
{
    for (uint32_t i = 0; i < items->count; i++)
        drop_images(&items->items[i]);
    items->cells = 0;
}

struct load_item *load_items_add(struct load_items *items, struct group_key key)
{
    uint32_t hash = group_key_hash(key), at = hash & items->mask;
    struct load_item *item = &items->items[items->count++];
    while (items->slots[at].item_plus_1)
        at = (at + 1) & items->mask;
    items->slots[at] = (struct load_slot){hash, items->count};
    items->periods[key.rollup] |= 1u << key.period;
    item->key = key;
    return item;
}

/* The first item of this hash from a slot on, which is nearly always the one. */
static uint32_t find_hash(const struct load_items *items, uint32_t hash, uint32_t *at)
{
    for (;; *at = (*at + 1) & items->mask) {
        const struct load_slot *slot = &items->slots[*at];
        if (!slot->item_plus_1)
            return ITEM_NONE;
        if (slot->hash == hash)
            return slot->item_plus_1 - 1;
    }
}

static uint32_t find_item(const struct load_items *items, struct group_key key, uint32_t hash)
{
    uint32_t at = hash & items->mask;
    for (;; at = (at + 1) & items->mask) {
        uint32_t item = find_hash(items, hash, &at);
        if (item == ITEM_NONE || group_key_equal(items->items[item].key, key))
            return item;
    }
}

struct load_item *load_items_find(const struct load_items *items, struct group_key key)
{
    uint32_t item = find_item(items, key, group_key_hash(key));
    return item == ITEM_NONE ? NULL : &items->items[item];
}

static uint32_t take_places(const struct load_items *items, const struct calendar *calendar,
                            const struct fact *fact, struct candidate *candidates)
{
    struct fact_place places[FACT_PLACES_MAX];
    uint32_t count = fact_places(fact, calendar, items->periods, places);
    for (uint32_t i = 0; i < count; i++) {
        candidates[i] = (struct candidate){
            .fact = fact, .place = places[i], .hash = group_key_hash(places[i].group)};
        __builtin_prefetch(&items->slots[candidates[i].hash & items->mask]);
    }
    return count;
}

/* Keeps those that may be loaded. */
static uint32_t look_at_slots(const struct load_items *items, uint32_t lane,
                              struct candidate *candidates, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = candidates[i].hash & items->mask;
        uint32_t item = find_hash(items, candidates[i].hash, &at);
        if (item == ITEM_NONE)
            continue;
        __builtin_prefetch(&items->items[item].key);
        __builtin_prefetch(&items->items[item].images[lane]);
        candidates[kept++] = candidates[i];
    }
    return kept;
}

static void add_block(const struct load_items *items, uint32_t lane, uint64_t version,
                      const struct calendar *calendar, const struct fact *facts, uint32_t count)
{
    struct candidate candidates[BLOCK * FACT_PLACES_MAX];
    struct image_addition additions[BLOCK * FACT_PLACES_MAX];
    uint32_t candidate_count = 0, addition_count = 0;
    for (uint32_t i = 0; i < count; i++)
        candidate_count += take_places(items, calendar, &facts[i], &candidates[candidate_count]);
    candidate_count = look_at_slots(items, lane, candidates, candidate_count);
    for (uint32_t i = 0; i < candidate_count; i++) {
        const struct candidate *candidate = &candidates[i];
        uint32_t item = find_item(items, candidate->place.group, candidate->hash);
        if (item != ITEM_NONE && items->items[item].group)
            additions[addition_count++] = (struct image_addition){
                items->items[item].images[lane], candidate->place.cell, candidate->fact};
    }
    board_images_add(additions, addition_count, version);
}

void load_items_add_facts(const struct load_items *items, uint32_t lane, uint64_t version,
                          const struct calendar *calendar, const struct fact *facts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += BLOCK)
        add_block(items, lane, version, calendar, facts + i, count - i < BLOCK ? count - i : BLOCK);
}

/* --- room --------------------------------------------------------------------------------- */

/* Somebody still waits for it. */
static bool is_wanted(const struct load_item *item)
{
    return item->group && item->group->watchers;
}

static uint64_t cells_used(const struct load_items *items)
{
    return (uint64_t)board_held_count(items->board) + board_idle_count(items->board);
}

/* All cells that a watched group has already are among those held. */
void load_items_measure(struct load_items *items)
{
    uint64_t used = cells_used(items), max = items->partition->options.max_cells;
    items->room = used < max ? max - used : 0;
    for (uint32_t i = 0; i < items->count; i++)
        if (is_wanted(&items->items[i]))
            items->room += items->items[i].group->cell_count;
}

static void give_up(struct load_items *items, struct load_item *item)
{
    items->partition->stats->groups_given_up += is_wanted(item);
    board_load_give_up(items->board, item->group, item->cells);
    items->cells -= item->cells;
    drop_images(item);
    item->group = NULL;
}

bool load_items_fit(struct load_items *items, struct load_item *item, uint32_t lane)
{
    uint32_t count = board_image_count(item->images[lane]);
    if (count > item->cells) {
        items->cells += count - item->cells;
        item->cells = count;
    }
    if (!item->must_fit || items->cells <= items->room)
        return true;
    if (board_idle_count(items->board)) {
        board_forget_idle(items->board);
        load_items_measure(items);
        if (items->cells <= items->room)
            return true;
    }
    give_up(items, item);
    return false;
}

void load_items_merged(struct load_items *items, struct load_item *item)
{
    if (!item->must_fit)
        return;
    if (cells_used(items) > items->partition->options.max_cells)
        board_forget_idle(items->board);
    if (board_full(items->board) || !is_wanted(item))
        give_up(items, item);
}
