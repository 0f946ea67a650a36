/*
 * The state folder: ours alone (0700), held by a lock for as long as we run.
 */
#ifndef LIVETALLY_DAEMON_STATE_DIR_H
#define LIVETALLY_DAEMON_STATE_DIR_H

#include <stddef.h>

#include "livetally/error.h"
#include "livetally/slice.h"

#define STATE_DIR_BYTES 240 /* of its path, with NUL: leaves room for names in it */

struct state_dir {
    char path[STATE_DIR_BYTES]; /* absolute */
    int lock_fd;
};

/*
 * wanted: "" chooses $STATE_DIRECTORY, $XDG_STATE_HOME/livetally or $HOME/.local/state/livetally.
 * Makes what is missing. ERROR_CONFLICT when another process holds it.
 */
int state_dir_open(struct state_dir *dir, const char *wanted, struct error *error);
/* Removes the list of addresses, gives up the lock. */
void state_dir_close(struct state_dir *dir);

/* <dir>/listen: the addresses in use, one URL a line. */
int state_dir_write_listen(const struct state_dir *dir, struct slice urls, struct error *error);

#endif
