/*
 * Feed entries: read back as written, in one spelling only, and nothing else is read at all.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "feed_model.h"
#include "livetally/catalog.h"
#include "livetally/error.h"
#include "livetally/event.h"
#include "livetally/fact.h"
#include "livetally/mem.h"

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static uint32_t below(uint64_t *seed, uint32_t bound)
{
    return (uint32_t)(next_random(seed) >> 33) % bound;
}

static uint32_t some_id(struct names *names, const char *kind, uint32_t n)
{
    char text[ID_MAX_BYTES];
    int size = snprintf(text, sizeof(text), "%s:%u", kind, n);
    return names_intern(names, (struct slice){text, (size_t)size});
}

static struct fact some_fact(uint64_t *seed, struct names *names)
{
    struct fact fact = {
        .kind = below(seed, 4) == 0 ? FACT_REFUND : FACT_ORDER,
        .host = some_id(names, "h", below(seed, 50)),
        .product = some_id(names, "p", below(seed, 500)),
        .session = below(seed, 3) ? some_id(names, "s", below(seed, 50)) : 0,
        .platform = below(seed, 3) ? some_id(names, "f", below(seed, 3)) : 0,
        .county = 422800 + 1 + below(seed, 90),
        .quantity = 1 + below(seed, ORDER_QUANTITY_MAX),
        .amount = 1 + (int64_t)(next_random(seed) % ORDER_AMOUNT_MAX),
        .time_ms = (int64_t)(next_random(seed) % (TIME_MAX_MS + 1)),
    };
    return fact;
}

static void assert_same_facts(const struct fact *a, const struct fact *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(a[i].kind, b[i].kind);
        assert_int_equal(a[i].host, b[i].host);
        assert_int_equal(a[i].product, b[i].product);
        assert_int_equal(a[i].session, b[i].session);
        assert_int_equal(a[i].platform, b[i].platform);
        assert_int_equal(a[i].county, b[i].county);
        assert_int_equal(a[i].quantity, b[i].quantity);
        assert_int_equal(a[i].amount, b[i].amount);
        assert_int_equal(a[i].time_ms, b[i].time_ms);
    }
}

/* The bytes of one entry, written and read with fresh names, so that numbers differ. */
static void assert_round_trip(struct names *names, const struct feed_entry *entry)
{
    struct buffer bytes = BUFFER_INIT;
    struct buffer again = BUFFER_INIT;
    struct feed_reader reader;
    struct names *other = names_new();

    feed_reader_init(&reader);
    buffer_append_text(&bytes, "in front");
    feed_entry_encode(&bytes, names, entry);
    buffer_consume(&bytes, 8);
    assert_int_equal(feed_reader_decode(&reader, names, buffer_slice(&bytes)), 0);
    assert_true(reader.entry.token == entry->token);
    assert_int_equal(reader.entry.fact_count, entry->fact_count);
    assert_same_facts(reader.entry.facts, entry->facts, entry->fact_count);
    assert_int_equal(reader.entry.catalog_count, entry->catalog_count);
    for (uint32_t i = 0; i < entry->catalog_count; i++) {
        assert_int_equal(reader.entry.catalog[i].kind, entry->catalog[i].kind);
        assert_true(slice_equal(reader.entry.catalog[i].id, entry->catalog[i].id));
        assert_true(slice_equal(reader.entry.catalog[i].json, entry->catalog[i].json));
    }
    names_intern(other, SLICE("somebody else"));
    assert_int_equal(feed_reader_decode(&reader, other, buffer_slice(&bytes)), 0);
    feed_entry_encode(&again, other, &reader.entry);
    assert_true(slice_equal(buffer_slice(&bytes), buffer_slice(&again)));
    buffer_done(&bytes);
    buffer_done(&again);
    feed_reader_done(&reader);
    names_free(other);
}

