/*
 * The innermost steps of reading JSON, for those who read the same few keys again and again:
 * inlined, as a call for each key and each value costs more than most of them. json_reader.c has
 * the rest.
 */
#ifndef LIVETALLY_CORE_JSON_SCAN_H
#define LIVETALLY_CORE_JSON_SCAN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "livetally/json.h"

#define JSON_BYTES(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The first byte that is a quote, a backslash, a control character or not ASCII, or the end. */
static inline const char *json_pass_plain(const char *at, const char *end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* Compared as signed numbers, what is not ASCII is below a space too. */
        __m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
                                       _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
        unsigned mask = (unsigned)_mm_movemask_epi8(special);
        if (mask)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        /* A subtraction borrows only from bytes above one that is itself special, so the lowest
         * marked byte is exact. */
        uint64_t special = ((word ^ JSON_BYTES(0x22U)) - JSON_BYTES(1U)) |
                           ((word ^ JSON_BYTES(0x5CU)) - JSON_BYTES(1U)) |
                           (word - JSON_BYTES(0x20U)) | word;
        special &= JSON_BYTES(0x80U);
        if (special)
            return at + (__builtin_ctzll(special) >> 3);
        at += 8;
    }
#endif
    while (at < end && (unsigned char)*at >= 0x20U && (unsigned char)*at < 0x80U && *at != '"' &&
           *at != '\\')
        at++;
    return at;
}

/* One bit per hash of a key's size and two bytes it surely has: one of no bytes still has its
 * closing quote. */
static inline uint64_t json_key_shape(const char *data, size_t size)
{
    unsigned hash =
        (unsigned)size * 11U + (unsigned char)data[0] * 3U + (unsigned char)data[size / 2];
    return UINT64_C(1) << (hash & 63U);
}

static inline void json_add_key(struct json_seen_keys *seen, const char *data, size_t size,
                                bool escaped, uint64_t shape)
{
    struct json_string *key = &seen->keys[seen->count++];
    key->raw.data = data;
    key->raw.size = size;
    key->escaped = escaped;
    seen->shapes |= shape;
}

#define JSON_KNOWN_KEY_BYTES 16

/* A key as it is mostly written: without spaces or escapes, its colon right behind it. */
struct json_known_key {
    char text[JSON_KNOWN_KEY_BYTES]; /* with quotes and colon */
    uint32_t size;
};

#define JSON_KNOWN_KEY(name)                                                                       \
    {                                                                                              \
        "\"" name "\":", sizeof("\"" name "\":") - 1                                               \
    }

/* The first `size` of 16 bytes are equal. */
static inline bool json_starts_with(const char *at, const char *text, size_t size)
{
    static const uint8_t ones[2 * JSON_KNOWN_KEY_BYTES] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                           255, 255, 255, 255, 255, 255, 255, 255};
    const uint8_t *mask = ones + JSON_KNOWN_KEY_BYTES - size;
    uint64_t a[2], b[2], m[2];
    memcpy(a, at, sizeof a);
    memcpy(b, text, sizeof b);
    memcpy(m, mask, sizeof m);
    return (((a[0] ^ b[0]) & m[0]) | ((a[1] ^ b[1]) & m[1])) == 0;
}

/*
 * Inside an object, for who can guess the next key: passes it and its colon when it stands here.
 * False: nothing happened, and json_reader_key() is to tell. Not for a key that this object had
 * before.
 */
static inline bool json_pass_key(struct json_reader *reader, const struct json_known_key *key)
{
    const char *at = reader->at;
    if (reader->error || reader->end - at < 1 + JSON_KNOWN_KEY_BYTES)
        return false;
    if (!reader->first && *at++ != ',')
        return false;
    struct json_seen_keys *seen = &reader->seen[reader->depth - 1];
    if (!json_starts_with(at, key->text, key->size) || seen->count == JSON_KEYS_MAX)
        return false;
    json_add_key(seen, at + 1, key->size - 3, false, json_key_shape(at + 1, key->size - 3));
    reader->first = false;
    reader->at = at + key->size;
    return true;
}

static inline unsigned json_digit(const char *at)
{
    return (unsigned)(unsigned char)*at - '0';
}

/* What follows a plain integer of at most 18 digits at `at`, or NULL: it is to be read with care.
 */
static inline const char *json_pass_integer(const char *at, const char *end, int64_t *ret_integer)
{
    const char *last = end - at > 18 ? at + 18 : end;
    int64_t value = 0;
    if (at == end || *at == '0')
        return NULL;
    for (; at < last && json_digit(at) <= 9; at++)
        value = value * 10 + (int64_t)json_digit(at);
    if (at == end || (*at != ',' && *at != '}'))
        return NULL;
    *ret_integer = value;
    return at;
}

/* As json_reader_next_to(), which it calls for what is neither a plain string nor a plain integer,
 * right here. */
static inline enum json_kind json_pass_value(struct json_reader *reader,
                                             struct json_string *ret_string, int64_t *ret_integer)
{
    const char *at = reader->at;
    const char *past;
    if (reader->error || at == reader->end)
        return json_reader_next_to(reader, ret_string, ret_integer);
    if (*at == '"') {
        past = json_pass_plain(++at, reader->end);
        if (past < reader->end && *past == '"') {
            ret_string->raw.data = at;
            ret_string->raw.size = (size_t)(past - at);
            ret_string->escaped = false;
            reader->at = past + 1;
            return JSON_STRING;
        }
    } else if (json_digit(at) <= 9) {
        past = json_pass_integer(at, reader->end, ret_integer);
        if (past) {
            reader->at = past;
            return JSON_INT;
        }
    }
    return json_reader_next_to(reader, ret_string, ret_integer);
}

#endif
