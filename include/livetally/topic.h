/*
 * Topic names: parsed, checked, and written back in their one canonical form (PROTOCOL, "Live:
 * topics"). Pure syntax: whether an id ever sold is not asked here.
 */
#ifndef LIVETALLY_TOPIC_H
#define LIVETALLY_TOPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/error.h"
#include "livetally/event.h"
#include "livetally/slice.h"

#define TOPIC_MAX_BYTES 256

enum topic_kind {
    TOPIC_SCOPE,
    TOPIC_BOARD,
    TOPIC_SERIES,
    TOPIC_TICKER,
};

/* What a scope or series is about. */
enum scope_kind {
    SCOPE_TOTAL,
    SCOPE_HOST,
    SCOPE_COUNTY,
    SCOPE_PREFECTURE,
    SCOPE_PROVINCE,
    SCOPE_PRODUCT,
    SCOPE_SESSION,
    SCOPE_PLATFORM,
    SCOPE_KIND_COUNT
};

/* What a board lists. */
enum board_kind {
    BOARD_HOSTS,
    BOARD_COUNTIES,
    BOARD_PRODUCTS,
    BOARD_SESSIONS,
    BOARD_PLATFORMS,
    BOARD_PROVINCES,
    BOARD_KIND_COUNT
};

enum board_by { BOARD_BY_GROSS, BOARD_BY_NET, BOARD_BY_ORDERS, BOARD_BY_UNITS, BOARD_BY_COUNT };

/* Plain value; compare canonical names to compare topics. */
struct topic {
    enum topic_kind kind;
    enum scope_kind scope; /* SCOPE and SERIES; TICKER: TOTAL or SESSION; BOARD: the filter,
                              SCOPE_TOTAL = none */
    enum board_kind board; /* BOARD */
    enum board_by by;      /* BOARD */
    bool today;            /* BOARD: period */
    uint16_t rows;         /* BOARD: n, 1 … 100 */
    uint16_t minutes;      /* SERIES: 1 … 1440 */
    uint32_t code;         /* county, prefecture (4 digits) or province (2 digits) */
    uint8_t id_size;
    char id[ID_MAX_BYTES]; /* host, product, session or platform */
};

static inline struct slice topic_id(const struct topic *topic)
{
    return (struct slice){topic->id, topic->id_size};
}

/* 0, or ERROR_INVALID with a sentence that says what is wrong with the name. */
int topic_parse(struct slice name, struct topic *ret_topic, struct error *error);
void topic_write(struct buffer *out, const struct topic *topic); /* canonical name */

extern const char *const board_kind_names[BOARD_KIND_COUNT]; /* "hosts" … */
extern const char *const board_by_names[BOARD_BY_COUNT];
extern const char *const scope_kind_names[SCOPE_KIND_COUNT]; /* "total", "host" … */

#endif
