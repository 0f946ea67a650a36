/*
 * The ledger and the catalogs, page by page.
 */
#include "reading.h"

struct ledger_page {
    uint64_t generation;
    uint64_t *records; /* so far */
    const char *newer; /* key of the newer generation, or NULL */
};

/* The field by which the newer generation knows what is a field of the older one; in `room`, or the
 * field itself. */
static struct slice twin_of(const struct audit *audit, struct slice field,
                            char room[ORDER_FIELD_MAX_BYTES])
{
    const struct generations *generations = &audit->set.generations;
    char text[ORDER_FIELD_DIGITS_MAX];
    struct slice id;
    if (!audit_order_id(audit, generations->current - 1, field, text, &id))
        return field;
    struct slice twin =
        generation_is_packed(generations, generations->current) ? order_field_of(id, room) : id;
    return slice_equal(twin, field) ? field : twin;
}

/* Whether ids of the older generation stand in the newer one, too. */
static int look_for_twins(struct reading *reading, const char *newer, redisReply *const *pairs,
                          size_t count)
{
    struct error *error = reading->error;
    for (size_t i = 0; i < count; i++) {
        char room[ORDER_FIELD_MAX_BYTES];
        struct slice twin = twin_of(reading->audit, reply_text(pairs[2 * i]), room);
        int code =
            source_send(reading->source, error, "HEXISTS %s %b", newer, twin.data, twin.size);
        if (code)
            return code;
    }
    for (size_t i = 0; i < count; i++) {
        redisReply *reply = source_answer(reading->source, error);
        if (!reply)
            return ERROR_UNAVAILABLE;
        if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 1)
            audit_record_twice(reading->audit, reply_text(pairs[2 * i]));
        freeReplyObject(reply);
    }
    return 0;
}

static int records_read(struct reading *reading, const void *context, redisReply *const *pairs,
                        size_t count)
{
    const struct ledger_page *page = context;
    for (size_t i = 0; i < count; i++)
        audit_record(reading->audit, page->generation, reply_text(pairs[2 * i]),
                     reply_text(pairs[2 * i + 1]));
    *page->records += count;
    return page->newer ? look_for_twins(reading, page->newer, pairs, count) : 0;
}

/* A scan returns what is there at least once. More often: only if the hash changed its size. */
static int check_count(struct reading *reading, const char *key, uint64_t records)
{
    redisReply *reply = source_ask(reading->source, reading->error, "HLEN %s", key);
    if (!reply)
        return ERROR_UNAVAILABLE;
    if (reply->type != REDIS_REPLY_INTEGER || (uint64_t)reply->integer != records)
        reading->repeated = true;
    freeReplyObject(reply);
    return 0;
}

int reading_ledger(struct reading *reading)
{
    uint64_t generation = reading->state.generations.current;
    char current[KEY_MAX_BYTES], previous[KEY_MAX_BYTES];
    uint64_t current_records = 0, previous_records = 0;
    key_orders(&reading->keys, generation, current);
    key_orders(&reading->keys, generation - 1, previous);
    const struct ledger_page now = {generation, &current_records, NULL};
    const struct ledger_page before = {generation - 1, &previous_records, current};
    int code = reading_scan(reading, slice_of(current), "0", records_read, &now);
    if (!code)
        code = reading_scan(reading, slice_of(previous), "0", records_read, &before);
    if (!code)
        code = check_count(reading, current, current_records);
    if (!code)
        code = check_count(reading, previous, previous_records);
    return code;
}

static int entries_read(struct reading *reading, const void *context, redisReply *const *pairs,
                        size_t count)
{
    const enum catalog_kind *kind = context;
    for (size_t i = 0; i < count; i++)
        audit_catalog(reading->audit, *kind, reply_text(pairs[2 * i]),
                      reply_text(pairs[2 * i + 1]));
    return 0;
}

int reading_catalog(struct reading *reading)
{
    for (int i = 0; i < CATALOG_KIND_COUNT; i++) {
        const enum catalog_kind kind = (enum catalog_kind)i;
        char key[KEY_MAX_BYTES];
        key_catalog(&reading->keys, kind, key);
        int code = reading_scan(reading, slice_of(key), "0", entries_read, &kind);
        if (code)
            return code;
    }
    return 0;
}
