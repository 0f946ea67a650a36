/*
 * What stands at the head of a data set, and paging through hashes.
 */
#include "reading.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SCHEMA   "1"
#define SEALED   "2" /* the same, with sealed days */
#define PACKED   "3" /* the same, with packed generations of the ledger */
#define SPAN_END " ms"

static int unexpected(struct error *error, const char *what)
{
    return error_set(error, ERROR_UNAVAILABLE, "unexpected answer of redis to %s", what);
}

/* --- state -------------------------------------------------------------------------------- */

static int take_state(const redisReply *reply, struct state *state, struct error *error)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 + 2 * LANE_COUNT)
        return unexpected(error, "MGET");
    struct slice generation = reply_text(reply->element[0]);
    if (!generation.size || !generations_read(generation, &state->generations))
        return error_set(error, ERROR_UNAVAILABLE, "the data set has no readable `generation`");
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        const redisReply *version = reply->element[1 + 2 * lane];
        const redisReply *checkpoint = reply->element[2 + 2 * lane];
        if (version->type == REDIS_REPLY_NIL)
            continue;
        if (!reply_number(version, &state->versions[lane]) ||
            (checkpoint->type != REDIS_REPLY_NIL &&
             !reply_number(checkpoint, &state->checkpoints[lane])))
            return error_set(error, ERROR_UNAVAILABLE,
                             "version or checkpoint version of lane %" PRIu32 " is unreadable",
                             lane);
        state->lanes |= 1u << lane;
    }
    return 0;
}

static int ask_versions(struct source *source, const struct keys *keys, struct error *error)
{
    char names[1 + 2 * LANE_COUNT][KEY_MAX_BYTES];
    const char *words[2 + 2 * LANE_COUNT] = {"MGET", names[0]};
    key_generation(keys, names[0]);
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        key_lane(keys, lane, "ver", names[1 + 2 * lane]);
        key_lane(keys, lane, "ckpt", names[2 + 2 * lane]);
        words[2 + 2 * lane] = names[1 + 2 * lane];
        words[3 + 2 * lane] = names[2 + 2 * lane];
    }
    return source_send_list(source, error, sizeof words / sizeof *words, words);
}

static int ask_epoch(struct source *source, const struct keys *keys, struct state *state,
                     struct error *error)
{
    char meta[KEY_MAX_BYTES];
    key_meta(keys, meta);
    redisReply *reply = source_ask(source, error, "HGET %s epoch", meta);
    if (!reply)
        return ERROR_UNAVAILABLE;
    struct slice epoch = reply_text(reply);
    if (epoch.size && epoch.size <= EPOCH_MAX_BYTES)
        memcpy(state->epoch, epoch.data, epoch.size);
    freeReplyObject(reply);
    return state->epoch[0] ? 0
                           : error_set(error, ERROR_UNAVAILABLE, "%s has no data set under %s",
                                       source->name, keys->prefix);
}

int reading_state(struct source *source, const struct keys *keys, struct state *ret_state,
                  struct error *error)
{
    struct state state = {0};
    int code = ask_epoch(source, keys, &state, error);
    if (!code)
        code = ask_versions(source, keys, error);
    if (code)
        return code;
    redisReply *reply = source_answer(source, error);
    if (!reply)
        return ERROR_UNAVAILABLE;
    code = take_state(reply, &state, error);
    freeReplyObject(reply);
    if (!code)
        *ret_state = state;
    return code;
}

/* --- meta --------------------------------------------------------------------------------- */

static bool read_span(const redisReply *reply, int64_t *ret_ms)
{
    struct slice text = reply_text(reply);
    size_t end = sizeof SPAN_END - 1;
    if (text.size <= end || text.size > 18 ||
        memcmp(text.data + text.size - end, SPAN_END, end) != 0)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < text.size - end; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    *ret_ms = value;
    return value > 0;
}

static int take_meta(const redisReply *reply, struct data_set *set, struct error *error)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5)
        return unexpected(error, "HMGET");
    struct slice schema = reply_text(reply->element[0]);
    if (!slice_equal(schema, SLICE(SCHEMA)) && !slice_equal(schema, SLICE(SEALED)) &&
        !slice_equal(schema, SLICE(PACKED)))
        return error_set(error, ERROR_UNAVAILABLE,
                         "the data set has another schema than " SCHEMA ", " SEALED " or " PACKED);
    if (calendar_parse_offset(reply_text(reply->element[1]), &set->calendar.offset_minutes) != 0)
        return error_set(error, ERROR_UNAVAILABLE, "meta has no readable time_zone");
    if (!read_span(reply->element[2], &set->generation_ms))
        return error_set(error, ERROR_UNAVAILABLE, "meta has no readable generation_span");
    set->born_known = reply_number(reply->element[3], &set->born_generation);
    if (reply->element[4]->type != REDIS_REPLY_NIL &&
        !reply_number(reply->element[4], &set->packed_from))
        set->packed_from = PACKED_FROM_UNREADABLE;
    return 0;
}

static int read_clock(struct source *source, int64_t *ret_ms, struct error *error)
{
    uint64_t seconds = 0;
    redisReply *reply = source_ask(source, error, "TIME");
    if (!reply)
        return ERROR_UNAVAILABLE;
    bool good = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                reply_number(reply->element[0], &seconds);
    freeReplyObject(reply);
    *ret_ms = (int64_t)seconds * 1000;
    return good ? 0 : unexpected(error, "TIME");
}

int reading_data_set(struct source *source, const struct keys *keys, struct data_set *set,
                     struct error *error)
{
    char meta[KEY_MAX_BYTES];
    key_meta(keys, meta);
    redisReply *reply =
        source_ask(source, error,
                   "HMGET %s schema time_zone generation_span born_generation packed_from", meta);
    if (!reply)
        return ERROR_UNAVAILABLE;
    int code = take_meta(reply, set, error);
    freeReplyObject(reply);
    return code ? code : read_clock(source, &set->now_ms, error);
}

/* --- hashes ------------------------------------------------------------------------------- */

int reading_page(struct reading *reading, const redisReply *reply, reading_page_fn *page,
                 const void *context, char next[CURSOR_BYTES])
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY || reply->element[1]->elements % 2)
        return unexpected(reading->error, "HSCAN");
    struct slice cursor = reply_text(reply->element[0]);
    if (!cursor.size || cursor.size >= CURSOR_BYTES)
        return unexpected(reading->error, "HSCAN");
    memcpy(next, cursor.data, cursor.size);
    next[cursor.size] = '\0';
    return page(reading, context, reply->element[1]->element, reply->element[1]->elements / 2);
}

int reading_scan(struct reading *reading, struct slice key, const char *cursor,
                 reading_page_fn *page, const void *context)
{
    char next[CURSOR_BYTES];
    snprintf(next, sizeof next, "%s", cursor);
    do {
        redisReply *reply = source_ask(reading->source, reading->error, "HSCAN %b %s COUNT 1000",
                                       key.data, key.size, next);
        if (!reply)
            return ERROR_UNAVAILABLE;
        int code = reading_page(reading, reply, page, context, next);
        freeReplyObject(reply);
        if (code)
            return code;
    } while (strcmp(next, "0") != 0);
    return 0;
}
