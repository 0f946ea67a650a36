/*
 * The viewers: connect, subscribe, count what they are sent and note how late it comes.
 *
 * Each viewer watches one topic, of one set (sets are dealt round robin), and keeps what it was
 * last sent of it, so that it can be compared with the totals when all is over.
 */
#ifndef BENCH_PUSH_CROWD_H
#define BENCH_PUSH_CROWD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "livetally/slice.h"

struct push_options {
    struct sockaddr_in daemon;
    uint32_t viewers;
    uint32_t sets;
    uint32_t sources; /* addresses viewers come from */
    int64_t interval_ms;
    int64_t seconds;
    char run[24]; /* a name no other run has, for ids */
};

#define PUSH_TOPIC_BYTES 64
/* "total" when there is one set, else a host's total for each. */
void push_topic(const struct push_options *options, uint32_t set, char topic[PUSH_TOPIC_BYTES]);

struct push_counts {
    uint64_t messages; /* updates */
    uint64_t bytes;    /* of their frames */
};

struct push_crowd;

/* All connected and subscribed, with the snapshot received. */
struct push_crowd *push_crowd_new(const struct push_options *options, int epoll_fd);
void push_crowd_free(struct push_crowd *crowd);

/* Handles an epoll event that carried this pointer; other events are none of the crowd's. */
void push_crowd_read(struct push_crowd *crowd, void *event);

struct push_counts push_crowd_counts(const struct push_crowd *crowd);

/* From here on the gaps between a viewer's messages are noted, until there is no room. */
void push_crowd_time(struct push_crowd *crowd, bool on);
/* How much later than an interval after the one before it a message came. Sorts. */
int64_t push_crowd_late_us(struct push_crowd *crowd, double share); /* 0.5: median; 1: latest */

/* How many viewers hold something else than /v1/totals says of their topic. */
uint32_t push_crowd_differing(struct push_crowd *crowd);

#endif
