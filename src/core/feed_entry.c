/*
 * Feed entries: written once per commit on the hot path, read by every other daemon and at start.
 *
 * Ids stand in an entry once and are referred to by their place, in order of first use. Both sides
 * number them with a small hash table from names numbers to places, so that an entry of thousands
 * of facts (an order that meets parked refunds makes many) costs no more per fact than a small one.
 *
 * Each commit has one spelling only. The reader checks that what it got is that spelling: shortest
 * varints, every id used, in order, none twice. So whatever decodes also encodes to the same bytes.
 */
#include <stdlib.h>

#include "livetally/catalog.h"
#include "livetally/county.h"
#include "livetally/error.h"
#include "livetally/event.h"
#include "livetally/fact.h"
#include "livetally/mem.h"
#include "varint.h"

#define FEED_VERSION   1
#define IDS_PER_FACT   4u
#define HEAD_MAX_BYTES (1 + 2 * VARINT_MAX_BYTES)
/* Five 32-bit varints, three 64-bit ones and the kind. */
#define FACT_MAX_BYTES (1 + 5 * 5 + 3 * VARINT_MAX_BYTES)
/* Nothing that is counted is shorter than this; so counts are bounded by the bytes left. */
#define STRING_MIN_BYTES  2u
#define FACT_MIN_BYTES    11u
#define CATALOG_MIN_BYTES 5u

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

/* What is left to decode, and how many ids were used so far. */
struct feed_input {
    const char *at;
    const char *end;
    uint32_t string_count;
    uint32_t strings_used;
};

static size_t bytes_left(const struct feed_input *in)
{
    return (size_t)(in->end - in->at);
}

static bool read_varint(struct feed_input *in, uint64_t max, uint64_t *ret_value)
{
    uint64_t value;

    if (!varint_get(&in->at, in->end, &value) || value > max)
        return false;
    *ret_value = value;
    return true;
}

static bool read_count(struct feed_input *in, size_t min_bytes, uint32_t *ret_count)
{
    uint64_t count;

    if (!read_varint(in, UINT32_MAX / IDS_PER_FACT, &count) || count > bytes_left(in) / min_bytes)
        return false;
    *ret_count = (uint32_t)count;
    return true;
}

static bool read_text(struct feed_input *in, size_t max, struct slice *ret_text)
{
    uint64_t size;

    if (!read_varint(in, max, &size) || size > bytes_left(in))
        return false;
    *ret_text = (struct slice){in->at, (size_t)size};
    in->at += size;
    return true;
}

/* Interns the ids into reader->numbers, refusing one that stands there twice. */
static bool read_strings(struct feed_input *in, struct feed_reader *reader, struct names *names)
{
    uint32_t slot_count;
    struct place_table table = {0};
    bool ok = true;

    if (!read_count(in, STRING_MIN_BYTES, &in->string_count))
        return false;
    if (reader->number_capacity < in->string_count) {
        reader->numbers = mem_resize(reader->numbers, in->string_count, sizeof(*reader->numbers));
        reader->number_capacity = in->string_count;
    }
    slot_count = slots_for(in->string_count);
    table.slots = mem_zalloc(slot_count * sizeof(*table.slots));
    table.mask = slot_count - 1;
    table.numbers = reader->numbers;
    for (uint32_t i = 0; ok && i < in->string_count; i++) {
        struct slice id;
        ok = read_text(in, ID_MAX_BYTES, &id) && id_ok(id) &&
             place_of(&table, names_intern(names, id)) == i + 1;
    }
    free(table.slots);
    return ok;
}

/* Ids appear in order of first use: a place is at most one beyond those seen so far. */
static bool read_place(struct feed_input *in, const struct feed_reader *reader, bool required,
                       uint32_t *ret_number)
{
    uint64_t place;

    if (!read_varint(in, in->string_count, &place))
        return false;
    if (place == 0) {
        *ret_number = 0;
        return !required;
    }
    if (place > in->strings_used + UINT64_C(1))
        return false;
    if (place > in->strings_used)
        in->strings_used = (uint32_t)place;
    *ret_number = reader->numbers[place - 1];
    return true;
}

