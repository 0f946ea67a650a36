/*
 * The batch's tables: posts, the overlay of touched records and catalog entries, facts, and what
 * has to be looked up. All of it is reused from one commit to the next.
 */
#include "livetally/batch.h"

#include <assert.h>
#include <stdlib.h>

#include "batch_private.h"
#include "livetally/mem.h"
#include "livetally/order_field.h"

/* Room for one more in a growing array. */
#define RESERVE_ONE(array, count, capacity)                                                        \
    do {                                                                                           \
        if ((count) == (capacity)) {                                                               \
            (capacity) = (capacity) ? (capacity)*2 : 256;                                          \
            (array) = mem_resize((array), (capacity), sizeof *(array));                            \
        }                                                                                          \
        assert(array);                                                                             \
    } while (0)

#define AHEAD_TEXTS  8 /* events; their slots are fetched well before that */
#define AHEAD_LEARNT 8 /* touches */

static struct slice touch_id(const void *array, uint32_t place)
{
    return ((const struct touch *)array + place)->id;
}

static struct slice catalog_touch_id(const void *array, uint32_t place)
{
    return ((const struct catalog_touch *)array + place)->id;
}

struct batch *batch_new(uint64_t seed)
{
    struct batch *batch = mem_zalloc(sizeof *batch);
    id_table_init(&batch->touch_index, seed);
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++)
        id_table_init(&batch->catalog_index[kind], seed);
    return batch;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    assert(!batch->first);
    id_table_done(&batch->touch_index);
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++)
        id_table_done(&batch->catalog_index[kind]);
    free(batch->touches);
    free(batch->catalog);
    free(batch->facts);
    free(batch->needs);
    arena_done(&batch->arena);
    buffer_done(&batch->json);
    buffer_done(&batch->scratch[0]);
    buffer_done(&batch->scratch[1]);
    free(batch);
}

bool batch_add(struct batch *batch, struct post *post)
{
    uint32_t events = post->message.event_count;
    if (batch->first && batch->event_count + events > BATCH_EVENTS_MAX)
        return false;
    post->next = NULL;
    if (batch->first)
        batch->last->next = post;
    else
        batch->first = post;
    batch->last = post;
    batch->event_count += events;
    return true;
}

uint32_t batch_event_count(const struct batch *batch)
{
    return batch->event_count;
}

bool batch_is_empty(const struct batch *batch)
{
    return !batch->first;
}

static void forget_overlay(struct batch *batch)
{
    batch->touch_count = batch->catalog_count = batch->fact_count = batch->need_count = 0;
    id_table_clear(&batch->touch_index);
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++)
        id_table_clear(&batch->catalog_index[kind]);
    batch->metrics = (struct metrics){{0}};
    arena_reset(&batch->arena);
}

static struct slice keep_field(struct batch *batch, struct slice id)
{
    if (id.size > ORDER_FIELD_DIGITS_MAX)
        return id;
    struct slice field = order_field_of(id, arena_reserve(&batch->arena, ORDER_FIELD_MAX_BYTES));
    return field.data == id.data ? id : arena_keep(&batch->arena, field.size);
}

struct touch *batch_touch(struct batch *batch, const struct judge *judge, struct slice id,
                          uint64_t hash, bool *ret_known)
{
    uint32_t short_hash = id_hash_fold(hash);
    uint32_t place = id_table_find(&batch->touch_index, short_hash, id, touch_id, batch->touches);
    if (place != ID_TABLE_NONE) {
        *ret_known = true;
        return &batch->touches[place];
    }
    RESERVE_ONE(batch->touches, batch->touch_count, batch->touch_capacity);
    struct touch *touch = &batch->touches[batch->touch_count];
    *touch = (struct touch){.id = id, .hash = hash, .look = LOOK_CURRENT | LOOK_PREVIOUS};
    touch->field = keep_field(batch, id);
    enum record_place where = PLACE_NOWHERE;
    struct slice bytes;
    *ret_known = ledger_find_hashed(judge->ledger, hash, id, &where, &bytes);
    if (where != PLACE_NOWHERE)
        touch->assumed = touch->next = arena_copy(&batch->arena, bytes);
    touch->assumed_place = touch->next_place = (uint8_t)where;
    id_table_insert(&batch->touch_index, short_hash, batch->touch_count++);
    return touch;
}

