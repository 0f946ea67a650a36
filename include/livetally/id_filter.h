/*
 * A set of ids, told by their hashes, that takes two bytes for an id and answers with one look at
 * memory: "surely not in it", or "may be in it", which is wrong for less than one in a hundred ids
 * that are not. Ids can't be taken out. It grows without knowing the ids and without a pause, up to
 * a bound; when that is reached, any id may be in it.
 */
#ifndef LIVETALLY_ID_FILTER_H
#define LIVETALLY_ID_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_filter;

/* Makes room for expected_ids (which may be 0) at once, and for at most max_ids in all. */
struct id_filter *id_filter_new(uint64_t expected_ids, uint64_t max_ids);
void id_filter_free(struct id_filter *filter);

/* hash: all 64 bits of a good hash, e.g. ledger_hash(). False: no id of this hash was added. */
bool id_filter_may_have(const struct id_filter *filter, uint64_t hash);
/* Returns what id_filter_may_have() said before. */
bool id_filter_add(struct id_filter *filter, uint64_t hash);
/* Fetches ahead what both read. */
void id_filter_prefetch(const struct id_filter *filter, uint64_t hash);

/* The bound is reached, and all memory given back: it says of every id that it may be there. */
bool id_filter_is_full(const struct id_filter *filter);
/* Ids added; one that seemed to be there already is not counted. */
uint64_t id_filter_count(const struct id_filter *filter);
size_t id_filter_memory_bytes(const struct id_filter *filter);

#endif
