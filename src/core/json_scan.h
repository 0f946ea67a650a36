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

/* 16 bytes can be read at `at`. */
static inline bool json_is_key(const char *at, const struct json_known_key *key)
{
#ifdef __SSE2__
    __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)at),
                                  _mm_loadu_si128((const __m128i *)(const void *)key->text));
    return (~(unsigned)_mm_movemask_epi8(same) & ((1U << key->size) - 1)) == 0;
#else
    return memcmp(at, key->text, key->size) == 0;
#endif
}

/*
 * Inside an object, of a reader without an error, for who can guess the next key: passes it and
 * its colon when it stands here. False: nothing happened, and json_reader_key() is to tell. Not for
 * a key that this object had before. The reader hears of it by json_note_key() only, which is due
 * before it is asked for any other key of this object.
 */
static inline bool json_pass_key(struct json_reader *reader, const struct json_known_key *key)
{
    const char *at = reader->at;
    if (reader->end - at < 1 + JSON_KNOWN_KEY_BYTES)
        return false;
    if (!reader->first && *at++ != ',')
        return false;
    if (!json_is_key(at, key))
        return false;
    reader->first = false;
    reader->at = at + key->size;
    return true;
}

/* The object has less than JSON_KEYS_MAX keys. */
static inline void json_note_key(struct json_reader *reader, const struct json_known_key *key)
{
    const char *data = key->text + 1;
    size_t size = key->size - 3;
    json_add_key(&reader->seen[reader->depth - 1], data, size, false, json_key_shape(data, size));
}

/* As json_reader_next() of a reader without an error, when an object stands right here. False:
 * nothing happened. */
static inline bool json_pass_open(struct json_reader *reader)
{
    if (reader->at == reader->end || *reader->at != '{' || reader->depth == JSON_DEPTH_MAX)
        return false;
    reader->at++;
    reader->open[reader->depth] = JSON_OBJECT;
    reader->seen[reader->depth].count = 0;
    reader->seen[reader->depth].shapes = 0;
    reader->depth++;
    reader->first = true;
    return true;
}

/* As json_pass_key(), for the end of an object that has keys. */
static inline bool json_pass_close(struct json_reader *reader)
{
    if (reader->first || reader->at == reader->end || *reader->at != '}')
        return false;
    reader->at++;
    reader->depth--;
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
 * right here. The reader is without an error. */
static inline enum json_kind json_pass_value(struct json_reader *reader,
                                             struct json_string *ret_string, int64_t *ret_integer)
{
    const char *at = reader->at;
    const char *past;
    if (at == reader->end)
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
