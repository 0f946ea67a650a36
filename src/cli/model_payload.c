/*
 * One reader for each kind of payload. Fields that are not shown are passed over.
 */
#include "model_payload.h"

#include <string.h>

#include "reply.h"
#include "text.h"

static bool read_label(struct json_reader *reader, char *out, size_t size)
{
    bool good = reply_read_text(reader, out, size);
    if (good) {
        text_disarm(out);
    }
    return good;
}

/* The integer among `metrics` that the key names, or NULL. */
static int64_t *metric_of(struct model_metrics *metrics, struct json_string key)
{
    return reply_is_key(key, "orders")     ? &metrics->orders
           : reply_is_key(key, "units")    ? &metrics->units
           : reply_is_key(key, "gross")    ? &metrics->gross
           : reply_is_key(key, "refunds")  ? &metrics->refunds
           : reply_is_key(key, "refunded") ? &metrics->refunded
           : reply_is_key(key, "net")      ? &metrics->net
                                           : NULL;
}

static bool read_metrics(struct json_reader *reader, struct model_metrics *metrics)
{
    struct json_string key;
    memset(metrics, 0, sizeof(*metrics));
    if (json_reader_next(reader) != JSON_OBJECT) {
        return false;
    }
    while (json_reader_key(reader, &key)) {
        int64_t *metric = metric_of(metrics, key);
        if (metric ? !reply_read_int(reader, metric) : !json_reader_skip(reader)) {
            return false;
        }
    }
    return json_reader_ok(reader);
}

static bool read_scope_field(struct json_reader *reader, struct json_string key,
                             struct model_topic *topic)
{
    if (reply_is_key(key, "today")) {
        topic->has_today = true;
        return read_metrics(reader, &topic->today);
    }
    return reply_is_key(key, "all") ? read_metrics(reader, &topic->all)
           : reply_is_key(key, "name") || reply_is_key(key, "title")
               ? read_label(reader, topic->label, sizeof(topic->label))
           : reply_is_key(key, "goal") ? reply_read_int(reader, &topic->goal)
                                       : json_reader_skip(reader);
}

static bool read_row_field(struct json_reader *reader, struct json_string key,
                           struct model_row *row)
{
    int64_t *metric = metric_of(&row->metrics, key);
    return metric                      ? reply_read_int(reader, metric)
           : reply_is_key(key, "id")   ? read_label(reader, row->id, sizeof(row->id))
           : reply_is_key(key, "name") ? read_label(reader, row->name, sizeof(row->name))
                                       : json_reader_skip(reader);
}

static bool read_row(struct json_reader *reader, struct model_topic *topic)
{
    struct json_string key;
    struct model_row *row = &topic->rows[topic->row_count];
    if (topic->row_count == MODEL_ROWS_MAX) {
        return json_reader_skip(reader);
    }
    memset(row, 0, sizeof(*row));
    if (json_reader_next(reader) != JSON_OBJECT) {
        return false;
    }
    while (json_reader_key(reader, &key)) {
        if (!read_row_field(reader, key, row)) {
            return false;
        }
    }
    topic->row_count++;
    return json_reader_ok(reader);
}

static bool read_sale_field(struct json_reader *reader, struct json_string key,
                            struct model_sale *sale)
{
    return reply_is_key(key, "time")       ? reply_read_int(reader, &sale->time_ms)
           : reply_is_key(key, "quantity") ? reply_read_int(reader, &sale->quantity)
           : reply_is_key(key, "amount")   ? reply_read_int(reader, &sale->amount)
           : reply_is_key(key, "host_id") ? read_label(reader, sale->host_id, sizeof(sale->host_id))
           : reply_is_key(key, "county")  ? read_label(reader, sale->county, sizeof(sale->county))
           : reply_is_key(key, "product_id")
               ? read_label(reader, sale->product_id, sizeof(sale->product_id))
               : json_reader_skip(reader);
}

static bool read_sale(struct json_reader *reader, struct model_topic *topic)
{
    struct json_string key;
    struct model_sale sale = {0};
    if (json_reader_next(reader) != JSON_OBJECT) {
        return false;
    }
    while (json_reader_key(reader, &key)) {
        if (!read_sale_field(reader, key, &sale)) {
            return false;
        }
    }
    if (topic->sale_count == MODEL_TICKER_MAX) {
        topic->sale_count--;
        memmove(topic->sales, topic->sales + 1, topic->sale_count * sizeof(topic->sales[0]));
    }
    topic->sales[topic->sale_count++] = sale;
    return json_reader_ok(reader);
}

