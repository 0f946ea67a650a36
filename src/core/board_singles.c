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
 *   places    [value] -> its place in singles; 0: none yet. Values are numbers of names, which are
 *             dense, or codes of counties, so it takes neither a hash nor a look at the key
 *   singles   value and what orders add, in order of first use, from place 1; place 0 takes what
 *             has no value, and nobody reads it
 *   refunds   what refunds add, by place; only of singles that had one
 *
 * Only facts that count in every group that is shown are taken (see board_apply.c). Those of
 * another day than the one the tables are of are not: they are gathered like our own lane's.
 */
#include <stdlib.h>

#include "board_private.h"
#include "livetally/mem.h"

#define BLOCK      32u
#define PLACES_MIN 1024u
#define PAGE_BYTES 4096u
#define COUNTIES   1000000u /* codes have six digits */

_Static_assert(SINGLES_MAX < UINT16_MAX, "a place fits");
_Static_assert(sizeof(struct single) == 32, "two a cache line");

/* Memory is used only as far as singles are, and as values are. */
void singles_init(struct singles *singles)
{
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++) {
        struct single_table *table = &singles->tables[d];
        table->singles = mem_alloc_lines((SINGLES_MAX + 2) * sizeof(*table->singles));
        table->singles[0] = (struct single){0};
        table->refunds = mem_resize(NULL, SINGLES_MAX + 1, sizeof(*table->refunds));
        table->value_count = d == DIMENSION_COUNTY ? COUNTIES : PLACES_MIN;
        table->places = mem_zalloc(table->value_count * sizeof(*table->places));
    }
    singles->tables[DIMENSION_NONE].singles = singles->total;
    singles->tables[DIMENSION_NONE].refunds = singles->total_refunds;
    singles->total[1].key = TOTAL_CELL;
}

void singles_done(struct singles *singles)
{
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++) {
        free(singles->tables[d].singles);
        free(singles->tables[d].refunds);
        free(singles->tables[d].places);
    }
}

/* What is mapped but was never written is not counted: of counties most places never are, but for
 * a page around each that sold. */
static size_t table_bytes(const struct single_table *table, enum dimension dimension)
{
    size_t used = table->count > table->most ? table->count : table->most;
    size_t places_bytes = table->value_count * sizeof(*table->places);

    if (dimension == DIMENSION_COUNTY && used * PAGE_BYTES < places_bytes)
        places_bytes = used * PAGE_BYTES;
    return used * (sizeof(*table->singles) + sizeof(*table->refunds)) + places_bytes;
}

size_t singles_memory_bytes(const struct singles *singles)
{
    size_t bytes = 0;

    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++)
        bytes += table_bytes(&singles->tables[d], (enum dimension)d);
    return bytes;
}

/* Zeros that nobody has written yet take no memory, so they are not copied. */
static void grow_places(struct single_table *table, uint32_t key)
{
    size_t count = table->value_count;
    uint16_t *places;

    while (count <= key)
        count *= 2;
    places = mem_zalloc(count * sizeof(*places));
    memcpy(places, table->places, table->value_count * sizeof(*places));
    free(table->places);
    table->places = places;
    table->value_count = count;
}

static __attribute__((noinline)) uint32_t open_single(struct single_table *table, uint32_t key)
{
    if (key == 0)
        return 0;
    if (key >= table->value_count)
        grow_places(table, key);
    table->places[key] = (uint16_t)++table->count;
    table->singles[table->count] = (struct single){.key = key};
    return table->count;
}

static inline uint32_t place_of(struct single_table *table, uint32_t key)
{
    uint32_t place = key < table->value_count ? table->places[key] : 0;

    return __builtin_expect(place != 0, 1) ? place : open_single(table, key);
}

static inline void add_order(struct single *single, int64_t orders, int64_t units, int64_t gross)
{
    single->units += units;
    single->gross += gross;
    single->orders += orders;
}

static void add_refund(struct single_table *table, uint32_t place, const struct fact *fact)
{
    struct half *refunds = &table->refunds[place];

    if (!table->singles[place].refunded)
        *refunds = (struct half){{0}};
    table->singles[place].refunded = true;
    refunds->v[0]++;
    refunds->v[METRIC_REFUNDED - METRICS_HALF] += fact->amount;
    refunds->v[METRIC_RETURNED - METRICS_HALF] += fact->quantity;
}

/* In two rounds: what the second one adds to is fetched by the first. */
static inline __attribute__((always_inline)) void add_block(struct singles *singles,
                                                            enum dimension dimension,
                                                            const struct fact *facts,
                                                            uint32_t count)
{
    struct single_table *table = &singles->tables[dimension];
    uint32_t places[BLOCK];

    for (uint32_t i = 0; i < count; i++) {
        places[i] = place_of(table, fact_dimension(&facts[i], dimension));
        __builtin_prefetch(&table->singles[places[i]], 1);
    }
    for (uint32_t i = 0; i < count; i++)
        if (facts[i].kind == FACT_ORDER)
            add_order(&table->singles[places[i]], 1, facts[i].quantity, facts[i].amount);
        else
            add_refund(table, places[i], &facts[i]);
}

