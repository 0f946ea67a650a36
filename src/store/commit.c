/*
 * See commit.h. New records (assumed nowhere, written to the current generation) are by far the
 * most, and go as bare pairs; whatever else was touched goes with its assumption.
 */
#include "commit.h"

#include <string.h>

#include "resp.h"

#define FIXED_ARGUMENTS (3 + 10 + 6 + 3) /* EVALSHA sha keys, KEYS, ARGV 1-6, the three counts */

/* Place of catalog keys among KEYS. */
#define CATALOG_KEY_FIRST 8

static bool is_new(const struct touch *touch)
{
    return touch->assumed_place == PLACE_NOWHERE && touch->changed;
}

static void encode_keys(struct buffer *out, const struct commit_call *call)
{
    const struct keys *keys = call->keys;
    const struct fence *fence = call->fence;
    char key[KEY_MAX_BYTES];
    key_lane(keys, fence->lane, "owner", key);
    resp_text(out, key);
    key_lane(keys, fence->lane, "ver", key);
    resp_text(out, key);
    key_generation(keys, key);
    resp_text(out, key);
    key_meta(keys, key);
    resp_text(out, key);
    key_lane(keys, fence->lane, "feed", key);
    resp_text(out, key);
    key_orders(keys, fence->generation, key);
    resp_text(out, key);
    key_orders(keys, fence->generation - 1, key);
    resp_text(out, key);
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++) {
        key_catalog(keys, (enum catalog_kind)kind, key);
        resp_text(out, key);
    }
}

static struct slice place_text(const struct touch *touch)
{
    return touch->assumed_place == PLACE_CURRENT    ? SLICE("c")
           : touch->assumed_place == PLACE_PREVIOUS ? SLICE("p")
                                                    : SLICE("n");
}

static struct slice action_text(const struct touch *touch)
{
    if (!touch->changed)
        return SLICE("");
    bool moves = touch->assumed_place == PLACE_PREVIOUS && touch->next_place == PLACE_CURRENT;
    return moves ? SLICE("m") : SLICE("s");
}

static struct slice or_empty(struct slice slice)
{
    return slice.data ? slice : SLICE("");
}

static void encode_touches(struct buffer *out, const struct touch *touches, uint32_t count,
                           uint32_t new_count)
{
    resp_uint(out, new_count);
    for (uint32_t i = 0; i < count; i++)
        if (is_new(&touches[i])) {
            resp_slice(out, touches[i].id);
            resp_slice(out, touches[i].next);
        }
    resp_uint(out, count - new_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct touch *touch = &touches[i];
        if (is_new(touch))
            continue;
        resp_slice(out, touch->id);
        resp_slice(out, place_text(touch));
        resp_slice(out, or_empty(touch->assumed));
        resp_slice(out, action_text(touch));
        resp_slice(out, touch->changed ? touch->next : SLICE(""));
    }
}

void commit_encode(struct buffer *out, const struct commit_call *call, const struct batch *batch)
{
    uint32_t touch_count, catalog_count, new_count = 0;
    const struct touch *touches = batch_touches(batch, &touch_count);
    const struct catalog_touch *catalog = batch_catalog(batch, &catalog_count);
    for (uint32_t i = 0; i < touch_count; i++)
        new_count += is_new(&touches[i]);

    resp_start(out, FIXED_ARGUMENTS + 2 * (size_t)new_count +
                        5 * (size_t)(touch_count - new_count) + 4 * (size_t)catalog_count);
    resp_text(out, "EVALSHA");
    resp_text(out, call->sha);
    resp_uint(out, 10);
    encode_keys(out, call);
    resp_text(out, call->fence->owner);
    resp_uint(out, call->fence->version);
    resp_uint(out, call->fence->generation);
    resp_text(out, call->fence->epoch);
    resp_uint(out, call->fence->version + 1);
    resp_slice(out, or_empty(call->feed_entry));
    encode_touches(out, touches, touch_count, new_count);
    resp_uint(out, catalog_count);
    for (uint32_t i = 0; i < catalog_count; i++) {
        resp_uint(out, CATALOG_KEY_FIRST + (uint64_t)catalog[i].kind);
        resp_slice(out, catalog[i].id);
        resp_slice(out, or_empty(catalog[i].assumed));
        resp_slice(out, catalog[i].changed ? catalog[i].next : SLICE(""));
    }
}

