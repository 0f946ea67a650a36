/*
 * See commit.h. A batch goes as a few packed lists, one for each question the script asks or write
 * it does; nearly always only one is not empty: new orders, which surely stand nowhere yet, with
 * their records.
 */
#include "commit.h"

#include <inttypes.h>
#include <stdio.h>

#include "livetally/order_field.h"
#include "packed.h"
#include "resp.h"

#define FIXED_KEYS        7
#define FIXED_ARGUMENTS   5 /* before the lists */
#define CATALOG_ARGUMENTS 4 /* of each catalog */
#define CLOSE_KEYS        5

/* The script hands on a list's strings all at once, and Lua's stack ends at 8,000: past that it
 * would fail between two writes. */
#define STRINGS_MAX 7900
_Static_assert(2 * BATCH_EVENTS_MAX <= STRINGS_MAX && 2 * MESSAGE_EVENTS_MAX <= STRINGS_MAX,
               "a batch of so many ids with their records fits");

/* In the order of the script's arguments; those of known records go only when there are any, and
 * the last two when the generations spell fields differently, too. */
enum list {
    LIST_LOOK_CURRENT,
    LIST_LOOK_PREVIOUS,
    LIST_SET_CURRENT,
    LIST_NEW_COUNT,
    LIST_CURRENT = LIST_NEW_COUNT,
    LIST_CURRENT_RECORDS,
    LIST_PREVIOUS,
    LIST_PREVIOUS_RECORDS,
    LIST_SET_PREVIOUS,
    LIST_LEAVE_PREVIOUS,
    LIST_KNOWN_COUNT,
    LIST_CURRENT_BEFORE = LIST_KNOWN_COUNT,
    LIST_PREVIOUS_NOW,
    LIST_COUNT
};

/* How the two live generations spell an order's field. */
struct spelling {
    bool current_packed;
    bool previous_packed;
};

enum catalog_list { CATALOG_LIST_IDS, CATALOG_LIST_ASSUMED, CATALOG_LIST_SET, CATALOG_LIST_COUNT };

/* catalogs: bits by kind, of those that take part. */
static void encode_keys(struct buffer *out, const struct commit_call *call, uint32_t catalogs)
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
    key_orders(keys, fence->generations.current, key);
    resp_text(out, key);
    key_orders(keys, fence->generations.current - 1, key);
    resp_text(out, key);
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++)
        if (catalogs >> kind & 1) {
            key_catalog(keys, (enum catalog_kind)kind, key);
            resp_text(out, key);
        }
}

static void encode_gate(struct buffer *out, const struct commit_call *call)
{
    char key[KEY_MAX_BYTES];
    key_lane(call->keys, call->fence->lane, "gate", key);
    resp_text(out, key);
}

static bool current_is_packed(const struct fence *fence)
{
    return generation_is_packed(&fence->generations, fence->generations.current);
}

static void encode_fence(struct buffer *out, const struct fence *fence)
{
    char generations[GENERATIONS_TEXT_MAX];
    char text[sizeof fence->owner + sizeof fence->epoch + sizeof generations + 20 + 4];
    generations_write(&fence->generations, generations);
    snprintf(text, sizeof text, "%s %" PRIu64 " %s %s", fence->owner, fence->version, generations,
             fence->epoch);
    resp_text(out, text);
}

static void encode_standing(struct buffer *out, const struct standing *standing)
{
    if (standing->has_current)
        resp_uint(out, standing->current);
    else
        resp_text(out, "");
    if (standing->has_previous)
        resp_uint(out, standing->previous);
    else
        resp_text(out, "");
}

/* Known records are looked for in both generations: they are listed for either, when they are
 * spelled differently. */
static inline void list_assumed(const struct touch *touch, struct spelling spelling,
                                struct packed lists[LIST_COUNT])
{
    bool differs = spelling.current_packed != spelling.previous_packed;
    switch ((enum record_place)touch->assumed_place) {
    case PLACE_NOWHERE:
        if (touch->look & LOOK_CURRENT)
            packed_add(&lists[LIST_LOOK_CURRENT], touch_field(touch, spelling.current_packed));
        if (touch->look & LOOK_PREVIOUS)
            packed_add(&lists[LIST_LOOK_PREVIOUS], touch_field(touch, spelling.previous_packed));
        break;
    case PLACE_CURRENT:
        packed_add(&lists[LIST_CURRENT], touch_field(touch, spelling.current_packed));
        packed_add(&lists[LIST_CURRENT_RECORDS], touch->assumed);
        if (differs)
            packed_add(&lists[LIST_CURRENT_BEFORE], touch_field(touch, spelling.previous_packed));
        break;
    case PLACE_PREVIOUS:
        packed_add(&lists[LIST_PREVIOUS], touch_field(touch, spelling.previous_packed));
        packed_add(&lists[LIST_PREVIOUS_RECORDS], touch->assumed);
        if (differs)
            packed_add(&lists[LIST_PREVIOUS_NOW], touch_field(touch, spelling.current_packed));
        break;
    }
}

