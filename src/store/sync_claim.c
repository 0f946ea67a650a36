/*
 * The way in, first half, after every connect and whenever something was not as expected:
 *
 *   scripts, INFO ─▶ claim a lane ─▶ versions: were writes lost? then a new epoch ─▶ sync.c
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "lanes.h"
#include "lua_scripts.h"
#include "partition_private.h"
#include "resp.h"

#define RETRY_MS 1000

static const char *const script_texts[] = {
#define X(name, file) lua_##file,
    SCRIPTS(X)
#undef X
};

void sync_wait_and_retry(struct partition *partition, const char *problem)
{
    partition_note_problem(partition, LOG_LEVEL_ERROR, problem);
    partition->next_sync_ms = partition_now_ms(partition) + RETRY_MS;
}

/* --- were writes lost? -------------------------------------------------------------------- */

void sync_remember(struct partition *partition)
{
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        partition->lanes[lane].seen = partition->lanes[lane].version;
}

static void epoch_advanced(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    if (!reply)
        return;
    if (reply->type != REDIS_REPLY_INTEGER) {
        partition_resync_by(partition, reply, "the key …meta");
        return;
    }
    if (reply->integer != 1) {
        sync_wait_and_retry(partition, "another daemon is changing the epoch");
        return;
    }
    memcpy(partition->fence.epoch, partition->new_epoch, sizeof partition->new_epoch);
    sync_load(partition);
}

/* The epoch that this process knew, or the one before it; "" when neither did. */
static const char *known_epoch(const struct partition *partition)
{
    return partition->view.epoch[0] ? partition->view.epoch : partition->high_water_epoch;
}

static bool epoch_is_known(const struct partition *partition)
{
    const char *known = known_epoch(partition);
    return !known[0] || strcmp(known, partition->fence.epoch) == 0;
}

/* Once for each epoch that ends with it, also when this way in is cut off and begun again. */
static void tell_loss(struct partition *partition, const char *loss)
{
    const char *known = known_epoch(partition);
    if (known[0] && strcmp(partition->loss_epoch, known) == 0)
        return;
    snprintf(partition->loss_epoch, sizeof partition->loss_epoch, "%s", known);
    snprintf(partition->loss, sizeof partition->loss, "%s", loss);
    partition->stats->lost_writes++;
    log_print(partition->log, LOG_LEVEL_ERROR, "redis lost writes: %s; new epoch, tools may resend",
              loss);
}

static void advance_epoch(struct partition *partition)
{
    struct buffer *command = &partition->command;
    partition_random_hex(partition->new_epoch);
    ledger_clear(partition->ledger);
    lanes_begin_advance(partition, "ver", 0, 3);
    resp_text(command, "epoch");
    resp_text(command, partition->fence.epoch);
    resp_text(command, partition->new_epoch);
    partition_send(partition, epoch_advanced, partition);
}

/* Compares with what this process has seen, and with what it noted in its state folder. */
static void look_for_loss(const struct partition *partition, uint32_t lane, uint64_t version,
                          char *loss, size_t loss_size)
{
    size_t end = strlen(loss);
    uint64_t seen = partition->lanes[lane].seen;
    if (lane == partition->high_water_lane && partition->high_water_version > seen &&
        strcmp(partition->high_water_epoch, known_epoch(partition)) == 0)
        seen = partition->high_water_version;
    if (version < seen)
        snprintf(loss + end, loss_size - end,
                 "%slane %" PRIu32 " was at version %" PRIu64 ", redis has it up to %" PRIu64
                 ": %" PRIu64 " commits are gone",
                 end ? ", " : "", lane, seen, version, seen - version);
}

static void versions_read(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    char loss[sizeof partition->loss] = "";
    if (!reply)
        return;
    if (!reply_is_array(reply, 2 * LANE_COUNT)) {
        partition_resync_by(partition, reply, "MGET");
        return;
    }
    uint64_t own;
    if (!reply_uint(reply->element[(size_t)2 * partition->fence.lane], &own) ||
        own != partition->fence.version) {
        partition_resync(partition, "the version of our lane changed since we claimed it");
        return;
    }
    bool known = epoch_is_known(partition);
    for (uint32_t i = 0; i < LANE_COUNT; i++) {
        struct lane *lane = &partition->lanes[i];
        lane->version = lane->checkpoint = 0;
        lane->exists = reply_uint(reply->element[(size_t)2 * i], &lane->version);
        (void)reply_uint(reply->element[(size_t)2 * i + 1], &lane->checkpoint);
        look_for_loss(partition, i, known ? lane->version : lane->ended, loss, sizeof loss);
    }
    if (loss[0] && !known && !partition->ended_is_noted)
        snprintf(loss, sizeof loss, "the data set of epoch %s is not in this redis",
                 known_epoch(partition));
    if (loss[0])
        tell_loss(partition, loss);
    if (!known)
        ledger_clear(partition->ledger);
    if (known && loss[0])
        advance_epoch(partition);
    else
        sync_load(partition);
}

