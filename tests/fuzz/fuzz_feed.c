/*
 * Feed entries. Bytes: refused, or exactly what encoding their meaning gives, by whatever numbers
 * the reader knows the ids. Facts made of the same input: read back as they were written.
 */
#include "fuzz.h"
#include "livetally/catalog.h"
#include "livetally/fact.h"

#define FACTS_MAX   8
#define CATALOG_MAX 3

static void check_bytes(struct slice bytes)
{
    struct names *names = names_new();
    struct names *other = names_new();
    struct buffer again = BUFFER_INIT;
    struct feed_reader reader;

    feed_reader_init(&reader);
    names_intern(other, SLICE("somebody-else"));
    if (feed_reader_decode(&reader, names, bytes) == 0) {
        REQUIRE(feed_reader_decode(&reader, other, bytes) == 0, "another reader refuses it");
        feed_entry_encode(&again, other, &reader.entry);
        REQUIRE(slice_equal(bytes, buffer_slice(&again)), "it has two spellings");
    } else {
        REQUIRE(reader.entry.fact_count == 0 && reader.entry.catalog_count == 0,
                "a part of what was refused is left");
    }
    feed_reader_done(&reader);
    buffer_done(&again);
    names_free(other);
    names_free(names);
}

static uint32_t take_name(struct tape *tape, struct names *names, bool required)
{
    char text[ID_MAX_BYTES];

    if (!required && tape_byte(tape) % 2 == 0)
        return 0;
    return names_intern(names, tape_id(tape, text));
}

static struct fact take_fact(struct tape *tape, struct names *names)
{
    struct fact fact = {.kind = tape_byte(tape) % 2 ? FACT_REFUND : FACT_ORDER};

    fact.host = take_name(tape, names, true);
    fact.product = take_name(tape, names, true);
    fact.session = take_name(tape, names, false);
    fact.platform = take_name(tape, names, false);
    fact.county = tape_county(tape);
    fact.quantity = tape_between(tape, fact.kind == FACT_ORDER, ORDER_QUANTITY_MAX);
    fact.amount = tape_between(tape, fact.kind == FACT_REFUND, ORDER_AMOUNT_MAX);
    fact.time_ms = tape_between(tape, 0, TIME_MAX_MS);
    return fact;
}

static bool same_fact(const struct fact *a, const struct fact *b)
{
    return a->kind == b->kind && a->host == b->host && a->product == b->product &&
           a->session == b->session && a->platform == b->platform && a->county == b->county &&
           a->quantity == b->quantity && a->amount == b->amount && a->time_ms == b->time_ms;
}

static void check_round_trip(struct names *names, const struct feed_entry *entry)
{
    struct buffer bytes = BUFFER_INIT;
    struct feed_reader reader;

    feed_reader_init(&reader);
    feed_entry_encode(&bytes, names, entry);
    REQUIRE(feed_reader_decode(&reader, names, buffer_slice(&bytes)) == 0, "it is not read back");
    REQUIRE(reader.entry.token == entry->token && reader.entry.fact_count == entry->fact_count &&
                reader.entry.catalog_count == entry->catalog_count,
            "another head");
    for (uint32_t i = 0; i < entry->fact_count; i++)
        REQUIRE(same_fact(&entry->facts[i], &reader.entry.facts[i]), "fact %u is another", i);
    for (uint32_t i = 0; i < entry->catalog_count; i++)
        REQUIRE(entry->catalog[i].kind == reader.entry.catalog[i].kind &&
                    slice_equal(entry->catalog[i].id, reader.entry.catalog[i].id) &&
                    slice_equal(entry->catalog[i].json, reader.entry.catalog[i].json),
                "catalog change %u is another", i);
    feed_reader_done(&reader);
    buffer_done(&bytes);
}

static void check_built(struct tape *tape)
{
    struct names *names = names_new();
    struct fact facts[FACTS_MAX];
    struct fact_catalog catalog[CATALOG_MAX];
    char ids[CATALOG_MAX][ID_MAX_BYTES];
    char json[CATALOG_JSON_MAX_BYTES];
    struct feed_entry entry = {.token = (uint64_t)tape_between(tape, INT64_MIN, INT64_MAX),
                               .facts = facts,
                               .fact_count = tape_byte(tape) % (FACTS_MAX + 1),
                               .catalog = catalog,
                               .catalog_count = tape_byte(tape) % (CATALOG_MAX + 1)};

    memset(json, 'j', sizeof(json));
    for (uint32_t i = 0; i < entry.fact_count; i++)
        facts[i] = take_fact(tape, names);
    for (uint32_t i = 0; i < entry.catalog_count; i++) {
        catalog[i].kind = tape_byte(tape) % CATALOG_KIND_COUNT;
        catalog[i].id = tape_id(tape, ids[i]);
        catalog[i].json = (struct slice){json, (size_t)tape_between(tape, 1, sizeof(json))};
    }
    check_round_trip(names, &entry);
    names_free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tape tape = {data, data + size};

    check_bytes(fuzz_text(data, size));
    check_built(&tape);
    return 0;
}
