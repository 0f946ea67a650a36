/*
 * The folder of a private redis-server. Two servers that append to the same files would ruin them,
 * and a daemon that was killed may leave its server behind for a moment (or for good, when it died
 * before the server asked the kernel to be told). So the folder has a lock that the server inherits
 * as an open descriptor: it is held exactly as long as a process could still write, children of the
 * server included. Who holds it is found by working directory, since Redis changes to its data
 * folder, which is surer than a pid file.
 */
#include "embedded_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "livetally/buffer.h"

#define LOG_MAX_BYTES  (8 << 20)
#define LOG_TAIL_BYTES 8192

/* In double quotes, as Redis reads its configuration: any byte can stand in a path. */
static void append_quoted(struct buffer *out, const char *text)
{
    buffer_append_byte(out, '"');
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, *text);
        } else if (byte < ' ' || byte == 127) {
            buffer_printf(out, "\\x%02x", byte);
        } else {
            buffer_append_byte(out, *text);
        }
    }
    buffer_append_byte(out, '"');
}

static void append_setting(struct buffer *out, const char *name, const char *value)
{
    buffer_append_text(out, name);
    buffer_append_byte(out, ' ');
    append_quoted(out, value);
    buffer_append_byte(out, '\n');
}

static void compose_config(const struct embedded_files *files, struct buffer *out)
{
    static const char *const settings[][2] = {
        {"port", "0"},
        {"unixsocketperm", "600"},
        {"daemonize", "no"},
        {"supervised", "no"},
        {"always-show-logo", "no"},
        {"appendonly", "yes"},
        {"appendfsync", "always"},
        {"no-appendfsync-on-rewrite", "no"},
        {"aof-load-truncated", "yes"},
        {"save", ""},
        {"maxmemory", "0"},
        {"maxmemory-policy", "noeviction"},
        {"hash-max-listpack-entries", "64"},
        {"lazyfree-lazy-expire", "yes"},
        {"lazyfree-lazy-server-del", "yes"},
    };
    char pid_file[PATH_MAX + 16];
    snprintf(pid_file, sizeof(pid_file), "%s/redis.pid", files->folder);
    buffer_append_text(out,
                       "# Written by livetallyd at every start: changes made here are lost.\n");
    append_setting(out, "dir", files->folder);
    append_setting(out, "unixsocket", files->socket);
    append_setting(out, "logfile", files->log);
    append_setting(out, "pidfile", pid_file);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        append_setting(out, settings[i][0], settings[i][1]);
    }
}

