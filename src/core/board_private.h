/*
 * What the parts of the board share: groups and their hash (board.c), cells of a group
 * (board_cells.c, board_index.c), adding commits (board_apply.c, board_order.c, board_singles.c,
 * board_spread.c), what changed (board_changes.c), loading (board_load.c, board_image.c),
 * checkpoints (board_dirty.c), dropping what is idle (board_evict.c).
 */
#ifndef LIVETALLY_CORE_BOARD_PRIVATE_H
#define LIVETALLY_CORE_BOARD_PRIVATE_H

#include "livetally/board.h"

#define NOT_MERGED UINT64_MAX /* in group->included: the lane's facts come with its image */
#define PLACE_NONE UINT32_MAX

/* In which facts are spread, see board_order.c. */
enum spread_order { BY_HOST, BY_COUNTY };

/* The hash of groups: open addressing, at most half full. */
struct group_slot {
    struct group_key key;
    struct group *group; /* NULL: free */
};

/*
 * One cell of every fact: where a rollup's row puts it in one period. The group that was last
 * counted in is remembered: half the steps go to one and the same group all day. Facts that differ
 * in none of group_bits count in one group, those that differ in none of both in one cell; bits
 * are 1 << enum dimension, and DIFFERS_MINUTE.
 */
struct plan_step {
    uint16_t rollup;
    uint16_t period;
    enum dimension first; /* of the group */
    enum dimension cell;
    uint32_t group_bits;
    uint32_t cell_bits;
    enum spread_order order;
    struct group *last; /* NULL: none, or it is gone */
};

#define PLAN_MAX       (ROLLUP_COUNT * PERIOD_COUNT)
#define DIFFERS_MINUTE (1u << DIMENSION_COUNT)

#define METRICS_HALF (METRIC_COUNT / 2) /* an order changes the first half, a refund the other */
#define GATHERED_MAX 8192u              /* so much is spread in some milliseconds */
#define MINUTE_NONE  60u                /* too old to be counted by minute */
/* Above all versions that a load can have merged, and below NOT_MERGED. */
#define LATER_VERSION (NOT_MERGED - 1)

/* In place of a lane: any but our own, and its facts are among the singles too. */
#define LANE_OTHERS (LANE_COUNT + 1)

/* Facts that count in the same cells, as one. Packed in pairs, see gather_fact(). */
struct gathered {
    uint64_t host_county;
    uint64_t product_session;
    uint64_t platform_hour;
    uint64_t rest;                /* minute, from bit 8 on the lane, from bit 16 on the kind */
    int64_t deltas[METRICS_HALF]; /* of the half that the kind changes */
    uint32_t slot;
};

/* See board_apply.c. Open addressing, at most half full. */
struct gathering {
    struct gathered *facts;
    uint32_t *slots; /* upper part of the hash, place + 1; 0: free */
    uint64_t *order; /* see board_order.c */
    uint64_t *order_room;
    uint32_t count;
    uint64_t seed;
    uint64_t own_since; /* version of our own lane's oldest commit that is in it; 0: none is */
};

/* See board_singles.c. */
#define SINGLES_MAX 16384u /* of a dimension; so many are spread in some milliseconds */

struct half { /* what orders change of metrics, or refunds */
    int64_t v[METRICS_HALF];
};

/* What orders add, side by side as in a fact. */
struct single {
    int64_t units, gross;
    int64_t orders;
    uint32_t key;
    bool refunded; /* there is something in refunds */
};

struct single_table {
    struct single *singles;
    struct half *refunds;
    uint16_t *places;   /* NULL: of the total, which is one */
    size_t value_count; /* places there are */
    uint32_t count;
    uint32_t most; /* so many there ever were when they were spread */
};

struct singles {
    struct single_table tables[DIMENSION_COUNT];
    struct single total[2]; /* from place 1, as in the other tables */
    struct half total_refunds[2];
    uint32_t day; /* yyyymmdd, as long as there are any */
    int64_t day_start_ms;
};

/* A dirty cell by its key: places change when idle cells are dropped. */
struct dirty_cell {
    struct group *group;
    uint32_t key;
};