static inline void list_change(const struct touch *touch, struct spelling spelling, bool bulk_apart,
                               struct packed lists[LIST_COUNT])
{
    bool in_bulk = bulk_has(touch);
    bool packed = in_bulk ? spelling.current_packed : spelling.previous_packed;
    struct packed *set = &lists[in_bulk ? LIST_SET_CURRENT : LIST_SET_PREVIOUS];
    if (!in_bulk || !bulk_apart) {
        packed_add(set, touch_field(touch, packed));
        packed_add(set, touch->next);
    }
    if (in_bulk && touch->assumed_place == PLACE_PREVIOUS)
        packed_add(&lists[LIST_LEAVE_PREVIOUS], touch_field(touch, spelling.previous_packed));
}

static inline __attribute__((always_inline)) void list_as(const struct batch *batch,
                                                          struct spelling spelling, bool bulk_apart,
                                                          struct packed lists[LIST_COUNT])
{
    uint32_t count;
    const struct touch *touches = batch_touches(batch, &count);
    for (uint32_t i = 0; i < count; i++) {
        list_assumed(&touches[i], spelling, lists);
        if (touches[i].changed)
            list_change(&touches[i], spelling, bulk_apart, lists);
    }
}

/* With what nearly all ledgers are, nothing is asked order by order. The bulk's mark stands where
 * its records would. */
static void list_touches(const struct batch *batch, struct spelling spelling,
                         const struct bulk *bulk, struct packed lists[LIST_COUNT])
{
    if (spelling.current_packed && spelling.previous_packed)
        list_as(batch, (struct spelling){true, true}, bulk != NULL, lists);
    else
        list_as(batch, spelling, bulk != NULL, lists);
    if (bulk && lists[LIST_SET_CURRENT].at)
        bulk_mark_write(bulk, lists[LIST_SET_CURRENT].at);
    else if (bulk)
        lists[LIST_SET_CURRENT].bytes = bulk_mark_bytes(bulk);
}

static void list_entries(const struct batch *batch, enum catalog_kind kind,
                         struct packed lists[CATALOG_LIST_COUNT])
{
    uint32_t count;
    const struct catalog_touch *entries = batch_catalog(batch, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].kind != kind)
            continue;
        packed_add(&lists[CATALOG_LIST_IDS], entries[i].id);
        packed_add(&lists[CATALOG_LIST_ASSUMED], entries[i].assumed);
        if (entries[i].changed) {
            packed_add(&lists[CATALOG_LIST_SET], entries[i].id);
            packed_add(&lists[CATALOG_LIST_SET], entries[i].next);
        }
    }
}

static void encode_entries(struct buffer *out, const struct batch *batch, enum catalog_kind kind)
{
    struct packed lists[CATALOG_LIST_COUNT] = {{0}};
    resp_uint(out, (uint64_t)kind);
    list_entries(batch, kind, lists);
    packed_place(lists, CATALOG_LIST_COUNT, out);
    list_entries(batch, kind, lists);
}

/* Bits by kind: of which there are entries in the batch. */
static uint32_t catalog_kinds(const struct batch *batch, uint32_t *ret_count)
{
    uint32_t entry_count, kinds = 0;
    const struct catalog_touch *entries = batch_catalog(batch, &entry_count);
    for (uint32_t i = 0; i < entry_count; i++)
        kinds |= 1u << entries[i].kind;
    *ret_count = (uint32_t)__builtin_popcount(kinds);
    return kinds;
}

