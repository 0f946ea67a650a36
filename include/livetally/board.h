/*
 * The board: all totals that somebody looks at or that this daemon has yet to checkpoint.
 *
 *   board ── groups (by group_key, hashed) ── cells (array, and a hash from key to place)
 *
 * A cell has two halves. Its sum is over all lanes, what viewers see; it stands apart, in an array
 * that only groups have which are shown, and is valid when the group is LOADED. `own` is our own
 * lane's share, what checkpoints write: absolute once its base is known (CELL_BASE), before that
 * only what was added since. So a group nobody looks at costs memory only for the cells touched
 * since the last checkpoint, and nothing ever has to be read from Redis before an order can be
 * judged.
 *
 * Facts are gathered before they are spread over their cells, alike ones as one: see board_apply().
 *
 * Loading a group (the store does it, through struct board_image) reads each lane's hash and feed;
 * the lane's later facts are added here. `included[lane]` says up to which version a lane is in.
 *
 * Bounds: max_cells over all groups. Clean cells that nobody watches are dropped by board_evict(),
 * at once when there are more; what is dirty or watched is not. So the store commits nothing while
 * more than max_cells are dirty, lets viewers have a group only while board_has_room(), gives up a
 * load that turns out to need more (a group is here whole or not at all), and too_many_ids keeps
 * what is always watched within limits. LOADED groups that nobody watches any more are kept for a
 * while, within max_cells together with all of that, and go first.
 *
 * Only a group that is LOADED and watched may grow past max_cells, by what is sold for the first
 * time in it: orders are never refused for who watches. It ends at one cell for each id that there
 * may be of its second dimension, and meanwhile no group is let in.
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
    CELL_USED = 1 << 2,  /* our own lane counted in it since board_evict() last came by */
};

/* One line of the processor's cache, and what an order changes comes first. */
struct cell {
    uint32_t key; /* second dimension: number in names, county code, minute; 1 for total */
    uint32_t flags;
    uint64_t changed; /* board version of the last change of its sum */
    struct metrics own;
};

_Static_assert(sizeof(struct cell) == 64, "most cells are never shown, so it holds what they need");

struct cell_slot {
    uint32_t key;
    uint32_t place_plus_1; /* 0 = free */
};

/*
 * From the keys of cells to their places: open addressing, at most two thirds full. A large one
 * grows bit by bit: what isn't in `slots` yet is still found in `old`.
 */
struct cell_index {
    struct cell_slot *slots;
    uint32_t mask;
    uint32_t used;
    uint32_t old_mask;
    uint32_t old_next;     /* slots below are copied */
    struct cell_slot *old; /* NULL: it isn't growing */
};

/* The changes of cells, numbered from 0; number i is at i & mask. See group_changes_mark(). */
struct change_log {
    uint64_t count; /* so far */
    uint64_t first; /* those before it were gone when the log grew */
    uint64_t cut;   /* group->changed at the last mark: what changed after it is listed */
    uint32_t mask;
    uint32_t places[];
};

/*
 * Places of cells don't change while a group is LOADED or LOADING (new cells come at the end), nor
 * while one of its cells is taken for a checkpoint. Else board_evict() may move them.
 */
