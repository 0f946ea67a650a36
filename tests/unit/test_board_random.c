/*
 * The board in a small world of three lanes: ours, which the board itself checkpoints, and two of
 * other daemons. Redis is played by plain arrays: of each lane a hash (cells with versions) and a
 * feed. Commits, feeds read late, checkpoints in pieces, loads in pieces that are overtaken by all
 * of these, evictions, watches and restarts come in random order, and after every third step or so
 *
 *   - every loaded group shows, for every cell, the sum over lanes of what was applied;
 *   - every cell of our lane is right in Redis, or in the board and listed as dirty;
 *   - what changed is marked as changed, and the board's counts are those of its cells.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "board_world.h"
#include "image_fixture.h"
#include "seeds.h"

#define STEPS       2500u
#define SEEDS       12u
#define NOW_MS      INT64_C(1795305600000) /* 2026-11-22 00:00 UTC */
#define MINUTE_KEEP (INT64_C(400) * DAY_MS)
#define MAX_CELLS   100000u

static uint32_t below(struct world *world, uint32_t bound)
{
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 7;
    world->seed ^= world->seed << 17;
    return (uint32_t)(world->seed >> 33) % bound;
}

static void each_cell_of_entry(struct world *world, uint32_t lane, const struct entry *entry,
                               model_fn *visit)
{
    for (uint32_t i = 0; i < entry->count; i++)
        model_each_cell(&world->model, lane, &entry->facts[i], visit);
}

/* --- what happens --------------------------------------------------------------------------- */

static struct fact some_fact(struct world *world)
{
    return (struct fact){
        .kind = below(world, 4) == 0 ? FACT_REFUND : FACT_ORDER,
        .host = 1 + below(world, 3),
        .product = 4 + below(world, 5),
        .session = below(world, 3) == 0 ? 0 : 9 + below(world, 2),
        .platform = below(world, 3) == 0 ? 0 : 11 + below(world, 2),
        .county = 422801 + below(world, 3),
        .quantity = 1 + below(world, 9),
        .amount = 1 + below(world, 100000),
        .time_ms = NOW_MS + (int64_t)below(world, 5) * 7 * HOUR_MS + below(world, 3) * MINUTE_MS,
    };
}

static void apply_next(struct world *world, uint32_t number)
{
    struct lane *lane = &world->lanes[number];
    struct entry *entry = &lane->feed[lane->applied++];

    board_apply(world->board, number, lane->applied, number == OWN, entry->facts, entry->count,
                NOW_MS);
    each_cell_of_entry(world, number, entry, model_apply);
    if (world->board->singles.tables[DIMENSION_NONE].count > 0)
        (*(world->board->shown_others > 0 ? &world->apart : &world->single))++;
}

static void commit(struct world *world, uint32_t number)
{
    struct lane *lane = &world->lanes[number];
    struct entry *entry = &lane->feed[lane->version++];

    entry->count = below(world, ENTRY_FACTS + 1);
    for (uint32_t i = 0; i < entry->count; i++)
        entry->facts[i] = some_fact(world);
    each_cell_of_entry(world, number, entry, model_commit);
    if (number == OWN)
        apply_next(world, OWN);
}

static void checkpointed(struct world *world, struct lane *lane)
{
    lane->checkpoint = lane->running;
    lane->running = 0;
    world->checkpoints++;
    if (below(world, 2))
        lane->trimmed = lane->checkpoint < lane->applied ? lane->checkpoint : lane->applied;
}

/* Another daemon writes some of its cells, each as it is at that moment. */
static void checkpoint_other(struct world *world, uint32_t number)
{
    struct lane *lane = &world->lanes[number];

    if (lane->running == 0) {
        lane->running = lane->version;
        lane->at = 0;
    }
    for (uint32_t i = below(world, 300); i > 0 && lane->at < world->model.cell_count; i--) {
        struct model_cell *cell = &world->model.cells[++lane->at];
        cell->hash[number] = cell->committed[number];
        cell->hash_version[number] = lane->version;
    }
    if (lane->at >= world->model.cell_count && lane->running > 0)
        checkpointed(world, lane);
}

