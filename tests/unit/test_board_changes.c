/*
 * Lists of what changed, and the counties of areas, against a naive look at all cells: several
 * readers at their own pace, cells that come, groups that are loaded anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/core/area.h"
#include "../../src/core/board_private.h"
#include "livetally/mem.h"
#include "seeds.h"

#define READERS 3
#define GROUPS  100
#define AREA    1301u

struct reader {
    uint64_t version; /* what it has seen */
    uint64_t seen;
    struct area area;
};

struct world {
    uint64_t seed;
    uint64_t version;
    struct board board;
    struct group group;
    struct reader readers[READERS];
    uint32_t read; /* looks that found the list whole */
    uint32_t gone; /* and that didn't */
};

static uint32_t roll(struct world *world, uint32_t below)
{
    world->seed = world->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(world->seed >> 33) % below;
}

static void change(struct world *world, uint32_t place)
{
    world->group.sums[place].v[METRIC_GROSS] += 1 + roll(world, 100);
    group_cell_changed(&world->board, &world->group, &world->group.cells[place], world->version);
}

static void add_cell(struct world *world)
{
    struct group *group = &world->group;
    uint32_t place = group->cell_count++;

    group->cells = mem_resize(group->cells, group->cell_count, sizeof(*group->cells));
    group->sums = mem_resize(group->sums, group->cell_count, sizeof(*group->sums));
    group->sums[place] = (struct metrics){{0}};
    group->cells[place] = (struct cell){.key = (1300 + roll(world, 4)) * 100 + place % 100};
    change(world, place);
}

static void reload(struct world *world)
{
    for (uint32_t i = 0; i < world->group.cell_count; i++)
        world->group.cells[i].changed = world->version;
    world->group.changed = world->version;
    world->group.reloaded = world->version;
}

/* Every cell that changed since the reader's last look is in the list. */
static void look(struct world *world, struct reader *reader)
{
    const struct group *group = &world->group;
    const struct change_log *log = group->log;
    bool *listed = mem_zalloc(group->cell_count + 1);

    if (reader->version == 0 || group->reloaded > reader->version ||
        group_changes_gone(group, reader->seen)) {
        world->gone++;
    } else {
        world->read++;
        for (uint64_t i = reader->seen; i < log->count; i++)
            listed[log->places[i & log->mask]] = true;
        for (uint32_t i = 0; i < group->cell_count; i++)
            if (group->cells[i].changed > reader->version)
                assert_true(listed[i]);
    }
    free(listed);
    reader->seen = group_changes_mark(&world->group);
    reader->version = world->version;
}

static void look_at_area(struct world *world, struct reader *reader, uint64_t since)
{
    const struct group *group = &world->group;
    int64_t gross = 0;
    bool changed = false;

    for (uint32_t i = 0; i < group->cell_count; i++) {
        if (group->cells[i].key / 100 != AREA)
            continue;
        gross += group->sums[i].v[METRIC_GROSS];
        changed = changed || group->cells[i].changed > since;
    }
    area_refresh(&reader->area, group, 100, AREA);
    assert_int_equal(area_sum(&reader->area, group).v[METRIC_GROSS], gross);
    assert_int_equal(area_changed(&reader->area, group, since), changed);
}

static void run(struct world *world)
{
    for (int step = 0; step < 300; step++) {
        world->version++;
        for (uint32_t i = roll(world, step < 3 ? 600 : 4); i > 0; i--)
            add_cell(world);
        for (uint32_t i = roll(world, 300); i > 0 && world->group.cell_count; i--)
            change(world, roll(world, world->group.cell_count));
        if (roll(world, 40) == 0)
            reload(world);
        for (uint32_t i = 0; i < READERS; i++) {
            struct reader *reader = &world->readers[i];
            uint64_t since = reader->version;

            if (roll(world, 1 + 4 * i) > 0)
                continue;
            look(world, reader);
            look_at_area(world, reader, since);
        }
    }
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(), end = seed + 40; seed < end; seed++) {
        struct world world = {.seed = seed, .version = 1};

        run(&world);
        assert_true(world.read > 0 && world.gone > 0);
        for (uint32_t i = 0; i < READERS; i++)
            area_done(&world.readers[i].area);
        group_changes_forget(&world.group);
        free(world.group.cells);
        free(world.group.sums);
    }
}

