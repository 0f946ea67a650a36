/*
 * The slow, obvious model of PROTOCOL's ledger: a list of orders, searched from the front, every
 * total summed anew from it. Shares no code with what it checks but the types. Also makes random
 * events from small sets of ids, so that retries, conflicts and refunds of all sorts are frequent.
 */
#ifndef LIVETALLY_TESTS_SALE_MODEL_H
#define LIVETALLY_TESTS_SALE_MODEL_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "livetally/buffer.h"
#include "livetally/calendar.h"
#include "livetally/rollup.h"
#include "livetally/verdict.h"

#define MODEL_ORDERS   4096
#define MODEL_REFUNDS  64
#define MODEL_SESSIONS 4
#define MODEL_PRODUCTS 6

enum model_refund_state { MODEL_APPLIED, MODEL_PARKED, MODEL_VOID };

struct model_refund {
    int id;
    int state;
    int host; /* stated, or -1 */
    int64_t amount, quantity, time_ms;
};

struct model_order {
    bool paid;
    int id, host, product, session, platform; /* -1: none */
    int county;
    int64_t quantity, amount, time_ms;
    int refund_count;
    struct model_refund refunds[MODEL_REFUNDS];
};

/* An event as the model sees it; -1 = not stated. */
struct model_event {
    bool is_refund, is_session, is_product;
    int order, refund, host, session, product, platform, county;
    int64_t quantity, amount, time_ms;
};

struct model {
    struct model_order orders[MODEL_ORDERS];
    int order_count;
    int session_host[MODEL_SESSIONS];   /* -1: not registered */
    int product_county[MODEL_PRODUCTS]; /* 0: not registered */
    uint64_t random;
};

static const int model_counties[] = {422828, 350128, 530827};

static inline uint32_t model_random(struct model *model, uint32_t below)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return (uint32_t)((model->random >> 32) % below);
}

static inline void model_init(struct model *model, uint64_t seed)
{
    memset(model, 0, sizeof *model);
    model->random = seed * 0x9e3779b97f4a7c15ULL + 1;
    for (int i = 0; i < MODEL_SESSIONS; i++)
        model->session_host[i] = -1;
}

/* --- events ------------------------------------------------------------------------------- */

static inline struct model_event model_make_event(struct model *model, int first_order,
                                                  int order_ids, int64_t now_ms)
{
    struct model_event event = {.order =
                                    first_order + (int)model_random(model, (uint32_t)order_ids),
                                .refund = -1,
                                .host = -1,
                                .session = -1,
                                .product = -1,
                                .platform = -1,
                                .county = -1,
                                .quantity = -1,
                                .time_ms = -1};
    event.is_refund = model_random(model, 3) == 0;
    /* An order's content follows from its id, but for one in eight: those make conflicts. */
    uint32_t content = model_random(model, 8) ? (uint32_t)event.order * 2654435761u
                                              : model_random(model, UINT32_MAX);
    event.time_ms = now_ms / DAY_MS * DAY_MS - (int64_t)(content % 172800) * 1000;
    if (event.is_refund) {
        event.refund = (int)model_random(model, 4);
        event.amount = 1 + (int64_t)((content >> 3) + (uint32_t)event.refund * 7) % 600;
        if (model_random(model, 2))
            event.quantity = (int64_t)((content + (uint32_t)event.refund) % 2);
        if (model_random(model, 4) == 0)
            event.host = (int)((content >> 8) % 4);
        return event;
    }
    event.product = (int)((content >> 4) % MODEL_PRODUCTS);
    event.session = (int)((content >> 12) % (MODEL_SESSIONS + 1)) - 1;
    if (event.session < 0 || model_random(model, 3))
        event.host = event.session >= 0 && (content >> 20) % 8 ? event.session % 4
                                                               : (int)((content >> 8) % 4);
    if (model_random(model, 4))
        event.county = model_counties[(content >> 16) % 3];
    if (model_random(model, 2))
        event.platform = (int)((content >> 24) % 2);
    event.quantity = 1 + content % 3;
    event.amount = (content >> 5) % 1500;
    return event;
}

