/*
 * The filter of ids: what was added is always found, few others are, and its bound holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/id_table.h"
#include "livetally/id_filter.h"

#define MANY UINT64_C(1000000000)

/* Order ids as platforms number them: a long prefix that is the same, then a counter. */
static uint64_t hash_of(uint64_t seed, const char *kind, uint64_t number)
{
    char id[64];
    int size = snprintf(id, sizeof id, "%s69170000%011llu", kind, (unsigned long long)number);
    return id_hash(seed, (struct slice){id, (size_t)size});
}

static void add_all(struct id_filter *filter, uint64_t seed, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++) {
        id_filter_prefetch(filter, hash_of(seed, "", i));
        (void)id_filter_add(filter, hash_of(seed, "", i));
    }
}

static void assert_all_there(const struct id_filter *filter, uint64_t seed, uint64_t end)
{
    for (uint64_t i = 0; i < end; i++)
        if (!id_filter_may_have(filter, hash_of(seed, "", i)))
            fail_msg("id %llu was added and is not there", (unsigned long long)i);
}

/* Of those never added, how many in 100,000 seem to be there. */
static uint32_t false_ones(const struct id_filter *filter, uint64_t seed)
{
    uint32_t count = 0;
    for (uint64_t i = 0; i < 50000; i++) {
        count += id_filter_may_have(filter, hash_of(seed, "", MANY + i)); /* next in line */
        count += id_filter_may_have(filter, hash_of(seed, "x-", i));
    }
    return count;
}

static void test_empty(void **state)
{
    (void)state;
    struct id_filter *filter = id_filter_new(0, MANY);
    assert_int_equal(0, false_ones(filter, 1));
    assert_int_equal(0, id_filter_count(filter));
    assert_false(id_filter_is_full(filter));
    id_filter_free(filter);
    id_filter_free(NULL);
}

static void test_whatever_was_added_is_there(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct id_filter *filter = id_filter_new(0, MANY);
        uint64_t count = 0;
        for (uint64_t step = 1; step < 8; step++) {
            uint64_t end = count + step * step * 1500 * seed;
            add_all(filter, seed, count, end);
            count = end;
            assert_all_there(filter, seed, count);
        }
        assert_true(id_filter_count(filter) <= count);
        assert_true(id_filter_count(filter) > count - count / 100);
        id_filter_free(filter);
    }
}

/* Grown through several layers, and made for as many as came. */
static void test_few_others_seem_to_be_there(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {60000, 65536, 327680, 800000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct id_filter *grown = id_filter_new(0, MANY), *made = id_filter_new(sizes[i], MANY);
        add_all(grown, i, 0, sizes[i]);
        add_all(made, i, 0, sizes[i]);
        uint32_t of_grown = false_ones(grown, i), of_made = false_ones(made, i);
        print_message("%llu ids: %u of 100,000 others when grown, %u when made for them; "
                      "%.2f bytes an id\n",
                      (unsigned long long)sizes[i], of_grown, of_made,
                      (double)id_filter_memory_bytes(made) / (double)sizes[i]);
        assert_true(of_grown < 1000);
        assert_true(of_made < 300);
        assert_true(sizes[i] < 65536 || id_filter_memory_bytes(made) < sizes[i] * 21 / 10);
        id_filter_free(grown);
        id_filter_free(made);
    }
}

static void test_adding_tells_what_was_there(void **state)
{
    (void)state;
    struct id_filter *filter = id_filter_new(0, MANY);
    assert_false(id_filter_add(filter, hash_of(1, "", 1)));
    assert_true(id_filter_add(filter, hash_of(1, "", 1)));
    assert_int_equal(1, id_filter_count(filter));
    id_filter_free(filter);
}

static void test_beyond_the_bound_all_may_be_there(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1, 1000, 65536, 65537, 200000};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        struct id_filter *filter = id_filter_new(0, bounds[i]);
        uint64_t next = 0;
        for (; id_filter_count(filter) < bounds[i]; next++)
            add_all(filter, 1, next, next + 1);
        assert_false(id_filter_is_full(filter));
        assert_all_there(filter, 1, next);
        assert_true(id_filter_memory_bytes(filter) < bounds[i] * 2 + 1024);
        add_all(filter, 1, next, next + 10000);
        assert_true(id_filter_is_full(filter));
        assert_int_equal(100000, false_ones(filter, 1));
        assert_true(id_filter_memory_bytes(filter) < 1024);
        id_filter_free(filter);
    }
}

static void test_no_room_at_all(void **state)
{
    (void)state;
    struct id_filter *none = id_filter_new(0, 0), *too_few = id_filter_new(1001, 1000);
    assert_true(id_filter_is_full(none) && id_filter_is_full(too_few));
    assert_true(id_filter_may_have(none, 1) && id_filter_add(too_few, 1));
    id_filter_free(none);
    id_filter_free(too_few);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_whatever_was_added_is_there),
        cmocka_unit_test(test_few_others_seem_to_be_there),
        cmocka_unit_test(test_adding_tells_what_was_there),
        cmocka_unit_test(test_beyond_the_bound_all_may_be_there),
        cmocka_unit_test(test_no_room_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
