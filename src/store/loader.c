/*
 * Reading groups from Redis: the sum over lanes, exact at a known version of each lane, without
 * stopping anybody who writes.
 *
 *   1. versions and checkpoint versions of all lanes
 *   2. every hash (group × lane that exists) by HSCAN, many at a time. Cells carry the version they
 *      count up to, so it doesn't matter that a checkpoint may be writing them meanwhile.
 *   3. of groups by day, the pages they were sealed in. After the hashes: a cell that left its hash
 *      before it was read there is in a page now. A cell that is in both counts as its newer
 * version.
 *   4. lane by lane, the feed after the checkpoint version of step 1, added to cells of lower
 *      versions. When a lane's feed is read to its end, its images are merged into the groups: what
 *      is read on this one connection is never older than what was applied from it.
 *
 * What was read of another lane may be newer than what was applied of its feed. The load ends when
 * both are at the same version: else a viewer would see groups of two moments side by side.
 *
 * If a feed was trimmed past where we began, or a lane appeared meanwhile, it begins again.
 *
 * What there is no room for is given up meanwhile, a group at a time: see load_items.h.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "livetally/mem.h"
#include "load_items.h"
#include "partition_private.h"
#include "resp.h"
#include "sealed_days.h"

#define SCANS_IN_FLIGHT 64
#define SCAN_COUNT      1000
#define FEED_ENTRIES    64
#define ATTEMPTS_MAX    5

struct scan {
    struct loader *loader;
    uint32_t item;
    uint32_t lane;
};

struct loader {
    struct partition *partition;
    struct board *board;
    loader_done_fn *done;
    struct load_items items;
    uint32_t lanes;                   /* bit set of those that exist */
    uint64_t checkpoints[LANE_COUNT]; /* as of step 1: the feed is read from there, even when a
                                         checkpoint ends while the hashes are read */
    struct scan *scans;
    uint32_t scan_count, scan_next, scans_open;
    struct sealed_days *sealed; /* being read */
    uint32_t feed_lane;         /* being read */
    uint64_t feed_version;      /* read up to there */
    uint64_t merged[LANE_COUNT];
    bool waits; /* all is merged, and newer than what was applied */
    uint32_t attempts;
};

static void begin(struct loader *loader);
static void next_feed(struct loader *loader);

static void drop_images(struct loader *loader)
{
    load_items_drop_images(&loader->items);
    free(loader->scans);
    loader->scans = NULL;
    sealed_days_free(loader->sealed);
    loader->sealed = NULL;
}

static void loader_free(struct loader *loader)
{
    drop_images(loader);
    load_items_done(&loader->items);
    free(loader);
}

void loader_abort(struct partition *partition)
{
    struct loader *loader = partition->loader;
    if (!loader)
        return;
    for (uint32_t i = 0; i < loader->items.count; i++)
        if (loader->items.items[i].group)
            board_load_abort(loader->board, loader->items.items[i].group);
    partition->loader = NULL;
    loader_free(loader);
}

void loader_start(struct partition *partition, struct board *board, const struct group_key *keys,
                  uint32_t count, loader_done_fn *done)
{
    assert(!partition->loader);
    struct loader *loader = mem_zalloc(sizeof *loader);
    *loader = (struct loader){.partition = partition, .board = board, .done = done};
    load_items_init(&loader->items, partition, board, count);
    for (uint32_t i = 0; i < count; i++) {
        struct group *group = board_open(board, keys[i]);
        if (group->state != GROUP_COLD)
            continue;
        board_load_begin(board, group);
        struct load_item *item = load_items_add(&loader->items, keys[i]);
        item->group = group;
        item->must_fit = board == partition->view.board && !partition_is_pinned(keys[i]);
    }
    partition->loader = loader;
    begin(loader);
}

void loader_feed_lacks(struct partition *partition, uint32_t lane)
{
    char text[PROBLEM_BYTES];
    snprintf(text, sizeof text,
             "the feed of lane %" PRIu32 " lacks commits that no checkpoint has: if this stays, "
             "somebody deleted or changed it: restore redis from a backup",
             lane);
    partition_resync(partition, text);
}

static void begin_again(struct loader *loader)
{
    if (++loader->attempts == ATTEMPTS_MAX) {
        if (loader->feed_lane < LANE_COUNT)
            loader_feed_lacks(loader->partition, loader->feed_lane);
        else
            partition_resync(loader->partition, "lanes came and went while totals were read");
        return;
    }
    drop_images(loader);
    loader->waits = false;
    for (uint32_t i = 0; i < loader->items.count; i++) {
        struct group *group = loader->items.items[i].group;
        if (!group)
            continue;
        board_load_abort(loader->board, group);
        board_load_begin(loader->board, group);
    }
    begin(loader);
}

/* --- 4. feeds ----------------------------------------------------------------------------- */

