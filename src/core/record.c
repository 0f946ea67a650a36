/*
 * The record codec. Records are the bulk of what Redis holds and of what a commit sends, so they
 * are packed tight; they are also what money hangs on, so decoding trusts nothing: a record must be
 * exactly one that encoding can write.
 */
#include "livetally/record.h"

#include <string.h>

#include "livetally/county.h"
#include "livetally/error.h"
#include "livetally/event.h"
#include "varint.h"

enum {
    TAG_FORMAT = 0x10,
    TAG_ORDER = 1,
    TAG_SESSION = 2,
    TAG_PLATFORM = 4,
    TAG_REFUNDS = 8,
    REFUND_HAS_HOST = 0x80,
};

static char *text_put(char *out, struct slice text)
{
    *out++ = (char)text.size;
    memcpy(out, text.data, text.size);
    return out + text.size;
}

static bool text_get(const char **at, const char *end, struct slice *ret_text)
{
    if (*at == end)
        return false;
    size_t size = (unsigned char)*(*at)++;
    if (size > (size_t)(end - *at) || !id_ok((struct slice){*at, size}))
        return false;
    *ret_text = (struct slice){*at, size};
    *at += size;
    return true;
}

static bool number_get(const char **at, const char *end, int64_t min, int64_t max,
                       int64_t *ret_value)
{
    uint64_t value;
    if (!varint_get(at, end, &value) || value < (uint64_t)min || value > (uint64_t)max)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

size_t record_bound(const struct record *record)
{
    return 1 + 4 * (1 + ID_MAX_BYTES) + 4 * VARINT_MAX_BYTES + 1 +
           record->refund_count * (1 + 2 * (1 + ID_MAX_BYTES) + 3 * (size_t)VARINT_MAX_BYTES);
}

size_t record_encode(const struct record *record, char *out)
{
    char *at = out;
    bool session = record->session.size > 0, platform = record->platform.size > 0;
    *at++ = (char)(TAG_FORMAT | (record->has_order ? TAG_ORDER : 0) |
                   (record->has_order && session ? TAG_SESSION : 0) |
                   (record->has_order && platform ? TAG_PLATFORM : 0) |
                   (record->refund_count ? TAG_REFUNDS : 0));
    if (record->has_order) {
        at = text_put(at, record->host);
        at = text_put(at, record->product);
        if (session)
            at = text_put(at, record->session);
        if (platform)
            at = text_put(at, record->platform);
        at = varint_put(at, record->county);
        at = varint_put(at, (uint64_t)record->quantity);
        at = varint_put(at, (uint64_t)record->amount);
        at = varint_put(at, (uint64_t)record->time_ms);
    }
    if (record->refund_count)
        *at++ = (char)record->refund_count;
    for (uint32_t i = 0; i < record->refund_count; i++) {
        const struct record_refund *refund = &record->refunds[i];
        *at++ = (char)((int)refund->state | (refund->host.size ? REFUND_HAS_HOST : 0));
        at = text_put(at, refund->id);
        if (refund->host.size)
            at = text_put(at, refund->host);
        at = varint_put(at, (uint64_t)refund->amount);
        at = varint_put(at, (uint64_t)refund->quantity);
        at = varint_put(at, (uint64_t)refund->time_ms);
    }
    return (size_t)(at - out);
}

static bool order_get(const char **at, const char *end, unsigned tag, struct record *record)
{
    uint64_t county;
    if (!text_get(at, end, &record->host) || !text_get(at, end, &record->product) ||
        (tag & TAG_SESSION && !text_get(at, end, &record->session)) ||
        (tag & TAG_PLATFORM && !text_get(at, end, &record->platform)) ||
        !varint_get(at, end, &county) || county > 999999 || !county_form_ok((uint32_t)county))
        return false;
    record->county = (uint32_t)county;
    return number_get(at, end, 1, ORDER_QUANTITY_MAX, &record->quantity) &&
           number_get(at, end, 0, ORDER_AMOUNT_MAX, &record->amount) &&
           number_get(at, end, 0, TIME_MAX_MS, &record->time_ms);
}

static bool refund_get(const char **at, const char *end, struct record_refund *refund)
{
    if (*at == end)
        return false;
    unsigned state = (unsigned char)*(*at)++;
    refund->host = (struct slice){NULL, 0};
    if ((state & ~(unsigned)REFUND_HAS_HOST) > REFUND_VOID || !text_get(at, end, &refund->id) ||
        (state & REFUND_HAS_HOST && !text_get(at, end, &refund->host)))
        return false;
    refund->state = (enum refund_state)(state & ~(unsigned)REFUND_HAS_HOST);
    return number_get(at, end, 1, ORDER_AMOUNT_MAX, &refund->amount) &&
           number_get(at, end, 0, ORDER_QUANTITY_MAX, &refund->quantity) &&
           number_get(at, end, 0, TIME_MAX_MS, &refund->time_ms);
}

int record_decode(struct slice bytes, struct record *ret_record)
{
    const char *at = bytes.data, *end = bytes.data + bytes.size;
    struct record *record = ret_record;
    if (bytes.size == 0)
        return ERROR_CORRUPT;
    unsigned tag = (unsigned char)*at++;
    if ((tag & 0xf0) != TAG_FORMAT || !(tag & (TAG_ORDER | TAG_REFUNDS)) ||
        (!(tag & TAG_ORDER) && tag & (TAG_SESSION | TAG_PLATFORM)))
        return ERROR_CORRUPT;
    record->has_order = tag & TAG_ORDER;
    record->county = 0;
    record->host = record->product = record->session = record->platform = (struct slice){NULL, 0};
    record->quantity = record->amount = record->time_ms = 0;
    record->refund_count = 0;
    if (record->has_order && !order_get(&at, end, tag, record))
        return ERROR_CORRUPT;
    if (tag & TAG_REFUNDS) {
        if (at == end)
            return ERROR_CORRUPT;
        uint32_t count = (unsigned char)*at++;
        if (count == 0 || count > ORDER_REFUNDS_MAX)
            return ERROR_CORRUPT;
        for (; record->refund_count < count; record->refund_count++)
            if (!refund_get(&at, end, &record->refunds[record->refund_count]))
                return ERROR_CORRUPT;
    }
    return at == end ? 0 : ERROR_CORRUPT;
}
