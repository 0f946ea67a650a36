/*
 * A partition as seen from outside: the body of /readyz, and its figures for /metrics, those that
 * nobody keeps while it works.
 */
#include "livetally/json.h"
#include "partition_private.h"

static bool is_ready(const struct partition *partition)
{
    bool refused = partition->commit_refused || partition->checkpoint_refused;
    return partition->view.ready && !partition->view.stale && !partition->stopping && !refused;
}

bool partition_health(const struct partition *partition, struct buffer *json)
{
    static const char *const phases[] = {"redis_unavailable", "loading", "live", "stopped"};
    bool ready = is_ready(partition);
    buffer_append_byte(json, '{');
    json_field_bool(json, "ready", ready);
    json_field_string(json, "state", slice_of(phases[partition->phase]));
    json_field_bool(json, "stale", partition->view.stale);
    json_field_string(json, "epoch", slice_of(partition->view.epoch));
    if (partition->phase == PHASE_LIVE) {
        json_field_uint(json, "lane", partition->fence.lane);
        json_field_uint(json, "version", partition->fence.version);
    }
    if (partition->problem[0])
        json_field_string(json, "problem", slice_of(partition->problem));
    if (partition->ledger_waits)
        json_field_string(json, "ledger_waits", slice_of(partition->ledger_waits));
    if (partition->loss[0])
        json_field_string(json, "lost_writes", slice_of(partition->loss));
    buffer_append_byte(json, '}');
    return ready;
}

static void refresh_limits(const struct partition *partition)
{
    static const enum limit ids[DIMENSION_COUNT] = {
        [DIMENSION_HOST] = LIMIT_HOSTS,         [DIMENSION_COUNTY] = LIMIT_COUNTIES,
        [DIMENSION_PRODUCT] = LIMIT_PRODUCTS,   [DIMENSION_SESSION] = LIMIT_SESSIONS,
        [DIMENSION_PLATFORM] = LIMIT_PLATFORMS,
    };
    static const enum limit entries[CATALOG_KIND_COUNT] = {
        [CATALOG_HOST] = LIMIT_CATALOG_HOSTS,
        [CATALOG_PRODUCT] = LIMIT_CATALOG_PRODUCTS,
        [CATALOG_SESSION] = LIMIT_CATALOG_SESSIONS,
    };
    struct stats *stats = partition->stats;
    for (int d = DIMENSION_HOST; d < DIMENSION_COUNT; d++) {
        stats->limits[ids[d]] = partition->options.max_ids[d];
        stats->limits_used[ids[d]] = partition->census->counts[d];
    }
    for (int kind = 0; kind < CATALOG_KIND_COUNT; kind++) {
        stats->limits[entries[kind]] = partition->options.max_catalog;
        stats->limits_used[entries[kind]] =
            catalog_count(partition->view.catalog, (enum catalog_kind)kind);
    }
    stats->limits[LIMIT_CELLS] = partition->options.max_cells;
    stats->limits_used[LIMIT_CELLS] = board_held_count(partition->view.board);
    stats->limits[LIMIT_SEATS] = LANE_COUNT;
    stats->limits_used[LIMIT_SEATS] = (uint64_t)stats->seats_taken;
}

void partition_refresh_stats(const struct partition *partition)
{
    const struct view *view = &partition->view;
    struct stats *stats = partition->stats;
    stats->ready = is_ready(partition);
    stats->redis_connected = view->ready;
    stats->stale = view->stale;
    stats->board_cells = board_cell_count(view->board);
    stats->board_groups = board_group_count(view->board);
    stats->dirty_cells = board_dirty_count(view->board);
    stats->names = names_count(view->names);
    stats->memory_bytes[MEMORY_CELLS] = board_memory_bytes(view->board);
    stats->memory_bytes[MEMORY_IDS] = names_memory_bytes(view->names);
    stats->memory_bytes[MEMORY_ORDERS] = ledger_memory_bytes(partition->ledger);
    standing_refresh_stats(partition);
    stats->memory_bytes[MEMORY_CATALOG] = catalog_memory_bytes(view->catalog);
    refresh_limits(partition);
}
