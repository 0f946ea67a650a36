/*
 * Counting what is gathered. Each of it counts in some two dozen cells, each in a group of its own:
 * slot of the group, group, slot of the cell, cell. With many products most of these are not in the
 * processor's cache. So a block of gathered facts is taken at a time, and of that one rollup and
 * period after the other, in rounds: each round fetches ahead what the next one reads. So the waits
 * for memory overlap instead of adding up.
 */
#include <stdlib.h>
#include <string.h>

#include "board_private.h"

#define BLOCK 32u

/* One of those gathered, unpacked. */
struct addition {
    uint32_t values[DIMENSION_COUNT]; /* 0: the facts have none; NONE: of the total */
    uint32_t when[PERIOD_COUNT];
    uint32_t minute;
    uint32_t lane;
    uint32_t half; /* 0, or METRICS_HALF: the first metric that changes */
    bool own;
    int64_t deltas[METRICS_HALF]; /* of that half */
};

/* A cell to add to, first as keys, then as what they name. */
struct target {
    const struct addition *add;
    struct group *group; /* NULL: to be looked up */
    uint32_t first;
    uint32_t hash; /* of the group's key */
    uint32_t cell_key;
    uint32_t place; /* not a pointer: cells move when their group grows */
};

struct spreading {
    struct board *board;
    uint64_t lane_version;
    struct plan_step *step;
    uint32_t addition_count;
    uint32_t target_count;
    struct addition additions[BLOCK];
    struct target targets[BLOCK];
};

static void unpack(const struct board *board, const struct gathered *from, struct addition *add)
{
    uint32_t hour = (uint32_t)from->platform_hour;

    add->values[DIMENSION_NONE] = TOTAL_CELL;
    add->values[DIMENSION_HOST] = (uint32_t)(from->host_county >> 32);
    add->values[DIMENSION_COUNTY] = (uint32_t)from->host_county;
    add->values[DIMENSION_PRODUCT] = (uint32_t)(from->product_session >> 32);
    add->values[DIMENSION_SESSION] = (uint32_t)from->product_session;
    add->values[DIMENSION_PLATFORM] = (uint32_t)(from->platform_hour >> 32);
    add->when[PERIOD_ALL] = 0;
    add->when[PERIOD_DAY] = hour / 100;
    add->when[PERIOD_MINUTE] = hour;
    add->minute = from->rest & 0xff;
    add->lane = from->rest >> 8 & 0xff;
    add->half = from->rest >> 16 == FACT_ORDER ? 0 : METRICS_HALF;
    add->own = add->lane == board->own_lane;
    memcpy(add->deltas, from->deltas, sizeof(add->deltas));
}

static void put_target(struct spreading *spreading, const struct addition *add, uint32_t first,
                       uint32_t cell_key)
{
    const struct plan_step *step = spreading->step;
    struct target *target = &spreading->targets[spreading->target_count++];
    struct group *last = step->last;
    struct group_key key = {step->rollup, step->period, add->when[step->period], first};

    target->add = add;
    target->first = first;
    target->cell_key = cell_key;
    target->group = NULL;
    if (last != NULL && last->key.first == first && last->key.when == key.when) {
        target->group = last;
        return;
    }
    target->hash = group_key_hash(key);
    __builtin_prefetch(&spreading->board->groups[target->hash & spreading->board->group_mask]);
}

/* Other lanes' facts are kept only for groups that are shown: of many rollups none is. */
static void find_keys(struct spreading *spreading)
{
    const struct plan_step *step = spreading->step;
    bool by_minute = step->period == PERIOD_MINUTE;
    bool shown = spreading->board->shown[step->rollup][step->period] > 0;

    spreading->target_count = 0;
    for (uint32_t i = 0; i < spreading->addition_count; i++) {
        const struct addition *add = &spreading->additions[i];
        uint32_t first = add->values[step->first];
        uint32_t cell_key = add->values[step->cell];
        if (first == 0 || cell_key == 0 || (by_minute && add->minute == MINUTE_NONE))
            continue;
        if (!shown && !add->own)
            continue;
        put_target(spreading, add, step->first == DIMENSION_NONE ? 0 : first,
                   by_minute ? add->minute : cell_key);
    }
}

/* NULL: nobody is shown it, and our own lane has nothing to add. */
static struct group *find_group(struct spreading *spreading, const struct target *target)
{
    struct board *board = spreading->board;
    struct plan_step *step = spreading->step;
    struct group_key key = {step->rollup, step->period, target->add->when[step->period],
                            target->first};
    struct group *group = group_lookup(board, key, target->hash);

