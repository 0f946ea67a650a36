/*
 * What the two halves of a batch share: batch.c keeps its tables, judge.c decides.
 */
#ifndef LIVETALLY_CORE_BATCH_PRIVATE_H
#define LIVETALLY_CORE_BATCH_PRIVATE_H

#include "arena.h"
#include "id_table.h"
#include "livetally/batch.h"
#include "livetally/record.h"

/* Of the ids of one order or refund; those of names only of an order. */
struct event_hashes {
    uint64_t order; /* ledger_hash() */
    uint64_t host;  /* names_prefetch() */
    uint64_t product;
    uint64_t session;
    uint64_t platform;
};

#define AHEAD_EVENTS 32 /* a power of two */

/*
 * What ledger and names know of the events comes from memory that is seldom in a cache. So a walk
 * over a batch's events hashes their ids some events ahead, and has fetched what they will read
 * when it gets there, however few events a message has.
 */
struct ahead {
    const struct post *post; /* of the next event to be hashed; NULL: all are */
    uint32_t index;          /* in its message */
    uint32_t hashed;         /* events so far, and what was returned of them */
    uint32_t returned;
    bool with_names;
    struct event_hashes hashes[AHEAD_EVENTS]; /* by place in the batch, the newest ones */
};

struct batch {
    struct post *first, *last;
    uint32_t event_count;
    struct ahead ahead;

    /* The overlay, built anew by each judging. */
    struct touch *touches;
    uint32_t touch_count, touch_capacity;
    struct id_table touch_index;
    struct catalog_touch *catalog;
    uint32_t catalog_count, catalog_capacity;
    struct id_table catalog_index[CATALOG_KIND_COUNT];
    struct fact *facts;
    uint32_t fact_count, fact_capacity;
    struct metrics metrics;
    struct arena arena;  /* records and JSON of the overlay */
    struct slice *needs; /* order ids */
    uint32_t need_count, need_capacity;

    struct record record; /* the one being judged */
    struct buffer json;
    struct buffer scratch[2];
};

/* The touch of an order id (and its ledger_hash()), made from what the ledger cache assumes.
 * *ret_known: false when the assumption is a mere guess (never looked up, not seen before in this
 * batch). */
struct touch *batch_touch(struct batch *batch, const struct judge *judge, struct slice id,
                          uint64_t hash, bool *ret_known);
/* Writes batch->record as what the touch's record shall be. */
void batch_touch_write(struct batch *batch, struct touch *touch, enum record_place place);

struct catalog_touch *batch_catalog_touch(struct batch *batch, const struct judge *judge,
                                          enum catalog_kind kind, struct slice id);
struct catalog_touch *batch_catalog_find(const struct batch *batch, enum catalog_kind kind,
                                         struct slice id);

void batch_add_fact(struct batch *batch, const struct fact *fact);

/* The post's token allows the host that an order or refund states; else judging either rejects it
 * without a look at the ledger, or goes by its session. */
bool judge_may_ask(const struct post *post, const struct event *event);
/* Judges one event of a post into the batch. */
void judge_event(struct batch *batch, const struct judge *judge, struct post *post,
                 const struct event *event, const struct event_hashes *hashes);

#endif
