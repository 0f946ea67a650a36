/*
 * Why this exists: names and echoed input come from strangers, are cut to fit, and go out again as
 * JSON, which must be UTF-8. No state; one pass over borrowed text.
 */
#include "livetally/json.h"
#include "utf8_step.h"

bool utf8_ok(struct slice text)
{
    const char *at = text.data ? text.data : "";
    const char *end = at + text.size;
    while (at < end) {
        size_t step = utf8_step(at, end);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

bool utf8_no_controls(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20U || byte == 0x7FU)
            return false;
        /* U+0080 to U+009F are C2 80 to C2 9F. */
        if (byte == 0xC2U && i + 1 < text.size && (unsigned char)text.data[i + 1] < 0xA0U)
            return false;
    }
    return true;
}

size_t utf8_cut(struct slice text, size_t max_bytes)
{
    if (text.size <= max_bytes)
        return text.size;
    size_t size = max_bytes;
    for (int back = 0; back < 3 && size > 0 && utf8_is_continuation(text.data[size]); back++)
        size--;
    /* More continuation bytes than any character has: not UTF-8, so any place is as good. */
    return size > 0 && utf8_is_continuation(text.data[size]) ? max_bytes : size;
}

size_t utf8_trim(const char *text, size_t size)
{
    size_t start = size;
    while (start > 0 && size - start < 3 && utf8_is_continuation(text[start - 1]))
        start--;
    if (start == 0)
        return size;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xF0U ? 4 : lead >= 0xE0U ? 3 : lead >= 0xC0U ? 2 : 1;
    return size - (start - 1) < wanted ? start - 1 : size;
}
