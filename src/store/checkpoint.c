/*
 * Checkpoints: about once a second the cells that changed are written to their hashes, a few
 * hundred a script, and when all that were dirty at its beginning are written, the lane's ckpt
 * moves to the version of that beginning and the feed is trimmed. What a hash has is told by each
 * cell's own version, so being cut off anywhere is harmless.
 *
 * Where many cells changed it waits longer (spacing.h), but not for more than UNWRITTEN_BYTES of
 * our feed.
 *
 * A cell of a group that isn't loaded holds only what was added since its last checkpoint; the
 * value it is to be added to (its base) is read first.
 *
 * The feed keeps the newest entry, and what is younger than feed_keep_ms as far as it fits
 * FEED_KEEP_BYTES: daemons that sleep longer read everything anew.
 */
#include "packed.h"
#include "partition_private.h"
#include "resp.h"
#include "spacing.h"

#define FIXED_KEYS      5
#define FIXED_ARGUMENTS 6
#define MARK_SPACING_MS 1000
#define UNWRITTEN_BYTES (UINT64_C(32) << 20) /* about a million orders: a second or two to read */

static void next_chunk(struct partition *partition);

/* --- the end ------------------------------------------------------------------------------ */

void checkpoint_connection_lost(struct partition *partition)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    for (uint32_t i = checkpoint->taken_at; i < checkpoint->taken_count; i++)
        board_dirty_return(partition->view.board, checkpoint->taken[i]);
    checkpoint->taken_count = checkpoint->taken_at = checkpoint->count = 0;
    checkpoint->running = false;
}

void checkpoint_note_commit(struct partition *partition, size_t entry_bytes)
{
    partition->feed_bytes += entry_bytes;
}

/* Versions up to this one may go from the feed; 0: none. */
static uint64_t trimmable(struct partition *partition, int64_t now_ms)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    uint64_t version = 0;
    while (checkpoint->mark_count) {
        const struct feed_mark *oldest = &checkpoint->marks[checkpoint->mark_first];
        if (now_ms - oldest->monotonic_ms < partition->options.feed_keep_ms &&
            partition->feed_bytes - oldest->bytes < FEED_KEEP_BYTES)
            break;
        version = oldest->version;
        checkpoint->mark_first = (checkpoint->mark_first + 1) % FEED_MARKS;
        checkpoint->mark_count--;
    }
    return version;
}

static void add_mark(struct partition *partition, int64_t now_ms)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    uint32_t newest =
        (checkpoint->mark_first + checkpoint->mark_count + FEED_MARKS - 1) % FEED_MARKS;
    if (checkpoint->mark_count == FEED_MARKS ||
        (checkpoint->mark_count &&
         (checkpoint->marks[newest].version == checkpoint->version ||
          now_ms - checkpoint->marks[newest].monotonic_ms < MARK_SPACING_MS)))
        return;
    checkpoint->marks[(checkpoint->mark_first + checkpoint->mark_count++) % FEED_MARKS] =
        (struct feed_mark){checkpoint->version, now_ms, partition->feed_bytes};
}

static void start_call(struct partition *partition, size_t keys, size_t arguments)
{
    struct buffer *command = &partition->checkpoint.command;
    char key[KEY_MAX_BYTES];
    buffer_reset(command);
    resp_start(command, 3 + FIXED_KEYS + keys + FIXED_ARGUMENTS + arguments);
    resp_text(command, "EVALSHA");
    resp_text(command, partition->script_sha[SCRIPT_CHECKPOINT]);
    resp_uint(command, FIXED_KEYS + keys);
    key_lane(&partition->keys, partition->fence.lane, "owner", key);
    resp_text(command, key);
    key_meta(&partition->keys, key);
    resp_text(command, key);
    key_lane(&partition->keys, partition->fence.lane, "ckpt", key);
    resp_text(command, key);
    key_lane(&partition->keys, partition->fence.lane, "feed", key);
    resp_text(command, key);
    key_lane(&partition->keys, partition->fence.lane, "ver", key);
    resp_text(command, key);
}

