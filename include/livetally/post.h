/*
 * A post: one ingest message on its way from a socket to Redis and back as an ack. Network code
 * makes it, the partition judges and commits it, and calls `done` once everything in it is durable
 * or rejected. Posts of all connections are answered in the order they were submitted.
 */
#ifndef LIVETALLY_POST_H
#define LIVETALLY_POST_H

#include <stdint.h>

#include "livetally/event.h"

struct grant;
struct post;
typedef void post_done_fn(struct post *post); /* owns the post again */

struct post {
    struct post *next;      /* for whoever holds it: queue, then free list */
    struct message message; /* parsed; judging appends to its rejections */
    uint64_t number;        /* of the message on its connection, from 1 */
    int64_t received_ns;    /* monotonic, for the ack latency */
    uint32_t accepted;      /* counts of verdicts; valid in done() */
    uint32_t duplicates;
    uint32_t parked;
    uint32_t form_rejections; /* rejections made by parsing; judging again starts from there */
    struct grant *grant;      /* of whoever sent it; a reference of its own; NULL: no limits */
    post_done_fn *done;
    void *origin; /* the connection or request; NULL once that is gone */
};

#endif
