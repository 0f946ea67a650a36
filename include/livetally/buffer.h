/*
 * A growing run of bytes that we own. Growth doubles, so appending is amortised constant.
 * `data` may move at every append: keep offsets, not pointers. A zeroed struct is a valid empty
 * buffer. The content is not NUL-terminated unless buffer_cstr() is asked for.
 */
#ifndef LIVETALLY_BUFFER_H
#define LIVETALLY_BUFFER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "livetally/slice.h"

struct buffer {
    char *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
};

#define BUFFER_INIT ((struct buffer){NULL, 0, 0})

void buffer_done(struct buffer *buffer);  /* frees; leaves a valid empty buffer */
void buffer_reset(struct buffer *buffer); /* forgets the content, keeps the memory */
/* Makes room for `extra` more bytes and returns where they go; does not change `size`. */
char *buffer_reserve(struct buffer *buffer, size_t extra);
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_append_slice(struct buffer *buffer, struct slice slice);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_byte(struct buffer *buffer, char byte);
void buffer_append_int(struct buffer *buffer, int64_t value);   /* decimal */
void buffer_append_uint(struct buffer *buffer, uint64_t value); /* decimal */
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Drops the first `size` bytes. */
void buffer_consume(struct buffer *buffer, size_t size);
const char *buffer_cstr(struct buffer *buffer); /* NUL-terminated, valid until the next append */

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->data ? buffer->data : "", buffer->size};
}

#endif
