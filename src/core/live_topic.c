/*
 * Life of live topics and their sources: which groups of the board a topic reads, that they are
 * watched, and that they get loaded. What is needed changes at midnight (today), at the full hour
 * (series), when an id is seen for the first time, and when the board is replaced.
 *
 * Bounds: hub_options.max_topics topics, each with at most SERIES_GROUPS_MAX sources.
 */
#include "live_topic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "livetally/mem.h"

#define ASK_AGAIN_MS 1000

uint32_t live_topic_count(const struct live *live)
{
    return HASH_COUNT(live->topics);
}

struct live_topic *live_topic_find(const struct live *live, struct slice name)
{
    struct live_topic *topic;

    HASH_FIND(hh, live->topics, name.data, name.size, topic);
    return topic;
}

static void list_unready(struct live *live, struct live_topic *topic)
{
    DL_APPEND2(live->unready, topic, unready_prev, unready_next);
}

static void unlist_unready(struct live *live, struct live_topic *topic)
{
    assert(topic != live->unready || topic->unready_prev == topic || topic->unready_next);
    DL_DELETE2(live->unready, topic, unready_prev, unready_next);
}

static void set_ready(struct live *live, struct live_topic *topic, bool ready)
{
    if (topic->ready == ready)
        return;
    topic->ready = ready;
    if (ready) {
        unlist_unready(live, topic);
        topic->forced = true;
        live_touch(live, topic);
        topic->reset = live->now.seq;
    } else {
        list_unready(live, topic);
    }
}

/* Both in one block. A canonical name has nothing to escape. */
static void set_name(struct live_topic *topic, struct slice name)
{
    char *bytes = mem_alloc(2 * name.size + 4);
    char *label = bytes + name.size + 1;

    memcpy(bytes, name.data, name.size);
    bytes[name.size] = '\0';
    label[0] = '"';
    memcpy(label + 1, name.data, name.size);
    label[1 + name.size] = '"';
    label[2 + name.size] = ':';
    topic->name = bytes;
    topic->label = (struct slice){label, name.size + 3};
}

struct live_topic *live_topic_open(struct live *live, const struct topic *topic, struct slice name)
{
    struct live_topic *live_topic = live_topic_find(live, name);

    if (live_topic)
        return live_topic_ref(live_topic);
    live_topic = mem_zalloc(sizeof(*live_topic));
    set_name(live_topic, name);
    live_topic->topic = *topic;
    live_topic->id = ++live->next_id;
    live_topic->references = 1;
    live_topic->board_number = live->view->board_number;
    live_topic->touched = topic->kind == TOPIC_TICKER ? UINT64_MAX : live->now.seq;
    list_unready(live, live_topic);
    live_touch_set_cell(live, live_topic, topic->scope == SCOPE_TOTAL ? 1 : topic->code);
    HASH_ADD_KEYPTR(hh, live->topics, live_topic->name, name.size, live_topic);
    return live_topic;
}

struct live_topic *live_topic_ref(struct live_topic *live_topic)
{
    live_topic->references++;
    return live_topic;
}

/* Sources of a board that is gone need no unwatching: their groups went with it. */
static void drop_sources(struct live *live, struct live_topic *topic)
{
    live_touch_unwatch(live, topic);
    if (topic->board_number == live->view->board_number) {
        for (uint32_t i = 0; i < topic->source_count; i++)
            board_unwatch(live->view->board, topic->sources[i].key);
    }
    for (uint32_t i = 0; i < topic->source_count; i++)
        area_done(&topic->sources[i].area);
    free(topic->sources);
    topic->sources = NULL;
    topic->source_count = 0;
}

void live_topic_unref(struct live *live, struct live_topic *live_topic)
{
    if (--live_topic->references > 0)
        return;
    HASH_DEL(live->topics, live_topic);
    live_touch_forget(live, live_topic);
    live_await_end(live, live_topic);
    if (!live_topic->ready)
        unlist_unready(live, live_topic);
    drop_sources(live, live_topic);
    if (live_topic->watched_session)
        ticker_unwatch(live->view->ticker, live_topic->watched_session);
    if (live_topic->rank)
        rank_done(live_topic->rank);
    free(live_topic->rank);
    buffer_done(&live_topic->payload);
    buffer_done(&live_topic->increment);
    free(live_topic->name);
    free(live_topic);
}

