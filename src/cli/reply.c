/*
 * Unknown fields and types are ignored, as the protocol wants it of both sides; known fields of a
 * wrong type make the message invalid.
 */
#include "reply.h"

#include <string.h>

#define DECODE_MAX 4096

static bool copy_text(struct json_string string, char *out, size_t size)
{
    char decoded[DECODE_MAX];
    struct slice value = string.raw;
    if (string.escaped) {
        if (value.size > sizeof(decoded)) {
            return false;
        }
        value = (struct slice){decoded, json_string_decode(string, decoded)};
    }
    size_t length = utf8_cut(value, size - 1);
    memcpy(out, value.data, length);
    out[length] = '\0';
    return true;
}

bool reply_read_text(struct json_reader *reader, char *out, size_t size)
{
    return json_reader_next(reader) == JSON_STRING && copy_text(reader->string, out, size);
}

bool reply_read_int(struct json_reader *reader, int64_t *ret_value)
{
    if (json_reader_next(reader) != JSON_INT) {
        return false;
    }
    *ret_value = reader->integer;
    return true;
}

static bool read_bool(struct json_reader *reader, bool *ret_value)
{
    enum json_kind kind = json_reader_next(reader);
    *ret_value = kind == JSON_TRUE;
    return kind == JSON_TRUE || kind == JSON_FALSE;
}

static bool read_type(struct json_reader *reader, enum reply_type *ret_type)
{
    static const struct {
        const char *name;
        enum reply_type type;
    } types[] = {
        {"hello", REPLY_HELLO},
        {"ack", REPLY_ACK},
        {"status", REPLY_STATUS},
        {"goodbye", REPLY_GOODBYE},
    };
    char name[32];
    if (!reply_read_text(reader, name, sizeof(name))) {
        return false;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(name, types[i].name) == 0) {
            *ret_type = types[i].type;
        }
    }
    return true;
}

static bool read_limits(struct json_reader *reader, struct reply *reply)
{
    struct json_string key;
    if (json_reader_next(reader) != JSON_OBJECT) {
        return false;
    }
    while (json_reader_key(reader, &key)) {
        int64_t *value = reply_is_key(key, "message_bytes")   ? &reply->message_bytes
                         : reply_is_key(key, "batch_events")  ? &reply->batch_events
                         : reply_is_key(key, "window_events") ? &reply->window_events
                                                              : NULL;
        if (value ? !reply_read_int(reader, value) : !json_reader_skip(reader)) {
            return false;
        }
    }
    return json_reader_ok(reader);
}

static bool read_rejected(struct json_reader *reader, struct reply *reply)
{
    const char *start = reader->at;
    if (!json_reader_skip(reader)) {
        return false;
    }
    reply->rejected = (struct slice){start, (size_t)(reader->at - start)};
    return true;
}

static bool read_store(struct json_reader *reader, struct reply *reply)
{
    char state[32];
    if (!reply_read_text(reader, state, sizeof(state))) {
        return false;
    }
    reply->store_available = strcmp(state, "available") == 0;
    return true;
}

static bool read_field(struct json_reader *reader, struct json_string key, struct reply *reply)
{
    static const struct {
        const char *name;
        size_t offset;
    } numbers[] = {
        {"upto", offsetof(struct reply, upto)},
        {"accepted", offsetof(struct reply, accepted)},
        {"duplicates", offsetof(struct reply, duplicates)},
        {"parked", offsetof(struct reply, parked)},
        {"retry_after_ms", offsetof(struct reply, retry_after_ms)},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (reply_is_key(key, numbers[i].name)) {
            return reply_read_int(reader, (int64_t *)(void *)((char *)reply + numbers[i].offset));
        }
    }
    return reply_is_key(key, "type")       ? read_type(reader, &reply->type)
           : reply_is_key(key, "limits")   ? read_limits(reader, reply)
           : reply_is_key(key, "rejected") ? read_rejected(reader, reply)
           : reply_is_key(key, "store")    ? read_store(reader, reply)
           : reply_is_key(key, "code") ? reply_read_text(reader, reply->code, sizeof(reply->code))
           : reply_is_key(key, "message")
               ? reply_read_text(reader, reply->message, sizeof(reply->message))
               : json_reader_skip(reader);
}

bool reply_parse(struct slice text, struct reply *ret_reply)
{
    struct json_reader reader;
    struct json_string key;
    memset(ret_reply, 0, sizeof(*ret_reply));
    json_reader_init(&reader, text);
    if (json_reader_next(&reader) != JSON_OBJECT) {
        return false;
    }
    while (json_reader_key(&reader, &key)) {
        if (!read_field(&reader, key, ret_reply)) {
            return false;
        }
    }
    return json_reader_end(&reader);
}

/* A string or null (then ""). */
static bool read_optional_text(struct json_reader *reader, char *out, size_t size)
{
    enum json_kind kind = json_reader_next(reader);
    out[0] = '\0';
    return kind == JSON_NULL || (kind == JSON_STRING && copy_text(reader->string, out, size));
}

/* An integer, or null (then -1). */
static bool read_index(struct json_reader *reader, int64_t *ret_index)
{
    enum json_kind kind = json_reader_next(reader);
    *ret_index = kind == JSON_INT ? reader->integer : -1;
    return kind == JSON_INT || kind == JSON_NULL;
}

static bool read_rejection_field(struct json_reader *reader, struct json_string key,
                                 struct reply_rejection *out)
{
    return reply_is_key(key, "message") ? reply_read_int(reader, &out->message)
           : reply_is_key(key, "index") ? read_index(reader, &out->index)
           : reply_is_key(key, "final") ? read_bool(reader, &out->final)
           : reply_is_key(key, "id")    ? read_optional_text(reader, out->id, sizeof(out->id))
           : reply_is_key(key, "code")  ? reply_read_text(reader, out->code, sizeof(out->code))
           : reply_is_key(key, "field") ? read_optional_text(reader, out->field, sizeof(out->field))
           : reply_is_key(key, "error") ? reply_read_text(reader, out->error, sizeof(out->error))
                                        : json_reader_skip(reader);
}

void reply_walk_rejected(struct json_reader *reader, const struct reply *reply)
{
    json_reader_init(reader, reply->rejected.data ? reply->rejected : SLICE("[]"));
    json_reader_next(reader);
}

bool reply_next_rejection(struct json_reader *reader, struct reply_rejection *ret_rejection)
{
    struct json_string key;
    memset(ret_rejection, 0, sizeof(*ret_rejection));
    ret_rejection->index = -1;
    if (!json_reader_element(reader) || json_reader_next(reader) != JSON_OBJECT) {
        return false;
    }
    while (json_reader_key(reader, &key)) {
        if (!read_rejection_field(reader, key, ret_rejection)) {
            return false;
        }
    }
    return json_reader_ok(reader);
}
