/*
 * Audiences: sets of topics with an interval, found by class and sorted topic ids. An audience
 * refreshes its topics together and keeps the frames made of them, so that viewers at the same
 * point share one. Frames are made of the present only; a newer refresh throws them away.
 */
#include "hub_internal.h"

#include <stdlib.h>

#include "livetally/mem.h"

static int compare_ids(const void *a, const void *b)
{
    const struct live_topic *left = *(struct live_topic *const *)a;
    const struct live_topic *right = *(struct live_topic *const *)b;

    return (left->id > right->id) - (left->id < right->id);
}

static struct audience *audience_new(struct hub *hub, uint32_t *key, struct live_topic **topics,
                                     uint32_t count, uint32_t interval)
{
    struct audience *audience = mem_zalloc(sizeof(*audience));

    audience->key = key;
    audience->topics = topics;
    audience->topic_count = count;
    audience->class = &hub->classes[interval];
    audience->settled = UINT64_MAX;
    link_init(&audience->viewers);
    for (uint32_t i = 0; i < count; i++) {
        live_topic_ref(topics[i]);
        audience->ticker_count += topics[i]->topic.kind == TOPIC_TICKER;
        audience->additive = audience->additive || live_topic_is_additive(topics[i]);
    }
    if (audience->ticker_count)
        audience->orders = mem_zalloc(audience->ticker_count * sizeof(*audience->orders));
    link_append(&audience->class->audiences, &audience->in_class);
    HASH_ADD_KEYPTR(hh, hub->audiences, audience->key, (count + 1) * sizeof(*key), audience);
    return audience;
}

struct audience *audience_open(struct hub *hub, struct live_topic *const *topics, uint32_t count,
                               uint32_t interval)
{
    struct audience *audience;
    struct live_topic **sorted;
    uint32_t *key;

    if (count == 0)
        return NULL;
    sorted = mem_resize(NULL, count, sizeof(*sorted));
    key = mem_resize(NULL, (size_t)count + 1, sizeof(*key));
    memcpy(sorted, topics, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_ids);
    key[0] = interval;
    for (uint32_t i = 0; i < count; i++)
        key[i + 1] = sorted[i]->id;
    HASH_FIND(hh, hub->audiences, key, (count + 1) * sizeof(*key), audience);
    if (!audience)
        return audience_new(hub, key, sorted, count, interval);
    free(key);
    free(sorted);
    return audience;
}

static void drop_frames(struct audience *audience)
{
    for (uint32_t i = 0; i < AUDIENCE_FRAMES; i++) {
        frame_unref(audience->frames[i].frame);
        audience->frames[i] = (struct audience_frame){FRAME_NONE, 0, NULL};
    }
}

static void audience_free(struct hub *hub, struct audience *audience)
{
    if (audience->class->next_audience == &audience->in_class) {
        audience->class->next_audience = audience->in_class.next;
        audience->class->next_viewer = NULL;
    }
    link_remove(&audience->in_class);
    HASH_DEL(hub->audiences, audience);
    drop_frames(audience);
    for (uint32_t i = 0; i < audience->topic_count; i++)
        live_topic_unref(&hub->live, audience->topics[i]);
    free(audience->topics);
    free(audience->orders);
    free(audience->key);
    free(audience);
}

void audience_attach(struct audience *audience, struct viewer *viewer)
{
    struct interval_class *class = audience->class;

    viewer->audience = audience;
    link_append(&audience->viewers, &viewer->in_audience);
    audience->viewer_count++;
    if (class->viewer_count++ == 0)
        hub_push_begin(viewer->hub, class);
    if (viewer->seq < audience->settled)
        audience->settled = viewer->seq;
    class->round_seq = 0;
}

void audience_detach(struct viewer *viewer)
{
    struct audience *audience = viewer->audience;
    struct interval_class *class;

    if (!audience)
        return;
    class = audience->class;
    if (class->next_viewer == &viewer->in_audience)
        class->next_viewer = viewer->in_audience.next;
    link_remove(&viewer->in_audience);
    viewer->audience = NULL;
    class->viewer_count--;
    if (--audience->viewer_count == 0)
        audience_free(viewer->hub, audience);
}

