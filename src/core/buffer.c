/*
 * Why this exists: everything that is sent, parsed or printed passes through bytes that grow.
 * One malloc'ed block, `size` bytes of it in use; it doubles from BUFFER_FIRST_BYTES up, so n
 * appends cost O(n). No bound of its own: whoever fills a buffer states one.
 */
#include "livetally/buffer.h"

#include <stdio.h>
#include <stdlib.h>

#include "livetally/mem.h"

#define BUFFER_FIRST_BYTES 64
#define DECIMAL_MAX_BYTES  20 /* 18446744073709551615, or a sign and 19 digits */

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = BUFFER_INIT;
}

void buffer_reset(struct buffer *buffer)
{
    buffer->size = 0;
}

static void buffer_grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST_BYTES;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    buffer->data = mem_realloc(buffer->data, capacity);
    buffer->capacity = capacity;
}

char *buffer_reserve(struct buffer *buffer, size_t extra)
{
    size_t needed;
    if (__builtin_add_overflow(buffer->size, extra, &needed))
        needed = SIZE_MAX; /* cannot be had: the allocator says so and stops */
    if (needed > buffer->capacity || !buffer->data)
        buffer_grow(buffer, needed);
    return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    memcpy(buffer_reserve(buffer, size), bytes, size);
    buffer->size += size;
}

void buffer_append_slice(struct buffer *buffer, struct slice slice)
{
    buffer_append(buffer, slice.data, slice.size);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_byte(struct buffer *buffer, char byte)
{
    *buffer_reserve(buffer, 1) = byte;
    buffer->size++;
}

void buffer_append_int(struct buffer *buffer, int64_t value)
{
    if (value >= 0) {
        buffer_append_uint(buffer, (uint64_t)value);
        return;
    }
    buffer_append_byte(buffer, '-');
    buffer_append_uint(buffer, 0 - (uint64_t)value); /* defined for INT64_MIN too */
}

void buffer_append_uint(struct buffer *buffer, uint64_t value)
{
    char digits[DECIMAL_MAX_BYTES];
    size_t start = sizeof digits;
    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buffer_append(buffer, digits + start, sizeof digits - start);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buffer_vprintf(buffer, format, args);
    va_end(args);
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    buffer_reserve(buffer, 1);
    size_t room = buffer->capacity - buffer->size;
    int size = vsnprintf(buffer->data + buffer->size, room, format, args);
    if (size > 0 && (size_t)size >= room) {
        char *at = buffer_reserve(buffer, (size_t)size + 1);
        size = vsnprintf(at, (size_t)size + 1, format, again);
    }
    if (size > 0)
        buffer->size += (size_t)size;
    va_end(again);
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    if (size >= buffer->size) {
        buffer->size = 0;
        return;
    }
    if (size == 0)
        return;
    memmove(buffer->data, buffer->data + size, buffer->size - size);
    buffer->size -= size;
}

const char *buffer_cstr(struct buffer *buffer)
{
    *buffer_reserve(buffer, 1) = '\0';
    return buffer->data;
}
