/*
 * The slow, obvious decoder of ingest messages: PROTOCOL's tables over values that jansson read.
 * Written from the protocol, not from the product, to be compared with it.
 */
#ifndef LIVETALLY_TESTS_SLOW_EVENT_H
#define LIVETALLY_TESTS_SLOW_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "against_jansson.h"
#include "livetally/event.h"

/* Codes a table of counties knows, retired ones with their successor. */
struct slow_county {
    const char *code;
    const char *counts_under;
};

struct slow_rules {
    const struct slow_county *counties; /* ends with a NULL code; NULL: only the form counts */
    const char *currency;
    int64_t now_ms;
    int64_t future_ms;
    int64_t keep_ms;
};

enum slow_form { SLOW_ID, SLOW_NAME, SLOW_COUNTY, SLOW_CURRENCY, SLOW_INT };

struct slow_field {
    const char *name; /* NULL: end of a table */
    enum slow_form form;
    bool required;
    const char *code; /* when the value is wrong */
    int64_t least, most;
};

struct slow_type {
    const char *name;
    const char *own_id;
    bool counted; /* so it may be too old */
    struct slow_field fields[12];
};

#define SLOW_TIME(name)                                                                            \
    {                                                                                              \
        name, SLOW_INT, false, "bad_field", 0, INT64_C(253402300799999)                            \
    }

static const struct slow_type slow_types[] = {
    {"order",
     "order_id",
     true,
     {{"order_id", SLOW_ID, true, "bad_field", 0, 0},
      {"host_id", SLOW_ID, false, "bad_field", 0, 0},
      {"session_id", SLOW_ID, false, "bad_field", 0, 0},
      {"product_id", SLOW_ID, true, "bad_field", 0, 0},
      {"county", SLOW_COUNTY, false, "bad_county", 0, 0},
      {"platform", SLOW_ID, false, "bad_field", 0, 0},
      {"quantity", SLOW_INT, true, "bad_quantity", 1, 100000},
      {"amount", SLOW_INT, true, "bad_amount", 0, INT64_C(10000000000)},
      {"currency", SLOW_CURRENCY, false, "bad_field", 0, 0},
      SLOW_TIME("time")}},
    {"refund",
     "refund_id",
     true,
     {{"refund_id", SLOW_ID, true, "bad_field", 0, 0},
      {"order_id", SLOW_ID, true, "bad_field", 0, 0},
      {"amount", SLOW_INT, true, "bad_amount", 1, INT64_C(10000000000)},
      {"quantity", SLOW_INT, false, "bad_quantity", 0, 100000},
      SLOW_TIME("time"),
      {"host_id", SLOW_ID, false, "bad_field", 0, 0}}},
    {"session",
     "session_id",
     false,
     {{"session_id", SLOW_ID, true, "bad_field", 0, 0},
      {"host_id", SLOW_ID, true, "bad_field", 0, 0},
      {"title", SLOW_NAME, false, "bad_field", 0, 0},
      {"platform", SLOW_ID, false, "bad_field", 0, 0},
      SLOW_TIME("starts_at"),
      SLOW_TIME("ends_at"),
      {"goal", SLOW_INT, false, "bad_field", 0, INT64_C(9007199254740991)},
      SLOW_TIME("time")}},
    {"product",
     "product_id",
     false,
     {{"product_id", SLOW_ID, true, "bad_field", 0, 0},
      {"name", SLOW_NAME, false, "bad_field", 0, 0},
      {"county", SLOW_COUNTY, false, "bad_county", 0, 0},
      {"unit", SLOW_NAME, false, "bad_field", 0, 0},
      SLOW_TIME("time")}},
    {"host",
     "host_id",
     false,
     {{"host_id", SLOW_ID, true, "bad_field", 0, 0},
      {"name", SLOW_NAME, false, "bad_field", 0, 0},
      SLOW_TIME("time")}},
};

#define SLOW_TYPES (sizeof(slow_types) / sizeof(*slow_types))

/* What should become of one event. */
struct slow_verdict {
    uint32_t index;   /* REJECTION_WHOLE_MESSAGE: of the message */
    const char *code; /* NULL: it is good */
    const char *field;
    const char *id; /* bytes; NULL: not known */
    size_t id_size;
    const struct slow_type *type;
    json_t *event; /* what it was read from, or NULL */
};

struct slow_message {
    struct slow_verdict verdicts[MESSAGE_EVENTS_MAX];
    uint32_t count;
    bool unknown; /* jansson can't tell */
};

static inline size_t slow_depth(const json_t *value)
{
    size_t deepest = 0;
    const char *key;
    json_t *member;
    size_t i;

    if (!json_is_object(value) && !json_is_array(value))
        return 0;
    json_array_foreach(value, i, member)
    {
        size_t depth = slow_depth(member);
        deepest = depth > deepest ? depth : deepest;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        size_t depth = slow_depth(member);
        deepest = depth > deepest ? depth : deepest;
    }
    return 1 + deepest;
}

