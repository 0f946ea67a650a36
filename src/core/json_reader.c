/*
 * Why this exists: every order passes through here, so reading is strict, allocates nothing and is
 * measured in nanoseconds; the usual libraries are either lax or ten times slower.
 *
 * The reader is a cursor in borrowed text plus a small stack: what is open at each depth, and the
 * keys that each open object had so far. Plain stretches of strings are passed eight or sixteen
 * bytes at a time; everything rare (escapes, UTF-8, long numbers) has a path of its own. Every byte
 * is passed once, and a key is compared with at most JSON_KEYS_MAX - 1 others.
 */
#include "livetally/json.h"

#include "json_scan.h"
#include "utf8_step.h"

static bool fail(struct json_reader *reader, const char *at, const char *error)
{
    if (!reader->error) {
        reader->error = error;
        reader->at = at;
    }
    return false;
}

/* The byte at a place, or NUL, which has no meaning in JSON, at the end of the text. */
static inline char byte_at(const struct json_reader *reader, const char *at)
{
    return at < reader->end ? *at : '\0';
}

static inline const char *pass_space(const struct json_reader *reader, const char *at)
{
    while (at < reader->end && (unsigned char)*at <= ' ' &&
           (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* Four hexadecimal digits, or -1. */
static int32_t read_hex4(const char *at, const char *end)
{
    int32_t value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* From a backslash to what follows its escape, or NULL on error. */
static const char *pass_escape(struct json_reader *reader, const char *at)
{
    const char *end = reader->end;
    if (end - at >= 2 && at[1] != '\0' && strchr("\"\\/bfnrt", at[1]))
        return at + 2;
    if (end - at < 2 || at[1] != 'u') {
        fail(reader, at, "an escape that JSON does not have");
        return NULL;
    }
    int32_t unit = read_hex4(at + 2, end);
    if (unit < 0) {
        fail(reader, at, "\\u needs four hexadecimal digits");
        return NULL;
    }
    if (unit < 0xD800 || unit > 0xDFFF)
        return at + 6;
    bool paired = unit < 0xDC00 && end - at >= 12 && at[6] == '\\' && at[7] == 'u';
    int32_t low = paired ? read_hex4(at + 8, end) : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        fail(reader, at, "half of a surrogate pair");
        return NULL;
    }
    return at + 12;
}

/* To the closing quote from `at`, where something rarer than plain ASCII stands. NULL on error. */
static const char *pass_string_rest(struct json_reader *reader, const char *at, bool *escaped)
{
    const char *end = reader->end;
    while (at < end && *at != '"') {
        if (*at == '\\') {
            *escaped = true;
            at = pass_escape(reader, at);
            if (!at)
                return NULL;
        } else if ((unsigned char)*at < 0x20U) {
            fail(reader, at, "a control character within a string");
            return NULL;
        } else {
            size_t step = utf8_step(at, end);
            if (step == 0) {
                fail(reader, at, "not UTF-8");
                return NULL;
            }
            at += step;
            if (at < end && (unsigned char)*at >= 0x80U)
                continue;
        }
        at = json_pass_plain(at, end);
    }
    if (at == end) {
        fail(reader, at, "the text ends within a string");
        return NULL;
    }
    return at;
}

/*
 * To the closing quote of the string that starts after its opening quote, at `start`. NULL on
 * error. Sets *escaped, but does not clear it. The parts of a string are handed on one by one:
 * copying a struct that was just written in parts makes the processor wait for each part.
 */
static inline const char *pass_string(struct json_reader *reader, const char *start, bool *escaped)
{
    const char *at = json_pass_plain(start, reader->end);
    if (at < reader->end && *at == '"')
        return at;
    return pass_string_rest(reader, at, escaped);
}

static inline bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* The rest of a number that is no integer: at is on '.', 'e' or 'E'. NULL on error. */
static const char *pass_fraction(struct json_reader *reader, const char *at)
{
    const char *end = reader->end;
    if (*at == '.') {
        at++;
        if (!is_digit(at, end)) {
            fail(reader, at, "expected a digit after the decimal point");
            return NULL;
        }
        while (is_digit(at, end))
            at++;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        if (!is_digit(at, end)) {
            fail(reader, at, "expected a digit in the exponent");
            return NULL;
        }
        while (is_digit(at, end))
            at++;
    }
    return at;
}

static inline enum json_kind read_number(struct json_reader *reader, const char *start,
                                         struct json_string *ret_string, int64_t *ret_integer)
{
    const char *end = reader->end;
    bool negative = *start == '-';
    const char *digits = start + negative;
    const char *at = digits;
    uint64_t value = 0; /* wraps beyond 19 digits, where it is not used */

    while (is_digit(at, end))
        value = value * 10 + (uint64_t)(*at++ - '0');
    ptrdiff_t count = at - digits;
    if (count == 0) {
        fail(reader, at, "expected a digit");
        return JSON_ERROR;
    }
    if (count > 1 && *digits == '0') {
        fail(reader, digits, "a number with a leading zero");
        return JSON_ERROR;
    }
    bool integer = true;
    if (at < end && (*at == '.' || *at == 'e' || *at == 'E')) {
        integer = false;
        at = pass_fraction(reader, at);
        if (!at)
            return JSON_ERROR;
    }
    reader->at = at;
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    if (!integer || count > 19 || value > limit) {
        *ret_string = (struct json_string){{start, (size_t)(at - start)}, false};
        return JSON_NUMBER;
    }
    *ret_integer = negative ? (int64_t)(0 - value) : (int64_t)value;
    return JSON_INT;
}

static enum json_kind read_literal(struct json_reader *reader, const char *at, struct slice word,
                                   enum json_kind kind)
{
    if ((size_t)(reader->end - at) < word.size || memcmp(at, word.data, word.size) != 0) {
        fail(reader, at, "expected a value");
        return JSON_ERROR;
    }
    reader->at = at + word.size;
    return kind;
}

static enum json_kind read_open(struct json_reader *reader, const char *at, enum json_kind kind)
{
    if (reader->depth == JSON_DEPTH_MAX) {
        fail(reader, at, "nested too deep");
        return JSON_ERROR;
    }
    reader->at = at + 1;
    reader->open[reader->depth] = (uint8_t)kind;
    reader->seen[reader->depth].count = 0;
    reader->seen[reader->depth].shapes = 0;
    reader->depth++;
    reader->first = true;
    return kind;
}

void json_reader_init(struct json_reader *reader, struct slice text)
{
    reader->start = text.data ? text.data : "";
    reader->at = reader->start;
    reader->end = reader->start + text.size;
    reader->error = NULL;
    reader->depth = 0;
    reader->first = true;
}

enum json_kind json_reader_next(struct json_reader *reader)
{
    return json_reader_next_to(reader, &reader->string, &reader->integer);
}

enum json_kind json_reader_next_to(struct json_reader *reader, struct json_string *ret_string,
                                   int64_t *ret_integer)
{
    if (reader->error)
        return JSON_ERROR;
    const char *at = pass_space(reader, reader->at);
    switch (byte_at(reader, at)) {
    case '"': {
        bool escaped = false;
        const char *quote = pass_string(reader, ++at, &escaped);
        if (!quote)
            return JSON_ERROR;
        ret_string->raw.data = at;
        ret_string->raw.size = (size_t)(quote - at);
        ret_string->escaped = escaped;
        reader->at = quote + 1;
        return JSON_STRING;
    }
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return read_number(reader, at, ret_string, ret_integer);
    case '{':
        return read_open(reader, at, JSON_OBJECT);
    case '[':
        return read_open(reader, at, JSON_ARRAY);
    case 't':
        return read_literal(reader, at, SLICE("true"), JSON_TRUE);
    case 'f':
        return read_literal(reader, at, SLICE("false"), JSON_FALSE);
    case 'n':
        return read_literal(reader, at, SLICE("null"), JSON_NULL);
    default:
        fail(reader, at, "expected a value");
        return JSON_ERROR;
    }
}

/* Whether the innermost object has the key already. Compares with all of them. */
static bool has_key(const struct json_seen_keys *seen, struct json_string key)
{
    for (uint32_t i = 0; i < seen->count; i++)
        if (json_string_same(seen->keys[i], key))
            return true;
    return false;
}

/* Remembers the key of the innermost object; an error when it was there before. */
static inline bool note_key(struct json_reader *reader, const char *data, size_t size, bool escaped)
{
    struct json_seen_keys *seen = &reader->seen[reader->depth - 1];
    /* An escaped key may equal one of any shape: from then on, all are compared. */
    uint64_t shape = escaped ? UINT64_MAX : json_key_shape(data, size);
    if ((seen->shapes & shape) && has_key(seen, (struct json_string){{data, size}, escaped}))
        return fail(reader, data - 1, "the same key twice in one object");
    if (seen->count == JSON_KEYS_MAX)
        return fail(reader, data - 1, "too many keys in one object");
    json_add_key(seen, data, size, escaped, shape);
    return true;
}

/*
 * The next member of the innermost container, past its comma and any space. NULL at the end, which
 * is consumed, or on error.
 */
static inline const char *next_member(struct json_reader *reader, char closing,
                                      const char *expected)
{
    if (reader->error || reader->depth == 0)
        return NULL;
    const char *at = pass_space(reader, reader->at);
    char c = byte_at(reader, at);
    bool first = reader->first;
    reader->first = false;
    if (c == ',' && !first)
        return pass_space(reader, at + 1);
    if (c == closing) {
        reader->at = at + 1;
        reader->depth--;
        return NULL;
    }
    if (first)
        return at;
    fail(reader, at, expected);
    return NULL;
}

bool json_reader_key(struct json_reader *reader, struct json_string *ret_key)
{
    const char *at = next_member(reader, '}', "expected ',' or '}'");
    if (!at)
        return false;
    if (byte_at(reader, at) != '"')
        return fail(reader, at, "expected a key in double quotes");
    const char *start = at + 1;
    bool escaped = false;
    const char *quote = pass_string(reader, start, &escaped);
    if (!quote || !note_key(reader, start, (size_t)(quote - start), escaped))
        return false;
    at = pass_space(reader, quote + 1);
    if (byte_at(reader, at) != ':')
        return fail(reader, at, "expected ':'");
    reader->at = at + 1;
    ret_key->raw.data = start;
    ret_key->raw.size = (size_t)(quote - start);
    ret_key->escaped = escaped;
    return true;
}

bool json_reader_element(struct json_reader *reader)
{
    const char *at = next_member(reader, ']', "expected ',' or ']'");
    if (!at)
        return false;
    reader->at = at;
    return true;
}

bool json_reader_skip(struct json_reader *reader)
{
    switch (json_reader_next(reader)) {
    case JSON_ERROR:
        return false;
    case JSON_OBJECT:
    case JSON_ARRAY:
        return json_reader_leave(reader);
    default:
        return true;
    }
}

bool json_reader_leave(struct json_reader *reader)
{
    uint32_t outer = reader->depth > 0 ? reader->depth - 1 : 0;
    while (reader->depth > outer) {
        struct json_string key;
        bool more = reader->open[reader->depth - 1] == JSON_OBJECT ? json_reader_key(reader, &key)
                                                                   : json_reader_element(reader);
        if (more)
            json_reader_next(reader);
        if (reader->error)
            return false;
    }
    return !reader->error;
}

bool json_reader_end(struct json_reader *reader)
{
    if (reader->error)
        return false;
    reader->at = pass_space(reader, reader->at);
    if (reader->depth > 0)
        return fail(reader, reader->at, "the text ends within a value");
    if (reader->at < reader->end)
        return fail(reader, reader->at, "something follows the value");
    return true;
}
