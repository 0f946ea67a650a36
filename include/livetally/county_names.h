/*
 * Names of counties, for screens: what a county list says besides the codes, in columns that it may
 * have or not. name_zh is what the wire calls a county by; all of them are handed on to pages.
 */
#ifndef LIVETALLY_COUNTY_NAMES_H
#define LIVETALLY_COUNTY_NAMES_H

#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/error.h"
#include "livetally/slice.h"

struct county_names;

/*
 * Reads the columns code, name_zh, name_en, prefecture_zh and prefecture_en of a county list that
 * county_list_parse() accepts. *ret_names is NULL when it has no column name_zh. Bound: names are
 * at most NAME_MAX_BYTES long, and without control characters.
 */
int county_names_parse(struct slice counties, struct county_names **ret_names, struct error *error);
void county_names_free(struct county_names *names);

/* The Chinese name, which lives as long as names; data NULL when there is none. names may be NULL.
 */
struct slice county_names_find(const struct county_names *names, uint32_t code);

/* Appends them as CSV, under the five columns above, ordered by code. NULL: the columns alone. */
void county_names_write(const struct county_names *names, struct buffer *out);

#endif
