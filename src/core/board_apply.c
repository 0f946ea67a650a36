/*
 * Adding commits: the hot path. A fact counts in some two dozen cells, most of which are not in the
 * processor's cache. But what sells is sold again and again: facts of one minute that are the same
 * in every dimension count in the very same cells. So they are gathered, alike ones as one, and
 * spread over the cells (board_spread.c) only before somebody looks, or when there is no room for
 * more. What a board costs then follows from what sells and how often it is shown, not from how
 * many orders there are.
 *
 * What makes it exact:
 *   - Nobody sees the difference: all functions that look at groups or cells spread first (the list
 *     is in board.h), and so must who reads through a pointer got before board_apply().
 *   - A commit is gathered or spread as a whole. So cells count our own lane up to a version, which
 *     is what a checkpoint writes with them: board_own_version().
 *   - Whether a fact is in a group already, because it came with what was loaded, hangs on its
 *     version. Only versions above all those merged so far are gathered, so what is gathered counts
 *     in all of them. A commit below (a load has overtaken the feed) is spread at once.
 *
 * Other lanes' facts count in what is shown alone, mostly cells of one dimension: there they are
 * added up without gathering (board_singles.c), and gathered only if other groups are shown too.
 * Then it doesn't matter which lane they are of. It does while a group is loading, since each lane
 * counts in it from its own version on: then they are gathered for all cells, lane by lane.
 */
#include <stdlib.h>

#include "board_private.h"
#include "id_table.h"
#include "livetally/mem.h"

#define SLOT_COUNT (2 * GATHERED_MAX)
#define PLACE_MASK (SLOT_COUNT - 1) /* of a slot: place + 1; the rest is of the hash */

_Static_assert((SLOT_COUNT & PLACE_MASK) == 0, "a power of two");
_Static_assert(METRIC_ORDERS == 0 && METRIC_UNITS < METRICS_HALF && METRIC_GROSS < METRICS_HALF,
               "what an order changes comes first");
_Static_assert(METRIC_REFUNDS == METRICS_HALF && METRIC_REFUNDED > METRICS_HALF &&
                   METRIC_RETURNED > METRICS_HALF,
               "then what a refund does");

/* Memory is used only as far as facts are gathered. */
void gathering_init(struct gathering *gathering)
{
    gathering->facts = mem_resize(NULL, GATHERED_MAX, sizeof(*gathering->facts));
    gathering->slots = mem_zalloc(SLOT_COUNT * sizeof(*gathering->slots));
    gathering->order = mem_resize(NULL, GATHERED_MAX, sizeof(*gathering->order));
    gathering->order_room = mem_resize(NULL, GATHERED_MAX, sizeof(*gathering->order_room));
    gathering->seed = (uint64_t)(uintptr_t)gathering->facts ^ ID_HASH_KEY_ONE;
}

void gathering_done(struct gathering *gathering)
{
    free(gathering->facts);
    free(gathering->slots);
    free(gathering->order);
    free(gathering->order_room);
}

size_t gathering_memory_bytes(void)
{
    return GATHERED_MAX * (sizeof(struct gathered) + 2 * sizeof(uint64_t)) +
           SLOT_COUNT * sizeof(uint32_t);
}

static bool alike(const struct gathered *a, const struct gathered *b)
{
    return a->host_county == b->host_county && a->product_session == b->product_session &&
           a->platform_hour == b->platform_hour && a->rest == b->rest;
}

/* One for facts like these, all zeros if it is new. There is room. */
static struct gathered *open_gathered(struct gathering *gathering, const struct gathered *like)
{
    uint64_t hash =
        id_mix(like->host_county ^ gathering->seed, like->product_session ^ ID_HASH_KEY_TWO);
    hash = id_mix(like->platform_hour ^ hash, like->rest ^ ID_HASH_KEY_TWO);
    uint32_t tag = (uint32_t)(hash >> 32) & ~PLACE_MASK;
    uint32_t at = (uint32_t)hash & PLACE_MASK;

    for (; gathering->slots[at] != 0; at = (at + 1) & PLACE_MASK) {
        struct gathered *there = &gathering->facts[(gathering->slots[at] & PLACE_MASK) - 1];
        if ((gathering->slots[at] & ~PLACE_MASK) == tag && alike(there, like))
            return there;
    }
    struct gathered *made = &gathering->facts[gathering->count++];
    gathering->slots[at] = tag | gathering->count;
    *made = *like;
    made->slot = at;
    return made;
}

/* The business hour of a time; most follow others of the same hour. */
static uint32_t hour_of(struct board *board, int64_t time_ms)
{
    if (board->hour_start_ms == INT64_MIN || time_ms < board->hour_start_ms ||
        time_ms - board->hour_start_ms >= HOUR_MS) {
        board->hour = calendar_hour(&board->calendar, time_ms);
        board->hour_start_ms = calendar_hour_start_ms(&board->calendar, board->hour);
    }
    return board->hour;
}

static uint64_t pair(uint32_t high, uint32_t low)
{
    return (uint64_t)high << 32 | low;
}

