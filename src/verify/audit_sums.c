/*
 * Checks that need no ledger: every rollup that is finer than another sums up to it, the days of a
 * cell to its all-time value, its minutes to no more than its day. They find what a lane lost or
 * counted twice in some cells and not in others, however old it is.
 */
#include <stdio.h>

#include "compare.h"

struct sum {
    enum rollup fine, coarse;
    enum period fine_period, coarse_period;
    int drop; /* of the fine one's dimensions: 1 the first, 2 the second, 0 none */
    enum relation relation;
    const char *how;
};

static enum rollup rollup_of(enum dimension dimension)
{
    enum rollup rollup = ROLLUP_TOTAL;
    while (rollup_rows[rollup].first || rollup_rows[rollup].second != dimension)
        rollup++;
    return rollup;
}

/* An order always has one. */
static bool mandatory(enum dimension dimension)
{
    return dimension == DIMENSION_HOST || dimension == DIMENSION_COUNTY ||
           dimension == DIMENSION_PRODUCT;
}

static bool left_out(const struct audit *audit, const struct sum *sum, struct group_key group)
{
    if (sum->coarse_period == PERIOD_ALL)
        return false;
    if (group.period == PERIOD_DAY)
        return scope_day_gone(&audit->set, group.when);
    return scope_day_gone(&audit->set, group.when / 100) ||
           (sum->coarse_period == PERIOD_MINUTE && scope_minute_old(audit, group.when));
}

/* The coarser cell that a cell is a part of. */
static struct tally_key part_of(const struct sum *sum, struct tally_key fine)
{
    struct group_key group = {.rollup = (uint16_t)sum->coarse,
                              .period = (uint16_t)sum->coarse_period,
                              .when = fine.group.when};
    uint32_t first = fine.group.first ? fine.group.first : TOTAL_CELL;
    if (sum->fine_period == PERIOD_MINUTE && sum->coarse_period == PERIOD_DAY) {
        group.when /= 100;
        return (struct tally_key){group, first};
    }
    if (sum->fine_period != sum->coarse_period) {
        group.when = 0;
        group.first = fine.group.first;
        return (struct tally_key){group, fine.cell};
    }
    if (sum->fine_period == PERIOD_MINUTE || sum->drop == 1)
        return (struct tally_key){group, fine.cell};
    return (struct tally_key){group, first};
}

static void sum_up(struct audit *audit, const struct sum *sum)
{
    struct tally sums;
    tally_init(&sums);
    for (uint32_t i = 0; i < audit->tally.count; i++) {
        const struct tally_cell *cell = &audit->tally.cells[i];
        struct group_key group = cell->key.group;
        bool fine = group.rollup == sum->fine && group.period == sum->fine_period;
        bool coarse = group.rollup == sum->coarse && group.period == sum->coarse_period;
        if ((!fine && !coarse) || left_out(audit, sum, group))
            continue;
        if (fine)
            tally_add(&tally_open(&sums, part_of(sum, cell->key))->want, &cell->have);
        if (coarse)
            tally_open(&sums, cell->key)->have = cell->have;
    }
    struct comparison comparison = {
        .audit = audit, .tally = &sums, .check = "sum", .how = sum->how, .relation = sum->relation};
    audit->counts.sums += compare_sides(&comparison);
    tally_done(&sums);
}

/* Sums over one dimension of a rollup, in every period that both keep. */
static void sum_over(struct audit *audit, enum rollup fine, int drop)
{
    const struct rollup_row *row = &rollup_rows[fine];
    enum dimension dropped = drop == 1 ? row->first : row->second;
    enum dimension kept = drop == 1 ? row->second : row->first;
    char how[64];
    struct sum sum = {.fine = fine,
                      .coarse = rollup_of(kept),
                      .drop = drop,
                      .relation = mandatory(dropped) ? RELATION_EQUAL : RELATION_AT_LEAST,
                      .how = how};
    snprintf(how, sizeof how, "by the sum of %s", row->name);
    for (int period = 0; period < PERIOD_COUNT; period++) {
        if (!(row->periods & rollup_rows[sum.coarse].periods & 1u << period))
            continue;
        sum.fine_period = sum.coarse_period = (enum period)period;
        sum_up(audit, &sum);
    }
}

static void sum_periods(struct audit *audit, enum rollup rollup)
{
    struct sum days = {.fine = rollup,
                       .coarse = rollup,
                       .fine_period = PERIOD_DAY,
                       .coarse_period = PERIOD_ALL,
                       .relation =
                           scope_days_complete(&audit->set) ? RELATION_EQUAL : RELATION_AT_LEAST,
                       .how = "by the sum of its days"};
    struct sum minutes = {.fine = rollup,
                          .coarse = rollup,
                          .fine_period = PERIOD_MINUTE,
                          .coarse_period = PERIOD_DAY,
                          .relation = RELATION_AT_LEAST,
                          .how = "by the sum of its minutes"};
    if (rollup_rows[rollup].periods & 1u << PERIOD_DAY)
        sum_up(audit, &days);
    if (rollup_rows[rollup].periods & 1u << PERIOD_MINUTE)
        sum_up(audit, &minutes);
}

void audit_compare_sums(struct audit *audit)
{
    for (int rollup = 0; rollup < ROLLUP_COUNT; rollup++) {
        const struct rollup_row *row = &rollup_rows[rollup];
        sum_periods(audit, (enum rollup)rollup);
        if (row->first)
            sum_over(audit, (enum rollup)rollup, 1);
        if (row->second)
            sum_over(audit, (enum rollup)rollup, 2);
    }
}
