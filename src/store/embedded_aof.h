/*
 * The end of an append-only file after a crash.
 *
 * Redis writes what a script did as MULTI … EXEC. When a crash tears that, Redis cuts off the
 * command that is torn, but when that stands inside a MULTI it leaves the MULTI and what follows it
 * (7.0): what it appends later becomes part of that transaction, so that the next start does first
 * what was never acknowledged, and then refuses what was. So we cut at the transaction's beginning,
 * beforehand.
 */
#ifndef LIVETALLY_STORE_EMBEDDED_AOF_H
#define LIVETALLY_STORE_EMBEDDED_AOF_H

#include "livetally/error.h"
#include "livetally/log.h"
#include "livetally/slice.h"

/*
 * How many bytes belong to whole commands, and to no transaction without its EXEC. All of them when
 * the file is damaged in another way than by an early end: that is for Redis to report.
 */
size_t embedded_aof_whole(struct slice bytes);
/* Cuts the newest file of the log in `folder`, Redis's dir, to that. Nobody may be writing to it.
 */
int embedded_aof_mend(const char *folder, const struct log *log, struct error *error);

#endif