static enum rollup scope_rollup(enum scope_kind scope)
{
    switch (scope) {
    case SCOPE_HOST:
        return ROLLUP_HOST;
    case SCOPE_COUNTY:
    case SCOPE_PREFECTURE:
    case SCOPE_PROVINCE:
        return ROLLUP_COUNTY;
    case SCOPE_PRODUCT:
        return ROLLUP_PRODUCT;
    case SCOPE_SESSION:
        return ROLLUP_SESSION;
    case SCOPE_PLATFORM:
        return ROLLUP_PLATFORM;
    case SCOPE_TOTAL:
    case SCOPE_KIND_COUNT:
        break;
    }
    return ROLLUP_TOTAL;
}

static enum rollup board_rollup(const struct topic *topic)
{
    switch (topic->board) {
    case BOARD_HOSTS:
        return topic->scope == SCOPE_COUNTY ? ROLLUP_COUNTY_HOST : ROLLUP_HOST;
    case BOARD_PRODUCTS:
        if (topic->scope == SCOPE_SESSION)
            return ROLLUP_SESSION_PRODUCT;
        if (topic->scope == SCOPE_COUNTY)
            return ROLLUP_COUNTY_PRODUCT;
        return topic->scope == SCOPE_HOST ? ROLLUP_HOST_PRODUCT : ROLLUP_PRODUCT;
    case BOARD_SESSIONS:
        return ROLLUP_SESSION;
    case BOARD_PLATFORMS:
        return ROLLUP_PLATFORM;
    case BOARD_COUNTIES:
    case BOARD_PROVINCES:
    case BOARD_KIND_COUNT:
        break;
    }
    return topic->scope == SCOPE_PLATFORM ? ROLLUP_PLATFORM_COUNTY : ROLLUP_COUNTY;
}

/* The group's first dimension; 0 also while the id was never seen. */
static uint32_t first_of(const struct live_topic *topic)
{
    return topic->topic.scope == SCOPE_COUNTY ? topic->topic.code : topic->number;
}

static struct group_key make_key(enum rollup rollup, enum period period, uint32_t when,
                                 uint32_t first)
{
    return (struct group_key){(uint16_t)rollup, (uint16_t)period, when, first};
}

static uint32_t plan_board(const struct live *live, const struct live_topic *topic,
                           struct group_key *keys)
{
    enum rollup rollup = board_rollup(&topic->topic);
    bool two_dimensions = rollup_rows[rollup].first != DIMENSION_NONE;
    uint32_t first = two_dimensions ? first_of(topic) : 0;

    if (two_dimensions && first == 0)
        return 0;
    keys[0] = topic->topic.today ? make_key(rollup, PERIOD_DAY, live->view->today, first)
                                 : make_key(rollup, PERIOD_ALL, 0, first);
    return 1;
}

static uint32_t plan_series(const struct live *live, const struct live_topic *topic,
                            struct group_key *keys)
{
    enum rollup rollup = scope_rollup(topic->topic.scope);
    uint32_t first = topic->topic.scope == SCOPE_TOTAL ? 0 : first_of(topic);
    uint32_t hours[SERIES_GROUPS_MAX];
    uint32_t count;

    if (topic->topic.scope != SCOPE_TOTAL && first == 0)
        return 0;
    count = series_hours(&live->view->calendar, live->now.minute, topic->topic.minutes, hours);
    for (uint32_t i = 0; i < count; i++)
        keys[i] = make_key(rollup, PERIOD_MINUTE, hours[i], first);
    return count;
}

/* Which groups the topic reads now. */
static uint32_t plan_keys(const struct live *live, const struct live_topic *topic,
                          struct group_key keys[SERIES_GROUPS_MAX])
{
    enum rollup rollup;

