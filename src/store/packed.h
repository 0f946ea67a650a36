/*
 * Lists of strings in one argument of a script, as cmsgpack.unpack() reads them: in msgpack, one
 * after the other. An argument of its own would cost Redis more than what is done with the string.
 *
 * A list is put together twice by the same code: first to learn its bytes, then into the command.
 */
#ifndef LIVETALLY_STORE_PACKED_H
#define LIVETALLY_STORE_PACKED_H

#include <string.h>

#include "resp.h"

struct packed {
    size_t bytes; /* all of them, once the first pass is over */
    char *at;     /* where the next string goes; NULL: the first pass */
};

static inline char *packed_header(char *at, size_t size)
{
    if (size < 32) {
        *at++ = (char)(0xa0 | size);
    } else if (size < 256) {
        *at++ = (char)0xd9;
        *at++ = (char)size;
    } else {
        *at++ = (char)0xdb;
        for (int shift = 24; shift >= 0; shift -= 8)
            *at++ = (char)(size >> shift & 0xff);
    }
    return at;
}

/* An absent slice is the empty string. */
static inline void packed_add(struct packed *list, struct slice text)
{
    if (!list->at) {
        list->bytes += (text.size < 32 ? 1 : text.size < 256 ? 2 : 5) + text.size;
        return;
    }
    list->at = packed_header(list->at, text.size);
    if (text.size)
        memcpy(list->at, text.data, text.size);
    list->at += text.size;
}

/*
 * Ends the first pass: appends each list as an argument of its size. The second pass has to fill
 * them all before anything else is appended.
 */
static inline void packed_place(struct packed *lists, uint32_t count, struct buffer *out)
{
    size_t room = 0;
    for (uint32_t i = 0; i < count; i++)
        room += lists[i].bytes + 32;
    buffer_reserve(out, room); /* so that what follows moves nothing */
    for (uint32_t i = 0; i < count; i++) {
        buffer_append_byte(out, '$');
        buffer_append_uint(out, lists[i].bytes);
        buffer_append(out, "\r\n", 2);
        lists[i].at = out->data + out->size;
        out->size += lists[i].bytes;
        buffer_append(out, "\r\n", 2);
    }
}

/* A string of at most 255 bytes that is written in place: begin, append it, end. */
static inline size_t packed_begin(struct buffer *out)
{
    buffer_append(out, "\xd9", 2);
    return out->size;
}

static inline void packed_end(struct buffer *out, size_t start)
{
    out->data[start - 1] = (char)(out->size - start);
}

#endif