    if (group == NULL && target->add->own)
        group = group_open(board, key, target->hash);
    if (group == NULL)
        return NULL;
    step->last = group;
    __builtin_prefetch(group, 1);
    __builtin_prefetch(&group->cell_count, 1);
    return group;
}

static void find_groups(struct spreading *spreading)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < spreading->target_count; i++) {
        struct target *target = &spreading->targets[i];
        struct group *group = target->group;
        if (group == NULL && (group = find_group(spreading, target)) == NULL)
            continue;
        spreading->targets[kept].add = target->add;
        spreading->targets[kept].cell_key = target->cell_key;
        spreading->targets[kept++].group = group;
    }
    spreading->target_count = kept;
}

static void find_slots(struct spreading *spreading)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < spreading->target_count; i++) {
        struct target *target = &spreading->targets[i];
        struct group *group = target->group;
        if (!target->add->own && group->state == GROUP_COLD)
            continue;
        __builtin_prefetch(&group->index.slots[cell_index_start(&group->index, target->cell_key)]);
        spreading->targets[kept].add = target->add;
        spreading->targets[kept].cell_key = target->cell_key;
        spreading->targets[kept++].group = group;
    }
    spreading->target_count = kept;
}

static void find_cells(struct spreading *spreading)
{
    for (uint32_t i = 0; i < spreading->target_count; i++) {
        struct target *target = &spreading->targets[i];
        struct group *group = target->group;
        uint32_t place = cell_index_find(&group->index, target->cell_key);
        if (place == PLACE_NONE)
            place = (uint32_t)(group_cell_open(spreading->board, group, target->cell_key) -
                               group->cells);
        target->place = place;
        __builtin_prefetch(&group->cells[place], 1);
        if (group->sums != NULL)
            __builtin_prefetch(&group->sums[place], 1);
    }
}

static void add_metrics(struct metrics *sum, const struct addition *add)
{
    int64_t *half = &sum->v[add->half];

    for (int i = 0; i < METRICS_HALF; i++)
        half[i] += add->deltas[i];
}

/* Once every lane has passed what loading included, there is nothing left to compare with. */
static void forget_included(const struct board *board, struct group *group)
{
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        if (board->lane_versions[lane] < group->included[lane])
            return;
    free(group->included);
    group->included = NULL;
}

static void add_to_own(const struct spreading *spreading, const struct target *target,
                       struct cell *cell)
{
    struct group *group = target->group;

    if (spreading->lane_version > group->own_version)
        add_metrics(&cell->own, target->add);
    cell->flags |= CELL_USED;
    cell_mark_dirty(spreading->board, group, cell);
    if (group->state == GROUP_COLD)
        group->used_ms = spreading->board->now_ms;
}

static void add_to_sum(const struct spreading *spreading, const struct target *target,
                       struct cell *cell)
{
    struct group *group = target->group;

    if (group->included != NULL && spreading->lane_version <= group->included[target->add->lane])
        return;
    add_metrics(&group->sums[target->place], target->add);
    if (group->state != GROUP_LOADED)
        return;
    group_cell_changed(spreading->board, group, cell, spreading->board->version);
    if (group->included != NULL)
        forget_included(spreading->board, group);
}

static void spread_step(struct spreading *spreading)
{
    find_keys(spreading);
    find_groups(spreading);
    find_slots(spreading);
    find_cells(spreading);
    for (uint32_t i = 0; i < spreading->target_count; i++) {
        const struct target *target = &spreading->targets[i];
        struct cell *cell = &target->group->cells[target->place];
        if (target->add->own)
            add_to_own(spreading, target, cell);
        if (target->group->state != GROUP_COLD)
            add_to_sum(spreading, target, cell);
    }
}

static void spread_block(struct spreading *spreading, const struct gathered *facts, uint32_t count)
{
    struct board *board = spreading->board;

    spreading->addition_count = count;
    for (uint32_t i = 0; i < count; i++)
        unpack(board, &facts[i], &spreading->additions[i]);
    for (uint32_t i = 0; i < board->plan_count; i++) {
        spreading->step = &board->plan[i];
        spread_step(spreading);
    }
}

void board_spread_as(struct board *board, uint64_t lane_version)
{
    struct gathering *gathering = &board->gathering;
    struct spreading spreading;

    spreading.board = board;
    spreading.lane_version = lane_version;
    for (uint32_t i = 0; i < gathering->count; i += BLOCK)
        spread_block(&spreading, &gathering->facts[i],
                     gathering->count - i < BLOCK ? gathering->count - i : BLOCK);
    for (uint32_t i = 0; i < gathering->count; i++)
        gathering->slots[gathering->facts[i].slot] = 0;
    gathering->count = 0;
    gathering->own_since = 0;
}