    switch (topic->topic.kind) {
    case TOPIC_SCOPE:
        rollup = scope_rollup(topic->topic.scope);
        keys[0] = make_key(rollup, PERIOD_ALL, 0, 0);
        if (topic->topic.scope == SCOPE_SESSION)
            return 1;
        keys[1] = make_key(rollup, PERIOD_DAY, live->view->today, 0);
        return 2;
    case TOPIC_BOARD:
        return plan_board(live, topic, keys);
    case TOPIC_SERIES:
        return plan_series(live, topic, keys);
    case TOPIC_TICKER:
        break;
    }
    return 0;
}

static bool same_sources(const struct live_topic *topic, const struct group_key *keys,
                         uint32_t count)
{
    if (topic->source_count != count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!group_key_equal(topic->sources[i].key, keys[i]))
            return false;
    }
    return true;
}

static void plan_sources(struct live *live, struct live_topic *topic)
{
    struct board *board = live->view->board;
    struct group_key keys[SERIES_GROUPS_MAX];
    struct live_source *sources;
    uint32_t count;

    topic->plan = live->plan;
    if (topic->board_number != live->view->board_number) {
        drop_sources(live, topic);
        topic->board_number = live->view->board_number;
        set_ready(live, topic, false);
    }
    count = plan_keys(live, topic, keys);
    if (same_sources(topic, keys, count))
        return;
    /* New ones first: a group in both sets must not be without a watcher in between. */
    sources = mem_resize(NULL, count, sizeof(*sources));
    for (uint32_t i = 0; i < count; i++) {
        board_watch(board, keys[i]);
        sources[i] = (struct live_source){
            .key = keys[i], .group = board_open(board, keys[i]), .asked_ms = INT64_MIN};
    }
    drop_sources(live, topic);
    topic->sources = sources;
    topic->source_count = count;
    live_touch_watch(live, topic);
    if (topic->rank)
        rank_reset(topic->rank);
    set_ready(live, topic, false);
}

/* An id that never sold has no number; it may get one any time. */
static void find_number(struct live *live, struct live_topic *topic)
{
    const struct view *view = live->view;
    uint32_t count = names_count(view->names);

    if (topic->number || topic->topic.id_size == 0 || (topic->awaits && topic->names_seen == count))
        return;
    topic->names_seen = count;
    topic->number = names_find(view->names, topic_id(&topic->topic));
    if (topic->number == 0) {
        live_await(live, topic);
        return;
    }
    live_await_end(live, topic);
    topic->plan = 0;
    topic->forced = true;
    live_touch(live, topic);
    live_touch_set_cell(live, topic, topic->number);
    if (topic->topic.kind == TOPIC_TICKER) {
        topic->watched_session = topic->number;
        ticker_watch(view->ticker, topic->number);
    }
}

enum live_state live_topic_prepare(struct live *live, struct live_topic *live_topic, bool ask)
{
    enum live_state state = LIVE_READY;

    find_number(live, live_topic);
    if (live_topic->plan != live->plan)
        plan_sources(live, live_topic);
    if (live->view->epoch[0] == '\0')
        state = LIVE_UNAVAILABLE;
    for (uint32_t i = 0; i < live_topic->source_count && state != LIVE_UNAVAILABLE; i++) {
        struct live_source *source = &live_topic->sources[i];

        if (source->group->state == GROUP_COLD &&
            (ask || source->group->needed || source->asked_ms == INT64_MIN ||
             live->monotonic_ms - source->asked_ms >= ASK_AGAIN_MS)) {
            /* Even if it is loaded at once: what is read now must be dated by an observation. */
            source->asked_ms = live->monotonic_ms;
            state = live->source.want(live->source.context, source->key) ? LIVE_WAITING
                                                                         : LIVE_UNAVAILABLE;
        }
        if (source->group->state != GROUP_LOADED && state == LIVE_READY)
            state = LIVE_WAITING;
    }
    set_ready(live, live_topic, state == LIVE_READY);
    return state;
}
