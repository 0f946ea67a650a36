/*
 * Closed days, packed. The totals of a lane by day stand in hashes, 60 bytes and more for a cell.
 * Once a day is over they hardly change, so its cells are moved into pages: packed strings of a few
 * thousand cells, about 12 bytes each, in one hash of each lane and day:
 *
 *   lane:<n>:sealed:<yyyymmdd>      field <rollup>:<number>, value: a page
 *
 * A cell that changes after that (a late order) is written to its hash again, on top. So a cell may
 * stand in its hash and in pages; the one with the highest version is the cell. Numbers of pages
 * only grow within a rollup and none is used twice, and a page never changes: whoever finds
 * a page gone that was there a moment ago looks again which there are.
 *
 *   page    = format:u8 day:varint rollup:text sections:varint section… check:u64 (little endian)
 *   section = first:text version:varint cells:varint bytes:varint cell…
 *   cell    = head:u8 [shared:varint] [size:varint] field mask:u8 metric:varint…
 *   text    = size:u8 bytes
 *
 * A section holds cells of one group that count up to the same version, sorted by field. A field
 * leaves out what it shares with the one before: head is shared << 4 | size, either of them 15 when
 * the rest follows. mask says which metrics are not zero.
 *
 * A page has one spelling: what decodes encodes to the same bytes. It says which day and rollup it
 * is of, and ends with a check of all that comes before.
 */
#ifndef LIVETALLY_SEALED_DAY_H
#define LIVETALLY_SEALED_DAY_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/rollup.h"
#include "livetally/slice.h"

#define SEALED_TEXT_MAX_BYTES 64 /* the longest id */

struct sealed_cell {
    struct slice first; /* of the group; empty when its rollup has no first dimension */
    struct slice field; /* as in the hash */
    uint64_t version;
    struct metrics metrics;
};

/* Sorts cells as a page has them; of those of the same group and field it keeps the newest. */
uint32_t sealed_cells_sort(struct sealed_cell *cells, uint32_t count);
/* Appends a page of cells that are sorted so and can be decoded again: by rules of rollup.h. */
void sealed_page_write(struct buffer *out, uint32_t day, enum rollup rollup,
                       const struct sealed_cell *cells, uint32_t count);

/* The check that a page ends with, of what stands before it. */
#define SEALED_CHECK_BYTES 8
void sealed_page_check(struct slice bytes, char out[SEALED_CHECK_BYTES]);

/* A page being read. Slices point into its bytes. */
struct sealed_page {
    uint32_t day;
    enum rollup rollup;
    /* the section, once sealed_page_section() found one: */
    struct slice first;
    uint64_t version;
    uint32_t cells_left;

    /* private */
    uint64_t sections_left;
    bool has_section;
    const char *at, *section_end, *end;
    char field[SEALED_TEXT_MAX_BYTES];
    size_t field_size;
};

/* ERROR_CORRUPT: it is no page, or not as it was written. */
int sealed_page_open(struct slice bytes, struct sealed_page *ret_page);
/* Goes to the next section, over what is left of this one. 1, 0 when there is none, or an error. */
int sealed_page_section(struct sealed_page *page);
/* The next cell of the section: 1, 0 when there is none, or an error. The field is valid until the
 * next call. */
int sealed_page_cell(struct sealed_page *page, struct slice *ret_field,
                     struct metrics *ret_metrics);

/* The hash field of a page, "<rollup>:<number>"; reading is strict. */
void sealed_field_write(struct buffer *out, enum rollup rollup, uint64_t number);
bool sealed_field_read(struct slice field, enum rollup *ret_rollup, uint64_t *ret_number);

#endif
