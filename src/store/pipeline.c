/*
 * The pipeline: posts wait in a queue; when no commit is in flight, as many as fit a batch are
 * judged and sent. So alone an order goes at once, and under load batches grow by themselves: no
 * timer, nothing to tune.
 *
 * A batch whose commit's outcome is unknown (the connection broke) stays as it is until the way in
 * has read our feed: if the newest entry there is the one we sent, it was done; else it is judged
 * again. The new owner token has made the old commit void in case it is still on its way. So too
 * when the connection broke while replicas were waited for: then the new one waits for them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "partition_private.h"
#include "resp.h"

/* WAIT blocks the connection, so it is short, and asked again with every tick. */
#define WAIT_MS          20
#define REPLICAS_LATE_MS 2000 /* waiting longer than that is told */

void pipeline_init(struct partition *partition)
{
    uint64_t seed = 0;
    (void)uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL);
    partition->pipeline.batch = batch_new(seed);
}

void pipeline_done(struct partition *partition)
{
    batch_free(partition->pipeline.batch);
    buffer_done(&partition->pipeline.entry);
    buffer_done(&partition->pipeline.command);
}

bool pipeline_empty(const struct partition *partition)
{
    return !partition->pipeline.first && batch_is_empty(partition->pipeline.batch);
}

void partition_submit(struct partition *partition, struct post *post)
{
    struct pipeline *pipeline = &partition->pipeline;
    post->next = NULL;
    post->form_rejections = post->message.rejection_count;
    if (pipeline->first)
        pipeline->last->next = post;
    else
        pipeline->first = post;
    pipeline->last = post;
    pipeline->queued_events += post->message.event_count;
    partition->stats->queued_events = (int64_t)pipeline->queued_events;
}

/* --- the end of a batch ------------------------------------------------------------------- */

static void count_post(struct partition *partition, const struct post *post, int64_t now_ns)
{
    struct stats *stats = partition->stats;
    stats->duplicates += post->duplicates;
    stats->parked += post->parked;
    for (uint32_t i = 0; i < post->message.rejection_count; i++)
        stats->rejections[post->message.rejections[i].code]++;
    histogram_add(&stats->ack_seconds, STATS_SECONDS, (double)(now_ns - post->received_ns) / 1e9,
                  1);
}

static void finish_batch(struct partition *partition)
{
    struct pipeline *pipeline = &partition->pipeline;
    int64_t now_ns = (int64_t)uv_hrtime();
    pipeline->queued_events -= batch_event_count(pipeline->batch);
    partition->stats->queued_events = (int64_t)pipeline->queued_events;
    pipeline->state = PIPELINE_IDLE;
    pipeline->in_flight = false;
    partition_note_accepted(partition, &partition->commit_refused);
    partition_tell_available(partition);
    struct post *post = batch_take(pipeline->batch);
    while (post) {
        struct post *next = post->next;
        count_post(partition, post, now_ns);
        post->done(post);
        post = next;
    }
}

static void replicated(void *context, const redisReply *reply);

static void ask_replicas(struct partition *partition)
{
    partition->pipeline.state = PIPELINE_REPLICATING;
    partition->pipeline.wait_pending =
        redis_link_command(partition->link, replicated, partition, "WAIT %d %d",
                           (int)partition->options.replicas, WAIT_MS);
}

/* Once until they are there: nothing else says why no ack comes while all looks well. */
static void tell_replicas_missing(struct partition *partition, uint64_t replicas)
{
    char text[PROBLEM_BYTES];
    if (partition->replicas_missing)
        return;
    partition->replicas_missing = true;
    snprintf(text, sizeof text,
             "acks wait: %" PRIu64 " of %" PRIu32 " replicas have the newest commit; start the "
             "missing ones, or lower redis.durability",
             replicas, partition->options.replicas);
    partition_note_problem(partition, LOG_LEVEL_ERROR, text);
}

static void note_replicated(struct partition *partition)
{
    if (!partition->replicas_missing)
        return;
    partition->replicas_missing = false;
    partition->problem[0] = '\0';
    log_print(partition->log, LOG_LEVEL_NOTICE, "replicas have the newest commit again");
}

static void replicated(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    uint64_t replicas;
    if (!reply)
        return;
    if (!reply_uint(reply, &replicas)) {
        partition_resync_by(partition, reply, "WAIT");
        return;
    }
    partition->pipeline.wait_pending = false;
    if (replicas >= partition->options.replicas) {
        note_replicated(partition);
        finish_batch(partition);
    } else if (partition_now_ms(partition) - partition->pipeline.sent_ms > REPLICAS_LATE_MS) {
        tell_replicas_missing(partition, replicas);
    }
}

void pipeline_tick(struct partition *partition)
{
    if (partition->pipeline.state == PIPELINE_REPLICATING && !partition->pipeline.wait_pending)
        ask_replicas(partition);
}

