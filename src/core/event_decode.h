/*
 * Decoding an event, in two steps: first what its object says of the fields we know, whatever
 * their kind and order; then, once the type is known, whether that is right. Private to core's
 * event and message files.
 */
#ifndef LIVETALLY_CORE_EVENT_DECODE_H
#define LIVETALLY_CORE_EVENT_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/event.h"
#include "livetally/json.h"

/* field, its name on the wire */
#define EVENT_FIELDS(X)                                                                            \
    X(TYPE, "type")                                                                                \
    X(ORDER_ID, "order_id")                                                                        \
    X(REFUND_ID, "refund_id")                                                                      \
    X(HOST_ID, "host_id")                                                                          \
    X(SESSION_ID, "session_id")                                                                    \
    X(PRODUCT_ID, "product_id")                                                                    \
    X(COUNTY, "county")                                                                            \
    X(PLATFORM, "platform")                                                                        \
    X(QUANTITY, "quantity")                                                                        \
    X(AMOUNT, "amount")                                                                            \
    X(CURRENCY, "currency")                                                                        \
    X(TIME, "time")                                                                                \
    X(NAME, "name")                                                                                \
    X(TITLE, "title")                                                                              \
    X(UNIT, "unit")                                                                                \
    X(STARTS_AT, "starts_at")                                                                      \
    X(ENDS_AT, "ends_at")                                                                          \
    X(GOAL, "goal")

enum event_field {
#define X(name, wire) FIELD_##name,
    EVENT_FIELDS(X)
#undef X
        EVENT_FIELD_COUNT
};

extern const struct slice event_field_names[EVENT_FIELD_COUNT];

/* A JSON value as far as events need it: of objects and arrays only that there was one. */
struct event_value {
    enum json_kind kind;
    struct json_string string; /* JSON_STRING and JSON_NUMBER: as in the text */
    struct slice unescaped;    /* JSON_STRING with escapes: in the scratch buffer */
    int64_t integer;           /* JSON_INT */
};

/* Absent when it isn't a JSON_STRING. */
static inline struct slice event_value_text(const struct event_value *value)
{
    if (value->kind != JSON_STRING)
        return (struct slice){NULL, 0};
    return value->string.escaped ? value->unescaped : value->string.raw;
}

struct event_fields {
    uint32_t present; /* bit 1 << enum event_field; only those values are set */
    uint32_t guessed; /* such bits of keys that the reader was not told of so far */
    /* The field that followed each one last time, or EVENT_FIELD_COUNT; the last: the first one.
     * Tools write one event as the other, so this is nearly always right. */
    uint8_t next[EVENT_FIELD_COUNT + 1];
    struct event_value values[EVENT_FIELD_COUNT];
};

void event_fields_init(struct event_fields *fields);

static inline bool event_fields_have(const struct event_fields *fields, enum event_field field)
{
    return fields->present >> field & 1U;
}

/* After json_reader_next_to(): passes over an object or array. False on a syntax error. */
bool event_value_pass(enum json_kind kind, struct json_reader *reader);

/* As a person may read it in an error message: echoed input is cut at REJECTION_ECHO_BYTES. */
#define EVENT_VALUE_TEXT_BYTES (REJECTION_ECHO_BYTES + 8)
void event_value_describe(const struct event_value *value, char out[EVENT_VALUE_TEXT_BYTES]);

/*
 * Reads the object that the reader has just opened, to its end. Unescaped strings go into scratch,
 * for which text_bytes, the size of all text read into it, is reserved at the first need, so that
 * it never moves. False on a syntax error.
 */
bool event_fields_read(struct event_fields *fields, struct json_reader *reader,
                       struct buffer *scratch, size_t text_bytes);

/* True: *ret_event is filled. False: it is not to be used, and the message has a rejection more. */
bool event_judge(const struct event_fields *fields, const struct event_rules *rules, int64_t now_ms,
                 struct message *message, uint32_t index, struct event *ret_event);

#endif
