/*
 * CSV as RFC 4180 has it: lines end in CRLF or LF, cells may be quoted, a doubled quote within
 * quotes stands for one. The first line names the columns; of each row after it the wanted
 * columns are handed out, the others passed over. Empty lines and a byte order mark are ignored.
 */
#ifndef LIVETALLY_CORE_CSV_H
#define LIVETALLY_CORE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "livetally/buffer.h"
#include "livetally/error.h"
#include "livetally/slice.h"

#define CSV_WANTED_MAX 5

struct csv {
    const char *at;
    const char *end;
    const char *what;    /* what the text is, for error messages */
    size_t line;         /* where the newest row began, from 1 */
    size_t next_line;    /* where the next one begins */
    size_t column_count; /* of every row */
    size_t wanted_count;
    size_t wanted[CSV_WANTED_MAX]; /* column numbers, from 0; SIZE_MAX: absent */
    struct buffer cell;            /* the newest row's wanted cells, unquoted */
};

/*
 * Reads the first line. Columns from required_count on may be absent: their cells are then empty.
 * Borrows text and names; csv_done() is due whether or not it succeeds.
 */
int csv_init(struct csv *csv, struct slice text, const char *what, const char *const *names,
             size_t name_count, size_t required_count, struct error *error);
bool csv_has(const struct csv *csv, size_t name); /* by its place in names */
void csv_done(struct csv *csv);
/* 1: ret_cells has the wanted cells, which live until the next call. 0: end. Negative: error. */
int csv_next(struct csv *csv, struct slice *ret_cells, struct error *error);

#endif
