/*
 * Incremental ranking; rank.h tells how. Candidates are an array of (value, key, place) in rank
 * order, at most 2n + 32. Order: value descending, then id ascending by bytes.
 */
#include "rank.h"

#include <stdlib.h>
#include <string.h>

#include "livetally/mem.h"

#define SLACK 32
#define AHEAD 8 /* cells to fetch before they are looked at */

int64_t rank_value(const struct metrics *metrics, enum board_by by)
{
    switch (by) {
    case BOARD_BY_NET:
        return metrics_net(metrics);
    case BOARD_BY_ORDERS:
        return metrics->v[METRIC_ORDERS];
    case BOARD_BY_UNITS:
        return metrics->v[METRIC_UNITS];
    case BOARD_BY_GROSS:
    case BOARD_BY_COUNT:
        break;
    }
    return metrics->v[METRIC_GROSS];
}

void rank_init(struct rank *rank, enum board_by by, uint32_t wanted, uint32_t province,
               const struct names *names)
{
    memset(rank, 0, sizeof(*rank));
    rank->by = by;
    rank->wanted = wanted;
    rank->province = province;
    rank->names = names;
    rank->capacity = 2 * wanted + SLACK;
    rank->entries = mem_resize(NULL, rank->capacity, sizeof(*rank->entries));
}

void rank_done(struct rank *rank)
{
    free(rank->entries);
    rank->entries = NULL;
}

void rank_reset(struct rank *rank)
{
    rank->version = 0;
    rank->cells_seen = 0;
    rank->matching = 0;
    rank->has_floor = false;
    rank->count = 0;
    rank->top = 0;
}

/* Negative: a ranks before b. */
static int compare(const struct rank *rank, const struct rank_entry *a, const struct rank_entry *b)
{
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    if (a->key == b->key)
        return 0;
    if (!rank->names)
        return a->key < b->key ? -1 : 1;
    return slice_compare(names_text(rank->names, a->key), names_text(rank->names, b->key));
}

static int compare_for_sort(const void *a, const void *b, void *rank)
{
    return compare(rank, a, b);
}

/* Between refreshes few candidates move, so this is close to linear. Returns the best place that
 * another one holds now. */
static uint32_t sort_nearly(struct rank *rank)
{
    struct rank_entry *entries = rank->entries;
    uint32_t best = UINT32_MAX;

    for (uint32_t i = 1; i < rank->count; i++) {
        struct rank_entry moving = entries[i];
        uint32_t at = i;

        while (at > 0 && compare(rank, &moving, &entries[at - 1]) < 0) {
            entries[at] = entries[at - 1];
            at--;
        }
        entries[at] = moving;
        if (at < i && at < best)
            best = at;
    }
    return best;
}

/* Lets the worst go, so that there is room again; the best of those is the new floor. All are in
 * order then, so nobody can tell any more which were not. */
static void make_room(struct rank *rank)
{
    uint32_t keep = rank->wanted + (rank->capacity - rank->wanted) / 2;
    const struct rank_entry *best_gone = &rank->entries[keep];

    rank->sorted = true;
    qsort_r(rank->entries, rank->count, sizeof(*rank->entries), compare_for_sort, rank);
    if (!rank->has_floor || compare(rank, best_gone, &rank->floor) < 0)
        rank->floor = *best_gone;
    rank->has_floor = true;
    rank->count = keep;
}

static bool belongs(const struct rank *rank, const struct group *group, uint32_t place)
{
    return rank->province == 0 || group->cells[place].key / 10000 == rank->province;
}

static bool is_candidate(const struct rank *rank, uint32_t place)
{
    for (uint32_t i = 0; i < rank->count; i++) {
        if (rank->entries[i].place == place)
            return true;
    }
    return false;
}

/* fresh: no cell can be a candidate yet, so don't look. */
static void consider(struct rank *rank, const struct group *group, uint32_t place, bool fresh)
{
    struct rank_entry entry = {.value = rank_value(&group->sums[place], rank->by), .place = place};

    if (rank->has_floor && entry.value < rank->floor.value)
        return; /* most are: without a look at the cell */
    entry.key = group->cells[place].key;
    if (rank->has_floor && compare(rank, &entry, &rank->floor) >= 0)
        return;
    if (!fresh && is_candidate(rank, place))
        return;
    if (rank->count == rank->capacity) {
        make_room(rank);
        if (compare(rank, &entry, &rank->floor) >= 0)
            return;
    }
    rank->entries[rank->count++] = entry;
}

static void consider_all(struct rank *rank, const struct group *group)
{
    rank_reset(rank);
    for (uint32_t i = 0; i < group->cell_count; i++) {
        if (!belongs(rank, group, i))
            continue;
        rank->matching++;
        consider(rank, group, i, true);
    }
    rank->cells_seen = group->cell_count;
}

/* True when a row of the last result shows other values. */
static bool update_candidates(struct rank *rank, const struct group *group)
{
    bool shown = false;

    for (uint32_t i = 0; i < rank->count; i++) {
        struct rank_entry *entry = &rank->entries[i];

        entry->value = rank_value(&group->sums[entry->place], rank->by);
        shown = shown || (i < rank->top && group->cells[entry->place].changed > rank->version);
    }
    return shown;
}

static void consider_changed(struct rank *rank, const struct group *group)
{
    const struct change_log *log = group->log;

    for (uint64_t i = rank->changes_seen; i < log->count; i++) {
        uint32_t place = log->places[i & log->mask];

        if (i + AHEAD < log->count)
            __builtin_prefetch(&group->sums[log->places[(i + AHEAD) & log->mask]]);
        if (place < rank->cells_seen && belongs(rank, group, place))
            consider(rank, group, place, false);
    }
    for (uint32_t i = rank->cells_seen; i < group->cell_count; i++) {
        if (!belongs(rank, group, i))
            continue;
        rank->matching++;
        consider(rank, group, i, false);
    }
    rank->cells_seen = group->cell_count;
}

/* Sorts, and says whether the result is certain. */
static bool settle(struct rank *rank, uint32_t *ret_best_moved)
{
    uint32_t certain = 0;
    uint32_t want = rank->wanted < rank->matching ? rank->wanted : rank->matching;

    *ret_best_moved = sort_nearly(rank);
    while (certain < want && certain < rank->count &&
           (!rank->has_floor || compare(rank, &rank->entries[certain], &rank->floor) < 0))
        certain++;
    rank->top = certain;
    return certain == want;
}

static bool must_rebuild(const struct rank *rank, const struct group *group)
{
    return rank->version == 0 || group->reloaded > rank->version ||
           group->cell_count < rank->cells_seen || group_changes_gone(group, rank->changes_seen);
}

bool rank_refresh(struct rank *rank, struct group *group, uint64_t board_version)
{
    uint32_t matching = rank->matching;
    uint32_t top = rank->top;
    uint32_t best_moved = 0;
    bool rebuild = must_rebuild(rank, group);
    bool shown = rebuild;

    rank->sorted = false;
    if (!rebuild) {
        shown = update_candidates(rank, group);
        consider_changed(rank, group);
    }
    if (rebuild || !settle(rank, &best_moved)) {
        consider_all(rank, group);
        settle(rank, &best_moved);
        shown = true;
    }
    rank->changes_seen = group_changes_mark(group);
    rank->version = board_version;
    return shown || rank->sorted || best_moved < top || rank->top != top ||
           rank->matching != matching;
}