static bool learn_record(const redisReply *const *element, const struct judge *judge)
{
    struct slice id = reply_slice(element[0]), place = reply_slice(element[1]);
    struct slice bytes = reply_slice(element[2]);
    if (id.size == 0 || id.size > ID_MAX_BYTES || place.size != 1 || !bytes.data)
        return false;
    ledger_learn(judge->ledger, id,
                 place.data[0] == 'c'   ? PLACE_CURRENT
                 : place.data[0] == 'p' ? PLACE_PREVIOUS
                                        : PLACE_NOWHERE,
                 bytes);
    return true;
}

static bool learn_catalog(const redisReply *const *element, const struct judge *judge)
{
    uint64_t key;
    struct slice id = reply_slice(element[1]), json = reply_slice(element[2]);
    if (!reply_uint(element[0], &key) || key < CATALOG_KEY_FIRST ||
        key >= CATALOG_KEY_FIRST + CATALOG_KIND_COUNT || id.size == 0 || json.size == 0)
        return false;
    return catalog_put(judge->catalog, (enum catalog_kind)(key - CATALOG_KEY_FIRST), id, json) == 0;
}

static enum commit_result learn_differences(const redisReply *reply, const struct judge *judge)
{
    if ((reply->elements - 1) % 4)
        return COMMIT_UNKNOWN;
    for (size_t i = 1; i < reply->elements; i += 4) {
        const redisReply *const *element = (const redisReply *const *)&reply->element[i];
        bool ok = reply_is_text(element[0], "r") ? learn_record(element + 1, judge)
                                                 : learn_catalog(element + 1, judge);
        if (!ok)
            return COMMIT_FENCED; /* e.g. an entry that is gone: the data set is not what it was */
    }
    return COMMIT_DIFFERS;
}

bool commit_generation_moved(const redisReply *reply, const struct fence *fence,
                             uint64_t *ret_generation)
{
    uint64_t version, generation;
    if (!reply_is_array(reply, 5) || !reply_is_text(reply->element[1], fence->owner) ||
        !reply_uint(reply->element[2], &version) || version != fence->version ||
        !reply_uint(reply->element[3], &generation) || generation <= fence->generation ||
        !reply_is_text(reply->element[4], fence->epoch))
        return false;
    *ret_generation = generation;
    return true;
}

enum commit_result commit_answer(const redisReply *reply, const struct judge *judge)
{
    if (!reply)
        return COMMIT_UNKNOWN;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 1)
        return COMMIT_DONE;
    if (reply->type == REDIS_REPLY_ERROR)
        return COMMIT_REFUSED;
    if (reply_is_array(reply, 1) && reply_is_text(reply->element[0], "fence"))
        return COMMIT_FENCED;
    if (reply_is_array(reply, 5) && reply_is_text(reply->element[0], "differs"))
        return learn_differences(reply, judge);
    return COMMIT_UNKNOWN;
}

void lookup_encode(struct buffer *out, const struct keys *keys, uint64_t generation,
                   const struct slice *ids, uint32_t count)
{
    char key[KEY_MAX_BYTES];
    key_orders(keys, generation, key);
    resp_start(out, 2 + (size_t)count);
    resp_text(out, "HMGET");
    resp_text(out, key);
    for (uint32_t i = 0; i < count; i++)
        resp_slice(out, ids[i]);
}

/* What a generation does not have is known to be nowhere, unless it is known to be elsewhere. */
static void learn_looked_up(struct slice id, enum record_place place, struct slice bytes,
                            const struct judge *judge)
{
    enum record_place known;
    struct slice other;
    if (bytes.data)
        ledger_learn(judge->ledger, id, place, bytes);
    else if (!ledger_find(judge->ledger, id, &known, &other) || known == place)
        ledger_learn(judge->ledger, id, PLACE_NOWHERE, bytes);
}

bool lookup_answer(const redisReply *reply, enum record_place place, const struct slice *ids,
                   uint32_t count, const struct judge *judge)
{
    if (!reply_is_array(reply, count) || reply->elements != count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        learn_looked_up(ids[i], place, reply_slice(reply->element[i]), judge);
    return true;
}
