/*
 * The lanes: which hashes there are, what is in them, and the feeds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "livetally/mem.h"
#include "reading.h"

#define HASHES_IN_FLIGHT 64

/* --- keys --------------------------------------------------------------------------------- */

static void add_group(struct reading *reading, uint32_t lane, struct group_key group)
{
    if (reading->group_count == reading->group_capacity) {
        reading->group_capacity = reading->group_capacity ? 2 * reading->group_capacity : 256;
        reading->groups =
            mem_resize(reading->groups, reading->group_capacity, sizeof *reading->groups);
    }
    reading->groups[reading->group_count++] = (struct lane_group){lane, group};
}

static void add_sealed(struct reading *reading, uint32_t lane, uint64_t day)
{
    if (reading->sealed_count == reading->sealed_capacity) {
        reading->sealed_capacity = reading->sealed_capacity ? 2 * reading->sealed_capacity : 64;
        reading->sealed =
            mem_resize(reading->sealed, reading->sealed_capacity, sizeof *reading->sealed);
    }
    reading->sealed[reading->sealed_count++] = (struct lane_day){lane, (uint32_t)day};
}

/* Takes "<number>" and what follows it up to `end`. False: it begins otherwise. */
static bool take_number(struct slice *text, char end, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t at = 0;
    while (at < text->size && at < 18 && text->data[at] >= '0' && text->data[at] <= '9')
        number = number * 10 + (uint64_t)(text->data[at++] - '0');
    bool ended = end ? at < text->size && text->data[at] == end : at == text->size;
    if (!at || !ended || (at > 1 && text->data[0] == '0'))
        return false;
    size_t taken = at + (end != '\0');
    *text = (struct slice){text->data + taken, text->size - taken};
    *ret_number = number;
    return true;
}

static bool take_text(struct slice *text, struct slice start)
{
    if (text->size < start.size || memcmp(text->data, start.data, start.size) != 0)
        return false;
    *text = (struct slice){text->data + start.size, text->size - start.size};
    return true;
}

/* "sealed:<yyyymmdd>" */
static bool is_sealed_day(struct slice part, uint64_t *ret_day)
{
    return take_text(&part, SLICE("sealed:")) && part.size == 8 &&
           take_number(&part, '\0', ret_day);
}

static bool is_head_of_lane(struct slice part)
{
    return slice_equal(part, SLICE("owner")) || slice_equal(part, SLICE("ver")) ||
           slice_equal(part, SLICE("ckpt")) || slice_equal(part, SLICE("feed"));
}

static void sort_key(struct reading *reading, struct slice key)
{
    struct findings *findings = &reading->audit->findings;
    struct slice rest = key;
    struct group_key group;
    uint64_t number, day;
    if (take_text(&rest, SLICE("orders:"))) {
        bool live = take_number(&rest, '\0', &number) &&
                    number <= reading->state.generations.current &&
                    number + 1 >= reading->state.generations.current;
        if (!live)
            findings_add(
                findings, "key", key, SLICE(""),
                "this is no live generation of the ledger: %" PRIu64 " and %" PRIu64 " are",
                reading->state.generations.current, reading->state.generations.current - 1);
    } else if (take_text(&rest, SLICE("lane:"))) {
        if (!take_number(&rest, ':', &number) || number >= LANE_COUNT ||
            !(reading->state.lanes >> number & 1))
            findings_add(findings, "key", key, SLICE(""), "there is no such lane");
        else if (audit_group_read(reading->audit->names, rest, &group))
            add_group(reading, (uint32_t)number, group);
        else if (is_sealed_day(rest, &day))
            add_sealed(reading, (uint32_t)number, day);
        else if (!is_head_of_lane(rest))
            findings_add(findings, "key", key, SLICE(""), "a lane has no such hash");
    }
}

static int by_lane_and_group(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(struct lane_group));
}

/* A scan may return a key twice. */
static void sort_groups(struct reading *reading)
{
    uint32_t kept = 0;
    if (!reading->group_count)
        return;
    qsort(reading->groups, reading->group_count, sizeof *reading->groups, by_lane_and_group);
    for (uint32_t i = 1; i < reading->group_count; i++)
        if (by_lane_and_group(&reading->groups[kept], &reading->groups[i]) != 0)
            reading->groups[++kept] = reading->groups[i];
    reading->group_count = kept + 1;
}

static void take_keys(struct reading *reading, const redisReply *list)
{
    for (size_t i = 0; i < list->elements; i++) {
        struct slice key = reply_text(list->element[i]);
        if (take_text(&key, slice_of(reading->keys.prefix)))
            sort_key(reading, key);
    }
}

int reading_find_keys(struct reading *reading)
{
    char cursor[CURSOR_BYTES] = "0";
    int code = 0;
    do {
        redisReply *reply =
            source_ask(reading->source, reading->error, "SCAN %s MATCH %s* COUNT 1000", cursor,
                       reading->keys.prefix);
        if (!reply) {
            code = ERROR_UNAVAILABLE;
            break;
        }
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
            snprintf(cursor, sizeof cursor, "%.*s", SLICE_ARG(reply_text(reply->element[0])));
            take_keys(reading, reply->element[1]);
        }
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    sort_groups(reading);
    return code;
}