struct group {
    /* What every order reads or writes comes first. */
    struct group_key key;
    enum group_state state : 8;
    bool complete; /* every cell of our own lane is here: a new one starts from zero */
    bool listed;   /* among those that board_changed_next() gives */
    struct cell *cells;
    struct metrics *sums; /* of the cells, by place; NULL: the group is COLD */
    struct cell_index index;
    uint64_t own_version; /* up to which `own` was read from Redis */
    int64_t used_ms;      /* monotonic, last touched: for eviction */
    uint32_t dirty_count;
    uint32_t watchers; /* topics that read it; see board_watch() */
    uint32_t cell_count;
    uint32_t cell_capacity;
    uint64_t *included;     /* [LANE_COUNT] while loading or just loaded, else NULL */
    uint64_t changed;       /* board version of the last change of any cell */
    struct change_log *log; /* NULL: nobody has marked it since it was watched */
    uint64_t reloaded;      /* board version at which it became LOADED */
    uint32_t taken_count;   /* cells taken for a checkpoint and neither written nor returned */
    uint32_t run_count;     /* of those, in the call of board_dirty_take() that runs */
    uint32_t run_next;      /* where it puts the next one of them */
    uint32_t hand;          /* where board_evict() goes on: places below are still to be visited */
    uint32_t listed_at;     /* in board->changed, when it is listed */
    uint32_t needed;        /* cells it has at least, of when a load gave it up; 0: none did */
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
uint64_t board_version(struct board *board);
/* What board_version() will say; for who asks only whether there was a change. Spreads nothing. */
uint64_t board_version_ahead(const struct board *board);
/* A board that replaces another goes on counting where that one was. */
void board_continue_version(struct board *board, uint64_t version);

/*
 * Adds a lane's commit. own: it is our own lane's; that is one lane for the whole life of a board.
 * now_ms: wall time. Facts must come in the order of versions; a version that is not above the
 * lane's last one is ignored.
 *
 * Facts are gathered, and spread over their cells before anything else here looks at groups or
 * cells: only board_apply(), _version_ahead(), _touch(), _continue_version(), _set_now(), _evict(),
 * _dirty_over() and what reports on taken cells leave them gathered. Who reads on through a group
 * or cell got before board_apply() has to call board_spread().
 */
void board_apply(struct board *board, uint32_t lane, uint64_t lane_version, bool own,
                 const struct fact *facts, uint32_t fact_count, int64_t now_ms);
void board_spread(struct board *board);
/* For changes that show but are no facts (names, midnight): makes a new version. */
uint64_t board_touch(struct board *board);

struct group *board_find(struct board *board, struct group_key key); /* NULL: not here */
struct group *board_open(struct board *board, struct group_key key); /* made COLD if new */
/* Zeros when the cell isn't there; the group must be LOADED. */
struct metrics group_get(const struct group *group, uint32_t cell_key);
struct cell *group_cell(const struct group *group, uint32_t cell_key); /* NULL: not there */

/* A watched group is not evicted. Calls nest. */
void board_watch(struct board *board, struct group_key key);
void board_unwatch(struct board *board, struct group_key key);

/*
 * Reading only what changed. mark(): from now on changes are listed; returns their number so far.
 * A reader that marked a LOADED group at `seen` finds the cells that changed since in the changes
 * from `seen` on (some several times), unless they are gone or the group was reloaded. Only for
 * groups that it watches; with the last watcher the list goes.
 */
uint64_t group_changes_mark(struct group *group);

static inline bool group_changes_gone(const struct group *group, uint64_t seen)
{
    return group->log == NULL || seen < group->log->first || seen > group->log->count ||
           group->log->count - seen > (uint64_t)group->log->mask + 1;
}

/* A watched group that changed, or was loaded, since it was last given; NULL: none is left. */
struct group *board_changed_next(struct board *board);

/* Visits every group; the callback may not open or drop groups. */
typedef void board_group_fn(void *context, struct group *group);
void board_each(struct board *board, board_group_fn *visit, void *context);

uint32_t board_cell_count(struct board *board);
uint32_t board_group_count(struct board *board);
uint32_t board_held_count(struct board *board); /* watched, dirty or taken: can't be dropped */
uint32_t board_idle_count(struct board *board); /* of groups LOADED that nobody watches any more */
size_t board_memory_bytes(const struct board *board); /* without the logs of watched groups */
/* Watched, dirty and taken cells are over max_cells: no more groups should be watched. */
bool board_full(struct board *board);
/* False: it would be over max_cells with this group, as far as is known; NULL: a new one. */
bool board_has_room(struct board *board, const struct group *group);
/*
 * Frees what nobody needs; returns how many cells. Groups that are clean, unwatched and untouched
 * since before_ms (monotonic) go as a whole. A LOADED group counts as touched when it was loaded,
 * watched or unwatched, a COLD one also when our own lane counted in it. Of unwatched groups that
 * stay, clean cells go that weren't used between two visits; a LOADED one becomes COLD for that.
 *
 * It goes round the board: a call visits a 64th of it (but at least 16,384 cells), the next one
 * goes on there, and a new round begins when the last one began before before_ms. So call it
 * several times a second, best when no cells are taken. Over max_cells rounds follow each other, a
 * call visits an 8th, and all clean cells of unwatched COLD groups go.
 */
uint32_t board_evict(struct board *board, int64_t before_ms);
/* All groups that are LOADED and not watched become COLD, and their clean cells go, for others. */
void board_forget_idle(struct board *board);
void board_set_now(struct board *board, int64_t monotonic_ms); /* for group.used_ms */

/*
 * One lane's share of one group while it is read from Redis. Add cells as they come (in any order,
 * again and again), then the feed's facts in order, then merge. ERROR_CORRUPT for a bad cell.
 */
struct board_image;

struct board_image *board_image_new(struct group_key key);
void board_image_free(struct board_image *image);
uint32_t board_image_count(const struct board_image *image); /* of cells */
int board_image_cell(struct board_image *image, struct names *names, struct slice field,
                     struct slice value);
/* The same for a cell whose value is read already, as those of sealed pages are. */
int board_image_put(struct board_image *image, struct names *names, struct slice field,
                    const struct metrics *metrics, uint64_t version);

struct image_addition {
    struct board_image *image;
    uint32_t cell; /* of those that its group has, the one that the fact counts in */
    const struct fact *fact;
};

/* Adds facts of one commit, some two dozen times each: many at once, as most of what that reads is
 * not in the processor's cache. Uses up the additions. */
void board_images_add(struct image_addition *additions, uint32_t count, uint64_t lane_version);

/*
 * Loading: begin once, merge each lane that exists, then finish.
 *
 * merge: the image holds the lane as it is at `version`. ERROR_CONFLICT, and nothing is merged,
 * when facts of a later version were applied already, or the lane was merged before. Cells of our
 * own lane whose value came from the feed are not in a checkpoint, so they become dirty.
 * finish: false, and the group is still LOADING, when a lane that has had facts was not merged.
 */
void board_load_begin(struct board *board, struct group *group);
int board_load_merge(struct board *board, struct group *group, uint32_t lane, bool own,
                     uint64_t version, const struct board_image *image);
bool board_load_finish(struct board *board, struct group *group);
void board_load_abort(struct board *board, struct group *group); /* back to COLD */
/*
 * The same for lack of room; what was merged is dropped, but for what a checkpoint has yet to
 * write. The group has at least `cells` cells: until there is room for so many,
 * board_has_room() is false.
 */
void board_load_give_up(struct board *board, struct group *group, uint32_t cells);

/*
 * Checkpoint: the cells that are dirty. take() moves up to `max` of them into `out`, the oldest,
 * those of one group together, marking them clean. Each taken cell keeps its place, and its group
 * stays, until it is reported written or given back. A cell without CELL_BASE has to be given its
 * base (what Redis has, or zeros) by set_base() before it is written; that does nothing when a load
 * has set it meanwhile.
 */
struct cell_ref {
    struct group *group;
    uint32_t place; /* in group->cells */
};

uint32_t board_dirty_count(struct board *board);
uint32_t board_dirty_listed(const struct board *board); /* without what is only gathered */
/* More than `max`; spreads what is gathered only if that decides it. */
bool board_dirty_over(struct board *board, uint32_t max);
/*
 * The version of our own lane up to which `own` counts, in every cell; lane_version: the lane's
 * newest, all of which was applied. To be written with the cells.
 */
uint64_t board_own_version(const struct board *board, uint64_t lane_version);
uint32_t board_dirty_take(struct board *board, struct cell_ref *out, uint32_t max);
void board_dirty_return(struct board *board, struct cell_ref ref);
void board_dirty_written(struct board *board, struct cell_ref ref);
void board_set_base(struct board *board, struct cell_ref ref, const struct metrics *base);

static inline struct cell *cell_of(struct cell_ref ref)
{
    return &ref.group->cells[ref.place];
}

#endif