/* More keys than the reader compares for duplicates. */
static inline bool slow_crowded(const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;

    json_array_foreach(value, i, member)
    {
        if (slow_crowded(member))
            return true;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (slow_crowded(member))
            return true;
    }
    return json_object_size(value) > JSON_KEYS_MAX;
}

/* jansson stops at numbers that fit no C number; to us they are numbers that are no integers. */
static inline bool slow_shrink_number(char *text, const json_error_t *error)
{
    size_t end = (size_t)error->position;
    size_t start = end;

    while (start > 0 && strchr("0123456789+-.eE", text[start - 1])) {
        start--;
        /* A minus begins a number, but for the one of an exponent. */
        if (text[start] == '-' && (start == 0 || !strchr("eE", text[start - 1])))
            break;
    }
    if (end - start < 5) /* no such number is shorter */
        return false;
    memset(text + start, ' ', end - start);
    memcpy(text + start + 1, "0.5", 3); /* apart from what may touch the number */
    return true;
}

/* NULL: not JSON as PROTOCOL has it, or *ret_unknown. */
static inline json_t *slow_load(struct slice text, bool *ret_unknown)
{
    json_error_t error = {.position = 0};
    json_t *value = NULL;
    bool again = !memchr(text.data, '\0', text.size); /* jansson loses some */
    char *copy = mem_strndup(text.data, text.size);

    while (again) {
        value = json_loadb(copy, text.size, JANSSON_FLAGS, &error);
        again = !value && json_error_code(&error) == json_error_numeric_overflow;
        if (again && !slow_shrink_number(copy, &error)) {
            *ret_unknown = true;
            again = false;
        }
    }
    free(copy);
    if (!value && error.position && json_error_code(&error) == json_error_null_byte_in_key)
        *ret_unknown = true;
    if (value && (slow_depth(value) > 8 || slow_crowded(value))) {
        json_decref(value);
        value = NULL;
    }
    return value;
}

static inline bool slow_id_ok(const json_t *value)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@-";
    size_t size = json_string_length(value);

    return size >= 1 && size <= 64 && strspn(json_string_value(value), allowed) == size;
}

static inline bool slow_name_ok(const json_t *value)
{
    const unsigned char *text = (const unsigned char *)json_string_value(value);
    size_t size = json_string_length(value);

    for (size_t i = 0; i < size; i++)
        if (text[i] < 0x20 || text[i] == 0x7F || (text[i] == 0xC2 && text[i + 1] < 0xA0))
            return false;
    return size <= 128;
}

/* The code it counts under, or NULL. */
static inline const char *slow_county(const struct slow_rules *rules, const json_t *value)
{
    static const char provinces[] =
        "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 "
        "50 51 52 53 54 61 62 63 64 65 71 81 82";
    const char *text = json_string_value(value);

    if (json_string_length(value) != 6 || strspn(text, "0123456789") != 6 ||
        memcmp(text + 4, "00", 2) == 0)
        return NULL;
    for (const struct slow_county *county = rules->counties; county && county->code; county++)
        if (strcmp(county->code, text) == 0)
            return county->counts_under;
    for (const char *at = provinces; !rules->counties && at; at = strchr(at, ' '))
        if (memcmp(*at == ' ' ? ++at : at, text, 2) == 0)
            return text;
    return NULL;
}

/* NULL when the value is right. */
static inline const char *slow_check(const struct slow_rules *rules, const struct slow_field *field,
                                     const json_t *value)
{
    const char *text = json_string_value(value);
    bool good = false;

    switch (field->form) {
    case SLOW_ID:
        good = text && slow_id_ok(value);
        break;
    case SLOW_NAME:
        good = text && slow_name_ok(value);
        break;
    case SLOW_COUNTY:
        good = text && slow_county(rules, value);
        break;
    case SLOW_CURRENCY:
        good = text && json_string_length(value) == 3 &&
               strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3;
        if (good && strcmp(text, rules->currency) != 0)
            return "currency_mismatch";
        break;
    case SLOW_INT:
        good = json_is_integer(value) && json_integer_value(value) >= field->least &&
               json_integer_value(value) <= field->most;
        break;
    }
    return good ? NULL : field->code;
}

static inline const struct slow_type *slow_type_of(const json_t *event)
{
    const json_t *type = json_object_get(event, "type");

    for (size_t i = 0; i < SLOW_TYPES; i++)
        if (json_is_string(type) && strlen(slow_types[i].name) == json_string_length(type) &&
            strcmp(slow_types[i].name, json_string_value(type)) == 0)
            return &slow_types[i];
    return NULL;
}

static inline void slow_note_id(struct slow_verdict *verdict, const char *key)
{
    const json_t *id = json_object_get(verdict->event, key);

    if (!verdict->id && json_is_string(id)) {
        verdict->id = json_string_value(id);
        verdict->id_size = json_string_length(id);
    }
}

