/*
 * Counting what is gathered. Each of it counts in some two dozen cells, each in a group of its own:
 * slot of the group, group, slot of the cell, cell. With many products most of these are not in the
 * processor's cache. What is done about it:
 *
 *   - They are sorted (board_order.c), so that those of one group, or even of one cell, come one
 *     after the other. Of a few thousand most differ in the product, but share host or county.
 *   - A block is taken at a time, and of that one rollup and period after the other, in rounds:
 *     each round fetches ahead what the next one reads. So the waits for memory overlap instead of
 *     adding up.
 */
#include <stdlib.h>
#include <string.h>

#include "board_private.h"

#define BLOCK       64u
#define AHEAD       8u /* gathered ones to fetch before they are unpacked */
#define DIFFERS_ALL UINT32_MAX

/* One of those gathered, unpacked. */
struct addition {
    uint32_t values[DIMENSION_COUNT]; /* 0: the facts have none; NONE: of the total */
    uint32_t when[PERIOD_COUNT];
    uint32_t minute;
    uint32_t lane;
    uint32_t half;    /* 0, or METRICS_HALF: the first metric that changes */
    uint32_t differs; /* from the one before it: in which dimensions, or DIFFERS_MINUTE */
    bool own;
    int64_t deltas[METRICS_HALF]; /* of that half */
};

/* A cell to add to, first as keys, then as what they name. */
struct target {
    const struct addition *add; /* the first of those that count in it */
    struct group *group;        /* NULL: to be looked up */
    bool same_group;            /* as the one before it */
    uint32_t first;
    uint32_t hash; /* of the group's key */
    uint32_t cell_key;
    uint32_t place; /* not a pointer: cells move when their group grows */
    int64_t deltas[METRICS_HALF];
};

struct spreading {
    struct board *board;
    uint64_t lane_version;
    struct plan_step *step;
    uint32_t addition_count;
    uint32_t own_count; /* of those, our own lane's */
    uint32_t target_count;
    struct addition additions[BLOCK];
    struct target targets[BLOCK];
};

static uint32_t difference(const struct addition *a, const struct addition *b)
{
    uint32_t differs = 0;

    if (a->when[PERIOD_MINUTE] != b->when[PERIOD_MINUTE] || a->lane != b->lane ||
        a->half != b->half)
        return DIFFERS_ALL;
    for (int d = 0; d < DIMENSION_COUNT; d++)
        differs |= (uint32_t)(a->values[d] != b->values[d]) << d;
    return differs | (a->minute != b->minute ? DIFFERS_MINUTE : 0);
}

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

/* same_group: as the target before it. */
static struct target *put_target(struct spreading *spreading, const struct addition *add,
                                 uint32_t cell_key, bool same_group)
{
    const struct plan_step *step = spreading->step;
    struct target *target = &spreading->targets[spreading->target_count++];
    struct group *last = step->last;
    uint32_t first = step->first == DIMENSION_NONE ? 0 : add->values[step->first];
    struct group_key key = {step->rollup, step->period, add->when[step->period], first};

    target->add = add;
    target->first = first;
    target->cell_key = cell_key;
    target->group = NULL;
    target->same_group = same_group;
    memcpy(target->deltas, add->deltas, sizeof(target->deltas));
    if (same_group)
        return target;
    if (last != NULL && last->key.first == first && last->key.when == key.when) {
        target->group = last;
        return target;
    }
    target->hash = group_key_hash(key);
    __builtin_prefetch(&spreading->board->groups[target->hash & spreading->board->group_mask]);
    return target;
}

static void add_deltas(int64_t *sum, const int64_t *deltas)
{
    for (int i = 0; i < METRICS_HALF; i++)
        sum[i] += deltas[i];
}

static bool counts(const struct plan_step *step, const struct addition *add, bool shown)
{
    if (add->values[step->first] == 0 || add->values[step->cell] == 0)
        return false;
    if (step->period == PERIOD_MINUTE && add->minute == MINUTE_NONE)
        return false;
    return add->own || (shown && !(add->lane == LANE_OTHERS && plan_step_is_single(step)));
}

/* Other lanes' facts are kept only for groups that are shown: of many rollups none is. */
static bool is_shown(const struct board *board, const struct plan_step *step)
{
    return board->shown[step->rollup][step->period] > 0;
}

