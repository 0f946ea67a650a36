/*
 * The measured part of bench_load: ready-made frames go out as fast as the windows allow, and every
 * ack is held against what it must say.
 */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include "bench_common.h"
#include "cli/latency.h"
#include "load_frames.h"

struct load_options {
    const struct sockaddr_in *servers;
    uint32_t server_count; /* connections are dealt round robin */
    uint32_t connections;
    uint32_t window; /* messages in flight on each */
    bool discard;    /* the peer only says how many messages it got */
};

struct load_result {
    int64_t wall_us; /* from before the first byte to after the last ack */
    int64_t own_cpu_us;
    struct latency ack; /* of a message: from when its window was open to its ack */
    uint64_t ack_max_us;
    uint64_t acks;
    uint64_t accepted;
    uint64_t duplicates;
    uint64_t rejected;
    uint64_t faults; /* acks that didn't say what they had to; the first are on stderr */
};

/* Ends the program when a connection breaks, or when nothing is acked for BENCH_STALL_MS. */
void load_run(const struct load_options *options, const struct frames *frames,
              struct bench_processes *processes, struct load_result *ret_result);

#endif
