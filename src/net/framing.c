/* The form of frames; see framing.h. */
#include "framing.h"

#define FIN         0x80U
#define RESERVED    0x70U
#define OPCODE      0x0FU
#define CONTROL     0x08U
#define MASKED      0x80U
#define LENGTH      0x7FU
#define LENGTH_16   126U
#define LENGTH_64   127U
#define MASK_BYTES  4U
#define CLOSE       0x08U
#define PONG        0x0AU
#define BINARY      0x02U
#define START_BYTES 2U    /* before the long lengths, or the mask */
#define HIGHEST_BIT 0x80U /* of a length of 64 bits: has to be 0 */

static enum framing_fault check_first(const struct framing *framing, unsigned int first)
{
    unsigned int opcode = first & OPCODE;
    bool good;

    if (first & RESERVED) /* no extension was negotiated */
        return FRAMING_BROKEN;
    if (opcode & CONTROL)
        good = (first & FIN) && opcode <= PONG;
    else if (opcode == 0)
        good = framing->open;
    else
        good = opcode <= BINARY && !framing->open;
    return good ? FRAMING_GOOD : FRAMING_BROKEN;
}

static enum framing_fault check_second(unsigned int first, unsigned int second)
{
    unsigned int length = second & LENGTH;

    if (!(second & MASKED))
        return FRAMING_UNMASKED;
    if ((first & CONTROL) && length >= LENGTH_16)
        return FRAMING_BROKEN;
    if ((first & OPCODE) == CLOSE && length == 1) /* half of a close code */
        return FRAMING_BROKEN;
    return FRAMING_GOOD;
}

/* Bytes of the length behind the first two. */
static size_t length_width(unsigned int second)
{
    switch (second & LENGTH) {
    case LENGTH_16:
        return sizeof(uint16_t);
    case LENGTH_64:
        return sizeof(uint64_t);
    default:
        return 0;
    }
}

/* A length behind the first two bytes, of which `have` are here. */
static enum framing_fault read_length(const unsigned char *bytes, size_t have, size_t width,
                                      uint64_t *ret_length)
{
    uint64_t length = 0;

    if (width == sizeof(uint64_t) && have > 0 && (bytes[0] & HIGHEST_BIT))
        return FRAMING_BROKEN;
    if (width == 0 || have < width)
        return FRAMING_GOOD;
    for (size_t i = 0; i < width; i++)
        length = length << 8 | bytes[i];
    *ret_length = length;
    /* It has to be written in as few bytes as can be. */
    return length < (width == sizeof(uint16_t) ? LENGTH_16 : UINT16_MAX + 1U) ? FRAMING_BROKEN
                                                                              : FRAMING_GOOD;
}

/*
 * Of the first `have` bytes of a header: its size and what it says of the content's, once they
 * tell, else 0. A fault is told at the byte that shows it, before lws could act on that.
 */
static size_t read_header(const struct framing *framing, const unsigned char *bytes, size_t have,
                          uint64_t *ret_length, enum framing_fault *ret_fault)
{
    size_t width;

    *ret_fault = check_first(framing, bytes[0]);
    if (*ret_fault || have < START_BYTES)
        return 0;
    *ret_fault = check_second(bytes[0], bytes[1]);
    if (*ret_fault)
        return 0;
    width = length_width(bytes[1]);
    *ret_length = bytes[1] & LENGTH;
    *ret_fault = read_length(bytes + START_BYTES, have - START_BYTES, width, ret_length);
    if (*ret_fault || have < START_BYTES + width + MASK_BYTES)
        return 0;
    return START_BYTES + width + MASK_BYTES;
}

static void begin_frame(struct framing *framing, unsigned int first, uint64_t length)
{
    framing->left = length;
    framing->have = 0;
    if (!(first & CONTROL))
        framing->open = !(first & FIN);
}

size_t framing_check(struct framing *framing, const unsigned char *bytes, size_t size,
                     enum framing_fault *ret_fault)
{
    size_t at = 0;
    uint64_t length = 0;

    *ret_fault = FRAMING_GOOD;
    while (at < size) {
        size_t rest = size - at;
        size_t header;

        if (framing->left) {
            size_t content = framing->left < rest ? (size_t)framing->left : rest;

            framing->left -= content;
            at += content;
            continue;
        }
        if (framing->have == 0 && rest >= FRAMING_HEADER_BYTES) { /* as nearly always */
            header = read_header(framing, bytes + at, rest, &length, ret_fault);
            if (*ret_fault)
                return at;
            begin_frame(framing, bytes[at], length);
            at += header;
            continue;
        }
        framing->header[framing->have++] = bytes[at];
        header = read_header(framing, framing->header, framing->have, &length, ret_fault);
        if (*ret_fault)
            return at;
        at++;
        if (header)
            begin_frame(framing, framing->header[0], length);
    }
    return at;
}
