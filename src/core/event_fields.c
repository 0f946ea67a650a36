/*
 * Why this exists: an event's fields come in any order, and which of them count depends on `type`,
 * which may come last. So one pass notes what every known field says, in one slot each, and the
 * judging works on the slots. Fields we don't know are checked as JSON and passed over.
 */
#include <inttypes.h>
#include <stdio.h>

#include "event_decode.h"
#include "json_scan.h"

#define FIELD_NAME_MAX_BYTES 10
#define SAME_SIZE_MAX        5
/* Of an object with more keys none is guessed: all that could be guessed have to fit besides. */
#define GUESSED_KEYS_MAX (JSON_KEYS_MAX - EVENT_FIELD_COUNT)

const struct slice event_field_names[EVENT_FIELD_COUNT] = {
#define X(name, wire) [FIELD_##name] = {wire, sizeof(wire) - 1},
    EVENT_FIELDS(X)
#undef X
};

/* The fields whose names have a given size; free places hold EVENT_FIELD_COUNT. */
#define NONE EVENT_FIELD_COUNT
static const uint8_t fields_by_size[FIELD_NAME_MAX_BYTES + 1][SAME_SIZE_MAX] = {
    [0] = {NONE, NONE, NONE, NONE, NONE},
    [1] = {NONE, NONE, NONE, NONE, NONE},
    [2] = {NONE, NONE, NONE, NONE, NONE},
    [3] = {NONE, NONE, NONE, NONE, NONE},
    [4] = {FIELD_TYPE, FIELD_TIME, FIELD_NAME, FIELD_UNIT, FIELD_GOAL},
    [5] = {FIELD_TITLE, NONE, NONE, NONE, NONE},
    [6] = {FIELD_COUNTY, FIELD_AMOUNT, NONE, NONE, NONE},
    [7] = {FIELD_HOST_ID, FIELD_ENDS_AT, NONE, NONE, NONE},
    [8] = {FIELD_ORDER_ID, FIELD_PLATFORM, FIELD_QUANTITY, FIELD_CURRENCY, NONE},
    [9] = {FIELD_REFUND_ID, FIELD_STARTS_AT, NONE, NONE, NONE},
    [10] = {FIELD_SESSION_ID, FIELD_PRODUCT_ID, NONE, NONE, NONE},
};

/* Names of 4 to 10 bytes, compared in two overlapping loads: a call of memcmp costs more. */
static inline bool same_name(const char *a, const char *b, size_t size)
{
    if (size >= 8) {
        uint64_t a_head, b_head, a_tail, b_tail;
        memcpy(&a_head, a, 8);
        memcpy(&b_head, b, 8);
        memcpy(&a_tail, a + size - 8, 8);
        memcpy(&b_tail, b + size - 8, 8);
        return ((a_head ^ b_head) | (a_tail ^ b_tail)) == 0;
    }
    uint32_t a_head, b_head, a_tail, b_tail;
    memcpy(&a_head, a, 4);
    memcpy(&b_head, b, 4);
    memcpy(&a_tail, a + size - 4, 4);
    memcpy(&b_tail, b + size - 4, 4);
    return ((a_head ^ b_head) | (a_tail ^ b_tail)) == 0;
}

/* EVENT_FIELD_COUNT when it is none of ours. */
static inline enum event_field find_field(struct json_string key)
{
    if (key.escaped) {
        for (int field = 0; field < EVENT_FIELD_COUNT; field++)
            if (json_string_equals(key, event_field_names[field]))
                return (enum event_field)field;
        return NONE;
    }
    if (key.raw.size > FIELD_NAME_MAX_BYTES)
        return NONE;
    const uint8_t *candidates = fields_by_size[key.raw.size];
    for (int i = 0; i < SAME_SIZE_MAX && candidates[i] != NONE; i++)
        if (same_name(key.raw.data, event_field_names[candidates[i]].data, key.raw.size))
            return (enum event_field)candidates[i];
    return NONE;
}

bool event_value_pass(enum json_kind kind, struct json_reader *reader)
{
    if (kind == JSON_OBJECT || kind == JSON_ARRAY)
        return json_reader_leave(reader);
    return kind != JSON_ERROR;
}

