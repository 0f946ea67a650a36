/*
 * Why this exists: limits for each address and each token need one place to count them, exactly,
 * and at the cost of a look-up when a connection comes and none while it lives.
 */
#include "livetally/roster.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "id_table.h"
#include "livetally/mem.h"

struct party {
    UT_hash_handle hh;
    struct party *idle_prev, *idle_next;
    uint32_t holders;
    uint8_t key[ROSTER_KEY_BYTES];
    struct party_figures figures;
};

void roster_init(struct roster *roster, uint64_t seed, uint32_t idle_max)
{
    memset(roster, 0, sizeof(*roster));
    roster->seed = seed;
    roster->idle_max = idle_max;
}

static void forget(struct roster *roster, struct party *party)
{
    HASH_DELETE(hh, roster->table, party);
    free(party);
}

static void wake(struct roster *roster, struct party *party)
{
    if (party->idle_next)
        party->idle_next->idle_prev = party->idle_prev;
    else
        roster->idle_last = party->idle_prev;
    if (party->idle_prev)
        party->idle_prev->idle_next = party->idle_next;
    else
        roster->idle_first = party->idle_next;
    party->idle_prev = NULL;
    party->idle_next = NULL;
    roster->idle_count--;
}

static void put_to_sleep(struct roster *roster, struct party *party)
{
    party->idle_prev = roster->idle_last;
    party->idle_next = NULL;
    if (roster->idle_last)
        roster->idle_last->idle_next = party;
    else
        roster->idle_first = party;
    roster->idle_last = party;
    roster->idle_count++;
}

void roster_done(struct roster *roster)
{
    struct party *party = roster->table;
    HASH_CLEAR(hh, roster->table); /* its own memory; ours are still linked */
    while (party) {
        struct party *next = party->hh.next;
        free(party);
        party = next;
    }
    roster->idle_first = NULL;
    roster->idle_last = NULL;
    roster->idle_count = 0;
}

struct party *roster_hold(struct roster *roster, const uint8_t key[ROSTER_KEY_BYTES])
{
    struct slice text = {(const char *)key, ROSTER_KEY_BYTES};
    uint32_t hash = (uint32_t)id_hash(roster->seed, text);
    struct party *party = NULL;
    HASH_FIND_BYHASHVALUE(hh, roster->table, key, ROSTER_KEY_BYTES, hash, party);
    if (!party) {
        party = mem_zalloc(sizeof(*party));
        memcpy(party->key, key, sizeof(party->key));
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, roster->table, party->key, ROSTER_KEY_BYTES, hash, party);
    } else if (party->holders == 0) {
        wake(roster, party);
    }
    party->holders++;
    return party;
}

void roster_release(struct roster *roster, struct party *party)
{
    if (!party || --party->holders > 0)
        return;
    put_to_sleep(roster, party);
    if (roster->idle_count <= roster->idle_max)
        return;
    party = roster->idle_first;
    wake(roster, party);
    forget(roster, party);
}

uint32_t roster_count(const struct roster *roster)
{
    return HASH_COUNT(roster->table);
}

struct party_figures *party_figures(struct party *party)
{
    return &party->figures;
}
