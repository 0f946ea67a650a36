/*
 * The catalog: upserts merged, stored and read back; what is fixed stays fixed; what isn't an
 * entry is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "assert_slice.h"
#include "livetally/catalog.h"
#include "livetally/error.h"
#include "livetally/rollup.h"

#define NO_SLICE ((struct slice){NULL, 0})

static struct event host_event(int64_t time_ms, const char *name)
{
    return (struct event){.type = EVENT_HOST,
                          .stated = EVENT_HAS_TIME,
                          .host_id = SLICE("mei"),
                          .name = slice_of(name),
                          .time_ms = time_ms};
}

/* Merges into the catalog as a commit does; says what came of it. */
static enum catalog_outcome upsert(struct catalog *catalog, const struct event *event,
                                   const char **ret_field)
{
    static const enum catalog_kind kinds[EVENT_TYPE_COUNT] = {[EVENT_HOST] = CATALOG_HOST,
                                                              [EVENT_PRODUCT] = CATALOG_PRODUCT,
                                                              [EVENT_SESSION] = CATALOG_SESSION};
    enum catalog_kind kind = kinds[event->type];
    struct slice id = event->type == EVENT_HOST      ? event->host_id
                      : event->type == EVENT_PRODUCT ? event->product_id
                                                     : event->session_id;
    struct buffer json = BUFFER_INIT;
    enum catalog_outcome outcome =
        catalog_merge(catalog_find(catalog, kind, id), event, &json, ret_field);

    assert_true((json.size > 0) == (outcome == CATALOG_CHANGED));
    if (outcome == CATALOG_CHANGED)
        assert_int_equal(catalog_put(catalog, kind, id, buffer_slice(&json)), 0);
    buffer_done(&json);
    return outcome;
}

static void the_newest_time_wins(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(10);
    const char *field = NULL;
    struct event first = host_event(1000, "Mei");
    struct event older = host_event(999, "old Mei");
    struct event same_time = host_event(1000, "Mei Mei");
    struct event newer = host_event(2000, NULL);

    assert_int_equal(upsert(catalog, &first, &field), CATALOG_CHANGED);
    assert_slice(catalog_json(catalog, CATALOG_HOST, SLICE("mei")),
                 "{\"time\":1000,\"revision\":1,\"name\":\"Mei\"}");
    assert_int_equal(upsert(catalog, &first, &field), CATALOG_UNCHANGED);
    assert_int_equal(upsert(catalog, &older, &field), CATALOG_UNCHANGED);
    assert_int_equal(upsert(catalog, &same_time, &field), CATALOG_CHANGED);
    assert_int_equal(upsert(catalog, &newer, &field), CATALOG_CHANGED);
    assert_slice(catalog_json(catalog, CATALOG_HOST, SLICE("mei")),
                 "{\"time\":2000,\"revision\":3,\"name\":\"Mei Mei\"}");
    assert_int_equal(upsert(catalog, &same_time, &field), CATALOG_UNCHANGED);
    assert_int_equal(catalog_count(catalog, CATALOG_HOST), 1);
    assert_null(field);
    catalog_free(catalog);
    catalog_free(NULL);
}

/* A blind retry without `time` gets a new "now" each time; it must not look like a change. */
static void a_retry_without_time_is_no_change(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(10);
    const char *field = NULL;
    struct event event = host_event(1000, "Mei");

    event.stated = 0;
    assert_int_equal(upsert(catalog, &event, &field), CATALOG_CHANGED);
    event.time_ms = 5000;
    assert_int_equal(upsert(catalog, &event, &field), CATALOG_UNCHANGED);
    assert_int_equal(catalog_find(catalog, CATALOG_HOST, SLICE("mei"))->time_ms, 1000);
    event.name = SLICE("Lin");
    assert_int_equal(upsert(catalog, &event, &field), CATALOG_CHANGED);
    assert_int_equal(catalog_find(catalog, CATALOG_HOST, SLICE("mei"))->time_ms, 5000);
    catalog_free(catalog);
}

static struct event session_event(int64_t time_ms)
{
    return (struct event){.type = EVENT_SESSION,
                          .stated = EVENT_HAS_TIME,
                          .session_id = SLICE("room-9"),
                          .time_ms = time_ms};
}