static inline struct model_event model_make_session(int session)
{
    return (struct model_event){.is_session = true, .session = session, .host = session % 4};
}

static inline struct model_event model_make_product(int product)
{
    return (struct model_event){
        .is_product = true, .product = product, .county = model_counties[product % 3]};
}

/* Ids of every kind that a ledger spells in its own way: no two orders have the same. */
static inline void model_order_id(char *out, size_t size, int order)
{
    static const struct {
        const char *head;
        int digits;
    } forms[] = {{"o-", 1}, {"", 1}, {"0", 1}, {"6917", 15}, {"", 20}, {"shop:", 19}};
    snprintf(out, size, "%s%0*d", forms[order % 6].head, forms[order % 6].digits, order);
}

static inline void model_write_event(struct buffer *out, const struct model_event *event)
{
    char id[32];
    if (event->is_session) {
        buffer_printf(out,
                      "{\"type\":\"session\",\"session_id\":\"room-%d\",\"host_id\":\"host-%d\","
                      "\"platform\":\"shop-%d\",\"time\":1000}\n",
                      event->session, event->host, event->session % 2);
        return;
    }
    if (event->is_product) {
        buffer_printf(out,
                      "{\"type\":\"product\",\"product_id\":\"tea-%d\",\"county\":\"%06d\","
                      "\"time\":1000}\n",
                      event->product, event->county);
        return;
    }
    model_order_id(id, sizeof id, event->order);
    buffer_printf(out,
                  "{\"type\":\"%s\",\"order_id\":\"%s\",\"amount\":%" PRId64 ",\"time\":%" PRId64,
                  event->is_refund ? "refund" : "order", id, event->amount, event->time_ms);
    if (event->is_refund)
        buffer_printf(out, ",\"refund_id\":\"r-%d\"", event->refund);
    if (event->quantity >= 0)
        buffer_printf(out, ",\"quantity\":%" PRId64, event->quantity);
    if (event->host >= 0)
        buffer_printf(out, ",\"host_id\":\"host-%d\"", event->host);
    if (event->session >= 0)
        buffer_printf(out, ",\"session_id\":\"room-%d\"", event->session);
    if (event->product >= 0)
        buffer_printf(out, ",\"product_id\":\"tea-%d\"", event->product);
    if (event->county >= 0)
        buffer_printf(out, ",\"county\":\"%06d\"", event->county);
    if (event->platform >= 0)
        buffer_printf(out, ",\"platform\":\"shop-%d\"", event->platform);
    buffer_append_text(out, "}\n");
}

/* --- judging ------------------------------------------------------------------------------ */

struct model_verdict {
    enum verdict verdict;
    enum rejection_code code;
};

static inline struct model_verdict model_reject(enum rejection_code code)
{
    return (struct model_verdict){VERDICT_REJECTED, code};
}

static inline struct model_order *model_order(struct model *model, int id)
{
    for (int i = 0; i < model->order_count; i++)
        if (model->orders[i].id == id)
            return &model->orders[i];
    struct model_order *order = &model->orders[model->order_count++];
    *order = (struct model_order){.id = id};
    return order;
}

static inline void model_left(const struct model_order *order, int64_t *amount, int64_t *quantity)
{
    *amount = order->amount;
    *quantity = order->quantity;
    for (int i = 0; i < order->refund_count; i++)
        if (order->refunds[i].state == MODEL_APPLIED) {
            *amount -= order->refunds[i].amount;
            *quantity -= order->refunds[i].quantity;
        }
}

