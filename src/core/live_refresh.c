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

static bool source_changed(const struct live_topic *topic, struct live_source *source)
{
    const struct group *group = source->group;
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
    area_refresh(&source->area, group, divisor, topic->topic.code);
    return area_changed(&source->area, group, version);
}

static struct metrics source_sum(const struct live_topic *topic, struct live_source *source)
{
    uint32_t divisor;

    if (!area_of(&topic->topic, &divisor))
        return group_get(source->group, cell_key_of(topic));
    area_refresh(&source->area, source->group, divisor, topic->topic.code);
    return area_sum(&source->area, source->group);
}

/* False: of such ones no names are shown. */
static bool named_kind(const struct topic *topic, enum catalog_kind *ret_kind)
{
    static const int8_t of_boards[BOARD_KIND_COUNT] = {
        [BOARD_HOSTS] = CATALOG_HOST,
        [BOARD_PRODUCTS] = CATALOG_PRODUCT,
        [BOARD_SESSIONS] = CATALOG_SESSION,
        [BOARD_COUNTIES] = -1,
        [BOARD_PLATFORMS] = -1,
        [BOARD_PROVINCES] = -1,
    };
    static const int8_t of_scopes[SCOPE_KIND_COUNT] = {
        [SCOPE_TOTAL] = -1,    [SCOPE_HOST] = CATALOG_HOST,
        [SCOPE_COUNTY] = -1,   [SCOPE_PREFECTURE] = -1,
        [SCOPE_PROVINCE] = -1, [SCOPE_PRODUCT] = CATALOG_PRODUCT,
        [SCOPE_PLATFORM] = -1, [SCOPE_SESSION] = CATALOG_SESSION,
    };
    int8_t kind = topic->kind == TOPIC_BOARD ? of_boards[topic->board] : of_scopes[topic->scope];

    if (kind < 0)
        return false;
    *ret_kind = (enum catalog_kind)kind;
    return true;
}

static bool names_changed(const struct live *live, const struct live_topic *topic)
{
    const struct catalog *catalog = live->view->catalog;
    enum catalog_kind kind;

    if (topic->catalog_seen == catalog_changes(catalog) || !named_kind(&topic->topic, &kind))
        return false;
    if (topic->topic.kind == TOPIC_SCOPE)
        return catalog_changed_since(catalog, kind, topic_id(&topic->topic), topic->catalog_seen);
    for (uint32_t i = 0; topic->rank && i < topic->rank->top; i++) {
        if (catalog_changed_since(catalog, kind,
                                  names_text(live->view->names, topic->rank->entries[i].key),
                                  topic->catalog_seen))
            return true;
    }
    return false;
}

/* Scopes and boards: did anything change in what the payload is made of? */
static bool groups_changed(struct live_topic *topic)
{
    for (uint32_t i = 0; i < topic->source_count; i++) {
        const struct group *group = topic->sources[i].group;

        if (topic->topic.kind == TOPIC_SCOPE
                ? source_changed(topic, &topic->sources[i])
                : group->changed > topic->seen.version || group->reloaded > topic->seen.version)
            return true;
    }
    return false;
}

/* False: a board that shows what it showed. */
static bool refresh_rank(struct live *live, struct live_topic *topic)
{
    const struct topic *about = &topic->topic;

    if (!topic->rank) {
        topic->rank = mem_zalloc(sizeof(*topic->rank));
        rank_init(topic->rank, about->by, about->rows,
                  about->scope == SCOPE_PROVINCE ? about->code : 0,
                  about->board == BOARD_COUNTIES ? NULL : live->view->names);
    }
    return rank_refresh(topic->rank, topic->sources[0].group, live->now.version);
}

static void encode_board(struct live *live, const struct live_topic *topic, struct buffer *out)
{
    const struct group *group = topic->source_count ? topic->sources[0].group : NULL;

    if (topic->topic.board == BOARD_PROVINCES)
        payload_provinces(out, &topic->topic, group);
    else
        payload_board(out, live->view, &topic->topic, topic->rank, group);
}

static void encode_scope(struct live *live, struct live_topic *topic, struct buffer *out)
{
    struct metrics all = source_sum(topic, &topic->sources[0]);
    struct metrics today = {{0}};

    if (topic->source_count > 1)
        today = source_sum(topic, &topic->sources[1]);
    payload_scope(out, live->view, &topic->topic, &today, &all);
}

static void encode_absolute(struct live *live, struct live_topic *topic)
{
    struct buffer swap;

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

static void refresh_absolute(struct live *live, struct live_topic *topic)
{
    bool encode = topic->forced || names_changed(live, topic);
    bool ranked = topic->topic.kind == TOPIC_BOARD && topic->topic.board != BOARD_PROVINCES;

    topic->catalog_seen = catalog_changes(live->view->catalog);
    if (topic->source_count && (encode || groups_changed(topic)))
        encode = !ranked || refresh_rank(live, topic) || encode;
    if (encode)
        encode_absolute(live, topic);
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
    if (live_topic->refreshed && live_topic->refreshed >= live_topic->touched &&
        live_topic->refreshed >= live->all_touched)
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