/* Of an epoch that ended here: how far the lanes were. What this process saw beyond that, on a
 * Redis that is another one now, is not here. */
static void ended_read(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    if (!reply)
        return;
    partition->ended_is_noted = reply->type == REDIS_REPLY_STRING;
    const char *at = partition->ended_is_noted ? reply->str : "";
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        char *end;
        partition->lanes[lane].ended = strtoull(at, &end, 10);
        at = end;
    }
}

static void ask_versions(struct partition *partition)
{
    char meta[KEY_MAX_BYTES];
    key_meta(&partition->keys, meta);
    if (!epoch_is_known(partition))
        redis_link_command(partition->link, ended_read, partition, "HGET %s ended:%s", meta,
                           known_epoch(partition));
    versions_send(partition, versions_read, partition);
}

/* --- claim -------------------------------------------------------------------------------- */

/* Another epoch than we knew, in this process or in the one before it. If it is the one we
 * proposed, then there was no data set any more, and all that was in it is lost. */
static void note_new_epoch(struct partition *partition)
{
    const char *known = known_epoch(partition);
    char loss[sizeof partition->loss];
    if (epoch_is_known(partition))
        return;
    if (strcmp(partition->new_epoch, partition->fence.epoch) == 0) {
        snprintf(loss, sizeof loss, "redis was empty: the data set of epoch %s is gone", known);
        tell_loss(partition, loss);
    } else {
        log_print(partition->log, LOG_LEVEL_WARNING, "the data set's epoch changed from %s to %s",
                  known, partition->fence.epoch);
    }
}

/* Whether the bulk of commits goes natively, which takes MULTI, EXEC and RENAME. */
static void choose_bulk(struct partition *partition, bool may_rename)
{
    bool allowed = partition->may_multi && may_rename;
    partition->bulk_from = allowed ? BULK_RECORDS_MIN : 0;
    if (!allowed && !partition->told_without_bulk)
        log_print(partition->log, LOG_LEVEL_WARNING,
                  "redis forbids %s, so that commits cost it more: allow it by redis-cli acl "
                  "setuser default +multi +exec +rename, for all keys that begin with %s",
                  partition->may_multi ? "rename" : "multi or exec", partition->keys.prefix);
    partition->told_without_bulk = !allowed;
}

/* A commit that stood open: bulk.h says how that can be. */
static void tell_mended(struct partition *partition, struct slice mended)
{
    if (mended.size)
        log_print(partition->log, LOG_LEVEL_WARNING,
                  "redis had done half of a commit, and nobody could write: it is %.*s",
                  SLICE_ARG(mended));
}

static void take_claim(struct partition *partition, const redisReply *reply)
{
    struct fence *fence = &partition->fence;
    uint64_t lane, version;
    struct generations generations;
    struct slice epoch = reply_slice(reply->element[4]);
    if (!reply_uint(reply->element[1], &lane) || lane >= LANE_COUNT ||
        !reply_uint(reply->element[2], &version) ||
        !reply_generations(reply->element[3], &generations) || epoch.size != EPOCH_BYTES - 1) {
        sync_wait_and_retry(partition,
                            "the data set's own keys are unreadable, so somebody changed "
                            "them: restore redis from a backup");
        return;
    }
    if (!generations_equal(&generations, &fence->generations))
        ledger_clear(partition->ledger);
    partition->claimed = partition->had_lane = true;
    partition->next_renew_ms = 0;
    fence->lane = (uint32_t)lane;
    fence->version = version;
    fence->generations = generations;
    snprintf(fence->epoch, sizeof fence->epoch, "%.*s", SLICE_ARG(epoch));
    choose_bulk(partition, reply->element[5]->integer == 1);
    tell_mended(partition, reply_slice(reply->element[6]));
    note_new_epoch(partition);
    ask_versions(partition);
}

static void claim(struct partition *partition);

