/*
 * How many there are of each: connections by address, or by token. An entry (a party) lives while
 * somebody holds it, so the table is bounded by its holders. A roster may also keep parties that
 * nobody holds any more, the latest `idle_max` of them: what they have used up of their rate is
 * then not forgotten by hanging up.
 *
 * Hashed with a seed, as whoever connects chooses his address.
 */
#ifndef LIVETALLY_ROSTER_H
#define LIVETALLY_ROSTER_H

#include <stdint.h>

#include "livetally/meter.h"

#define ROSTER_KEY_BYTES 16

struct party;
struct roster {
    struct party *table;
    struct party *idle_first, *idle_last; /* the one longest idle first */
    uint32_t idle_count;
    uint32_t idle_max;
    uint64_t seed;
};

void roster_init(struct roster *roster, uint64_t seed, uint32_t idle_max);
void roster_done(struct roster *roster); /* nobody may hold any of them any more */
/* The party of that key, with one holder more. */
struct party *roster_hold(struct roster *roster, const uint8_t key[ROSTER_KEY_BYTES]);
void roster_release(struct roster *roster, struct party *party); /* NULL is fine */
uint32_t roster_count(const struct roster *roster);              /* of parties, idle ones too */

/* For the roster's user: of those that hold it, how many count. The roster doesn't look at these.
 */
struct party_figures {
    uint32_t members;
    uint32_t guests; /* refused, and being told so */
    struct meter meter;
};
struct party_figures *party_figures(struct party *party);

#endif
