/*
 * The census: marking the facts of an entry at once counts what marking each of their values does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "livetally/batch.h"

static const uint32_t max[DIMENSION_COUNT] = {0, 10, 10, 10, 10, 10};

static uint32_t below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % bound;
}

static void mark_each(struct census *census, const struct fact *fact)
{
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++)
        if (fact_dimension(fact, (enum dimension)d) != 0)
            census_mark(census, (enum dimension)d, fact_dimension(fact, (enum dimension)d));
}

static void facts_are_marked_as_their_values(void **state)
{
    (void)state;
    struct census *census = census_new(max);
    struct census *model = census_new(max);
    uint64_t seed = 7;

    census_mark_facts(census, NULL, 0);
    for (uint32_t round = 0; round < 2000; round++) {
        struct fact facts[5];
        uint32_t ids = 10 + round * round / 400; /* ever more, so that there has to be room */
        for (uint32_t i = 0; i < 5; i++)
            facts[i] = (struct fact){.host = 1 + below(&seed, ids),
                                     .product = 1 + below(&seed, ids),
                                     .session = below(&seed, 3) ? below(&seed, ids) : 0,
                                     .platform = below(&seed, 3) ? below(&seed, ids) : 0,
                                     .county = 110101 + below(&seed, 99)};
        census_mark_facts(census, facts, below(&seed, 6));
        census_mark_facts(census, facts, 5);
        for (uint32_t i = 0; i < 5; i++)
            mark_each(model, &facts[i]);
        assert_memory_equal(census->counts, model->counts, sizeof(model->counts));
        assert_int_equal(census->capacity, model->capacity);
        if (model->capacity)
            assert_memory_equal(census->dimensions, model->dimensions, model->capacity);
        assert_memory_equal(census->county_seen, model->county_seen, sizeof(model->county_seen));
        assert_false(census_seen(census, DIMENSION_SESSION, 0));
        if (below(&seed, 500) == 0) {
            census_clear(census);
            census_clear(model);
        }
    }
    assert_true(census_full(census, DIMENSION_HOST));
    census_free(census);
    census_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_marked_as_their_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
