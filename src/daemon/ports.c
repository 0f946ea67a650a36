/*
 * What the server asks of the rest: one function table, each entry a few lines between two parts
 * that don't know each other.
 */
#include <inttypes.h>

#include "daemon_private.h"
#include "livetally/version.h"
#include "process.h"

static bool port_authenticate(void *context, struct slice token, bool in_url,
                              struct grant **ret_grant, enum auth_refusal *ret_refusal,
                              struct buffer *why)
{
    const struct daemon *daemon = context;
    return gate_authenticate(&daemon->settings.gate, token, in_url, clock_wall_ms(&clock_system),
                             ret_grant, ret_refusal, why);
}

static enum server_standing port_review(void *context, const struct grant *grant)
{
    const struct daemon *daemon = context;
    return gate_review(&daemon->settings.gate, grant);
}

static enum server_origin port_find_origin(void *context, const char *origin)
{
    const struct daemon *daemon = context;
    return gate_find_origin(&daemon->settings.gate, origin);
}

static void port_submit(void *context, struct post *post)
{
    struct daemon *daemon = context;
    partition_submit(daemon->partition, post);
}

static bool port_store_available(void *context)
{
    const struct daemon *daemon = context;
    return partition_available(daemon->partition);
}

static bool port_ready(void *context, struct buffer *json)
{
    const struct daemon *daemon = context;
    return partition_health(daemon->partition, json);
}

static bool port_alive(void *context, struct buffer *json)
{
    const struct daemon *daemon = context;
    int64_t uptime_ms = clock_monotonic_ms(&clock_system) - daemon->started_ms;
    buffer_printf(json, "{\"status\":\"%s\",\"version\":\"%s\",\"uptime_s\":%" PRId64 "}",
                  daemon->phase == PHASE_STOPPING ? "stopping" : "ok", LIVETALLY_VERSION,
                  uptime_ms / 1000);
    return true;
}

static void port_refresh_stats(void *context)
{
    struct daemon *daemon = context;
    struct stats *stats = &daemon->stats;
    uint64_t known_bytes = 0;
    partition_refresh_stats(daemon->partition);
    hub_refresh_stats(daemon->hub);
    process_refresh_stats(&stats->process);
    for (int kind = 0; kind < MEMORY_OTHER; kind++)
        known_bytes += stats->memory_bytes[kind];
    stats->memory_bytes[MEMORY_OTHER] = stats->process.resident_bytes > known_bytes
                                            ? stats->process.resident_bytes - known_bytes
                                            : 0;
    stats->limits[LIMIT_DESCRIPTORS] = stats->process.max_descriptors;
    stats->limits_used[LIMIT_DESCRIPTORS] = stats->process.open_descriptors;
}

const struct server_ops server_ports = {
    .authenticate = port_authenticate,
    .review = port_review,
    .find_origin = port_find_origin,
    .submit = port_submit,
    .store_available = port_store_available,
    .ready = port_ready,
    .alive = port_alive,
    .refresh_stats = port_refresh_stats,
};

void daemon_describe(void *context, struct buffer *out)
{
    struct daemon *daemon = context;
    const struct stats *stats = &daemon->stats;
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    int64_t since_ms = now_ms - daemon->reported.at_ms;
    uint64_t orders = stats->orders - daemon->reported.orders;
    uint64_t rate = since_ms > 0 ? orders * 1000 / (uint64_t)since_ms : 0;
    bool available = daemon->partition && partition_available(daemon->partition);
    daemon->reported.orders = stats->orders;
    daemon->reported.at_ms = now_ms;
    if (daemon->phase == PHASE_STARTING) {
        buffer_append_text(out, "waiting for Redis");
        return;
    }
    buffer_printf(out,
                  "%s: %" PRIu64 " orders (%" PRIu64 "/s), %" PRIu64 " refunds, %" PRId64
                  " posting, %" PRId64 " watching, Redis %s",
                  daemon->phase == PHASE_STOPPING ? "stopping" : "serving", stats->orders, rate,
                  stats->refunds, stats->ingest_connections, stats->live_connections,
                  available ? "connected" : "away");
}
