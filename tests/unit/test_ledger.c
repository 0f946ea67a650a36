/*
 * The ledger cache and the hash index under it, against plain arrays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/id_table.h"
#include "livetally/ledger.h"

#define IDS 3000

static uint64_t random_state = 7;

static uint32_t random_below(uint32_t below)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33) % below;
}

static char ids[IDS][24];

static struct slice id_at(const void *array, uint32_t place)
{
    return slice_of((const char *)array + (size_t)place * sizeof ids[0]);
}

static int make_ids(void **state)
{
    (void)state;
    for (int i = 0; i < IDS; i++)
        snprintf(ids[i], sizeof ids[i], "%d%.*s", i, i % 13, "-douyin:6917");
    return 0;
}

static void test_id_table_random(void **state)
{
    (void)state;
    struct id_table table;
    bool present[IDS] = {false};
    uint32_t count = 0;
    id_table_init(&table, 3);
    for (int step = 0; step < 60000; step++) {
        uint32_t i = random_below(IDS), hash = id_table_hash(&table, slice_of(ids[i]));
        uint32_t found = id_table_find(&table, hash, slice_of(ids[i]), id_at, ids);
        assert_int_equal(present[i] ? i : ID_TABLE_NONE, found);
        if (!present[i]) {
            id_table_insert(&table, hash, i);
            count++;
        } else if (random_below(2)) {
            id_table_remove(&table, hash, i);
            count--;
        } else {
            continue;
        }
        present[i] = !present[i];
        assert_int_equal(count, table.used);
    }
    for (uint32_t i = 0; i < IDS; i++)
        assert_int_equal(present[i] ? i : ID_TABLE_NONE,
                         id_table_find(&table, id_table_hash(&table, slice_of(ids[i])),
                                       slice_of(ids[i]), id_at, ids));
    id_table_clear(&table);
    assert_int_equal(ID_TABLE_NONE, id_table_find(&table, id_table_hash(&table, slice_of(ids[0])),
                                                  slice_of(ids[0]), id_at, ids));
    id_table_done(&table);
}

static void test_ledger_keeps_what_it_learnt(void **state)
{
    (void)state;
    struct ledger *ledger = ledger_new(0, 5);
    char last[IDS][40] = {{0}};
    for (int step = 0; step < 50000; step++) {
        uint32_t i = random_below(IDS);
        enum record_place place;
        struct slice bytes;
        bool known = ledger_find(ledger, slice_of(ids[i]), &place, &bytes);
        assert_int_equal(known, last[i][0] != '\0');
        if (known && place != PLACE_NOWHERE)
            assert_true(slice_equal(bytes, slice_of(last[i])));
        snprintf(last[i], sizeof last[i], "%0*d", 1 + (int)random_below(30), step);
        ledger_learn(ledger, slice_of(ids[i]), PLACE_CURRENT, slice_of(last[i]));
    }
    assert_true(ledger_count(ledger) <= IDS);
    ledger_free(ledger);
}

static void test_ledger_forgets_the_oldest(void **state)
{
    (void)state;
    struct ledger *ledger = ledger_new(LEDGER_RECORDS_MIN, 5);
    char id[24];
    for (int i = 0; i < LEDGER_RECORDS_MIN + 10; i++) {
        snprintf(id, sizeof id, "order-%d", i);
        ledger_learn(ledger, slice_of(id), PLACE_PREVIOUS, slice_of(id));
    }
    assert_int_equal(LEDGER_RECORDS_MIN, ledger_count(ledger));
    enum record_place place;
    struct slice bytes;
    assert_false(ledger_find(ledger, SLICE("order-9"), &place, &bytes));
    assert_true(ledger_find(ledger, SLICE("order-10"), &place, &bytes));
    assert_int_equal(PLACE_PREVIOUS, place);
    assert_true(slice_equal(bytes, SLICE("order-10")));
    ledger_learn(ledger, SLICE("order-10"), PLACE_NOWHERE, (struct slice){NULL, 0});
    assert_true(ledger_find(ledger, SLICE("order-10"), &place, &bytes));
    assert_int_equal(PLACE_NOWHERE, place);
    ledger_clear(ledger);
    assert_int_equal(0, ledger_count(ledger));
    assert_false(ledger_find(ledger, SLICE("order-10"), &place, &bytes));
    ledger_free(ledger);
}

/* Memory is what the entries hold: no more, no less, however they change. */
static void test_ledger_knows_its_memory(void **state)
{
    (void)state;
    struct ledger *ledger = ledger_new(0, 5);
    char bytes[64] = {0};
    ledger_learn(ledger, slice_of(ids[0]), PLACE_NOWHERE, (struct slice){NULL, 0});
    size_t least = ledger_memory_bytes(ledger);
    ledger_learn(ledger, slice_of(ids[0]), PLACE_CURRENT, (struct slice){bytes, sizeof bytes});
    size_t grown = ledger_memory_bytes(ledger);
    assert_int_equal(grown - least, sizeof bytes);
    ledger_learn(ledger, slice_of(ids[0]), PLACE_CURRENT, (struct slice){bytes, 1});
    assert_int_equal(ledger_memory_bytes(ledger), grown); /* the room is kept */
    ledger_clear(ledger);
    ledger_learn(ledger, slice_of(ids[0]), PLACE_NOWHERE, (struct slice){NULL, 0});
    assert_int_equal(ledger_memory_bytes(ledger), least);
    ledger_free(ledger);
}

