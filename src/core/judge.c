/*
 * Judging: PROTOCOL's rules for one event, given all that came before it. Order of the rules:
 * the ledger first (duplicate or conflict), then defaults, then bounds. Nothing here writes to the
 * ledger or the catalog; it fills the batch's overlay. Where a decision hangs on something this
 * daemon merely has not seen, the absence is touched too, so that the commit script verifies it.
 */
#include <string.h>

#include "batch_private.h"
#include "livetally/grant.h"
#include "livetally/verdict.h"
#include "refunds.h"

struct judging {
    struct batch *batch;
    const struct judge *judge;
    struct post *post;
    const struct event *event;
    const struct event_hashes *hashes;
};

static void reject(const struct judging *j, enum rejection_code code, const char *field,
                   const char *text)
{
    const struct event *event = j->event;
    struct slice id = event->type == EVENT_REFUND    ? event->refund_id
                      : event->type == EVENT_ORDER   ? event->order_id
                      : event->type == EVENT_SESSION ? event->session_id
                      : event->type == EVENT_PRODUCT ? event->product_id
                                                     : event->host_id;
    rejection_set(message_reject(&j->post->message, event->index), code, field, id, "%s", text);
}

static bool differs(struct slice stated, struct slice recorded)
{
    return stated.data && !id_equal(stated, recorded);
}

/* A catalog entry as this event sees it: committed, or changed earlier in this batch. */
static const struct catalog_entry *look(const struct judging *j, enum catalog_kind kind,
                                        struct slice id, struct catalog_entry *room)
{
    const struct catalog_touch *touch = batch_catalog_find(j->batch, kind, id);
    if (!touch)
        return catalog_find(j->judge->catalog, kind, id);
    if (!touch->changed)
        return touch->assumed.data ? catalog_find(j->judge->catalog, kind, id) : NULL;
    struct buffer *scratch = &j->batch->scratch[kind == CATALOG_SESSION];
    buffer_reset(scratch);
    return catalog_entry_read(kind, id, touch->next, scratch, room) == 0 ? room : NULL;
}

/* The commit has to find this entry as we know it: absent, or without what was looked for. */
static void verify(const struct judging *j, enum catalog_kind kind, struct slice id)
{
    (void)batch_catalog_touch(j->batch, j->judge, kind, id);
}

/* The touch of the event's order, its record decoded into batch->record. NULL: rejected. */
static struct touch *open_record(const struct judging *j)
{
    struct record *record = &j->batch->record;
    bool known;
    struct touch *touch =
        batch_touch(j->batch, j->judge, j->event->order_id, j->hashes->order, &known);
    if (!touch->next.data) {
        record->has_order = false;
        record->refund_count = 0;
    } else if (record_decode(touch->next, record) != 0) {
        reject(j, REJECT_CONFLICT, "order_id", "the ledger holds something unreadable here");
        return NULL;
    }
    return touch;
}

/* --- what the token allows ---------------------------------------------------------------- */

static bool is_limited(const struct post *post)
{
    return post->grant && grant_limits_hosts(post->grant);
}

bool judge_may_ask(const struct post *post, const struct event *event)
{
    return !is_limited(post) || grant_may_post(post->grant, event->host_id);
}

/* False: it is rejected. */
static bool host_allowed(const struct judging *j, struct slice host)
{
    if (grant_may_post(j->post->grant, host))
        return true;
    reject(j, REJECT_FORBIDDEN_HOST, "host_id", "this token is not for that host");
    return false;
}

/*
 * Whoever is limited to hosts is asked for one of them before the ledger is: so what stands there
 * of other hosts' orders changes no answer, but for the one thing that can't be hidden, that an id
 * is taken. An order may leave its host to a session that is known; then that one counts.
 */
static bool may_post(const struct judging *j)
{
    const struct event *event = j->event;
    if (!is_limited(j->post) || event->type == EVENT_PRODUCT)
        return true;
    if (event->host_id.data)
        return host_allowed(j, event->host_id);
    if (event->type == EVENT_REFUND) {
        reject(j, REJECT_MISSING_FIELD, "host_id", "a refund needs host_id with this token");
        return false;
    }
    struct catalog_entry room;
    const struct catalog_entry *session = look(j, CATALOG_SESSION, event->session_id, &room);
    if (session)
        return host_allowed(j, session->host_id);
    verify(j, CATALOG_SESSION, event->session_id);
    reject(j, REJECT_UNKNOWN_SESSION, "session_id",
           "host_id is required: this session is not registered");
    return false;
}

