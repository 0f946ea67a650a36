/*
 * Frames: one allocation each, [struct frame][headroom][text]. References are counted because the
 * same bytes wait in many sockets; nobody writes to the text after it was made.
 */
#include "livetally/frame.h"

#include <stdlib.h>
#include <string.h>

#include "livetally/mem.h"

struct frame *frame_new(struct slice text)
{
    struct frame *frame = mem_alloc(sizeof(*frame) + FRAME_HEADROOM + text.size);

    frame->references = 1;
    frame->size = (uint32_t)text.size;
    if (text.size)
        memcpy(frame_text(frame), text.data, text.size);
    return frame;
}

struct frame *frame_ref(struct frame *frame)
{
    frame->references++;
    return frame;
}

void frame_unref(struct frame *frame)
{
    if (frame && --frame->references == 0)
        free(frame);
}