bool audience_has(const struct audience *audience, const struct live_topic *topic)
{
    uint32_t low = 0;
    uint32_t high = audience ? audience->topic_count : 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (audience->topics[middle] == topic)
            return true;
        if (audience->topics[middle]->id < topic->id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

void audience_refresh(struct hub *hub, struct audience *audience)
{
    struct live *live = &hub->live;
    uint64_t since = audience->refreshed.seq;
    uint64_t changed = audience->changed;
    uint32_t count = audience->topic_count;
    bool all = live->all_touched > since;
    uint32_t ticker = 0;

    if (since == live->now.seq)
        return;
    if (hub->stale_changed > changed)
        changed = hub->stale_changed;
    if (live->any_touched < since && audience->ticker_count == 0)
        count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct live_topic *topic = audience->topics[i];

        if (topic->touched < since && !all)
            continue;
        live_topic_refresh(live, topic);
        if (topic->changed > changed)
            changed = topic->changed;
        if (topic->topic.kind == TOPIC_TICKER)
            audience->orders[ticker++] = topic->orders;
    }
    drop_frames(audience);
    audience->before = audience->refreshed;
    audience->changed_before = audience->changed;
    audience->refreshed = hub->live.now;
    audience->changed = changed;
}

static struct audience_frame *find_frame(struct audience *audience, enum frame_kind kind,
                                         uint64_t from)
{
    for (uint32_t i = 0; i < AUDIENCE_FRAMES; i++) {
        if (audience->frames[i].kind == kind && audience->frames[i].from == from)
            return &audience->frames[i];
    }
    return NULL;
}

static struct frame *keep_frame(struct audience *audience, enum frame_kind kind, uint64_t from,
                                struct frame *frame)
{
    struct audience_frame *slot = &audience->frames[audience->frame_next];

    audience->frame_next = (audience->frame_next + 1) % AUDIENCE_FRAMES;
    frame_unref(slot->frame);
    *slot = (struct audience_frame){kind, from, frame};
    return frame;
}

/*
 * Viewers that need the same are at the same point, also if they got there at different times. From
 * `before` on nothing had changed since `changed_before`. And where all payloads are absolute only
 * the set of changed topics counts, so any point between two changes is as good as the earlier.
 */
static uint64_t normal_seq(const struct hub *hub, const struct audience *audience, uint64_t seq)
{
    uint64_t last = 0;

    if (seq >= audience->changed_before && seq < audience->before.seq)
        seq = audience->before.seq;
    if (audience->additive)
        return seq;
    if (hub->stale_changed <= seq)
        last = hub->stale_changed;
    for (uint32_t i = 0; i < audience->topic_count; i++) {
        uint64_t changed = audience->topics[i]->changed;

        if (changed <= seq && changed > last)
            last = changed;
    }
    return last;
}

/* All of the point that normal_seq() made of the viewer's. Where nothing is additive only its seq
 * counts. */
static struct live_point point_at(const struct audience *audience, const struct viewer *viewer,
                                  uint64_t seq)
{
    if (seq == audience->before.seq)
        return audience->before;
    return viewer->increments ? viewer->increments->point : (struct live_point){.seq = seq};
}

/* orders: the last known, by ticker; NULL where there is none. */
static struct frame *encode_update(struct hub *hub, struct audience *audience,
                                   struct live_point from, const uint64_t *orders)
{
    bool empty = hub->stale_changed <= from.seq;
    uint32_t ticker = 0;

    frame_begin(hub, false, 0);
    for (uint32_t i = 0; i < audience->topic_count; i++) {
        struct live_topic *topic = audience->topics[i];
        uint64_t order = orders && topic->topic.kind == TOPIC_TICKER ? orders[ticker++] : 0;
        struct slice payload;

        if (topic->changed <= from.seq)
            continue;
        if (topic->topic.kind == TOPIC_SERIES && !topic->ready)
            continue;
        payload = live_topic_increment(&hub->live, topic, from, order);
        if (!payload.data)
            continue;
        frame_topic(hub, topic, payload);
        empty = false;
    }
    return empty ? NULL : frame_end(hub, (struct slice){NULL, 0});
}

struct frame *audience_update(struct hub *hub, struct audience *audience,
                              const struct viewer *viewer)
{
    const struct increments *increments = viewer->increments;
    struct audience_frame *found;
    uint64_t from;

    for (int attempt = 0; attempt < 2; attempt++) {
        if (viewer->seq >= audience->changed)
            return NULL;
        from = normal_seq(hub, audience, viewer->seq);
        found = find_frame(audience, FRAME_UPDATE, from);
        if (found)
            return found->frame;
        audience_refresh(hub, audience);
    }
    return keep_frame(audience, FRAME_UPDATE, from,
                      encode_update(hub, audience, point_at(audience, viewer, from),
                                    increments ? increments->orders : NULL));
}

struct frame *audience_snapshot(struct hub *hub, struct audience *audience)
{
    struct audience_frame *found;

    audience_refresh(hub, audience);
    found = find_frame(audience, FRAME_SNAPSHOT, 0);
    if (found)
        return found->frame;
    frame_begin(hub, true, (uint32_t)(audience->class - hub->classes));
    for (uint32_t i = 0; i < audience->topic_count; i++) {
        struct live_topic *topic = audience->topics[i];

        if (topic->ready)
            frame_topic(hub, topic, live_topic_payload(&hub->live, topic));
    }
    return keep_frame(audience, FRAME_SNAPSHOT, 0, frame_end(hub, (struct slice){NULL, 0}));
}

struct frame *audience_bare(struct hub *hub, struct audience *audience)
{
    struct audience_frame *found;

    audience_refresh(hub, audience);
    found = find_frame(audience, FRAME_BARE, 0);
    if (found)
        return found->frame;
    frame_begin(hub, false, 0);
    return keep_frame(audience, FRAME_BARE, 0, frame_end(hub, (struct slice){NULL, 0}));
}