/* The state folder is locked, so our own former process is not the one that holds our lane. */
static void claim_anew(struct partition *partition)
{
    log_print(partition->log, LOG_LEVEL_WARNING,
              "another livetallyd has taken our lane, with our own instance id: it runs on a copy "
              "of our state folder; this one takes a new id and another lane");
    state_file_new_instance(partition);
    claim(partition);
}

/* The data set is older, or another daemon sealed the first day or began to pack the ledger, or all
 * of it went and somebody began anew. */
static bool takes_schema(struct partition *partition, struct slice theirs)
{
    static const char *const known[] = {SCHEMA_PLAIN, SCHEMA_SEALED, SCHEMA_PACKED};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_equal(theirs, slice_of(known[i]))) {
            partition->schema = known[i];
            return true;
        }
    return false;
}

static void meta_differs(struct partition *partition, struct slice field, struct slice theirs)
{
    char text[PROBLEM_BYTES];
    bool schema = slice_equal(field, SLICE("schema"));
    if (schema && takes_schema(partition, theirs)) {
        claim(partition);
        return;
    }
    snprintf(text, sizeof text,
             "the data set in redis was made with another %.*s: \"%.*s\"; %s, or choose another "
             "data set by redis.prefix or redis.url",
             SLICE_ARG(field), SLICE_ARG(theirs),
             schema || slice_equal(field, SLICE("partitions"))
                 ? "use the version of livetallyd that made it"
                 : "configure the same");
    partition->ops.refused(partition->ops.context, text);
}

/* Through a ledger of which nothing says how it spells ids: some pages with each claim. */
static void look_on(struct partition *partition, const redisReply *how_far)
{
    partition_note_problem(partition, LOG_LEVEL_WARNING,
                           "somebody deleted the data set's own keys: looking through its ledger "
                           "for how ids are spelled there");
    snprintf(partition->looked, sizeof partition->looked, "%.*s", SLICE_ARG(reply_slice(how_far)));
    claim(partition);
}

static void claimed(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    char text[PROBLEM_BYTES];
    if (!reply)
        return;
    if (reply_is_array(reply, 7) && reply_is_text(reply->element[0], "claimed")) {
        take_claim(partition, reply);
    } else if (reply_is_array(reply, 3) && reply_is_text(reply->element[0], "meta")) {
        meta_differs(partition, reply_slice(reply->element[1]), reply_slice(reply->element[2]));
    } else if (reply_is_array(reply, 2) && reply_is_text(reply->element[0], "forbidden")) {
        struct slice command = reply_slice(reply->element[1]);
        snprintf(
            text, sizeof text,
            "redis forbids the command %.*s, which livetallyd needs: allow it by redis-cli acl "
            "setuser default +%.*s",
            SLICE_ARG(command), SLICE_ARG(command));
        sync_wait_and_retry(partition, text);
    } else if (reply_is_array(reply, 2) && reply_is_text(reply->element[0], "looking")) {
        look_on(partition, reply->element[1]);
    } else if (reply_is_array(reply, 1) && reply_is_text(reply->element[0], "full")) {
        sync_wait_and_retry(partition, "all 16 lanes are taken by other daemons: stop one of them");
    } else if (reply_is_array(reply, 1) && reply_is_text(reply->element[0], "copied")) {
        claim_anew(partition);
    } else {
        sync_wait_and_retry(partition, reply->type == REDIS_REPLY_ERROR
                                           ? reply->str
                                           : "unexpected answer to a claim");
    }
}

static void claim(struct partition *partition)
{
    struct buffer *command = &partition->command;
    char key[KEY_MAX_BYTES], token[17 + sizeof OWNER_READS_PACKED], zone[7], span[24];
    snprintf(token, sizeof token, "%s%08" PRIx32 OWNER_READS_PACKED, partition->process,
             ++partition->claims);
    partition->feed_token = strtoull(token, NULL, 16);
    snprintf(partition->fence.owner, sizeof partition->fence.owner, "%s:%s", partition->instance,
             token);
    calendar_format_offset(partition->options.calendar.offset_minutes, zone);
    buffer_reset(command);
    resp_start(command, 3 + 2 + 2 * LANE_COUNT + 7 + 10);
    resp_text(command, "EVAL");
    resp_text(command, lua_claim);
    resp_uint(command, 2 + 2 * LANE_COUNT);
    key_meta(&partition->keys, key);
    resp_text(command, key);
    key_generation(&partition->keys, key);
    resp_text(command, key);
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        key_lane(&partition->keys, lane, "owner", key);
        resp_text(command, key);
        key_lane(&partition->keys, lane, "ver", key);
        resp_text(command, key);
    }
    resp_text(command, partition->instance);
    resp_text(command, token);
    resp_uint(command, partition->options.lease_ms);
    resp_text(command, partition->new_epoch);
    resp_uint(command,
              (uint64_t)(clock_wall_ms(partition->clock) / partition->options.generation_ms));
    resp_text(command, partition->had_lane ? partition->process : "");
    resp_text(command, partition->looked);
    snprintf(span, sizeof span, "%" PRId64 " ms", partition->options.generation_ms);
    const char *const meta[] = {
        "generation_span",           span,        "schema", partition->schema, "currency",
        partition->options.currency, "time_zone", zone,     "partitions",      "1"};
    for (size_t i = 0; i < sizeof meta / sizeof *meta; i++)
        resp_text(command, meta[i]);
    partition_send(partition, claimed, partition);
}

