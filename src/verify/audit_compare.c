/*
 * What must agree, once all is read.
 *
 * Ledger and lanes. The ledger knows two generations, so how much it can say of a cell depends on
 * what was forgotten:
 *   - nothing forgotten since the data set was born: every cell is exactly what the ledger says;
 *   - else an order of a day that began in a live generation is still there: orders, units and
 *     gross are exact. A refund counts on the day of its own time, but stands in the record of its
 *     order, which may be gone: of refunds the lanes may have more;
 *   - of other days, and of all time, the lanes may have more of everything.
 *
 * Lanes and lanes, whatever was forgotten: the cells of a rollup sum up to those of a coarser one,
 * days to all time, minutes to no more than their day.
 */
#include "compare.h"

#include <inttypes.h>
#include <stdlib.h>

#include "livetally/mem.h"

/*
 * An order may be 5 minutes ahead of its receipt, and a daemon that waited for Redis, or whose
 * clock lags by as much as is let pass, moves on to the next generation late.
 */
#define CLOCKS_MS HOUR_MS

/* --- time --------------------------------------------------------------------------------- */

bool scope_nothing_forgotten(const struct data_set *set)
{
    return set->born_known && set->generations.current <= set->born_generation + 1;
}

bool scope_day_gone(const struct data_set *set, uint32_t day)
{
    return calendar_day_start_ms(&set->calendar, day) + set->day_keep_ms <= set->now_ms;
}

bool scope_day_live(const struct data_set *set, uint32_t day)
{
    int64_t oldest = (int64_t)(set->generations.current - 1) * set->generation_ms;
    return calendar_day_start_ms(&set->calendar, day) - CLOCKS_MS >= oldest;
}

bool scope_minute_old(const struct audit *audit, uint32_t hour)
{
    const struct data_set *set = &audit->set;
    int64_t now = audit->newest_ms > set->now_ms ? audit->newest_ms : set->now_ms;
    return calendar_hour_start_ms(&set->calendar, hour) < now - set->minute_keep_ms + CLOCKS_MS;
}

/* An event is at most as old as a generation, so no day can be older than that at birth. */
bool scope_days_complete(const struct data_set *set)
{
    int64_t birth = (int64_t)set->born_generation * set->generation_ms;
    return set->born_known && birth - set->generation_ms + set->day_keep_ms > set->now_ms;
}

static enum relation day_rule(const struct data_set *set, uint32_t day)
{
    return scope_day_gone(set, day)       ? RELATION_ANY
           : scope_nothing_forgotten(set) ? RELATION_EQUAL
           : scope_day_live(set, day)     ? RELATION_ORDERS_EQUAL
                                          : RELATION_AT_LEAST;
}

static enum relation ledger_rule(const struct audit *audit, struct tally_key key)
{
    const struct data_set *set = &audit->set;
    bool whole = scope_nothing_forgotten(set);
    if (key.group.period == PERIOD_DAY)
        return day_rule(set, key.group.when);
    if (key.group.period == PERIOD_MINUTE && scope_minute_old(audit, key.group.when))
        return whole ? RELATION_AT_MOST : RELATION_ANY;
    if (key.group.period == PERIOD_MINUTE)
        return day_rule(set, key.group.when / 100);
    return whole ? RELATION_EQUAL : RELATION_AT_LEAST;
}

/* --- comparing ---------------------------------------------------------------------------- */

static enum relation of_metric(enum relation relation, int metric)
{
    if (relation != RELATION_ORDERS_EQUAL)
        return relation;
    return metric < METRIC_REFUNDS ? RELATION_EQUAL : RELATION_AT_LEAST;
}

static bool holds(enum relation relation, int64_t want, int64_t have)
{
    return relation == RELATION_EQUAL      ? have == want
           : relation == RELATION_AT_LEAST ? have >= want
           : relation == RELATION_AT_MOST  ? have <= want
                                           : true;
}

/* The first metric that is not as it should be, or METRIC_COUNT. */
static int wrong_metric(enum relation relation, const struct tally_cell *cell)
{
    int metric = 0;
    while (metric < METRIC_COUNT &&
           holds(of_metric(relation, metric), cell->want.v[metric], cell->have.v[metric]))
        metric++;
    return metric;
}

static enum relation relation_of(const struct comparison *comparison, struct tally_key key)
{
    return comparison->rule ? comparison->rule(comparison->audit, key) : comparison->relation;
}

static int compare_values(const struct names *names, enum dimension dimension, uint32_t a,
                          uint32_t b)
{
    if (dimension == DIMENSION_COUNTY || dimension == DIMENSION_NONE)
        return (a > b) - (a < b);
    return slice_compare(names_text(names, a), names_text(names, b));
}

/* All time first, then days, then minutes; the total first, then by host, and so on. */
static int by_name(const void *left, const void *right, void *context)
{
    const struct names *names = context;
    const struct tally_key *a = &(*(struct tally_cell *const *)left)->key;
    const struct tally_key *b = &(*(struct tally_cell *const *)right)->key;
    const uint32_t parts[][2] = {{a->group.period, b->group.period},
                                 {a->group.rollup, b->group.rollup},
                                 {a->group.when, b->group.when}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i][0] != parts[i][1])
            return parts[i][0] > parts[i][1] ? 1 : -1;
    int order =
        compare_values(names, group_first_dimension(a->group), a->group.first, b->group.first);
    return order ? order : compare_values(names, group_cell_dimension(a->group), a->cell, b->cell);
}