static inline void slow_judge_fields(const struct slow_rules *rules, struct slow_verdict *verdict)
{
    const struct slow_type *type = verdict->type;
    const json_t *event = verdict->event;
    const json_t *time = json_object_get(event, "time");

    for (const struct slow_field *field = type->fields; field->name; field++) {
        const json_t *value = json_object_get(event, field->name);
        verdict->field = field->name;
        verdict->code = value ? slow_check(rules, field, value) : NULL;
        if (verdict->code)
            return;
    }
    for (const struct slow_field *field = type->fields; field->name; field++) {
        /* A session stands for its host. */
        bool either = strcmp(type->name, "order") == 0 && strcmp(field->name, "host_id") == 0 &&
                      !json_object_get(event, "session_id");
        verdict->field = field->name;
        verdict->code = "missing_field";
        if ((field->required || either) && !json_object_get(event, field->name))
            return;
    }
    verdict->field = "time";
    verdict->code = "time_in_future";
    if (time && json_integer_value(time) > rules->now_ms + rules->future_ms)
        return;
    verdict->code = "too_old";
    if (time && type->counted && json_integer_value(time) < rules->now_ms - rules->keep_ms)
        return;
    verdict->field = verdict->code = NULL;
}

static inline void slow_judge(const struct slow_rules *rules, struct slow_verdict *verdict)
{
    verdict->type = slow_type_of(verdict->event);
    if (!json_is_object(verdict->event)) {
        verdict->code = "bad_type";
        return;
    }
    if (verdict->type) {
        slow_note_id(verdict, verdict->type->own_id);
        slow_judge_fields(rules, verdict);
        return;
    }
    slow_note_id(verdict, "refund_id");
    slow_note_id(verdict, "order_id");
    verdict->field = "type";
    verdict->code = json_object_get(verdict->event, "type") ? "bad_type" : "missing_field";
}

static inline void slow_reset(struct slow_message *message)
{
    for (uint32_t i = 0; i < message->count; i++)
        json_decref(message->verdicts[i].event);
    message->count = 0;
}

static inline void slow_whole(struct slow_message *message, const char *code)
{
    slow_reset(message);
    message->verdicts[message->count++] =
        (struct slow_verdict){.index = REJECTION_WHOLE_MESSAGE, .code = code};
}

/* One event, or what stands in its place; takes the value. False: there were enough before. */
static inline bool slow_add(struct slow_message *message, const struct slow_rules *rules,
                            uint32_t index, json_t *value)
{
    struct slow_verdict verdict = {.index = index, .event = value};

    if (message->count == MESSAGE_EVENTS_MAX) {
        json_decref(value);
        slow_whole(message, "batch_too_large");
        return false;
    }
    if (value)
        slow_judge(rules, &verdict);
    else
        verdict.code = "bad_json";
    message->verdicts[message->count++] = verdict;
    return true;
}

static inline bool slow_blank(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!memchr(" \t\r\n", text.data[i], 4))
            return false;
    return true;
}

static inline bool slow_line(struct slice *rest, struct slice *ret_line)
{
    const char *end = rest->size ? memchr(rest->data, '\n', rest->size) : NULL;
    size_t size = end ? (size_t)(end - rest->data) : rest->size;

    if (rest->size == 0)
        return false;
    *ret_line = (struct slice){rest->data, size};
    *rest = (struct slice){rest->data + size + (end != NULL), rest->size - size - (end != NULL)};
    return true;
}

static inline uint32_t slow_count_lines(struct slice text)
{
    struct slice line;
    uint32_t count = 0;

    while (slow_line(&text, &line))
        count += !slow_blank(line);
    return count;
}

/* Reads a message whose verdicts are to be given back with slow_reset(). */
static inline void slow_parse(struct slow_message *message, const struct slow_rules *rules,
                              struct slice text)
{
    size_t start = 0;
    json_t *value;

    message->count = 0;
    message->unknown = false;
    if (slow_blank(text))
        return;
    while (memchr(" \t\r\n", text.data[start], 4))
        start++;
    value = slow_load(text, &message->unknown);
    if (json_is_array(value)) {
        json_t *element;
        size_t i;
        json_array_foreach(value, i, element)
        {
            if (!slow_add(message, rules, (uint32_t)i, json_incref(element)))
                break;
        }
        json_decref(value);
    } else if (value) {
        slow_add(message, rules, 0, value);
    } else if (text.data[start] != '[' && slow_count_lines(text) > 1) {
        struct slice line;
        for (uint32_t index = 0; slow_line(&text, &line); index++)
            if (!slow_blank(line) &&
                !slow_add(message, rules, index, slow_load(line, &message->unknown)))
                break;
    } else {
        slow_whole(message, "bad_json");
    }
}

#endif