static void entries_read_back(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 2, 3, 17, 256, 5000};
    uint64_t seed = 20261122;
    struct names *names = names_new();
    struct fact_catalog catalog[2] = {
        {CATALOG_HOST, SLICE("h:1"), SLICE("{\"time\":1}")},
        {CATALOG_SESSION, SLICE("s:1"), SLICE("{\"time\":2,\"title\":\"x\"}")},
    };

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct fact *facts = mem_zalloc(sizeof(*facts) * (counts[i] + 1));
        struct feed_entry entry = {.token = next_random(&seed),
                                   .facts = facts,
                                   .fact_count = counts[i],
                                   .catalog = catalog,
                                   .catalog_count = (uint32_t)i % 3};
        for (uint32_t k = 0; k < counts[i]; k++)
            facts[k] = some_fact(&seed, names);
        assert_round_trip(names, &entry);
        free(facts);
    }
    names_free(names);
}

static void extremes_read_back(void **state)
{
    (void)state;
    struct names *names = names_new();
    uint32_t a = names_intern(names, SLICE("a"));
    uint32_t b = names_intern(names, SLICE("b"));
    const struct fact facts[] = {
        {FACT_ORDER, a, b, 0, 0, 110101, 1, 0, TIME_MAX_MS},
        {FACT_ORDER, b, a, a, b, 820101, ORDER_QUANTITY_MAX, ORDER_AMOUNT_MAX, 0},
        {FACT_REFUND, a, a, a, a, 422828, 0, 1, TIME_MAX_MS},
    };
    const struct feed_entry entry = {.token = UINT64_MAX, .facts = facts, .fact_count = 3};

    assert_round_trip(names, &entry);
    names_free(names);
}

/* Writes one entry that may break a rule, and expects it to be refused: by who knows none of its
 * ids, since names knows good ones only. */
static void assert_refused(struct names *names, struct fact fact, struct fact_catalog change)
{
    struct buffer bytes = BUFFER_INIT;
    struct feed_reader reader;
    struct names *others = names_new();
    const struct feed_entry entry = {
        .token = 1, .facts = &fact, .fact_count = 1, .catalog = &change, .catalog_count = 1};

    feed_reader_init(&reader);
    feed_entry_encode(&bytes, names, &entry);
    assert_int_equal(feed_reader_decode(&reader, others, buffer_slice(&bytes)), ERROR_CORRUPT);
    assert_int_equal(reader.entry.fact_count, 0);
    assert_null(reader.entry.facts);
    feed_reader_done(&reader);
    buffer_done(&bytes);
    names_free(others);
}

static void values_out_of_range_are_refused(void **state)
{
    (void)state;
    struct names *names = names_new();
    uint32_t a = names_intern(names, SLICE("a"));
    uint32_t bad_id = names_intern(names, SLICE("a b"));
    char long_text[CATALOG_JSON_MAX_BYTES + 1];
    const struct fact good = {FACT_ORDER, a, a, 0, 0, 422828, 1, 1, 1764547200000};
    const struct fact_catalog named = {CATALOG_HOST, SLICE("h"), SLICE("{\"time\":1}")};
    struct fact fact;
    struct fact_catalog change;

    memset(long_text, ' ', sizeof(long_text));
#define REFUSE(field, value)                                                                       \
    do {                                                                                           \
        fact = good;                                                                               \
        fact.field = (value);                                                                      \
        assert_refused(names, fact, named);                                                        \
    } while (0)
    REFUSE(kind, 2);
    REFUSE(host, 0);
    REFUSE(product, 0);
    REFUSE(host, bad_id);
    REFUSE(county, 0);
    REFUSE(county, 422800);
    REFUSE(county, 992828);
    REFUSE(county, 1422828);
    REFUSE(quantity, 0);
    REFUSE(quantity, ORDER_QUANTITY_MAX + 1);
    REFUSE(quantity, -1);
    REFUSE(amount, ORDER_AMOUNT_MAX + 1);
    REFUSE(amount, -1);
    REFUSE(time_ms, TIME_MAX_MS + 1);
    REFUSE(time_ms, -1);
#undef REFUSE
    fact = good;
    fact.kind = FACT_REFUND;
    fact.amount = 0;
    assert_refused(names, fact, named);
#define REFUSE(field, value)                                                                       \
    do {                                                                                           \
        change = named;                                                                            \
        change.field = (value);                                                                    \
        assert_refused(names, good, change);                                                       \
    } while (0)
    REFUSE(kind, CATALOG_KIND_COUNT);
    REFUSE(id, SLICE(""));
    REFUSE(id, SLICE("a b"));
    REFUSE(json, SLICE(""));
    REFUSE(json, ((struct slice){long_text, sizeof(long_text)}));
#undef REFUSE
    names_free(names);
}

