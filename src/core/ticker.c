/*
 * Tickers: the ring of all orders stands in the ticker itself, those of watched sessions in a hash
 * table by session number. A push costs one look-up per order, and that only while any session is
 * watched. Bounded by the topics that viewers may subscribe to.
 */
#include "livetally/ticker.h"

#include <stdlib.h>
#include <uthash.h>

#include "livetally/mem.h"

struct session_ring {
    uint32_t session;
    uint32_t watchers;
    struct ticker_ring ring;
    UT_hash_handle hh;
};

struct ticker {
    struct ticker_ring all;
    struct session_ring *sessions;
};

struct ticker *ticker_new(void)
{
    return mem_zalloc(sizeof(struct ticker));
}

void ticker_free(struct ticker *ticker)
{
    struct session_ring *entry;

    if (!ticker)
        return;
    entry = ticker->sessions;
    HASH_CLEAR(hh, ticker->sessions);
    while (entry) {
        struct session_ring *next = entry->hh.next;

        free(entry);
        entry = next;
    }
    free(ticker);
}

void ticker_clear(struct ticker *ticker)
{
    struct session_ring *entry, *next;

    ticker->all.cleared = ticker->all.count;
    HASH_ITER(hh, ticker->sessions, entry, next)
    {
        entry->ring.cleared = entry->ring.count;
    }
}

static struct session_ring *find(const struct ticker *ticker, uint32_t session)
{
    struct session_ring *entry;

    HASH_FIND(hh, ticker->sessions, &session, sizeof(session), entry);
    return entry;
}

static void ring_push(struct ticker_ring *ring, const struct fact *order)
{
    ring->orders[ring->count % TICKER_ORDERS] = *order;
    ring->count++;
}

/* Nobody watches a session: of a large commit only the newest orders are looked at, and the others
 * counted. */
static void push_all(struct ticker_ring *ring, const struct fact *facts, uint32_t count)
{
    uint32_t newest = count, orders = 0;

    while (newest > 0 && orders < TICKER_ORDERS)
        orders += facts[--newest].kind == FACT_ORDER;
    for (uint32_t i = 0; i < newest; i++)
        ring->count += facts[i].kind == FACT_ORDER;
    for (uint32_t i = newest; i < count; i++)
        if (facts[i].kind == FACT_ORDER)
            ring_push(ring, &facts[i]);
}

void ticker_push(struct ticker *ticker, const struct fact *facts, uint32_t count)
{
    if (!ticker->sessions) {
        push_all(&ticker->all, facts, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct session_ring *entry;

        if (facts[i].kind != FACT_ORDER)
            continue;
        ring_push(&ticker->all, &facts[i]);
        if (facts[i].session == 0)
            continue;
        entry = find(ticker, facts[i].session);
        if (entry)
            ring_push(&entry->ring, &facts[i]);
    }
}

const struct ticker_ring *ticker_all(const struct ticker *ticker)
{
    return &ticker->all;
}

/* So that whoever begins to watch sees something, also of a session that has just sold first. */
static void backfill(struct ticker_ring *ring, const struct ticker_ring *all, uint32_t session)
{
    uint64_t number = all->count - ticker_ring_after(all, 0) + 1;

    for (; number <= all->count; number++) {
        const struct fact *order = ticker_ring_order(all, number);

        if (order->session == session)
            ring_push(ring, order);
    }
}

void ticker_watch(struct ticker *ticker, uint32_t session)
{
    struct session_ring *entry = find(ticker, session);

    if (!entry) {
        entry = mem_zalloc(sizeof(*entry));
        entry->session = session;
        backfill(&entry->ring, &ticker->all, session);
        HASH_ADD(hh, ticker->sessions, session, sizeof(entry->session), entry);
    }
    entry->watchers++;
}

void ticker_unwatch(struct ticker *ticker, uint32_t session)
{
    struct session_ring *entry = find(ticker, session);

    if (!entry || --entry->watchers > 0)
        return;
    HASH_DEL(ticker->sessions, entry);
    free(entry);
}

const struct ticker_ring *ticker_session(const struct ticker *ticker, uint32_t session)
{
    struct session_ring *entry = find(ticker, session);

    return entry ? &entry->ring : NULL;
}

uint32_t ticker_ring_after(const struct ticker_ring *ring, uint64_t seen)
{
    uint64_t from = seen > ring->cleared ? seen : ring->cleared;
    uint64_t count = ring->count > from ? ring->count - from : 0;

    return count < TICKER_ORDERS ? (uint32_t)count : TICKER_ORDERS;
}