static void count_commit(struct partition *partition)
{
    struct stats *stats = partition->stats;
    uint32_t fact_count, catalog_count;
    const struct fact *facts = batch_facts(partition->pipeline.batch, &fact_count);
    const struct catalog_touch *catalog = batch_catalog(partition->pipeline.batch, &catalog_count);
    stats->commits++;
    for (uint32_t i = 0; i < fact_count; i++) {
        stats->orders += facts[i].kind == FACT_ORDER;
        stats->refunds += facts[i].kind == FACT_REFUND;
    }
    for (uint32_t i = 0; i < catalog_count; i++)
        stats->catalog_changes += catalog[i].changed;
    histogram_add(&stats->batch_events, STATS_EVENTS, batch_event_count(partition->pipeline.batch),
                  1);
}

/* The commit is in Redis. apply: board and catalog were not read since, so they lack it; else what
 * was read may be newer than what the batch wrote. */
static void commit_succeeded(struct partition *partition, bool apply)
{
    struct pipeline *pipeline = &partition->pipeline;
    pipeline->in_flight = false;
    if (pipeline->entry.size) {
        uint32_t count, catalog_count;
        const struct fact *facts = batch_facts(pipeline->batch, &count);
        (void)batch_catalog(pipeline->batch, &catalog_count);
        partition->fence.version = pipeline->expect_version;
        follow_note_version(partition, partition->fence.lane, partition->fence.version);
        if (apply) {
            board_apply(partition->view.board, partition->fence.lane, partition->fence.version,
                        true, facts, count, clock_wall_ms(partition->clock));
            metrics_add(&partition->judge.lane_total, batch_metrics(pipeline->batch));
            batch_commit_done(pipeline->batch, &partition->judge);
        } else {
            batch_learn_records(pipeline->batch, &partition->judge);
        }
        standing_committed(partition, &pipeline->looks);
        if (catalog_count)
            board_touch(partition->view.board);
        ticker_push(partition->view.ticker, facts, count);
        checkpoint_note_commit(partition, pipeline->entry.size);
        count_commit(partition);
        partition_totals_changed(partition);
        state_file_note(partition); /* before the ack: who was told shall not outlive the note */
    }
    if (partition->options.replicas)
        ask_replicas(partition);
    else
        finish_batch(partition);
}

/* --- judging and sending ------------------------------------------------------------------ */

static void judge_and_send(struct partition *partition);

static void fenced(struct partition *partition, const redisReply *reply)
{
    partition->stats->commits_fenced++;
    partition->pipeline.in_flight = false;
    struct generations generations;
    if (commit_generation_moved(reply, &partition->fence, &generations)) {
        follow_generation_moved(partition, &generations);
        judge_and_send(partition);
        return;
    }
    partition_resync(partition, "a commit was fenced: another daemon holds the lane, or the data "
                                "set changed");
}

/* The way in finds it done. What stood there is gone, and may have been counted. */
static void wrote_over(struct partition *partition, uint32_t records)
{
    char text[PROBLEM_BYTES];
    partition->stats->records_written_over += records;
    snprintf(text, sizeof text,
             "a commit wrote over %" PRIu32 " records that came into the ledger by hand: livetally "
             "verify tells what differs since",
             records);
    partition_note_problem(partition, LOG_LEVEL_ERROR, text);
    partition_resync(partition, partition->problem);
}

static void committed(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct pipeline *pipeline = &partition->pipeline;
    if (!reply)
        return;
    histogram_add(&partition->stats->commit_seconds, STATS_SECONDS,
                  (double)(uv_hrtime() - pipeline->sent_ns) / 1e9, 1);
    partition_heard(partition, pipeline->sent_ms);
    enum commit_result result = commit_answer(reply, &pipeline->commands, &partition->judge);
    switch (result) {
    case COMMIT_DONE:
        commit_succeeded(partition, true);
        break;
    case COMMIT_DIFFERS:
        partition->stats->commits_judged_again++;
        pipeline->in_flight = false;
        judge_and_send(partition);
        break;
    case COMMIT_GROWN_CURRENT:
    case COMMIT_GROWN_PREVIOUS:
        partition->stats->commits_grown++;
        pipeline->in_flight = false;
        standing_grown(partition, result == COMMIT_GROWN_CURRENT ? PLACE_CURRENT : PLACE_PREVIOUS);
        judge_and_send(partition);
        break;
    case COMMIT_FENCED:
        fenced(partition, reply);
        break;
    case COMMIT_WROTE_OVER:
        wrote_over(partition, commit_written_over(reply, &pipeline->commands));
        break;
    case COMMIT_REFUSED:
        partition->commit_refused = true;
        partition_resync_by(partition, commit_error(reply), "a key that a commit writes");
        break;
    case COMMIT_UNKNOWN:
        partition_resync(partition, "unexpected answer to a commit");
        break;
    }
}