static bool succeeded(struct partition *partition, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 1)
        return true;
    partition->checkpoint_refused = reply->type == REDIS_REPLY_ERROR;
    if (partition->checkpoint_refused)
        partition_resync_by(partition, reply, "a hash that a checkpoint writes");
    else
        partition_resync(partition, "a checkpoint was fenced");
    return false;
}

static void concluded(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct checkpoint *checkpoint = &partition->checkpoint;
    if (!reply || !checkpoint->running || !succeeded(partition, reply))
        return;
    checkpoint->running = false;
    partition_note_accepted(partition, &partition->checkpoint_refused);
    checkpoint->concluded = checkpoint->version;
    partition->stats->checkpoints++;
    histogram_add(&partition->stats->checkpoint_seconds, STATS_SECONDS,
                  (double)(partition_now_ms(partition) - checkpoint->began_ms) / 1e3, 1);
}

static void conclude(struct partition *partition)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    struct buffer *command = &checkpoint->command;
    int64_t now_ms = partition_now_ms(partition);
    add_mark(partition, now_ms);
    uint64_t trim = trimmable(partition, now_ms);
    start_call(partition, 0, 0);
    resp_text(command, partition->fence.owner);
    resp_text(command, partition->fence.epoch);
    resp_uint(command, partition->fence.version);
    resp_uint(command, partition->checkpoint.concluded);
    resp_uint(command, checkpoint->version);
    if (trim)
        resp_uint(command, trim + 1 < checkpoint->version ? trim + 1 : checkpoint->version);
    else
        resp_text(command, "");
    redis_link_send(partition->link, buffer_slice(command), concluded, partition);
}

/* --- writing ------------------------------------------------------------------------------ */

static void chunk_written(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct checkpoint *checkpoint = &partition->checkpoint;
    if (!reply || !checkpoint->running || !succeeded(partition, reply))
        return;
    for (uint32_t i = 0; i < checkpoint->count; i++)
        board_dirty_written(partition->view.board, checkpoint->refs[i]);
    partition->stats->checkpoint_cells += checkpoint->count;
    checkpoint->taken_at += checkpoint->count;
    checkpoint->count = 0;
    next_chunk(partition);
}

static uint32_t run_end(const struct checkpoint *checkpoint, uint32_t start)
{
    uint32_t end = start + 1;
    while (end < checkpoint->count && checkpoint->refs[end].group == checkpoint->refs[start].group)
        end++;
    return end;
}

/* When Redis may drop the hash by itself; 0: never. */
static int64_t expires_ms(const struct partition *partition, struct group_key key)
{
    const struct partition_options *options = &partition->options;
    if (key.period == PERIOD_DAY)
        return calendar_day_start_ms(&options->calendar, key.when) +
               (options->day_keep_days + INT64_C(1)) * DAY_MS;
    if (key.period == PERIOD_MINUTE)
        return calendar_hour_start_ms(&options->calendar, key.when) +
               (options->minute_keep_hours + INT64_C(2)) * HOUR_MS;
    return 0;
}

/* The ids of a chunk's fields lie anywhere among all that were ever seen. */
static void prefetch_fields(const struct partition *partition)
{
    const struct checkpoint *checkpoint = &partition->checkpoint;
    for (uint32_t i = 0; i < checkpoint->count; i++)
        cell_field_prefetch(partition->view.names, checkpoint->refs[i].group->key,
                            cell_of(checkpoint->refs[i])->key);
}

static void write_run(struct partition *partition, uint32_t start, uint32_t end)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    struct buffer *command = &checkpoint->command, *text = &partition->command;
    struct group_key key = checkpoint->refs[start].group->key;
    uint64_t version = board_own_version(partition->view.board, partition->fence.version);
    int64_t expires = expires_ms(partition, key);
    if (expires)
        resp_uint(command, (uint64_t)expires);
    else
        resp_text(command, "");
    buffer_reset(text);
    for (uint32_t i = start; i < end; i++) {
        const struct cell *cell = cell_of(checkpoint->refs[i]);
        size_t string = packed_begin(text);
        cell_field_write(text, partition->view.names, key, cell->key);
        packed_end(text, string);
        string = packed_begin(text);
        cell_value_write(text, &cell->own, version);
        packed_end(text, string);
    }
    resp_slice(command, buffer_slice(text));
}

