/*
 * The way in, second half (sync_claim.c is the first): with a lane claimed, everything is read.
 *
 *   our feed after our checkpoint: which groups it touched
 *     ─▶ load: what is always shown, what is watched, what our feed touched
 *     ─▶ catalogs ─▶ swap boards, go live
 *
 * Loading the groups that our own feed touched after the last checkpoint makes their cells exact
 * and dirty, so whatever a former process did not get to write is written now.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "livetally/mem.h"
#include "partition_private.h"
#include "resp.h"

#define OWN_FEED_ENTRIES 64

struct sync {
    struct buffer newest_entry; /* of our feed, to tell what became of a commit in flight */
    bool has_newest_entry;
    uint64_t feed_version;
    uint32_t catalogs_left;
    struct group_key *keys; /* to load */
    uint32_t key_count, key_capacity;
};

static void sync_free(struct partition *partition)
{
    if (!partition->sync)
        return;
    buffer_done(&partition->sync->newest_entry);
    free(partition->sync->keys);
    free(partition->sync);
    partition->sync = NULL;
}

void sync_abort(struct partition *partition)
{
    loader_abort(partition);
    board_free(partition->next_board);
    partition->next_board = NULL;
    catalog_free(partition->next_catalog);
    partition->next_catalog = NULL;
    partition->next_sync_ms = 0;
    sync_free(partition);
}

/* --- live --------------------------------------------------------------------------------- */

static void take_census(struct partition *partition)
{
    static const enum rollup rollups[] = {ROLLUP_HOST, ROLLUP_COUNTY, ROLLUP_PRODUCT,
                                          ROLLUP_SESSION, ROLLUP_PLATFORM};
    census_clear(partition->census);
    for (size_t i = 0; i < sizeof rollups / sizeof *rollups; i++) {
        struct group_key key = {.rollup = (uint16_t)rollups[i], .period = PERIOD_ALL};
        const struct group *group = board_find(partition->view.board, key);
        for (uint32_t c = 0; group && c < group->cell_count; c++)
            census_mark(partition->census, rollup_rows[rollups[i]].second, group->cells[c].key);
    }
}

static void take_lane_total(struct partition *partition)
{
    struct group_key key = {.rollup = ROLLUP_TOTAL, .period = PERIOD_ALL};
    const struct group *group = board_find(partition->view.board, key);
    const struct cell *cell = group ? group_cell(group, 1) : NULL;
    partition->judge.lane_total = cell ? cell->own : (struct metrics){{0}};
}

/* What was shown before, which the hub has yet to watch on the new board. */
static bool is_still_shown(struct board *board, const struct group *old)
{
    if (!old->watchers || old->state != GROUP_LOADED)
        return false;
    const struct group *group = board_find(board, old->key);
    return group && group->state == GROUP_LOADED;
}

static void watch_shown(void *context, struct group *old)
{
    if (is_still_shown(context, old))
        board_watch(context, old->key);
}

static void unwatch_shown(void *context, struct group *old)
{
    if (is_still_shown(context, old))
        board_unwatch(context, old->key);
}

/* What our feed touched was loaded whatever it took, but nobody is shown it. */
static void bound_idle(const struct partition *partition, struct board *board,
                       struct board *old_board)
{
    uint64_t used = (uint64_t)board_held_count(board) + board_idle_count(board);
    if (used <= partition->options.max_cells)
        return;
    board_each(old_board, watch_shown, board);
    board_forget_idle(board);
    board_each(old_board, unwatch_shown, board);
}

static void swap_boards(struct partition *partition)
{
    struct view *view = &partition->view;
    struct board *old_board = view->board;
    struct catalog *old_catalog = view->catalog;
    view->board = partition->next_board;
    view->catalog = partition->next_catalog;
    partition->next_board = NULL;
    partition->next_catalog = NULL;
    partition->judge.catalog = view->catalog;
    view->board_number++;
    if (board_version(view->board) < board_version(old_board))
        board_continue_version(view->board, board_version(old_board));
    board_touch(view->board);
    for (uint32_t i = 0; i < partition_pin_count; i++) {
        board_watch(view->board, partition_pin_key(i, 0));
        board_watch(view->board, partition_pin_key(i, view->today));
    }
    if (strcmp(view->epoch, partition->fence.epoch) != 0) {
        ticker_clear(view->ticker);
        snprintf(view->epoch, sizeof view->epoch, "%.*s", EPOCH_BYTES - 1, partition->fence.epoch);
    }
    take_census(partition);
    take_lane_total(partition);
    bound_idle(partition, view->board, old_board);
    partition_view_changed(partition);
    catalog_free(old_catalog);
    board_free(old_board);
}

