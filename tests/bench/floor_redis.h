/*
 * The floor under commits: the ledger's ids and records read and written bare. See floor_redis.c.
 */
#ifndef BENCH_FLOOR_REDIS_H
#define BENCH_FLOOR_REDIS_H

int floor_redis(int argc, char **argv); /* exit code; argv[0] is skipped */

#endif
