/*
 * The form of what a client sends over a WebSocket (RFC 6455, 5): headers of frames, not their
 * content. Pure arithmetic on bytes, which may come cut anywhere.
 */
#ifndef LIVETALLY_FRAMING_H
#define LIVETALLY_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMING_HEADER_BYTES 14 /* of the longest header, mask included */

enum framing_fault {
    FRAMING_GOOD,
    FRAMING_UNMASKED,
    FRAMING_BROKEN, /* reserved bits or opcodes, bad lengths, control or continuation out of rule */
};

/* Zeroed at first. */
struct framing {
    uint64_t left;                              /* of the content of the frame under way */
    unsigned char header[FRAMING_HEADER_BYTES]; /* of a frame, as far as it came */
    uint8_t have;                               /* bytes of that */
    bool open;                                  /* a message in fragments isn't finished */
};

/* Between two messages: as zeroed. */
static inline bool framing_is_over(const struct framing *framing)
{
    return framing->left == 0 && framing->have == 0 && !framing->open;
}

/*
 * Looks at the next bytes of the stream. Returns how many of them are fine: all, with *ret_fault
 * FRAMING_GOOD, or those before the byte that shows a fault, or before the header it stands in;
 * after that this must not be called again.
 */
size_t framing_check(struct framing *framing, const unsigned char *bytes, size_t size,
                     enum framing_fault *ret_fault);

#endif