void batch_touch_write(struct batch *batch, struct touch *touch, enum record_place place)
{
    char *out = arena_reserve(&batch->arena, record_bound(&batch->record));
    touch->next = arena_keep(&batch->arena, record_encode(&batch->record, out));
    touch->next_place = (uint8_t)place;
    touch->changed = true;
}

struct catalog_touch *batch_catalog_find(const struct batch *batch, enum catalog_kind kind,
                                         struct slice id)
{
    const struct id_table *index = &batch->catalog_index[kind];
    if (!index->used)
        return NULL;
    uint32_t place =
        id_table_find(index, id_table_hash(index, id), id, catalog_touch_id, batch->catalog);
    return place == ID_TABLE_NONE ? NULL : &batch->catalog[place];
}

struct catalog_touch *batch_catalog_touch(struct batch *batch, const struct judge *judge,
                                          enum catalog_kind kind, struct slice id)
{
    struct catalog_touch *touch = batch_catalog_find(batch, kind, id);
    if (touch)
        return touch;
    RESERVE_ONE(batch->catalog, batch->catalog_count, batch->catalog_capacity);
    touch = &batch->catalog[batch->catalog_count];
    struct slice json = catalog_json(judge->catalog, kind, id);
    if (json.data)
        json = arena_copy(&batch->arena, json);
    *touch = (struct catalog_touch){
        .kind = (uint8_t)kind, .changed = false, .id = id, .assumed = json, .next = json};
    struct id_table *index = &batch->catalog_index[kind];
    id_table_insert(index, id_table_hash(index, id), batch->catalog_count++);
    return touch;
}

void batch_add_fact(struct batch *batch, const struct fact *fact)
{
    RESERVE_ONE(batch->facts, batch->fact_count, batch->fact_capacity);
    batch->facts[batch->fact_count++] = *fact;
}

static void add_need(struct batch *batch, struct slice id)
{
    RESERVE_ONE(batch->needs, batch->need_count, batch->need_capacity);
    batch->needs[batch->need_count++] = id;
}

/* --- looking ahead ------------------------------------------------------------------------ */

static void hash_event(struct ahead *ahead, const struct judge *judge, const struct event *event)
{
    struct event_hashes *hashes = &ahead->hashes[ahead->hashed++ % AHEAD_EVENTS];
    if (!event->order_id.data)
        return;
    hashes->order = ledger_hash(judge->ledger, event->order_id);
    ledger_prefetch(judge->ledger, hashes->order);
    if (!ahead->with_names || event->type != EVENT_ORDER)
        return;
    const struct names *names = judge->names;
    hashes->host = names_prefetch(names, event->host_id);
    hashes->product = names_prefetch(names, event->product_id);
    hashes->session = names_prefetch(names, event->session_id);
    hashes->platform = names_prefetch(names, event->platform);
}

static void hash_next(struct ahead *ahead, const struct judge *judge)
{
    while (ahead->post && ahead->index == ahead->post->message.event_count) {
        ahead->post = ahead->post->next;
        ahead->index = 0;
    }
    if (ahead->post)
        hash_event(ahead, judge, &ahead->post->message.events[ahead->index++]);
}

static void ahead_begin(struct batch *batch, const struct judge *judge, bool with_names)
{
    struct ahead *ahead = &batch->ahead;
    ahead->post = batch->first;
    ahead->index = ahead->hashed = ahead->returned = 0;
    ahead->with_names = with_names;
    for (int i = 0; i < AHEAD_EVENTS - 1; i++)
        hash_next(ahead, judge);
}

