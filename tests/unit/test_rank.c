/* Incremental ranking against a full sort, with falling net, ties and new cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/core/board_private.h"
#include "../../src/core/rank.h"
#include "livetally/mem.h"
#include "seeds.h"

struct world {
    uint64_t seed;
    uint64_t version;
    struct names *names;
    struct board board;
    struct group group;
    bool codes;
};

static uint32_t roll(struct world *world, uint32_t below)
{
    world->seed = world->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(world->seed >> 33) % below;
}

static void add_cell(struct world *world)
{
    struct group *group = &world->group;
    struct cell *cell;
    char id[32];
    int size;

    group->cells = mem_resize(group->cells, group->cell_count + 1, sizeof(*group->cells));
    group->sums = mem_resize(group->sums, group->cell_count + 1, sizeof(*group->sums));
    group->sums[group->cell_count] = (struct metrics){{0}};
    cell = &group->cells[group->cell_count];
    memset(cell, 0, sizeof(*cell));
    if (world->codes) {
        cell->key = (11 + group->cell_count % 60) * 10000 + 101 + group->cell_count / 60;
    } else {
        size = snprintf(id, sizeof(id), "%x-%u", roll(world, 1000), group->cell_count);
        cell->key = names_intern(world->names, (struct slice){id, (size_t)size});
    }
    group->cell_count++;
}

static void sell(struct world *world, uint32_t place, bool refund)
{
    struct metrics *sum = &world->group.sums[place];
    int64_t amount = roll(world, 4);

    if (refund) {
        if (metrics_net(sum) >= amount)
            sum->v[METRIC_REFUNDED] += amount;
    } else {
        sum->v[METRIC_ORDERS]++;
        sum->v[METRIC_UNITS] += 1 + roll(world, 3);
        sum->v[METRIC_GROSS] += amount;
    }
    group_cell_changed(&world->board, &world->group, &world->group.cells[place], world->version);
}

static const struct world *sort_world;
static enum board_by sort_by;

static int slow_compare(const void *a, const void *b)
{
    const struct cell *left = *(const struct cell *const *)a;
    const struct cell *right = *(const struct cell *const *)b;
    const struct group *group = &sort_world->group;
    int64_t x = rank_value(&group->sums[left - group->cells], sort_by);
    int64_t y = rank_value(&group->sums[right - group->cells], sort_by);

    if (x != y)
        return x > y ? -1 : 1;
    if (sort_world->codes)
        return left->key < right->key ? -1 : 1;
    return slice_compare(names_text(sort_world->names, left->key),
                         names_text(sort_world->names, right->key));
}

static void check(const struct world *world, const struct rank *rank, uint64_t seed)
{
    const struct cell **sorted =
        mem_resize(NULL, world->group.cell_count, sizeof(const struct cell *));
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->group.cell_count; i++) {
        if (rank->province == 0 || world->group.cells[i].key / 10000 == rank->province)
            sorted[count++] = &world->group.cells[i];
    }
    sort_world = world;
    sort_by = rank->by;
    if (count)
        qsort(sorted, count, sizeof(*sorted), slow_compare);
    if (rank->matching != count)
        fail_msg("seed %llu: of %u, not %u", (unsigned long long)seed, rank->matching, count);
    if (rank->top != (count < rank->wanted ? count : rank->wanted))
        fail_msg("seed %llu: %u rows", (unsigned long long)seed, rank->top);
    for (uint32_t i = 0; i < rank->top; i++) {
        if (&world->group.cells[rank->entries[i].place] != sorted[i])
            fail_msg("seed %llu: row %u differs", (unsigned long long)seed, i);
    }
    free(sorted);
}

/* What the rows of a result show. */
struct shown {
    uint32_t top;
    uint32_t places[31];
    struct metrics sums[31];
};

_Static_assert(sizeof(struct shown) == 128 + sizeof(struct metrics[31]), "compared by bytes");

static struct shown shown_by(const struct world *world, const struct rank *rank)
{
    struct shown shown = {.top = rank->top};