static void take_some(struct world *world)
{
    struct lane *lane = &world->lanes[OWN];
    uint32_t room = TAKEN_MAX - world->taken_count;

    if (lane->running == 0 && lane->version > 0) {
        lane->running = lane->version;
        world->own_left = board_dirty_count(world->board) + world->taken_count;
    }
    world->taken_count +=
        board_dirty_take(world->board, world->taken + world->taken_count, below(world, room + 1));
}

static void wait_for(struct model_cell *cell, uint32_t lane, const struct metrics *metrics)
{
    (void)lane;
    metrics_add(&cell->waiting, metrics);
}

static void wait_no_more(struct model_cell *cell, uint32_t lane, const struct metrics *metrics)
{
    (void)lane;
    (void)metrics;
    cell->waiting = (struct metrics){{0}};
}

/* Cells are written with the version they count up to, which commits applied since have passed. */
static void write_taken(struct world *world)
{
    struct lane *lane = &world->lanes[OWN];
    uint64_t version = board_own_version(world->board, lane->version);

    for (uint64_t i = version; i < lane->version; i++)
        each_cell_of_entry(world, OWN, &lane->feed[i], wait_for);
    world->written_behind += version < lane->version && world->taken_count > 0;
    for (uint32_t i = 0; i < world->taken_count; i++) {
        struct cell_ref ref = world->taken[i];
        struct cell *cell = cell_of(ref);
        struct model_cell *model = model_cell(&world->model, ref.group->key, cell->key);
        if (below(world, 12) == 0) {
            board_dirty_return(world->board, ref);
            lane->running = 0;
            continue;
        }
        board_set_base(world->board, ref, &model->hash[OWN]);
        model->hash[OWN] = cell->own;
        model->hash_version[OWN] = version;
        struct metrics all = cell->own;
        metrics_add(&all, &model->waiting);
        assert_true(same_metrics(&all, &model->committed[OWN]));
        board_dirty_written(world->board, ref);
        world->own_left -= world->own_left > 0;
    }
    for (uint64_t i = version; i < lane->version; i++)
        each_cell_of_entry(world, OWN, &lane->feed[i], wait_no_more);
    world->taken_count = 0;
    if (lane->running > 0 && world->own_left == 0)
        checkpointed(world, lane);
}

/* --- loading -------------------------------------------------------------------------------- */

static void load_reset(struct world *world, struct load *load)
{
    for (uint32_t lane = 0; lane < LANES; lane++) {
        board_image_free(load->images[lane]);
        load->images[lane] = board_image_new(load->key);
        load->checkpoints[lane] = world->lanes[lane].checkpoint;
    }
    load->scan_lane = load->scan_at = load->merged = 0;
    board_load_begin(world->board, board_open(world->board, load->key));
}

static void load_end(struct load *load)
{
    for (uint32_t lane = 0; lane < LANES; lane++) {
        board_image_free(load->images[lane]);
        load->images[lane] = NULL;
    }
    load->running = false;
}

static void load_start(struct world *world, struct load *load, struct group_key key)
{
    struct group *group = board_open(world->board, key);

    if (group->state == GROUP_LOADING || (group->state == GROUP_LOADED && below(world, 10)))
        return;
    load->running = true;
    load->key = key;
    load_reset(world, load);
}

static void scan_cell(struct world *world, struct load *load, uint32_t lane, uint32_t number)
{
    struct model_cell *model = &world->model.cells[number];
    struct buffer field = BUFFER_INIT;
    struct buffer value = BUFFER_INIT;

    if (!group_key_equal(model->key, load->key) || model->hash_version[lane] == 0)
        return;
    cell_field_write(&field, world->names, model->key, model->cell);
    cell_value_write(&value, &model->hash[lane], model->hash_version[lane]);
    assert_int_equal(board_image_cell(load->images[lane], world->names, buffer_slice(&field),
                                      buffer_slice(&value)),
                     0);
    buffer_done(&field);
    buffer_done(&value);
}