static inline struct model_verdict model_refund(struct model *model,
                                                const struct model_event *event)
{
    struct model_order *order = model_order(model, event->order);
    int64_t quantity = event->quantity < 0 ? 0 : event->quantity, amount_left, quantity_left;
    for (int i = 0; i < order->refund_count; i++) {
        struct model_refund *refund = &order->refunds[i];
        if (refund->id != event->refund)
            continue;
        int host = order->paid ? order->host : refund->host;
        if ((event->host >= 0 && host >= 0 && event->host != host) ||
            event->amount != refund->amount ||
            (event->quantity >= 0 && event->quantity != refund->quantity) ||
            event->time_ms != refund->time_ms)
            return model_reject(REJECT_CONFLICT);
        if (refund->state == MODEL_VOID)
            return model_reject(REJECT_REFUND_EXCEEDS_ORDER);
        return (struct model_verdict){VERDICT_DUPLICATE, 0};
    }
    struct model_refund refund = {event->refund, MODEL_PARKED, event->host,
                                  event->amount, quantity,     event->time_ms};
    if (order->paid) {
        if (event->host >= 0 && event->host != order->host)
            return model_reject(REJECT_CONFLICT);
        model_left(order, &amount_left, &quantity_left);
        if (event->amount > amount_left || quantity > quantity_left)
            return model_reject(REJECT_REFUND_EXCEEDS_ORDER);
        refund.state = MODEL_APPLIED;
    }
    order->refunds[order->refund_count++] = refund;
    return (struct model_verdict){order->paid ? VERDICT_ACCEPTED : VERDICT_PARKED, 0};
}

static inline bool model_differs(const struct model_order *order, const struct model_event *event)
{
    return (event->host >= 0 && event->host != order->host) ||
           (event->session >= 0 && event->session != order->session) ||
           event->product != order->product ||
           (event->county >= 0 && event->county != order->county) ||
           (event->platform >= 0 && event->platform != order->platform) ||
           event->quantity != order->quantity || event->amount != order->amount ||
           event->time_ms != order->time_ms;
}

static inline struct model_verdict model_pay(struct model *model, const struct model_event *event)
{
    struct model_order *order = model_order(model, event->order);
    if (order->paid)
        return model_differs(order, event) ? model_reject(REJECT_CONFLICT)
                                           : (struct model_verdict){VERDICT_DUPLICATE, 0};
    int session_host = event->session >= 0 ? model->session_host[event->session] : -1;
    if (event->host < 0 && session_host < 0)
        return model_reject(REJECT_UNKNOWN_SESSION);
    if (event->host >= 0 && session_host >= 0 && event->host != session_host)
        return model_reject(REJECT_SESSION_HOST_MISMATCH);
    int county = event->county >= 0 ? event->county : model->product_county[event->product];
    if (county <= 0)
        return model_reject(REJECT_UNKNOWN_PRODUCT);
    order->paid = true;
    order->host = event->host >= 0 ? event->host : session_host;
    order->session = event->session;
    order->product = event->product;
    order->platform =
        event->platform < 0 && session_host >= 0 ? event->session % 2 : event->platform;
    order->county = county;
    order->quantity = event->quantity;
    order->amount = event->amount;
    order->time_ms = event->time_ms;
    struct model_order waiting = *order;
    order->refund_count = 0;
    for (int i = 0; i < waiting.refund_count; i++) {
        int64_t amount, quantity;
        struct model_refund refund = waiting.refunds[i];
        if (refund.host >= 0 && refund.host != order->host)
            continue;
        model_left(order, &amount, &quantity);
        refund.state =
            refund.amount <= amount && refund.quantity <= quantity ? MODEL_APPLIED : MODEL_VOID;
        order->refunds[order->refund_count++] = refund;
    }
    return (struct model_verdict){VERDICT_ACCEPTED, 0};
}

static inline struct model_verdict model_judge(struct model *model, const struct model_event *event)
{
    if (event->is_session) {
        bool known = model->session_host[event->session] >= 0;
        model->session_host[event->session] = event->host;
        return (struct model_verdict){known ? VERDICT_DUPLICATE : VERDICT_ACCEPTED, 0};
    }
    if (event->is_product) {
        bool known = model->product_county[event->product] > 0;
        model->product_county[event->product] = event->county;
        return (struct model_verdict){known ? VERDICT_DUPLICATE : VERDICT_ACCEPTED, 0};
    }
    return event->is_refund ? model_refund(model, event) : model_pay(model, event);
}

