/*
 * The figures a daemon keeps of itself, in one plain struct handed to whoever counts. One list
 * makes the fields and the lines of GET /metrics; histograms follow Prometheus (cumulative `le`
 * buckets are made when written). Single-threaded, so plain integers.
 */
#ifndef LIVETALLY_STATS_H
#define LIVETALLY_STATS_H

#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/verdict.h"

/* field, metric name after livetally_, help */
#define STATS_COUNTERS(X)                                                                          \
    X(orders, "orders_total", "Orders accepted and durable")                                       \
    X(refunds, "refunds_total", "Refunds accepted and durable")                                    \
    X(parked, "refunds_parked_total", "Refunds kept until their order arrives")                    \
    X(duplicates, "duplicates_total", "Events recognised as retries")                              \
    X(catalog_changes, "catalog_changes_total",                                                    \
      "Hosts, products and sessions registered or changed")                                        \
    X(messages, "ingest_messages_total", "Ingest messages received")                               \
    X(message_bytes, "ingest_bytes_total", "Bytes of ingest messages received")                    \
    X(commits, "commits_total", "Commits that succeeded")                                          \
    X(commits_judged_again, "commits_judged_again_total",                                          \
      "Commits refused because a record differed, and judged again")                               \
    X(commits_fenced, "commits_fenced_total", "Commits refused by a fence")                        \
    X(checkpoints, "checkpoints_total", "Checkpoints completed")                                   \
    X(checkpoint_cells, "checkpoint_cells_total", "Cells written by checkpoints")                  \
    X(feed_entries, "feed_entries_total", "Commits of other daemons applied")                      \
    X(resyncs, "resyncs_total", "Times all state was loaded from Redis")                           \
    X(lost_writes, "lost_writes_total", "Times Redis came back with less than it acknowledged")    \
    X(redis_connects, "redis_connects_total", "Connections to Redis made")                         \
    X(redis_failures, "redis_failures_total", "Connections to Redis that failed or broke")         \
    X(connections_ingest, "ingest_connections_total", "Ingest connections accepted")               \
    X(connections_live, "live_connections_total", "Live connections accepted")                     \
    X(http_requests, "http_requests_total", "HTTP requests answered")                              \
    X(reloads, "reloads_total", "Times the configuration was reloaded")                            \
    X(reload_failures, "reload_failures_total", "Reloads refused, which changed nothing")          \
    X(tls_loads, "tls_certificate_loads_total", "Changed certificates taken over")                 \
    X(tls_load_failures, "tls_certificate_load_failures_total",                                    \
      "Changed certificates that could not be used")                                               \
    X(subscribes, "subscribes_total", "Subscribe messages")                                        \
    X(frames_encoded, "frames_encoded_total", "Snapshots and updates encoded")                     \
    X(frames_pushed, "frames_pushed_total", "Messages handed to viewers' sockets")                 \
    X(bytes_pushed, "bytes_pushed_total", "Bytes of those messages")                               \
    X(updates_conflated, "updates_conflated_total",                                                \
      "Updates skipped for viewers whose socket was full")                                         \
    X(bad_messages, "bad_messages_total", "Messages answered with an error")

/* field, metric name, help */
#define STATS_GAUGES(X)                                                                            \
    X(ingest_connections, "ingest_connections", "Open ingest connections")                         \
    X(live_connections, "live_connections", "Open live connections")                               \
    X(queued_events, "queued_events", "Events received and not yet durable")                       \
    X(redis_connected, "redis_connected", "1 while connected to Redis and caught up")              \
    X(stale, "stale", "1 while totals may be behind Redis")                                        \
    X(lane, "lane", "Number of the claimed lane, -1 without one")                                  \
    X(lanes, "lanes", "Lanes that exist in the data set")                                          \
    X(tls_certificate_ends_s, "tls_certificate_expiry_timestamp_seconds",                          \
      "When the TLS certificate expires, as Unix time; 0 without one")                             \
    X(board_cells, "board_cells", "Cells in memory")                                               \
    X(board_groups, "board_groups", "Groups of cells in memory")                                   \
    X(dirty_cells, "dirty_cells", "Cells not yet in a checkpoint")                                 \
    X(names, "names", "Ids in memory")                                                             \
    X(topics, "topics", "Topics subscribed")                                                       \
    X(audiences, "audiences", "Distinct sets of topics subscribed")

/* Why somebody was not let in, or sent away: reason, its label */
#define AUTH_REFUSALS(X)                                                                           \
    X(MISSING, "missing") /* no token where one is needed */                                       \
    X(BAD, "bad")                                                                                  \
    X(EXPIRED, "expired")                                                                          \
    X(URL, "url") /* a token that may not come in a URL */                                         \
    X(SCOPE, "scope")                                                                              \
    X(LATE, "late")       /* no token in time */                                                   \
    X(REVOKED, "revoked") /* its key is no longer accepted */                                      \
    X(ORIGIN, "origin")   /* a page of another site */

enum auth_refusal {
#define X(name, label) AUTH_REFUSAL_##name,
    AUTH_REFUSALS(X)
#undef X
        AUTH_REFUSAL_COUNT
};

/* Why a connection was not served, other than for its token or page: reason, its label */
#define REFUSALS(X)                                                                                \
    X(TOTAL, "total")             /* over limits.connections */                                    \
    X(ADDRESS, "address")         /* too many of one address */                                    \
    X(TOKEN, "token")             /* too many with one token */                                    \
    X(DESCRIPTORS, "descriptors") /* the process has no more of them */                            \
    X(RATE, "rate")               /* sent too much too fast */                                     \
    X(PROXY, "proxy")             /* no good PROXY header where one is due */                      \
    X(QUEUE, "queue")             /* read too slowly while memory for it ran out */                \
    X(UPGRADE, "upgrade")         /* no WebSocket handshake of ours */

enum refusal {
#define X(name, label) REFUSAL_##name,
    REFUSALS(X)
#undef X
        REFUSAL_COUNT
};

#define STATS_BUCKETS 16

struct histogram {
    uint64_t counts[STATS_BUCKETS + 1]; /* the last: above all bounds */
    double sum;
};

/* field, metric name, help, bounds as 16 ascending numbers */
#define STATS_HISTOGRAMS(X)                                                                        \
    X(ack_seconds, "ack_seconds", "From receiving a message to its ack", SECONDS)                  \
    X(commit_seconds, "commit_seconds", "From sending a commit to its reply", SECONDS)             \
    X(batch_events, "batch_events", "Events in a commit", EVENTS)

#define STATS_BOUNDS_SECONDS                                                                       \
    {                                                                                              \
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,  \
            10, 60                                                                                 \
    }
#define STATS_BOUNDS_EVENTS                                                                        \
    {                                                                                              \
        1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 640, 768, 1024                        \
    }

struct stats {
#define X(field, name, help) uint64_t field;
    STATS_COUNTERS(X)
#undef X
#define X(field, name, help) int64_t field;
    STATS_GAUGES(X)
#undef X
#define X(field, name, help, bounds) struct histogram field;
    STATS_HISTOGRAMS(X)
#undef X
    uint64_t rejections[REJECTION_CODE_COUNT];
    uint64_t auth_refusals[AUTH_REFUSAL_COUNT];
    uint64_t connections_refused[REFUSAL_COUNT];
};

enum stats_bounds { STATS_SECONDS, STATS_EVENTS };
void histogram_add(struct histogram *histogram, enum stats_bounds bounds, double value,
                   uint64_t times);
/* Prometheus text exposition of everything, each metric with HELP and TYPE. */
void stats_write(struct buffer *out, const struct stats *stats);

#endif