static void gather_fact(struct board *board, uint32_t lane, const struct fact *fact,
                        int64_t minutes_from_ms)
{
    uint32_t hour = hour_of(board, fact->time_ms);
    uint32_t minute = (uint32_t)((fact->time_ms - board->hour_start_ms) / MINUTE_MS);
    if (minute >= MINUTE_NONE) /* of a time that the calendar doesn't know */
        minute = calendar_minute(&board->calendar, fact->time_ms);
    bool by_minute = fact->time_ms - fact->time_ms % MINUTE_MS >= minutes_from_ms;
    struct gathered like = {
        .host_county = pair(fact->host, fact->county),
        .product_session = pair(fact->product, fact->session),
        .platform_hour = pair(fact->platform, hour),
        .rest = (by_minute ? minute : MINUTE_NONE) | lane << 8 | (uint32_t)fact->kind << 16,
    };
    struct gathered *gathered = open_gathered(&board->gathering, &like);

    if (fact->kind == FACT_ORDER) {
        gathered->deltas[METRIC_ORDERS]++;
        gathered->deltas[METRIC_UNITS] += fact->quantity;
        gathered->deltas[METRIC_GROSS] += fact->amount;
    } else {
        gathered->deltas[METRIC_REFUNDS - METRICS_HALF]++;
        gathered->deltas[METRIC_REFUNDED - METRICS_HALF] += fact->amount;
        gathered->deltas[METRIC_RETURNED - METRICS_HALF] += fact->quantity;
    }
}

void board_spread(struct board *board)
{
    if (board->gathering.count > 0)
        board_spread_as(board, LATER_VERSION);
    singles_spread(board);
}

uint64_t board_own_version(const struct board *board, uint64_t lane_version)
{
    uint64_t since = board->gathering.own_since;
    return since == 0 ? lane_version : since - 1;
}

/* Those that don't fit at once are spread in between: nobody looks before the last one is. Not
 * inlined, so that what it calls for each fact is: it has two callers. */
static __attribute__((noinline)) void gather_commit(struct board *board, uint32_t lane,
                                                    uint64_t spread_as, const struct fact *facts,
                                                    uint32_t fact_count, int64_t minutes_from_ms)
{
    for (uint32_t i = 0; i < fact_count; i++) {
        if (board->gathering.count == GATHERED_MAX)
            board_spread_as(board, spread_as);
        gather_fact(board, lane, &facts[i], minutes_from_ms);
    }
}

static bool add_singles(struct board *board, const struct fact *facts, uint32_t count,
                        int64_t minutes_from_ms)
{
    if (!singles_add(board, facts, count))
        return false;
    if (board->shown_others > 0)
        gather_commit(board, LANE_OTHERS, LATER_VERSION, facts, count, minutes_from_ms);
    return true;
}

/* Of another lane, while nothing is loading. Nearly all commits are of one day. */
static void add_commit(struct board *board, uint32_t lane, const struct fact *facts,
                       uint32_t fact_count, int64_t minutes_from_ms)
{
    singles_make_room(board, fact_count);
    if (add_singles(board, facts, fact_count, minutes_from_ms))
        return;
    for (uint32_t i = 0; i < fact_count; i++)
        if (!add_singles(board, &facts[i], 1, minutes_from_ms))
            gather_commit(board, lane, LATER_VERSION, &facts[i], 1, minutes_from_ms);
}

/* As a whole: see above. */
static void gather_or_spread(struct board *board, uint32_t lane, uint64_t spread_as,
                             const struct fact *facts, uint32_t fact_count, int64_t minutes_from_ms)
{
    struct gathering *gathering = &board->gathering;

    if (gathering->count > 0 && fact_count > GATHERED_MAX - gathering->count)
        board_spread_as(board, LATER_VERSION);
    if (lane == board->own_lane && gathering->own_since == 0)
        gathering->own_since = board->lane_versions[lane];
    gather_commit(board, lane, spread_as, facts, fact_count, minutes_from_ms);
    if (spread_as != LATER_VERSION || fact_count > GATHERED_MAX)
        board_spread_as(board, spread_as);
}

void board_apply(struct board *board, uint32_t lane, uint64_t lane_version, bool own,
                 const struct fact *facts, uint32_t fact_count, int64_t now_ms)
{
    int64_t minutes_from_ms = now_ms - board->minute_keep_ms;
    bool overtaken = lane_version <= board->merged[lane];

    if (lane_version <= board->lane_versions[lane])
        return;
    if (overtaken)
        board_spread(board);
    board->lane_versions[lane] = lane_version;
    if (fact_count == 0)
        return;
    board->version++;
    if (own)
        board->own_lane = lane;
    if (own || overtaken || board->loading > 0 || fact_count > SINGLES_MAX)
        gather_or_spread(board, lane, overtaken ? lane_version : LATER_VERSION, facts, fact_count,
                         minutes_from_ms);
    else
        add_commit(board, lane, facts, fact_count, minutes_from_ms);
}