static void other_spellings_are_refused(void **state)
{
    (void)state;
    /* version, token, base, strings, facts, catalog: small enough to write by hand */
    static const struct {
        const char *bytes;
        size_t size;
        int expected;
    } cases[] = {
        {"\1\0\0\0\0\0", 6, 0},
        {"\2\0\0\0\0\0", 6, ERROR_CORRUPT},               /* unknown version */
        {"\1\0\0\0\0\0\0", 7, ERROR_CORRUPT},             /* something after it */
        {"\1\x80\0\0\0\0\0", 7, ERROR_CORRUPT},           /* zero in two bytes */
        {"\1\0\1\0\0\0", 6, ERROR_CORRUPT},               /* a base time without facts */
        {"\1\0\0\1\1a\0\0", 8, ERROR_CORRUPT},            /* an id that nothing uses */
        {"\1\0\0\xff\xff\xff\x7f\0\0", 9, ERROR_CORRUPT}, /* more ids than bytes */
        {"\1\0\0\0\xff\xff\xff\x7f\0", 9, ERROR_CORRUPT},
        {"\1\0\0\0\0\xff\xff\xff\x7f", 9, ERROR_CORRUPT},
        {"\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\2\0\0\0\0", 15, ERROR_CORRUPT}, /* over 64 bits */
        {"\1\0\0\1\1a\1\0\1\xac\xe7\x19\1\0\0\1\1\0\0", 19, 0},
        {"\1\0\0\1\1a\1\0\1\xac\xe7\x19\2\0\0\1\1\0\0", 19, ERROR_CORRUPT}, /* an id that isn't */
        {"\1\0\0\1\1a\1\0\1\xac\xe7\x19\1\0\0\1\1\2\0", 19, ERROR_CORRUPT}, /* base is the first */
        {"\1\0\0\2\1a\1b\1\0\1\xac\xe7\x19\2\0\0\1\1\0\0", 21, 0},
        {"\1\0\0\2\1a\1b\1\0\2\xac\xe7\x19\1\0\0\1\1\0\0", 21, ERROR_CORRUPT}, /* out of order */
        {"\1\0\0\2\1a\1a\1\0\1\xac\xe7\x19\2\0\0\1\1\0\0", 21, ERROR_CORRUPT}, /* an id twice */
    };
    struct names *names = names_new();
    struct feed_reader reader;

    feed_reader_init(&reader);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int result =
            feed_reader_decode(&reader, names, (struct slice){cases[i].bytes, cases[i].size});
        if (result != cases[i].expected)
            fail_msg("case %zu: %d", i, result);
    }
    assert_int_equal(feed_reader_decode(&reader, names, (struct slice){NULL, 0}), ERROR_CORRUPT);
    feed_reader_done(&reader);
    names_free(names);
}

