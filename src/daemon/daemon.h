/*
 * The life of the process: one loop, the parts on it in the order they depend on each other, and
 * the way back out.
 *
 *   lock state folder ▶ embedded Redis ▶ partition ▶ hub ▶ server ▶ (ready) listen
 *   signal ▶ drain server ▶ stop partition (commit, ack, checkpoint) ▶ close server ▶ stop Redis
 */
#ifndef LIVETALLY_DAEMON_DAEMON_H
#define LIVETALLY_DAEMON_DAEMON_H

#include "config.h"

/* Both return the exit code and have told the operator on stderr what was wrong. */
int daemon_run(const struct config *config);
int daemon_check(const struct config *config);

#endif
