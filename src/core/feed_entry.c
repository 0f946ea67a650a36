/*
 * Writing feed entries: once per commit, on the hot path. Reading them is in feed_reader.c.
 *
 * Ids stand in an entry once and are referred to by their place, in order of first use. They are
 * numbered with a small hash table from names numbers to places, so that an entry of thousands of
 * facts (an order that meets parked refunds makes many) costs no more per fact than a small one.
 */
#include <stdlib.h>

#include "feed_entry.h"
#include "livetally/fact.h"
#include "livetally/mem.h"
#include "varint.h"

#define HEAD_MAX_BYTES (1 + 2 * VARINT_MAX_BYTES)
/* Five 32-bit varints, three 64-bit ones and the kind. */
#define FACT_MAX_BYTES (1 + 5 * 5 + 3 * VARINT_MAX_BYTES)

/* From names numbers to places in an entry, from 1. */
struct place_table {
    uint32_t *slots; /* place, 0 = free */
    uint32_t mask;
    uint32_t *numbers; /* [place - 1] */
    uint32_t count;
};

static uint32_t slots_for(size_t ids)
{
    uint32_t slots = 16;

    while (slots < ids * 2)
        slots *= 2;
    return slots;
}

/* The number's place; a new one gets the next. */
static uint32_t place_of(struct place_table *table, uint32_t number)
{
    uint32_t at = (number * UINT32_C(0x9e3779b1) >> 7) & table->mask;

    while (table->slots[at] != 0) {
        if (table->numbers[table->slots[at] - 1] == number)
            return table->slots[at];
        at = (at + 1) & table->mask;
    }
    table->numbers[table->count] = number;
    table->slots[at] = ++table->count;
    return table->count;
}

static uint32_t place_or_none(struct place_table *table, uint32_t number)
{
    return number == 0 ? 0 : place_of(table, number);
}

static void write_varint(struct buffer *out, uint64_t value)
{
    char *at = buffer_reserve(out, VARINT_MAX_BYTES);
    out->size += (size_t)(varint_put(at, value) - at);
}

static void write_string(struct buffer *out, struct slice text)
{
    write_varint(out, text.size);
    buffer_append_slice(out, text);
}

static void write_strings(struct buffer *out, const struct names *names,
                          const struct place_table *table)
{
    write_varint(out, table->count);
    for (uint32_t i = 0; i < table->count; i++) {
        struct slice id = names_text(names, table->numbers[i]);
        char *at = buffer_reserve(out, 1 + id.size);
        *at = (char)id.size;
        memcpy(at + 1, id.data, id.size);
        out->size += 1 + id.size;
    }
}

static void write_facts(struct buffer *out, const struct feed_entry *entry, int64_t base_ms,
                        const uint32_t *places)
{
    write_varint(out, entry->fact_count);
    for (uint32_t i = 0; i < entry->fact_count; i++, places += IDS_PER_FACT) {
        const struct fact *fact = &entry->facts[i];
        char *start = buffer_reserve(out, FACT_MAX_BYTES);
        char *at = start;
        *at++ = (char)fact->kind;
        at = varint_put(at, places[0]);
        at = varint_put(at, fact->county);
        at = varint_put(at, places[1]);
        at = varint_put(at, places[2]);
        at = varint_put(at, places[3]);
        at = varint_put(at, (uint64_t)fact->quantity);
        at = varint_put(at, (uint64_t)fact->amount);
        at = varint_put(at, zigzag_encode(fact->time_ms - base_ms));
        out->size += (size_t)(at - start);
    }
}

static void write_catalog(struct buffer *out, const struct feed_entry *entry)
{
    write_varint(out, entry->catalog_count);
    for (uint32_t i = 0; i < entry->catalog_count; i++) {
        buffer_append_byte(out, (char)entry->catalog[i].kind);
        write_string(out, entry->catalog[i].id);
        write_string(out, entry->catalog[i].json);
    }
}

void feed_entry_encode(struct buffer *out, const struct names *names,
                       const struct feed_entry *entry)
{
    size_t uses = (size_t)entry->fact_count * IDS_PER_FACT;
    uint32_t slot_count = slots_for(uses);
    uint32_t *memory = mem_zalloc((slot_count + 2 * uses) * sizeof(*memory));
    struct place_table table = {
        .slots = memory, .mask = slot_count - 1, .numbers = memory + slot_count, .count = 0};
    uint32_t *places = table.numbers + uses;
    int64_t base_ms = entry->fact_count > 0 ? entry->facts[0].time_ms : 0;
    char *at;

    for (uint32_t i = 0; i < entry->fact_count; i++) {
        const struct fact *fact = &entry->facts[i];
        uint32_t *own = places + (size_t)i * IDS_PER_FACT;
        own[0] = place_or_none(&table, fact->host);
        own[1] = place_or_none(&table, fact->product);
        own[2] = place_or_none(&table, fact->session);
        own[3] = place_or_none(&table, fact->platform);
    }
    at = buffer_reserve(out, HEAD_MAX_BYTES);
    *at = FEED_VERSION;
    at = varint_put(at + 1, entry->token);
    at = varint_put(at, (uint64_t)base_ms);
    out->size = (size_t)(at - out->data);
    write_strings(out, names, &table);
    write_facts(out, entry, base_ms, places);
    write_catalog(out, entry);
    free(memory);
}
