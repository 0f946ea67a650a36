/*
 * Why this exists: strings are read in place and unescaped only where their value is needed.
 * Everything here trusts that the reader has checked the escapes already. No state but a cursor.
 */
#include "livetally/json.h"

static uint32_t hex4(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)at[i];
        value = value * 16 + (c <= '9' ? c - 0x30U : (c | 0x20U) - 0x61U + 10U);
    }
    return value;
}

static size_t put_utf8(uint32_t code, char out[4])
{
    if (code < 0x80U) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800U) {
        out[0] = (char)(0xC0U | code >> 6U);
        out[1] = (char)(0x80U | (code & 0x3FU));
        return 2;
    }
    if (code < 0x10000U) {
        out[0] = (char)(0xE0U | code >> 12U);
        out[1] = (char)(0x80U | (code >> 6U & 0x3FU));
        out[2] = (char)(0x80U | (code & 0x3FU));
        return 3;
    }
    out[0] = (char)(0xF0U | code >> 18U);
    out[1] = (char)(0x80U | (code >> 12U & 0x3FU));
    out[2] = (char)(0x80U | (code >> 6U & 0x3FU));
    out[3] = (char)(0x80U | (code & 0x3FU));
    return 4;
}

/* Unescapes what stands at the backslash *at, moves *at past it, returns the bytes it makes. */
static size_t unescape(const char **at, char out[4])
{
    char letter = (*at)[1];
    if (letter != 'u') {
        *at += 2;
        switch (letter) {
        case 'b':
            out[0] = '\b';
            break;
        case 'f':
            out[0] = '\f';
            break;
        case 'n':
            out[0] = '\n';
            break;
        case 'r':
            out[0] = '\r';
            break;
        case 't':
            out[0] = '\t';
            break;
        default:
            out[0] = letter;
            break;
        }
        return 1;
    }
    uint32_t code = hex4(*at + 2);
    *at += 6;
    if (code >= 0xD800U && code <= 0xDBFFU) {
        code = 0x10000U + ((code - 0xD800U) << 10U) + (hex4(*at + 2) - 0xDC00U);
        *at += 6;
    }
    return put_utf8(code, out);
}

size_t json_string_decode(struct json_string string, char *out)
{
    const char *at = string.raw.data;
    const char *end = at + string.raw.size;
    char *to = out;
    while (at < end) {
        const char *run = string.escaped ? memchr(at, '\\', (size_t)(end - at)) : NULL;
        size_t size = (size_t)((run ? run : end) - at);
        memcpy(to, at, size);
        to += size;
        at += size;
        if (run) {
            char bytes[4];
            size = unescape(&at, bytes);
            memcpy(to, bytes, size);
            to += size;
        }
    }
    return (size_t)(to - out);
}

/* Walks the unescaped bytes of a string. */
struct walk {
    const char *at;
    const char *end;
    size_t ready; /* bytes of the last escape still to be given out */
    size_t given;
    char bytes[4];
};

/* The next unescaped byte, or -1 at the end. */
static inline int walk_next(struct walk *walk)
{
    if (walk->given < walk->ready)
        return (unsigned char)walk->bytes[walk->given++];
    if (walk->at == walk->end)
        return -1;
    if (*walk->at != '\\')
        return (unsigned char)*walk->at++;
    walk->ready = unescape(&walk->at, walk->bytes);
    walk->given = 1;
    return (unsigned char)walk->bytes[0];
}

/* As walk_next(), for text in which a backslash is only itself. */
static inline int plain_next(struct walk *walk)
{
    return walk->at == walk->end ? -1 : (unsigned char)*walk->at++;
}

bool json_string_same(struct json_string a, struct json_string b)
{
    if (!a.escaped && !b.escaped)
        return slice_equal(a.raw, b.raw);
    struct walk x = {.at = a.raw.data, .end = a.raw.data + a.raw.size};
    struct walk y = {.at = b.raw.data, .end = b.raw.data + b.raw.size};
    for (;;) {
        int from_a = a.escaped ? walk_next(&x) : plain_next(&x);
        int from_b = b.escaped ? walk_next(&y) : plain_next(&y);
        if (from_a != from_b)
            return false;
        if (from_a < 0)
            return true;
    }
}
