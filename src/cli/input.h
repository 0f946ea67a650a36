/*
 * Lines of several files, one after the other, without blocking on a pipe or a terminal.
 */
#ifndef LIVETALLY_CLI_INPUT_H
#define LIVETALLY_CLI_INPUT_H

#include <stdint.h>
#include <uv.h>

#include "livetally/slice.h"

#define INPUT_LINE_MAX (1U << 20) /* bytes of a line */

struct input;

enum input_result {
    INPUT_LINE,
    INPUT_TOO_LONG, /* a line of more than INPUT_LINE_MAX bytes, passed over */
    INPUT_WAIT,     /* nothing there yet: readable() will be called */
    INPUT_END,
    INPUT_ERROR, /* a file can't be read; said on stderr */
};

struct input_line {
    struct slice text; /* without its line break; lives until the next call */
    uint32_t file;     /* index into the names */
    uint64_t number;   /* from 1, in its file */
};

/* names are borrowed; "-" is stdin. */
struct input *input_new(uv_loop_t *loop, char **names, uint32_t count,
                        void (*readable)(void *context), void *context);
enum input_result input_next(struct input *input, struct input_line *ret_line);
/* Stops watching; the loop must run dry before input_free(). */
void input_stop(struct input *input);
void input_free(struct input *input);

#endif
