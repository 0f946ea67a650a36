/*
 * What ids mean: names of hosts, products and sessions, and the defaults that orders take from
 * them. Entries are upserts: the newest `time` wins, fields left out keep their value. A session's
 * host and a product's county are fixed by the first registration that states them.
 *
 * In Redis an entry is one field of the hash catalog:<kind>, its value compact JSON with the
 * protocol's field names. All of it is in memory: new registrations are refused beyond
 * max_entries of a kind (catalog_full), but what Redis has is always taken, or daemons would see
 * different data.
 */
#ifndef LIVETALLY_CATALOG_H
#define LIVETALLY_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/county.h"
#include "livetally/event.h"
#include "livetally/slice.h"

/* name, wire name (also the end of the Redis key), event type */
#define CATALOG_KINDS(X)                                                                           \
    X(HOST, "host")                                                                                \
    X(PRODUCT, "product")                                                                          \
    X(SESSION, "session")

enum catalog_kind {
#define X(name, wire) CATALOG_##name,
    CATALOG_KINDS(X)
#undef X
        CATALOG_KIND_COUNT
};

extern const char *const catalog_kind_names[CATALOG_KIND_COUNT];

/* Absent: slice.data == NULL, county 0, times and goal with their bit missing in `stated`. */
struct catalog_entry {
    enum catalog_kind kind;
    uint32_t stated; /* EVENT_HAS_STARTS_AT, _ENDS_AT, _GOAL */
    uint32_t county; /* product */
    struct slice id;
    struct slice name;     /* host or product name, session title */
    struct slice unit;     /* product */
    struct slice host_id;  /* session */
    struct slice platform; /* session */
    int64_t starts_at_ms;
    int64_t ends_at_ms;
    int64_t goal;
    int64_t revision; /* of its changes, from 1; 0: written before they were numbered */
    int64_t time_ms;  /* of the newest upsert */
};

/* No entry's JSON is longer: three texts of NAME_MAX_BYTES escaped, two ids, four numbers. */
#define CATALOG_JSON_MAX_BYTES 1024

struct catalog;

struct catalog *catalog_new(uint32_t max_entries);
/* Before any entry is put; borrowed. A product of a county that was retired since is then of the
 * one that it counts under. */
void catalog_set_counties(struct catalog *catalog, const struct county_list *counties);
void catalog_free(struct catalog *catalog);
void catalog_clear(struct catalog *catalog);
uint32_t catalog_count(const struct catalog *catalog, enum catalog_kind kind);
size_t catalog_memory_bytes(const struct catalog *catalog);
bool catalog_full(const struct catalog *catalog, enum catalog_kind kind);

/* NULL: not known here. The entry lives until it is next put or the catalog is cleared. */
const struct catalog_entry *catalog_find(const struct catalog *catalog, enum catalog_kind kind,
                                         struct slice id);
/* The stored JSON, or an absent slice; same life. */
struct slice catalog_json(const struct catalog *catalog, enum catalog_kind kind, struct slice id);
/*
 * Stores a value as read from Redis or from a feed, replacing what was there. ERROR_CORRUPT when it
 * isn't one.
 */
int catalog_put(struct catalog *catalog, enum catalog_kind kind, struct slice id,
                struct slice json);
/* Counts changes, so that readers can tell whether names they showed may have changed. */
uint64_t catalog_changes(const struct catalog *catalog);
/* What catalog_find() finds is not what it found, or didn't, when there were `changes` changes. */
bool catalog_changed_since(const struct catalog *catalog, enum catalog_kind kind, struct slice id,
                           uint64_t changes);

enum catalog_outcome {
    CATALOG_UNCHANGED, /* equal, or older than what is stored: a duplicate */
    CATALOG_CHANGED,
    CATALOG_CONFLICT, /* another host of a session, or county of a product */
};

/*
 * Merges an upsert over the current entry (NULL: none yet). On CHANGED the new JSON is appended to
 * *json. Pure: neither the entry nor a catalog is changed. On CONFLICT *ret_field names the field.
 *
 * Equal content of a newer stated time is a change (of the time); without a stated time it is not,
 * or every blind retry would be one. A conflict is one whatever the time.
 */
enum catalog_outcome catalog_merge(const struct catalog_entry *current, const struct event *event,
                                   struct buffer *json, const char **ret_field);
/* Decodes JSON as written by catalog_merge; slices point into json or into *scratch. */
int catalog_entry_read(enum catalog_kind kind, struct slice id, struct slice json,
                       struct buffer *scratch, struct catalog_entry *ret_entry);

#endif
