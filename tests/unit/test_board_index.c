/*
 * The index from keys to places, against a plain array: keys that come, move and go while the index
 * grows, at once when it is small and bit by bit when it is large.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/board_private.h"
#include "livetally/mem.h"
#include "seeds.h"

#define KEYS  120000u
#define SEEDS 4u

struct world {
    uint64_t seed;
    struct cell_index index;
    uint32_t *places; /* by key, plus 1; 0: it isn't there */
    uint32_t used;
    uint32_t growing; /* steps in which it was */
};

static uint32_t below(struct world *world, uint32_t bound)
{
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 7;
    world->seed ^= world->seed << 17;
    return (uint32_t)(world->seed >> 33) % bound;
}

/* Far apart, and many that share their lower bits. */
static uint32_t key_of(uint32_t number)
{
    return number % 3 == 0 ? number * 65536u + number / 65536 : number;
}

static void check(const struct world *world, uint32_t number)
{
    uint32_t place = cell_index_find(&world->index, key_of(number));
    assert_int_equal(place, world->places[number] - 1);
}

static void change(struct world *world, uint32_t number)
{
    uint32_t *place = &world->places[number];

    if (*place == 0) {
        *place = 1 + below(world, KEYS);
        cell_index_insert(&world->index, key_of(number), *place - 1);
        world->used++;
    } else if (below(world, 1000) == 0) {
        *place = 1 + below(world, KEYS);
        cell_index_move(&world->index, key_of(number), *place - 1);
    } else if (below(world, 1000) == 0) {
        cell_index_remove(&world->index, key_of(number));
        *place = 0;
        world->used--;
    }
    assert_int_equal(world->index.used, world->used);
    world->growing += world->index.old != NULL;
}

static void empty(struct world *world)
{
    for (uint32_t number = 0; number < KEYS; number++) {
        if (world->places[number] == 0)
            continue;
        cell_index_remove(&world->index, key_of(number));
        world->places[number] = 0;
    }
    world->used = 0;
    cell_index_shrink(&world->index);
    assert_int_equal(cell_index_bytes(&world->index), 8 * sizeof(struct cell_slot));
}

static void every_key_is_found(void **state)
{
    struct world world = {.places = mem_zalloc(KEYS * sizeof(uint32_t))};

    (void)state;
    for (uint64_t seed = first_seed(), end = seed + SEEDS; seed < end; seed++) {
        world.seed = seed * UINT64_C(0x9e3779b97f4a7c15);
        cell_index_init(&world.index);
        if (seed % 2 == 0)
            cell_index_reserve(&world.index, KEYS / 10);
        for (uint32_t step = 0; step < 2 * KEYS; step++) {
            change(&world, below(&world, KEYS));
            check(&world, below(&world, KEYS));
        }
        for (uint32_t number = 0; number < KEYS; number++)
            check(&world, number);
        empty(&world);
        cell_index_done(&world.index);
    }
    assert_true(world.growing > KEYS / 10);
    free(world.places);
}

/* Each insert copies a few slots, so that none of them takes long. */
static void a_large_one_grows_bit_by_bit(void **state)
{
    struct cell_index index;
    uint32_t key = 0;

    (void)state;
    cell_index_init(&index);
    for (; index.mask < 16384 || index.old == NULL; key++)
        cell_index_insert(&index, key, key);
    for (uint32_t next = index.old_next; index.old != NULL; next = index.old_next) {
        cell_index_insert(&index, key, key);
        assert_in_range(index.old_next - next, 1, 4);
        assert_int_equal(cell_index_find(&index, 0), 0);
        assert_int_equal(cell_index_find(&index, key), key);
        assert_int_equal(cell_index_find(&index, ++key), PLACE_NONE);
    }
    assert_in_range(key, 11000, 20000); /* long before it is full again */
    cell_index_done(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_found),
        cmocka_unit_test(a_large_one_grows_bit_by_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