/* The call of the script that checks all and writes all, but for the bulk when it is given. */
static void encode_script(struct buffer *out, const struct commit_call *call,
                          const struct batch *batch, const struct bulk *bulk)
{
    struct packed lists[LIST_COUNT] = {{0}};
    const struct generations *generations = &call->fence->generations;
    const struct spelling spelling = {
        .current_packed = current_is_packed(call->fence),
        .previous_packed = generation_is_packed(generations, generations->current - 1),
    };
    uint32_t catalog_count, kinds = catalog_kinds(batch, &catalog_count);
    list_touches(batch, spelling, bulk, lists);
    bool has_known = lists[LIST_CURRENT].bytes || lists[LIST_PREVIOUS].bytes;
    bool differs = spelling.current_packed != spelling.previous_packed;
    uint32_t known_count = differs ? LIST_COUNT : LIST_KNOWN_COUNT;
    uint32_t list_count = has_known ? known_count : LIST_NEW_COUNT;
    uint32_t key_count = FIXED_KEYS + catalog_count + (bulk != NULL);
    resp_start(out,
               3 + key_count + FIXED_ARGUMENTS + list_count + CATALOG_ARGUMENTS * catalog_count);
    resp_text(out, "EVALSHA");
    resp_text(out, call->sha);
    resp_uint(out, key_count);
    encode_keys(out, call, kinds);
    if (bulk)
        encode_gate(out, call);
    encode_fence(out, call->fence);
    resp_uint(out, call->fence->version + 1);
    resp_slice(out, call->feed_entry.data ? call->feed_entry : SLICE(""));
    encode_standing(out, &call->standing);
    packed_place(lists, list_count, out);
    list_touches(batch, spelling, bulk, lists);
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++)
        if (kinds >> kind & 1)
            encode_entries(out, batch, (enum catalog_kind)kind);
}

static void encode_close(struct buffer *out, const struct commit_call *call,
                         const struct bulk *bulk)
{
    const struct fence *fence = call->fence;
    char key[KEY_MAX_BYTES];
    struct packed mark = {.bytes = bulk_mark_bytes(bulk)};
    resp_start(out, 3 + CLOSE_KEYS + 2);
    resp_text(out, "EVALSHA");
    resp_text(out, call->sha);
    resp_uint(out, CLOSE_KEYS);
    key_generation(call->keys, key);
    resp_text(out, key);
    encode_gate(out, call);
    key_orders(call->keys, fence->generations.current, key);
    resp_text(out, key);
    key_lane(call->keys, fence->lane, "ver", key);
    resp_text(out, key);
    key_lane(call->keys, fence->lane, "feed", key);
    resp_text(out, key);
    resp_text(out, "close");
    packed_place(&mark, 1, out);
    bulk_mark_write(bulk, mark.at);
}

static void end_command(const struct buffer *out, struct commit_commands *commands)
{
    commands->ends[commands->count++] = out->size;
}

static void encode_bulk(struct buffer *out, const struct commit_call *call,
                        const struct batch *batch, const struct bulk *bulk,
                        struct commit_commands *commands)
{
    char gate[KEY_MAX_BYTES];
    key_lane(call->keys, call->fence->lane, "gate", gate);
    resp_start(out, 1);
    resp_text(out, "MULTI");
    end_command(out, commands);
    encode_script(out, call, batch, bulk);
    end_command(out, commands);
    bulk_encode(out, gate, batch, bulk);
    end_command(out, commands);
    encode_close(out, call, bulk);
    end_command(out, commands);
    resp_start(out, 1);
    resp_text(out, "EXEC");
    end_command(out, commands);
}

void commit_encode(struct buffer *out, const struct commit_call *call, const struct batch *batch,
                   struct commit_commands *ret_commands)
{
    const struct fence *fence = call->fence;
    char generations[GENERATIONS_TEXT_MAX];
    struct bulk bulk = {0};
    *ret_commands = (struct commit_commands){0};
    if (call->bulk_from && call->feed_entry.size)
        bulk_find(batch, current_is_packed(fence), &bulk);
    if (!call->bulk_from || bulk.count < call->bulk_from) {
        encode_script(out, call, batch, NULL);
        end_command(out, ret_commands);
        return;
    }
    generations_write(&fence->generations, generations);
    snprintf(bulk.mark, sizeof bulk.mark, "open %s %" PRIu32 " %" PRIu64 " %zu ", generations,
             fence->lane, fence->version, bulk.field.size);
    ret_commands->created = bulk.created;
    encode_bulk(out, call, batch, &bulk, ret_commands);
}

