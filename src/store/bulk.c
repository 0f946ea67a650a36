/*
 * See bulk.h.
 */
#include "bulk.h"

#include <string.h>

#include "resp.h"

void bulk_find(const struct batch *batch, bool packed, struct bulk *ret_bulk)
{
    uint32_t count;
    const struct touch *touches = batch_touches(batch, &count), *last = NULL;
    *ret_bulk = (struct bulk){.packed = packed};
    for (uint32_t i = 0; i < count; i++) {
        if (!bulk_has(&touches[i]))
            continue;
        last = &touches[i];
        ret_bulk->count++;
        ret_bulk->created += last->assumed_place != PLACE_CURRENT;
    }
    if (last) {
        ret_bulk->field = touch_field(last, packed);
        ret_bulk->record = last->next;
    }
}

size_t bulk_mark_bytes(const struct bulk *bulk)
{
    return strlen(bulk->mark) + bulk->field.size + bulk->record.size;
}

void bulk_mark_write(const struct bulk *bulk, char *at)
{
    size_t head = strlen(bulk->mark);
    memcpy(at, bulk->mark, head);
    memcpy(at + head, bulk->field.data, bulk->field.size);
    memcpy(at + head + bulk->field.size, bulk->record.data, bulk->record.size);
}

void bulk_encode(struct buffer *out, const char *gate, const struct batch *batch,
                 const struct bulk *bulk)
{
    uint32_t count;
    const struct touch *touches = batch_touches(batch, &count);
    resp_start(out, 2 + 2 * (size_t)bulk->count);
    resp_text(out, "HSET");
    resp_text(out, gate);
    for (uint32_t i = 0; i < count; i++)
        if (bulk_has(&touches[i])) {
            resp_slice(out, touch_field(&touches[i], bulk->packed));
            resp_slice(out, touches[i].next);
        }
}

/* A script's own answers are numbers, or begin with a word. */
bool reply_is_bulk(const redisReply *reply)
{
    return reply_is_array(reply, BULK_REPLIES) && reply->elements == BULK_REPLIES &&
           !reply_slice(reply->element[0]).data;
}
