/*
 * One step of UTF-8, shared by the JSON reader, the writer and the checks, so that there is one
 * idea of what is well formed: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef LIVETALLY_CORE_UTF8_STEP_H
#define LIVETALLY_CORE_UTF8_STEP_H

#include <stdbool.h>
#include <stddef.h>

static inline bool utf8_is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0U) == 0x80U;
}

/* Bytes of the character that starts at `at` (at < end), or 0 when it is malformed or cut off. */
static inline size_t utf8_step(const char *at, const char *end)
{
    unsigned char lead = (unsigned char)at[0];
    size_t left = (size_t)(end - at);
    if (lead < 0x80U)
        return 1;
    if (lead < 0xC2U || lead > 0xF4U || left < 2)
        return 0;
    unsigned char second = (unsigned char)at[1];
    if (lead < 0xE0U)
        return utf8_is_continuation(at[1]) ? 2 : 0;
    if (lead < 0xF0U) {
        unsigned char low = lead == 0xE0U ? 0xA0U : 0x80U;
        unsigned char high = lead == 0xEDU ? 0x9FU : 0xBFU;
        return left >= 3 && second >= low && second <= high && utf8_is_continuation(at[2]) ? 3 : 0;
    }
    unsigned char low = lead == 0xF0U ? 0x90U : 0x80U;
    unsigned char high = lead == 0xF4U ? 0x8FU : 0xBFU;
    return left >= 4 && second >= low && second <= high && utf8_is_continuation(at[2]) &&
                   utf8_is_continuation(at[3])
               ? 4
               : 0;
}

/*
 * What is left of `size` bytes after dropping a character that was cut off at their end; for text
 * that a bounded print has already cut, where the missing bytes can't be looked at any more.
 */
size_t utf8_trim(const char *text, size_t size);

#endif
