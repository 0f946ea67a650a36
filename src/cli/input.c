/*
 * Regular files are simply read: epoll does not take them, and they never make one wait long.
 * Everything else is polled, and then read once, which can't block; the descriptor is left in
 * blocking mode, because it is shared with whoever started us.
 */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "livetally/buffer.h"
#include "livetally/mem.h"

#define READ_BYTES 65536

struct input {
    uv_loop_t *loop;
    char **names;
    uint32_t count;
    void (*readable)(void *context);
    void *context;

    uint32_t file;   /* being read */
    int fd;          /* -1: not opened yet */
    bool end;        /* of this file */
    uint64_t number; /* of its last line */
    struct buffer text;
    size_t at;     /* start of the next line in text */
    size_t looked; /* up to here there is no line break */
    bool skipping; /* the rest of a line that is too long */

    uv_poll_t *poll; /* NULL for a regular file; freed by its close callback */
    bool ready;      /* polled: may be read once */
};

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void close_file(struct input *input)
{
    if (input->poll) {
        uv_close((uv_handle_t *)input->poll, on_poll_closed);
        input->poll = NULL;
    }
    if (input->fd > STDIN_FILENO) {
        close(input->fd);
    }
    input->fd = -1;
}

static bool fail(const struct input *input, const char *what)
{
    fprintf(stderr, "livetally: can't %s %s: %s\n", what, input->names[input->file],
            strerror(errno));
    return false;
}

static bool open_file(struct input *input)
{
    const char *name = input->names[input->file];
    struct stat info;
    input->fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0 || fstat(input->fd, &info) < 0) {
        return fail(input, "open");
    }
    input->end = false;
    input->number = 0;
    input->ready = false;
    if (!S_ISREG(info.st_mode)) {
        uv_poll_t *poll = mem_zalloc(sizeof(*poll));
        if (uv_poll_init(input->loop, poll, input->fd) == 0) {
            poll->data = input;
            input->poll = poll;
        } else {
            free(poll); /* e.g. /dev/null: can be read at any time */
        }
    }
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct input *input = poll->data;
    (void)status; /* an error shows when reading */
    (void)events;
    uv_poll_stop(poll);
    input->ready = true;
    input->readable(input->context);
}

static bool read_more(struct input *input)
{
    ssize_t size;
    buffer_consume(&input->text, input->at);
    input->looked -= input->at;
    input->at = 0;
    do {
        size = read(input->fd, buffer_reserve(&input->text, READ_BYTES), READ_BYTES);
    } while (size < 0 && errno == EINTR);
    input->ready = false;
    if (size < 0 && errno == EAGAIN) {
        return true;
    }
    if (size < 0) {
        return fail(input, "read");
    }
    input->end = size == 0;
    input->text.size += (size_t)size;
    return true;
}

/* True when a line is complete: ended by a line break, or by the end of its file. */
static bool find_line(struct input *input, size_t *ret_end)
{
    size_t size = input->text.size;
    const char *end = NULL;
    if (size > input->looked) {
        end = memchr(input->text.data + input->looked, '\n', size - input->looked);
    }
    input->looked = end ? (size_t)(end - input->text.data) : size;
    *ret_end = input->looked;
    return end || (input->end && size > input->at);
}

/* Takes the line that ends at `end` out of the text. */
static enum input_result take_line(struct input *input, size_t end, struct input_line *ret_line)
{
    struct slice text = {input->text.data + input->at, end - input->at};
    bool too_long = input->skipping || text.size > INPUT_LINE_MAX;
    input->at = end < input->text.size ? end + 1 : end;
    input->looked = input->at;
    input->skipping = false;
    *ret_line = (struct input_line){text, input->file, ++input->number};
    return too_long ? INPUT_TOO_LONG : INPUT_LINE;
}

struct input *input_new(uv_loop_t *loop, char **names, uint32_t count,
                        void (*readable)(void *context), void *context)
{
    struct input *input = mem_zalloc(sizeof(*input));
    input->loop = loop;
    input->names = names;
    input->count = count;
    input->readable = readable;
    input->context = context;
    input->fd = -1;
    return input;
}

enum input_result input_next(struct input *input, struct input_line *ret_line)
{
    while (input->file < input->count) {
        size_t end;
        if (input->fd < 0 && !open_file(input)) {
            return INPUT_ERROR;
        }
        if (find_line(input, &end)) {
            return take_line(input, end, ret_line);
        }
        if (input->end) {
            close_file(input);
            input->file++;
            continue;
        }
        if (input->text.size - input->at > INPUT_LINE_MAX) {
            input->skipping = true; /* keep nothing of it but that it was there */
            input->at = input->text.size;
        }
        if (input->poll && !input->ready) {
            uv_poll_start(input->poll, UV_READABLE | UV_DISCONNECT, on_poll);
            return INPUT_WAIT;
        }
        if (!read_more(input)) {
            return INPUT_ERROR;
        }
    }
    return INPUT_END;
}

void input_stop(struct input *input)
{
    close_file(input);
    input->file = input->count;
}

void input_free(struct input *input)
{
    buffer_done(&input->text);
    free(input);
}