static void merge_lane(struct world *world, struct load *load)
{
    uint32_t number = load->merged;
    struct lane *lane = &world->lanes[number];
    struct group *group = board_find(world->board, load->key);
    uint64_t version = load->checkpoints[number];

    if (lane->trimmed > version) {
        board_load_abort(world->board, group);
        load_reset(world, load);
        return;
    }
    for (; version < lane->version; version++)
        for (uint32_t i = 0; i < lane->feed[version].count; i++)
            add_to_image(load->images[number], load->key, &world->calendar, version + 1,
                         &lane->feed[version].facts[i]);
    assert_int_equal(
        board_load_merge(world->board, group, number, number == OWN, version, load->images[number]),
        0);
    load->merged++;
}

static void load_some(struct world *world, struct load *load)
{
    struct group *group = board_find(world->board, load->key);

    assert_non_null(group);
    assert_int_equal(group->state, GROUP_LOADING);
    if (below(world, 20) == 0) {
        if (below(world, 2))
            board_load_abort(world->board, group);
        else
            board_load_give_up(world->board, group, 0);
        load_end(load);
        return;
    }
    if (load->scan_lane < LANES) {
        for (uint32_t i = 400; i > 0 && load->scan_at < world->model.cell_count; i--)
            scan_cell(world, load, load->scan_lane, ++load->scan_at);
        if (load->scan_at > 0)
            scan_cell(world, load, load->scan_lane, 1 + below(world, load->scan_at));
        if (load->scan_at >= world->model.cell_count) {
            load->scan_lane++;
            load->scan_at = 0;
        }
        return;
    }
    if (load->merged < LANES) {
        if (world->lanes[load->merged].version == 0)
            load->merged++;
        else
            merge_lane(world, load);
        return;
    }
    /* A lane may have come up since: it has to be merged, and the load says so. */
    for (uint32_t lane = 0; lane < LANES; lane++)
        if (world->lanes[lane].applied > 0 && group->included[lane] == NOT_MERGED) {
            assert_false(board_load_finish(world->board, group));
            board_load_abort(world->board, group);
            load_reset(world, load);
            return;
        }
    assert_true(board_load_finish(world->board, group));
    world->loads_finished++;
    load_end(load);
}

static struct group_key some_key(struct world *world)
{
    static const struct group_key never = {ROLLUP_HOST_PRODUCT, PERIOD_ALL, 0, 13};

    if (world->model.cell_count == 0 || (below(world, 40) == 0 && !world->only_singles))
        return never;
    for (;;) {
        struct group_key key = world->model.cells[1 + below(world, world->model.cell_count)].key;
        if (!world->only_singles || !counts_others(key))
            return key;
    }
}

static void toggle_watch(struct world *world)
{
    if (world->watched_count == WATCHES_MAX || (world->watched_count > 0 && below(world, 2))) {
        uint32_t place = below(world, world->watched_count);
        board_unwatch(world->board, world->watched[place]);
        world->watched[place] = world->watched[--world->watched_count];
    } else {
        world->watched[world->watched_count] = some_key(world);
        board_watch(world->board, world->watched[world->watched_count++]);
    }
}

static void board_start(struct world *world)
{
    const struct board_options options = {
        .calendar = world->calendar, .max_cells = MAX_CELLS, .minute_keep_ms = MINUTE_KEEP};
    world->board = board_new(&options);
    board_set_now(world->board, world->monotonic_ms);
}

