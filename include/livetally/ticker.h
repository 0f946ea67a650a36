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
    uint64_t count;                    /* orders so far; the newest has sequence number `count` */
    uint64_t cleared;                  /* those up to this number are forgotten */
    struct fact orders[TICKER_ORDERS]; /* sequence number s is at [(s - 1) % TICKER_ORDERS] */
};

struct ticker;

struct ticker *ticker_new(void);
void ticker_free(struct ticker *ticker);
void ticker_clear(struct ticker *ticker); /* forgets orders, keeps counts and watched sessions */
void ticker_push(struct ticker *ticker, const struct fact *facts, uint32_t count); /* orders only */
const struct ticker_ring *ticker_all(const struct ticker *ticker);
/* Calls nest. A session's ring starts with those of the newest orders of all that are its. */
void ticker_watch(struct ticker *ticker, uint32_t session);
void ticker_unwatch(struct ticker *ticker, uint32_t session);
const struct ticker_ring *ticker_session(const struct ticker *ticker,
                                         uint32_t session); /* or NULL */

/* How many of the orders after sequence number `seen` are still there, at most TICKER_ORDERS. */
uint32_t ticker_ring_after(const struct ticker_ring *ring, uint64_t seen);
/* By sequence number, which must still be there. */
static inline const struct fact *ticker_ring_order(const struct ticker_ring *ring, uint64_t number)
{
    return &ring->orders[(number - 1) % TICKER_ORDERS];
}

#endif
