/*
 * The life of the process: one loop, the parts on it in the order they depend on each other, and
 * the way back out.
 *
 *   lock state folder ▶ embedded Redis ▶ partition ▶ hub ▶ server ▶ (ready) listen
 *   SIGHUP ▶ reload (see reload.h)
 *   signal ▶ drain server ▶ stop partition (commit, ack, checkpoint) ▶ close server ▶ stop Redis
 */
#ifndef LIVETALLY_DAEMON_DAEMON_H
#define LIVETALLY_DAEMON_DAEMON_H

#include "config.h"

/* Both return the exit code and have told the operator on stderr what was wrong. The command line
 * is read again when the configuration is to be reloaded. */
int daemon_run(const struct config *config, int argc, char **argv);
int daemon_check(const struct config *config);

#endif