static void go_live(struct partition *partition)
{
    struct sync *sync = partition->sync;
    bool first = !partition->was_ready;
    partition->view.today = partition->day_wanted;
    partition->day_wanted = 0;
    swap_boards(partition);
    partition->checkpoint.concluded = partition->lanes[partition->fence.lane].checkpoint;
    partition->checkpoint.began_ms = INT64_MIN / 2;
    partition->checkpoint.mark_first = partition->checkpoint.mark_count = 0;
    partition->last_heard_ms = partition_now_ms(partition);
    partition->next_health_ms = partition->next_renew_ms = 0;
    bool refused = partition->commit_refused || partition->checkpoint_refused;
    if (!refused)
        partition->problem[0] = '\0';
    partition->live_since_ms = partition_now_ms(partition);
    partition->phase = PHASE_LIVE;
    partition->view.ready = true;
    partition->was_ready = true;
    partition->stats->resyncs++;
    partition->stats->lane = partition->fence.lane;
    log_print(partition->log, refused ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTICE,
              "live: lane=%" PRIu32 " version=%" PRIu64 " epoch=%s generation=%" PRIu64,
              partition->fence.lane, partition->fence.version, partition->fence.epoch,
              partition->fence.generations.current);
    pipeline_resolve(partition, partition->fence.version,
                     sync->has_newest_entry ? buffer_slice(&sync->newest_entry)
                                            : (struct slice){NULL, 0});
    sync_free(partition);
    standing_live(partition);
    state_file_note(partition);
    if (first) {
        partition->told_available = true;
        partition->ops.ready(partition->ops.context);
    } else {
        partition_tell_available(partition);
    }
}

/* --- catalogs ----------------------------------------------------------------------------- */

static void scan_catalog(struct partition *partition, enum catalog_kind kind, uint64_t cursor);

static void catalog_scanned(struct partition *partition, enum catalog_kind kind,
                            const redisReply *reply)
{
    uint64_t cursor;
    if (!reply)
        return;
    if (!reply_is_array(reply, 2) || !reply_is_array(reply->element[1], 0) ||
        !reply_uint(reply->element[0], &cursor)) {
        partition_resync_by(partition, reply, "a key …catalog:*");
        return;
    }
    const redisReply *fields = reply->element[1];
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (catalog_put(partition->next_catalog, kind, reply_slice(fields->element[i]),
                        reply_slice(fields->element[i + 1])) == ERROR_CORRUPT) {
            sync_wait_and_retry(partition, "a catalog entry is unreadable");
            return;
        }
    if (cursor)
        scan_catalog(partition, kind, cursor);
    else if (--partition->sync->catalogs_left == 0)
        go_live(partition);
}

#define X(name, wire)                                                                              \
    static void catalog_scanned_##name(void *context, const redisReply *reply)                     \
    {                                                                                              \
        catalog_scanned(context, CATALOG_##name, reply);                                           \
    }
CATALOG_KINDS(X)
#undef X

static void scan_catalog(struct partition *partition, enum catalog_kind kind, uint64_t cursor)
{
    static redis_reply_fn *const done[] = {
#define X(name, wire) catalog_scanned_##name,
        CATALOG_KINDS(X)
#undef X
    };
    char key[KEY_MAX_BYTES];
    key_catalog(&partition->keys, kind, key);
    redis_link_command(partition->link, done[kind], partition, "HSCAN %s %llu COUNT 1000", key,
                       (unsigned long long)cursor);
}

/* After the groups: what changed since is in the feeds, which are followed from what the groups
 * include. */
static void load_catalogs(struct partition *partition)
{
    partition->sync->catalogs_left = CATALOG_KIND_COUNT;
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++)
        scan_catalog(partition, (enum catalog_kind)kind, 0);
}

/* --- what to load ------------------------------------------------------------------------- */