/* The id is spelled as it was sent, for either generation: none is the packed form of another. */
static bool learn_record(const redisReply *const *element, const struct judge *judge)
{
    struct slice field = reply_slice(element[0]), id, place = reply_slice(element[1]);
    struct slice bytes = reply_slice(element[2]);
    char room[ORDER_FIELD_DIGITS_MAX];
    if (order_field_read(field, room, &id) != 0)
        id = field;
    if (!id_ok(id) || place.size != 1 || !bytes.data)
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
    uint64_t number;
    struct slice id = reply_slice(element[1]), json = reply_slice(element[2]);
    if (!reply_uint(element[0], &number) || number >= CATALOG_KIND_COUNT || id.size == 0 ||
        json.size == 0)
        return false;
    return catalog_put(judge->catalog, (enum catalog_kind)number, id, json) == 0;
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

/* What the script that checks said. */
static const redisReply *script_reply(const redisReply *reply)
{
    return reply_is_bulk(reply) ? reply->element[BULK_OPEN] : reply;
}

bool reply_generations(const redisReply *reply, struct generations *ret_generations)
{
    struct slice text = reply_slice(reply);
    return text.data && generations_read(text, ret_generations);
}

bool commit_generation_moved(const redisReply *reply, const struct fence *fence,
                             struct generations *ret_generations)
{
    uint64_t version;
    struct generations generations;
    reply = script_reply(reply);
    if (!reply_is_array(reply, 5) || !reply_is_text(reply->element[1], fence->owner) ||
        !reply_uint(reply->element[2], &version) || version != fence->version ||
        !reply_generations(reply->element[3], &generations) ||
        generations.current <= fence->generations.current ||
        !generations_follow(&fence->generations, &generations) ||
        !reply_is_text(reply->element[4], fence->epoch))
        return false;
    *ret_generations = generations;
    return true;
}

static bool is_number(const redisReply *reply, long long number)
{
    return reply->type == REDIS_REPLY_INTEGER && reply->integer == number;
}

/*
 * All of a bulk is there. What was new stood nowhere, as the script found before it: by looking, or
 * by how many records there are. HSET makes fewer when somebody took one out of the ledger by hand
 * and put in another, of an id that was to come. (A HSET within the script, of few records, tells
 * nobody.)
 */
static enum commit_result bulk_done(const redisReply *reply, uint32_t created)
{
    const redisReply *set = reply->element[BULK_SET];
    if (!is_number(reply->element[BULK_OPEN], 1) || set->type != REDIS_REPLY_INTEGER ||
        set->integer < 0 || set->integer > (long long)created)
        return COMMIT_UNKNOWN;
    return set->integer == (long long)created ? COMMIT_DONE : COMMIT_WROTE_OVER;
}

uint32_t commit_written_over(const redisReply *reply, const struct commit_commands *commands)
{
    return commands->created - (uint32_t)reply->element[BULK_SET]->integer;
}

const redisReply *commit_error(const redisReply *reply)
{
    if (!reply_is_bulk(reply))
        return reply;
    for (int i = 0; i < BULK_REPLIES; i++)
        if (reply->element[i]->type == REDIS_REPLY_ERROR)
            return reply->element[i];
    return reply;
}

enum commit_result commit_answer(const redisReply *reply, const struct commit_commands *commands,
                                 const struct judge *judge)
{
    if (!reply)
        return COMMIT_UNKNOWN;
    bool bulk = commands->count > 1;
    if (bulk && reply_is_bulk(reply) && is_number(reply->element[BULK_CLOSE], 1))
        return bulk_done(reply, commands->created);
    if (!bulk && is_number(reply, 1))
        return COMMIT_DONE;
    const redisReply *script = script_reply(reply);
    if (reply_is_array(script, 1) && reply_is_text(script->element[0], "fence"))
        return COMMIT_FENCED;
    if (reply_is_array(script, 2) && reply_is_text(script->element[0], "grown"))
        return reply_is_text(script->element[1], "c") ? COMMIT_GROWN_CURRENT
                                                      : COMMIT_GROWN_PREVIOUS;
    if (reply_is_array(script, 5) && reply_is_text(script->element[0], "differs"))
        return learn_differences(script, judge);
    return commit_error(reply)->type == REDIS_REPLY_ERROR ? COMMIT_REFUSED : COMMIT_UNKNOWN;
}

void lookup_encode(struct buffer *out, const struct keys *keys,
                   const struct generations *generations, enum record_place place,
                   const struct slice *ids, uint32_t count)
{
    char key[KEY_MAX_BYTES], room[ORDER_FIELD_MAX_BYTES];
    uint64_t generation = generations->current - (place == PLACE_PREVIOUS);
    bool packed = generation_is_packed(generations, generation);
    key_orders(keys, generation, key);
    resp_start(out, 2 + (size_t)count);
    resp_text(out, "HMGET");
    resp_text(out, key);
    for (uint32_t i = 0; i < count; i++)
        resp_slice(out, packed ? order_field_of(ids[i], room) : ids[i]);
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