/* --- bounds ------------------------------------------------------------------------------- */

static inline bool refuses_id(const struct judging *j, enum dimension dimension, struct slice id)
{
    const struct census *census = j->judge->census;
    if (!id.size || !census_full(census, dimension))
        return false;
    return !census_seen(census, dimension, names_find(j->judge->names, id));
}

static const char *refused_id(const struct judging *j, const struct record *record)
{
    const struct census *census = j->judge->census;
    if (refuses_id(j, DIMENSION_HOST, record->host))
        return "host_id";
    if (refuses_id(j, DIMENSION_PRODUCT, record->product))
        return "product_id";
    if (refuses_id(j, DIMENSION_SESSION, record->session))
        return "session_id";
    if (refuses_id(j, DIMENSION_PLATFORM, record->platform))
        return "platform";
    if (census_full(census, DIMENSION_COUNTY) &&
        !census_seen(census, DIMENSION_COUNTY, record->county))
        return "county";
    return NULL;
}

static bool overflows(const struct judging *j, const struct metrics *delta)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        int64_t total = j->judge->lane_total.v[m] + j->batch->metrics.v[m];
        if (delta->v[m] > LANE_TOTAL_MAX - total)
            return true;
    }
    return false;
}

/* --- facts -------------------------------------------------------------------------------- */

/* stated: what the event says of it, whose hash is known. */
static inline uint32_t number(const struct judging *j, enum dimension dimension, struct slice id,
                              struct slice stated, uint64_t hash)
{
    struct names *names = j->judge->names;
    if (!id.size)
        return 0;
    uint32_t value =
        id.data == stated.data ? names_intern_hashed(names, hash, id) : names_intern(names, id);
    census_mark(j->judge->census, dimension, value);
    return value;
}

static struct fact order_fact(const struct judging *j, const struct record *record)
{
    const struct event *event = j->event;
    const struct event_hashes *hash = j->hashes;
    census_mark(j->judge->census, DIMENSION_COUNTY, record->county);
    return (struct fact){
        .kind = FACT_ORDER,
        .host = number(j, DIMENSION_HOST, record->host, event->host_id, hash->host),
        .product = number(j, DIMENSION_PRODUCT, record->product, event->product_id, hash->product),
        .session = number(j, DIMENSION_SESSION, record->session, event->session_id, hash->session),
        .platform =
            number(j, DIMENSION_PLATFORM, record->platform, event->platform, hash->platform),
        .county = record->county,
        .quantity = record->quantity,
        .amount = record->amount,
        .time_ms = record->time_ms,
    };
}

static struct fact refund_fact(const struct fact *order, const struct record_refund *refund)
{
    struct fact fact = *order;
    fact.kind = FACT_REFUND;
    fact.quantity = refund->quantity;
    fact.amount = refund->amount;
    fact.time_ms = refund->time_ms;
    return fact;
}

static void count_fact(const struct judging *j, const struct fact *fact)
{
    struct metrics delta = fact_metrics(fact);
    metrics_add(&j->batch->metrics, &delta);
    batch_add_fact(j->batch, fact);
}

/* --- orders ------------------------------------------------------------------------------- */

static const char *order_difference(const struct judging *j, const struct record *record)
{
    const struct event *event = j->event;
    if (differs(event->host_id, record->host))
        return "host_id";
    if (differs(event->session_id, record->session))
        return "session_id";
    if (differs(event->product_id, record->product))
        return "product_id";
    if (event->stated & EVENT_HAS_COUNTY && event->county != record->county &&
        event->county != county_now(j->judge->counties, record->county))
        return "county";
    if (differs(event->platform, record->platform))
        return "platform";
    if (event->quantity != record->quantity)
        return "quantity";
    if (event->amount != record->amount)
        return "amount";
    if (event->stated & EVENT_HAS_TIME && event->time_ms != record->time_ms)
        return "time";
    return NULL;
}