static bool is_ahead(const struct loader *loader)
{
    const struct partition *partition = loader->partition;
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        if ((loader->lanes >> lane & 1) && lane != partition->fence.lane &&
            loader->merged[lane] > partition->lanes[lane].cursor)
            return true;
    return false;
}

static void finish(struct loader *loader)
{
    struct partition *partition = loader->partition;
    loader->waits = is_ahead(loader);
    if (loader->waits) {
        follow_poll(partition);
        return;
    }
    for (uint32_t i = 0; i < loader->items.count; i++) {
        struct group *group = loader->items.items[i].group;
        if (group && !board_load_finish(loader->board, group)) {
            begin_again(loader); /* a lane appeared meanwhile */
            return;
        }
    }
    partition->loader = NULL;
    loader_done_fn *done = loader->done;
    loader_free(loader);
    done(partition);
}

void loader_go_on(struct partition *partition)
{
    if (partition->loader && partition->loader->waits)
        finish(partition->loader);
}

/* False: more of this lane was applied than was read, which one connection rules out. */
static bool merge_lane(struct loader *loader)
{
    struct partition *partition = loader->partition;
    uint32_t lane = loader->feed_lane;
    bool own = lane == partition->fence.lane;
    for (uint32_t i = 0; i < loader->items.count; i++) {
        struct load_item *item = &loader->items.items[i];
        if (!item->group)
            continue;
        if (board_load_merge(loader->board, item->group, lane, own, loader->feed_version,
                             item->images[lane]) != 0)
            return false;
        board_image_free(item->images[lane]);
        item->images[lane] = NULL;
        load_items_merged(&loader->items, item);
    }
    loader->merged[lane] = loader->feed_version;
    follow_note_version(partition, lane, loader->feed_version);
    if (partition->phase == PHASE_SYNC)
        partition->lanes[lane].cursor = loader->feed_version;
    return true;
}

static void feed_read(void *context, const redisReply *reply)
{
    struct loader *loader = context;
    if (!reply)
        return;
    struct partition *partition = loader->partition;
    if (reply->type != REDIS_REPLY_ARRAY) {
        partition_resync_by(partition, reply, "the feed of a lane");
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        uint64_t version;
        struct slice bytes;
        if (!reply_feed_entry(reply->element[i], &version, &bytes) ||
            feed_reader_decode(&partition->reader, partition->view.names, bytes) != 0) {
            partition_resync(partition, "a feed entry is unreadable");
            return;
        }
        if (version != loader->feed_version + 1) {
            begin_again(loader);
            return;
        }
        loader->feed_version = version;
        load_items_add_facts(&loader->items, loader->feed_lane, version,
                             &partition->options.calendar, partition->reader.facts,
                             partition->reader.entry.fact_count);
    }
    if (reply->elements == FEED_ENTRIES) {
        feed_send(partition, loader->feed_lane, loader->feed_version + 1, FEED_ENTRIES, feed_read,
                  loader);
        return;
    }
    if (loader->feed_version < partition->lanes[loader->feed_lane].version) {
        begin_again(loader); /* it ended before a version that we know of: trimmed */
        return;
    }
    if (!merge_lane(loader)) {
        begin_again(loader);
        return;
    }
    loader->feed_lane++;
    next_feed(loader);
}

static void next_feed(struct loader *loader)
{
    struct partition *partition = loader->partition;
    while (loader->feed_lane < LANE_COUNT && !(loader->lanes >> loader->feed_lane & 1))
        loader->feed_lane++;
    if (loader->feed_lane == LANE_COUNT) {
        finish(loader);
        return;
    }
    loader->feed_version = loader->checkpoints[loader->feed_lane];
    feed_send(partition, loader->feed_lane, loader->feed_version + 1, FEED_ENTRIES, feed_read,
              loader);
}

/* --- 3. sealed days ----------------------------------------------------------------------- */

static struct board_image *image_of(void *context, uint32_t lane, struct group_key key)
{
    struct loader *loader = context;
    struct load_item *item = load_items_find(&loader->items, key);
    return item && item->group && load_items_fit(&loader->items, item, lane) ? item->images[lane]
                                                                             : NULL;
}

static void sealed_read_all(void *context)
{
    struct loader *loader = context;
    sealed_days_free(loader->sealed);
    loader->sealed = NULL;
    loader->feed_lane = 0;
    next_feed(loader);
}

static void read_sealed(struct loader *loader)
{
    const struct sealed_days_ops ops = {image_of, sealed_read_all, loader};
    loader->sealed = sealed_days_new(loader->partition, &ops);
    for (uint32_t i = 0; i < loader->items.count; i++)
        sealed_days_add(loader->sealed, loader->items.items[i].key);
    if (!sealed_days_start(loader->sealed, loader->lanes))
        sealed_read_all(loader);
}

/* --- 2. hashes ---------------------------------------------------------------------------- */

static void scan_some(struct loader *loader);

static void scan_send(struct scan *scan, uint64_t cursor);

