/*
 * Brings live topics up to date and makes their payloads. The order of tests is by cost: nothing
 * observed since, group unchanged, cell unchanged, payload the same bytes.
 */
#include "live_topic.h"

#include "livetally/mem.h"
#include "payload.h"

static struct series series_of(const struct live *live, const struct live_topic *topic,
                               const struct group *groups[SERIES_GROUPS_MAX])
{
    for (uint32_t i = 0; i < topic->source_count; i++)
        groups[i] = topic->sources[i].group;
    return (struct series){&live->view->calendar, groups, topic->source_count, live->now.minute,
                           topic->topic.minutes};
}

/* A county belongs to a prefecture or province by the first digits of its code. */
static bool area_of(const struct topic *topic, uint32_t *ret_divisor)
{
    *ret_divisor = topic->scope == SCOPE_PREFECTURE ? 100 : 10000;
    return topic->scope == SCOPE_PREFECTURE || topic->scope == SCOPE_PROVINCE;
}

static uint32_t cell_key_of(const struct live_topic *topic)
{
    if (topic->topic.scope == SCOPE_TOTAL)
        return 1;
    return topic->topic.id_size ? topic->number : topic->topic.code;
}

static bool scope_group_changed(const struct live_topic *topic, const struct group *group)
{
    uint64_t version = topic->seen.version;
    const struct cell *cell;
    uint32_t divisor;

    if (group->reloaded > version)
        return true;
    if (group->changed <= version)
        return false;
    if (!area_of(&topic->topic, &divisor)) {
        cell = group_cell(group, cell_key_of(topic));
        return cell && cell->changed > version;
    }
    for (uint32_t i = 0; i < group->cell_count; i++) {
        cell = &group->cells[i];
        if (cell->changed > version && cell->key / divisor == topic->topic.code)
            return true;
    }
    return false;
}

static struct metrics scope_sum(const struct live_topic *topic, const struct group *group)
{
    struct metrics sum = {{0}};
    uint32_t divisor;

    if (!area_of(&topic->topic, &divisor))
        return group_get(group, cell_key_of(topic));
    for (uint32_t i = 0; i < group->cell_count; i++) {
        if (group->cells[i].key / divisor == topic->topic.code)
            metrics_add(&sum, &group->cells[i].sum);
    }
    return sum;
}

static bool shows_names(const struct topic *topic)
{
    if (topic->kind == TOPIC_BOARD) {
        return topic->board == BOARD_HOSTS || topic->board == BOARD_PRODUCTS ||
               topic->board == BOARD_SESSIONS;
    }
    return topic->scope == SCOPE_HOST || topic->scope == SCOPE_PRODUCT ||
           topic->scope == SCOPE_SESSION;
}

/* Scopes and boards: may the payload have other bytes than before? */
static bool inputs_changed(const struct live *live, const struct live_topic *topic)
{
    if (topic->forced)
        return true;
    if (topic->catalog_seen != catalog_changes(live->view->catalog) && shows_names(&topic->topic))
        return true;
    for (uint32_t i = 0; i < topic->source_count; i++) {
        const struct group *group = topic->sources[i].group;

        if (topic->topic.kind == TOPIC_SCOPE
                ? scope_group_changed(topic, group)
                : group->changed > topic->seen.version || group->reloaded > topic->seen.version)
            return true;
    }
    return false;
}

static void encode_board(struct live *live, struct live_topic *topic, struct buffer *out)
{
    const struct topic *about = &topic->topic;
    const struct group *group = topic->source_count ? topic->sources[0].group : NULL;

    if (about->board == BOARD_PROVINCES) {
        payload_provinces(out, about, group);
        return;
    }
    if (!topic->rank) {
        topic->rank = mem_zalloc(sizeof(*topic->rank));
        rank_init(topic->rank, about->by, about->rows,
                  about->scope == SCOPE_PROVINCE ? about->code : 0,
                  about->board == BOARD_COUNTIES ? NULL : live->view->names);
    }
    if (group)
        rank_refresh(topic->rank, group, live->now.version);
    payload_board(out, live->view, about, topic->rank, group);
}

static void encode_scope(struct live *live, struct live_topic *topic, struct buffer *out)
{
    struct metrics all = scope_sum(topic, topic->sources[0].group);
    struct metrics today = {{0}};

    if (topic->source_count > 1)
        today = scope_sum(topic, topic->sources[1].group);
    payload_scope(out, live->view, &topic->topic, &today, &all);
}

