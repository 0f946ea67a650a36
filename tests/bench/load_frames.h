/*
 * All that bench_load will send, made before any clock runs: for each connection one run of
 * complete, masked frames, and what the ack of each message must say. Duplicates and refunds are of
 * orders that the same connection sent in earlier messages, so every ack is known beforehand.
 */
#ifndef LOAD_FRAMES_H
#define LOAD_FRAMES_H

#include "load_sales.h"

/* All frames are in memory at once: about ten million orders. */
#define FRAMES_MAX_BYTES (UINT64_C(2500) << 20)

struct frames_options {
    uint32_t connections;
    uint32_t batch; /* events of a message */
    uint32_t duplicates_percent;
    uint32_t refunds_percent;
};

struct frames_message {
    uint32_t size; /* of its frame */
    uint16_t accepted;
    uint16_t duplicates;
};

/* What one connection sends. */
struct frames_run {
    const unsigned char *bytes;
    const struct frames_message *messages;
    uint64_t message_count;
};

struct frames {
    unsigned char *bytes;
    uint64_t size;
    uint64_t messages;
    uint64_t accepted; /* events that will be */
    uint64_t duplicates;
    struct frames_run *runs; /* by connection */
    struct frames_message *all;
};

void frames_init(struct frames *frames, const struct frames_options *options, struct sales *sales);
void frames_done(struct frames *frames);

#endif