static void write_chunk(struct partition *partition)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    struct buffer *command = &checkpoint->command, *text = &partition->command;
    uint32_t runs = 0;
    prefetch_fields(partition);
    for (uint32_t i = 0; i < checkpoint->count; i = run_end(checkpoint, i))
        runs++;
    start_call(partition, runs, 2 * (size_t)runs);
    for (uint32_t i = 0; i < checkpoint->count; i = run_end(checkpoint, i)) {
        buffer_reset(text);
        key_group(&partition->keys, partition->fence.lane, partition->view.names,
                  checkpoint->refs[i].group->key, text);
        resp_slice(command, buffer_slice(text));
    }
    resp_text(command, partition->fence.owner);
    resp_text(command, partition->fence.epoch);
    resp_uint(command, partition->fence.version);
    resp_uint(command, partition->checkpoint.concluded);
    resp_text(command, "");
    resp_text(command, "");
    for (uint32_t i = 0; i < checkpoint->count;) {
        uint32_t end = run_end(checkpoint, i);
        write_run(partition, i, end);
        i = end;
    }
    redis_link_send(partition->link, buffer_slice(command), chunk_written, partition);
}

/* --- bases -------------------------------------------------------------------------------- */

static bool wants_base(const struct checkpoint *checkpoint, uint32_t i)
{
    return checkpoint->asks_base[i];
}

/* The run whose answer is due: answers come in the order of asking. */
static void bases_read(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct checkpoint *checkpoint = &partition->checkpoint;
    size_t at = 0;
    if (!reply || !checkpoint->running)
        return;
    uint32_t start = checkpoint->base_next;
    uint32_t end = run_end(checkpoint, start);
    if (!reply_is_array(reply, 1)) {
        partition_resync_by(partition, reply, "HMGET");
        return;
    }
    for (uint32_t i = start; i < end; i++) {
        struct metrics base = {{0}};
        uint64_t version;
        if (!wants_base(checkpoint, i))
            continue;
        struct slice value =
            at < reply->elements ? reply_slice(reply->element[at++]) : (struct slice){NULL, 0};
        if (!value.data && sealed_bases_note(partition, i))
            continue;
        if (value.data && cell_value_read(value, &base, &version) != 0) {
            partition_resync(partition, "a cell is unreadable");
            return;
        }
        board_set_base(partition->view.board, checkpoint->refs[i], &base);
    }
    checkpoint->base_next = end;
    while (checkpoint->base_next < checkpoint->count &&
           !checkpoint->run_asks[checkpoint->base_next])
        checkpoint->base_next = run_end(checkpoint, checkpoint->base_next);
    if (--checkpoint->answers_left == 0 && !sealed_bases_ask(partition))
        write_chunk(partition);
}

void checkpoint_bases_complete(struct partition *partition)
{
    if (partition->checkpoint.running)
        write_chunk(partition);
}

static void ask_bases_of_run(struct partition *partition, uint32_t start, uint32_t end,
                             uint32_t count)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    struct buffer *command = &checkpoint->command, *text = &partition->command;
    struct group_key key = checkpoint->refs[start].group->key;
    buffer_reset(command);
    resp_start(command, 2 + (size_t)count);
    resp_text(command, "HMGET");
    buffer_reset(text);
    key_group(&partition->keys, partition->fence.lane, partition->view.names, key, text);
    resp_slice(command, buffer_slice(text));
    for (uint32_t i = start; i < end; i++) {
        if (!wants_base(checkpoint, i))
            continue;
        buffer_reset(text);
        cell_field_write(text, partition->view.names, key, cell_of(checkpoint->refs[i])->key);
        resp_slice(command, buffer_slice(text));
    }
    checkpoint->answers_left++;
    redis_link_send(partition->link, buffer_slice(command), bases_read, partition);
}

