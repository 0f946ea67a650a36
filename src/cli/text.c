/*
 * The widths are those of Unicode's East Asian Width, wide and full-width blocks only, which is
 * what names of hosts and goods are made of. wcwidth() would depend on the locale.
 */
#include "text.h"

#include <stdbool.h>
#include <string.h>

struct range {
    uint32_t first;
    uint32_t last;
};

static const struct range wide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},
    {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static const struct range invisible[] = {
    {0x300, 0x36f},
    {0x200b, 0x200f},
    {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f},
};

static bool is_in(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Decodes one character of well-formed UTF-8; returns its bytes. */
static size_t decode(const char *at, const char *end, uint32_t *ret_code)
{
    unsigned char first = (unsigned char)*at;
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t code = size == 1 ? first : first & (0xffU >> (size + 1));
    if ((size_t)(end - at) < size) {
        *ret_code = '?';
        return (size_t)(end - at);
    }
    for (size_t i = 1; i < size; i++) {
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    }
    *ret_code = code;
    return size;
}

static uint32_t width_of(uint32_t code)
{
    if (code < 0x300) {
        return 1;
    }
    if (is_in(invisible, sizeof(invisible) / sizeof(invisible[0]), code)) {
        return 0;
    }
    return is_in(wide, sizeof(wide) / sizeof(wide[0]), code) ? 2 : 1;
}

/* Walks over at most `limit` columns; returns bytes and columns gone. */
static size_t walk(struct slice text, uint32_t limit, uint32_t *ret_width)
{
    const char *at = text.data;
    const char *end = text.data + text.size;
    uint32_t width = 0;
    while (at < end) {
        uint32_t code;
        size_t size = decode(at, end, &code);
        uint32_t more = width_of(code);
        if (more > limit - width) {
            break;
        }
        width += more;
        at += size;
    }
    *ret_width = width;
    return (size_t)(at - text.data);
}

uint32_t text_width(struct slice text)
{
    uint32_t width;
    walk(text, UINT32_MAX, &width);
    return width;
}

struct slice text_cut(struct slice text, uint32_t width)
{
    uint32_t gone;
    return (struct slice){text.data, walk(text, width, &gone)};
}

static void append_blanks(struct buffer *out, uint32_t count)
{
    while (count-- > 0) {
        buffer_append_byte(out, ' ');
    }
}

static void append_cut(struct buffer *out, struct slice text, uint32_t width)
{
    uint32_t gone = 0;
    if (width > 0) {
        buffer_append(out, text.data, walk(text, width - 1, &gone));
        buffer_append_text(out, "…");
        append_blanks(out, width - 1 - gone);
    }
}

void text_append_left(struct buffer *out, struct slice text, uint32_t width)
{
    uint32_t own = text_width(text);
    if (own > width) {
        append_cut(out, text, width);
        return;
    }
    buffer_append_slice(out, text);
    append_blanks(out, width - own);
}

void text_append_right(struct buffer *out, struct slice text, uint32_t width)
{
    uint32_t own = text_width(text);
    if (own > width) {
        append_cut(out, text, width);
        return;
    }
    append_blanks(out, width - own);
    buffer_append_slice(out, text);
}

void text_append_grouped(struct buffer *out, uint64_t number)
{
    char digits[32];
    size_t at = sizeof(digits);
    uint32_t count = 0;
    do {
        if (count > 0 && count % 3 == 0) {
            digits[--at] = ',';
        }
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
        count++;
    } while (number > 0);
    buffer_append(out, digits + at, sizeof(digits) - at);
}

void text_append_count(struct buffer *out, int64_t number)
{
    buffer_append_text(out, number < 0 ? "-" : "");
    text_append_grouped(out, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void text_disarm(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        if (*at < ' ' || *at == 127) {
            *at = '?';
        } else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) {
            at[0] = '?'; /* C1 controls are two bytes in UTF-8 */
            at[1] = '?';
        }
    }
}