/* Of the next event, in order; good until the one after it is asked for. */
static const struct event_hashes *ahead_next(struct batch *batch, const struct judge *judge)
{
    struct ahead *ahead = &batch->ahead;
    hash_next(ahead, judge);
    if (ahead->with_names) {
        const struct event_hashes *soon =
            &ahead->hashes[(ahead->returned + AHEAD_TEXTS) % AHEAD_EVENTS];
        names_prefetch_text(judge->names, soon->host);
        names_prefetch_text(judge->names, soon->product);
        names_prefetch_text(judge->names, soon->session);
    }
    return &ahead->hashes[ahead->returned++ % AHEAD_EVENTS];
}

/* --- judging ------------------------------------------------------------------------------ */

static bool surely_lacks(const struct known_ids *ids, uint64_t hash)
{
    return ids->complete && !id_filter_may_have(ids->filter, hash);
}

/* Refunds whose order nobody here knows are looked up before anything else is judged: so a batch
 * is seldom judged twice. Orders in the batch are known once they are judged, so these don't count.
 * Judging touches the same records in the same order, so when nothing is missing it goes on with
 * these touches. */
static void look_for_unknown_records(struct batch *batch, const struct judge *judge)
{
    ahead_begin(batch, judge, false);
    for (struct post *post = batch->first; post; post = post->next) {
        for (uint32_t i = 0; i < post->message.event_count; i++) {
            const struct event *event = &post->message.events[i];
            const struct event_hashes *hashes = ahead_next(batch, judge);
            if (event->type != EVENT_ORDER && event->type != EVENT_REFUND)
                continue;
            if (!judge_may_ask(post, event))
                continue;
            bool known;
            batch_touch(batch, judge, event->order_id, hashes->order, &known);
            if (event->type == EVENT_REFUND && !known &&
                !(surely_lacks(&judge->current, hashes->order) &&
                  surely_lacks(&judge->previous, hashes->order)))
                add_need(batch, event->order_id);
        }
    }
}

static bool has_refunds(const struct batch *batch)
{
    for (struct post *post = batch->first; post; post = post->next)
        for (uint32_t i = 0; i < post->message.event_count; i++)
            if (post->message.events[i].type == EVENT_REFUND)
                return true;
    return false;
}

uint32_t batch_judge(struct batch *batch, const struct judge *judge)
{
    forget_overlay(batch);
    if (has_refunds(batch)) {
        look_for_unknown_records(batch, judge);
        if (batch->need_count)
            return batch->need_count;
    }
    ahead_begin(batch, judge, true);
    for (struct post *post = batch->first; post; post = post->next) {
        post->accepted = post->duplicates = post->parked = 0;
        post->message.rejection_count = post->form_rejections;
        for (uint32_t i = 0; i < post->message.event_count; i++)
            judge_event(batch, judge, post, &post->message.events[i], ahead_next(batch, judge));
    }
    return 0;
}

const struct slice *batch_needs(const struct batch *batch, uint32_t *ret_count)
{
    *ret_count = batch->need_count;
    return batch->needs;
}

#define PLAN_AHEAD 8 /* touches */

static void prefetch_filters(const struct batch *batch, const struct judge *judge, uint32_t place)
{
    if (place >= batch->touch_count)
        return;
    if (judge->current.filter)
        id_filter_prefetch(judge->current.filter, batch->touches[place].hash);
    if (judge->previous.complete)
        id_filter_prefetch(judge->previous.filter, batch->touches[place].hash);
}

static void plan_look(struct touch *touch, enum look look, bool spare, uint32_t *looked,
                      uint32_t *spared)
{
    if (!spare) {
        ++*looked;
        return;
    }
    touch->look &= (uint8_t)~look;
    ++*spared;
}

/* Returns whether the current generation surely lacks the id; adds it if the commit writes it. */
static bool note_current(const struct touch *touch, const struct known_ids *ids)
{
    if (!ids->filter)
        return false;
    if (touch->changed && touch->next_place == PLACE_CURRENT)
        return !id_filter_add(ids->filter, touch->hash) && ids->complete;
    return surely_lacks(ids, touch->hash);
}

