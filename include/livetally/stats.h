/*
 * The figures a daemon keeps of itself, in one plain struct handed to whoever counts. One list
 * makes the fields and the lines of GET /metrics; histograms follow Prometheus (cumulative `le`
 * buckets are made when written). Single-threaded, so plain integers.
 */
#ifndef LIVETALLY_STATS_H
#define LIVETALLY_STATS_H

#include <stdbool.h>
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
    X(commits_grown, "commits_grown_total",                                                        \
      "Commits refused because others had written to the ledger, and judged again")                \
    X(records_written_over, "records_written_over_total",                                          \
      "Records that a commit wrote over, as somebody had changed the ledger by hand")              \
    X(checkpoints, "checkpoints_total", "Checkpoints completed")                                   \
    X(checkpoint_cells, "checkpoint_cells_total", "Cells written by checkpoints")                  \
    X(feed_entries, "feed_entries_total", "Commits of other daemons applied")                      \
    X(resyncs, "resyncs_total", "Times all state was loaded from Redis")                           \
    X(groups_given_up, "groups_given_up_total",                                                    \
      "Loads of what a viewer asked for that limits.cells had no room for")                        \
    X(lost_writes, "lost_writes_total", "Times Redis came back with less than it acknowledged")    \
    X(redis_connects, "redis_connects_total", "Connections to Redis made")                         \
    X(redis_failures, "redis_failures_total", "Connections to Redis that failed or broke")         \
    X(connections_ingest, "ingest_connections_total", "Ingest connections accepted")               \
    X(connections_live, "live_connections_total", "Live connections accepted")                     \
    X(reloads, "reloads_total", "Times the configuration was reloaded")                            \
    X(reload_failures, "reload_failures_total", "Reloads refused, which changed nothing")          \
    X(tls_handshakes_begun, "tls_handshakes_begun_total",                                          \
      "TLS handshakes that clients began; what is missing in those completed failed")              \
    X(tls_handshakes, "tls_handshakes_total", "TLS handshakes completed")                          \
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
    X(slow_viewers, "slow_live_connections", "Live connections whose socket takes no more")        \
    X(active_connections, "active_connections",                                                    \
      "Connections that speak HTTP, or on which something is under way")                           \
    X(queued_events, "queued_events", "Events received and not yet durable")                       \
    X(ready, "ready", "1 while /readyz says ready")                                                \
    X(redis_connected, "redis_connected", "1 while connected to Redis and caught up")              \
    X(stale, "stale", "1 while totals may be behind Redis")                                        \
    X(lane, "lane", "Number of the claimed lane, -1 without one")                                  \
    X(lanes, "lanes", "Lanes that exist in the data set")                                          \
    X(tls_certificate_ends_s, "tls_certificate_expiry_timestamp_seconds",                          \
      "When the TLS certificate expires, as Unix time; 0 without one")                             \
    X(seats_taken, "seats_taken", "Lanes that a daemon holds, this one among them")                \
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

/* What is answered, by status: its text */
#define HTTP_STATUSES(X)                                                                           \
    X(200, "OK")                                                                                   \
    X(304, "Not Modified")                                                                         \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(408, "Request Timeout")                                                                      \
    X(411, "Length Required")                                                                      \
    X(413, "Content Too Large")                                                                    \
    X(415, "Unsupported Media Type")                                                               \
    X(426, "Upgrade Required")                                                                     \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(501, "Not Implemented")                                                                      \
    X(503, "Service Unavailable")                                                                  \
    X(505, "HTTP Version Not Supported")

enum http_status_place {
#define X(status, text) HTTP_STATUS_##status,
    HTTP_STATUSES(X)
#undef X
        HTTP_STATUS_COUNT
};

/* Memory by what holds it, as asked of the allocator: kind, its label */
#define MEMORY_KINDS(X)                                                                            \
    X(CELLS, "cells") /* the board: groups and their totals */                                     \
    X(IDS, "ids")                                                                                  \
    X(ORDERS, "cached_orders")                                                                     \
    X(KNOWN_ORDERS, "known_orders") /* filters of the ids in the ledger */                         \
    X(WAITING, "waiting")           /* posts on their way to Redis, and room kept for the next */  \
    X(HEADS, "heads")               /* heads of requests and of proxies of which a part is here */ \
    X(ASSEMBLY, "assembly")         /* messages of which a part is here */                         \
    X(SEND_QUEUE, "send_queue")     /* what peers have yet to read, an upper bound */              \
    X(TOPICS, "topics") /* topics, audiences and viewers, without what lws holds for a socket */   \
    X(CATALOG, "catalog")                                                                          \
    X(OTHER, "other") /* the rest of what is resident: code, sockets, free heap */

