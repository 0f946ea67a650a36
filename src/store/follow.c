/*
 * Following the data set: the feeds of other lanes every few ms, and once a second whether it is
 * still the one we know (epoch, generation, lanes and their versions). What does not fit together
 * means reading everything anew.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "feed.h"
#include "lanes.h"
#include "partition_private.h"
#include "resp.h"

#define HEALTH_MS     1000
#define MOVE_RETRY_MS 60000
#define POLL_ENTRIES  128
#define BEHIND_MAX    2 /* health checks in a row that a lane is ahead with nothing to read */

#define WAITS_FOR_CLOCK "the clock here and redis's are more than an hour apart: set the wrong one"
#define WAITS_FOR_RENAME                                                                           \
    "redis forbids rename, which that takes after a long pause: allow it by redis-cli acl "        \
    "setuser default +rename, or end its rename-command"

#define ENDED_GENERATIONS 3
#define MOVE_KEYS         (ENDED_GENERATIONS + 2)
/* Generations are a day longer than orders are kept, at least: so much earlier than a span after
 * the last move may the next one come. The rest is for clocks. */
#define MOVE_EARLY_MS (22 * HOUR_MS)

void follow_note_version(struct partition *partition, uint32_t lane, uint64_t version)
{
    struct lane *known = &partition->lanes[lane];
    if (version <= known->version)
        return;
    known->version = version;
    if (lane != partition->fence.lane)
        standing_heard(partition, lane, version);
}

void follow_generation_moved(struct partition *partition, const struct generations *generations)
{
    struct generations before = partition->fence.generations;
    partition->fence.generations = *generations;
    ledger_clear(partition->ledger);
    standing_generation_moved(partition, &before);
}

/* --- feeds -------------------------------------------------------------------------------- */

static bool is_followed(const struct partition *partition, uint32_t lane)
{
    return partition->lanes[lane].exists && lane != partition->fence.lane;
}

static bool lane_of_key(struct slice key, uint32_t *ret_lane)
{
    /* …lane:<n>:feed */
    static const char tail[] = ":feed";
    size_t end = key.size < sizeof tail - 1 ? 0 : key.size - (sizeof tail - 1), start = end;
    while (start && key.data[start - 1] >= '0' && key.data[start - 1] <= '9')
        start--;
    uint32_t lane = 0;
    for (size_t i = start; i < end && i < start + 2; i++)
        lane = lane * 10 + (uint32_t)(key.data[i] - '0');
    *ret_lane = lane;
    return start < end && end - start <= 2 && lane < LANE_COUNT;
}

/* Entries of two lanes come in any order. Each change of an entry is compared-and-set on the one
 * before it, so its revision tells the order; times may be equal. */
static void follow_catalog(struct partition *partition, const struct fact_catalog *change)
{
    enum catalog_kind kind = (enum catalog_kind)change->kind;
    const struct catalog_entry *known = catalog_find(partition->view.catalog, kind, change->id);
    struct catalog_entry entry;
    buffer_reset(&partition->command);
    if (known &&
        catalog_entry_read(kind, change->id, change->json, &partition->command, &entry) == 0 &&
        entry.revision <= known->revision && entry.time_ms <= known->time_ms)
        return;
    (void)catalog_put(partition->view.catalog, kind, change->id, change->json);
}

static void apply_entry(struct partition *partition, uint32_t lane, uint64_t version)
{
    const struct feed_entry *entry = &partition->reader.entry;
    struct view *view = &partition->view;
    for (uint32_t i = 0; i < entry->catalog_count; i++)
        follow_catalog(partition, &entry->catalog[i]);
    census_mark_facts(partition->census, entry->facts, entry->fact_count);
    board_apply(view->board, lane, version, false, entry->facts, entry->fact_count,
                clock_wall_ms(partition->clock));
    if (entry->catalog_count)
        board_touch(view->board);
    ticker_push(view->ticker, entry->facts, entry->fact_count);
    partition->lanes[lane].cursor = version;
    partition->lanes[lane].behind = 0;
    follow_note_version(partition, lane, version);
    partition->stats->feed_entries++;
}

/* One stream of an XREAD answer. False: it can't be followed on. */
static bool apply_stream(struct partition *partition, const redisReply *stream)
{
    uint32_t lane;
    if (!reply_is_array(stream, 2) || !lane_of_key(reply_slice(stream->element[0]), &lane) ||
        stream->element[1]->type != REDIS_REPLY_ARRAY)
        return false;
    const redisReply *entries = stream->element[1];
    for (size_t i = 0; i < entries->elements; i++) {
        uint64_t version;
        struct slice bytes;
        if (!reply_feed_entry(entries->element[i], &version, &bytes) ||
            version != partition->lanes[lane].cursor + 1 ||
            feed_reader_decode(&partition->reader, partition->view.names, bytes) != 0)
            return false;
        apply_entry(partition, lane, version);
    }
    return true;
}