static void find_keys(struct spreading *spreading)
{
    const struct plan_step *step = spreading->step;
    bool by_minute = step->period == PERIOD_MINUTE;
    bool shown = is_shown(spreading->board, step);
    struct target *before = NULL; /* of the addition before, if it counts */

    spreading->target_count = 0;
    for (uint32_t i = 0; i < spreading->addition_count; i++) {
        const struct addition *add = &spreading->additions[i];
        bool same_group = before != NULL && !(add->differs & step->group_bits);
        if (same_group && !(add->differs & step->cell_bits))
            add_deltas(before->deltas, add->deltas);
        else if (counts(step, add, shown))
            before = put_target(spreading, add, by_minute ? add->minute : add->values[step->cell],
                                same_group);
        else
            before = NULL;
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

/* Moves it to the front, as far as it is still needed. */
static void keep_target(struct spreading *spreading, uint32_t at, const struct target *target,
                        struct group *group)
{
    struct target *kept = &spreading->targets[at];

    kept->group = group;
    if (kept == target)
        return;
    kept->add = target->add;
    kept->cell_key = target->cell_key;
    memcpy(kept->deltas, target->deltas, sizeof(kept->deltas));
}

static void find_groups(struct spreading *spreading)
{
    struct group *group = NULL;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < spreading->target_count; i++) {
        struct target *target = &spreading->targets[i];
        if (!target->same_group)
            group = target->group != NULL ? target->group : find_group(spreading, target);
        if (group != NULL)
            keep_target(spreading, kept++, target, group);
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
        keep_target(spreading, kept++, target, group);
    }
    spreading->target_count = kept;
}

static void find_cells(struct spreading *spreading)
{
    for (uint32_t i = 0; i < spreading->target_count; i++) {
        struct target *target = &spreading->targets[i];
        struct group *group = target->group;
        uint32_t place = cell_index_find(&group->index, target->cell_key);
        if (place == PLACE_NONE) {
            const struct cell *cell = group_cell_open(spreading->board, group, target->cell_key);
            place = (uint32_t)(cell - group->cells);
        }
        target->place = place;
        __builtin_prefetch(&group->cells[place], 1);
        if (group->sums != NULL)
            __builtin_prefetch(&group->sums[place], 1);
    }
}

/* Once every lane has passed what loading included, there is nothing left to compare with. */
void group_forget_included(const struct board *board, struct group *group)
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
        add_deltas(&cell->own.v[target->add->half], target->deltas);
    cell->flags |= CELL_USED;
    cell_mark_dirty(spreading->board, group, cell);
    if (group->state == GROUP_COLD)
        group->used_ms = spreading->board->now_ms;
}

static void add_to_sum(const struct spreading *spreading, const struct target *target,
                       struct cell *cell)
{
    struct group *group = target->group;

    if (group->included != NULL && target->add->lane != LANE_OTHERS &&
        spreading->lane_version <= group->included[target->add->lane])
        return;
    add_deltas(&group->sums[target->place].v[target->add->half], target->deltas);
    if (group->state != GROUP_LOADED)
        return;
    group_cell_changed(spreading->board, group, cell, spreading->board->version);
    if (group->included != NULL)
        group_forget_included(spreading->board, group);
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

/* Those from `at` on, in the order. */
static void unpack_block(struct spreading *spreading, uint32_t at)
{
    const struct gathering *gathering = &spreading->board->gathering;
    uint32_t left = gathering->count - at;

    spreading->addition_count = left < BLOCK ? left : BLOCK;
    spreading->own_count = 0;
    for (uint32_t i = 0; i < spreading->addition_count; i++) {
        struct addition *add = &spreading->additions[i];
        if (at + i + AHEAD < gathering->count)
            __builtin_prefetch(&gathering->facts[gathering_place(gathering, at + i + AHEAD)]);
        unpack(spreading->board, &gathering->facts[gathering_place(gathering, at + i)], add);
        add->differs = i == 0 ? DIFFERS_ALL : difference(add, add - 1);
        spreading->own_count += add->own;
    }
}

static void spread_ordered(struct spreading *spreading, enum spread_order order)
{
    struct board *board = spreading->board;

    for (uint32_t at = 0; at < board->gathering.count; at += BLOCK) {
        unpack_block(spreading, at);
        for (uint32_t i = 0; i < board->plan_count; i++) {
            spreading->step = &board->plan[i];
            if (spreading->step->order == order &&
                (spreading->own_count > 0 || is_shown(board, spreading->step)))
                spread_step(spreading);
        }
    }
}

void board_spread_as(struct board *board, uint64_t lane_version)
{
    struct gathering *gathering = &board->gathering;
    struct spreading spreading;

    spreading.board = board;
    spreading.lane_version = lane_version;
    gathering_order_by_host(gathering, board->own_lane);
    spread_ordered(&spreading, BY_HOST);
    gathering_order_by_county(gathering);
    spread_ordered(&spreading, BY_COUNTY);
    for (uint32_t i = 0; i < gathering->count; i++)
        gathering->slots[gathering->facts[i].slot] = 0;
    gathering->count = 0;
    gathering->own_since = 0;
}