static void report(const struct comparison *comparison, const struct tally_cell *cell)
{
    struct audit *audit = comparison->audit;
    enum relation relation = relation_of(comparison, cell->key);
    int metric = wrong_metric(relation, cell);
    relation = of_metric(relation, metric);
    struct difference difference = {
        .metric = metric_names[metric],
        .want = cell->want.v[metric],
        .have = cell->have.v[metric],
        .bound = relation == RELATION_AT_LEAST  ? "at least "
                 : relation == RELATION_AT_MOST ? "at most "
                                                : "",
        .how = comparison->how,
    };
    buffer_reset(&audit->key);
    buffer_append_text(&audit->key, "lane:*:");
    group_key_write(&audit->key, audit->names, cell->key.group);
    buffer_reset(&audit->field);
    cell_field_write(&audit->field, audit->names, cell->key.group, cell->key.cell);
    findings_differ(&audit->findings, comparison->check, buffer_slice(&audit->key),
                    buffer_slice(&audit->field), &difference);
}

uint64_t compare_sides(const struct comparison *comparison)
{
    struct tally *tally = comparison->tally;
    struct tally_cell **wrong = NULL;
    uint32_t wrong_count = 0, capacity = 0;
    uint64_t compared = 0;
    for (uint32_t i = 0; i < tally->count; i++) {
        enum relation relation = relation_of(comparison, tally->cells[i].key);
        compared += relation != RELATION_ANY;
        if (wrong_metric(relation, &tally->cells[i]) == METRIC_COUNT)
            continue;
        if (wrong_count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            wrong = mem_resize(wrong, capacity, sizeof *wrong);
        }
        wrong[wrong_count++] = &tally->cells[i];
    }
    if (wrong_count)
        qsort_r(wrong, wrong_count, sizeof *wrong, by_name, comparison->audit->names);
    for (uint32_t i = 0; i < wrong_count; i++)
        report(comparison, wrong[i]);
    free(wrong);
    return compared;
}

/* --- the whole ---------------------------------------------------------------------------- */

static void count_days(struct audit *audit)
{
    struct audit_counts *counts = &audit->counts;
    for (uint32_t i = 0; i < audit->tally.count; i++) {
        struct group_key group = audit->tally.cells[i].key.group;
        if (group.rollup != ROLLUP_TOTAL || group.period != PERIOD_DAY)
            continue;
        enum relation relation = day_rule(&audit->set, group.when);
        counts->days_exact += relation == RELATION_EQUAL;
        counts->days_partly += relation == RELATION_ORDERS_EQUAL;
        counts->days_older += relation == RELATION_AT_LEAST;
        counts->days_gone += relation == RELATION_ANY;
    }
}

static uint64_t count_old_minutes(const struct audit *audit)
{
    uint64_t old = 0;
    for (uint32_t i = 0; i < audit->tally.count; i++) {
        struct group_key group = audit->tally.cells[i].key.group;
        old += group.period == PERIOD_MINUTE && scope_minute_old(audit, group.when);
    }
    return old;
}

static void say_what_was_not_checked(struct audit *audit)
{
    const struct data_set *set = &audit->set;
    const struct audit_counts *counts = &audit->counts;
    struct findings *findings = &audit->findings;
    uint64_t old_minutes = count_old_minutes(audit);
    if (!set->born_known)
        findings_unchecked(findings,
                           "whether the ledger ever forgot orders: the data set does not say when "
                           "it was born, so it is taken as if it had");
    else if (!scope_nothing_forgotten(set))
        findings_unchecked(findings,
                           "orders that the ledger has forgotten (generations before %" PRIu64
                           "): all-time totals may be more than what it says",
                           set->generations.current - 1);
    if (counts->days_partly)
        findings_unchecked(findings,
                           "refunds of %" PRIu64 " days, exactly: they may be of forgotten orders, "
                           "so the lanes may have more",
                           counts->days_partly);
    if (counts->days_older)
        findings_unchecked(findings,
                           "%" PRIu64 " days that began before the ledger does, exactly: the lanes "
                           "may have more",
                           counts->days_older);
    if (counts->days_gone)
        findings_unchecked(findings, "%" PRIu64 " days older than days are kept",
                           counts->days_gone);
    if (old_minutes)
        findings_unchecked(findings,
                           "%" PRIu64 " minutes older than minutes are kept, exactly: events that "
                           "come so late count by the day only",
                           old_minutes);
    if (!scope_days_complete(set))
        findings_unchecked(findings, "whether days that expired make up what all-time totals have "
                                     "more than the days that are kept");
}

void audit_compare(struct audit *audit)
{
    struct comparison comparison = {.audit = audit,
                                    .tally = &audit->tally,
                                    .check = "ledger",
                                    .how = "by the ledger",
                                    .rule = ledger_rule};
    audit->counts.cells = compare_sides(&comparison);
    audit_compare_sums(audit);
    count_days(audit);
    say_what_was_not_checked(audit);
}
