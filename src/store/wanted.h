/*
 * The groups to load next: a list without doubles. Thousands of topics may wait for one load, and
 * each of them asks again with every change.
 */
#ifndef LIVETALLY_STORE_WANTED_H
#define LIVETALLY_STORE_WANTED_H

#include "livetally/rollup.h"

struct wanted {
    struct group_key *keys;
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* place in keys + 1; 0 = free; twice as many as keys fit */
};

void wanted_add(struct wanted *wanted, struct group_key key);
void wanted_clear(struct wanted *wanted);
void wanted_done(struct wanted *wanted);

#endif
