/*
 * The ledger record of one order id, as it stands in Redis: what was paid, and every refund of it.
 * Exactly-once is this record: an order or refund counts when its record says so for the first
 * time. A record without the order part is a stub: refunds that came before their order.
 *
 *   record = tag:u8 [order] [refund_count:u8 refund…]
 *   tag    = 0x10 | has_order 1 | has_session 2 | has_platform 4 | has_refunds 8
 *   order  = host:text product:text [session:text] [platform:text]
 *            county quantity amount time_ms                         all varints
 *   refund = state:u8 id:text [host:text] amount quantity time_ms   host: state & 0x80
 *   text   = size:u8 bytes
 */
#ifndef LIVETALLY_RECORD_H
#define LIVETALLY_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/slice.h"

#define ORDER_REFUNDS_MAX 64 /* PROTOCOL: more are too_many_refunds */

enum refund_state {
    REFUND_APPLIED, /* counted */
    REFUND_PARKED,  /* waits for its order */
    REFUND_VOID,    /* was parked, and did not fit the order when it came */
};

struct record_refund {
    enum refund_state state;
    struct slice id;
    struct slice host; /* as stated by a refund that was parked; else absent */
    int64_t amount;
    int64_t quantity;
    int64_t time_ms;
};

struct record {
    bool has_order;
    uint32_t county;
    struct slice host;
    struct slice product;
    struct slice session;  /* absent: none */
    struct slice platform; /* absent: none */
    int64_t quantity;
    int64_t amount;
    int64_t time_ms;
    uint32_t refund_count;
    struct record_refund refunds[ORDER_REFUNDS_MAX]; /* in order of arrival */
};

/* The largest record there can be; an upper bound for the room that encoding needs. */
#define RECORD_MAX_BYTES (1 + 4 * 65 + 4 * 10 + 1 + ORDER_REFUNDS_MAX * (1 + 2 * 65 + 3 * 10))

/* Writes to `out`, which has RECORD_MAX_BYTES of room (or what record_bound() says). */
size_t record_encode(const struct record *record, char *out);
size_t record_bound(const struct record *record);
/*
 * Slices point into bytes. ERROR_CORRUPT for anything record_encode() would not have written of
 * events as they are checked: a record has one spelling, and whatever it says can be counted.
 */
int record_decode(struct slice bytes, struct record *ret_record);

#endif