static void fields_left_out_keep_their_value(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(10);
    const char *field = NULL;
    struct event first = session_event(1000);
    struct event second = session_event(2000);
    const struct catalog_entry *entry;

    first.name = SLICE("Double 11");
    first.stated |= EVENT_HAS_STARTS_AT | EVENT_HAS_GOAL;
    first.starts_at_ms = 0;
    first.goal = 5000000;
    assert_int_equal(upsert(catalog, &first, &field), CATALOG_CHANGED);
    entry = catalog_find(catalog, CATALOG_SESSION, SLICE("room-9"));
    assert_int_equal(entry->stated, EVENT_HAS_STARTS_AT | EVENT_HAS_GOAL);
    assert_slice(entry->host_id, NULL);
    second.host_id = SLICE("mei");
    second.platform = SLICE("douyin");
    second.stated |= EVENT_HAS_ENDS_AT | EVENT_HAS_GOAL;
    second.ends_at_ms = 9000;
    second.goal = 0;
    assert_int_equal(upsert(catalog, &second, &field), CATALOG_CHANGED);
    entry = catalog_find(catalog, CATALOG_SESSION, SLICE("room-9"));
    assert_int_equal(entry->stated, EVENT_HAS_STARTS_AT | EVENT_HAS_ENDS_AT | EVENT_HAS_GOAL);
    assert_slice(entry->id, "room-9");
    assert_slice(entry->name, "Double 11");
    assert_slice(entry->host_id, "mei");
    assert_slice(entry->platform, "douyin");
    assert_int_equal(entry->starts_at_ms, 0);
    assert_int_equal(entry->ends_at_ms, 9000);
    assert_int_equal(entry->goal, 0);
    assert_int_equal(entry->time_ms, 2000);
    assert_slice(catalog_json(catalog, CATALOG_SESSION, SLICE("room-9")),
                 "{\"time\":2000,\"revision\":2,\"host_id\":\"mei\",\"title\":\"Double "
                 "11\",\"platform\":\"douyin\","
                 "\"starts_at\":0,\"ends_at\":9000,\"goal\":0}");
    catalog_free(catalog);
}

static void what_is_fixed_stays_fixed(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(10);
    const char *field = NULL;
    struct event session = session_event(1000);
    struct event product = {.type = EVENT_PRODUCT,
                            .stated = EVENT_HAS_TIME | EVENT_HAS_COUNTY,
                            .product_id = SLICE("tea"),
                            .county = 422828,
                            .unit = SLICE("box"),
                            .time_ms = 1000};

    session.host_id = SLICE("mei");
    assert_int_equal(upsert(catalog, &session, &field), CATALOG_CHANGED);
    session.host_id = SLICE("lin");
    for (int64_t time_ms = 0; time_ms <= 2000; time_ms += 1000) {
        session.time_ms = time_ms;
        field = NULL;
        assert_int_equal(upsert(catalog, &session, &field), CATALOG_CONFLICT);
        assert_string_equal(field, "host_id");
    }
    assert_int_equal(upsert(catalog, &product, &field), CATALOG_CHANGED);
    assert_slice(catalog_json(catalog, CATALOG_PRODUCT, SLICE("tea")),
                 "{\"time\":1000,\"revision\":1,\"county\":\"422828\",\"unit\":\"box\"}");
    product.county = 110101;
    product.time_ms = 500;
    assert_int_equal(upsert(catalog, &product, &field), CATALOG_CONFLICT);
    assert_string_equal(field, "county");
    product.stated = EVENT_HAS_TIME;
    product.county = 0;
    product.time_ms = 3000;
    product.name = SLICE("Tea");
    assert_int_equal(upsert(catalog, &product, &field), CATALOG_CHANGED);
    assert_int_equal(catalog_find(catalog, CATALOG_PRODUCT, SLICE("tea"))->county, 422828);
    catalog_free(catalog);
}

/* Texts come back as they went in, whatever JSON makes of them. */
static void any_text_reads_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\"",
        "\\",
        "a\"b\\c\"",
        "\\u0041",
        "\xe6\x81\xa9\xe6\x96\xbd\xe8\x8c\xb6",
        "/</script>",
        "\xf0\x9f\x8d\xb5 tea",
        "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
        "\"\"\""
        "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
        "\"\"\""
        "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
    };
    struct catalog *catalog = catalog_new(10);
    const char *field = NULL;
    int64_t time_ms = 0;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
            time_ms++;
            struct event product = {.type = EVENT_PRODUCT,
                                    .stated = EVENT_HAS_TIME,
                                    .product_id = SLICE("tea"),
                                    .name = slice_of(texts[i]),
                                    .unit = slice_of(texts[k]),
                                    .time_ms = time_ms};
            assert_int_equal(upsert(catalog, &product, &field), CATALOG_CHANGED);
            const struct catalog_entry *entry =
                catalog_find(catalog, CATALOG_PRODUCT, SLICE("tea"));
            assert_slice(entry->name, texts[i]);
            assert_slice(entry->unit, texts[k]);
            struct slice json = catalog_json(catalog, CATALOG_PRODUCT, SLICE("tea"));
            json_t *parsed = json_loadb(json.data, json.size, 0, NULL);
            assert_string_equal(json_string_value(json_object_get(parsed, "name")), texts[i]);
            json_decref(parsed);
        }
    catalog_free(catalog);
}