/* Records of many refunds: fewer are kept, the newest. */
static void test_ledger_memory_is_bounded(void **state)
{
    (void)state;
    const uint32_t max = 250000, large = 10000;
    struct ledger *ledger = ledger_new(max, 5);
    size_t empty = ledger_memory_bytes(ledger), bound = (size_t)max * LEDGER_RECORD_BYTES;
    char *record = calloc(1, large);
    char id[24];
    enum record_place place;
    struct slice bytes;
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof id, "order-%d", i);
        ledger_learn(ledger, slice_of(id), PLACE_CURRENT, (struct slice){record, large});
        snprintf(id, sizeof id, "order-%d", i - LEDGER_RECORDS_MIN + 1);
        assert_int_equal(i >= LEDGER_RECORDS_MIN - 1,
                         ledger_find(ledger, slice_of(id), &place, &bytes));
    }
    assert_true(ledger_memory_bytes(ledger) - empty < bound + 2 * 1024 * 1024);
    assert_true(ledger_count(ledger) > bound / large - 100);
    for (uint32_t i = 0; i < 2 * max; i++) {
        snprintf(id, sizeof id, "small-%u", i);
        ledger_learn(ledger, slice_of(id), PLACE_CURRENT, slice_of(id));
        assert_true(ledger_find(ledger, slice_of(id), &place, &bytes));
        assert_true(slice_equal(bytes, slice_of(id)));
    }
    assert_true(ledger_count(ledger) <= max);
    snprintf(id, sizeof id, "small-%u", 2 * max - LEDGER_RECORDS_MIN);
    assert_true(ledger_find(ledger, slice_of(id), &place, &bytes));
    /* Larger than all that may be kept, which only a hand can have written. */
    free(record);
    record = calloc(1, bound + 1);
    ledger_learn(ledger, SLICE("huge"), PLACE_CURRENT, (struct slice){record, bound + 1});
    assert_true(ledger_find(ledger, SLICE("huge"), &place, &bytes));
    assert_int_equal(bytes.size, bound + 1);
    ledger_learn(ledger, SLICE("next"), PLACE_CURRENT, SLICE("n"));
    assert_true(ledger_find(ledger, SLICE("next"), &place, &bytes));
    assert_false(ledger_find(ledger, SLICE("huge"), &place, &bytes));
    free(record);
    ledger_free(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_table_random),
        cmocka_unit_test(test_ledger_keeps_what_it_learnt),
        cmocka_unit_test(test_ledger_forgets_the_oldest),
        cmocka_unit_test(test_ledger_knows_its_memory),
        cmocka_unit_test(test_ledger_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, make_ids, NULL);
}
