/*
 * Ids as small numbers: every id that ever counted gets a number, so that cells, facts and topics
 * compare and hash four bytes instead of strings. 0 means "none". Only what id_ok() takes is
 * interned: who finds an id here needs no look at its bytes. Numbers are private to a process:
 * they are never written to Redis or to the wire, and never reused while it runs.
 */
#ifndef LIVETALLY_NAMES_H
#define LIVETALLY_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "livetally/slice.h"

struct names;

struct names *names_new(void);
void names_free(struct names *names);
uint32_t names_intern(struct names *names, struct slice id);         /* 0 for an empty id */
uint32_t names_find(const struct names *names, struct slice id);     /* 0: never seen */
struct slice names_text(const struct names *names, uint32_t number); /* lives as long as names */
uint32_t names_count(const struct names *names);
size_t names_memory_bytes(const struct names *names);

/*
 * The same for who meets many ids at once: what looking for one reads is fetched ahead in two
 * steps, some time apart, and it is hashed once.
 */
uint64_t names_prefetch(const struct names *names, struct slice id); /* returns the hash */
void names_prefetch_text(const struct names *names, uint64_t hash);
uint32_t names_intern_hashed(struct names *names, uint64_t hash, struct slice id);

/* names_text() of many numbers: fetches ahead what it reads for this one. */
void names_prefetch_number(const struct names *names, uint32_t number);

/* names_find() of many ids. */
void names_find_all(const struct names *names, const struct slice *ids, uint32_t count,
                    uint32_t *ret_numbers);

#endif
