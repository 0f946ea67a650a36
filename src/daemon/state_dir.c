/*
 * The state folder; see state_dir.h. The lock is flock() on <dir>/lock, which the kernel gives up
 * when we die; the pid inside is only for the message to whoever comes second.
 */
#include "state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "livetally/buffer.h"

static int choose(const char *wanted, struct buffer *path, struct error *error)
{
    const char *systemd = getenv("STATE_DIRECTORY");
    const char *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (wanted[0])
        buffer_append_text(path, wanted);
    else if (systemd && systemd[0])
        buffer_append(path, systemd, strcspn(systemd, ":"));
    else if (xdg && xdg[0] == '/')
        buffer_printf(path, "%s/livetally", xdg);
    else if (home && home[0] == '/')
        buffer_printf(path, "%s/.local/state/livetally", home);
    else
        return error_set(error, ERROR_NOT_FOUND,
                         "no state folder: $HOME is not set; use --state-dir DIR");
    return 0;
}

/* Makes the folder and its missing parents, all for us alone. */
static int make_folders(const char *path, struct error *error)
{
    char part[PATH_MAX];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof(part))
        return error_set(error, ERROR_INVALID, "state folder: path too long");
    memcpy(part, path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return error_set(error, ERROR_IO,
                             "can't make the state folder %s: %s; choose another by --state-dir",
                             part, strerror(errno));
        part[i] = kept;
    }
    return 0;
}

static int make_absolute(struct state_dir *dir, const char *path, struct error *error)
{
    char whole[PATH_MAX];
    if (!realpath(path, whole))
        return error_set(error, ERROR_IO, "state folder %s: %s", path, strerror(errno));
    size_t size = strlen(whole);
    if (size >= sizeof(dir->path))
        return error_set(error, ERROR_INVALID, "state folder %s: path longer than %zu bytes", whole,
                         sizeof(dir->path) - 1);
    memcpy(dir->path, whole, size + 1);
    return 0;
}

static void listen_path(const struct state_dir *dir, char *out, size_t room)
{
    (void)snprintf(out, room, "%s/listen", dir->path);
}

/* A list left behind by a process that was killed names nobody any more. */
static void remove_listen(const struct state_dir *dir)
{
    char path[STATE_DIR_BYTES + 16];
    listen_path(dir, path, sizeof(path));
    (void)unlink(path);
}

static int take_lock(struct state_dir *dir, struct error *error)
{
    char path[STATE_DIR_BYTES + 16];
    char pid[24] = "";
    (void)snprintf(path, sizeof(path), "%s/lock", dir->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(error, ERROR_IO,
                         "can't write %s: %s; choose another state folder by --state-dir", path,
                         strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int code;
        ssize_t size = errno == EWOULDBLOCK ? pread(fd, pid, sizeof(pid) - 1, 0) : -1;
        if (size >= 0) {
            pid[strspn(pid, "0123456789")] = '\0';
            code = error_set(error, ERROR_CONFLICT,
                             "state folder %s is in use by another livetallyd (pid %s)", dir->path,
                             pid[0] ? pid : "unknown");
        } else {
            code = error_set(error, ERROR_IO, "%s: %s", path, strerror(errno));
        }
        (void)close(fd);
        return code;
    }
    int size = snprintf(pid, sizeof(pid), "%jd\n", (intmax_t)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size) {
        (void)close(fd);
        return error_set(error, ERROR_IO, "%s: %s", path, strerror(errno));
    }
    dir->lock_fd = fd;
    return 0;
}

int state_dir_open(struct state_dir *dir, const char *wanted, struct error *error)
{
    struct buffer path = BUFFER_INIT;
    int code = choose(wanted, &path, error);
    if (code == 0)
        code = make_folders(buffer_cstr(&path), error);
    if (code == 0)
        code = make_absolute(dir, buffer_cstr(&path), error);
    if (code == 0)
        code = take_lock(dir, error);
    if (code == 0)
        remove_listen(dir);
    buffer_done(&path);
    return code;
}

void state_dir_close(struct state_dir *dir)
{
    remove_listen(dir);
    (void)close(dir->lock_fd);
    dir->lock_fd = -1;
}

int state_dir_write_listen(const struct state_dir *dir, struct slice urls, struct error *error)
{
    char path[STATE_DIR_BYTES + 16];
    listen_path(dir, path, sizeof(path));
    return file_replace(path, urls, error);
}
