/*
 * Why this exists: everything we send is JSON, written once into a buffer. There is no document
 * and no writer state: whether a comma is due follows from the last byte written.
 */
#include <string.h>

#include "livetally/json.h"
#include "utf8_step.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Appends what stands for one byte that cannot stand for itself. */
static void write_escape(struct buffer *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
    };
    if (byte >= 0x20U || letters[byte]) {
        char text[2] = {'\\', byte >= 0x20U ? (char)byte : letters[byte]};
        buffer_append(out, text, sizeof text);
        return;
    }
    char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4U], hex[byte & 15U]};
    buffer_append(out, text, sizeof text);
}

void json_write_string(struct buffer *out, struct slice text)
{
    const char *at = text.data ? text.data : "";
    const char *end = at + text.size;
    const char *run = at; /* start of what is not written yet */

    buffer_reserve(out, text.size + 2);
    buffer_append_byte(out, '"');
    while (at < end) {
        unsigned char byte = (unsigned char)*at;
        if (byte >= 0x20U && byte < 0x80U && byte != '"' && byte != '\\') {
            at++;
            continue;
        }
        size_t step = byte < 0x80U ? 0 : utf8_step(at, end);
        if (step > 0) {
            at += step;
            continue;
        }
        buffer_append(out, run, (size_t)(at - run));
        if (byte < 0x80U)
            write_escape(out, byte);
        else
            buffer_append_text(out, REPLACEMENT);
        run = ++at;
    }
    buffer_append(out, run, (size_t)(end - run));
    buffer_append_byte(out, '"');
}

static bool comma_due(const struct buffer *out)
{
    char last = out->size > 0 ? out->data[out->size - 1] : '[';
    return last != '{' && last != '[' && last != ':';
}

void json_write_comma(struct buffer *out)
{
    if (comma_due(out))
        buffer_append_byte(out, ',');
}

/* Half of what a frame consists of, so it is written in one piece. */
void json_write_key(struct buffer *out, const char *key)
{
    struct slice name = slice_of(key);
    bool comma = comma_due(out);
    char *at = buffer_reserve(out, name.size + 4);
    if (comma)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, name.data, name.size);
    at += name.size;
    *at++ = '"';
    *at++ = ':';
    out->size += name.size + 3 + comma;
}

void json_field_string(struct buffer *out, const char *key, struct slice text)
{
    json_write_key(out, key);
    json_write_string(out, text);
}

void json_field_int(struct buffer *out, const char *key, int64_t value)
{
    json_write_key(out, key);
    buffer_append_int(out, value);
}

void json_field_uint(struct buffer *out, const char *key, uint64_t value)
{
    json_write_key(out, key);
    buffer_append_uint(out, value);
}

void json_field_bool(struct buffer *out, const char *key, bool value)
{
    json_write_key(out, key);
    buffer_append_text(out, value ? "true" : "false");
}
