/*
 * Other lanes' facts in cells of one dimension: the total, and each host, county, product, session
 * and platform, for all time and today. That is what is always shown, so each daemon counts every
 * order of all the others in it, and mostly in nothing else.
 *
 * These cells need not know which host sold which product. So facts are added up by each of their
 * values alone, in tables so small that they stay in the processor's cache, and reach the cells
 * only before somebody looks or when a table is full: once for every host and every product that
 * sold meanwhile, however many orders there were.
 *
 *   slots     hash of the value -> place + 1 in singles; open addressing, at most half full
 *   singles   value and sums, in order of first use
 *
 * Only facts that count in every group that is shown are taken (see board_apply.c). Those of
 * another day than the one the tables are of are not: they are gathered like our own lane's.
 */
#include <stdlib.h>

#include "board_private.h"
#include "livetally/mem.h"

#define SLOT_COUNT (2 * SINGLES_MAX)
#define BLOCK      32u

_Static_assert(SINGLES_MAX < UINT16_MAX, "a place fits a slot");
_Static_assert((SLOT_COUNT & (SLOT_COUNT - 1)) == 0, "a power of two");

/* Memory is used only as far as singles are. */
void singles_init(struct singles *singles)
{
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++) {
        struct single_table *table = &singles->tables[d];
        table->singles = mem_resize(NULL, SINGLES_MAX, sizeof(*table->singles));
        table->slots = mem_zalloc(SLOT_COUNT * sizeof(*table->slots));
    }
    singles->tables[DIMENSION_NONE].singles = &singles->total;
    singles->total.key = TOTAL_CELL;
}

void singles_done(struct singles *singles)
{
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++) {
        free(singles->tables[d].singles);
        free(singles->tables[d].slots);
    }
}

size_t singles_memory_bytes(void)
{
    return (DIMENSION_COUNT - DIMENSION_HOST) *
           (SINGLES_MAX * sizeof(struct single) + SLOT_COUNT * sizeof(uint16_t));
}

static struct metrics *open_single(struct single_table *table, uint32_t key)
{
    uint32_t hash = key * UINT32_C(0x9e3779b1);
    uint32_t at = (hash ^ hash >> 15) & (SLOT_COUNT - 1);

    for (; table->slots[at] != 0; at = (at + 1) & (SLOT_COUNT - 1)) {
        struct single *single = &table->singles[table->slots[at] - 1];
        if (single->key == key)
            return &single->sum;
    }
    struct single *made = &table->singles[table->count++];
    table->slots[at] = (uint16_t)table->count;
    *made = (struct single){.key = key, .slot = at};
    return &made->sum;
}

static void add(struct metrics *sum, const struct fact *fact)
{
    bool order = fact->kind == FACT_ORDER;
    int64_t *half = &sum->v[order ? 0 : METRICS_HALF];

    half[0]++;
    half[1] += order ? fact->quantity : fact->amount;
    half[2] += order ? fact->amount : fact->quantity;
}

static void add_by(struct singles *singles, enum dimension dimension, uint32_t key,
                   const struct fact *fact)
{
    if (key != 0)
        add(open_single(&singles->tables[dimension], key), fact);
}

static bool is_of_day(const struct singles *singles, int64_t time_ms)
{
    return time_ms >= singles->day_start_ms && time_ms - singles->day_start_ms < DAY_MS;
}

/* Empty tables can be of any day. False: not of this one, as can't be told where days end. */
static bool take_day(struct board *board, int64_t time_ms)
{
    struct singles *singles = &board->singles;

    singles->day = calendar_day(&board->calendar, time_ms);
    singles->day_start_ms = calendar_day_start_ms(&board->calendar, singles->day);
    return is_of_day(singles, time_ms);
}

bool singles_add(struct board *board, const struct fact *fact)
{
    struct singles *singles = &board->singles;
    bool empty = singles->tables[DIMENSION_NONE].count == 0;

    if (!is_of_day(singles, fact->time_ms) && !(empty && take_day(board, fact->time_ms)))
        return false;
    singles->tables[DIMENSION_NONE].count = 1;
    add(&singles->total.sum, fact);
    add_by(singles, DIMENSION_HOST, fact->host, fact);
    add_by(singles, DIMENSION_COUNTY, fact->county, fact);
    add_by(singles, DIMENSION_PRODUCT, fact->product, fact);
    add_by(singles, DIMENSION_SESSION, fact->session, fact);
    add_by(singles, DIMENSION_PLATFORM, fact->platform, fact);
    return true;
}

/* In rounds that fetch ahead what the next one reads. */
static void spread_block(struct board *board, struct group *group, const struct single *singles,
                         uint32_t count)
{
    uint32_t places[BLOCK]; /* not pointers: cells move when their group grows */

    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(&group->index.slots[cell_index_start(&group->index, singles[i].key)]);
    for (uint32_t i = 0; i < count; i++) {
        const struct cell *cell = group_cell_open(board, group, singles[i].key);
        places[i] = (uint32_t)(cell - group->cells);
        __builtin_prefetch(&group->cells[places[i]], 1);
        __builtin_prefetch(&group->sums[places[i]], 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        metrics_add(&group->sums[places[i]], &singles[i].sum);
        group_cell_changed(board, group, &group->cells[places[i]], board->version);
    }
}

static void spread_table(struct board *board, const struct plan_step *step,
                         const struct single_table *table)
{
    uint32_t when = step->period == PERIOD_DAY ? board->singles.day : 0;
    struct group_key key = {step->rollup, step->period, when, 0};
    struct group *group = group_lookup(board, key, group_key_hash(key));

    if (group == NULL || group->state != GROUP_LOADED || table->count == 0)
        return;
    for (uint32_t i = 0; i < table->count; i += BLOCK)
        spread_block(board, group, &table->singles[i],
                     table->count - i < BLOCK ? table->count - i : BLOCK);
    if (group->included != NULL)
        group_forget_included(board, group);
}

void singles_spread(struct board *board)
{
    struct singles *singles = &board->singles;

    if (singles->tables[DIMENSION_NONE].count == 0)
        return;
    for (uint32_t i = 0; i < board->plan_count; i++)
        if (plan_step_is_single(&board->plan[i]))
            spread_table(board, &board->plan[i], &singles->tables[board->plan[i].cell]);
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++) {
        struct single_table *table = &singles->tables[d];
        for (uint32_t i = 0; i < table->count; i++)
            table->slots[table->singles[i].slot] = 0;
        table->count = 0;
    }
    singles->total.sum = (struct metrics){{0}};
    singles->tables[DIMENSION_NONE].count = 0;
}

void singles_make_room(struct board *board, uint32_t fact_count)
{
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++)
        if (fact_count > SINGLES_MAX - board->singles.tables[d].count) {
            singles_spread(board);
            return;
        }
}
