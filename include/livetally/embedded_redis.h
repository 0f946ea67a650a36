/*
 * A private redis-server, child of this process: Unix socket <state_dir>/redis.sock (mode 0600),
 * no TCP port, data in <state_dir>/redis, appendonly with appendfsync always, noeviction, no RDB
 * saves, hash-max-listpack-entries 64, lazyfree-lazy-expire yes. Restarted (with back-off) when it
 * dies. It gets its own process group, so that Ctrl-C reaches only the daemon, and dies with it
 * (PR_SET_PDEATHSIG). One that an earlier daemon left behind in the folder is ended first. Its
 * output goes to <state_dir>/redis/redis.log.
 */
#ifndef LIVETALLY_EMBEDDED_REDIS_H
#define LIVETALLY_EMBEDDED_REDIS_H

#include <stdbool.h>
#include <uv.h>

#include "livetally/error.h"
#include "livetally/log.h"

struct embedded_redis;

/* The state folder must exist and be locked by the caller. Fails when redis-server can't be run. */
int embedded_redis_start(uv_loop_t *loop, const char *state_dir, const struct log *log,
                         struct embedded_redis **ret_redis, struct error *error);
const char *embedded_redis_socket_path(const struct embedded_redis *redis);
/* Its socket is there a moment before it listens. */
bool embedded_redis_listens(const struct embedded_redis *redis);
int embedded_redis_pid(const struct embedded_redis *redis); /* 0 while it is not running */
/* SIGTERM, SIGKILL after 8 s; calls stopped() when it is gone; frees. */
void embedded_redis_stop(struct embedded_redis *redis, void (*stopped)(void *context),
                         void *context);

#endif