static void polled(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    if (!reply)
        return;
    partition->poll_pending = false;
    if (partition->phase != PHASE_LIVE)
        return;
    if (reply->type == REDIS_REPLY_NIL) {
        partition_heard(partition, partition->poll_sent_ms);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        partition_resync_by(partition, reply, "the feed of another lane");
        return;
    }
    bool more = false;
    for (size_t i = 0; i < reply->elements; i++) {
        if (!apply_stream(partition, reply->element[i])) {
            partition_resync(partition, "the feed of another lane has a gap: reading it anew");
            return;
        }
        more = more || reply->element[i]->element[1]->elements >= POLL_ENTRIES;
    }
    partition_heard(partition, partition->poll_sent_ms);
    loader_go_on(partition);
    partition_totals_changed(partition);
    if (more) /* else it has poll_ms time: entry by entry would cost more than what is in them */
        follow_poll(partition);
}

void follow_poll(struct partition *partition)
{
    struct buffer *command = &partition->command;
    char key[KEY_MAX_BYTES];
    uint32_t count = 0;
    if (partition->phase != PHASE_LIVE || partition->poll_pending)
        return;
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        count += is_followed(partition, lane);
    if (!count)
        return;
    buffer_reset(command);
    resp_start(command, 4 + 2 * (size_t)count);
    resp_text(command, "XREAD");
    resp_text(command, "COUNT");
    resp_uint(command, POLL_ENTRIES);
    resp_text(command, "STREAMS");
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        if (is_followed(partition, lane)) {
            key_lane(&partition->keys, lane, "feed", key);
            resp_text(command, key);
        }
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        if (is_followed(partition, lane)) {
            snprintf(key, sizeof key, "%" PRIu64 "-0", partition->lanes[lane].cursor);
            resp_text(command, key);
        }
    partition->poll_sent_ms = partition_now_ms(partition);
    partition->poll_pending = partition_send(partition, polled, partition);
}

/* --- health ------------------------------------------------------------------------------- */

/* NULL, or why everything has to be read anew. */
static const char *look_at_lane(struct partition *partition, uint32_t lane, uint64_t version)
{
    struct lane *known = &partition->lanes[lane];
    if (version < known->version)
        return "a lane's version went back: redis lost writes";
    known->exists = true;
    follow_note_version(partition, lane, version);
    partition->stats->lanes++;
    if (lane == partition->fence.lane)
        return version == partition->fence.version || partition->pipeline.in_flight
                   ? NULL
                   : "somebody else has written to our lane";
    known->behind = version > known->cursor ? known->behind + 1 : 0;
    return known->behind > BEHIND_MAX ? "a lane is ahead of its feed: it was trimmed" : NULL;
}

static void health_read(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct generations generations;
    uint64_t version;
    if (!reply)
        return;
    partition->health_pending = false;
    if (partition->phase != PHASE_LIVE)
        return;
    if (!reply_is_array(reply, 1 + 2 * LANE_COUNT) ||
        !reply_generations(reply->element[0], &generations)) {
        if (reply->type == REDIS_REPLY_ERROR)
            partition_resync_by(partition, reply, "MGET");
        else
            partition_resync(partition, "the data set is gone, or unreadable");
        return;
    }
    if (!generations_follow(&partition->fence.generations, &generations)) {
        partition_resync(partition, "the ledger's generation is not one that came after ours");
        return;
    }
    if (!generations_equal(&generations, &partition->fence.generations) &&
        partition->pipeline.state == PIPELINE_IDLE)
        follow_generation_moved(partition, &generations);
    partition->stats->seats_taken = 0;
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        partition->stats->seats_taken +=
            reply->element[1 + LANE_COUNT + lane]->type == REDIS_REPLY_STRING;
    partition->stats->lanes = 0;
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        bool exists = reply_uint(reply->element[1 + lane], &version);
        const char *problem = exists ? look_at_lane(partition, lane, version)
                              : partition->lanes[lane].exists ? "a lane is gone: redis lost writes"
                                                              : NULL;
        if (problem) {
            partition_resync(partition, problem);
            return;
        }
    }
    partition_heard(partition, partition->health_sent_ms);
}

static void epoch_read(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    if (!reply || partition->phase != PHASE_LIVE)
        return;
    if (reply->type == REDIS_REPLY_ERROR)
        partition_resync_by(partition, reply, "the key …meta");
    else if (!reply_is_text(reply, partition->fence.epoch))
        partition_resync(partition, "the data set's epoch changed, or it is gone");
}