/* --- scripts and settings ----------------------------------------------------------------- */

static bool info_says(struct slice info, const char *line)
{
    return memmem(info.data, info.size, line, strlen(line)) != NULL;
}

static void warn_about_settings(struct partition *partition, struct slice info)
{
    if (partition->was_ready)
        return;
    if (!info_says(info, "\nmaxmemory:0\r") && !info_says(info, "maxmemory_policy:noeviction\r"))
        log_print(partition->log, LOG_LEVEL_WARNING,
                  "redis may evict keys when memory is full, which loses sales: "
                  "set maxmemory-policy noeviction");
    else if (!info_says(info, "maxmemory_policy:noeviction\r"))
        log_print(
            partition->log, LOG_LEVEL_WARNING,
            "redis has a maxmemory-policy that can evict keys: harmless while maxmemory is 0, "
            "but set maxmemory-policy noeviction");
    if (info_says(info, "aof_enabled:0\r"))
        log_print(partition->log, LOG_LEVEL_WARNING,
                  "redis keeps no append-only file: what was acked may be lost when it restarts; "
                  "set appendonly yes");
}

static void info_read(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct slice info = reply_slice(reply);
    if (!reply)
        return;
    if (info.data)
        warn_about_settings(partition, info);
    if (info.data && info_says(info, "role:slave\r")) {
        sync_wait_and_retry(partition,
                            "this redis is a read-only replica: connect to its master, or "
                            "end its replication (replicaof no one)");
        return;
    }
    for (int script = 0; script < SCRIPT_COUNT; script++)
        if (!partition->script_sha[script][0])
            return; /* script_loaded() has said why */
    claim(partition);
}

static void script_loaded(struct partition *partition, enum script script, const redisReply *reply)
{
    struct slice sha = reply_slice(reply);
    if (sha.size == 40)
        snprintf(partition->script_sha[script], sizeof partition->script_sha[script], "%.*s",
                 SLICE_ARG(sha));
    else if (reply)
        sync_wait_and_retry(partition,
                            reply->type == REDIS_REPLY_ERROR ? reply->str : "SCRIPT LOAD failed");
}

#define X(name, file)                                                                              \
    static void script_loaded_##name(void *context, const redisReply *reply)                       \
    {                                                                                              \
        script_loaded(context, SCRIPT_##name, reply);                                              \
    }
SCRIPTS(X)
#undef X

static void multi_tried(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    partition->may_multi = reply_is_array(reply, 0);
}

/* Only the commands themselves can tell, as scripts may not use them. */
static void try_multi(struct partition *partition)
{
    static const char commands[] = "*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n";
    static const size_t ends[] = {15, sizeof commands - 1};
    redis_link_send_group(partition->link, commands, ends, 2, multi_tried, partition);
}

void sync_start(struct partition *partition)
{
    static redis_reply_fn *const done[] = {
#define X(name, file) script_loaded_##name,
        SCRIPTS(X)
#undef X
    };
    partition->next_sync_ms = 0;
    partition->looked[0] = '\0';
    /* Once for all claims of this way in: the first may make the data set, and the next take it. */
    partition_random_hex(partition->new_epoch);
    memset(partition->script_sha, 0, sizeof partition->script_sha);
    for (int script = 0; script < SCRIPT_COUNT; script++)
        redis_link_command(partition->link, done[script], partition, "SCRIPT LOAD %s",
                           script_texts[script]);
    try_multi(partition);
    redis_link_command(partition->link, info_read, partition, "INFO");
}
