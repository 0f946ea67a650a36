/*
 * Reading a feed entry in the plainest way: byte by byte, by the grammar in livetally/fact.h, with
 * ids compared as text. What feed_reader_decode() takes and refuses is held against it.
 */
#ifndef LIVETALLY_TESTS_FEED_MODEL_H
#define LIVETALLY_TESTS_FEED_MODEL_H

#include "core/varint.h"
#include "livetally/catalog.h"
#include "livetally/county.h"
#include "livetally/event.h"
#include "livetally/fact.h"

#define MODEL_IDS   256u
#define MODEL_FACTS 128u

struct feed_model {
    const char *at, *end;
    struct slice ids[MODEL_IDS + 1]; /* from 1 */
    uint64_t id_count, used, fact_count, catalog_count;
    struct fact facts[MODEL_FACTS]; /* ids by place */
};

static inline bool model_number(struct feed_model *model, uint64_t max, uint64_t *ret_value)
{
    return varint_get(&model->at, model->end, ret_value) && *ret_value <= max;
}

static inline bool model_text(struct feed_model *model, uint64_t max, struct slice *ret_text)
{
    uint64_t size;
    if (!model_number(model, max, &size) || size > (uint64_t)(model->end - model->at))
        return false;
    *ret_text = (struct slice){model->at, (size_t)size};
    model->at += size;
    return size > 0;
}

static inline bool model_byte(struct feed_model *model, uint8_t *ret_byte)
{
    if (model->at == model->end)
        return false;
    *ret_byte = (uint8_t)*model->at++;
    return true;
}

static inline bool model_strings(struct feed_model *model)
{
    if (!model_number(model, MODEL_IDS, &model->id_count))
        return false;
    for (uint64_t i = 1; i <= model->id_count; i++) {
        if (!model_text(model, ID_MAX_BYTES, &model->ids[i]) || !id_ok(model->ids[i]))
            return false;
        for (uint64_t k = 1; k < i; k++)
            if (slice_equal(model->ids[k], model->ids[i]))
                return false;
    }
    return true;
}

static inline bool model_place(struct feed_model *model, bool required, uint32_t *ret_place)
{
    uint64_t place;
    if (!model_number(model, model->id_count, &place) || place > model->used + 1 ||
        (place == 0 && required))
        return false;
    if (place > model->used)
        model->used = place;
    *ret_place = (uint32_t)place;
    return true;
}

static inline bool model_fact(struct feed_model *model, int64_t base_ms, struct fact *fact)
{
    uint64_t county, quantity, amount, time;
    if (!model_byte(model, &fact->kind) || !model_place(model, true, &fact->host) ||
        !model_number(model, 999999, &county) || !model_place(model, true, &fact->product) ||
        !model_place(model, false, &fact->session) || !model_place(model, false, &fact->platform) ||
        !model_number(model, ORDER_QUANTITY_MAX, &quantity) ||
        !model_number(model, ORDER_AMOUNT_MAX, &amount) || !model_number(model, UINT64_MAX, &time))
        return false;
    fact->county = (uint32_t)county;
    fact->quantity = (int64_t)quantity;
    fact->amount = (int64_t)amount;
    int64_t offset_ms = zigzag_decode(time);
    if (offset_ms < -base_ms || offset_ms > TIME_MAX_MS - base_ms)
        return false;
    fact->time_ms = base_ms + offset_ms;
    return county_form_ok(fact->county) && (fact->kind == FACT_ORDER    ? quantity > 0
                                            : fact->kind == FACT_REFUND ? amount > 0
                                                                        : false);
}

static inline bool model_catalog(struct feed_model *model)
{
    struct slice id, json;
    uint8_t kind;
    if (!model_number(model, MODEL_FACTS, &model->catalog_count))
        return false;
    for (uint64_t i = 0; i < model->catalog_count; i++)
        if (!model_byte(model, &kind) || kind >= CATALOG_KIND_COUNT ||
            !model_text(model, ID_MAX_BYTES, &id) || !id_ok(id) ||
            !model_text(model, CATALOG_JSON_MAX_BYTES, &json))
            return false;
    return model->at == model->end;
}

/* False: it must be refused. Entries of more ids and facts than MODEL_… are none of a test's. */
static inline bool feed_model_decode(struct feed_model *model, struct slice bytes)
{
    uint64_t token, base;
    uint8_t version;
    *model = (struct feed_model){.at = bytes.data, .end = bytes.data + bytes.size};
    if (!model_byte(model, &version) || version != 1 || !model_number(model, UINT64_MAX, &token) ||
        !model_number(model, TIME_MAX_MS, &base) || !model_strings(model) ||
        !model_number(model, MODEL_FACTS, &model->fact_count))
        return false;
    for (uint64_t i = 0; i < model->fact_count; i++)
        if (!model_fact(model, (int64_t)base, &model->facts[i]))
            return false;
    return (model->fact_count ? model->facts[0].time_ms : 0) == (int64_t)base &&
           model->used == model->id_count && model_catalog(model);
}

#endif
