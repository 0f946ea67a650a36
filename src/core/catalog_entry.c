/*
 * One catalog entry: merged from an upsert, written as JSON, read back. All three walk one table
 * of fields, so a field that is added there is stored, compared and restored.
 *
 *   {"time":1764547200000,"name":"…","county":"422828","unit":"…"}
 *
 * Fields nobody stated are left out. Reading checks what an event's fields are checked for: what
 * stands here goes into orders and onto screens.
 */
#include <stddef.h>

#include "livetally/catalog.h"
#include "livetally/error.h"
#include "livetally/json.h"
#include "livetally/rollup.h"

enum field_form {
    FIELD_NAME,   /* free text */
    FIELD_ID,     /* id */
    FIELD_COUNTY, /* six digits */
    FIELD_TIME,   /* ms */
    FIELD_MONEY,  /* minor units */
};

/* One field of one kind: its key on the wire, and where it stands in an entry and in an event. */
struct field {
    enum catalog_kind kind;
    enum field_form form;
    const char *key;
    size_t in_entry;
    size_t in_event;
    uint32_t stated; /* numbers: their bit */
    bool fixed;      /* never changes once stated */
};

#define FIELD(kind, form, key, member, stated, fixed)                                              \
    {                                                                                              \
        CATALOG_##kind, FIELD_##form, key, offsetof(struct catalog_entry, member),                 \
            offsetof(struct event, member), stated, fixed                                          \
    }

static const struct field fields[] = {
    FIELD(HOST, NAME, "name", name, 0, false),
    FIELD(PRODUCT, NAME, "name", name, 0, false),
    FIELD(PRODUCT, COUNTY, "county", county, 0, true),
    FIELD(PRODUCT, NAME, "unit", unit, 0, false),
    FIELD(SESSION, ID, "host_id", host_id, 0, true),
    FIELD(SESSION, NAME, "title", name, 0, false),
    FIELD(SESSION, ID, "platform", platform, 0, false),
    FIELD(SESSION, TIME, "starts_at", starts_at_ms, EVENT_HAS_STARTS_AT, false),
    FIELD(SESSION, TIME, "ends_at", ends_at_ms, EVENT_HAS_ENDS_AT, false),
    FIELD(SESSION, MONEY, "goal", goal, EVENT_HAS_GOAL, false),
};

#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

/* A field's value, whatever its form: absent, a text, or a number. */
struct value {
    bool present;
    struct slice text;
    int64_t number;
};

static struct value value_at(const struct field *field, const void *base, size_t offset,
                             uint32_t stated)
{
    const char *at = (const char *)base + offset;
    struct value value = {0};

    switch (field->form) {
    case FIELD_NAME:
    case FIELD_ID:
        memcpy(&value.text, at, sizeof(value.text));
        value.present = value.text.data != NULL;
        break;
    case FIELD_COUNTY: {
        uint32_t code;
        memcpy(&code, at, sizeof(code));
        value.number = code;
        value.present = code != 0;
        break;
    }
    case FIELD_TIME:
    case FIELD_MONEY:
        memcpy(&value.number, at, sizeof(value.number));
        value.present = (stated & field->stated) != 0;
        break;
    }
    return value;
}

static struct value entry_value(const struct field *field, const struct catalog_entry *entry)
{
    if (entry == NULL)
        return (struct value){0};
    return value_at(field, entry, field->in_entry, entry->stated);
}

static struct value event_value(const struct field *field, const struct event *event)
{
    return value_at(field, event, field->in_event, event->stated);
}

static bool value_equal(struct value a, struct value b)
{
    return a.present == b.present && a.number == b.number && slice_equal(a.text, b.text);
}

static void write_field(struct buffer *json, const struct field *field, struct value value)
{
    switch (field->form) {
    case FIELD_NAME:
    case FIELD_ID:
        json_field_string(json, field->key, value.text);
        break;
    case FIELD_COUNTY: {
        char digits[6];
        for (size_t i = sizeof(digits); i > 0; i--, value.number /= 10)
            digits[i - 1] = (char)('0' + value.number % 10);
        json_field_string(json, field->key, (struct slice){digits, sizeof(digits)});
        break;
    }
    case FIELD_TIME:
    case FIELD_MONEY:
        json_field_int(json, field->key, value.number);
        break;
    }
}

static enum catalog_kind kind_of(const struct event *event)
{
    switch (event->type) {
    case EVENT_HOST:
        return CATALOG_HOST;
    case EVENT_PRODUCT:
        return CATALOG_PRODUCT;
    default:
        return CATALOG_SESSION;
    }
}

