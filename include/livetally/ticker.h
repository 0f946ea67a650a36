/*
 * The newest orders, for tickers: one ring for all, and one for each session somebody watches.
 * Every order gets the next sequence number of each ring it goes into, so a reader that remembers
 * a number can tell what is new to it and how many it missed.
 */
#ifndef LIVETALLY_TICKER_H
#define LIVETALLY_TICKER_H

#include <stdint.h>

#include "livetally/fact.h"

#define TICKER_ORDERS 20 /* PROTOCOL: at most 20 */

struct ticker_ring {
    uint64_t count; /* orders so far; the newest has sequence number `count` */
    struct fact orders[TICKER_ORDERS]; /* sequence number s is at [(s - 1) % TICKER_ORDERS] */
};

struct ticker;

struct ticker *ticker_new(void);
void ticker_free(struct ticker *ticker);
void ticker_clear(struct ticker *ticker); /* forgets orders, keeps counts and watched sessions */
void ticker_push(struct ticker *ticker, const struct fact *facts, uint32_t count); /* orders only */
const struct ticker_ring *ticker_all(const struct ticker *ticker);
/* Calls nest. A session's ring starts empty. */
void ticker_watch(struct ticker *ticker, uint32_t session);
void ticker_unwatch(struct ticker *ticker, uint32_t session);
const struct ticker_ring *ticker_session(const struct ticker *ticker, uint32_t session); /* or NULL */

#endif