static void send_commit(struct partition *partition)
{
    struct pipeline *pipeline = &partition->pipeline;
    buffer_reset(&pipeline->entry);
    /* With replicas even mere duplicates are written: their first commit may not be there yet. */
    if (batch_changes(pipeline->batch) || partition->options.replicas)
        batch_feed_entry(pipeline->batch, partition->view.names, partition->feed_token,
                         &pipeline->entry);
    else if (!batch_verifies(pipeline->batch)) {
        finish_batch(partition);
        return;
    }
    pipeline->looks = batch_plan_looks(pipeline->batch, &partition->judge);
    struct commit_call call = {&partition->keys,     partition->script_sha[SCRIPT_COMMIT],
                               &partition->fence,    buffer_slice(&pipeline->entry),
                               partition->bulk_from, standing_of(partition, &pipeline->looks)};
    struct commit_commands *commands = &pipeline->commands;
    buffer_reset(&pipeline->command);
    commit_encode(&pipeline->command, &call, pipeline->batch, commands);
    pipeline->state = PIPELINE_COMMITTING;
    pipeline->expect_version = partition->fence.version + 1;
    pipeline->sent_ms = partition_now_ms(partition);
    pipeline->sent_ns = uv_hrtime();
    pipeline->in_flight = true;
    if (!redis_link_send_group(partition->link, pipeline->command.data, commands->ends,
                               commands->count, committed, partition))
        pipeline->in_flight = false; /* link_down() follows, and then the way in */
}

static void looked_up(struct partition *partition, const redisReply *reply, enum record_place place)
{
    uint32_t count;
    const struct slice *ids = batch_needs(partition->pipeline.batch, &count);
    if (!reply)
        return;
    if (!lookup_answer(reply, place, ids, count, &partition->judge))
        partition_resync_by(partition, reply, "an orders:* key");
    else if (place == PLACE_PREVIOUS)
        judge_and_send(partition);
}

static void looked_up_current(void *context, const redisReply *reply)
{
    looked_up(context, reply, PLACE_CURRENT);
}

static void looked_up_previous(void *context, const redisReply *reply)
{
    looked_up(context, reply, PLACE_PREVIOUS);
}

static void look_up(struct partition *partition)
{
    struct pipeline *pipeline = &partition->pipeline;
    struct buffer *command = &pipeline->command;
    const struct generations *generations = &partition->fence.generations;
    uint32_t count;
    const struct slice *ids = batch_needs(pipeline->batch, &count);
    pipeline->state = PIPELINE_LOOKING_UP;
    buffer_reset(command);
    lookup_encode(command, &partition->keys, generations, PLACE_CURRENT, ids, count);
    redis_link_send(partition->link, buffer_slice(command), looked_up_current, partition);
    buffer_reset(command);
    lookup_encode(command, &partition->keys, generations, PLACE_PREVIOUS, ids, count);
    redis_link_send(partition->link, buffer_slice(command), looked_up_previous, partition);
}

static void judge_and_send(struct partition *partition)
{
    if (batch_judge(partition->pipeline.batch, &partition->judge))
        look_up(partition);
    else
        send_commit(partition);
}

void pipeline_pump(struct partition *partition)
{
    struct pipeline *pipeline = &partition->pipeline;
    while (partition->phase == PHASE_LIVE && pipeline->state == PIPELINE_IDLE &&
           !board_dirty_over(partition->view.board, partition->options.max_cells)) {
        while (pipeline->first) {
            struct post *post = pipeline->first, *next = post->next;
            if (!batch_add(pipeline->batch, post))
                break;
            pipeline->first = next;
        }
        if (batch_is_empty(pipeline->batch))
            return;
        judge_and_send(partition);
    }
}

/* --- when the connection breaks ----------------------------------------------------------- */

void pipeline_connection_lost(struct partition *partition)
{
    struct pipeline *pipeline = &partition->pipeline;
    partition->replicas_missing = false; /* told again if they still are */
    if (pipeline->state == PIPELINE_REPLICATING)
        pipeline->in_flight = pipeline->was_done = true;
    pipeline->state = PIPELINE_IDLE;
    pipeline->wait_pending = false;
}

void pipeline_resolve(struct partition *partition, uint64_t version, struct slice newest_entry)
{
    struct pipeline *pipeline = &partition->pipeline;
    if (!pipeline->in_flight)
        return;
    bool done = pipeline->entry.size && version == pipeline->expect_version && newest_entry.data &&
                slice_equal(newest_entry, buffer_slice(&pipeline->entry));
    if (done && pipeline->was_done)
        ask_replicas(partition);
    else if (done)
        commit_succeeded(partition, false);
    pipeline->in_flight = pipeline->was_done = false;
}

void pipeline_give_up(struct partition *partition)
{
    struct pipeline *pipeline = &partition->pipeline;
    struct post *post = batch_take(pipeline->batch);
    if (post) {
        struct post *last = post;
        while (last->next)
            last = last->next;
        last->next = pipeline->first;
    } else {
        post = pipeline->first;
    }
    pipeline->first = pipeline->last = NULL;
    while (post) {
        struct post *next = post->next;
        post->number = 0;
        post->done(post);
        post = next;
    }
}
