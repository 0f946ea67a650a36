/*
 * Adding commits: the hot path. A fact counts in some two dozen cells, each in a group of its own:
 * slot of the group, group, slot of the cell, cell. With many products most of these are not in the
 * processor's cache. So a fact is added in rounds over all its cells, and each round fetches ahead
 * what the next one reads: the waits for memory overlap instead of adding up.
 */
#include <stdlib.h>

#include "board_private.h"

#define HALF (METRIC_COUNT / 2)

/* An order changes the first half of the metrics, a refund the other. */
_Static_assert(METRIC_ORDERS == 0 && METRIC_UNITS < HALF && METRIC_GROSS < HALF, "of orders");
_Static_assert(METRIC_REFUNDS == HALF && METRIC_REFUNDED > HALF && METRIC_RETURNED > HALF,
               "of refunds");

/* A cell to add to, first as keys, then as what they name. Fields are moved one by one: copying
   the whole right after writing a part stalls the processor. */
struct target {
    struct plan_step *step;
    uint32_t first;
    uint32_t hash; /* of the group's key */
    uint32_t cell_key;
    struct group *group; /* NULL: to be looked up */
    struct cell *cell;
};

/* One fact on its way into the board. */
struct addition {
    struct board *board;
    uint32_t lane;
    uint64_t lane_version;
    bool own;
    bool by_minute;
    int half;                            /* 0, or HALF: the first metric that changes */
    int64_t deltas[HALF];                /* of that half */
    uint32_t cell_keys[DIMENSION_COUNT]; /* 0: the fact has none; NONE: of the total */
    uint32_t when[PERIOD_COUNT];
    uint32_t minute;
    uint32_t count;
    struct target targets[PLAN_MAX];
};

static inline void add_metrics(struct metrics *sum, const struct addition *add)
{
    int64_t *half = &sum->v[add->half];

    for (int i = 0; i < HALF; i++)
        half[i] += add->deltas[i];
}

static inline struct group_key target_key(const struct addition *add, const struct target *target)
{
    const struct plan_step *step = target->step;

    return (struct group_key){step->rollup, step->period, add->when[step->period], target->first};
}

static inline void put_target(struct addition *add, struct plan_step *step, uint32_t first,
                              uint32_t cell_key)
{
    struct target *target = &add->targets[add->count++];
    struct group *last = step->last;

    target->step = step;
    target->first = first;
    target->cell_key = cell_key;
    if (last != NULL && last->key.first == first && last->key.when == add->when[step->period]) {
        target->group = last;
        return;
    }
    target->group = NULL;
    target->hash = group_key_hash(target_key(add, target));
    __builtin_prefetch(&add->board->groups[target->hash & add->board->group_mask]);
}

static void find_keys(struct addition *add)
{
    struct board *board = add->board;
    uint32_t steps = board->plan_count - board->plan_minutes;

    add->count = 0;
    for (uint32_t i = 0; i < steps; i++) {
        struct plan_step *step = &board->plan[i];
        uint32_t first = add->cell_keys[step->first];
        uint32_t cell_key = add->cell_keys[step->cell];
        if (first != 0 && cell_key != 0)
            put_target(add, step, step->first == DIMENSION_NONE ? 0 : first, cell_key);
    }
    for (uint32_t i = steps; add->by_minute && i < board->plan_count; i++) {
        struct plan_step *step = &board->plan[i];
        uint32_t first = add->cell_keys[step->first];
        if (first != 0)
            put_target(add, step, step->first == DIMENSION_NONE ? 0 : first, add->minute);
    }
}

/* Other lanes' facts are kept only for groups that are shown. */
static void find_groups(struct addition *add)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < add->count; i++) {
        struct target *target = &add->targets[i];
        struct group *group = target->group;
        if (group == NULL) {
            struct group_key key = target_key(add, target);
            group = group_lookup(add->board, key, target->hash);
            if (group == NULL) {
                if (!add->own)
                    continue;
                group = board_open(add->board, key);
            }
            target->step->last = group;
            __builtin_prefetch(group, 1);
            __builtin_prefetch(&group->cell_count, 1);
        }
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
        add_metrics(&cell->own, add);
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
    add_metrics(&cell->sum, add);
    if (group->state != GROUP_LOADED)
        return;
    group_cell_changed(add->board, group, cell, add->board->version);
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

static void set_deltas(struct addition *add, const struct fact *fact)
{
    struct metrics metrics = fact_metrics(fact);

    add->half = fact->kind == FACT_ORDER ? 0 : HALF;
    for (int i = 0; i < HALF; i++)
        add->deltas[i] = metrics.v[add->half + i];
}

static void add_fact(struct addition *add, const struct fact *fact, int64_t now_ms)
{
    set_deltas(add, fact);
    add->cell_keys[DIMENSION_NONE] = TOTAL_CELL;
    add->cell_keys[DIMENSION_HOST] = fact->host;
    add->cell_keys[DIMENSION_COUNTY] = fact->county;
    add->cell_keys[DIMENSION_PRODUCT] = fact->product;
    add->cell_keys[DIMENSION_SESSION] = fact->session;
    add->cell_keys[DIMENSION_PLATFORM] = fact->platform;
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
    struct addition add;

    if (lane_version <= board->lane_versions[lane])
        return;
    board->lane_versions[lane] = lane_version;
    if (fact_count == 0)
        return;
    board->version++;
    add.board = board;
    add.lane = lane;
    add.lane_version = lane_version;
    add.own = own;
    for (uint32_t i = 0; i < fact_count; i++)
        add_fact(&add, &facts[i], now_ms);
}
