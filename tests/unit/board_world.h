/*
 * The world that test_board_random.c plays: Redis as plain arrays, our daemon's board, loads and a
 * checkpoint under way; and what must hold in it at any moment.
 */
#ifndef LIVETALLY_TESTS_BOARD_WORLD_H
#define LIVETALLY_TESTS_BOARD_WORLD_H

#include <inttypes.h>

#include "board_model.h"
#include "core/board_private.h"

#define OWN         0u /* our lane */
#define ENTRY_FACTS 3u
#define TAKEN_MAX   40u
#define LOADS       2u
#define WATCHES_MAX 16u

struct entry {
    struct fact facts[ENTRY_FACTS];
    uint32_t count;
};

struct lane {
    struct entry *feed; /* [version - 1] */
    uint64_t version;
    uint64_t applied;
    uint64_t checkpoint;
    uint64_t trimmed; /* entries up to here are gone */
    uint64_t running; /* version at the start of the checkpoint that runs, 0: none */
    uint32_t at;      /* model cell it has come to */
};

struct load {
    bool running;
    struct group_key key;
    uint64_t checkpoints[LANES];
    struct board_image *images[LANES];
    uint32_t scan_lane, scan_at;
    uint32_t merged;
};

struct world {
    uint64_t seed;
    struct calendar calendar;
    struct names *names;
    struct model model;
    struct lane lanes[LANES];
    struct load loads[LOADS];
    struct board *board;
    struct cell_ref taken[TAKEN_MAX];
    uint32_t taken_count;
    uint32_t own_left; /* cells the own checkpoint that runs still has to write */
    struct group_key watched[WATCHES_MAX];
    uint32_t watched_count;
    int64_t monotonic_ms;
    uint64_t last_version;
    uint32_t loads_finished, evicted, restarts, checkpoints;
    uint32_t written_behind; /* cells, while commits were gathered */
    bool only_singles;       /* nobody asks for other groups; after a restart some are loaded */
    uint32_t single, apart;  /* commits after which singles waited; apart: gathered too */
};

static inline void check_shown(struct world *world, struct model_cell *model,
                               const struct group *group)
{
    struct metrics sum = {{0}};
    struct metrics got = group_get(group, model->cell);
    const struct cell *cell = group_cell(group, model->cell);

    for (uint32_t lane = 0; lane < LANES; lane++) {
        uint64_t included = group->included != NULL ? group->included[lane] : 0;
        bool ahead = included > world->lanes[lane].applied;
        /* Loaded up to a version that is neither: the model has no figure for that moment. */
        if (ahead && included < world->lanes[lane].version) {
            model->was_shown = false;
            return;
        }
        metrics_add(&sum, ahead ? &model->committed[lane] : &model->applied[lane]);
    }
    if (!same_metrics(&sum, &got))
        fail_msg("cell %" PRIu32 " of rollup %u, period %u: gross %" PRId64 " instead of %" PRId64,
                 model->cell, model->key.rollup, model->key.period, got.v[METRIC_GROSS],
                 sum.v[METRIC_GROSS]);
    if (model->was_shown && !same_metrics(&model->shown, &got)) {
        assert_true(cell->changed > world->last_version);
        assert_true(group->changed >= cell->changed);
    }
    model->shown = got;
    model->was_shown = true;
}

static inline bool is_taken(const struct world *world, const struct group *group,
                            const struct cell *cell)
{
    for (uint32_t i = 0; i < world->taken_count; i++)
        if (world->taken[i].group == group && cell_of(world->taken[i]) == cell)
            return true;
    return false;
}

static inline void check_own(const struct world *world, const struct model_cell *model,
                             const struct group *group)
{
    const struct cell *cell = group != NULL ? group_cell(group, model->cell) : NULL;
    struct metrics own = model->hash[OWN];

    if (cell != NULL && (cell->flags & CELL_BASE))
        own = cell->own;
    else if (cell != NULL)
        metrics_add(&own, &cell->own);
    assert_true(same_metrics(&own, &model->committed[OWN]));
    if (cell == NULL || (!(cell->flags & CELL_DIRTY) && !is_taken(world, group, cell)))
        assert_true(same_metrics(&model->hash[OWN], &model->committed[OWN]));
}

struct counts {
    uint32_t groups, cells, dirty, taken, held, idle;
    size_t bytes;
    uint32_t shown[ROLLUP_COUNT][PERIOD_COUNT];
    uint32_t shown_others; /* by two dimensions, or by minute */
    uint32_t loading;
};

/* In its cells singles don't count. */
static inline bool counts_others(struct group_key key)
{
    return key.rollup >= ROLLUP_SESSION_PRODUCT || key.period == PERIOD_MINUTE;
}

static inline void count_group(void *context, struct group *group)
{
    struct counts *counts = context;
    uint32_t dirty = 0;

    for (uint32_t i = 0; i < group->cell_count; i++) {
        dirty += (group->cells[i].flags & CELL_DIRTY) != 0;
        assert_ptr_equal(group_cell(group, group->cells[i].key), &group->cells[i]);
    }
    assert_int_equal(group->index.used, group->cell_count);
    assert_int_equal(dirty, group->dirty_count);
    assert_int_equal(group->sums == NULL, group->state == GROUP_COLD);
    counts->groups++;
    counts->shown[group->key.rollup][group->key.period] += group->state != GROUP_COLD;
    counts->shown_others += group->state != GROUP_COLD && counts_others(group->key);
    counts->loading += group->state == GROUP_LOADING;
    counts->cells += group->cell_count;
    counts->bytes += group_memory_bytes(group);
    counts->dirty += dirty;
    counts->taken += group->taken_count;
    counts->idle += group_is_idle(group) ? group->cell_count : 0;
    counts->held += group->watchers > 0 ? group->cell_count : dirty + group->taken_count;
}

static inline void world_check(struct world *world)
{
    struct counts counts = {0};

    for (uint32_t number = 1; number <= world->model.cell_count; number++) {
        struct model_cell *model = &world->model.cells[number];
        struct group *group = board_find(world->board, model->key);
        check_own(world, model, group);
        if (group != NULL && group->state == GROUP_LOADED)
            check_shown(world, model, group);
        else
            model->was_shown = false;
    }
    board_each(world->board, count_group, &counts);
    assert_int_equal(counts.groups, board_group_count(world->board));
    assert_int_equal(counts.cells, board_cell_count(world->board));
    assert_int_equal(counts.dirty, board_dirty_count(world->board));
    assert_int_equal(counts.taken, world->taken_count);
    assert_int_equal(counts.held, world->board->held_cells);
    assert_int_equal(counts.idle, world->board->idle_cells);
    assert_int_equal(counts.bytes, world->board->group_bytes);
    assert_memory_equal(counts.shown, world->board->shown, sizeof(counts.shown));
    assert_int_equal(counts.shown_others, world->board->shown_others);
    assert_int_equal(counts.loading, world->board->loading);
    for (uint32_t i = 0; i < world->watched_count; i++)
        assert_non_null(board_find(world->board, world->watched[i]));
    assert_true(board_version(world->board) >= world->last_version);
    world->last_version = board_version(world->board);
}

#endif
