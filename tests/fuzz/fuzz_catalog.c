/*
 * Catalog entries as they stand in Redis: refused, or read as jansson reads them; then the upsert
 * that says the same makes an entry that reads back the same, within its bound, and repeating it
 * changes nothing.
 */
#include <stddef.h>

#include "fuzz.h"
#include "livetally/catalog.h"
#include "livetally/rollup.h"
#include "slow_event.h"

static const struct slow_rules rules = {.currency = "CNY"};

/* The fields of an entry are those of the event that registers it. */
static const struct slow_type *type_of(enum catalog_kind kind)
{
    return &slow_types[kind == CATALOG_HOST ? 4 : kind == CATALOG_PRODUCT ? 3 : 2];
}

/* An id of an entry's own stands in front of it, not in it. */
static bool in_entry(const struct slow_type *type, const char *name)
{
    return strcmp(name, type->own_id) != 0;
}

static bool slow_entry_ok(enum catalog_kind kind, const json_t *entry)
{
    const struct slow_type *type = type_of(kind);

    const json_t *revision = json_object_get(entry, "revision");

    if (!json_is_object(entry) || !json_object_get(entry, "time"))
        return false;
    if (revision && (!json_is_integer(revision) || json_integer_value(revision) < 0 ||
                     json_integer_value(revision) >= TOTAL_MAX))
        return false;
    for (const struct slow_field *field = type->fields; field->name; field++) {
        const json_t *value = json_object_get(entry, field->name);
        if (value && in_entry(type, field->name) && slow_check(&rules, field, value))
            return false;
    }
    return true;
}

static void check_text(struct slice text, enum catalog_kind kind, const json_t *entry,
                       const char *name)
{
    const struct slow_type *type = type_of(kind);
    const json_t *value = NULL;

    for (const struct slow_field *field = type->fields; field->name; field++)
        if (strcmp(field->name, name) == 0 && in_entry(type, name))
            value = json_object_get(entry, name);
    REQUIRE((text.data != NULL) == (value != NULL), "%s is there or not?", name);
    REQUIRE(!value || slice_equal(text, (struct slice){json_string_value(value),
                                                       json_string_length(value)}),
            "%s is \"%.*s\"", name, SLICE_ARG(text));
}

static void check_number(bool there, int64_t number, const json_t *value, const char *name)
{
    REQUIRE(there == (value != NULL) && (!value || number == json_integer_value(value)),
            "%s is %lld", name, (long long)number);
}

static void check_values(const struct catalog_entry *entry, const json_t *json)
{
    enum catalog_kind kind = entry->kind;
    const json_t *county = kind == CATALOG_PRODUCT ? json_object_get(json, "county") : NULL;
    bool session = kind == CATALOG_SESSION;

    check_text(entry->name, kind, json, session ? "title" : "name");
    check_text(entry->unit, kind, json, "unit");
    check_text(entry->host_id, kind, json, "host_id");
    check_text(entry->platform, kind, json, "platform");
    check_number(true, entry->time_ms, json_object_get(json, "time"), "time");
    check_number(entry->stated & EVENT_HAS_STARTS_AT, entry->starts_at_ms,
                 session ? json_object_get(json, "starts_at") : NULL, "starts_at");
    check_number(entry->stated & EVENT_HAS_ENDS_AT, entry->ends_at_ms,
                 session ? json_object_get(json, "ends_at") : NULL, "ends_at");
    check_number(entry->stated & EVENT_HAS_GOAL, entry->goal,
                 session ? json_object_get(json, "goal") : NULL, "goal");
    REQUIRE(entry->county == (county ? (uint32_t)atoi(json_string_value(county)) : 0),
            "county is %u", entry->county);
}

static bool same_text(struct slice a, struct slice b)
{
    return (a.data != NULL) == (b.data != NULL) && slice_equal(a, b);
}

static bool same_entry(const struct catalog_entry *a, const struct catalog_entry *b)
{
    return a->stated == b->stated && a->county == b->county && same_text(a->name, b->name) &&
           same_text(a->unit, b->unit) && same_text(a->host_id, b->host_id) &&
           same_text(a->platform, b->platform) && a->starts_at_ms == b->starts_at_ms &&
           a->ends_at_ms == b->ends_at_ms && a->goal == b->goal && a->time_ms == b->time_ms;
}

/* The event that registers all that the entry says. */
static struct event registration(const struct catalog_entry *entry)
{
    static const enum event_type types[CATALOG_KIND_COUNT] = {EVENT_HOST, EVENT_PRODUCT,
                                                              EVENT_SESSION};
    return (struct event){.type = types[entry->kind],
                          .stated = entry->stated | EVENT_HAS_TIME |
                                    (entry->county ? EVENT_HAS_COUNTY : 0),
                          .county = entry->county,
                          .host_id = entry->kind == CATALOG_HOST ? entry->id : entry->host_id,
                          .session_id = entry->id,
                          .product_id = entry->id,
                          .platform = entry->platform,
                          .name = entry->name,
                          .unit = entry->unit,
                          .time_ms = entry->time_ms,
                          .starts_at_ms = entry->starts_at_ms,
                          .ends_at_ms = entry->ends_at_ms,
                          .goal = entry->goal};
}

static void check_merge(const struct catalog_entry *entry)
{
    struct event event = registration(entry);
    struct buffer json = BUFFER_INIT, none = BUFFER_INIT, scratch = BUFFER_INIT;
    struct catalog_entry again;
    const char *field;

    REQUIRE(catalog_merge(NULL, &event, &json, &field) == CATALOG_CHANGED, "not registered");
    REQUIRE(json.size <= CATALOG_JSON_MAX_BYTES, "%zu bytes of JSON", json.size);
    REQUIRE(catalog_entry_read(entry->kind, entry->id, buffer_slice(&json), &scratch, &again) == 0,
            "what was registered is unreadable: %.*s", SLICE_ARG(buffer_slice(&json)));
    REQUIRE(same_entry(entry, &again), "another entry: %.*s", SLICE_ARG(buffer_slice(&json)));
    REQUIRE(catalog_merge(entry, &event, &none, &field) == CATALOG_UNCHANGED && none.size == 0,
            "a repetition is a change");
    buffer_done(&scratch);
    buffer_done(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = fuzz_text(data, size);
    bool unknown = false;
    json_t *json = slow_load(text, &unknown);

    for (int i = 0; i < CATALOG_KIND_COUNT; i++) {
        enum catalog_kind kind = (enum catalog_kind)i;
        struct buffer scratch = BUFFER_INIT;
        struct catalog_entry entry;
        int rc = catalog_entry_read(kind, SLICE("some-id"), text, &scratch, &entry);
        bool expected = size <= CATALOG_JSON_MAX_BYTES && slow_entry_ok(kind, json);
        REQUIRE(unknown || (rc == 0) == expected, "%s: %s", catalog_kind_names[kind],
                expected ? "refused" : "accepted");
        if (rc == 0 && !unknown) {
            check_values(&entry, json);
            check_merge(&entry);
        }
        buffer_done(&scratch);
    }
    json_decref(json);
    return 0;
}