static void key_of(const struct scan *scan, struct buffer *out)
{
    const struct loader *loader = scan->loader;
    key_group(&loader->partition->keys, scan->lane, loader->partition->view.names,
              loader->items.items[scan->item].key, out);
}

/* Names the key: only whoever knows which one it is can restore it. */
static void refuse_hash(const struct scan *scan, const redisReply *reply)
{
    struct buffer key = BUFFER_INIT;
    key_of(scan, &key);
    partition_resync_by(scan->loader->partition, reply, buffer_cstr(&key));
    buffer_done(&key);
}

static void scanned(void *context, const redisReply *reply)
{
    struct scan *scan = context;
    if (!reply)
        return;
    struct loader *loader = scan->loader;
    struct partition *partition = loader->partition;
    uint64_t cursor;
    if (!reply_is_array(reply, 2) || !reply_is_array(reply->element[1], 0) ||
        !reply_uint(reply->element[0], &cursor)) {
        refuse_hash(scan, reply);
        return;
    }
    const redisReply *cells = reply->element[1];
    struct load_item *item = &loader->items.items[scan->item];
    for (size_t i = 0; item->group && i + 1 < cells->elements; i += 2)
        if (board_image_cell(item->images[scan->lane], partition->view.names,
                             reply_slice(cells->element[i]),
                             reply_slice(cells->element[i + 1])) != 0) {
            partition_resync(partition, "a cell is unreadable");
            return;
        }
    if (item->group && load_items_fit(&loader->items, item, scan->lane) && cursor) {
        scan_send(scan, cursor);
        return;
    }
    loader->scans_open--;
    scan_some(loader);
}

static void scan_send(struct scan *scan, uint64_t cursor)
{
    struct loader *loader = scan->loader;
    struct partition *partition = loader->partition;
    struct buffer key = BUFFER_INIT;
    key_of(scan, &key);
    buffer_reset(&partition->command);
    resp_start(&partition->command, 5);
    resp_text(&partition->command, "HSCAN");
    resp_slice(&partition->command, buffer_slice(&key));
    resp_uint(&partition->command, cursor);
    resp_text(&partition->command, "COUNT");
    resp_uint(&partition->command, SCAN_COUNT);
    buffer_done(&key);
    partition_send(partition, scanned, scan);
}

static void scan_some(struct loader *loader)
{
    while (loader->scans_open < SCANS_IN_FLIGHT && loader->scan_next < loader->scan_count) {
        struct scan *scan = &loader->scans[loader->scan_next++];
        if (!loader->items.items[scan->item].group)
            continue;
        loader->scans_open++;
        scan_send(scan, 0);
    }
    if (!loader->scans_open)
        read_sealed(loader);
}

/* --- 1. versions -------------------------------------------------------------------------- */

static void plan_scans(struct loader *loader)
{
    loader->scan_count = loader->scan_next = loader->scans_open = 0;
    loader->scans =
        mem_resize(NULL, (size_t)loader->items.count * LANE_COUNT + 1, sizeof *loader->scans);
    for (uint32_t i = 0; i < loader->items.count; i++)
        for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
            struct load_item *item = &loader->items.items[i];
            if (!item->group || !(loader->lanes >> lane & 1))
                continue;
            item->images[lane] = board_image_new(item->key);
            loader->scans[loader->scan_count++] = (struct scan){loader, i, lane};
        }
}

/* A lane whose version somebody deleted since the way in began would be left out, and our own would
 * count from zero again. On one connection nobody but us moves our own. */
static bool is_as_known(const struct partition *partition, uint32_t lane, bool exists,
                        uint64_t version)
{
    if (lane == partition->fence.lane)
        return exists && version == partition->fence.version;
    return exists ? version >= partition->lanes[lane].version : !partition->lanes[lane].exists;
}

static void versions_read(void *context, const redisReply *reply)
{
    struct loader *loader = context;
    if (!reply)
        return;
    struct partition *partition = loader->partition;
    if (!reply_is_array(reply, 2 * LANE_COUNT)) {
        partition_resync_by(partition, reply, "MGET");
        return;
    }
    loader->lanes = 0;
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        uint64_t version = 0, checkpoint = 0;
        bool exists = reply_uint(reply->element[2 * lane], &version);
        if (!is_as_known(partition, lane, exists, version)) {
            partition_resync(partition, "the version of a lane is gone, or went back");
            return;
        }
        if (!exists)
            continue;
        (void)reply_uint(reply->element[2 * lane + 1], &checkpoint);
        loader->lanes |= 1u << lane;
        partition->lanes[lane].exists = true;
        loader->checkpoints[lane] = checkpoint;
        follow_note_version(partition, lane, version);
    }
    load_items_measure(&loader->items);
    plan_scans(loader);
    scan_some(loader);
}

static void begin(struct loader *loader)
{
    versions_send(loader->partition, versions_read, loader);
}