/* Whatever the bytes: refused, or exactly what encoding the result gives. Cut ones are refused. */
static void mutations_never_have_two_spellings(void **state)
{
    (void)state;
    const uint64_t first_seed = 4711;
    uint64_t seed = first_seed;
    struct names *names = names_new();
    struct feed_reader reader;
    struct buffer bytes = BUFFER_INIT;
    struct buffer again = BUFFER_INIT;
    uint32_t accepted = 0;

    feed_reader_init(&reader);
    for (uint32_t round = 0; round < 60000; round++) {
        struct fact facts[4];
        const struct fact_catalog change = {CATALOG_PRODUCT, SLICE("p"), SLICE("{\"time\":1}")};
        const struct feed_entry entry = {.token = below(&seed, 200),
                                         .facts = facts,
                                         .fact_count = below(&seed, 5),
                                         .catalog = &change,
                                         .catalog_count = below(&seed, 2)};
        for (uint32_t i = 0; i < entry.fact_count; i++)
            facts[i] = some_fact(&seed, names);
        buffer_reset(&bytes);
        feed_entry_encode(&bytes, names, &entry);
        size_t cut = below(&seed, (uint32_t)bytes.size);
        char *exact = mem_alloc(cut + 1);
        memcpy(exact, bytes.data, cut);
        assert_int_equal(feed_reader_decode(&reader, names, (struct slice){exact, cut}),
                         ERROR_CORRUPT);
        free(exact);
        for (uint32_t flips = 1 + below(&seed, 3); flips > 0; flips--)
            bytes.data[below(&seed, (uint32_t)bytes.size)] ^= (char)(1 << below(&seed, 8));
        if (feed_reader_decode(&reader, names, buffer_slice(&bytes)) < 0)
            continue;
        accepted++;
        buffer_reset(&again);
        feed_entry_encode(&again, names, &reader.entry);
        if (!slice_equal(buffer_slice(&bytes), buffer_slice(&again)))
            fail_msg("round %u of seed %llu", round, (unsigned long long)first_seed);
    }
    assert_true(accepted > 100);
    buffer_done(&bytes);
    buffer_done(&again);
    feed_reader_done(&reader);
    names_free(names);
}

/* As those of a day: times close by, small numbers. Without room for rare ones to be rare. */
static struct fact usual_fact(uint64_t *seed, struct names *names)
{
    struct fact fact = some_fact(seed, names);
    fact.quantity = 1 + below(seed, below(seed, 9) ? 3 : 300);
    fact.amount = 1 + below(seed, below(seed, 9) ? 300000 : 3000000000);
    fact.time_ms = INT64_C(1764547200000) + below(seed, below(seed, 9) ? 1000 : 100000000);
    return fact;
}

static void assert_as_model(struct feed_reader *reader, struct names *names, struct slice bytes,
                            struct feed_model *model)
{
    bool taken = feed_model_decode(model, bytes);

    assert_int_equal(feed_reader_decode(reader, names, bytes), taken ? 0 : ERROR_CORRUPT);
    assert_int_equal(reader->entry.fact_count, taken ? model->fact_count : 0);
    for (uint32_t i = 0; i < reader->entry.fact_count; i++) {
        struct fact fact = model->facts[i];
        fact.host = names_intern(names, model->ids[fact.host]);
        fact.product = names_intern(names, model->ids[fact.product]);
        fact.session = fact.session ? names_intern(names, model->ids[fact.session]) : 0;
        fact.platform = fact.platform ? names_intern(names, model->ids[fact.platform]) : 0;
        assert_same_facts(&reader->entry.facts[i], &fact, 1);
    }
}

/* Entries as they are, cut, and with bytes changed, added and left out: read as by the model. The
 * bytes stand alone, so that a sanitizer sees who reads beyond them. */
static void read_as_by_the_plain_model(void **state)
{
    (void)state;
    uint64_t seed = 1147;
    struct names *names = names_new();
    struct feed_model *model = mem_alloc(sizeof(*model));
    struct feed_reader reader;
    struct buffer bytes = BUFFER_INIT;
    uint32_t taken = 0;

    feed_reader_init(&reader);
    for (uint32_t round = 0; round < 30000; round++) {
        struct fact facts[90]; /* enough that places of ids take two bytes */
        const struct fact_catalog change = {CATALOG_PRODUCT, SLICE("p"), SLICE("{\"time\":1}")};
        const struct feed_entry entry = {.token = below(&seed, 200),
                                         .facts = facts,
                                         .fact_count = below(&seed, below(&seed, 8) ? 9 : 90),
                                         .catalog = &change,
                                         .catalog_count = below(&seed, 2)};
        for (uint32_t i = 0; i < entry.fact_count; i++)
            facts[i] = below(&seed, 20) ? usual_fact(&seed, names) : some_fact(&seed, names);
        buffer_reset(&bytes);
        feed_entry_encode(&bytes, names, &entry);
        char *copy = mem_alloc(bytes.size + 1);
        size_t at = below(&seed, (uint32_t)bytes.size);
        size_t size = bytes.size;
        memcpy(copy, bytes.data, at);
        switch (below(&seed, 4)) {
        case 0: /* left out */
            memcpy(copy + at, bytes.data + at + 1, --size - at);
            break;
        case 1: /* added */
            memcpy(copy + at + 1, bytes.data + at, size++ - at);
            copy[at] = (char)(below(&seed, 4) ? below(&seed, 256) : 0x80);
            break;
        default: /* changed, or not */
            memcpy(copy + at, bytes.data + at, size - at);
            copy[at] ^= (char)(below(&seed, 3) ? 1 << below(&seed, 8) : 0);
        }
        copy = mem_realloc(copy, size + (size == 0));
        assert_as_model(&reader, names, (struct slice){copy, size}, model);
        taken += reader.entry.facts != NULL;
        free(copy);
    }
    print_message("%" PRIu32 " taken\n", taken);
    assert_in_range(taken, 6000, 20000);
    feed_reader_done(&reader);
    buffer_done(&bytes);
    free(model);
    names_free(names);
}

