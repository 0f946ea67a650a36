/*
 * What a private redis-server needs on disk, and who else is using it.
 */
#ifndef LIVETALLY_STORE_EMBEDDED_FILES_H
#define LIVETALLY_STORE_EMBEDDED_FILES_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "livetally/error.h"

struct embedded_files {
    char folder[PATH_MAX]; /* <state_dir>/redis: data, configuration, log, lock */
    char socket[108];      /* <state_dir>/redis.sock */
    char config[PATH_MAX + 16];
    char log[PATH_MAX + 16];
    char lock[PATH_MAX + 16];
};

/* Works out the paths, makes the folder (mode 0700) and writes redis.conf (mode 0600). */
int embedded_files_prepare(const char *state_dir, struct embedded_files *ret_files,
                           struct error *error);
/* Opens the log for appending; one that has grown large becomes redis.log.1 first. */
int embedded_files_open_log(const struct embedded_files *files, int *ret_fd, struct error *error);
/*
 * Takes the lock of the folder. The descriptor is to be inherited by redis-server: as long as any
 * process has it, the folder is in use. ERROR_CONFLICT when that is so already.
 */
int embedded_files_lock(const struct embedded_files *files, int *ret_fd, struct error *error);
/* True when the log says, after its first `skip` bytes, that there was no room to write. */
bool embedded_files_disk_was_full(const struct embedded_files *files, off_t skip);
/* Sends `signal` to every redis-server that works in the folder; returns to how many. */
int embedded_files_signal_users(const struct embedded_files *files, int signal);

#endif
