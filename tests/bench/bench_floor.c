/*
 * What can't be had for less on this machine: the parts of livetally's work that somebody else's
 * code or the kernel does, alone. Each prints one JSON object.
 *
 *   bench_floor lws                                        a server that reassembles and discards
 *   bench_floor send  --sockets V --bytes B --rounds R     bare send(2)
 *   bench_floor redis --socket PATH --orders N --batch B   bare HMGET and HSET of the same records
 */
#include <stdio.h>
#include <string.h>

#include "floor_lws.h"
#include "floor_redis.h"
#include "floor_send.h"

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "";
    if (strcmp(which, "lws") == 0)
        return floor_lws(argc - 1, argv + 1);
    if (strcmp(which, "send") == 0)
        return floor_send(argc - 1, argv + 1);
    if (strcmp(which, "redis") == 0)
        return floor_redis(argc - 1, argv + 1);
    fputs("usage: bench_floor lws\n"
          "       bench_floor send --sockets V --bytes B --rounds R\n"
          "       bench_floor redis --socket PATH --orders N --batch B\n",
          stderr);
    return 2;
}
