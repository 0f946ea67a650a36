/*
 * One encoded message, shared by every viewer it goes to. FRAME_HEADROOM bytes before the text are
 * free for the WebSocket layer to put its header into; it may overwrite them at each send.
 */
#ifndef LIVETALLY_FRAME_H
#define LIVETALLY_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "livetally/slice.h"

#define FRAME_HEADROOM 32

struct frame {
    uint32_t references;
    uint32_t size; /* bytes of text */
    unsigned char bytes[];
};

struct frame *frame_new(struct slice text); /* one reference */
struct frame *frame_ref(struct frame *frame);
void frame_unref(struct frame *frame); /* NULL is fine */

static inline unsigned char *frame_text(struct frame *frame)
{
    return frame->bytes + FRAME_HEADROOM;
}

#endif
