/*
 * Ids as numbers. Every id of every event passes here several times, so a look-up has to cost no
 * more than a hash and two cache lines, both of which can be fetched ahead.
 *
 *   slots    open addressing, linear probing, at most half full: {upper half of hash, number}
 *   pages    [number / PAGE_ENTRIES][number % PAGE_ENTRIES] -> size and text, in half a cache line;
 *            of the few longer texts, where they are. Pages never move: texts stay valid
 *   bytes    of longer texts
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

#define NAMES_MAX    (UINT32_C(1) << 30)
#define FIRST_SLOTS  64u
#define ENTRY_BYTES  32u
#define INLINE_BYTES (ENTRY_BYTES - sizeof(uint32_t))
#define FIND_BLOCK   64u
#define PAGE_ENTRIES 1024u
#define PAGE_BYTES   (PAGE_ENTRIES * ENTRY_BYTES)

struct name_slot {
    uint32_t tag;
    uint32_t number; /* 0: free */
};

struct name_entry {
    uint32_t size;
    char text[INLINE_BYTES]; /* over INLINE_BYTES: a pointer to them */
};

_Static_assert(sizeof(struct name_entry) == ENTRY_BYTES, "two entries a cache line");

struct names {
    struct name_slot *slots;
    size_t slot_mask;
    struct name_entry **pages;
    uint32_t count;
    uint32_t page_count;
    uint32_t page_capacity;
    struct arena bytes;
    size_t long_bytes; /* of longer texts */
    uint64_t seed;
};

static inline struct name_entry *entry_at(const struct names *names, uint32_t number)
{
    return &names->pages[number / PAGE_ENTRIES][number % PAGE_ENTRIES];
}

static inline struct slice entry_text(const struct name_entry *entry)
{
    const char *text = entry->text;

    if (entry->size > INLINE_BYTES)
        memcpy(&text, entry->text, sizeof(text));
    return (struct slice){text, entry->size};
}

static void add_page(struct names *names)
{
    if (names->page_count == names->page_capacity) {
        names->page_capacity = names->page_capacity ? names->page_capacity * 2 : 1;
        names->pages = mem_resize(names->pages, names->page_capacity, sizeof(*names->pages));
    }
    names->pages[names->page_count++] = mem_alloc_lines(PAGE_BYTES);
}

struct names *names_new(void)
{
    struct names *names = mem_zalloc(sizeof(*names));

    names->slots = mem_zalloc(FIRST_SLOTS * sizeof(*names->slots));
    names->slot_mask = FIRST_SLOTS - 1;
    add_page(names);
    entry_at(names, 0)->size = 0;
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
    for (uint32_t i = 0; i < names->page_count; i++)
        free(names->pages[i]);
    free(names->pages);
    free(names->slots);
    free(names);
}

/* The slot that holds the id, or the free one where it belongs. */
static inline struct name_slot *find_slot(const struct names *names, struct slice id, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t place = (size_t)hash & names->slot_mask;

    while (names->slots[place].number != 0) {
        const struct name_slot *slot = &names->slots[place];
        if (slot->tag == tag && id_equal(entry_text(entry_at(names, slot->number)), id))
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
        uint64_t hash = id_hash(names->seed, entry_text(entry_at(names, number)));
        size_t place = (size_t)hash & names->slot_mask;
        while (names->slots[place].number != 0)
            place = (place + 1) & names->slot_mask;
        names->slots[place] = (struct name_slot){(uint32_t)(hash >> 32), number};
    }
}

/* Where the text is kept under the next number, which it gets with this. */
static uint32_t add_text(struct names *names, struct slice id)
{
    uint32_t number = names->count + 1;
    struct name_entry *entry;

    if (number == names->page_count * PAGE_ENTRIES)
        add_page(names);
    entry = entry_at(names, number);
    entry->size = (uint32_t)id.size;
    if (id.size > INLINE_BYTES) {
        const char *kept = arena_copy(&names->bytes, id).data;
        memcpy(entry->text, &kept, sizeof(kept));
        names->long_bytes += id.size;
    } else {
        memcpy(entry->text, id.data, id.size);
    }
    names->count = number;
    return number;
}

uint64_t names_prefetch(const struct names *names, struct slice id)
{
    uint64_t hash = id_hash(names->seed, id);

    __builtin_prefetch(&names->slots[(size_t)hash & names->slot_mask]);
    return hash;
}

void names_prefetch_text(const struct names *names, uint64_t hash)
{
    uint32_t number = names->slots[(size_t)hash & names->slot_mask].number;

    __builtin_prefetch(entry_at(names, number));
}

/* Not there yet. */
static uint32_t add(struct names *names, uint64_t hash, struct slice id)
{
    struct name_slot *slot;

    if (names->count == NAMES_MAX) {
        fputs("livetally: over 2^30 ids in memory\n", stderr);
        abort();
    }
    if (((size_t)names->count + 1) * 2 > names->slot_mask + 1)
        grow_slots(names);
    slot = find_slot(names, id, hash);
    *slot = (struct name_slot){(uint32_t)(hash >> 32), add_text(names, id)};
    return slot->number;
}

uint32_t names_intern_hashed(struct names *names, uint64_t hash, struct slice id)
{
    uint32_t number;

    if (id.size == 0)
        return 0;
    number = find_slot(names, id, hash)->number;
    return number != 0 ? number : add(names, hash, id);
}

uint32_t names_intern(struct names *names, struct slice id)
{
    return names_intern_hashed(names, id_hash(names->seed, id), id);
}

uint32_t names_find(const struct names *names, struct slice id)
{
    if (id.size == 0)
        return 0;
    return find_slot(names, id, id_hash(names->seed, id))->number;
}

struct slice names_text(const struct names *names, uint32_t number)
{
    return number <= names->count ? entry_text(entry_at(names, number)) : SLICE("");
}

void names_prefetch_number(const struct names *names, uint32_t number)
{
    if (number <= names->count)
        __builtin_prefetch(entry_at(names, number));
}

/* In blocks, of which each round fetches what the next one reads. */
void names_find_all(const struct names *names, const struct slice *ids, uint32_t count,
                    uint32_t *ret_numbers)
{
    uint64_t hashes[FIND_BLOCK];

    for (uint32_t first = 0; first < count; first += FIND_BLOCK) {
        uint32_t taken = count - first < FIND_BLOCK ? count - first : FIND_BLOCK;
        for (uint32_t i = 0; i < taken; i++) {
            hashes[i] = id_hash(names->seed, ids[first + i]);
            __builtin_prefetch(&names->slots[(size_t)hashes[i] & names->slot_mask]);
        }
        for (uint32_t i = 0; i < taken; i++)
            __builtin_prefetch(
                entry_at(names, names->slots[(size_t)hashes[i] & names->slot_mask].number));
        for (uint32_t i = 0; i < taken; i++)
            ret_numbers[first + i] = find_slot(names, ids[first + i], hashes[i])->number;
    }
}

uint32_t names_count(const struct names *names)
{
    return names->count;
}

size_t names_memory_bytes(const struct names *names)
{
    return sizeof(*names) + (names->slot_mask + 1) * sizeof(*names->slots) +
           (size_t)names->page_capacity * sizeof(*names->pages) +
           (size_t)names->page_count * PAGE_BYTES + names->long_bytes;
}