/* --- hashes ------------------------------------------------------------------------------- */

static int cells_read(struct reading *reading, const void *context, redisReply *const *pairs,
                      size_t count)
{
    const struct group_key *group = context;
    for (size_t i = 0; i < count; i++)
        audit_cell(reading->audit, *group, reply_text(pairs[2 * i]), reply_text(pairs[2 * i + 1]));
    return 0;
}

static void group_name(const struct reading *reading, const struct lane_group *group,
                       struct buffer *out)
{
    buffer_reset(out);
    key_group(&reading->keys, group->lane, reading->audit->names, group->group, out);
}

/* First pages of a few hashes, asked for all at once. cursors: where each goes on. */
static int read_first_pages(struct reading *reading, const struct lane_group *groups,
                            uint32_t count, char cursors[][CURSOR_BYTES])
{
    struct buffer key = BUFFER_INIT;
    int code = 0;
    for (uint32_t i = 0; i < count && !code; i++) {
        group_name(reading, &groups[i], &key);
        code = source_send(reading->source, reading->error, "HSCAN %b 0 COUNT 1000", key.data,
                           key.size);
    }
    for (uint32_t i = 0; i < count && !code; i++) {
        redisReply *reply = source_answer(reading->source, reading->error);
        code = reply ? reading_page(reading, reply, cells_read, &groups[i].group, cursors[i])
                     : ERROR_UNAVAILABLE;
        if (reply)
            freeReplyObject(reply);
    }
    buffer_done(&key);
    return code;
}

static int read_hashes(struct reading *reading, const struct lane_group *groups, uint32_t count)
{
    char cursors[HASHES_IN_FLIGHT][CURSOR_BYTES];
    struct buffer key = BUFFER_INIT;
    int code = 0;
    for (uint32_t at = 0; at < count && !code; at += HASHES_IN_FLIGHT) {
        uint32_t some = count - at < HASHES_IN_FLIGHT ? count - at : HASHES_IN_FLIGHT;
        code = read_first_pages(reading, &groups[at], some, cursors);
        for (uint32_t i = 0; i < some && !code; i++) {
            if (strcmp(cursors[i], "0") == 0)
                continue;
            group_name(reading, &groups[at + i], &key);
            code = reading_scan(reading, buffer_slice(&key), cursors[i], cells_read,
                                &groups[at + i].group);
        }
    }
    buffer_done(&key);
    reading->audit->counts.hashes += count;
    return code;
}

/* --- feeds -------------------------------------------------------------------------------- */

static int take_entries(struct reading *reading, const redisReply *list, struct buffer *after)
{
    for (size_t i = 0; i < list->elements; i++) {
        const redisReply *entry = list->element[i];
        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2)
            return error_set(reading->error, ERROR_UNAVAILABLE,
                             "unexpected answer of redis to XRANGE");
        struct slice id = reply_text(entry->element[0]), bytes = SLICE("");
        const redisReply *parts = entry->element[1];
        if (parts->type == REDIS_REPLY_ARRAY && parts->elements == 2 &&
            slice_equal(reply_text(parts->element[0]), SLICE("e")))
            bytes = reply_text(parts->element[1]);
        audit_entry(reading->audit, id, bytes);
        buffer_reset(after);
        buffer_append_byte(after, '(');
        buffer_append_slice(after, id);
    }
    return 0;
}

static int read_feed(struct reading *reading, uint32_t lane)
{
    char key[KEY_MAX_BYTES];
    struct buffer after = BUFFER_INIT;
    int code = 0;
    bool more = true;
    key_lane(&reading->keys, lane, "feed", key);
    buffer_append_byte(&after, '-');
    while (more && !code) {
        redisReply *reply = source_ask(reading->source, reading->error, "XRANGE %s %b + COUNT 64",
                                       key, after.data, after.size);
        if (!reply) {
            code = ERROR_UNAVAILABLE;
            break;
        }
        more = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0;
        if (more)
            code = take_entries(reading, reply, &after);
        freeReplyObject(reply);
    }
    buffer_done(&after);
    return code;
}

int reading_lanes(struct reading *reading)
{
    const struct state *state = &reading->state;
    uint32_t at = 0;
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        uint32_t first = at;
        if (!(state->lanes >> lane & 1))
            continue;
        while (at < reading->group_count && reading->groups[at].lane == lane)
            at++;
        audit_lane_begin(reading->audit, lane, state->versions[lane], state->checkpoints[lane]);
        const struct lane_group *groups = at > first ? &reading->groups[first] : NULL;
        int code = groups ? read_hashes(reading, groups, at - first) : 0;
        if (!code)
            code = reading_sealed(reading, lane, groups, at - first);
        if (!code)
            code = read_feed(reading, lane);
        if (code)
            return code;
        audit_lane_end(reading->audit);
    }
    return 0;
}
