/*
 * Supervises a private redis-server.
 *
 *   WAITING ─timer: folder free─▶ RUNNING ─exit─▶ WAITING (back-off)        any ─stop─▶ STOPPING
 *      └─ folder still in use: ask its user to end, look again
 *
 * redis-server is run by setpriv(1), which sets the parent-death signal and then becomes it:
 * uv_spawn has no hook between fork and exec, and forking ourselves would bypass libuv's watching
 * of children. A daemon that dies in the instant before that leaves a server behind; the lock of
 * the folder (see embedded_files.c) makes the next daemon notice, and end it.
 */
#include "livetally/embedded_redis.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "embedded_aof.h"
#include "embedded_files.h"
#include "livetally/mem.h"

#define BACKOFF_MIN_MS   100
#define BACKOFF_MAX_MS   5000
#define HELD_MS          10000 /* ran that long: the next failure is a new one */
#define LEFTOVER_POLL_MS 50
#define LEFTOVER_KILL_MS 5000
#define STOP_KILL_MS     8000

enum state {
    STATE_WAITING,
    STATE_RUNNING,
    STATE_STOPPING,
};

/* Why it ended by itself; told once for as long as it is the same. */
enum failure {
    FAILURE_NONE,
    FAILURE_DISK_FULL,
    FAILURE_OTHER,
};

struct embedded_redis {
    uv_loop_t *loop;
    const struct log *log;
    struct embedded_files files;
    char server[PATH_MAX];
    char setpriv[PATH_MAX]; /* "" when the system has none */

    enum state state;
    uv_timer_t timer;
    uv_process_t process;
    bool process_open; /* the handle is in the loop */
    int pid;           /* 0 while not running */
    uint64_t started_ms;
    uint64_t leftover_since_ms; /* 0: the folder was free when last looked */
    uint64_t backoff_ms;
    off_t log_start; /* size of its log when it was started */
    enum failure told_failure;

    void (*stopped)(void *context);
    void *stopped_context;
};

static void on_timer(uv_timer_t *timer);

/*
 * Looks through PATH, then in the folder where our Debian package puts what Debian has under
 * another name (a shell's PATH doesn't have it), then in /usr/bin.
 */
static bool find_program(const char *name, char out[PATH_MAX])
{
    static const char *const folders[] = {"/usr/lib/livetally", "/usr/bin"};
    const char *path = getenv("PATH");
    for (const char *at = path ? path : ""; *at;) {
        size_t size = strcspn(at, ":");
        int written = snprintf(out, PATH_MAX, "%.*s/%s", (int)size, at, name);
        if (size > 0 && at[0] == '/' && written < PATH_MAX && access(out, X_OK) == 0) {
            return true;
        }
        at += size + (at[size] == ':');
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(out, PATH_MAX, "%s/%s", folders[i], name);
        if (access(out, X_OK) == 0) {
            return true;
        }
    }
    out[0] = '\0';
    return false;
}

