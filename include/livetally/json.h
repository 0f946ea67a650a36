/*
 * JSON as RFC 8259 has it, nothing more: a strict pull reader that allocates nothing, and a writer.
 *
 * The reader walks borrowed text once, in linear time. It checks everything it passes, also inside
 * values that are skipped: UTF-8, escapes (lone surrogates are errors), control characters, number
 * syntax, nesting (at most JSON_DEPTH_MAX), duplicate keys of one object (compared after
 * unescaping). After the first error it stays in that error.
 *
 * Use:
 *     struct json_reader r; json_reader_init(&r, text);
 *     if (json_reader_next(&r) == JSON_OBJECT)
 *         while (json_reader_key(&r, &key))      // false: end of object, or error
 *             switch on key: json_reader_next(&r) …  or json_reader_skip(&r)
 *     if (!json_reader_end(&r)) …                // error, or something after the value
 */
#ifndef LIVETALLY_JSON_H
#define LIVETALLY_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/slice.h"

#define JSON_DEPTH_MAX 8  /* PROTOCOL: depth over 8 is bad_json */
#define JSON_KEYS_MAX  64 /* distinct keys of one object checked for duplicates; more: error */

enum json_kind {
    JSON_ERROR,
    JSON_OBJECT, /* then json_reader_key() until it returns false */
    JSON_ARRAY,  /* then json_reader_element() until it returns false */
    JSON_STRING, /* reader->string */
    JSON_INT,    /* reader->integer: integer syntax (no fraction, no exponent) and fits int64 */
    JSON_NUMBER, /* any other valid number: reader->string has its text */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

/* A string as it stands in the text, without its quotes. */
struct json_string {
    struct slice raw;
    bool escaped; /* has backslashes: the value is json_string_decode(raw) */
};

struct json_reader {
    const char *at;
    const char *end;
    const char *start;
    const char *error; /* static text of the first error, or NULL */
    struct json_string string;
    int64_t integer;
    uint32_t depth;
    struct json_seen_keys {
        uint64_t shapes; /* one bit per hash of a key's size and some bytes: no bit, no twin */
        uint32_t count;
        struct json_string keys[JSON_KEYS_MAX];
    } seen[JSON_DEPTH_MAX]; /* keys so far of each open object; only `keys` below `count` are set */
    uint8_t open[JSON_DEPTH_MAX]; /* what is open at each depth */
    bool first;                   /* no member of the innermost open value was read yet */
};

/* Borrows text for as long as the reader is used. Bytes are not modified. */
void json_reader_init(struct json_reader *reader, struct slice text);
/* Reads the value that starts here. For a container only its opening is consumed. */
enum json_kind json_reader_next(struct json_reader *reader);
/* The same, but a string, or the text of a number, or an integer goes straight to its place. */
enum json_kind json_reader_next_to(struct json_reader *reader, struct json_string *ret_string,
                                   int64_t *ret_integer);
/* Inside an object: reads the next key and its colon. False at its end (consumed) or on error. */
bool json_reader_key(struct json_reader *reader, struct json_string *ret_key);
/* Inside an array: true when an element follows. False at its end (consumed) or on error. */
bool json_reader_element(struct json_reader *reader);
/* Reads and checks one whole value, of any kind, and forgets it. */
bool json_reader_skip(struct json_reader *reader);
/* Inside an object or array: reads and checks what is left of it, and its end. */
bool json_reader_leave(struct json_reader *reader);
/* After the outermost value: true when only white space follows and there was no error. */
bool json_reader_end(struct json_reader *reader);
static inline bool json_reader_ok(const struct json_reader *reader)
{
    return reader->error == NULL;
}
/* Byte offset in the text, for messages. */
static inline size_t json_reader_offset(const struct json_reader *reader)
{
    return (size_t)(reader->at - reader->start);
}

/* Writes the unescaped value; `out` needs raw.size bytes. Returns how many were written. */
size_t json_string_decode(struct json_string string, char *out);
/* Compare unescaped values, without allocating. */
bool json_string_same(struct json_string a, struct json_string b);
static inline bool json_string_equals(struct json_string string, struct slice plain)
{
    return string.escaped ? json_string_same(string, (struct json_string){plain, false})
                          : slice_equal(string.raw, plain);
}

/* True when text is well-formed UTF-8 (no overlong forms, surrogates, or above U+10FFFF). */
bool utf8_ok(struct slice text);
/* True when text has no C0 control, DEL or C1 control character. Text must be UTF-8. */
bool utf8_no_controls(struct slice text);
/* The longest prefix of at most max_bytes that does not cut a character. */
size_t utf8_cut(struct slice text, size_t max_bytes);

/*
 * Writing: appends to a buffer; commas and quotes are put where they belong from the last byte
 * written, so there is no state to carry. A text that is not UTF-8 is written with U+FFFD.
 */
void json_write_string(struct buffer *out, struct slice text); /* quoted and escaped */
/* ,"key":  (comma unless after { or [). Written as it is: a key has nothing to escape. */
void json_write_key(struct buffer *out, const char *key);
void json_write_comma(struct buffer *out); /* none after { [ or :, or at the start */
void json_field_string(struct buffer *out, const char *key, struct slice text);
void json_field_int(struct buffer *out, const char *key, int64_t value);
void json_field_uint(struct buffer *out, const char *key, uint64_t value);
void json_field_bool(struct buffer *out, const char *key, bool value);

#endif
