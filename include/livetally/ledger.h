/*
 * What this daemon believes the ledger in Redis holds: a bounded cache of records by order id.
 * It may be wrong (another daemon may have changed a record) and incomplete: everything judged by
 * it is an assumption that the commit script verifies. So it can be forgotten at any time, at the
 * price of a look-up.
 *
 * An id that is not in it is assumed to be new when it comes as an order (true for all but
 * retries), and looked up when it comes as a refund.
 */
#ifndef LIVETALLY_LEDGER_H
#define LIVETALLY_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "livetally/slice.h"

/* Where a record stands: in which of the two live generations. */
enum record_place {
    PLACE_NOWHERE,
    PLACE_CURRENT,
    PLACE_PREVIOUS,
};

struct ledger;

/* Keeps the `max_records` most recently learnt, as far as they fit LEDGER_RECORD_BYTES each on
 * average, which few do not: one of 64 refunds may take 40 times that. At least as many as
 * LEDGER_RECORDS_MIN of whatever kind, so that what was learnt for a batch is still there when the
 * batch is judged. */
#define LEDGER_RECORDS_MIN  4096
#define LEDGER_RECORD_BYTES 256
struct ledger *ledger_new(uint32_t max_records, uint64_t seed);
void ledger_free(struct ledger *ledger);
void ledger_clear(struct ledger *ledger); /* e.g. after a generation moved on */
/* bytes: absent when the place is NOWHERE. Copied. */
void ledger_learn(struct ledger *ledger, struct slice id, enum record_place place,
                  struct slice bytes);
/* False: nothing is known. The bytes live until the ledger next learns. */
bool ledger_find(const struct ledger *ledger, struct slice id, enum record_place *ret_place,
                 struct slice *ret_bytes);
uint32_t ledger_count(const struct ledger *ledger);
size_t ledger_memory_bytes(const struct ledger *ledger);

/*
 * The same for who meets an id several times, or many ids at once: it is hashed once, and what
 * looking for it reads is fetched ahead. All 64 bits are good, for an id_filter too.
 */
uint64_t ledger_hash(const struct ledger *ledger, struct slice id);
void ledger_prefetch(const struct ledger *ledger, uint64_t hash);
void ledger_learn_hashed(struct ledger *ledger, uint64_t hash, struct slice id,
                         enum record_place place, struct slice bytes);
bool ledger_find_hashed(const struct ledger *ledger, uint64_t hash, struct slice id,
                        enum record_place *ret_place, struct slice *ret_bytes);

#endif