/* They were taken long ago: all are fetched before the first is read. */
static void prefetch_chunk(const struct checkpoint *checkpoint)
{
    for (uint32_t i = 0; i < checkpoint->count; i++) {
        const struct cell *cell = cell_of(checkpoint->refs[i]);
        __builtin_prefetch(cell);
        __builtin_prefetch(&cell->own.v[METRIC_COUNT - 1]);
    }
}

static void ask_bases(struct partition *partition)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    checkpoint->answers_left = 0;
    checkpoint->base_next = UINT32_MAX;
    for (uint32_t start = 0; start < checkpoint->count;) {
        uint32_t end = run_end(checkpoint, start), count = 0;
        for (uint32_t i = start; i < end; i++) {
            checkpoint->asks_base[i] = !(cell_of(checkpoint->refs[i])->flags & CELL_BASE);
            count += checkpoint->asks_base[i];
        }
        checkpoint->run_asks[start] = count > 0;
        if (count) {
            if (checkpoint->base_next == UINT32_MAX) {
                checkpoint->base_next = start;
                prefetch_fields(partition);
            }
            ask_bases_of_run(partition, start, end, count);
        }
        start = end;
    }
}

/* --- the beginning ------------------------------------------------------------------------ */

static void take_more(struct partition *partition)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    uint32_t max =
        checkpoint->cells_left < CHECKPOINT_TAKEN ? checkpoint->cells_left : CHECKPOINT_TAKEN;
    checkpoint->taken_at = 0;
    checkpoint->taken_count = board_dirty_take(partition->view.board, checkpoint->taken, max);
    checkpoint->cells_left -= checkpoint->taken_count;
}

static void next_chunk(struct partition *partition)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    if (checkpoint->taken_at == checkpoint->taken_count)
        take_more(partition);
    uint32_t left = checkpoint->taken_count - checkpoint->taken_at;
    if (!left) {
        conclude(partition);
        return;
    }
    checkpoint->refs = &checkpoint->taken[checkpoint->taken_at];
    checkpoint->count = left < CHECKPOINT_CELLS ? left : CHECKPOINT_CELLS;
    prefetch_chunk(checkpoint);
    ask_bases(partition);
    if (!checkpoint->answers_left)
        write_chunk(partition);
}

static bool feed_is_old(const struct partition *partition, int64_t now_ms)
{
    const struct checkpoint *checkpoint = &partition->checkpoint;
    return checkpoint->mark_count > 1 &&
           now_ms - checkpoint->marks[checkpoint->mark_first].monotonic_ms >
               partition->options.feed_keep_ms;
}

static bool is_due(const struct partition *partition, int64_t now_ms)
{
    const struct checkpoint *checkpoint = &partition->checkpoint;
    int64_t spacing_ms =
        checkpoint_spacing_ms(board_dirty_listed(partition->view.board),
                              partition->stats->seats_taken, partition->options.checkpoint_ms);

    return now_ms - checkpoint->began_ms >= spacing_ms || partition->stopping ||
           partition->feed_bytes - checkpoint->feed_bytes > UNWRITTEN_BYTES ||
           board_dirty_over(partition->view.board, partition->options.max_cells / 2);
}

void checkpoint_tick(struct partition *partition)
{
    struct checkpoint *checkpoint = &partition->checkpoint;
    int64_t now_ms = partition_now_ms(partition);
    if (checkpoint->running || !is_due(partition, now_ms))
        return;
    if (!board_dirty_count(partition->view.board) &&
        checkpoint->concluded == partition->fence.version && !feed_is_old(partition, now_ms))
        return;
    checkpoint->running = true;
    checkpoint->began_ms = now_ms;
    checkpoint->version = partition->fence.version;
    checkpoint->cells_left = board_dirty_count(partition->view.board);
    checkpoint->feed_bytes = partition->feed_bytes;
    next_chunk(partition);
}

bool checkpoint_clean(const struct partition *partition)
{
    return !partition->checkpoint.running && !board_dirty_count(partition->view.board) &&
           partition->checkpoint.concluded == partition->fence.version;
}