void follow_health(struct partition *partition)
{
    int64_t now_ms = partition_now_ms(partition);
    char key[KEY_MAX_BYTES];
    if (partition->health_pending || now_ms < partition->next_health_ms)
        return;
    partition->next_health_ms = now_ms + HEALTH_MS;
    key_meta(&partition->keys, key);
    redis_link_command(partition->link, epoch_read, partition, "HGET %s epoch", key);
    buffer_reset(&partition->command);
    resp_start(&partition->command, 2 + 2 * LANE_COUNT);
    resp_text(&partition->command, "MGET");
    key_generation(&partition->keys, key);
    resp_text(&partition->command, key);
    lanes_put_keys(&partition->command, &partition->keys, "ver");
    lanes_put_keys(&partition->command, &partition->keys, "owner");
    partition->health_sent_ms = now_ms;
    partition->health_pending = partition_send(partition, health_read, partition);
}

/* --- lease and generation ----------------------------------------------------------------- */

static void renewed(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    if (!reply)
        return;
    partition->renew_pending = false;
    if (!partition->claimed || partition->releasing)
        return;
    if (reply->type != REDIS_REPLY_INTEGER)
        partition_resync_by(partition, reply, "the owner of our lane");
    else if (reply->integer != 1)
        partition_resync(partition, "the lane is no longer ours: lease run out or claimed anew");
}

void follow_renew(struct partition *partition)
{
    int64_t now_ms = partition_now_ms(partition);
    char key[KEY_MAX_BYTES];
    if (partition->renew_pending || partition->releasing || now_ms < partition->next_renew_ms)
        return;
    partition->next_renew_ms = now_ms + partition->options.lease_ms / 3;
    key_lane(&partition->keys, partition->fence.lane, "owner", key);
    partition->renew_pending =
        redis_link_command(partition->link, renewed, partition, "EVALSHA %s 1 %s %s %d",
                           partition->script_sha[SCRIPT_RENEW], key, partition->fence.owner,
                           (int)partition->options.lease_ms);
}

/* Why the ledger's next generation can't begin, or NULL. Nothing is lost by it: the ledger grows,
 * and forgets later. Told once for as long as it is so. */
static void note_ledger_waits(struct partition *partition, const char *why)
{
    const char *before = partition->ledger_waits;
    partition->ledger_waits = why;
    if (why && why != before)
        log_print(partition->log, LOG_LEVEL_ERROR,
                  "the ledger can't go on to its next generation: %s", why);
    else if (before && !why)
        log_print(partition->log, LOG_LEVEL_NOTICE, "the ledger goes on to its next generation");
}

static void advanced(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    if (!reply)
        return;
    partition->generation_pending = false;
    if (reply->type == REDIS_REPLY_ERROR) {
        partition_resync_by(partition, reply, "the generation");
        return;
    }
    note_ledger_waits(partition, reply->integer == -1   ? WAITS_FOR_CLOCK
                                 : reply->integer == -3 ? WAITS_FOR_RENAME
                                                        : NULL);
    if (reply->integer < 0)
        partition->next_generation_ms = partition_now_ms(partition) + MOVE_RETRY_MS;
    else
        partition->next_health_ms = 0; /* which reads what the generation is now */
}

/* Two generations are live: the current one, and the one before, which the current one becomes. */
static void put_generations(struct partition *partition, uint64_t next)
{
    uint64_t current = partition->fence.generations.current;
    const uint64_t numbers[MOVE_KEYS] = {current - 1, current - 2, current - 3, current, next - 1};
    char key[KEY_MAX_BYTES];
    for (size_t i = 0; i < MOVE_KEYS; i++) {
        key_orders(&partition->keys, numbers[i], key);
        resp_text(&partition->command, key);
    }
}

static void send_advance(struct partition *partition, uint64_t next, int64_t now_ms)
{
    struct buffer *command = &partition->command;
    const struct generations *now = &partition->fence.generations;
    const struct generations then = {next, now->packed_from};
    char text[GENERATIONS_TEXT_MAX];
    lanes_begin_advance(partition, "owner", MOVE_KEYS, 6);
    put_generations(partition, next);
    resp_text(command, "generation");
    generations_write(now, text);
    resp_text(command, text);
    generations_write(&then, text);
    resp_text(command, text);
    resp_uint(command, (uint64_t)now_ms);
    if (now->packed_from)
        resp_text(command, "");
    else
        resp_uint(command, next);
    resp_uint(command, (uint64_t)(partition->options.generation_ms - MOVE_EARLY_MS));
    partition->generation_pending = partition_send(partition, advanced, partition);
}

/* The ledger's generation is the receive time divided by its span; whoever notices first moves it.
 * Commits of the old one are then fenced off, and judged again with what the new one can see. */
void follow_generation(struct partition *partition)
{
    int64_t now_ms = clock_wall_ms(partition->clock);
    uint64_t next = (uint64_t)(now_ms / partition->options.generation_ms);
    if (next <= partition->fence.generations.current)
        note_ledger_waits(partition, NULL);
    else if (!partition->generation_pending &&
             partition_now_ms(partition) >= partition->next_generation_ms)
        send_advance(partition, next, now_ms);
}