void event_value_describe(const struct event_value *value, char out[EVENT_VALUE_TEXT_BYTES])
{
    char echo[REJECTION_ECHO_BYTES + 1];
    const char *words = "";
    switch (value->kind) {
    case JSON_STRING:
        rejection_echo(echo, value->string.raw);
        snprintf(out, EVENT_VALUE_TEXT_BYTES, "\"%s%s\"", echo,
                 value->string.raw.size > strlen(echo) ? "…" : "");
        return;
    case JSON_NUMBER:
        rejection_echo(echo, value->string.raw);
        snprintf(out, EVENT_VALUE_TEXT_BYTES, "%s%s", echo,
                 value->string.raw.size > strlen(echo) ? "…" : "");
        return;
    case JSON_INT:
        snprintf(out, EVENT_VALUE_TEXT_BYTES, "%" PRId64, value->integer);
        return;
    case JSON_OBJECT:
        words = "an object";
        break;
    case JSON_ARRAY:
        words = "an array";
        break;
    case JSON_TRUE:
        words = "true";
        break;
    case JSON_FALSE:
        words = "false";
        break;
    case JSON_NULL:
        words = "null";
        break;
    case JSON_ERROR:
        break;
    }
    snprintf(out, EVENT_VALUE_TEXT_BYTES, "%s", words);
}

/* Unescapes into scratch. What is unescaped is never longer than its text, so all of it fits. */
static struct slice unescape(struct json_string string, struct buffer *scratch, size_t text_bytes)
{
    if (scratch->size == 0)
        buffer_reserve(scratch, text_bytes);
    char *to = scratch->data + scratch->size;
    size_t size = json_string_decode(string, to);
    scratch->size += size;
    return (struct slice){to, size};
}

void event_fields_init(struct event_fields *fields)
{
    /* Orders as PROTOCOL lists their fields; whatever else is written is learnt. */
    static const uint8_t order[] = {
        FIELD_TYPE,   FIELD_ORDER_ID, FIELD_HOST_ID,  FIELD_SESSION_ID, FIELD_PRODUCT_ID,
        FIELD_COUNTY, FIELD_PLATFORM, FIELD_QUANTITY, FIELD_AMOUNT,     FIELD_TIME};
    memset(fields->next, NONE, sizeof fields->next);
    for (size_t i = 0, before = NONE; i < sizeof order; before = order[i++])
        fields->next[before] = order[i];
}

static const struct json_known_key known_keys[EVENT_FIELD_COUNT] = {
#define X(name, wire) [FIELD_##name] = JSON_KNOWN_KEY(wire),
    EVENT_FIELDS(X)
#undef X
};

/* As next_field(), for whatever was not guessed. */
static enum event_field find_next_field(struct event_fields *fields, struct json_reader *reader,
                                        enum event_field before)
{
    struct json_string key;
    for (uint32_t left = fields->guessed; left; left &= left - 1)
        json_note_key(reader, &known_keys[__builtin_ctz(left)]);
    fields->guessed = 0;
    while (json_reader_key(reader, &key)) {
        enum event_field field = find_field(key);
        if (field != NONE) {
            fields->next[before] = (uint8_t)field;
            return field;
        }
        if (!json_reader_skip(reader))
            break;
    }
    if (json_reader_ok(reader))
        fields->next[before] = NONE;
    return NONE;
}

/* The next field that is ours, past its colon. NONE at the end of the object or on error. seen: of
 * this object. */
static inline enum event_field next_field(struct event_fields *fields, struct json_reader *reader,
                                          const struct json_seen_keys *seen,
                                          enum event_field before)
{
    enum event_field guess = (enum event_field)fields->next[before];
    if (guess == NONE) {
        if (json_pass_close(reader))
            return NONE;
    } else if (!event_fields_have(fields, guess) && seen->count <= GUESSED_KEYS_MAX &&
               json_pass_key(reader, &known_keys[guess])) {
        fields->guessed |= UINT32_C(1) << guess;
        return guess;
    }
    return find_next_field(fields, reader, before);
}

bool event_fields_read(struct event_fields *fields, struct json_reader *reader,
                       struct buffer *scratch, size_t text_bytes)
{
    const struct json_seen_keys *seen = &reader->seen[reader->depth - 1];
    enum event_field field = NONE;
    fields->present = fields->guessed = 0;
    while ((field = next_field(fields, reader, seen, field)) != NONE) {
        struct event_value *value = &fields->values[field];
        value->kind = json_pass_value(reader, &value->string, &value->integer);
        if (value->kind == JSON_STRING) {
            if (value->string.escaped)
                value->unescaped = unescape(value->string, scratch, text_bytes);
        } else if (!event_value_pass(value->kind, reader)) {
            return false;
        }
        fields->present |= UINT32_C(1) << field;
    }
    return json_reader_ok(reader);
}
