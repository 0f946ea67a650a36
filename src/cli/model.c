/*
 * Messages are read once, in the order of their fields: `epoch`, `stale` and the like are kept
 * aside until the end, payloads go right into their topic. A changed epoch empties the model when
 * it shows, before the topics that follow it.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "livetally/calendar.h"
#include "livetally/json.h"
#include "livetally/mem.h"
#include "model_payload.h"
#include "money.h"
#include "reply.h"
#include "text.h"

#define OFFSET_DEFAULT_MINUTES 480

void model_init(struct model *model)
{
    memset(model, 0, sizeof(*model));
    memcpy(model->currency, CURRENCY_DEFAULT, sizeof(model->currency));
    model->offset_minutes = OFFSET_DEFAULT_MINUTES;
}

static void forget_topics(struct model *model)
{
    for (uint32_t i = 0; i < model->topic_count; i++) {
        free(model->topics[i]);
    }
    model->topic_count = 0;
}

void model_done(struct model *model)
{
    forget_topics(model);
}

static enum topic_kind kind_of(const char *name)
{
    return strncmp(name, "top/", 4) == 0      ? TOPIC_BOARD
           : strncmp(name, "series/", 7) == 0 ? TOPIC_SERIES
           : strncmp(name, "ticker", 6) == 0  ? TOPIC_TICKER
                                              : TOPIC_SCOPE;
}

static struct model_topic *find_topic(struct model *model, const char *name)
{
    for (uint32_t i = 0; i < model->topic_count; i++) {
        if (strcmp(model->topics[i]->name, name) == 0) {
            return model->topics[i];
        }
    }
    return NULL;
}

/* Finds or adds; NULL when there are too many. */
static struct model_topic *topic_named(struct model *model, const char *name)
{
    struct model_topic *topic = find_topic(model, name);
    if (topic || model->topic_count == MODEL_TOPICS_MAX) {
        return topic;
    }
    topic = mem_zalloc(sizeof(*topic));
    memcpy(topic->name, name, strlen(name) + 1);
    topic->kind = kind_of(name);
    model->topics[model->topic_count++] = topic;
    return topic;
}

static bool read_topics(struct json_reader *reader, struct model *model, bool snapshot)
{
    struct json_string key;
    if (json_reader_next(reader) != JSON_OBJECT) {
        return false;
    }
    while (json_reader_key(reader, &key)) {
        char name[TOPIC_MAX_BYTES + 1];
        struct model_topic *topic = NULL;
        if (key.raw.size < sizeof(name)) {
            name[json_string_decode(key, name)] = '\0';
            text_disarm(name);
            topic = topic_named(model, name);
        }
        if (topic) {
            topic->held = false;
        }
        if (topic ? !model_read_payload(reader, topic, snapshot) : !json_reader_skip(reader)) {
            return false;
        }
    }
    return json_reader_ok(reader);
}

/* What the elements of "errors", or a message of type "error", say. */
struct complaint {
    char topic[TOPIC_MAX_BYTES + 1];
    char code[32];
    char error[256];
};

static void note_complaint(struct model *model, const struct complaint *complaint)
{
    struct buffer text = BUFFER_INIT;
    buffer_append_text(&text, complaint->topic);
    buffer_append_text(&text, complaint->topic[0] ? ": " : "");
    buffer_append_text(&text, complaint->error[0] ? complaint->error : complaint->code);
    size_t size = utf8_cut(buffer_slice(&text), sizeof(model->problem) - 1);
    memcpy(model->problem, text.data, size);
    model->problem[size] = '\0';
    text_disarm(model->problem);
    buffer_done(&text);
}

static bool read_complaint_field(struct json_reader *reader, struct json_string key,
                                 struct complaint *out)
{
    return reply_is_key(key, "topic")   ? reply_read_text(reader, out->topic, sizeof(out->topic))
           : reply_is_key(key, "code")  ? reply_read_text(reader, out->code, sizeof(out->code))
           : reply_is_key(key, "error") ? reply_read_text(reader, out->error, sizeof(out->error))
                                        : json_reader_skip(reader);
}

static bool read_errors(struct json_reader *reader, struct model *model, bool *ret_unavailable)
{
    if (json_reader_next(reader) != JSON_ARRAY) {
        return false;
    }
    while (json_reader_element(reader)) {
        struct complaint complaint = {.topic = ""};
        struct json_string key;
        if (json_reader_next(reader) != JSON_OBJECT) {
            return false;
        }
        while (json_reader_key(reader, &key)) {
            if (!read_complaint_field(reader, key, &complaint)) {
                return false;
            }
        }
        model->error_count++;
        if (strcmp(complaint.code, "unavailable") == 0) {
            struct model_topic *topic = find_topic(model, complaint.topic);
            *ret_unavailable = true;
            if (topic) {
                topic->held = true;
            }
        }
        note_complaint(model, &complaint);
    }
    return json_reader_ok(reader);
}

/* A message on its way into the model. */
struct incoming {
    char type[32];
    struct complaint complaint;
    bool unavailable;
};