struct looks batch_plan_looks(struct batch *batch, const struct judge *judge)
{
    struct looks looks = {0};
    for (uint32_t i = 0; i < PLAN_AHEAD; i++)
        prefetch_filters(batch, judge, i);
    for (uint32_t i = 0; i < batch->touch_count; i++) {
        struct touch *touch = &batch->touches[i];
        prefetch_filters(batch, judge, i + PLAN_AHEAD);
        bool not_current = note_current(touch, &judge->current);
        looks.born += touch->changed && touch->next_place == PLACE_CURRENT &&
                      touch->assumed_place != PLACE_CURRENT;
        if (touch->assumed_place != PLACE_NOWHERE)
            continue;
        plan_look(touch, LOOK_CURRENT, not_current, &looks.current, &looks.current_spared);
        plan_look(touch, LOOK_PREVIOUS, surely_lacks(&judge->previous, touch->hash),
                  &looks.previous, &looks.previous_spared);
    }
    return looks;
}

const struct touch *batch_touches(const struct batch *batch, uint32_t *ret_count)
{
    *ret_count = batch->touch_count;
    return batch->touches;
}

const struct catalog_touch *batch_catalog(const struct batch *batch, uint32_t *ret_count)
{
    *ret_count = batch->catalog_count;
    return batch->catalog;
}

const struct fact *batch_facts(const struct batch *batch, uint32_t *ret_count)
{
    *ret_count = batch->fact_count;
    return batch->facts;
}

const struct metrics *batch_metrics(const struct batch *batch)
{
    return &batch->metrics;
}

bool batch_changes(const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->touch_count; i++)
        if (batch->touches[i].changed)
            return true;
    for (uint32_t i = 0; i < batch->catalog_count; i++)
        if (batch->catalog[i].changed)
            return true;
    return false;
}

bool batch_verifies(const struct batch *batch)
{
    return batch->touch_count || batch->catalog_count;
}

void batch_feed_entry(const struct batch *batch, const struct names *names, uint64_t token,
                      struct buffer *out)
{
    uint32_t changed = 0;
    struct fact_catalog *catalog = NULL;
    if (batch->catalog_count)
        catalog = mem_resize(NULL, batch->catalog_count, sizeof *catalog);
    for (uint32_t i = 0; i < batch->catalog_count; i++)
        if (batch->catalog[i].changed)
            catalog[changed++] = (struct fact_catalog){batch->catalog[i].kind, batch->catalog[i].id,
                                                       batch->catalog[i].next};
    feed_entry_encode(out, names,
                      &(struct feed_entry){.token = token,
                                           .facts = batch->facts,
                                           .fact_count = batch->fact_count,
                                           .catalog = catalog,
                                           .catalog_count = changed});
    free(catalog);
}

void batch_learn_records(const struct batch *batch, const struct judge *judge)
{
    for (uint32_t i = 0; i < batch->touch_count; i++) {
        const struct touch *touch = &batch->touches[i];
        if (i + AHEAD_LEARNT < batch->touch_count)
            ledger_prefetch(judge->ledger, batch->touches[i + AHEAD_LEARNT].hash);
        if (touch->changed)
            ledger_learn_hashed(judge->ledger, touch->hash, touch->id,
                                (enum record_place)touch->next_place, touch->next);
    }
}

void batch_commit_done(const struct batch *batch, const struct judge *judge)
{
    batch_learn_records(batch, judge);
    for (uint32_t i = 0; i < batch->catalog_count; i++) {
        const struct catalog_touch *touch = &batch->catalog[i];
        if (touch->changed)
            (void)catalog_put(judge->catalog, (enum catalog_kind)touch->kind, touch->id,
                              touch->next);
    }
}

static int by_index(const void *left, const void *right)
{
    const struct rejection *a = left, *b = right;
    return (a->index > b->index) - (a->index < b->index);
}

struct post *batch_take(struct batch *batch)
{
    struct post *first = batch->first;
    for (struct post *post = first; post; post = post->next)
        if (post->form_rejections && post->message.rejection_count > post->form_rejections)
            qsort(post->message.rejections, post->message.rejection_count,
                  sizeof *post->message.rejections, by_index);
    forget_overlay(batch);
    batch->first = batch->last = NULL;
    batch->event_count = 0;
    return first;
}
