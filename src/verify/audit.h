/*
 * The audit itself: records, cells and feed entries go in, one after the other, in whatever way
 * they were read; findings come out. Knows no Redis.
 *
 * What is shared with the daemon is how things are spelled: the table of rollups and the codecs of
 * records, cells, entries and catalog. What is counted where, from which version on, and on which
 * business day, is worked out here anew (audit_count.c): an auditor that shared the counting could
 * not find its mistakes.
 */
#ifndef LIVETALLY_VERIFY_AUDIT_H
#define LIVETALLY_VERIFY_AUDIT_H

#include "findings.h"
#include "livetally/calendar.h"
#include "livetally/catalog.h"
#include "livetally/fact.h"
#include "livetally/generations.h"
#include "livetally/order_field.h"
#include "livetally/record.h"
#include "tally.h"

#define PACKED_FROM_UNREADABLE UINT64_MAX

/* What the data set says of itself, and the clock that its keys expire by. */
struct data_set {
    struct calendar calendar;
    int64_t generation_ms;
    struct generations generations;
    uint64_t packed_from; /* as meta says: 0: it doesn't; PACKED_FROM_UNREADABLE */
    bool born_known;
    uint64_t born_generation;
    int64_t now_ms;
    int64_t minute_keep_ms;
    int64_t day_keep_ms;
};

struct audit_counts {
    uint64_t orders, stubs;                         /* records */
    uint64_t refunds, refunds_parked, refunds_void; /* in them */
    uint64_t catalog;                               /* entries */
    uint64_t lanes, hashes, lane_cells;
    uint64_t entries, facts_pending; /* of feeds; facts after the checkpoint */
    uint64_t cells;                  /* distinct, compared with the ledger */
    uint64_t sums;                   /* compared with other cells */
    uint64_t days_exact, days_partly, days_older, days_gone;
};

/* The lane that is being read. */
struct audit_lane {
    uint32_t number;
    uint64_t version;
    uint64_t checkpoint;
    uint64_t first_entry; /* 0: none yet */
    uint64_t last_entry;
};

struct audit {
    struct data_set set;
    struct names *names;
    struct tally tally; /* want: by the ledger; have: sum of the lanes */
    struct findings findings;
    struct audit_counts counts;
    struct audit_lane lane;
    int64_t newest_ms; /* time of the newest order or refund */
    struct record record;
    struct feed_reader reader;
    struct buffer key, field, scratch;
};

void audit_init(struct audit *audit, const struct data_set *set, uint32_t findings_kept);
void audit_done(struct audit *audit);

/* What the data set says twice of itself. */
void audit_data_set(struct audit *audit);
/* audit_ledger.c; field: the order's, as the generation spells it */
void audit_record(struct audit *audit, uint64_t generation, struct slice field, struct slice bytes);
/* The id of a field of that generation, in `room` or the field itself. False: it is of none, and
 * *ret_id is the field. */
bool audit_order_id(const struct audit *audit, uint64_t generation, struct slice field,
                    char room[ORDER_FIELD_DIGITS_MAX], struct slice *ret_id);
/* What is that field of the older generation stands in both. */
void audit_record_twice(struct audit *audit, struct slice field);
/* What breaks the rules of a record, or NULL. */
const char *audit_record_problem(const struct record *record);
void audit_catalog(struct audit *audit, enum catalog_kind kind, struct slice id, struct slice json);

/*
 * audit_lane.c: a lane is begun, then its hashes are read, then its feed from its first entry on,
 * then it is ended. A cell may be given again; what was given first counts.
 */
void audit_lane_begin(struct audit *audit, uint32_t lane, uint64_t version, uint64_t checkpoint);
void audit_cell(struct audit *audit, struct group_key group, struct slice field,
                struct slice value);
void audit_entry(struct audit *audit, struct slice stream_id, struct slice bytes);
void audit_lane_end(struct audit *audit);
/* What follows "lane:<n>:" in the key of a group; false when it is none. */
bool audit_group_read(struct names *names, struct slice text, struct group_key *ret_group);

/* audit_count.c: the cells that a sale or a refund counts in. */
#define AUDIT_CELLS_MAX (ROLLUP_COUNT * PERIOD_COUNT)
uint32_t audit_cells_of(const struct audit *audit, const struct fact *fact,
                        struct tally_key keys[AUDIT_CELLS_MAX]);
struct metrics audit_metrics_of(const struct fact *fact);

/* audit_compare.c: when all is read. */
void audit_compare(struct audit *audit);

#endif
