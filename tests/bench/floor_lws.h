/*
 * The floor under ingest: the same messages read by libwebsockets, and nothing done with them. See
 * floor_lws.c.
 */
#ifndef BENCH_FLOOR_LWS_H
#define BENCH_FLOOR_LWS_H

int floor_lws(int argc, char **argv); /* exit code; argv[0] is skipped */

#endif
