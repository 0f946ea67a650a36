/*
 * Variable-length integers: seven bits a byte, least significant first, the top bit set on all but
 * the last. A number has one spelling, the shortest: reading refuses any other, and what runs out
 * of its bytes or beyond 64 bits.
 */
#ifndef LIVETALLY_CORE_VARINT_H
#define LIVETALLY_CORE_VARINT_H

#include <stdbool.h>
#include <stdint.h>

#define VARINT_MAX_BYTES 10

static inline char *varint_put(char *out, uint64_t value)
{
    while (value >= 0x80) {
        *out++ = (char)(value | 0x80);
        value >>= 7;
    }
    *out++ = (char)value;
    return out;
}

static inline bool varint_get(const char **at, const char *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint64_t byte = (unsigned char)*(*at)++;
        if ((shift == 63 && byte > 1) || (shift > 0 && byte == 0))
            return false;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static inline uint64_t zigzag_encode(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t zigzag_decode(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
