/*
 * Reading and writing of whole small files; see file.h. No state.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int file_read(const char *path, size_t max_bytes, struct buffer *out, struct error *error)
{
    int code = 0;
    size_t total = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, ERROR_IO, "%s: %s", path, strerror(errno));
    for (;;) {
        char *into = buffer_reserve(out, 16384);
        ssize_t got = read(fd, into, 16384);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            code = error_set(error, ERROR_IO, "%s: %s", path, strerror(errno));
        if (got <= 0)
            break;
        out->size += (size_t)got;
        total += (size_t)got;
        if (total > max_bytes) {
            code = error_set(error, ERROR_LIMIT, "%s: longer than %zu bytes", path, max_bytes);
            break;
        }
    }
    (void)close(fd);
    return code;
}

static int write_all(int fd, struct slice content)
{
    while (content.size > 0) {
        ssize_t put = write(fd, content.data, content.size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        content.data += put;
        content.size -= (size_t)put;
    }
    return 0;
}

int file_replace(const char *path, struct slice content, struct error *error)
{
    struct buffer beside = BUFFER_INIT;
    int code = 0;
    buffer_printf(&beside, "%s.new", path);
    const char *temporary = buffer_cstr(&beside);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool written = fd >= 0 && write_all(fd, content) == 0;
    if (fd >= 0 && close(fd) != 0)
        written = false;
    if (!written || rename(temporary, path) != 0) {
        code = error_set(error, ERROR_IO, "%s: %s", path, strerror(errno));
        (void)unlink(temporary);
    }
    buffer_done(&beside);
    return code;
}