/* Our daemon is killed. What its checkpoints don't have yet comes back from its feed. */
static void restart(struct world *world)
{
    struct lane *own = &world->lanes[OWN];
    uint64_t version = board_version(world->board);

    for (uint32_t i = 0; i < LOADS; i++)
        if (world->loads[i].running)
            load_end(&world->loads[i]);
    board_free(world->board);
    board_start(world);
    board_continue_version(world->board, version);
    world->taken_count = world->watched_count = 0;
    own->running = 0;
    world->restarts++;
    for (uint32_t lane = 0; lane < LANES; lane++)
        while (world->lanes[lane].applied < world->lanes[lane].version)
            each_cell_of_entry(world, lane, &world->lanes[lane].feed[world->lanes[lane].applied++],
                               model_apply);
    for (uint32_t number = 1; number <= world->model.cell_count; number++) {
        struct model_cell *cell = &world->model.cells[number];
        struct group *group = board_find(world->board, cell->key);
        if (same_metrics(&cell->hash[OWN], &cell->committed[OWN]) ||
            (group != NULL && group->state == GROUP_LOADED))
            continue;
        load_start(world, &world->loads[0], cell->key);
        while (world->loads[0].running)
            load_some(world, &world->loads[0]);
        number = 0; /* it may have been aborted */
    }
}

static void step(struct world *world)
{
    uint32_t dice = below(world, 1000);
    uint32_t other = 1 + below(world, LANES - 1);
    struct load *load = &world->loads[below(world, LOADS)];

    world->monotonic_ms += below(world, 50);
    board_set_now(world->board, world->monotonic_ms);
    if (dice < 150)
        commit(world, OWN);
    else if (dice < 300)
        commit(world, other);
    else if (dice < 450 && world->lanes[other].applied < world->lanes[other].version)
        apply_next(world, other);
    else if (dice < 530)
        checkpoint_other(world, other);
    else if (dice < 650)
        take_some(world);
    else if (dice < 700)
        write_taken(world);
    else if (dice < 890 && load->running)
        load_some(world, load);
    else if (dice < 890 && (!world->only_singles || below(world, 20) == 0))
        load_start(world, load, some_key(world));
    else if (dice < 930)
        toggle_watch(world);
    else if (dice < 932)
        board_forget_idle(world->board);
    else if (dice < 997)
        world->evicted +=
            board_evict(world->board, world->monotonic_ms - (int64_t)below(world, 4000));
    else
        restart(world);
}

/* Adds to `all` what is rare in some worlds: which way other lanes' facts took, and how many cells
 * were written while commits were gathered. */
static void run_world(uint64_t seed, struct world *all)
{
    static const char *const ids[] = {"h1", "h2", "h3", "p1", "p2", "p3",    "p4",
                                      "p5", "s1", "s2", "f1", "f2", "nobody"};
    struct world *world = mem_zalloc(sizeof(*world));

    world->seed = seed;
    world->only_singles = seed % 3 == 0;
    world->calendar.offset_minutes = 480;
    world->names = names_new();
    model_init(&world->model, world->calendar);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        names_intern(world->names, slice_of(ids[i]));
    for (uint32_t lane = 0; lane < LANES; lane++)
        world->lanes[lane].feed = mem_zalloc(STEPS * sizeof(struct entry));
    board_start(world);
    for (uint32_t i = 0; i < STEPS; i++) {
        step(world);
        if (below(world, 3) == 0) /* looking spreads what is gathered */
            world_check(world);
    }
    assert_true(world->loads_finished > 10);
    assert_true(world->evicted > 10);
    assert_true(world->restarts > 0);
    assert_true(world->checkpoints > 3);
    all->written_behind += world->written_behind;
    all->single += world->single;
    all->apart += world->apart;
    for (uint32_t i = 0; i < LOADS; i++)
        load_end(&world->loads[i]);
    for (uint32_t lane = 0; lane < LANES; lane++)
        free(world->lanes[lane].feed);
    board_free(world->board);
    model_done(&world->model);
    names_free(world->names);
    free(world);
}

static void totals_are_right_whatever_happens(void **state)
{
    (void)state;
    struct world *all = mem_zalloc(sizeof(*all));
    for (uint64_t i = first_seed(), end = i + SEEDS; i < end; i++) {
        print_message("seed %" PRIu64 "\n", i);
        run_world(i * UINT64_C(0x9e3779b97f4a7c15), all);
    }
    print_message("%" PRIu32 " times singles alone, %" PRIu32 " times gathered too\n", all->single,
                  all->apart);
    assert_true(all->written_behind > 3 * SEEDS);
    assert_true(all->single > 100);
    assert_true(all->apart > 100);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_are_right_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
