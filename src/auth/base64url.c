/*
 * See base64url.h. Libraries read more than they should: padding, line breaks, rubbish at the end.
 */
#include "base64url.h"

static int digit(char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    return letter == '-' ? 62 : letter == '_' ? 63 : -1;
}

bool base64url_decode(struct slice text, struct buffer *out)
{
    size_t before = out->size;
    uint32_t bits = 0;
    uint32_t count = 0; /* of bits not yet written */
    for (size_t i = 0; i < text.size; i++) {
        int value = digit(text.data[i]);
        if (value < 0)
            goto bad;
        bits = (bits << 6 | (uint32_t)value) & 0xFFFFU;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buffer_append_byte(out, (char)(unsigned char)(bits >> count & 0xFFU));
        }
    }
    if (count < 6 && (bits & ((1U << count) - 1)) == 0)
        return true;
bad:
    out->size = before;
    return false;
}

void base64url_encode(struct slice bytes, struct buffer *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    uint32_t count = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        bits = (bits << 8 | (unsigned char)bytes.data[i]) & 0xFFFFU;
        for (count += 8; count >= 6; count -= 6)
            buffer_append_byte(out, letters[bits >> (count - 6) & 0x3FU]);
    }
    if (count)
        buffer_append_byte(out, letters[bits << (6 - count) & 0x3FU]);
}
