/*
 * What is counted, and by what. Two lists: the metrics of a cell, and the rollups. Adding a rollup
 * is adding a row here: cells, Redis keys, loading and checkpoints follow from it.
 *
 * A rollup groups sales by up to two dimensions. Its cells live in groups, and a group is one Redis
 * hash of each lane and one table in memory:
 *
 *   period   group (hash key after lane:<n>:)        cell (hash field)
 *   all      all:<rollup>[:<first>]                  <second>       all time
 *   day      day:<yyyymmdd>:<rollup>[:<first>]       <second>       one business day
 *   minute   minute:<yyyymmddhh>:<rollup>[:<second>] <minute 0…59>  one business hour, by minute
 *
 * A rollup of one dimension has no first; `total` has none at all, and its one cell is "total".
 * Counties are held as their numeric code, other ids as their number in `names`.
 */
#ifndef LIVETALLY_ROLLUP_H
#define LIVETALLY_ROLLUP_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/names.h"
#include "livetally/slice.h"

/* name, wire and metrics name; every one only grows (a G-counter): net = gross - refunded */
#define METRICS(X)                                                                                 \
    X(ORDERS, orders)                                                                              \
    X(UNITS, units)                                                                                \
    X(GROSS, gross)                                                                                \
    X(REFUNDS, refunds)                                                                            \
    X(REFUNDED, refunded)                                                                          \
    X(RETURNED, returned)

enum metric {
#define X(name, wire) METRIC_##name,
    METRICS(X)
#undef X
        METRIC_COUNT
};

struct metrics {
    int64_t v[METRIC_COUNT];
};

extern const char *const metric_names[METRIC_COUNT];

/* Totals never exceed this (PROTOCOL: 2^53-1), so that browsers can hold them. */
#define TOTAL_MAX INT64_C(9007199254740991)
/* Each of the 16 lanes may reach a sixteenth of it, so their sum can't pass it unseen. */
#define LANE_TOTAL_MAX (TOTAL_MAX / LANE_COUNT)
#define LANE_COUNT     16

static inline int64_t metrics_net(const struct metrics *m)
{
    return m->v[METRIC_GROSS] - m->v[METRIC_REFUNDED];
}

void metrics_add(struct metrics *sum, const struct metrics *delta);

enum dimension {
    DIMENSION_NONE,
    DIMENSION_HOST,
    DIMENSION_COUNTY,
    DIMENSION_PRODUCT,
    DIMENSION_SESSION,
    DIMENSION_PLATFORM,
    DIMENSION_COUNT
};

enum period { PERIOD_ALL, PERIOD_DAY, PERIOD_MINUTE, PERIOD_COUNT };

#define PERIODS_A   (1u << PERIOD_ALL)
#define PERIODS_AD  (PERIODS_A | 1u << PERIOD_DAY)
#define PERIODS_ADM (PERIODS_AD | 1u << PERIOD_MINUTE)

/* name, key text, first dimension, second dimension, periods kept */
#define ROLLUPS(X)                                                                                 \
    X(TOTAL, "total", NONE, NONE, PERIODS_ADM)                                                     \
    X(HOST, "host", NONE, HOST, PERIODS_ADM)                                                       \
    X(COUNTY, "county", NONE, COUNTY, PERIODS_ADM)                                                 \
    X(PRODUCT, "product", NONE, PRODUCT, PERIODS_AD)                                               \
    X(SESSION, "session", NONE, SESSION, PERIODS_ADM)                                              \
    X(PLATFORM, "platform", NONE, PLATFORM, PERIODS_AD)                                            \
    X(SESSION_PRODUCT, "session+product", SESSION, PRODUCT, PERIODS_A)                             \
    X(COUNTY_PRODUCT, "county+product", COUNTY, PRODUCT, PERIODS_AD)                               \
    X(COUNTY_HOST, "county+host", COUNTY, HOST, PERIODS_AD)                                        \
    X(HOST_PRODUCT, "host+product", HOST, PRODUCT, PERIODS_AD)                                     \
    X(PLATFORM_COUNTY, "platform+county", PLATFORM, COUNTY, PERIODS_AD)

enum rollup {
#define X(name, text, first, second, periods) ROLLUP_##name,
    ROLLUPS(X)
#undef X
        ROLLUP_COUNT
};

struct rollup_row {
    const char *name;
    enum dimension first;
    enum dimension second;
    uint32_t periods;
};

extern const struct rollup_row rollup_rows[ROLLUP_COUNT];

/* Names one group: 12 bytes without padding, so it can be hashed and compared as bytes. */
struct group_key {
    uint16_t rollup; /* enum rollup */
    uint16_t period; /* enum period */
    uint32_t when;   /* 0, yyyymmdd or yyyymmddhh */
    uint32_t first;  /* first dimension (for minutes: the only one); 0 when there is none */
};

#define TOTAL_CELL 1u /* the key of the one cell of `total` */

static inline bool group_key_equal(struct group_key a, struct group_key b)
{
    return a.rollup == b.rollup && a.period == b.period && a.when == b.when && a.first == b.first;
}

static inline uint32_t group_key_hash(struct group_key key)
{
    uint64_t hash = ((uint64_t)key.when << 32 | key.first) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= (uint64_t)(key.rollup * 4u + key.period) * UINT64_C(0xc2b2ae3d27d4eb4f);
    hash ^= hash >> 32;
    return (uint32_t)(hash * UINT64_C(0xd6e8feb86659fd93) >> 32);
}

/* What a group's first part and a cell's key are, for decoding text from Redis. */
enum dimension group_first_dimension(struct group_key key);
enum dimension group_cell_dimension(struct group_key key); /* NONE for total and for minutes */

/* Appends "all:host" and the like: the hash key after "lane:<n>:". */
void group_key_write(struct buffer *out, const struct names *names, struct group_key key);
/* Appends the hash field of a cell. */
void cell_field_write(struct buffer *out, const struct names *names, struct group_key key,
                      uint32_t cell);
/* The same of many cells: fetches ahead what it reads for this one. */
void cell_field_prefetch(const struct names *names, struct group_key key, uint32_t cell);
/* Reads a hash field back (interning an id); ERROR_CORRUPT when it can't be one. */
int cell_field_read(struct names *names, struct group_key key, struct slice field,
                    uint32_t *ret_cell);

/* The form that a value of a dimension has in a hash field. */
bool dimension_text_ok(enum dimension dimension, struct slice text);
/* What such a text stands for; 0 when nobody has seen this id yet. */
uint32_t dimension_find(const struct names *names, enum dimension dimension, struct slice text);

/*
 * A cell in Redis, as a person reads it: the metrics in METRICS order, then the lane version up to
 * which they count, all in decimal: "12 30 158000 1 7900 1 1042". The version makes it safe to load
 * cells while they are being written, and to replay the feed over them: a feed entry is added only
 * to cells of a lower version.
 */
void cell_value_write(struct buffer *out, const struct metrics *metrics, uint64_t version);
int cell_value_read(struct slice text, struct metrics *ret_metrics, uint64_t *ret_version);

#endif
