/*
 * See resp.h. Lengths and text go straight into the buffer; nothing is formatted twice.
 */
#include "resp.h"

#include <string.h>

static void header(struct buffer *out, char kind, size_t count)
{
    buffer_append_byte(out, kind);
    buffer_append_uint(out, count);
    buffer_append(out, "\r\n", 2);
}

void resp_start(struct buffer *out, size_t arguments)
{
    header(out, '*', arguments);
}

static char *put_decimal(char *at, size_t value)
{
    char digits[12];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) && n < sizeof digits);
    while (n)
        *at++ = digits[--n];
    return at;
}

void resp_slice(struct buffer *out, struct slice argument)
{
    char *at = buffer_reserve(out, argument.size + 16);
    char *start = at;
    size_t size = argument.size;
    *at++ = '$';
    if (size < 10) {
        *at++ = (char)('0' + size);
    } else if (size < 100) { /* nearly all */
        *at++ = (char)('0' + size / 10);
        *at++ = (char)('0' + size % 10);
    } else {
        at = put_decimal(at, size);
    }
    *at++ = '\r';
    *at++ = '\n';
    if (size)
        memcpy(at, argument.data, size);
    at += size;
    *at++ = '\r';
    *at++ = '\n';
    out->size += (size_t)(at - start);
}

void resp_text(struct buffer *out, const char *argument)
{
    resp_slice(out, slice_of(argument));
}

void resp_uint(struct buffer *out, uint64_t argument)
{
    char digits[20];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + argument % 10);
    while (argument /= 10);
    resp_slice(out, (struct slice){digits + n, sizeof digits - n});
}

bool reply_is_array(const redisReply *reply, size_t min_elements)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= min_elements;
}

struct slice reply_slice(const redisReply *reply)
{
    if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS))
        return (struct slice){NULL, 0};
    return (struct slice){reply->str, reply->len};
}

bool reply_is_text(const redisReply *reply, const char *text)
{
    struct slice slice = reply_slice(reply);
    return slice.data && slice_equal(slice, slice_of(text));
}

bool reply_uint(const redisReply *reply, uint64_t *ret_value)
{
    if (reply && reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0) {
        *ret_value = (uint64_t)reply->integer;
        return true;
    }
    struct slice text = reply_slice(reply);
    if (!text.data || text.size == 0 || text.size > 19)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_value = value;
    return true;
}

bool reply_is_error(const redisReply *reply, const char *prefix)
{
    return reply && reply->type == REDIS_REPLY_ERROR && reply->len >= strlen(prefix) &&
           memcmp(reply->str, prefix, strlen(prefix)) == 0;
}
