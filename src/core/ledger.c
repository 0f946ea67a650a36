/*
 * The ledger cache: a ring of entries in the order they were learnt, and a hash index into it. A
 * new id takes the oldest one's place. When all take too much memory, the oldest go first. Each
 * entry owns one allocation: the id, then the record. All this is far more than a processor's cache
 * holds, so what the next new ids will push out is fetched ahead.
 */
#include "livetally/ledger.h"

#include <stdlib.h>

#include "id_table.h"
#include "livetally/mem.h"

#define AHEAD             8 /* new ids */
#define RECORD_MAX_BYTES  ((size_t)11 * 1024)
#define RECORDS_MIN_BYTES (LEDGER_RECORDS_MIN * RECORD_MAX_BYTES)

struct entry {
    char *bytes; /* id, then record; NULL: free */
    uint32_t hash;
    uint32_t capacity;
    uint32_t record_size; /* whatever somebody put there */
    uint8_t id_size;
    uint8_t place; /* enum record_place */
};

struct ledger {
    struct entry *entries;
    uint32_t max;
    uint32_t next; /* the oldest, where the next new id goes */
    size_t bytes;  /* of what the entries own */
    size_t max_bytes;
    struct id_table index;
};

static struct slice entry_id(const void *array, uint32_t place)
{
    const struct entry *entry = (const struct entry *)array + place;
    return (struct slice){entry->bytes, entry->id_size};
}

struct ledger *ledger_new(uint32_t max_records, uint64_t seed)
{
    struct ledger *ledger = mem_zalloc(sizeof *ledger);
    ledger->max = max_records < LEDGER_RECORDS_MIN ? LEDGER_RECORDS_MIN : max_records;
    ledger->max_bytes = (size_t)ledger->max * LEDGER_RECORD_BYTES;
    if (ledger->max_bytes < RECORDS_MIN_BYTES)
        ledger->max_bytes = RECORDS_MIN_BYTES;
    ledger->entries = mem_zalloc(ledger->max * sizeof *ledger->entries);
    id_table_init(&ledger->index, seed);
    return ledger;
}

void ledger_free(struct ledger *ledger)
{
    if (!ledger)
        return;
    ledger_clear(ledger);
    id_table_done(&ledger->index);
    free(ledger->entries);
    free(ledger);
}

void ledger_clear(struct ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->max; i++)
        free(ledger->entries[i].bytes);
    memset(ledger->entries, 0, ledger->max * sizeof *ledger->entries);
    ledger->next = 0;
    ledger->bytes = 0;
    id_table_clear(&ledger->index);
}

uint64_t ledger_hash(const struct ledger *ledger, struct slice id)
{
    return id_hash(ledger->index.seed, id);
}

void ledger_prefetch(const struct ledger *ledger, uint64_t hash)
{
    id_table_prefetch(&ledger->index, id_hash_fold(hash));
}

static void prefetch_oldest(const struct ledger *ledger)
{
    uint32_t place = ledger->next + AHEAD < ledger->max ? ledger->next + AHEAD : 0;
    const struct entry *entry = &ledger->entries[place];
    uintptr_t bytes = (uintptr_t)entry->bytes; /* of a place never used it is null */

    __builtin_prefetch((const void *)bytes, 1);
    __builtin_prefetch((const void *)(bytes + 64), 1);
    id_table_prefetch(&ledger->index, entry->hash);
}

static struct entry *entry_for(struct ledger *ledger, uint32_t hash, struct slice id)
{
    uint32_t place = id_table_find(&ledger->index, hash, id, entry_id, ledger->entries);
    if (place != ID_TABLE_NONE)
        return &ledger->entries[place];
    prefetch_oldest(ledger);
    place = ledger->next;
    ledger->next = place + 1 == ledger->max ? 0 : place + 1;
    struct entry *entry = &ledger->entries[place];
    if (entry->bytes)
        id_table_remove(&ledger->index, entry->hash, place);
    entry->hash = hash;
    id_table_insert(&ledger->index, hash, place);
    return entry;
}

/* Out of line: there is nearly always room. What was just learnt stays. */
static __attribute__((noinline)) void forget_oldest(struct ledger *ledger,
                                                    const struct entry *learnt)
{
    while (ledger->bytes > ledger->max_bytes) {
        struct entry *oldest = &ledger->entries[ledger->next];
        if (oldest == learnt)
            return;
        if (oldest->bytes) {
            id_table_remove(&ledger->index, oldest->hash, ledger->next);
            ledger->bytes -= oldest->capacity;
            free(oldest->bytes);
            *oldest = (struct entry){0};
        }
        ledger->next = ledger->next + 1 == ledger->max ? 0 : ledger->next + 1;
    }
}

void ledger_learn(struct ledger *ledger, struct slice id, enum record_place place,
                  struct slice bytes)
{
    ledger_learn_hashed(ledger, ledger_hash(ledger, id), id, place, bytes);
}

void ledger_learn_hashed(struct ledger *ledger, uint64_t hash, struct slice id,
                         enum record_place place, struct slice bytes)
{
    struct entry *entry = entry_for(ledger, id_hash_fold(hash), id);
    size_t size = id.size + (place == PLACE_NOWHERE ? 0 : bytes.size);
    if (entry->capacity < size || !entry->bytes) {
        ledger->bytes -= entry->capacity;
        entry->capacity = (uint32_t)((size + 15) & ~(size_t)15);
        ledger->bytes += entry->capacity;
        free(entry->bytes);
        entry->bytes = mem_alloc(entry->capacity);
    }
    memcpy(entry->bytes, id.data, id.size);
    if (size > id.size)
        memcpy(entry->bytes + id.size, bytes.data, bytes.size);
    entry->id_size = (uint8_t)id.size;
    entry->record_size = (uint32_t)(size - id.size);
    entry->place = (uint8_t)place;
    if (ledger->bytes > ledger->max_bytes)
        forget_oldest(ledger, entry);
}

bool ledger_find(const struct ledger *ledger, struct slice id, enum record_place *ret_place,
                 struct slice *ret_bytes)
{
    return ledger_find_hashed(ledger, ledger_hash(ledger, id), id, ret_place, ret_bytes);
}

bool ledger_find_hashed(const struct ledger *ledger, uint64_t hash, struct slice id,
                        enum record_place *ret_place, struct slice *ret_bytes)
{
    uint32_t place =
        id_table_find(&ledger->index, id_hash_fold(hash), id, entry_id, ledger->entries);
    if (place == ID_TABLE_NONE)
        return false;
    const struct entry *entry = &ledger->entries[place];
    *ret_place = (enum record_place)entry->place;
    *ret_bytes = (struct slice){entry->bytes + entry->id_size, entry->record_size};
    return true;
}

uint32_t ledger_count(const struct ledger *ledger)
{
    return ledger->index.used;
}

size_t ledger_memory_bytes(const struct ledger *ledger)
{
    return sizeof *ledger + ledger->max * sizeof *ledger->entries +
           ((size_t)ledger->index.mask + 1) * sizeof *ledger->index.slots + ledger->bytes;
}
