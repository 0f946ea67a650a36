/*
 * Reading the configuration anew while we run, asked by SIGHUP. All of it is checked as at the
 * start; if anything is wrong nothing changes. Else what can change does, for connections that are
 * open too, and the log names the keys that wait for a restart.
 */
#ifndef LIVETALLY_DAEMON_RELOAD_H
#define LIVETALLY_DAEMON_RELOAD_H

#include "daemon_private.h"

void reload_run(struct daemon *daemon);

#endif