struct board {
    struct calendar calendar;
    uint32_t max_cells;
    int64_t minute_keep_ms;
    uint64_t version;
    int64_t now_ms;                     /* monotonic */
    uint64_t lane_versions[LANE_COUNT]; /* last applied */
    uint64_t merged[LANE_COUNT];        /* newest that a load has merged */
    uint32_t own_lane;                  /* LANE_COUNT: not known yet */
    struct gathering gathering;
    struct singles singles;
    uint32_t shown[ROLLUP_COUNT][PERIOD_COUNT]; /* groups that are not COLD; group_set_state() */
    uint32_t shown_others;                      /* of them, those that singles don't count in */
    uint32_t loading;                           /* groups that are LOADING */

    struct group_slot *groups;
    uint32_t group_mask;
    uint32_t group_count;
    struct group *all_first;
    struct group *evict_next; /* where board_evict() goes on; NULL: a new round begins */
    int64_t evict_round_ms;   /* when the last one began */
    uint32_t cell_count;
    size_t group_bytes;  /* of all groups and their cells */
    uint32_t held_cells; /* of watched groups all, of others those dirty or taken */
    uint32_t idle_cells; /* of groups that are LOADED and not watched, dirty ones too */

    struct dirty_cell *dirty; /* ring */
    uint32_t dirty_first;
    uint32_t dirty_count;
    uint32_t dirty_mask;

    struct group **changed; /* those that are `listed`: only watched ones, each once */
    uint32_t changed_count;
    uint32_t changed_capacity;

    struct plan_step plan[PLAN_MAX];
    uint32_t plan_count;
    int64_t hour_start_ms; /* of the business hour last counted in */
    uint32_t hour;
};

/* Its cells hang on one value of a fact, or on none. */
static inline bool plan_step_is_single(const struct plan_step *step)
{
    return step->first == DIMENSION_NONE && step->period != PERIOD_MINUTE;
}

/* The group, or NULL; probing begins at `hash`. */
static inline struct group *group_lookup(const struct board *board, struct group_key key,
                                         uint32_t hash)
{
    for (uint32_t at = hash & board->group_mask;; at = (at + 1) & board->group_mask) {
        const struct group_slot *slot = &board->groups[at];
        if (slot->group == NULL || group_key_equal(slot->key, key))
            return slot->group;
    }
}

static inline uint32_t cell_index_start(const struct cell_index *index, uint32_t key)
{
    uint32_t hash = key * UINT32_C(0x9e3779b1);
    return (hash ^ hash >> 15) & index->mask;
}

/* The cell's place, or PLACE_NONE. */
uint32_t cell_index_find_old(const struct cell_index *index, uint32_t key);

static inline uint32_t cell_index_find(const struct cell_index *index, uint32_t key)
{
    for (uint32_t at = cell_index_start(index, key);; at = (at + 1) & index->mask) {
        const struct cell_slot *slot = &index->slots[at];
        if (slot->place_plus_1 == 0)
            return index->old == NULL ? PLACE_NONE : cell_index_find_old(index, key);
        if (slot->key == key)
            return slot->place_plus_1 - 1;
    }
}

static inline size_t cell_index_bytes(const struct cell_index *index)
{
    size_t slots = (size_t)index->mask + 1;

    return (index->old == NULL ? slots : slots + index->old_mask + 1) * sizeof(*index->slots);
}

static inline size_t group_memory_bytes(const struct group *group)
{
    size_t cell_bytes = sizeof(*group->cells) + (group->sums ? sizeof(*group->sums) : 0);

    return sizeof(*group) + group->cell_capacity * cell_bytes + cell_index_bytes(&group->index);
}

/* board_index.c */
void cell_index_init(struct cell_index *index);
void cell_index_done(struct cell_index *index);
void cell_index_insert(struct cell_index *index, uint32_t key, uint32_t place); /* not there yet */
void cell_index_remove(struct cell_index *index, uint32_t key);                 /* is there */
void cell_index_move(struct cell_index *index, uint32_t key, uint32_t place);   /* is there */
void cell_index_reserve(struct cell_index *index, uint32_t count);
void cell_index_shrink(struct cell_index *index);