static void the_longest_entry_fits(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(10);
    const char *field = NULL;
    char quotes[NAME_MAX_BYTES];
    char id[ID_MAX_BYTES];
    struct event session = session_event(TIME_MAX_MS);

    memset(quotes, '"', sizeof(quotes));
    memset(id, 'x', sizeof(id));
    session.session_id = (struct slice){id, sizeof(id)};
    session.host_id = session.session_id;
    session.platform = session.session_id;
    session.name = (struct slice){quotes, sizeof(quotes)};
    session.stated |= EVENT_HAS_STARTS_AT | EVENT_HAS_ENDS_AT | EVENT_HAS_GOAL;
    session.starts_at_ms = session.ends_at_ms = TIME_MAX_MS;
    session.goal = TOTAL_MAX;
    assert_int_equal(upsert(catalog, &session, &field), CATALOG_CHANGED);
    assert_int_equal(catalog_find(catalog, CATALOG_SESSION, session.session_id)->name.size,
                     NAME_MAX_BYTES);
    struct event product = {.type = EVENT_PRODUCT,
                            .product_id = session.session_id,
                            .name = session.name,
                            .unit = session.name,
                            .county = 422828,
                            .stated = EVENT_HAS_COUNTY,
                            .time_ms = TIME_MAX_MS};
    assert_int_equal(upsert(catalog, &product, &field), CATALOG_CHANGED);
    catalog_free(catalog);
}

static void what_is_no_entry_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum catalog_kind kind;
        const char *json;
        int expected;
    } cases[] = {
        {CATALOG_HOST, "{\"time\":1}", 0},
        {CATALOG_HOST, "{\"time\":1,\"revision\":7}", 0},
        {CATALOG_HOST, "{\"time\":1,\"later\":{\"a\":[1.5]}}", 0}, /* of a newer version */
        {CATALOG_HOST, "{\"na\\u006de\":\"a\\tb\",\"time\":1}", ERROR_CORRUPT}, /* a control */
        {CATALOG_HOST, "", ERROR_CORRUPT},
        {CATALOG_HOST, "{}", ERROR_CORRUPT},
        {CATALOG_HOST, "[1]", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":1}x", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":1", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":-1}", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":1.0}", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":1,\"revision\":-1}", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":1,\"revision\":9007199254740991}", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":1,\"revision\":\"7\"}", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":\"1\"}", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":253402300800000}", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":1,\"time\":2}", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":1,\"name\":7}", ERROR_CORRUPT},
        {CATALOG_HOST, "{\"time\":1,\"name\":null}", ERROR_CORRUPT},
        {CATALOG_PRODUCT, "{\"time\":1,\"county\":\"422828\"}", 0},
        {CATALOG_PRODUCT, "{\"time\":1,\"county\":\"422800\"}", ERROR_CORRUPT},
        {CATALOG_PRODUCT, "{\"time\":1,\"county\":\"42282\"}", ERROR_CORRUPT},
        {CATALOG_PRODUCT, "{\"time\":1,\"county\":422828}", ERROR_CORRUPT},
        {CATALOG_SESSION, "{\"time\":1,\"host_id\":\"a b\"}", ERROR_CORRUPT},
        {CATALOG_SESSION, "{\"time\":1,\"host_id\":\"\"}", ERROR_CORRUPT},
        {CATALOG_SESSION, "{\"time\":1,\"goal\":-1}", ERROR_CORRUPT},
        {CATALOG_SESSION, "{\"time\":1,\"goal\":9007199254740992}", ERROR_CORRUPT},
        {CATALOG_SESSION, "{\"time\":1,\"starts_at\":-1}", ERROR_CORRUPT},
    };
    struct catalog *catalog = catalog_new(10);
    char long_json[CATALOG_JSON_MAX_BYTES + 1];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int result = catalog_put(catalog, cases[i].kind, SLICE("x"), slice_of(cases[i].json));
        if (result != cases[i].expected)
            fail_msg("%s: %d", cases[i].json, result);
    }
    /* What was refused has not replaced what was there. */
    assert_slice(catalog_json(catalog, CATALOG_HOST, SLICE("x")),
                 "{\"time\":1,\"later\":{\"a\":[1.5]}}");
    memset(long_json, ' ', sizeof(long_json));
    memcpy(long_json, "{\"time\":1}", 10);
    assert_int_equal(
        catalog_put(catalog, CATALOG_HOST, SLICE("y"), (struct slice){long_json, 1024}), 0);
    assert_int_equal(
        catalog_put(catalog, CATALOG_HOST, SLICE("y"), (struct slice){long_json, 1025}),
        ERROR_CORRUPT);
    assert_int_equal(catalog_put(catalog, CATALOG_HOST, SLICE("a b"), SLICE("{\"time\":1}")),
                     ERROR_CORRUPT);
    assert_int_equal(catalog_put(catalog, CATALOG_HOST, NO_SLICE, SLICE("{\"time\":1}")),
                     ERROR_CORRUPT);
    catalog_free(catalog);
}

