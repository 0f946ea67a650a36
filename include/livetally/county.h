/*
 * County codes: six digits by GB/T 2260, held as a number (422828 is Hefeng County, Hubei).
 * The form that is always checked: a known province in the first two digits, and not ending in 00
 * (those are provinces and prefectures). With a county list, a code must stand in it, and a retired
 * code counts under its successor.
 */
#ifndef LIVETALLY_COUNTY_H
#define LIVETALLY_COUNTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "livetally/error.h"
#include "livetally/slice.h"

struct county_list;

/* Reads exactly six digits, whatever they mean; false for anything else. */
bool county_read_digits(struct slice text, uint32_t *ret_code);
/* True for six digits in a known province that don't end in 00. */
bool county_form_ok(uint32_t code);
/* Two digits of GB/T 2260, as 11 … 82. */
bool county_province_known(uint32_t province);

/*
 * Reads a list from CSV text whose first line names the columns. `counties` needs a column `code`;
 * `aliases` (may be absent) needs `old_code` and `primary_code`, which must stand in `counties`.
 * Other columns are ignored, and so are aliases with an empty primary_code: a county that was
 * divided among several has no successor to count under. Bound: 10,000 codes, aliases included.
 */
int county_list_parse(struct slice counties, struct slice aliases, struct county_list **ret_list,
                      struct error *error);
void county_list_free(struct county_list *list);
size_t county_list_count(const struct county_list *list);

/* The code it counts under, or 0 when it is not a county. list may be NULL: then only form. */
uint32_t county_resolve(const struct county_list *list, uint32_t code);
/* The same of a code that was recorded by another list, maybe: itself when it is no county now. */
uint32_t county_now(const struct county_list *list, uint32_t code);

#endif