static void add_to_total(struct singles *singles, const struct fact *facts, uint32_t count)
{
    struct single_table *table = &singles->tables[DIMENSION_NONE];
    int64_t orders = 0, units = 0, gross = 0;

    for (uint32_t i = 0; i < count; i++)
        if (facts[i].kind == FACT_ORDER) {
            orders++;
            units += facts[i].quantity;
            gross += facts[i].amount;
        } else {
            add_refund(table, 1, &facts[i]);
        }
    add_order(&table->singles[1], orders, units, gross);
    table->count = 1;
}

static bool are_of_day(const struct singles *singles, const struct fact *facts, uint32_t count)
{
    int64_t first_ms = facts[0].time_ms, last_ms = first_ms;

    for (uint32_t i = 1; i < count; i++) {
        first_ms = facts[i].time_ms < first_ms ? facts[i].time_ms : first_ms;
        last_ms = facts[i].time_ms > last_ms ? facts[i].time_ms : last_ms;
    }
    return first_ms >= singles->day_start_ms && last_ms - singles->day_start_ms < DAY_MS;
}

/* Empty tables can be of any day. */
static void take_day(struct board *board, int64_t time_ms)
{
    struct singles *singles = &board->singles;

    singles->day = calendar_day(&board->calendar, time_ms);
    singles->day_start_ms = calendar_day_start_ms(&board->calendar, singles->day);
}

/* False also for a time of which can't be told when its day ends. */
bool singles_add(struct board *board, const struct fact *facts, uint32_t count)
{
    struct singles *singles = &board->singles;

    if (singles->tables[DIMENSION_NONE].count == 0)
        take_day(board, facts[0].time_ms);
    if (!are_of_day(singles, facts, count))
        return false;
    for (uint32_t i = 0; i < count; i += BLOCK) {
        uint32_t taken = count - i < BLOCK ? count - i : BLOCK;
        add_to_total(singles, facts + i, taken);
        add_block(singles, DIMENSION_HOST, facts + i, taken);
        add_block(singles, DIMENSION_COUNTY, facts + i, taken);
        add_block(singles, DIMENSION_PRODUCT, facts + i, taken);
        add_block(singles, DIMENSION_SESSION, facts + i, taken);
        add_block(singles, DIMENSION_PLATFORM, facts + i, taken);
    }
    return true;
}

/* --- spreading ---------------------------------------------------------------------------- */

static inline void add_half(int64_t *sum, const struct half *more)
{
    for (int i = 0; i < METRICS_HALF; i++)
        sum[i] += more->v[i];
}

static uint32_t find_cell(struct board *board, struct group *group, uint32_t key)
{
    uint32_t place = cell_index_find(&group->index, key);

    if (place == PLACE_NONE)
        place = (uint32_t)(group_cell_open(board, group, key) - group->cells);
    return place;
}

/* From a place on, in rounds that fetch ahead what the next one reads. */
static void spread_block(struct board *board, struct group *group, const struct single_table *table,
                         uint32_t first, uint32_t count)
{
    const struct single *singles = &table->singles[first];
    uint32_t places[BLOCK]; /* not pointers: cells move when their group grows */

    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(&group->index.slots[cell_index_start(&group->index, singles[i].key)]);
    for (uint32_t i = 0; i < count; i++) {
        places[i] = find_cell(board, group, singles[i].key);
        __builtin_prefetch(&group->cells[places[i]], 1);
        __builtin_prefetch(&group->sums[places[i]], 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t *sum = group->sums[places[i]].v;
        sum[METRIC_ORDERS] += singles[i].orders;
        sum[METRIC_UNITS] += singles[i].units;
        sum[METRIC_GROSS] += singles[i].gross;
        if (singles[i].refunded)
            add_half(sum + METRICS_HALF, &table->refunds[first + i]);
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
        spread_block(board, group, table, 1 + i,
                     table->count - i < BLOCK ? table->count - i : BLOCK);
    if (group->included != NULL)
        group_forget_included(board, group);
}

static void forget(struct singles *singles)
{
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++) {
        struct single_table *table = &singles->tables[d];
        for (uint32_t place = 1; place <= table->count; place++)
            table->places[table->singles[place].key] = 0;
        table->singles[0] = (struct single){0};
        table->most = table->count > table->most ? table->count : table->most;
        table->count = 0;
    }
    singles->total[1] = (struct single){.key = TOTAL_CELL};
    singles->tables[DIMENSION_NONE].count = 0;
}

void singles_spread(struct board *board)
{
    struct singles *singles = &board->singles;

    if (singles->tables[DIMENSION_NONE].count == 0)
        return;
    for (uint32_t i = 0; i < board->plan_count; i++)
        if (plan_step_is_single(&board->plan[i]))
            spread_table(board, &board->plan[i], &singles->tables[board->plan[i].cell]);
    forget(singles);
}

void singles_make_room(struct board *board, uint32_t fact_count)
{
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++)
        if (fact_count > SINGLES_MAX - board->singles.tables[d].count) {
            singles_spread(board);
            return;
        }
}
