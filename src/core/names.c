/*
 * Ids as numbers. Every id of every event passes here several times, so a look-up has to cost no
 * more than a hash and two cache lines.
 *
 *   slots    open addressing, linear probing, at most half full: {upper half of hash, number}
 *   texts    [number] -> where its bytes are
 *   bytes    of the texts, in blocks that never move: texts handed out stay valid
 *
 * The hash is keyed with an address, which differs from run to run: whoever chooses ids can't
 * know which of them collide.
 */
#include "livetally/names.h"

#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "id_table.h"
#include "livetally/mem.h"

#define NAMES_MAX   (UINT32_C(1) << 30)
#define FIRST_SLOTS 64u
#define FIRST_TEXTS 32u

struct name_slot {
    uint32_t tag;
    uint32_t number; /* 0: free */
};

struct names {
    struct name_slot *slots;
    size_t slot_mask;
    struct slice *texts;
    uint32_t count;
    uint32_t text_capacity;
    struct arena bytes;
    size_t text_bytes;
    uint64_t seed;
};

struct names *names_new(void)
{
    struct names *names = mem_zalloc(sizeof(*names));

    names->slots = mem_zalloc(FIRST_SLOTS * sizeof(*names->slots));
    names->slot_mask = FIRST_SLOTS - 1;
    names->text_capacity = FIRST_TEXTS;
    names->texts = mem_alloc(FIRST_TEXTS * sizeof(*names->texts));
    names->texts[0] = SLICE("");
    names->seed = id_mix((uint64_t)(uintptr_t)names ^ ID_HASH_KEY_TWO,
                         (uint64_t)(uintptr_t)&names->seed ^
                             (uint64_t)(uintptr_t)names->slots << 20 ^ ID_HASH_KEY_ONE);
    return names;
}

void names_free(struct names *names)
{
    if (names == NULL)
        return;
    arena_done(&names->bytes);
    free(names->texts);
    free(names->slots);
    free(names);
}

/* The slot that holds the id, or the free one where it belongs. */
static struct name_slot *find_slot(const struct names *names, struct slice id, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t place = (size_t)hash & names->slot_mask;

    while (names->slots[place].number != 0) {
        const struct name_slot *slot = &names->slots[place];
        if (slot->tag == tag && id_equal(names->texts[slot->number], id))
            break;
        place = (place + 1) & names->slot_mask;
    }
    return &names->slots[place];
}

static void grow_slots(struct names *names)
{
    size_t size = (names->slot_mask + 1) * 2;

    free(names->slots);
    names->slots = mem_zalloc(size * sizeof(*names->slots));
    names->slot_mask = size - 1;
    for (uint32_t number = 1; number <= names->count; number++) {
        uint64_t hash = id_hash(names->seed, names->texts[number]);
        size_t place = (size_t)hash & names->slot_mask;
        while (names->slots[place].number != 0)
            place = (place + 1) & names->slot_mask;
        names->slots[place] = (struct name_slot){(uint32_t)(hash >> 32), number};
    }
}

uint32_t names_intern(struct names *names, struct slice id)
{
    uint64_t hash;
    struct name_slot *slot;
    uint32_t number;

    if (id.size == 0)
        return 0;
    hash = id_hash(names->seed, id);
    slot = find_slot(names, id, hash);
    if (slot->number != 0)
        return slot->number;
    if (names->count == NAMES_MAX) {
        fputs("livetally: over 2^30 ids in memory\n", stderr);
        abort();
    }
    if (((size_t)names->count + 1) * 2 > names->slot_mask + 1) {
        grow_slots(names);
        slot = find_slot(names, id, hash);
    }
    if (names->count + 1 == names->text_capacity) {
        names->text_capacity *= 2;
        names->texts = mem_resize(names->texts, names->text_capacity, sizeof(*names->texts));
    }
    number = ++names->count;
    names->texts[number] = arena_copy(&names->bytes, id);
    names->text_bytes += id.size;
    *slot = (struct name_slot){(uint32_t)(hash >> 32), number};
    return number;
}

uint32_t names_find(const struct names *names, struct slice id)
{
    if (id.size == 0)
        return 0;
    return find_slot(names, id, id_hash(names->seed, id))->number;
}

struct slice names_text(const struct names *names, uint32_t number)
{
    return number <= names->count ? names->texts[number] : SLICE("");
}

uint32_t names_count(const struct names *names)
{
    return names->count;
}

size_t names_memory_bytes(const struct names *names)
{
    return sizeof(*names) + (names->slot_mask + 1) * sizeof(*names->slots) +
           (size_t)names->text_capacity * sizeof(*names->texts) + names->text_bytes;
}