    for (uint32_t i = 0; i < rank->top; i++) {
        shown.places[i] = rank->entries[i].place;
        shown.sums[i] = world->group.sums[shown.places[i]];
    }
    return shown;
}

static void refresh(struct world *world, struct rank *rank, struct shown *last, uint64_t seed)
{
    bool changed = rank_refresh(rank, &world->group, world->version);
    struct shown shown = shown_by(world, rank);

    check(world, rank, seed);
    if (!changed && memcmp(&shown, last, sizeof(shown)) != 0)
        fail_msg("seed %llu: rows changed and nobody was told", (unsigned long long)seed);
    *last = shown;
}

static void run(uint64_t seed, bool codes)
{
    struct world world = {.seed = seed, .version = 1, .names = names_new(), .codes = codes};
    struct rank ranks[BOARD_BY_COUNT + 1];
    struct shown shown[BOARD_BY_COUNT + 1] = {{.top = 0}};
    uint32_t wanted = 1 + roll(&world, 30);
    uint32_t churn = 1 + roll(&world, 200);

    for (int by = 0; by <= BOARD_BY_COUNT; by++) {
        rank_init(&ranks[by], by == BOARD_BY_COUNT ? BOARD_BY_NET : (enum board_by)by, wanted,
                  codes && by == BOARD_BY_COUNT ? 13 : 0, codes ? NULL : world.names);
    }
    for (int step = 0; step < 120; step++) {
        bool refunds = roll(&world, 3) == 0;

        world.version++;
        for (uint32_t i = roll(&world, step == 0 ? 900 : 6); i > 0; i--)
            add_cell(&world);
        for (uint32_t i = roll(&world, churn); i > 0 && world.group.cell_count; i--) {
            uint32_t place = roll(&world, world.group.cell_count);

            /* Refunds hit the best ones, so that the candidates are used up. */
            if (refunds && ranks[BOARD_BY_NET].top)
                place = ranks[BOARD_BY_NET].entries[roll(&world, ranks[BOARD_BY_NET].top)].place;
            sell(&world, place, refunds);
        }
        if (roll(&world, 50) == 0)
            world.group.reloaded = world.version;
        for (int by = 0; by <= BOARD_BY_COUNT; by++) {
            if (roll(&world, 4) == 0)
                continue;
            refresh(&world, &ranks[by], &shown[by], seed);
        }
    }
    for (int by = 0; by <= BOARD_BY_COUNT; by++)
        rank_done(&ranks[by]);
    group_changes_forget(&world.group);
    free(world.group.cells);
    free(world.group.sums);
    names_free(world.names);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(), end = seed + 120; seed < end; seed++)
        run(seed, seed % 3 == 0);
}

/* After a refresh without changes nothing is looked at again: the candidates keep their floor. */
static void test_stays_incremental(void **state)
{
    struct world world = {.seed = 5, .version = 1, .names = names_new()};
    struct rank rank;
    struct rank_entry floor;
    (void)state;

    rank_init(&rank, BOARD_BY_GROSS, 10, 0, world.names);
    for (int i = 0; i < 5000; i++) {
        add_cell(&world);
        world.group.sums[i].v[METRIC_GROSS] = 1000 + i;
        world.group.cells[i].changed = 1;
    }
    rank_refresh(&rank, &world.group, world.version);
    check(&world, &rank, 5);
    assert_true(rank.has_floor);
    floor = rank.floor;
    for (int i = 0; i < 1000; i++) {
        world.version++;
        world.group.sums[i].v[METRIC_GROSS]++;
        world.group.cells[i].changed = world.version;
        rank_refresh(&rank, &world.group, world.version);
    }
    check(&world, &rank, 5);
    assert_memory_equal(&floor, &rank.floor, sizeof(floor));
    rank_done(&rank);
    group_changes_forget(&world.group);
    free(world.group.cells);
    free(world.group.sums);
    names_free(world.names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_stays_incremental),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
