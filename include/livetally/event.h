/*
 * Events as tools send them: decoded, checked as far as one event alone can be checked (form and
 * range of the stated fields, then time), and nothing more. Defaults, duplicates and conflicts are
 * judged later against the ledger (ledger.h), because they depend on what is committed by then.
 */
#ifndef LIVETALLY_EVENT_H
#define LIVETALLY_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/county.h"
#include "livetally/slice.h"
#include "livetally/verdict.h"

#define ID_MAX_BYTES       64
#define NAME_MAX_BYTES     128
#define ORDER_QUANTITY_MAX INT64_C(100000)
#define ORDER_AMOUNT_MAX   INT64_C(10000000000)
#define MESSAGE_EVENTS_MAX 1000                     /* PROTOCOL: batch_events */
#define TIME_MAX_MS        INT64_C(253402300799999) /* 9999-12-31 */

/* type, wire name */
#define EVENT_TYPES(X)                                                                             \
    X(ORDER, "order")                                                                              \
    X(REFUND, "refund")                                                                            \
    X(SESSION, "session")                                                                          \
    X(PRODUCT, "product")                                                                          \
    X(HOST, "host")

enum event_type {
#define X(name, wire) EVENT_##name,
    EVENT_TYPES(X)
#undef X
        EVENT_TYPE_COUNT
};

/*
 * An absent field has a slice with data == NULL, or its bit missing in `stated`. Slices point into
 * the message's text or scratch and live as long as the struct message does. A JSON null in a
 * known field is an error like any other wrong type.
 */
struct event {
    enum event_type type;
    uint32_t index;  /* place in its message, from 0 */
    uint32_t stated; /* EVENT_HAS_… bits */
    uint32_t county; /* resolved: a retired code is already its successor */
    struct slice order_id;
    struct slice refund_id;
    struct slice host_id;
    struct slice session_id;
    struct slice product_id;
    struct slice platform;
    struct slice name; /* name of a host or product, title of a session */
    struct slice unit; /* of a product */
    int64_t quantity;  /* units */
    int64_t amount;    /* minor units */
    int64_t time_ms;   /* stated, or when the message was received */
    int64_t starts_at_ms;
    int64_t ends_at_ms;
    int64_t goal; /* minor units */
};

enum {
    EVENT_HAS_COUNTY = 1 << 0,
    EVENT_HAS_QUANTITY = 1 << 1,
    EVENT_HAS_AMOUNT = 1 << 2,
    EVENT_HAS_TIME = 1 << 3,
    EVENT_HAS_STARTS_AT = 1 << 4,
    EVENT_HAS_ENDS_AT = 1 << 5,
    EVENT_HAS_GOAL = 1 << 6,
};

struct event_rules {
    const struct county_list *counties; /* NULL: only the form of a code is checked */
    char currency[4];                   /* ISO 4217, e.g. "CNY" */
    int64_t future_ms;                  /* tolerated clock difference: 5 min */
    int64_t keep_ms;                    /* older events are too_old: 30 days */
    uint32_t message_events;            /* most in a message; 0: MESSAGE_EVENTS_MAX */
};

/*
 * One message, parsed: its good events in order, and a rejection for every bad one.
 * events + rejections = all events of the message (a message that is not JSON counts as one).
 */
struct message {
    struct buffer text;    /* owns the bytes that slices point to */
    struct buffer scratch; /* owns unescaped strings; never grows once slices point into it */
    struct event *events;
    uint32_t event_count;
    uint32_t event_capacity;
    struct rejection *rejections;
    uint32_t rejection_count;
    uint32_t rejection_capacity;
};

void message_init(struct message *message);
void message_done(struct message *message);
void message_reset(struct message *message);           /* keeps the memory for the next one */
void message_keep_rejections(struct message *message); /* and gives all other memory back */
/* Adds a rejection, in order of arrival; the caller fills what is returned. */
struct rejection *message_reject(struct message *message, uint32_t index);

/*
 * Reads message->text (which the caller has filled) as PROTOCOL says: one object, one array, or
 * one object per line. An array or lines of more than MESSAGE_EVENTS_MAX events are rejected as one
 * with batch_too_large. An empty (all blank) message has no events and no rejections.
 *
 * `index` counts array elements, or lines, blank ones too, so that it names the line as a person
 * counts them (from 0). Valid JSON that is not an object where an event is due is bad_type. Of an
 * event with several faults the first is reported, in this order: type; form and range of the
 * stated fields, in the order of PROTOCOL's tables; missing fields, in that order; time.
 */
void message_parse(struct message *message, const struct event_rules *rules, int64_t now_ms);

/*
 * True when text is one JSON object whose type is "auth": no event, but the first message of a
 * client that cannot set headers. Cheap for events, whose type comes first as a rule.
 */
bool message_is_auth(struct slice text);

/* True for 1–64 bytes of A-Z a-z 0-9 . _ ~ : @ - */
bool id_ok(struct slice id);

#endif
