/*
 * Holding the two sides of a tally against each other, and what may be expected of which time.
 */
#ifndef LIVETALLY_VERIFY_COMPARE_H
#define LIVETALLY_VERIFY_COMPARE_H

#include "audit.h"

/* What the lanes have, to what they should. */
enum relation {
    RELATION_ANY,
    RELATION_EQUAL,
    RELATION_AT_LEAST,
    RELATION_AT_MOST,
    RELATION_ORDERS_EQUAL, /* and refunds at least */
};

struct comparison {
    struct audit *audit;
    struct tally *tally;
    const char *check;
    const char *how; /* where `want` comes from */
    enum relation (*rule)(const struct audit *audit, struct tally_key key); /* or NULL, and: */
    enum relation relation;
};

/* Adds a finding for each cell that isn't as it should be, in the order of their names. Returns how
 * many cells there was something to say of. */
uint64_t compare_sides(const struct comparison *comparison);

bool scope_nothing_forgotten(const struct data_set *set); /* by the ledger, since it was born */
bool scope_day_gone(const struct data_set *set, uint32_t day); /* its hashes may have expired */
bool scope_day_live(const struct data_set *set,
                    uint32_t day);                    /* all its orders are in the ledger */
bool scope_days_complete(const struct data_set *set); /* no day can have expired */
/* Events that came when their minute was this old count by the day only. */
bool scope_minute_old(const struct audit *audit, uint32_t hour);

/* audit_sums.c: cells against sums of finer ones. */
void audit_compare_sums(struct audit *audit);

#endif
