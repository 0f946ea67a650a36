/*
 * Runs of decimal digits as numbers, eight at a time: the ids that platforms give are numbers of 19
 * digits, and each order's is read and written.
 */
#ifndef LIVETALLY_CORE_DIGITS_H
#define LIVETALLY_CORE_DIGITS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIGITS_MAX 19 /* as many always fit 64 bits */

#define DIGITS_ONES   UINT64_C(0x0101010101010101)
#define DIGITS_CHUNK  8
#define DIGITS_POWER8 UINT64_C(100000000)

/* Of the largest number of so many digits: bytes, and what is above it. */
extern const uint8_t digits_bytes[DIGITS_MAX + 1];
extern const uint64_t digits_power[DIGITS_MAX + 1];

/* Eight characters; the first is the lowest byte. */
static inline uint64_t digits_load(const char *at)
{
    uint64_t chunk;
    memcpy(&chunk, at, sizeof chunk);
    return le64toh(chunk);
}

/* The top bit of each byte that is no digit. */
static inline uint64_t digits_others(uint64_t chunk)
{
    uint64_t values = chunk ^ 0x30 * DIGITS_ONES;
    return (values | ((values & 0x7f * DIGITS_ONES) + 0x76 * DIGITS_ONES)) & 0x80 * DIGITS_ONES;
}

/* Of eight digits' values, 0 to 9 in each byte: pairs, then fours, then all. */
static inline uint64_t digits_join(uint64_t values)
{
    values = values * 10 + (values >> 8);
    return ((values & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
            ((values >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >>
           32;
}

static inline bool digits_read_short(const char *at, const char *end, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (; at < end; at++) {
        unsigned digit = (unsigned char)*at - (unsigned)'0';
        if (digit > 9)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

/* False: it isn't 1 to DIGITS_MAX digits and nothing else. The last chunk overlaps the one before.
 */
static inline bool digits_read(const char *at, size_t size, uint64_t *ret_number)
{
    const char *end = at + size;
    uint64_t number = 0, others = 0;
    if (size == 0 || size > DIGITS_MAX)
        return false;
    if (size < DIGITS_CHUNK)
        return digits_read_short(at, end, ret_number);
    for (; end - at >= DIGITS_CHUNK; at += DIGITS_CHUNK) {
        uint64_t chunk = digits_load(at);
        others |= digits_others(chunk);
        number = number * DIGITS_POWER8 + digits_join(chunk ^ 0x30 * DIGITS_ONES);
    }
    if (at < end) {
        size_t rest = (size_t)(end - at);
        uint64_t chunk = digits_load(end - DIGITS_CHUNK);
        uint64_t values = (chunk ^ 0x30 * DIGITS_ONES) & UINT64_MAX << 8 * (DIGITS_CHUNK - rest);
        others |= digits_others(chunk);
        number = number * digits_power[rest] + digits_join(values);
    }
    if (others)
        return false;
    *ret_number = number;
    return true;
}

/* As so many digits, with zeros before them where it has fewer. */
static inline void digits_write(char *out, size_t size, uint64_t number)
{
    while (size) {
        out[--size] = (char)('0' + number % 10);
        number /= 10;
    }
}

#endif