static bool read_array(struct json_reader *reader, struct model_topic *topic,
                       bool (*element)(struct json_reader *reader, struct model_topic *topic))
{
    if (json_reader_next(reader) != JSON_ARRAY) {
        return false;
    }
    while (json_reader_element(reader)) {
        if (!element(reader, topic)) {
            return false;
        }
    }
    return json_reader_ok(reader);
}

static bool read_board_field(struct json_reader *reader, struct json_string key,
                             struct model_topic *topic)
{
    if (reply_is_key(key, "rows")) {
        topic->row_count = 0;
        return read_array(reader, topic, read_row);
    }
    return reply_is_key(key, "by")       ? read_label(reader, topic->by, sizeof(topic->by))
           : reply_is_key(key, "period") ? read_label(reader, topic->period, sizeof(topic->period))
           : reply_is_key(key, "of")     ? reply_read_int(reader, &topic->of)
                                         : json_reader_skip(reader);
}

/* A series on its way in: where it belongs is known only when all fields were read. */
struct minutes {
    int64_t step_ms;
    int64_t start_ms;
    uint32_t count;
    int64_t gross[MODEL_MINUTES_MAX];
};

static bool read_minutes(struct json_reader *reader, struct minutes *minutes)
{
    if (json_reader_next(reader) != JSON_ARRAY) {
        return false;
    }
    while (json_reader_element(reader)) {
        int64_t gross;
        if (!reply_read_int(reader, &gross) || minutes->count == MODEL_MINUTES_MAX) {
            return false;
        }
        minutes->gross[minutes->count++] = gross;
    }
    return json_reader_ok(reader);
}

/* Lays the changed minutes over those known; what moves out at the front is dropped. */
static void merge_minutes(struct model_topic *topic, const struct minutes *changed)
{
    int64_t offset = (changed->start_ms - topic->start_ms) / topic->step_ms;
    int64_t end = offset + changed->count;
    uint32_t span = topic->minute_count;
    if (offset < 0 || end > 2 * MODEL_MINUTES_MAX || span == 0) {
        return; /* a snapshot will set it right */
    }
    if (end > span) {
        uint32_t shift = (uint32_t)(end - span);
        uint32_t keep = shift < span ? span - shift : 0;
        memmove(topic->minute_gross, topic->minute_gross + (span - keep),
                keep * sizeof(topic->minute_gross[0]));
        memset(topic->minute_gross + keep, 0, (span - keep) * sizeof(topic->minute_gross[0]));
        topic->start_ms += shift * topic->step_ms;
        offset -= shift;
    }
    for (uint32_t i = 0; i < changed->count; i++) {
        if (offset + i >= 0) {
            topic->minute_gross[offset + i] = changed->gross[i];
        }
    }
}

static bool read_series(struct json_reader *reader, struct model_topic *topic, bool snapshot)
{
    struct minutes minutes = {0};
    struct json_string key;
    while (json_reader_key(reader, &key)) {
        bool good = reply_is_key(key, "step_ms") ? reply_read_int(reader, &minutes.step_ms)
                    : reply_is_key(key, "start") ? reply_read_int(reader, &minutes.start_ms)
                    : reply_is_key(key, "gross") ? read_minutes(reader, &minutes)
                                                 : json_reader_skip(reader);
        if (!good) {
            return false;
        }
    }
    if (!json_reader_ok(reader) || minutes.step_ms <= 0) {
        return false;
    }
    if (snapshot || topic->step_ms != minutes.step_ms) {
        topic->step_ms = minutes.step_ms;
        topic->start_ms = minutes.start_ms;
        topic->minute_count = minutes.count;
        memcpy(topic->minute_gross, minutes.gross, sizeof(minutes.gross));
    } else {
        merge_minutes(topic, &minutes);
    }
    return true;
}

bool model_read_payload(struct json_reader *reader, struct model_topic *topic, bool snapshot)
{
    struct json_string key;
    if (json_reader_next(reader) != JSON_OBJECT) {
        return false;
    }
    if (topic->kind == TOPIC_SERIES) {
        return read_series(reader, topic, snapshot);
    }
    if (topic->kind == TOPIC_TICKER && snapshot) {
        topic->sale_count = 0;
    }
    while (json_reader_key(reader, &key)) {
        bool good = topic->kind == TOPIC_BOARD    ? read_board_field(reader, key, topic)
                    : topic->kind == TOPIC_SCOPE  ? read_scope_field(reader, key, topic)
                    : reply_is_key(key, "orders") ? read_array(reader, topic, read_sale)
                                                  : json_reader_skip(reader);
        if (!good) {
            return false;
        }
    }
    return json_reader_ok(reader);
}
