/*
 * The ledger's side: each record is held against the rules it must keep, then what it says was sold
 * and given back is added to every cell it belongs in.
 */
#include "audit.h"

#include <inttypes.h>
#include <stdio.h>

#include "livetally/event.h"

void audit_init(struct audit *audit, const struct data_set *set, uint32_t findings_kept)
{
    *audit = (struct audit){.set = *set, .names = names_new()};
    tally_init(&audit->tally);
    findings_init(&audit->findings, findings_kept);
    feed_reader_init(&audit->reader);
}

void audit_done(struct audit *audit)
{
    feed_reader_done(&audit->reader);
    findings_done(&audit->findings);
    tally_done(&audit->tally);
    names_free(audit->names);
    buffer_done(&audit->key);
    buffer_done(&audit->field);
    buffer_done(&audit->scratch);
}

static bool same_refund_twice(const struct record *record)
{
    for (uint32_t i = 0; i < record->refund_count; i++)
        for (uint32_t k = i + 1; k < record->refund_count; k++)
            if (slice_equal(record->refunds[i].id, record->refunds[k].id))
                return true;
    return false;
}

/* Form and bounds of each part are the codec's; this is what parts must be to each other. */
const char *audit_record_problem(const struct record *record)
{
    int64_t amount = 0, quantity = 0;
    uint32_t parked = 0, staying_host = 0;
    for (uint32_t i = 0; i < record->refund_count; i++) {
        const struct record_refund *refund = &record->refunds[i];
        parked += refund->state == REFUND_PARKED;
        staying_host += refund->host.size > 0 && refund->state != REFUND_PARKED;
        if (refund->state == REFUND_APPLIED) {
            amount += refund->amount;
            quantity += refund->quantity;
        }
    }
    if (same_refund_twice(record))
        return "two refunds of one id";
    if (!record->has_order)
        return parked == record->refund_count ? NULL : "a refund is settled, but has no order";
    if (parked)
        return "a refund still waits, though its order is there";
    if (staying_host)
        return "a settled refund has a host of its own";
    if (amount > record->amount)
        return "more is refunded than was paid";
    if (quantity > record->quantity)
        return "more units are returned than were sold";
    return NULL;
}

static void count(struct audit *audit, const struct fact *fact)
{
    struct tally_key keys[AUDIT_CELLS_MAX];
    struct metrics metrics = audit_metrics_of(fact);
    uint32_t cells = audit_cells_of(audit, fact, keys);
    for (uint32_t i = 0; i < cells; i++)
        tally_add(&tally_open(&audit->tally, keys[i])->want, &metrics);
    if (fact->time_ms > audit->newest_ms)
        audit->newest_ms = fact->time_ms;
}

static void count_record(struct audit *audit, const struct record *record)
{
    struct fact fact = {
        .kind = FACT_ORDER,
        .host = names_intern(audit->names, record->host),
        .product = names_intern(audit->names, record->product),
        .session = names_intern(audit->names, record->session),
        .platform = names_intern(audit->names, record->platform),
        .county = record->county,
        .quantity = record->quantity,
        .amount = record->amount,
        .time_ms = record->time_ms,
    };
    count(audit, &fact);
    fact.kind = FACT_REFUND;
    for (uint32_t i = 0; i < record->refund_count; i++) {
        if (record->refunds[i].state != REFUND_APPLIED)
            continue;
        fact.quantity = record->refunds[i].quantity;
        fact.amount = record->refunds[i].amount;
        fact.time_ms = record->refunds[i].time_ms;
        count(audit, &fact);
    }
}

static void count_states(struct audit_counts *counts, const struct record *record)
{
    if (record->has_order)
        counts->orders++;
    else
        counts->stubs++;
    for (uint32_t i = 0; i < record->refund_count; i++) {
        enum refund_state state = record->refunds[i].state;
        counts->refunds += state == REFUND_APPLIED;
        counts->refunds_parked += state == REFUND_PARKED;
        counts->refunds_void += state == REFUND_VOID;
    }
}

bool audit_order_id(const struct audit *audit, uint64_t generation, struct slice field,
                    char room[ORDER_FIELD_DIGITS_MAX], struct slice *ret_id)
{
    *ret_id = field;
    if (generation_is_packed(&audit->set.generations, generation))
        return order_field_read(field, room, ret_id) == 0; /* which on failure leaves it */
    return id_ok(field);
}

/* Either is made anew from the other, should somebody delete it: by a wrong one, orders would be
 * looked for in the other spelling, and count again. */
void audit_data_set(struct audit *audit)
{
    const struct data_set *set = &audit->set;
    char text[GENERATIONS_TEXT_MAX];
    if (set->packed_from == set->generations.packed_from)
        return;
    generations_write(&set->generations, text);
    findings_add(&audit->findings, "packed", SLICE("meta"), SLICE("packed_from"),
                 "is not what generation says behind its colon: %s", text);
}

void audit_record(struct audit *audit, uint64_t generation, struct slice field, struct slice bytes)
{
    char key[40], room[ORDER_FIELD_DIGITS_MAX];
    int size = snprintf(key, sizeof key, "orders:%" PRIu64, generation);
    struct slice where = {key, (size_t)size}, id;
    if (!audit_order_id(audit, generation, field, room, &id))
        findings_add(&audit->findings, "record", where, id, "this is no order id");
    if (record_decode(bytes, &audit->record) != 0) {
        findings_add(&audit->findings, "record", where, id, "the record is unreadable");
        return;
    }
    const char *problem = audit_record_problem(&audit->record);
    if (problem)
        findings_add(&audit->findings, "record", where, id, "%s", problem);
    count_states(&audit->counts, &audit->record);
    if (audit->record.has_order)
        count_record(audit, &audit->record);
}

void audit_record_twice(struct audit *audit, struct slice field)
{
    char key[40], room[ORDER_FIELD_DIGITS_MAX];
    struct slice id;
    (void)audit_order_id(audit, audit->set.generations.current - 1, field, room, &id);
    int size = snprintf(key, sizeof key, "orders:%" PRIu64, audit->set.generations.current - 1);
    findings_add(&audit->findings, "twice", (struct slice){key, (size_t)size}, id,
                 "stands in orders:%" PRIu64 " too", audit->set.generations.current);
}

void audit_catalog(struct audit *audit, enum catalog_kind kind, struct slice id, struct slice json)
{
    struct catalog_entry entry;
    char key[40];
    int size = snprintf(key, sizeof key, "catalog:%s", catalog_kind_names[kind]);
    audit->counts.catalog++;
    buffer_reset(&audit->scratch);
    if (!id_ok(id) || catalog_entry_read(kind, id, json, &audit->scratch, &entry) != 0)
        findings_add(&audit->findings, "catalog", (struct slice){key, (size_t)size}, id,
                     "the entry is unreadable");
}