static void a_fact_in_its_dimensions(void **state)
{
    (void)state;
    const struct fact fact = {FACT_REFUND, 1, 2, 3, 4, 422828, 5, 600, 0};
    struct metrics metrics = fact_metrics(&fact);

    assert_int_equal(fact_dimension(&fact, DIMENSION_NONE), 0);
    assert_int_equal(fact_dimension(&fact, DIMENSION_HOST), 1);
    assert_int_equal(fact_dimension(&fact, DIMENSION_PRODUCT), 2);
    assert_int_equal(fact_dimension(&fact, DIMENSION_SESSION), 3);
    assert_int_equal(fact_dimension(&fact, DIMENSION_PLATFORM), 4);
    assert_int_equal(fact_dimension(&fact, DIMENSION_COUNTY), 422828);
    assert_int_equal(metrics.v[METRIC_REFUNDS], 1);
    assert_int_equal(metrics.v[METRIC_REFUNDED], 600);
    assert_int_equal(metrics.v[METRIC_RETURNED], 5);
    assert_int_equal(metrics.v[METRIC_ORDERS] + metrics.v[METRIC_UNITS] + metrics.v[METRIC_GROSS],
                     0);
}

/* In every group by the table of rollups, once; but for what it has no value of. */
static void a_fact_in_its_places(void **state)
{
    static const uint32_t all[ROLLUP_COUNT] = {
#define X(name, text, first, second, periods) periods,
        ROLLUPS(X)
#undef X
    };
    static const uint32_t few[ROLLUP_COUNT] = {
        [ROLLUP_HOST_PRODUCT] = 1u << PERIOD_DAY, [ROLLUP_COUNTY] = 1u << PERIOD_MINUTE};
    const struct calendar china = {480};
    struct fact fact = {FACT_ORDER, 3, 4, 5, 6, 422828, 1, 100, INT64_C(1795312800000)};
    struct fact_place places[FACT_PLACES_MAX];
    (void)state;

    assert_int_equal(fact_places(&fact, &china, all, places), 25);
    for (int i = 0; i < 25; i++)
        for (int other = 0; other < i; other++)
            assert_false(group_key_equal(places[i].group, places[other].group));
    assert_int_equal(fact_places(&fact, &china, few, places), 2);
    assert_true(group_key_equal(places[0].group, (struct group_key){ROLLUP_COUNTY, PERIOD_MINUTE,
                                                                    2026112210, fact.county}));
    assert_int_equal(places[0].cell, 0);
    assert_true(group_key_equal(
        places[1].group, (struct group_key){ROLLUP_HOST_PRODUCT, PERIOD_DAY, 20261122, fact.host}));
    assert_int_equal(places[1].cell, fact.product);
    fact.session = fact.platform = 0;
    assert_int_equal(fact_places(&fact, &china, all, places), 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_read_back),
        cmocka_unit_test(extremes_read_back),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(other_spellings_are_refused),
        cmocka_unit_test(mutations_never_have_two_spellings),
        cmocka_unit_test(read_as_by_the_plain_model),
        cmocka_unit_test(a_fact_in_its_dimensions),
        cmocka_unit_test(a_fact_in_its_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