enum memory_kind {
#define X(name, label) MEMORY_##name,
    MEMORY_KINDS(X)
#undef X
        MEMORY_KIND_COUNT
};

/* What has a bound, so that an alert can be a ratio: name, its label */
#define LIMITS(X)                                                                                  \
    X(CONNECTIONS, "connections")                                                                  \
    X(DESCRIPTORS, "descriptors")                                                                  \
    X(WAITING_BYTES, "waiting_bytes")                                                              \
    X(ASSEMBLY_BYTES, "assembly_bytes")                                                            \
    X(SEND_QUEUE_BYTES, "send_queue_bytes")                                                        \
    X(TOPICS, "topics")                                                                            \
    X(CELLS, "cells")                                                                              \
    X(HOSTS, "hosts")                                                                              \
    X(COUNTIES, "counties")                                                                        \
    X(PRODUCTS, "products")                                                                        \
    X(SESSIONS, "sessions")                                                                        \
    X(PLATFORMS, "platforms")                                                                      \
    X(CATALOG_HOSTS, "catalog_hosts")                                                              \
    X(CATALOG_PRODUCTS, "catalog_products")                                                        \
    X(CATALOG_SESSIONS, "catalog_sessions")                                                        \
    X(SEATS, "seats")

enum limit {
#define X(name, label) LIMIT_##name,
    LIMITS(X)
#undef X
        LIMIT_COUNT
};

#define STATS_BUCKETS 16

struct histogram {
    uint64_t counts[STATS_BUCKETS + 1]; /* the last: above all bounds */
    double sum;
};

/* field, metric name, help, bounds as 16 ascending numbers */
#define STATS_HISTOGRAMS(X)                                                                        \
    X(ack_seconds, "ack_seconds", "From receiving a message to its ack", SECONDS)                  \
    X(push_seconds, "ack_to_push_seconds",                                                         \
      "From the oldest acked change of an update to its last viewer's socket", SECONDS)            \
    X(commit_seconds, "commit_seconds", "From sending a commit to its reply", SECONDS)             \
    X(checkpoint_seconds, "checkpoint_seconds", "From the start of a checkpoint to its end",       \
      SECONDS)                                                                                     \
    X(redis_seconds, "redis_roundtrip_seconds", "From sending a command to Redis to its reply",    \
      SECONDS)                                                                                     \
    X(loop_lag_seconds, "loop_lag_seconds",                                                        \
      "How late the event loop comes to a timer, looked at ten times a second", SECONDS)           \
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

/* Of the ids in one of the two live generations of the ledger. */
enum ledger_generation { LEDGER_CURRENT, LEDGER_PREVIOUS, LEDGER_GENERATION_COUNT };

struct id_stats {
    uint64_t looked_for; /* by commits, one by one */
    uint64_t spared;     /* of those surely not there */
    bool complete;       /* all that stand there are known */
};

/* Of the whole process, by the names that all exporters use. */
struct process_stats {
    double cpu_seconds;
    double start_time_seconds; /* Unix time */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_descriptors;
    uint64_t max_descriptors;
};

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
    struct id_stats known_orders[LEDGER_GENERATION_COUNT];
    uint64_t rejections[REJECTION_CODE_COUNT];
    uint64_t auth_refusals[AUTH_REFUSAL_COUNT];
    uint64_t connections_refused[REFUSAL_COUNT];
    uint64_t http_requests[HTTP_STATUS_COUNT];
    uint64_t memory_bytes[MEMORY_KIND_COUNT];
    uint64_t limits[LIMIT_COUNT];
    uint64_t limits_used[LIMIT_COUNT];
    struct process_stats process;
};

enum stats_bounds { STATS_SECONDS, STATS_EVENTS };
void histogram_add(struct histogram *histogram, enum stats_bounds bounds, double value,
                   uint64_t times);
/* Prometheus text exposition of everything, each metric with HELP and TYPE. */
void stats_write(struct buffer *out, const struct stats *stats);

#endif