/* Fills the record's order part from the event and its defaults. False: it is rejected. */
static bool order_with_defaults(const struct judging *j, struct record *record)
{
    const struct event *event = j->event;
    struct catalog_entry session_room, product_room;
    const struct catalog_entry *session = NULL, *product = NULL;
    if (event->session_id.data) {
        session = look(j, CATALOG_SESSION, event->session_id, &session_room);
        if (!session)
            verify(j, CATALOG_SESSION, event->session_id);
    }
    if (!event->host_id.data && !session) {
        reject(j, REJECT_UNKNOWN_SESSION, "session_id",
               "host_id is required: this session is not registered");
        return false;
    }
    if (event->host_id.data && session && !id_equal(event->host_id, session->host_id)) {
        reject(j, REJECT_SESSION_HOST_MISMATCH, "host_id",
               "host_id must be the host of the session");
        return false;
    }
    record->county = event->county;
    if (!(event->stated & EVENT_HAS_COUNTY)) {
        product = look(j, CATALOG_PRODUCT, event->product_id, &product_room);
        if (!product || !product->county) {
            verify(j, CATALOG_PRODUCT, event->product_id);
            reject(j, REJECT_UNKNOWN_PRODUCT, "product_id",
                   "county is required: this product is not registered with one");
            return false;
        }
        record->county = product->county;
    }
    record->has_order = true;
    record->host = session && !event->host_id.data ? session->host_id : event->host_id;
    record->product = event->product_id;
    record->session = event->session_id;
    record->platform = event->platform;
    if (!event->platform.data && session)
        record->platform = session->platform;
    record->quantity = event->quantity;
    record->amount = event->amount;
    record->time_ms = event->time_ms;
    return true;
}

static void judge_order(const struct judging *j)
{
    struct record *record = &j->batch->record;
    struct touch *touch = open_record(j);
    if (!touch)
        return;
    if (record->has_order) {
        const char *field = order_difference(j, record);
        if (field)
            reject(j, REJECT_CONFLICT, field, "this order is already recorded with another value");
        else
            j->post->duplicates++;
        return;
    }
    if (!order_with_defaults(j, record))
        return;
    const char *refused = refused_id(j, record);
    if (refused) {
        reject(j, REJECT_TOO_MANY_IDS, refused, "the configured number of ids is reached");
        return;
    }
    struct metrics delta = {{0}};
    delta.v[METRIC_ORDERS] = 1;
    delta.v[METRIC_UNITS] = record->quantity;
    delta.v[METRIC_GROSS] = record->amount;
    if (record->refund_count)
        refunds_settle(record, &delta);
    if (overflows(j, &delta)) {
        reject(j, REJECT_OVERFLOW, "amount", "totals would exceed what can be counted");
        return;
    }
    struct fact fact = order_fact(j, record);
    count_fact(j, &fact);
    for (uint32_t i = 0; i < record->refund_count; i++)
        if (record->refunds[i].state == REFUND_APPLIED) {
            struct fact refund = refund_fact(&fact, &record->refunds[i]);
            count_fact(j, &refund);
        }
    batch_touch_write(j->batch, touch, PLACE_CURRENT);
    j->post->accepted++;
}

/* --- refunds ------------------------------------------------------------------------------ */

static void judge_known_refund(const struct judging *j, const struct record *record,
                               const struct record_refund *refund)
{
    const struct event *event = j->event;
    const char *field = NULL;
    /* One that is parked without a host is not of somebody who has to state it. */
    if (record->has_order   ? differs(event->host_id, record->host)
        : refund->host.data ? differs(event->host_id, refund->host)
                            : is_limited(j->post))
        field = "host_id";
    else if (event->amount != refund->amount)
        field = "amount";
    else if (event->stated & EVENT_HAS_QUANTITY && event->quantity != refund->quantity)
        field = "quantity";
    else if (event->stated & EVENT_HAS_TIME && event->time_ms != refund->time_ms)
        field = "time";
    if (field)
        reject(j, REJECT_CONFLICT, field, "this refund is already recorded with another value");
    else if (refund->state == REFUND_VOID)
        reject(j, REJECT_REFUND_EXCEEDS_ORDER, "amount",
               "this refund came before its order and did not fit it");
    else
        j->post->duplicates++;
}

