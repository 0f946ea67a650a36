/*
 * Adding commits: the hot path. A fact counts in some two dozen cells, each in a group of its own:
 * slot of the group, group, slot of the cell, cell. With many products most of these are not in the
 * processor's cache. So a fact is added in rounds over all its cells, and each round fetches ahead
 * what the next one reads: the waits for memory overlap instead of adding up.
 */
#include <stdlib.h>

#include "board_private.h"

/* A cell to add to, first as keys, then as what they name. Fields are moved one by one: copying
   the whole right after writing a part stalls the processor. */
struct target {
    struct group_key key;
    uint32_t hash; /* of key */
    uint32_t cell_key;
    struct group *group;
    struct cell *cell;
};

/* One fact on its way into the board. */
struct addition {
    struct board *board;
    uint32_t lane;
    uint64_t lane_version;
    bool own;
    struct metrics metrics;
    uint32_t dimensions[DIMENSION_COUNT]; /* NONE: 0 */
    uint32_t when[PERIOD_COUNT];
    uint32_t minute;
    bool by_minute;
    uint32_t count;
    struct target targets[PLAN_MAX];
};

static inline void add_metrics(struct metrics *sum, const struct metrics *delta)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        sum->v[i] += delta->v[i];
}

static void find_keys(struct addition *add)
{
    const struct board *board = add->board;

    add->count = 0;
    for (uint32_t i = 0; i < board->plan_count; i++) {
        const struct plan_step *step = &board->plan[i];
        struct target *target = &add->targets[add->count];
        uint32_t first = add->dimensions[step->first];
        uint32_t cell_key = add->dimensions[step->cell];
        if (first == 0 && step->first != DIMENSION_NONE)
            continue;
        if (step->period == PERIOD_MINUTE) {
            if (!add->by_minute)
                continue;
            cell_key = add->minute;
        } else if (step->cell == DIMENSION_NONE) {
            cell_key = TOTAL_CELL;
        } else if (cell_key == 0) {
            continue;
        }
        target->key.rollup = step->rollup;
        target->key.period = step->period;
        target->key.when = add->when[step->period];
        target->key.first = first;
        target->hash = group_key_hash(target->key);
        target->cell_key = cell_key;
        __builtin_prefetch(&board->groups[target->hash & board->group_mask]);
        add->count++;
    }
}

/* Other lanes' facts are kept only for groups that are shown. */
static void find_groups(struct addition *add)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < add->count; i++) {
        struct target *target = &add->targets[i];
        struct group *group = group_lookup(add->board, target->key, target->hash);
        if (group == NULL) {
            if (!add->own)
                continue;
            group = board_open(add->board, target->key);
        }
        __builtin_prefetch(group, 1);
        __builtin_prefetch(&group->used_ms, 1);
        add->targets[kept].cell_key = target->cell_key;
        add->targets[kept++].group = group;
    }
    add->count = kept;
}

static void find_slots(struct addition *add)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < add->count; i++) {
        struct group *group = add->targets[i].group;
        uint32_t cell_key = add->targets[i].cell_key;
        if (!add->own && group->state == GROUP_COLD)
            continue;
        __builtin_prefetch(&group->index.slots[cell_index_start(&group->index, cell_key)]);
        add->targets[kept].cell_key = cell_key;
        add->targets[kept++].group = group;
    }
    add->count = kept;
}

static void find_cells(struct addition *add)
{
    for (uint32_t i = 0; i < add->count; i++) {
        struct target *target = &add->targets[i];
        uint32_t place = cell_index_find(&target->group->index, target->cell_key);
        target->cell = place != PLACE_NONE
                           ? &target->group->cells[place]
                           : group_cell_open(add->board, target->group, target->cell_key);
        __builtin_prefetch(target->cell, 1);
        __builtin_prefetch((char *)target->cell + 48, 1);
        __builtin_prefetch((char *)target->cell + 96, 1);
    }
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

static void add_to_own(const struct addition *add, struct target *target)
{
    struct cell *cell = target->cell;

    if (add->lane_version > target->group->own_version)
        add_metrics(&cell->own, &add->metrics);
    cell->flags |= CELL_USED;
    cell_mark_dirty(add->board, target->group, cell);
    if (target->group->state == GROUP_COLD)
        target->group->used_ms = add->board->now_ms;
}

static void add_to_sum(const struct addition *add, struct target *target)
{
    struct group *group = target->group;
    struct cell *cell = target->cell;

    if (group->included != NULL && add->lane_version <= group->included[add->lane])
        return;
    add_metrics(&cell->sum, &add->metrics);
    if (group->state != GROUP_LOADED)
        return;
    cell->changed = add->board->version;
    group->changed = add->board->version;
    if (group->included != NULL)
        forget_included(add->board, group);
}

static void set_time(struct addition *add, int64_t time_ms, int64_t now_ms)
{
    struct board *board = add->board;

    if (board->hour_start_ms == INT64_MIN || time_ms < board->hour_start_ms ||
        time_ms - board->hour_start_ms >= HOUR_MS) {
        board->hour = calendar_hour(&board->calendar, time_ms);
        board->hour_start_ms = calendar_hour_start_ms(&board->calendar, board->hour);
    }
    add->when[PERIOD_ALL] = 0;
    add->when[PERIOD_DAY] = board->hour / 100;
    add->when[PERIOD_MINUTE] = board->hour;
    add->minute = calendar_minute(&board->calendar, time_ms);
    add->by_minute = time_ms - time_ms % MINUTE_MS >= now_ms - board->minute_keep_ms;
}

static void add_fact(struct addition *add, const struct fact *fact, int64_t now_ms)
{
    add->metrics = fact_metrics(fact);
    add->dimensions[DIMENSION_HOST] = fact->host;
    add->dimensions[DIMENSION_COUNTY] = fact->county;
    add->dimensions[DIMENSION_PRODUCT] = fact->product;
    add->dimensions[DIMENSION_SESSION] = fact->session;
    add->dimensions[DIMENSION_PLATFORM] = fact->platform;
    set_time(add, fact->time_ms, now_ms);
    find_keys(add);
    find_groups(add);
    find_slots(add);
    find_cells(add);
    for (uint32_t i = 0; i < add->count; i++) {
        if (add->own)
            add_to_own(add, &add->targets[i]);
        if (add->targets[i].group->state != GROUP_COLD)
            add_to_sum(add, &add->targets[i]);
    }
}

void board_apply(struct board *board, uint32_t lane, uint64_t lane_version, bool own,
                 const struct fact *facts, uint32_t fact_count, int64_t now_ms)
{
    struct addition add = {.board = board, .lane = lane, .lane_version = lane_version, .own = own};

    if (lane_version <= board->lane_versions[lane])
        return;
    board->lane_versions[lane] = lane_version;
    if (fact_count == 0)
        return;
    board->version++;
    for (uint32_t i = 0; i < fact_count; i++)
        add_fact(&add, &facts[i], now_ms);
}