static void refresh_absolute(struct live *live, struct live_topic *topic)
{
    struct buffer swap;

    if (!inputs_changed(live, topic))
        return;
    topic->catalog_seen = catalog_changes(live->view->catalog);
    buffer_reset(&live->scratch);
    if (topic->topic.kind == TOPIC_SCOPE)
        encode_scope(live, topic, &live->scratch);
    else
        encode_board(live, topic, &live->scratch);
    if (slice_equal(buffer_slice(&live->scratch), buffer_slice(&topic->payload)))
        return;
    swap = topic->payload;
    topic->payload = live->scratch;
    live->scratch = swap;
    topic->changed = live->now.seq;
}

static void refresh_series(struct live *live, struct live_topic *topic)
{
    const struct group *groups[SERIES_GROUPS_MAX];
    struct series series = series_of(live, topic, groups);
    struct series_seen seen = {topic->seen.version, topic->seen.minute};

    if (topic->forced || series_changed(&series, seen))
        topic->changed = live->now.seq;
}

const struct ticker_ring *live_topic_ring(const struct live *live,
                                          const struct live_topic *live_topic)
{
    if (live_topic->topic.scope == SCOPE_TOTAL)
        return ticker_all(live->view->ticker);
    if (live_topic->watched_session == 0)
        return NULL;
    return ticker_session(live->view->ticker, live_topic->watched_session);
}

static void refresh_ticker(struct live *live, struct live_topic *topic)
{
    const struct ticker_ring *ring = live_topic_ring(live, topic);
    uint64_t orders = ring ? ring->count : 0;

    if (orders != topic->orders)
        topic->changed = live->now.seq;
    topic->orders = orders;
}

void live_topic_refresh(struct live *live, struct live_topic *live_topic)
{
    if (live_topic->refreshed == live->now.seq)
        return;
    live_topic->refreshed = live->now.seq;
    if (live_topic_prepare(live, live_topic, false) != LIVE_READY)
        return;
    live_topic->refreshed = live->now.seq;
    if (live_topic->generation != live->generation) {
        live_topic->generation = live->generation;
        live_topic->forced = true;
        live_topic->payload_seq = 0;
        buffer_reset(&live_topic->payload);
    }
    if (live_topic->topic.kind == TOPIC_SERIES)
        refresh_series(live, live_topic);
    else if (live_topic->topic.kind == TOPIC_TICKER)
        refresh_ticker(live, live_topic);
    else
        refresh_absolute(live, live_topic);
    live_topic->forced = false;
    live_topic->seen = live->now;
}

struct slice live_topic_payload(struct live *live, struct live_topic *live_topic)
{
    const struct group *groups[SERIES_GROUPS_MAX];
    struct series series;
    const struct ticker_ring *ring;

    if (!live_topic_is_additive(live_topic) || live_topic->payload_seq == live->now.seq)
        return buffer_slice(&live_topic->payload);
    live_topic->payload_seq = live->now.seq;
    buffer_reset(&live_topic->payload);
    if (live_topic->topic.kind == TOPIC_SERIES) {
        series = series_of(live, live_topic, groups);
        series_write_all(&live_topic->payload, &series, live->buckets);
    } else {
        ring = live_topic_ring(live, live_topic);
        payload_ticker(&live_topic->payload, live->view->names, ring, ring ? ring->count : 0);
    }
    return buffer_slice(&live_topic->payload);
}

struct slice live_topic_increment(struct live *live, struct live_topic *live_topic,
                                  struct live_point from, uint64_t from_order)
{
    const struct group *groups[SERIES_GROUPS_MAX];
    struct series series;
    bool is_series = live_topic->topic.kind == TOPIC_SERIES;
    uint64_t mark = is_series ? from.seq : from_order;

    if (!live_topic_is_additive(live_topic) || (is_series && from.seq < live_topic->reset))
        return live_topic_payload(live, live_topic);
    if (live_topic->increment_seq != live->now.seq || live_topic->increment_from != mark) {
        buffer_reset(&live_topic->increment);
        live_topic->increment_seq = live->now.seq;
        live_topic->increment_from = mark;
        if (is_series) {
            series = series_of(live, live_topic, groups);
            series_write_since(&live_topic->increment, &series,
                               (struct series_seen){from.version, from.minute}, live->buckets);
        } else if (from_order < live_topic->orders) {
            payload_ticker(&live_topic->increment, live->view->names,
                           live_topic_ring(live, live_topic), from_order);
        }
    }
    if (live_topic->increment.size == 0)
        return (struct slice){NULL, 0};
    return buffer_slice(&live_topic->increment);
}