enum catalog_outcome catalog_merge(const struct catalog_entry *current, const struct event *event,
                                   struct buffer *json, const char **ret_field)
{
    enum catalog_kind kind = kind_of(event);
    bool changed = false;

    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct value old = entry_value(&fields[i], current);
        struct value new = event_value(&fields[i], event);
        if (fields[i].kind != kind || !new.present || value_equal(old, new))
            continue;
        if (fields[i].fixed && old.present) {
            *ret_field = fields[i].key;
            return CATALOG_CONFLICT;
        }
        changed = true;
    }
    if (current != NULL) {
        bool newer = (event->stated & EVENT_HAS_TIME) && event->time_ms > current->time_ms;
        if (event->time_ms < current->time_ms || !(changed || newer))
            return CATALOG_UNCHANGED;
    }
    buffer_append_byte(json, '{');
    json_field_int(json, "time", event->time_ms);
    json_field_int(json, "revision", current ? current->revision + 1 : 1);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct value value = event_value(&fields[i], event);
        if (fields[i].kind != kind)
            continue;
        if (!value.present)
            value = entry_value(&fields[i], current);
        if (value.present)
            write_field(json, &fields[i], value);
    }
    buffer_append_byte(json, '}');
    return CATALOG_CHANGED;
}

/* The unescaped text: in place, or in scratch, which then has room for all of the JSON. */
static struct slice plain_text(struct json_string string, struct buffer *scratch)
{
    struct slice text = string.raw;

    if (string.escaped) {
        char *at = buffer_reserve(scratch, string.raw.size);
        text = (struct slice){at, json_string_decode(string, at)};
        scratch->size += text.size;
    }
    return text;
}

static uint32_t county_code(struct slice text)
{
    uint32_t code;
    return county_read_digits(text, &code) && county_form_ok(code) ? code : 0;
}

static bool read_text_field(const struct field *field, struct slice text,
                            struct catalog_entry *entry)
{
    char *at = (char *)entry + field->in_entry;

    if (field->form == FIELD_COUNTY) {
        uint32_t code = county_code(text);
        memcpy(at, &code, sizeof(code));
        return code != 0;
    }
    if (field->form == FIELD_ID && !id_ok(text))
        return false;
    if (text.size > NAME_MAX_BYTES || !utf8_no_controls(text))
        return false;
    memcpy(at, &text, sizeof(text));
    return true;
}

static bool read_field(struct json_reader *reader, const struct field *field,
                       struct buffer *scratch, struct catalog_entry *entry)
{
    enum json_kind kind = json_reader_next(reader);
    int64_t max = field->form == FIELD_TIME ? TIME_MAX_MS : TOTAL_MAX;

    if (field->form != FIELD_TIME && field->form != FIELD_MONEY)
        return kind == JSON_STRING &&
               read_text_field(field, plain_text(reader->string, scratch), entry);
    if (kind != JSON_INT || reader->integer < 0 || reader->integer > max)
        return false;
    memcpy((char *)entry + field->in_entry, &reader->integer, sizeof(reader->integer));
    entry->stated |= field->stated;
    return true;
}

static bool read_time(struct json_reader *reader, struct catalog_entry *entry)
{
    if (json_reader_next(reader) != JSON_INT || reader->integer < 0 ||
        reader->integer > TIME_MAX_MS)
        return false;
    entry->time_ms = reader->integer;
    return true;
}

static bool read_revision(struct json_reader *reader, struct catalog_entry *entry)
{
    if (json_reader_next(reader) != JSON_INT || reader->integer < 0 || reader->integer >= TOTAL_MAX)
        return false;
    entry->revision = reader->integer;
    return true;
}

static const struct field *field_named(enum catalog_kind kind, struct json_string key)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (fields[i].kind == kind && json_string_equals(key, slice_of(fields[i].key)))
            return &fields[i];
    return NULL;
}

int catalog_entry_read(enum catalog_kind kind, struct slice id, struct slice json,
                       struct buffer *scratch, struct catalog_entry *ret_entry)
{
    struct catalog_entry entry = {.kind = kind, .id = id, .time_ms = -1};
    struct json_reader reader;
    struct json_string key;
    bool ok = json.size <= CATALOG_JSON_MAX_BYTES;

    json_reader_init(&reader, json);
    if (ok && json.size > 0 && memchr(json.data, '\\', json.size) != NULL)
        buffer_reserve(scratch, json.size);
    ok = ok && json_reader_next(&reader) == JSON_OBJECT;
    while (ok && json_reader_key(&reader, &key)) {
        const struct field *field = field_named(kind, key);
        if (field != NULL)
            ok = read_field(&reader, field, scratch, &entry);
        else if (json_string_equals(key, SLICE("time")))
            ok = read_time(&reader, &entry);
        else if (json_string_equals(key, SLICE("revision")))
            ok = read_revision(&reader, &entry);
        else
            ok = json_reader_skip(&reader);
    }
    if (!ok || !json_reader_end(&reader) || entry.time_ms < 0)
        return ERROR_CORRUPT;
    *ret_entry = entry;
    return 0;
}
