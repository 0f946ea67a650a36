/*
 * The refunds of one order, by its record alone: what they leave of it, and what becomes of those
 * that came before it.
 */
#ifndef LIVETALLY_CORE_REFUNDS_H
#define LIVETALLY_CORE_REFUNDS_H

#include "livetally/record.h"
#include "livetally/rollup.h"

/* What applied refunds leave of an order: money and units, both at least 0. */
void refunds_left(const struct record *record, int64_t *ret_amount, int64_t *ret_quantity);
/*
 * For a record whose order has just come: none is parked any more. Those that fit are applied, in
 * order of arrival, and added to `delta`; others are void. Those that state another host than the
 * order's were refunds of no order there is. They are dropped, or they would take places from those
 * of the order's own host, who can't keep others from parking what they like under an id to come.
 * What is dropped is judged as new when it is sent again: it conflicts with the order by its host.
 */
void refunds_settle(struct record *record, struct metrics *delta);

#endif
