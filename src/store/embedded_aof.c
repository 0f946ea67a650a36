/*
 * See embedded_aof.h. The log is a folder with a manifest; only its newest incremental file was
 * being written. It holds commands as clients send them, and comments that begin with #.
 */
#include "embedded_aof.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT_DIGITS_MAX 10

enum reading {
    READING_WHOLE,
    READING_SHORT,   /* the file ends in the middle of it */
    READING_DAMAGED, /* it can't be the beginning of anything */
};

/* "<prefix><digits>\r\n" */
static enum reading read_count(struct slice bytes, size_t *at, char prefix, size_t *ret_count)
{
    size_t start = *at;
    *ret_count = 0;
    if (start == bytes.size)
        return READING_SHORT;
    if (bytes.data[start] != prefix)
        return READING_DAMAGED;
    for (size_t i = start + 1; i < bytes.size; i++) {
        char byte = bytes.data[i];
        if (byte == '\r') {
            *at = i + 2;
            if (i == start + 1)
                return READING_DAMAGED;
            if (i + 1 == bytes.size)
                return READING_SHORT;
            return bytes.data[i + 1] == '\n' ? READING_WHOLE : READING_DAMAGED;
        }
        if (byte < '0' || byte > '9' || i - start > COUNT_DIGITS_MAX)
            return READING_DAMAGED;
        *ret_count = *ret_count * 10 + (size_t)(byte - '0');
    }
    return READING_SHORT;
}

static enum reading read_word(struct slice bytes, size_t *at, struct slice *ret_word)
{
    size_t size;
    enum reading reading = read_count(bytes, at, '$', &size);
    if (reading != READING_WHOLE)
        return reading;
    if (bytes.size - *at < size + 2)
        return READING_SHORT;
    *ret_word = (struct slice){bytes.data + *at, size};
    *at += size + 2;
    return memcmp(bytes.data + *at - 2, "\r\n", 2) == 0 ? READING_WHOLE : READING_DAMAGED;
}

static enum reading read_comment(struct slice bytes, size_t *at)
{
    const char *end = memchr(bytes.data + *at, '\n', bytes.size - *at);
    if (!end)
        return READING_SHORT;
    *at = (size_t)(end - bytes.data) + 1;
    return READING_WHOLE;
}

/* name: the command's first word; NULL data for a comment. */
static enum reading read_command(struct slice bytes, size_t *at, struct slice *ret_name)
{
    size_t words;
    *ret_name = (struct slice){NULL, 0};
    if (*at < bytes.size && bytes.data[*at] == '#')
        return read_comment(bytes, at);
    enum reading reading = read_count(bytes, at, '*', &words);
    for (size_t i = 0; i < words && reading == READING_WHOLE; i++) {
        struct slice word = {NULL, 0};
        reading = read_word(bytes, at, &word);
        if (i == 0)
            *ret_name = word;
    }
    return reading;
}

static bool is_named(struct slice name, const char *text)
{
    return name.size == strlen(text) && strncasecmp(name.data, text, name.size) == 0;
}

size_t embedded_aof_whole(struct slice bytes)
{
    size_t at = 0, whole = 0;
    bool in_transaction = false;
    while (at < bytes.size) {
        struct slice name;
        enum reading reading = read_command(bytes, &at, &name);
        if (reading == READING_DAMAGED)
            return bytes.size;
        if (reading == READING_SHORT)
            break;
        if (is_named(name, "multi"))
            in_transaction = true;
        else if (is_named(name, "exec"))
            in_transaction = false;
        if (!in_transaction)
            whole = at;
    }
    return whole;
}

/* Path of the newest incremental file, "" when there is none. */
static void find_newest(const char *folder, char out[PATH_MAX])
{
    char path[PATH_MAX], line[512], name[256], type;
    out[0] = '\0';
    if (snprintf(path, sizeof path, "%s/appendonlydir/appendonly.aof.manifest", folder) >=
        (int)sizeof path)
        return;
    FILE *manifest = fopen(path, "re");
    if (!manifest)
        return;
    while (fgets(line, sizeof line, manifest))
        if (sscanf(line, "file %255s seq %*s type %c", name, &type) == 2 && type == 'i' &&
            snprintf(out, PATH_MAX, "%s/appendonlydir/%s", folder, name) >= PATH_MAX)
            out[0] = '\0';
    fclose(manifest);
}

static int cut(int fd, const char *path, size_t size, size_t whole, const struct log *log,
               struct error *error)
{
    if (whole == size)
        return 0;
    log_print(log, LOG_LEVEL_WARNING,
              "%s ends in the middle of a transaction, which nobody was told of: cutting off its "
              "last %zu bytes",
              path, size - whole);
    if (ftruncate(fd, (off_t)whole) < 0 || fsync(fd) < 0)
        return error_set(error, ERROR_IO, "can't cut %s: %s", path, strerror(errno));
    return 0;
}

int embedded_aof_mend(const char *folder, const struct log *log, struct error *error)
{
    char path[PATH_MAX];
    struct stat info;
    int status = 0;
    find_newest(folder, path);
    int fd = path[0] ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0)
        return 0; /* a new folder; or Redis says what is wrong with it */
    if (fstat(fd, &info) == 0 && info.st_size > 0) {
        size_t size = (size_t)info.st_size;
        void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            status = error_set(error, ERROR_IO, "can't read %s: %s", path, strerror(errno));
        } else {
            size_t whole = embedded_aof_whole((struct slice){data, size});
            munmap(data, size);
            status = cut(fd, path, size, whole, log, error);
        }
    }
    close(fd);
    return status;
}