static void add_key(struct sync *sync, struct group_key key)
{
    if (sync->key_count == sync->key_capacity) {
        sync->key_capacity = sync->key_capacity ? sync->key_capacity * 2 : 64;
        sync->keys = mem_resize(sync->keys, sync->key_capacity, sizeof *sync->keys);
    }
    sync->keys[sync->key_count++] = key;
}

/* What waits to be loaded is asked for again, since there may not be room for it. */
static void add_watched(void *context, struct group *group)
{
    if (group->watchers && group->state == GROUP_LOADED)
        add_key(context, group->key);
}

static void add_opened(void *context, struct group *group)
{
    add_key(context, group->key);
}

static void load_groups(struct partition *partition)
{
    struct sync *sync = partition->sync;
    partition->day_wanted =
        calendar_day(&partition->options.calendar, clock_wall_ms(partition->clock));
    for (uint32_t i = 0; i < partition_pin_count; i++) {
        add_key(sync, partition_pin_key(i, 0));
        add_key(sync, partition_pin_key(i, partition->day_wanted));
    }
    board_each(partition->view.board, add_watched, sync);
    board_each(partition->next_board, add_opened, sync);
    loader_start(partition, partition->next_board, sync->keys, sync->key_count, load_catalogs);
}

/* Of all rollups. */
static const uint32_t all_periods[ROLLUP_COUNT] = {
#define X(name, text, first, second, periods) periods,
    ROLLUPS(X)
#undef X
};

static void open_touched(struct partition *partition)
{
    struct fact_place places[FACT_PLACES_MAX];
    const struct feed_entry *entry = &partition->reader.entry;
    for (uint32_t i = 0; i < entry->fact_count; i++) {
        uint32_t count =
            fact_places(&entry->facts[i], &partition->options.calendar, all_periods, places);
        for (uint32_t k = 0; k < count; k++)
            board_open(partition->next_board, places[k].group);
    }
}

static void own_feed_read(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct sync *sync = partition->sync;
    if (!reply)
        return;
    if (reply->type != REDIS_REPLY_ARRAY) {
        partition_resync_by(partition, reply, "the feed of our lane");
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        struct slice bytes;
        uint64_t before = sync->feed_version;
        if (!reply_feed_entry(reply->element[i], &sync->feed_version, &bytes) ||
            sync->feed_version != before + 1 ||
            feed_reader_decode(&partition->reader, partition->view.names, bytes) != 0) {
            sync_wait_and_retry(partition, "an entry of our own feed is unreadable");
            return;
        }
        open_touched(partition);
        buffer_reset(&sync->newest_entry);
        buffer_append_slice(&sync->newest_entry, bytes);
        sync->has_newest_entry = true;
    }
    if (reply->elements == OWN_FEED_ENTRIES)
        feed_send(partition, partition->fence.lane, sync->feed_version + 1, OWN_FEED_ENTRIES,
                  own_feed_read, partition);
    else if (sync->feed_version < partition->fence.version)
        loader_feed_lacks(partition, partition->fence.lane); /* what it touched is not known */
    else if (sync->feed_version > partition->fence.version)
        sync_wait_and_retry(partition,
                            "the feed of our lane has a commit that its version does not, so redis "
                            "replayed half a commit: restore redis from a backup");
    else
        load_groups(partition);
}

void sync_load(struct partition *partition)
{
    struct board_options options = {partition->options.calendar, partition->options.max_cells,
                                    partition->options.minute_keep_hours * HOUR_MS};
    struct sync *sync = partition->sync = mem_zalloc(sizeof *partition->sync);
    partition->next_board = board_new(&options);
    board_continue_version(partition->next_board, board_version(partition->view.board));
    /* What is loaded now must not look idle until the hub watches it. */
    board_set_now(partition->next_board, partition_now_ms(partition));
    partition->next_catalog = catalog_new(partition->options.max_catalog);
    catalog_set_counties(partition->next_catalog, partition->options.counties);
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        partition->lanes[lane].cursor = partition->lanes[lane].behind = 0;
    sync->feed_version = partition->lanes[partition->fence.lane].checkpoint;
    feed_send(partition, partition->fence.lane, sync->feed_version + 1, OWN_FEED_ENTRIES,
              own_feed_read, partition);
}