static void wait_before_start(struct embedded_redis *redis)
{
    uv_timer_start(&redis->timer, on_timer, redis->backoff_ms, 0);
    redis->backoff_ms *= 2;
    if (redis->backoff_ms > BACKOFF_MAX_MS) {
        redis->backoff_ms = BACKOFF_MAX_MS;
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct embedded_redis *redis = handle->data;
    void (*stopped)(void *context) = redis->stopped;
    void *context = redis->stopped_context;
    free(redis);
    stopped(context);
}

static void on_process_closed(uv_handle_t *handle)
{
    struct embedded_redis *redis = handle->data;
    redis->process_open = false;
    if (redis->state == STATE_STOPPING) {
        uv_close((uv_handle_t *)&redis->timer, on_timer_closed);
    } else {
        wait_before_start(redis);
    }
}

static void tell_failure(struct embedded_redis *redis, int64_t status)
{
    bool full = embedded_files_disk_was_full(&redis->files, redis->log_start);
    enum failure failure = full ? FAILURE_DISK_FULL : FAILURE_OTHER;
    if (failure == redis->told_failure) {
        return;
    }
    redis->told_failure = failure;
    if (full) {
        log_print(redis->log, LOG_LEVEL_ERROR,
                  "embedded redis-server ended because the disk is full: make room for %s; "
                  "it is started again until there is some",
                  redis->files.folder);
    } else {
        log_print(redis->log, LOG_LEVEL_ERROR,
                  "embedded redis-server exited with status %lld; see %s", (long long)status,
                  redis->files.log);
    }
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct embedded_redis *redis = process->data;
    bool asked = redis->state == STATE_STOPPING;
    if (uv_now(redis->loop) - redis->started_ms >= HELD_MS) {
        redis->backoff_ms = BACKOFF_MIN_MS;
        redis->told_failure = FAILURE_NONE;
    }
    embedded_files_signal_users(&redis->files, SIGKILL); /* a child of it, rewriting the log */
    redis->pid = 0;
    if (signal != 0) {
        log_print(redis->log, asked ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR,
                  "embedded redis-server was ended by signal %d (%s)", signal, strsignal(signal));
    } else if (!asked || status != 0) {
        tell_failure(redis, status);
    }
    if (!asked) {
        redis->state = STATE_WAITING;
    }
    uv_close((uv_handle_t *)process, on_process_closed);
}

/* lock_fd stays open in the server, as descriptor 3, for as long as it lives. */
static int spawn_server(struct embedded_redis *redis, int log_fd, int lock_fd, struct error *error)
{
    char *direct[] = {redis->server, redis->files.config, NULL};
    char *guarded[] = {redis->setpriv, (char[]){"--pdeathsig"}, (char[]){"TERM"},
                       redis->server,  redis->files.config,     NULL};
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = log_fd},
        {.flags = UV_INHERIT_FD, .data.fd = log_fd},
        {.flags = UV_INHERIT_FD, .data.fd = lock_fd},
    };
    uv_process_options_t options = {
        .file = redis->setpriv[0] ? redis->setpriv : redis->server,
        .args = redis->setpriv[0] ? guarded : direct,
        .cwd = redis->files.folder,
        .flags = UV_PROCESS_DETACHED, /* a session and process group of its own */
        .exit_cb = on_process_exit,
        .stdio = stdio,
        .stdio_count = 4,
    };
    redis->process.data = redis;
    redis->process_open = true; /* also when it fails, the handle is to be closed */
    int status = uv_spawn(redis->loop, &redis->process, &options);
    if (status < 0) {
        return error_set(error, ERROR_SYSTEM, "can't run %s: %s", options.file,
                         uv_strerror(status));
    }
    return 0;
}

/*
 * ERROR_CONFLICT: the folder is still in use. After another error the process handle may be open.
 */
static int start_server(struct embedded_redis *redis, struct error *error)
{
    int log_fd = -1;
    int lock_fd = -1;
    int status = embedded_files_lock(&redis->files, &lock_fd, error);
    if (status < 0) {
        goto out;
    }
    status = embedded_aof_mend(redis->files.folder, redis->log, error);
    if (status < 0) {
        goto out;
    }
    status = embedded_files_open_log(&redis->files, &log_fd, error);
    if (status < 0) {
        goto out;
    }
    struct stat info;
    redis->log_start = fstat(log_fd, &info) == 0 ? info.st_size : 0;
    status = spawn_server(redis, log_fd, lock_fd, error);
    if (status < 0) {
        goto out;
    }
    redis->state = STATE_RUNNING;
    redis->pid = redis->process.pid;
    redis->started_ms = uv_now(redis->loop);
    redis->leftover_since_ms = 0;
    log_print(redis->log, redis->told_failure ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTICE,
              "embedded redis-server started pid=%d socket=%s", redis->pid, redis->files.socket);
out:
    if (log_fd >= 0) {
        close(log_fd);
    }
    if (lock_fd >= 0) {
        close(lock_fd);
    }
    return status;
}