/* board_cells.c */
/* The cell, made when it isn't there yet. Other cells of the group may move in memory. */
struct cell *group_cell_open(struct board *board, struct group *group, uint32_t key);
/* Makes room for so many cells at once, so that they don't grow there step by step. */
void group_cells_reserve(struct board *board, struct group *group, uint32_t count);
/* The sums of a group that is no longer, or not yet, COLD; all zeros. */
void group_sums_open(struct board *board, struct group *group);
void group_sums_close(struct board *board, struct group *group);
/* Of a COLD group. Fills the gap with the group's last cell. */
void group_cell_remove(struct board *board, struct group *group, uint32_t place);
/* Of a COLD group: removes all clean cells. None while one is taken, whose place must not change:
 * then board_evict() does it later. */
void group_drop_clean(struct board *board, struct group *group);
/* Gives back memory that the cells no longer need. */
void group_cells_shrink(struct board *board, struct group *group);
static inline bool group_is_idle(const struct group *group)
{
    return group->watchers == 0 && group->state == GROUP_LOADED;
}

/* Counts towards board_full(). */
static inline uint32_t group_held_cells(const struct group *group)
{
    return group->watchers > 0 ? group->cell_count : group->dirty_count + group->taken_count;
}

/* board.c: as board_open(), and what is gathered stays so. */
struct group *group_open(struct board *board, struct group_key key, uint32_t hash);
void group_set_state(struct board *board, struct group *group, enum group_state state);
void group_drop(struct board *board, struct group *group);

/* board_apply.c */
void gathering_init(struct gathering *gathering);
void gathering_done(struct gathering *gathering);
size_t gathering_memory_bytes(void);

/* board_order.c: by host first. Until the next call, gathering_place() is of the i-th in order. */
void gathering_order_by_host(struct gathering *gathering, uint32_t own_lane);
void gathering_order_by_county(struct gathering *gathering);

static inline uint32_t gathering_place(const struct gathering *gathering, uint32_t i)
{
    return gathering->order[i] & 0xffff;
}

/* board_spread.c: counts what is gathered, as facts of that version of their lanes. */
void board_spread_as(struct board *board, uint64_t lane_version);
/* Of a LOADED group, after counting other lanes' facts in it. */
void group_forget_included(const struct board *board, struct group *group);

/* board_singles.c */
void singles_init(struct singles *singles);
void singles_done(struct singles *singles);
size_t singles_memory_bytes(const struct singles *singles);
/* Spreads them if so many facts might not fit; at most SINGLES_MAX. */
void singles_make_room(struct board *board, uint32_t fact_count);
/*
 * Adds facts of other lanes, at least one; false, and none is added, if one of them is not of their
 * day. No group may be LOADING, and every LOADED one has to lack the facts.
 */
bool singles_add(struct board *board, const struct fact *facts, uint32_t count);
void singles_spread(struct board *board);

/* board_changes.c */
void group_list_change(struct group *group, uint32_t place);
void group_changes_forget(struct group *group);
void board_list_group(struct board *board, struct group *group);
void board_unlist_group(struct board *board, struct group *group);

/* In every change of a sum of a LOADED group, before the next board version. */
static inline void group_cell_changed(struct board *board, struct group *group, struct cell *cell,
                                      uint64_t version)
{
    if (group->watchers > 0 && !group->listed)
        board_list_group(board, group);
    if (group->log != NULL && cell->changed <= group->log->cut)
        group_list_change(group, (uint32_t)(cell - group->cells));
    cell->changed = version;
    group->changed = version;
}

/* board_dirty.c */
void cell_list_dirty(struct board *board, struct group *group, struct cell *cell);

static inline void cell_mark_dirty(struct board *board, struct group *group, struct cell *cell)
{
    if (!(cell->flags & CELL_DIRTY))
        cell_list_dirty(board, group, cell);
}

/* board_image.c */
struct image_cell {
    uint32_t key;
    bool from_feed; /* version was set by a fact, so it may have more facts */
    uint64_t version;
    struct metrics metrics;
};

/* The image's cells, in no particular order. */
const struct image_cell *board_image_cells(const struct board_image *image, uint32_t *ret_count);

#endif
