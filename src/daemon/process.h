/*
 * What the kernel knows of this process, for /metrics.
 */
#ifndef LIVETALLY_DAEMON_PROCESS_H
#define LIVETALLY_DAEMON_PROCESS_H

#include "livetally/stats.h"

/* All but the start time. What can't be learnt stays as it is. */
void process_refresh_stats(struct process_stats *stats);

#endif