/* A server of an earlier daemon works in the folder: SIGTERM, and when it stays, SIGKILL. */
static void end_leftover(struct embedded_redis *redis)
{
    uint64_t now_ms = uv_now(redis->loop);
    bool first = redis->leftover_since_ms == 0;
    if (first) {
        redis->leftover_since_ms = now_ms;
        log_print(redis->log, LOG_LEVEL_WARNING,
                  "%s is still in use by an earlier redis-server; ending that one",
                  redis->files.folder);
    }
    if (now_ms - redis->leftover_since_ms >= LEFTOVER_KILL_MS) {
        int count = embedded_files_signal_users(&redis->files, SIGKILL);
        log_print(redis->log, LOG_LEVEL_ERROR, "%s is still in use; killed %d redis-server",
                  redis->files.folder, count);
        redis->leftover_since_ms = now_ms;
    } else {
        embedded_files_signal_users(&redis->files, SIGTERM);
    }
    uv_timer_start(&redis->timer, on_timer, LEFTOVER_POLL_MS, 0);
}

/* Starts it now, or sees to it that it will be. */
static int try_start(struct embedded_redis *redis, struct error *error)
{
    int status = start_server(redis, error);
    if (status == ERROR_CONFLICT) {
        end_leftover(redis);
        return 0;
    }
    return status;
}

static void on_timer(uv_timer_t *timer)
{
    struct embedded_redis *redis = timer->data;
    struct error error;
    if (redis->state == STATE_STOPPING) {
        log_print(redis->log, LOG_LEVEL_ERROR, "embedded redis-server did not end; killing it");
        kill(-redis->pid, SIGKILL);
        return;
    }
    if (try_start(redis, &error) < 0) {
        log_print(redis->log, LOG_LEVEL_ERROR, "%s", error.text);
        if (redis->process_open) {
            uv_close((uv_handle_t *)&redis->process, on_process_closed);
        } else {
            wait_before_start(redis);
        }
    }
}

static void on_failed_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_failed_process_closed(uv_handle_t *handle)
{
    struct embedded_redis *redis = handle->data;
    uv_close((uv_handle_t *)&redis->timer, on_failed_timer_closed);
}

int embedded_redis_start(uv_loop_t *loop, const char *state_dir, const struct log *log,
                         struct embedded_redis **ret_redis, struct error *error)
{
    struct embedded_redis *redis = mem_zalloc(sizeof(*redis));
    int status;
    redis->loop = loop;
    redis->log = log;
    redis->backoff_ms = BACKOFF_MIN_MS;
    if (!find_program("redis-server", redis->server)) {
        free(redis);
        return error_set(
            error, ERROR_NOT_FOUND,
            "there is no redis-server on PATH nor in /usr/bin: install it (Debian: apt "
            "install redis-server), or name a running one by --redis");
    }
    if (!find_program("setpriv", redis->setpriv)) {
        log_print(log, LOG_LEVEL_WARNING,
                  "there is no setpriv: if this process is killed, redis-server stays");
    }
    status = embedded_files_prepare(state_dir, &redis->files, error);
    if (status < 0) {
        free(redis);
        return status;
    }
    uv_timer_init(loop, &redis->timer);
    redis->timer.data = redis;
    status = try_start(redis, error);
    if (status < 0) {
        if (redis->process_open) {
            uv_close((uv_handle_t *)&redis->process, on_failed_process_closed);
        } else {
            uv_close((uv_handle_t *)&redis->timer, on_failed_timer_closed);
        }
        return status;
    }
    *ret_redis = redis;
    return 0;
}

const char *embedded_redis_socket_path(const struct embedded_redis *redis)
{
    return redis->files.socket;
}

bool embedded_redis_listens(const struct embedded_redis *redis)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(redis->files.socket);
    if (size >= sizeof(address.sun_path)) {
        return false;
    }
    memcpy(address.sun_path, redis->files.socket, size + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool listens = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return listens;
}

int embedded_redis_pid(const struct embedded_redis *redis)
{
    return redis->pid;
}

void embedded_redis_stop(struct embedded_redis *redis, void (*stopped)(void *context),
                         void *context)
{
    redis->stopped = stopped;
    redis->stopped_context = context;
    redis->state = STATE_STOPPING;
    if (redis->pid != 0) {
        kill(redis->pid, SIGTERM);
        uv_timer_start(&redis->timer, on_timer, STOP_KILL_MS, 0);
    } else if (!redis->process_open) {
        uv_close((uv_handle_t *)&redis->timer, on_timer_closed);
    }
}
