/*
 * How an order's id is spelled as the field of a ledger hash. Most ids are numbers of 19 digits,
 * and there is one field for every order kept, so a packed generation spells numbers in binary:
 *
 *   field = digits:u8 number      an id of 1 to 19 digits and nothing else; `digits` says how many,
 *                                 the number is big-endian, in as many bytes as the largest number
 *                                 of so many digits takes: 9 bytes in all for 19 digits
 *         | id                    any other id, as it is
 *
 * No id begins with so low a byte, and digits that begin with zeros keep them: ids differ exactly
 * when their fields do. Which generations are packed: generations.h.
 */
#ifndef LIVETALLY_ORDER_FIELD_H
#define LIVETALLY_ORDER_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "livetally/slice.h"

#define ORDER_FIELD_DIGITS_MAX 19
#define ORDER_FIELD_MAX_BYTES  9 /* of a number's; other ids are their own fields */

/* True when the id is spelled as a number: then it is the one to write. */
bool order_field_number(struct slice id, uint64_t *ret_number);
/* What the field of a number of so many digits takes (an id's size is its digits), and writing it
 * into just as many bytes. */
size_t order_field_bytes(size_t digits);
void order_field_write(char *out, size_t digits, uint64_t number);
/* The field of any id: in `room`, or the id itself. */
struct slice order_field_of(struct slice id, char room[ORDER_FIELD_MAX_BYTES]);

/* The id of a field: in `room`, or the field itself. ERROR_CORRUPT: order_field_of() would not have
 * spelled any id so. */
int order_field_read(struct slice field, char room[ORDER_FIELD_DIGITS_MAX], struct slice *ret_id);

#endif
