/*
 * The catalog in memory: of each kind an array of items and a hash from ids to places in it. An
 * item is one block of memory: the decoded entry, then the id and the JSON that its slices point
 * to (and, when the JSON has escapes, a buffer with the plain texts). Items are replaced whole.
 */
#include "livetally/catalog.h"

#include <stdlib.h>

#include "id_table.h"
#include "livetally/error.h"
#include "livetally/mem.h"

struct item {
    struct catalog_entry entry;
    struct slice json;
    uint64_t change; /* catalog->changes when it was put */
    struct buffer plain;
    char bytes[];
};

struct shelf {
    struct id_table table;
    struct item **items;
    uint32_t count;
    uint32_t capacity;
};

struct catalog {
    struct shelf shelves[CATALOG_KIND_COUNT];
    uint32_t max_entries;
    const struct county_list *counties;
    size_t item_bytes; /* of all items */
    uint64_t changes;
    uint64_t cleared; /* `changes` when it was, last */
};

const char *const catalog_kind_names[CATALOG_KIND_COUNT] = {
#define X(name, wire) wire,
    CATALOG_KINDS(X)
#undef X
};

struct catalog *catalog_new(uint32_t max_entries)
{
    struct catalog *catalog = mem_zalloc(sizeof(*catalog));

    catalog->max_entries = max_entries;
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++)
        id_table_init(&catalog->shelves[kind].table, (uint64_t)(uintptr_t)catalog);
    return catalog;
}

void catalog_set_counties(struct catalog *catalog, const struct county_list *counties)
{
    catalog->counties = counties;
}

static size_t item_memory_bytes(const struct item *item)
{
    return sizeof(*item) + item->entry.id.size + item->json.size + item->plain.capacity;
}

static void item_free(struct item *item)
{
    if (item == NULL)
        return;
    buffer_done(&item->plain);
    free(item);
}

void catalog_clear(struct catalog *catalog)
{
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++) {
        struct shelf *shelf = &catalog->shelves[kind];
        for (uint32_t i = 0; i < shelf->count; i++)
            item_free(shelf->items[i]);
        shelf->count = 0;
        id_table_clear(&shelf->table);
    }
    catalog->item_bytes = 0;
    catalog->cleared = ++catalog->changes;
}

void catalog_free(struct catalog *catalog)
{
    if (catalog == NULL)
        return;
    catalog_clear(catalog);
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++) {
        id_table_done(&catalog->shelves[kind].table);
        free(catalog->shelves[kind].items);
    }
    free(catalog);
}

uint32_t catalog_count(const struct catalog *catalog, enum catalog_kind kind)
{
    return catalog->shelves[kind].count;
}

bool catalog_full(const struct catalog *catalog, enum catalog_kind kind)
{
    return catalog->shelves[kind].count >= catalog->max_entries;
}

uint64_t catalog_changes(const struct catalog *catalog)
{
    return catalog->changes;
}

static struct slice id_at(const void *array, uint32_t place)
{
    struct item *const *items = array;
    return items[place]->entry.id;
}

static uint32_t find_place(const struct shelf *shelf, struct slice id)
{
    return id_table_find(&shelf->table, id_table_hash(&shelf->table, id), id, id_at, shelf->items);
}

const struct catalog_entry *catalog_find(const struct catalog *catalog, enum catalog_kind kind,
                                         struct slice id)
{
    const struct shelf *shelf = &catalog->shelves[kind];
    uint32_t place = find_place(shelf, id);
    return place == ID_TABLE_NONE ? NULL : &shelf->items[place]->entry;
}

bool catalog_changed_since(const struct catalog *catalog, enum catalog_kind kind, struct slice id,
                           uint64_t changes)
{
    const struct shelf *shelf = &catalog->shelves[kind];
    uint32_t place;

    if (catalog->changes == changes)
        return false;
    if (catalog->cleared > changes)
        return true;
    place = find_place(shelf, id);
    return place != ID_TABLE_NONE && shelf->items[place]->change > changes;
}

struct slice catalog_json(const struct catalog *catalog, enum catalog_kind kind, struct slice id)
{
    const struct shelf *shelf = &catalog->shelves[kind];
    uint32_t place = find_place(shelf, id);
    return place == ID_TABLE_NONE ? (struct slice){NULL, 0} : shelf->items[place]->json;
}

/* Copies id and JSON into a new item and decodes it there; NULL when the JSON is no entry. */
static struct item *item_new(enum catalog_kind kind, struct slice id, struct slice json)
{
    struct item *item = mem_alloc(sizeof(*item) + id.size + json.size);
    struct slice own_id = {item->bytes, id.size};

    memcpy(item->bytes, id.data, id.size);
    memcpy(item->bytes + id.size, json.data, json.size);
    item->json = (struct slice){item->bytes + id.size, json.size};
    item->plain = BUFFER_INIT;
    if (catalog_entry_read(kind, own_id, item->json, &item->plain, &item->entry) < 0) {
        item_free(item);
        return NULL;
    }
    return item;
}

int catalog_put(struct catalog *catalog, enum catalog_kind kind, struct slice id, struct slice json)
{
    struct shelf *shelf = &catalog->shelves[kind];
    uint32_t place = find_place(shelf, id);
    struct item *item;

    if (!id_ok(id) || json.size == 0 || json.size > CATALOG_JSON_MAX_BYTES)
        return ERROR_CORRUPT;
    if (place != ID_TABLE_NONE && slice_equal(shelf->items[place]->json, json))
        return 0;
    item = item_new(kind, id, json);
    if (item == NULL)
        return ERROR_CORRUPT;
    item->entry.county = county_now(catalog->counties, item->entry.county);
    if (place != ID_TABLE_NONE) {
        catalog->item_bytes -= item_memory_bytes(shelf->items[place]);
        item_free(shelf->items[place]);
        shelf->items[place] = item;
    } else {
        if (shelf->count == shelf->capacity) {
            shelf->capacity = shelf->capacity ? shelf->capacity * 2 : 16;
            shelf->items = mem_resize(shelf->items, shelf->capacity, sizeof(struct item *));
        }
        shelf->items[shelf->count] = item;
        id_table_insert(&shelf->table, id_table_hash(&shelf->table, id), shelf->count++);
    }
    catalog->item_bytes += item_memory_bytes(item);
    item->change = ++catalog->changes;
    return 0;
}

size_t catalog_memory_bytes(const struct catalog *catalog)
{
    size_t bytes = sizeof(*catalog) + catalog->item_bytes;

    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++) {
        const struct shelf *shelf = &catalog->shelves[kind];

        bytes += shelf->capacity * sizeof(struct item *) +
                 ((size_t)shelf->table.mask + 1) * sizeof(*shelf->table.slots);
    }
    return bytes;
}