static bool read_epoch(struct json_reader *reader, struct model *model)
{
    char epoch[sizeof(model->epoch)];
    if (!reply_read_text(reader, epoch, sizeof(epoch))) {
        return false;
    }
    if (strcmp(epoch, model->epoch) != 0) {
        forget_topics(model);
        memcpy(model->epoch, epoch, sizeof(epoch));
    }
    return true;
}

static bool read_stale(struct json_reader *reader, struct model *model)
{
    enum json_kind kind = json_reader_next(reader);
    model->stale = kind == JSON_TRUE;
    return kind == JSON_TRUE || kind == JSON_FALSE;
}

/* What is no currency or offset of ours counts as not said. */
static bool read_currency(struct json_reader *reader, struct model *model)
{
    char text[8];
    if (!reply_read_text(reader, text, sizeof(text))) {
        return false;
    }
    if (strlen(text) == 3 && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3) {
        memcpy(model->currency, text, sizeof(model->currency));
    }
    return true;
}

static bool read_time_zone(struct json_reader *reader, struct model *model)
{
    char text[16];
    if (!reply_read_text(reader, text, sizeof(text))) {
        return false;
    }
    (void)calendar_parse_offset(slice_of(text), &model->offset_minutes);
    return true;
}

/* A snapshot says anew what is wrong with any topic. */
static bool note_type(struct json_reader *reader, struct model *model, struct incoming *incoming)
{
    if (!reply_read_text(reader, incoming->type, sizeof(incoming->type))) {
        return false;
    }
    if (strcmp(incoming->type, "snapshot") == 0) {
        model->problem[0] = '\0';
    }
    return true;
}

static bool read_message_field(struct json_reader *reader, struct json_string key,
                               struct model *model, struct incoming *incoming)
{
    bool snapshot = strcmp(incoming->type, "snapshot") == 0;
    if (reply_is_key(key, "type")) {
        return note_type(reader, model, incoming);
    }
    if (reply_is_key(key, "time")) {
        return reply_read_int(reader, &model->time_ms);
    }
    if (reply_is_key(key, "retry_after_ms")) {
        return reply_read_int(reader, &model->retry_after_ms);
    }
    if (snapshot || strcmp(incoming->type, "update") == 0) {
        return reply_is_key(key, "epoch")    ? read_epoch(reader, model)
               : reply_is_key(key, "stale")  ? read_stale(reader, model)
               : reply_is_key(key, "topics") ? read_topics(reader, model, snapshot)
               : reply_is_key(key, "errors") ? read_errors(reader, model, &incoming->unavailable)
                                             : json_reader_skip(reader);
    }
    if (strcmp(incoming->type, "hello") == 0) {
        return reply_is_key(key, "currency")    ? read_currency(reader, model)
               : reply_is_key(key, "time_zone") ? read_time_zone(reader, model)
                                                : json_reader_skip(reader);
    }
    if (reply_is_key(key, "message")) { /* of a goodbye */
        return reply_read_text(reader, incoming->complaint.error,
                               sizeof(incoming->complaint.error));
    }
    return read_complaint_field(reader, key, &incoming->complaint);
}

static enum model_change change_of(struct model *model, const struct incoming *incoming)
{
    if (strcmp(incoming->type, "snapshot") == 0) {
        return incoming->unavailable ? MODEL_UNAVAILABLE : MODEL_SNAPSHOT;
    }
    if (strcmp(incoming->type, "update") == 0) {
        return MODEL_UPDATE;
    }
    if (strcmp(incoming->type, "goodbye") == 0 || strcmp(incoming->type, "error") == 0) {
        note_complaint(model, &incoming->complaint);
        return strcmp(incoming->type, "goodbye") == 0 ? MODEL_GOODBYE : MODEL_NOTHING;
    }
    return MODEL_NOTHING;
}

enum model_change model_apply(struct model *model, struct slice message)
{
    struct json_reader reader;
    struct json_string key;
    struct incoming incoming = {.type = ""};
    bool first = true;
    model->error_count = 0;
    json_reader_init(&reader, message);
    if (json_reader_next(&reader) != JSON_OBJECT) {
        return MODEL_BAD;
    }
    while (json_reader_key(&reader, &key)) {
        if (first && !reply_is_key(key, "type")) {
            return MODEL_BAD; /* the server writes it first; without it nothing makes sense */
        }
        first = false;
        if (!read_message_field(&reader, key, model, &incoming)) {
            return MODEL_BAD;
        }
    }
    return json_reader_end(&reader) ? change_of(model, &incoming) : MODEL_BAD;
}

const char *model_find_name(const struct model *model, const char *id)
{
    for (uint32_t i = 0; i < model->topic_count; i++) {
        const struct model_topic *topic = model->topics[i];
        for (uint32_t j = 0; j < topic->row_count; j++) {
            if (topic->rows[j].name[0] && strcmp(topic->rows[j].id, id) == 0) {
                return topic->rows[j].name;
            }
        }
    }
    return id;
}