/* Applies or parks a new refund as record->refunds[refund_count]. False: rejected. */
static bool settle_refund(const struct judging *j, struct record *record,
                          struct record_refund *refund)
{
    if (record->has_order && differs(j->event->host_id, record->host)) {
        reject(j, REJECT_CONFLICT, "host_id", "host_id must be the order's");
        return false;
    }
    if (record->refund_count == ORDER_REFUNDS_MAX) {
        reject(j, REJECT_TOO_MANY_REFUNDS, NULL, "an order can have at most 64 refunds");
        return false;
    }
    if (!record->has_order) {
        refund->state = REFUND_PARKED;
        refund->host = j->event->host_id;
        return true;
    }
    int64_t amount, quantity;
    refunds_left(record, &amount, &quantity);
    if (refund->amount > amount || refund->quantity > quantity) {
        reject(j, REJECT_REFUND_EXCEEDS_ORDER, refund->amount > amount ? "amount" : "quantity",
               "refunds can't exceed what was paid nor the units sold");
        return false;
    }
    struct fact order = order_fact(j, record);
    struct fact fact = refund_fact(&order, refund);
    struct metrics delta = fact_metrics(&fact);
    if (overflows(j, &delta)) {
        reject(j, REJECT_OVERFLOW, "amount", "totals would exceed what can be counted");
        return false;
    }
    refund->state = REFUND_APPLIED;
    count_fact(j, &fact);
    return true;
}

static void judge_refund(const struct judging *j)
{
    const struct event *event = j->event;
    struct record *record = &j->batch->record;
    struct touch *touch = open_record(j);
    if (!touch)
        return;
    for (uint32_t i = 0; i < record->refund_count; i++)
        if (id_equal(record->refunds[i].id, event->refund_id)) {
            judge_known_refund(j, record, &record->refunds[i]);
            return;
        }
    struct record_refund refund = {.id = event->refund_id,
                                   .amount = event->amount,
                                   .quantity = event->quantity,
                                   .time_ms = event->time_ms};
    if (!settle_refund(j, record, &refund))
        return;
    record->refunds[record->refund_count++] = refund;
    /* An order's record stays where it was born: it is kept as long as the order may be retried.
     * Refunds that wait are kept as long as the youngest of them. */
    batch_touch_write(j->batch, touch,
                      record->has_order ? (enum record_place)touch->next_place : PLACE_CURRENT);
    if (refund.state == REFUND_PARKED)
        j->post->parked++;
    else
        j->post->accepted++;
}

/* --- catalog ------------------------------------------------------------------------------ */

static void judge_upsert(const struct judging *j, enum catalog_kind kind, struct slice id)
{
    struct batch *batch = j->batch;
    struct catalog_entry room;
    struct catalog_touch *touch = batch_catalog_touch(batch, j->judge, kind, id);
    const struct catalog_entry *current = look(j, kind, id, &room);
    if (!current && catalog_full(j->judge->catalog, kind)) {
        reject(j, REJECT_TOO_MANY_IDS, NULL, "the configured number of catalog entries is reached");
        return;
    }
    const char *field = NULL;
    buffer_reset(&batch->json);
    switch (catalog_merge(current, j->event, &batch->json, &field)) {
    case CATALOG_UNCHANGED:
        j->post->duplicates++;
        break;
    case CATALOG_CHANGED:
        touch->next = arena_copy(&batch->arena, buffer_slice(&batch->json));
        touch->changed = true;
        j->post->accepted++;
        break;
    case CATALOG_CONFLICT:
        reject(j, REJECT_CONFLICT, field, "this is fixed by the first registration");
        break;
    }
}

void judge_event(struct batch *batch, const struct judge *judge, struct post *post,
                 const struct event *event, const struct event_hashes *hashes)
{
    const struct judging j = {batch, judge, post, event, hashes};
    if (!may_post(&j))
        return;
    switch (event->type) {
    case EVENT_ORDER:
        judge_order(&j);
        break;
    case EVENT_REFUND:
        judge_refund(&j);
        break;
    case EVENT_SESSION:
        judge_upsert(&j, CATALOG_SESSION, event->session_id);
        break;
    case EVENT_PRODUCT:
        judge_upsert(&j, CATALOG_PRODUCT, event->product_id);
        break;
    case EVENT_HOST:
        judge_upsert(&j, CATALOG_HOST, event->host_id);
        break;
    case EVENT_TYPE_COUNT:
        break;
    }
}