static int write_all(int fd, const struct buffer *bytes)
{
    size_t done = 0;
    while (done < bytes->size) {
        ssize_t count = write(fd, bytes->data + done, bytes->size - done);
        if (count < 0 && errno != EINTR) {
            return -1;
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

static int write_config(const struct embedded_files *files, struct error *error)
{
    struct buffer text = BUFFER_INIT;
    int result = 0;
    compose_config(files, &text);
    int fd = open(files->config, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fchmod(fd, 0600) < 0 || write_all(fd, &text) < 0) {
        result = error_set(error, ERROR_IO, "can't write %s: %s", files->config, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    buffer_done(&text);
    return result;
}

int embedded_files_prepare(const char *state_dir, struct embedded_files *ret_files,
                           struct error *error)
{
    struct embedded_files files;
    char folder[PATH_MAX];
    if (!realpath(state_dir, folder)) {
        return error_set(error, ERROR_IO, "state folder %s: %s", state_dir, strerror(errno));
    }
    int size = snprintf(files.socket, sizeof(files.socket), "%s/redis.sock", folder);
    if (size < 0 || (size_t)size >= sizeof(files.socket)) {
        return error_set(error, ERROR_RANGE,
                         "the state folder's path is too long: %s/redis.sock has %d bytes, and the "
                         "path of a Unix socket at most %zu; choose a shorter one by --state-dir",
                         folder, size, sizeof(files.socket) - 1);
    }
    snprintf(files.folder, sizeof(files.folder), "%.*s/redis", (int)sizeof(files.socket), folder);
    snprintf(files.config, sizeof(files.config), "%s/redis.conf", files.folder);
    snprintf(files.log, sizeof(files.log), "%s/redis.log", files.folder);
    snprintf(files.lock, sizeof(files.lock), "%s/redis.lock", files.folder);
    if (mkdir(files.folder, 0700) < 0 && errno != EEXIST) {
        return error_set(error, ERROR_IO, "can't make %s: %s", files.folder, strerror(errno));
    }
    int status = write_config(&files, error);
    if (status < 0) {
        return status;
    }
    *ret_files = files;
    return 0;
}

int embedded_files_open_log(const struct embedded_files *files, int *ret_fd, struct error *error)
{
    struct stat info;
    if (stat(files->log, &info) == 0 && info.st_size > LOG_MAX_BYTES) {
        char older[sizeof(files->log) + 2];
        snprintf(older, sizeof(older), "%s.1", files->log);
        if (rename(files->log, older) < 0) {
            return error_set(error, ERROR_IO, "can't rename %s: %s", files->log, strerror(errno));
        }
    }
    int fd = open(files->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(error, ERROR_IO, "can't open %s: %s", files->log, strerror(errno));
    }
    *ret_fd = fd;
    return 0;
}

int embedded_files_lock(const struct embedded_files *files, int *ret_fd, struct error *error)
{
    int fd = open(files->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(error, ERROR_IO, "can't open %s: %s", files->lock, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int code = errno == EWOULDBLOCK ? ERROR_CONFLICT : ERROR_IO;
        error_set(error, code == ERROR_CONFLICT ? ERROR_CONFLICT : ERROR_IO, "can't lock %s: %s",
                  files->lock, strerror(errno));
        close(fd);
        return code;
    }
    *ret_fd = fd;
    return 0;
}

bool embedded_files_disk_was_full(const struct embedded_files *files, off_t skip)
{
    static const char *const words[] = {"No space left on device", "Disk quota exceeded",
                                        "Short write while writing to the AOF"};
    char text[LOG_TAIL_BYTES];
    struct stat info;
    bool full = false;
    int fd = open(files->log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &info) < 0) {
        goto out;
    }
    if (info.st_size - skip > (off_t)sizeof(text)) {
        skip = info.st_size - (off_t)sizeof(text);
    }
    ssize_t size = pread(fd, text, sizeof(text), skip);
    for (size_t i = 0; size > 0 && i < sizeof(words) / sizeof(words[0]); i++) {
        full = full || memmem(text, (size_t)size, words[i], strlen(words[i]));
    }
out:
    if (fd >= 0) {
        close(fd);
    }
    return full;
}

/* By the name of its program, which may have been replaced by an upgrade since ("(deleted)"). */
static bool is_redis_server(const char *pid)
{
    char link[64];
    char program[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/%.20s/exe", pid);
    ssize_t size = readlink(link, program, sizeof(program) - 1);
    if (size <= 0) {
        return false;
    }
    program[size] = '\0';
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;
    /* Debian: redis-server is a symbolic link to redis-check-rdb. */
    return strncmp(name, "redis-server", 12) == 0 || strncmp(name, "redis-check-rdb", 15) == 0;
}

int embedded_files_signal_users(const struct embedded_files *files, int signal)
{
    struct stat folder;
    struct dirent *entry;
    int count = 0;
    DIR *processes = opendir("/proc");
    if (!processes || stat(files->folder, &folder) < 0) {
        goto out;
    }
    while ((entry = readdir(processes)) != NULL) {
        char path[64];
        struct stat working;
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (pid <= 1 || *end != '\0') {
            continue;
        }
        snprintf(path, sizeof(path), "/proc/%.20s/cwd", entry->d_name);
        if (stat(path, &working) == 0 && working.st_dev == folder.st_dev &&
            working.st_ino == folder.st_ino && is_redis_server(entry->d_name) &&
            kill((pid_t)pid, signal) == 0) {
            count++;
        }
    }
out:
    if (processes) {
        closedir(processes);
    }
    return count;
}