/* Nobody reads on: what is kept stays within its share of the cells. */
static void test_bounded(void **state)
{
    struct world world = {.seed = 3, .version = 1};
    (void)state;

    for (int i = 0; i < 4096; i++)
        add_cell(&world);
    world.readers[0].seen = group_changes_mark(&world.group);
    for (uint32_t i = 0; i < 4096; i++) {
        world.version++;
        change(&world, i);
    }
    assert_int_equal(world.group.log->count, 4096);
    assert_true(world.group.log->mask < 4096 / 4);
    assert_true(group_changes_gone(&world.group, world.readers[0].seen));
    group_changes_forget(&world.group);
    free(world.group.cells);
    free(world.group.sums);
}

/* What a reader missed before the list grew is gone, though the longer one has room for it. */
static void test_gone_when_it_grows(void **state)
{
    struct world world = {.seed = 5, .version = 1};
    uint64_t seen;
    uint32_t size;
    (void)state;

    for (int i = 0; i < 1023; i++)
        add_cell(&world);
    seen = group_changes_mark(&world.group);
    world.version++;
    for (uint32_t place = 0; !group_changes_gone(&world.group, seen); place++)
        change(&world, place);
    assert_true(world.group.log->count > world.group.log->mask);
    size = world.group.log->mask + 1;
    while (world.group.log->mask + 1 == size)
        add_cell(&world);
    assert_true(world.group.log->count - seen <= world.group.log->mask + 1);
    assert_true(group_changes_gone(&world.group, seen));
    assert_false(group_changes_gone(&world.group, world.group.log->count - size));
    group_changes_forget(&world.group);
    free(world.group.cells);
    free(world.group.sums);
}

/* A cell is listed once between two looks, however often it sells. */
static void test_listed_once(void **state)
{
    struct world world = {.seed = 4, .version = 1};
    uint64_t seen;
    (void)state;

    add_cell(&world);
    seen = group_changes_mark(&world.group);
    for (int i = 0; i < 1000; i++) {
        world.version++;
        change(&world, 0);
    }
    assert_int_equal(world.group.log->count, seen + 1);
    group_changes_forget(&world.group);
    free(world.group.cells);
    free(world.group.sums);
}

static uint32_t roll_below(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

/* Every watched group that changed, each once, and none that nobody watches any more. */
static void test_groups_listed(void **state)
{
    struct board_options options = {.calendar = {480}, .max_cells = 1000};
    struct board *board = board_new(&options);
    bool watched[GROUPS] = {false};
    bool changed[GROUPS] = {false};
    uint64_t seed = 5;
    (void)state;

    for (int step = 0; step < 20000; step++) {
        uint32_t at = roll_below(&seed, GROUPS);
        struct group_key key = {ROLLUP_HOST_PRODUCT, PERIOD_ALL, 0, at + 1};
        struct group *group = board_open(board, key);

        if (roll_below(&seed, 3) == 0) {
            (watched[at] ? board_unwatch : board_watch)(board, key);
            watched[at] = !watched[at];
            changed[at] = false;
        } else {
            group_cell_changed(board, group, group_cell_open(board, group, 1), 1);
            changed[at] = watched[at];
        }
        if (roll_below(&seed, 200) > 0)
            continue;
        while ((group = board_changed_next(board))) {
            assert_true(changed[group->key.first - 1]);
            changed[group->key.first - 1] = false;
        }
        for (int i = 0; i < GROUPS; i++)
            assert_false(changed[i]);
    }
    assert_true(board->changed_capacity <= 2 * GROUPS);
    board_free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_gone_when_it_grows),
        cmocka_unit_test(test_listed_once),
        cmocka_unit_test(test_groups_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