/* --- totals: one cell, summed anew from all orders ---------------------------------------- */

/* yyyymmddhh at +08:00, by the C library rather than by our calendar. */
static inline uint32_t model_hour(int64_t time_ms, int *minute)
{
    struct tm tm;
    time_t seconds = (time_t)(time_ms / 1000 + 8 * 3600);
    gmtime_r(&seconds, &tm);
    *minute = tm.tm_min;
    return (uint32_t)((((tm.tm_year + 1900) * 100 + tm.tm_mon + 1) * 100 + tm.tm_mday) * 100 +
                      tm.tm_hour);
}

static inline bool model_matches(const char *dimension, const char *value,
                                 const struct model_order *order)
{
    char text[32] = "";
    if (strcmp(dimension, "host") == 0)
        snprintf(text, sizeof text, "host-%d", order->host);
    else if (strcmp(dimension, "product") == 0)
        snprintf(text, sizeof text, "tea-%d", order->product);
    else if (strcmp(dimension, "county") == 0)
        snprintf(text, sizeof text, "%06d", order->county);
    else if (strcmp(dimension, "session") == 0 && order->session >= 0)
        snprintf(text, sizeof text, "room-%d", order->session);
    else if (strcmp(dimension, "platform") == 0 && order->platform >= 0)
        snprintf(text, sizeof text, "shop-%d", order->platform);
    return strcmp(dimension, "total") == 0 || (text[0] && strcmp(text, value) == 0);
}

static inline bool model_in_period(const char *period, const char *when, const char *field,
                                   int64_t time_ms)
{
    char text[16];
    int minute;
    uint32_t hour = model_hour(time_ms, &minute);
    if (strcmp(period, "all") == 0)
        return true;
    snprintf(text, sizeof text, "%" PRIu32, strcmp(period, "day") == 0 ? hour / 100 : hour);
    if (strcmp(text, when) != 0)
        return false;
    return strcmp(period, "day") == 0 || (int)strtol(field, NULL, 10) == minute;
}

/* key as in Redis after "lane:<n>:", e.g. "day:20261122:county+host:422828"; field "host-1". */
static inline struct metrics model_cell(const struct model *model, const char *key,
                                        const char *field)
{
    char text[128], *rest = text, *period, *when = text, *rollup, *first;
    struct metrics sum = {{0}};
    snprintf(text, sizeof text, "%s", key);
    period = strsep(&rest, ":");
    if (strcmp(period, "all") != 0)
        when = strsep(&rest, ":");
    rollup = strsep(&rest, ":");
    first = rest;
    char *second_dimension = strchr(rollup, '+'), *first_dimension = NULL;
    if (second_dimension) {
        *second_dimension++ = '\0';
        first_dimension = rollup;
    } else {
        second_dimension = rollup;
    }
    const char *second = strcmp(period, "minute") == 0 ? first : field;
    for (int i = 0; i < model->order_count; i++) {
        const struct model_order *order = &model->orders[i];
        if (!order->paid || !model_matches(second_dimension, second, order) ||
            (first_dimension && !model_matches(first_dimension, first, order)))
            continue;
        if (model_in_period(period, when, field, order->time_ms)) {
            sum.v[METRIC_ORDERS]++;
            sum.v[METRIC_UNITS] += order->quantity;
            sum.v[METRIC_GROSS] += order->amount;
        }
        for (int r = 0; r < order->refund_count; r++) {
            const struct model_refund *refund = &order->refunds[r];
            if (refund->state != MODEL_APPLIED ||
                !model_in_period(period, when, field, refund->time_ms))
                continue;
            sum.v[METRIC_REFUNDS]++;
            sum.v[METRIC_REFUNDED] += refund->amount;
            sum.v[METRIC_RETURNED] += refund->quantity;
        }
    }
    return sum;
}

#endif