static bool read_fact(struct feed_input *in, const struct feed_reader *reader, int64_t base_ms,
                      struct fact *fact)
{
    uint64_t county;
    uint64_t quantity;
    uint64_t amount;
    uint64_t time;
    int64_t offset_ms;

    if (in->at == in->end)
        return false;
    *fact = (struct fact){.kind = (uint8_t)*in->at++};
    if (!read_place(in, reader, true, &fact->host) || !read_varint(in, 999999, &county) ||
        !read_place(in, reader, true, &fact->product) ||
        !read_place(in, reader, false, &fact->session) ||
        !read_place(in, reader, false, &fact->platform) ||
        !read_varint(in, ORDER_QUANTITY_MAX, &quantity) ||
        !read_varint(in, ORDER_AMOUNT_MAX, &amount) || !read_varint(in, UINT64_MAX, &time))
        return false;
    offset_ms = zigzag_decode(time);
    if (offset_ms < -base_ms || offset_ms > TIME_MAX_MS - base_ms)
        return false;
    fact->county = (uint32_t)county;
    fact->quantity = (int64_t)quantity;
    fact->amount = (int64_t)amount;
    fact->time_ms = base_ms + offset_ms;
    if (!county_form_ok(fact->county))
        return false;
    if (fact->kind == FACT_ORDER)
        return quantity > 0;
    return fact->kind == FACT_REFUND && amount > 0;
}

static bool read_facts(struct feed_input *in, struct feed_reader *reader, int64_t base_ms)
{
    uint32_t count;

    if (!read_count(in, FACT_MIN_BYTES, &count))
        return false;
    if (reader->fact_capacity < count) {
        reader->facts = mem_resize(reader->facts, count, sizeof(*reader->facts));
        reader->fact_capacity = count;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!read_fact(in, reader, base_ms, &reader->facts[i]))
            return false;
    if ((count > 0 ? reader->facts[0].time_ms : 0) != base_ms)
        return false;
    reader->entry.fact_count = count;
    return in->strings_used == in->string_count;
}

static bool read_catalog(struct feed_input *in, struct feed_reader *reader)
{
    uint32_t count;

    if (!read_count(in, CATALOG_MIN_BYTES, &count))
        return false;
    if (reader->catalog_capacity < count) {
        reader->catalog = mem_resize(reader->catalog, count, sizeof(*reader->catalog));
        reader->catalog_capacity = count;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct fact_catalog *change = &reader->catalog[i];
        if (in->at == in->end)
            return false;
        change->kind = (uint8_t)*in->at++;
        if (change->kind >= CATALOG_KIND_COUNT || !read_text(in, ID_MAX_BYTES, &change->id) ||
            !id_ok(change->id) || !read_text(in, CATALOG_JSON_MAX_BYTES, &change->json) ||
            change->json.size == 0)
            return false;
    }
    reader->entry.catalog_count = count;
    return true;
}

void feed_reader_init(struct feed_reader *reader)
{
    *reader = (struct feed_reader){0};
}

void feed_reader_done(struct feed_reader *reader)
{
    free(reader->facts);
    free(reader->catalog);
    free(reader->numbers);
    feed_reader_init(reader);
}

int feed_reader_decode(struct feed_reader *reader, struct names *names, struct slice bytes)
{
    struct feed_input in = {.at = bytes.data, .end = NULL};
    uint64_t base_ms;

    reader->entry = (struct feed_entry){0};
    if (bytes.size == 0 || *bytes.data != FEED_VERSION)
        return ERROR_CORRUPT;
    in.at = bytes.data + 1;
    in.end = bytes.data + bytes.size;
    if (!read_varint(&in, UINT64_MAX, &reader->entry.token) ||
        !read_varint(&in, TIME_MAX_MS, &base_ms) || !read_strings(&in, reader, names) ||
        !read_facts(&in, reader, (int64_t)base_ms) || !read_catalog(&in, reader) ||
        in.at != in.end) {
        reader->entry = (struct feed_entry){0};
        return ERROR_CORRUPT;
    }
    reader->entry.facts = reader->facts;
    reader->entry.catalog = reader->catalog;
    return 0;
}
