/*
 * The floor under pushing: bare send(2) of ready bytes to as many sockets. See floor_send.c.
 */
#ifndef BENCH_FLOOR_SEND_H
#define BENCH_FLOOR_SEND_H

int floor_send(int argc, char **argv); /* exit code; argv[0] is skipped */

#endif
