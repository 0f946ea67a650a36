/*
 * Ledger records. Bytes: refused, or exactly what encoding their meaning gives, since a commit
 * compares them byte for byte; and what a record says becomes facts, so other daemons must be able
 * to read those. Records made of the same input: read back as they were written.
 */
#include "fuzz.h"
#include "livetally/fact.h"
#include "livetally/mem.h"
#include "livetally/record.h"

#define BUILT_REFUNDS_MAX 4

/* In a block of just the promised size, so that the sanitizer sees a byte more. */
static void check_spelling(const struct record *record, struct slice bytes)
{
    size_t bound = record_bound(record);
    char *out = mem_alloc(bound);
    size_t size = record_encode(record, out);

    REQUIRE(bound <= RECORD_MAX_BYTES && size <= bound, "%zu bytes, bound %zu", size, bound);
    REQUIRE(slice_equal((struct slice){out, size}, bytes), "it has two spellings");
    free(out);
}

/* An order with its refunds, as the commit that counts them would put them into the feed. */
static void check_facts(const struct record *record)
{
    struct names *names = names_new();
    struct fact facts[1 + ORDER_REFUNDS_MAX];
    struct feed_entry entry = {.facts = facts, .fact_count = 1};
    struct buffer bytes = BUFFER_INIT;
    struct feed_reader reader;

    facts[0] = (struct fact){.kind = FACT_ORDER,
                             .host = names_intern(names, record->host),
                             .product = names_intern(names, record->product),
                             .session = names_intern(names, record->session),
                             .platform = names_intern(names, record->platform),
                             .county = record->county,
                             .quantity = record->quantity,
                             .amount = record->amount,
                             .time_ms = record->time_ms};
    for (uint32_t i = 0; i < record->refund_count; i++) {
        struct fact *fact = &facts[entry.fact_count++];
        *fact = facts[0];
        fact->kind = FACT_REFUND;
        fact->quantity = record->refunds[i].quantity;
        fact->amount = record->refunds[i].amount;
        fact->time_ms = record->refunds[i].time_ms;
    }
    feed_reader_init(&reader);
    feed_entry_encode(&bytes, names, &entry);
    REQUIRE(feed_reader_decode(&reader, names, buffer_slice(&bytes)) == 0,
            "its facts could not be read from the feed");
    feed_reader_done(&reader);
    buffer_done(&bytes);
    names_free(names);
}

static bool same_refund(const struct record_refund *a, const struct record_refund *b)
{
    return a->state == b->state && slice_equal(a->id, b->id) && slice_equal(a->host, b->host) &&
           a->amount == b->amount && a->quantity == b->quantity && a->time_ms == b->time_ms;
}

static void check_built(struct tape *tape)
{
    char ids[4 + 2 * BUILT_REFUNDS_MAX][ID_MAX_BYTES];
    char out[RECORD_MAX_BYTES];
    struct record record = {.has_order = tape_byte(tape) % 4 != 0}, again;

    if (record.has_order) {
        record.host = tape_id(tape, ids[0]);
        record.product = tape_id(tape, ids[1]);
        if (tape_byte(tape) % 2)
            record.session = tape_id(tape, ids[2]);
        if (tape_byte(tape) % 2)
            record.platform = tape_id(tape, ids[3]);
        record.county = tape_county(tape);
        record.quantity = tape_between(tape, 1, ORDER_QUANTITY_MAX);
        record.amount = tape_between(tape, 0, ORDER_AMOUNT_MAX);
        record.time_ms = tape_between(tape, 0, TIME_MAX_MS);
    }
    record.refund_count = (uint32_t)tape_between(tape, !record.has_order, BUILT_REFUNDS_MAX);
    for (uint32_t i = 0; i < record.refund_count; i++) {
        struct record_refund *refund = &record.refunds[i];
        refund->state = (enum refund_state)(tape_byte(tape) % (REFUND_VOID + 1));
        refund->id = tape_id(tape, ids[4 + 2 * i]);
        if (tape_byte(tape) % 2)
            refund->host = tape_id(tape, ids[5 + 2 * i]);
        refund->amount = tape_between(tape, 1, ORDER_AMOUNT_MAX);
        refund->quantity = tape_between(tape, 0, ORDER_QUANTITY_MAX);
        refund->time_ms = tape_between(tape, 0, TIME_MAX_MS);
    }
    size_t size = record_encode(&record, out);
    REQUIRE(record_decode((struct slice){out, size}, &again) == 0, "it is not read back");
    REQUIRE(again.has_order == record.has_order && again.county == record.county &&
                slice_equal(again.host, record.host) &&
                slice_equal(again.product, record.product) &&
                slice_equal(again.session, record.session) &&
                slice_equal(again.platform, record.platform) && again.quantity == record.quantity &&
                again.amount == record.amount && again.time_ms == record.time_ms &&
                again.refund_count == record.refund_count,
            "another order");
    for (uint32_t i = 0; i < record.refund_count; i++)
        REQUIRE(same_refund(&record.refunds[i], &again.refunds[i]), "refund %u is another", i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = fuzz_text(data, size);
    struct tape tape = {data, data + size};
    struct record record;

    if (record_decode(bytes, &record) == 0) {
        check_spelling(&record, bytes);
        if (record.has_order)
            check_facts(&record);
    }
    check_built(&tape);
    return 0;
}
