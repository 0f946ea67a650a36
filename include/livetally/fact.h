/*
 * Facts: what a commit changed, and all that totals are made of. An accepted order is one fact, an
 * applied refund another; every cell of every rollup is the sum of the facts that fall in it.
 *
 * A feed entry is one commit's facts and catalog changes. Binary, little and versioned:
 *
 *   entry    = version:u8 token:varint base_time_ms:varint strings facts catalog
 *   strings  = count:varint { size:u8 bytes }               the ids the facts use, numbered from 1
 *   facts    = count:varint { kind:u8 host product county session platform quantity amount
 *                             time_ms-base:zigzag }         all varints, ids by number, 0 = none
 *   catalog  = count:varint { kind:u8 id:string json:string }   string = size:varint bytes
 */
#ifndef LIVETALLY_FACT_H
#define LIVETALLY_FACT_H

#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/calendar.h"
#include "livetally/names.h"
#include "livetally/rollup.h"
#include "livetally/slice.h"

enum fact_kind {
    FACT_ORDER,
    FACT_REFUND,
};

struct fact {
    uint8_t kind;
    uint32_t host; /* numbers in names; 0 = none, for session and platform only */
    uint32_t product;
    uint32_t session;
    uint32_t platform;
    uint32_t county;  /* code */
    int64_t quantity; /* units sold, or returned */
    int64_t amount;   /* minor units paid, or refunded */
    int64_t time_ms;  /* of the order, or of the refund itself */
};

static inline struct metrics fact_metrics(const struct fact *fact)
{
    struct metrics m = {{0}};
    int base = fact->kind == FACT_ORDER ? METRIC_ORDERS : METRIC_REFUNDS;
    m.v[base] = 1;
    m.v[fact->kind == FACT_ORDER ? METRIC_UNITS : METRIC_RETURNED] = fact->quantity;
    m.v[fact->kind == FACT_ORDER ? METRIC_GROSS : METRIC_REFUNDED] = fact->amount;
    return m;
}

/* The fact's value in a dimension; 0: it has none, as of DIMENSION_NONE. */
static inline uint32_t fact_dimension(const struct fact *fact, enum dimension dimension)
{
    switch (dimension) {
    case DIMENSION_HOST:
        return fact->host;
    case DIMENSION_COUNTY:
        return fact->county;
    case DIMENSION_PRODUCT:
        return fact->product;
    case DIMENSION_SESSION:
        return fact->session;
    case DIMENSION_PLATFORM:
        return fact->platform;
    case DIMENSION_NONE:
    case DIMENSION_COUNT:
        break;
    }
    return 0;
}

/* Where a fact counts: a cell of a group. */
struct fact_place {
    struct group_key group;
    uint32_t cell; /* its key */
};

/*
 * All places of a fact by the table of rollups, of those periods that `periods` has for a rollup
 * (bits of enum period). Minutes are always included, however old.
 */
#define FACT_PLACES_MAX (ROLLUP_COUNT * PERIOD_COUNT)
uint32_t fact_places(const struct fact *fact, const struct calendar *calendar,
                     const uint32_t periods[ROLLUP_COUNT],
                     struct fact_place places[FACT_PLACES_MAX]);

/* One catalog change as it stands in an entry. */
struct fact_catalog {
    uint8_t kind; /* enum catalog_kind */
    struct slice id;
    struct slice json;
};

struct feed_entry {
    uint64_t token; /* of the writer's claim: tells whose commit this was */
    const struct fact *facts;
    uint32_t fact_count;
    const struct fact_catalog *catalog;
    uint32_t catalog_count;
};

void feed_entry_encode(struct buffer *out, const struct names *names,
                       const struct feed_entry *entry);

/* Decoded entry with its own arrays; catalog slices point into the decoded bytes. Reusable. */
struct feed_reader {
    struct feed_entry entry;
    struct fact *facts;
    uint32_t fact_capacity;
    struct fact_catalog *catalog;
    uint32_t catalog_capacity;
    struct slice *texts; /* these: for reading alone, see feed_reader.c */
    uint32_t *numbers;
    uint32_t string_capacity;
    uint64_t *seen; /* a bit for each id in names */
    uint32_t seen_numbers;
};

void feed_reader_init(struct feed_reader *reader);
void feed_reader_done(struct feed_reader *reader);
/* Interns ids. ERROR_CORRUPT on anything that feed_entry_encode() would not have written. */
int feed_reader_decode(struct feed_reader *reader, struct names *names, struct slice bytes);

#endif
