/*
 * The board: all totals that somebody looks at or that this daemon has yet to checkpoint.
 *
 *   board ── groups (by group_key, hashed) ── cells (array, and a hash from key to place)
 *
 * A cell has two halves. `sum` is over all lanes, what viewers see; it is valid when the group is
 * LOADED. `own` is our own lane's share, what checkpoints write: absolute once its base is known
 * (CELL_BASE), before that only what was added since. So a group nobody looks at costs memory only
 * for the cells touched since the last checkpoint, and nothing ever has to be read from Redis
 * before an order can be judged.
 *
 * Loading a group (the store does it, through struct board_image) reads each lane's hash and feed;
 * the lane's later facts are added here. `included[lane]` says up to which version a lane is in.
 *
 * Bounds: max_cells over all groups. Clean cells of idle groups that nobody watches are dropped by
 * board_evict(); what is dirty or watched is not, so the store stops committing while
 * board_full(), and too_many_ids keeps the ids, hence the cells, within limits.
 */
#ifndef LIVETALLY_BOARD_H
#define LIVETALLY_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "livetally/calendar.h"
#include "livetally/fact.h"
#include "livetally/names.h"
#include "livetally/rollup.h"

enum group_state {
    GROUP_COLD,    /* holds at most our own lane's pending cells */
    GROUP_LOADING, /* being read from Redis */
    GROUP_LOADED,  /* sums are right, and kept right */
};

enum {
    CELL_BASE = 1 << 0,  /* own is absolute */
    CELL_DIRTY = 1 << 1, /* own is not yet in a checkpoint, and listed as such */
};

struct cell {
    uint32_t key;   /* second dimension: number in names, county code, minute; 1 for total */
    uint32_t flags;
    uint64_t changed; /* board version of the last change of sum */
    struct metrics sum;
    struct metrics own;
};

struct group {
    struct group_key key;
    enum group_state state;
    uint32_t watchers; /* topics that read it; see board_watch() */
    uint64_t changed;  /* board version of the last change of any cell */
    uint64_t reloaded; /* board version at which it became LOADED */
    int64_t used_ms;   /* monotonic, last touched: for eviction */
    struct cell *cells;
    uint32_t cell_count;
    uint32_t cell_capacity;
    uint32_t dirty_count;
    uint32_t *slots; /* open addressing: place + 1 of a cell, 0 = free */
    uint32_t slot_mask;
    uint64_t *included; /* [LANE_COUNT] while loading or just loaded, else NULL */
    struct group *next; /* in its hash bucket */
    struct group *all_prev, *all_next;
};

struct board;

struct board_options {
    struct calendar calendar;
    uint32_t max_cells;
    int64_t minute_keep_ms; /* older minutes are not counted by minute: 48 h */
};

struct board *board_new(const struct board_options *options);
void board_free(struct board *board);

/* Counts changes; grows with every applied commit and finished load. PROTOCOL: `ver`. */
uint64_t board_version(const struct board *board);
/* A board that replaces another goes on counting where that one was. */
void board_continue_version(struct board *board, uint64_t version);

/*
 * Adds a lane's commit. own: it is our own lane's. now_ms: wall time. Facts must come in the
 * order of versions, each version once.
 */
void board_apply(struct board *board, uint32_t lane, uint64_t lane_version, bool own,
                 const struct fact *facts, uint32_t fact_count, int64_t now_ms);
/* For changes that show but are no facts (names, midnight): makes a new version. */
uint64_t board_touch(struct board *board);

struct group *board_find(const struct board *board, struct group_key key); /* NULL: not here */
struct group *board_open(struct board *board, struct group_key key);       /* made COLD if new */
/* Zeros when the cell isn't there; the group must be LOADED. */
struct metrics group_get(const struct group *group, uint32_t cell_key);
struct cell *group_cell(const struct group *group, uint32_t cell_key); /* NULL: not there */

/* A watched group is not evicted. Calls nest. */
void board_watch(struct board *board, struct group_key key);
void board_unwatch(struct board *board, struct group_key key);

/* Visits every group; the callback may not open or drop groups. */
typedef void board_group_fn(void *context, struct group *group);
void board_each(const struct board *board, board_group_fn *visit, void *context);

uint32_t board_cell_count(const struct board *board);
uint32_t board_group_count(const struct board *board);
bool board_full(const struct board *board); /* too many dirty or watched cells: checkpoint first */
/* Drops clean, unwatched groups untouched since before_ms (monotonic). Returns cells freed. */
uint32_t board_evict(struct board *board, int64_t before_ms);
void board_set_now(struct board *board, int64_t monotonic_ms); /* for group.used_ms */

/*
 * One lane's share of one group while it is read from Redis. Add cells as they come (in any order,
 * again and again), then the feed's facts in order, then merge. ERROR_CORRUPT for a bad cell.
 */
struct board_image;

struct board_image *board_image_new(struct group_key key, const struct calendar *calendar);
void board_image_free(struct board_image *image);
int board_image_cell(struct board_image *image, struct names *names, struct slice field,
                     struct slice value);
void board_image_fact(struct board_image *image, uint64_t lane_version, const struct fact *fact);

/* Loading: begin once, merge each lane that exists, then finish. */
void board_load_begin(struct board *board, struct group *group);
void board_load_merge(struct board *board, struct group *group, uint32_t lane, bool own,
                      uint64_t version, const struct board_image *image);
void board_load_finish(struct board *board, struct group *group);
void board_load_abort(struct board *board, struct group *group); /* back to COLD */

/*
 * Checkpoint: the cells that are dirty. take() moves up to `max` of them into `out`, marking them
 * clean; whoever fails to write them gives them back. A cell without CELL_BASE has to be given its
 * base (what Redis has, or zeros) by set_base() before it is written.
 */
struct cell_ref {
    struct group *group;
    uint32_t place; /* in group->cells */
};

uint32_t board_dirty_count(const struct board *board);
uint32_t board_dirty_take(struct board *board, struct cell_ref *out, uint32_t max);
void board_dirty_return(struct board *board, struct cell_ref ref);
void board_set_base(struct board *board, struct cell_ref ref, const struct metrics *base);

static inline struct cell *cell_of(struct cell_ref ref)
{
    return &ref.group->cells[ref.place];
}

#endif
