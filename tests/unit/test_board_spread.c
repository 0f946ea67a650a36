/*
 * Commits of many facts, of our lane and of others, sorted and counted in blocks, against the
 * obvious model: every group that is loaded shows the sum over the lanes, and every cell of our own
 * lane counts what was applied, whatever came together with what.
 */
#include "board_model.h"
#include "core/board_private.h"
#include "seeds.h"

#define NOW_MS    INT64_C(1795305600000) /* 2026-11-22 00:00 UTC */
#define SEEDS     24u
#define COMMITS   40u
#define FACTS_MAX 1500u
#define MAX_CELLS 100000u

struct world {
    uint64_t seed;
    struct model model;
    struct board *board;
    struct fact facts[FACTS_MAX];
    uint64_t versions[LANES];
    uint32_t loaded; /* groups, at the end */
};

static uint32_t below(struct world *world, uint32_t bound)
{
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 7;
    world->seed ^= world->seed << 17;
    return (uint32_t)(world->seed >> 33) % bound;
}

/* Ids that are alike in their lower bits too: what is sorted by is not all of an id. */
static struct fact some_fact(struct world *world)
{
    return (struct fact){
        .kind = below(world, 4) == 0 ? FACT_REFUND : FACT_ORDER,
        .host = 1 + below(world, 9) * 0x1000100,
        .product = 4 + below(world, 30),
        .session = below(world, 3) == 0 ? 0 : 9 + below(world, 6),
        .platform = below(world, 3) == 0 ? 0 : 11 + below(world, 2),
        .county = 422801 + below(world, 6) * 1000,
        .quantity = 1 + below(world, 9),
        .amount = 1 + below(world, 100000),
        .time_ms = NOW_MS + (int64_t)below(world, 3) * 9 * HOUR_MS + below(world, 3) * MINUTE_MS,
    };
}

static void load(struct world *world, enum rollup rollup, enum period period, uint32_t when,
                 uint32_t first)
{
    struct group_key key = {(uint16_t)rollup, (uint16_t)period, when, first};

    if (below(world, 3) == 0)
        return;
    board_watch(world->board, key);
    board_load_begin(world->board, board_find(world->board, key));
    assert_true(board_load_finish(world->board, board_find(world->board, key)));
    world->loaded++;
}

/* Before the first commit, so that there is nothing to read. */
static void load_some(struct world *world)
{
    uint32_t day = calendar_day(&world->model.calendar, NOW_MS);

    for (int rollup = 0; rollup < ROLLUP_COUNT; rollup++) {
        if (rollup_rows[rollup].first == DIMENSION_NONE)
            load(world, (enum rollup)rollup, PERIOD_ALL, 0, 0);
        if (rollup_rows[rollup].first == DIMENSION_NONE)
            load(world, (enum rollup)rollup, PERIOD_DAY, day, 0);
    }
    load(world, ROLLUP_HOST_PRODUCT, PERIOD_ALL, 0, 1);
    load(world, ROLLUP_COUNTY_HOST, PERIOD_DAY, day, 422801);
    load(world, ROLLUP_HOST, PERIOD_MINUTE, calendar_hour(&world->model.calendar, NOW_MS), 1);
}

static void commit(struct world *world)
{
    uint32_t lane = below(world, LANES);
    uint32_t count = below(world, 3) == 0 ? 1 + below(world, FACTS_MAX) : 1 + below(world, 20);

    for (uint32_t i = 0; i < count; i++) {
        world->facts[i] = some_fact(world);
        model_each_cell(&world->model, lane, &world->facts[i], model_apply);
    }
    board_apply(world->board, lane, ++world->versions[lane], lane == 0, world->facts, count,
                NOW_MS);
    if (below(world, 4) == 0)
        board_spread(world->board);
}

static void check_cell(void *context, struct group *group)
{
    struct world *world = context;

    for (uint32_t i = 0; i < group->cell_count; i++) {
        const struct cell *cell = &group->cells[i];
        const struct model_cell *model = model_cell(&world->model, group->key, cell->key);
        struct metrics sum = {{0}};

        for (uint32_t lane = 0; lane < LANES; lane++)
            metrics_add(&sum, &model->applied[lane]);
        assert_memory_equal(&cell->own, &model->applied[0], sizeof(cell->own));
        assert_int_equal(cell->flags & CELL_DIRTY ? 1 : 0,
                         model->applied[0].v[0] > 0 || model->applied[0].v[3] > 0);
        if (group->state == GROUP_LOADED)
            assert_memory_equal(&group->sums[i], &sum, sizeof(sum));
    }
}

/* Nothing is missing: what the model has and the board should. */
static void check_all(struct world *world)
{
    static const struct metrics zeros = {{0}};

    board_each(world->board, check_cell, world);
    for (uint32_t number = 1; number <= world->model.cell_count; number++) {
        const struct model_cell *model = &world->model.cells[number];
        const struct group *group = board_find(world->board, model->key);
        if ((group != NULL && group->state == GROUP_LOADED) ||
            !same_metrics(&model->applied[0], &zeros))
            assert_non_null(group_cell(group, model->cell));
    }
}

static void facts_count_once_in_every_cell(void **state)
{
    const struct calendar china = {480};
    const struct board_options options = {china, MAX_CELLS, INT64_C(400) * DAY_MS};
    struct world *world = mem_zalloc(sizeof(*world));

    (void)state;
    for (uint64_t seed = first_seed(), end = seed + SEEDS; seed < end; seed++) {
        memset(world, 0, sizeof(*world));
        world->seed = seed * UINT64_C(0x9e3779b97f4a7c15);
        model_init(&world->model, china);
        world->board = board_new(&options);
        load_some(world);
        for (uint32_t i = 0; i < COMMITS; i++)
            commit(world);
        check_all(world);
        assert_true(world->loaded > 0);
        board_free(world->board);
        model_done(&world->model);
    }
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_count_once_in_every_cell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