static void it_is_bounded_and_counts_changes(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(300);
    char id[16];
    uint64_t changes;

    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof(id), "p%d", i);
        assert_false(catalog_full(catalog, CATALOG_PRODUCT));
        assert_int_equal(catalog_put(catalog, CATALOG_PRODUCT, slice_of(id), SLICE("{\"time\":1}")),
                         0);
    }
    changes = catalog_changes(catalog);
    assert_true(catalog_full(catalog, CATALOG_PRODUCT));
    assert_false(catalog_full(catalog, CATALOG_HOST));
    assert_int_equal(catalog_put(catalog, CATALOG_PRODUCT, SLICE("p7"), SLICE("{\"time\":1}")), 0);
    assert_int_equal(catalog_changes(catalog), changes);
    assert_int_equal(catalog_put(catalog, CATALOG_PRODUCT, SLICE("p7"), SLICE("{\"time\":2}")), 0);
    assert_true(catalog_changes(catalog) > changes);
    assert_true(catalog_changed_since(catalog, CATALOG_PRODUCT, SLICE("p7"), changes));
    assert_false(catalog_changed_since(catalog, CATALOG_PRODUCT, SLICE("p8"), changes));
    assert_false(catalog_changed_since(catalog, CATALOG_PRODUCT, SLICE("none"), changes));
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof(id), "p%d", i);
        assert_non_null(catalog_find(catalog, CATALOG_PRODUCT, slice_of(id)));
        assert_null(catalog_find(catalog, CATALOG_HOST, slice_of(id)));
    }
    changes = catalog_changes(catalog);
    catalog_clear(catalog);
    assert_true(catalog_changes(catalog) > changes);
    assert_true(catalog_changed_since(catalog, CATALOG_PRODUCT, SLICE("p8"), changes));
    assert_int_equal(catalog_count(catalog, CATALOG_PRODUCT), 0);
    assert_null(catalog_find(catalog, CATALOG_PRODUCT, SLICE("p7")));
    assert_slice(catalog_json(catalog, CATALOG_PRODUCT, SLICE("p7")), NULL);
    assert_int_equal(catalog_put(catalog, CATALOG_PRODUCT, SLICE("p7"), SLICE("{\"time\":1}")), 0);
    catalog_free(catalog);
}

static void it_knows_its_memory(void **state)
{
    struct catalog *catalog = catalog_new(10);
    size_t empty, one;
    (void)state;

    assert_int_equal(catalog_put(catalog, CATALOG_HOST, SLICE("a"), SLICE("{\"time\":1}")), 0);
    catalog_clear(catalog);
    empty = catalog_memory_bytes(catalog);
    assert_int_equal(catalog_put(catalog, CATALOG_HOST, SLICE("a"), SLICE("{\"time\":1}")), 0);
    one = catalog_memory_bytes(catalog);
    assert_true(one > empty + sizeof(struct catalog_entry));
    assert_int_equal(catalog_put(catalog, CATALOG_HOST, SLICE("a"), SLICE("{\"time\":1234}")), 0);
    assert_int_equal(catalog_memory_bytes(catalog), one + 3);
    catalog_clear(catalog);
    assert_int_equal(catalog_memory_bytes(catalog), empty);
    catalog_free(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_time_wins),
        cmocka_unit_test(a_retry_without_time_is_no_change),
        cmocka_unit_test(fields_left_out_keep_their_value),
        cmocka_unit_test(what_is_fixed_stays_fixed),
        cmocka_unit_test(any_text_reads_back),
        cmocka_unit_test(the_longest_entry_fits),
        cmocka_unit_test(what_is_no_entry_is_refused),
        cmocka_unit_test(it_is_bounded_and_counts_changes),
        cmocka_unit_test(it_knows_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
