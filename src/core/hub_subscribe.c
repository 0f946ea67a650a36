/*
 * Subscriptions: topics by name become live topics, wait until their groups are loaded, and are
 * shown in one snapshot. Only when that is sent does the viewer join the audience of its new set,
 * so a socket that is full, or a viewer that leaves meanwhile, leaves nothing half done.
 */
#include "hub_internal.h"

#include <stdlib.h>

#include "livetally/json.h"
#include "livetally/mem.h"

void subscription_init(struct subscription *subscription, uint32_t interval, int64_t deadline_ms)
{
    memset(subscription, 0, sizeof(*subscription));
    subscription->interval = interval;
    subscription->deadline_ms = deadline_ms;
}

void subscription_done(struct hub *hub, struct subscription *subscription)
{
    for (uint32_t i = 0; i < subscription->topic_count; i++)
        live_topic_unref(&hub->live, subscription->topics[i]);
    free(subscription->topics);
    buffer_done(&subscription->errors);
    memset(subscription, 0, sizeof(*subscription));
}

static void add_error(struct subscription *subscription, struct slice name, const char *code,
                      const char *text)
{
    struct buffer *out = &subscription->errors;

    if (out->size)
        buffer_append_byte(out, ',');
    buffer_append_byte(out, '{');
    name.size = utf8_cut(name, TOPIC_MAX_BYTES);
    json_field_string(out, "topic", name);
    json_field_string(out, "code", slice_of(code));
    json_field_string(out, "error", slice_of(text));
    buffer_append_byte(out, '}');
}

static bool has_topic(const struct subscription *subscription, const struct live_topic *topic)
{
    return subscription->topic_count > 0 && topic->mark == subscription->mark;
}

void subscription_add(struct hub *hub, struct subscription *subscription, struct slice name,
                      const struct grant *grant, const struct audience *held)
{
    struct error error;
    struct topic topic;
    struct live_topic *live_topic;
    struct slice canonical;
    uint32_t held_count = held ? held->topic_count : 0;
    bool is_held;

    if (topic_parse(name, &topic, &error)) {
        add_error(subscription, name, "bad_topic", error.text);
        return;
    }
    buffer_reset(&hub->text);
    topic_write(&hub->text, &topic);
    canonical = buffer_slice(&hub->text);
    if (grant && !grant_may_view(grant, canonical)) {
        add_error(subscription, canonical, "forbidden_topic",
                  "this topic is not among those you may see");
        return;
    }
    live_topic = live_topic_find(&hub->live, canonical);
    if (live_topic && has_topic(subscription, live_topic))
        return;
    is_held = live_topic && audience_has(held, live_topic);
    if (!is_held && held_count + subscription->new_count >= hub->options.max_topics_per_viewer) {
        add_error(subscription, canonical, "too_many_topics",
                  "this connection has as many topics as it may");
        return;
    }
    if (!live_topic && live_topic_count(&hub->live) >= hub->options.max_topics) {
        add_error(subscription, canonical, "too_many_topics",
                  "all connections together have as many topics as they may");
        return;
    }
    subscription->new_count += !is_held;
    subscription->topics = mem_resize(subscription->topics, subscription->topic_count + 1,
                                      sizeof(struct live_topic *));
    if (subscription->topic_count == 0)
        subscription->mark = ++hub->live.marks;
    live_topic = live_topic_open(&hub->live, &topic, canonical);
    live_topic->mark = subscription->mark;
    subscription->topics[subscription->topic_count++] = live_topic;
}

bool subscription_settle(struct hub *hub, struct subscription *subscription)
{
    bool late = hub->live.monotonic_ms >= subscription->deadline_ms;
    bool ask = !subscription->asked;
    bool settled = true;
    uint32_t kept = 0;

    subscription->asked = true;
    for (uint32_t i = 0; i < subscription->topic_count; i++) {
        struct live_topic *topic = subscription->topics[i];
        enum live_state state = live_topic_prepare(&hub->live, topic, ask);

        if (state == LIVE_UNAVAILABLE || (state == LIVE_WAITING && late)) {
            add_error(subscription, slice_of(topic->name), "unavailable",
                      "this has to be read from Redis, which is not available; subscribe again");
            subscription->unavailable = true;
            live_topic_unref(&hub->live, topic);
            continue;
        }
        settled = settled && state == LIVE_READY;
        subscription->topics[kept++] = topic;
    }
    subscription->topic_count = kept;
    return settled;
}

struct frame *subscription_snapshot(struct hub *hub, struct subscription *subscription)
{
    for (uint32_t i = 0; i < subscription->topic_count; i++)
        live_topic_refresh(&hub->live, subscription->topics[i]);
    frame_begin(hub, true, subscription->interval);
    for (uint32_t i = 0; i < subscription->topic_count; i++) {
        struct live_topic *topic = subscription->topics[i];

        frame_topic(hub, topic, live_topic_payload(&hub->live, topic));
    }
    return frame_end(hub, buffer_slice(&subscription->errors));
}

/* Last orders the viewer knows: carried over from its audience, else those of now. */
static struct increments *carry_increments(const struct viewer *viewer,
                                           const struct audience *audience)
{
    const struct increments *known = viewer->increments;
    const struct audience *from = known ? viewer->audience : NULL; /* else it has no tickers */
    struct increments *increments =
        mem_zalloc(sizeof(*increments) + audience->ticker_count * sizeof(*increments->orders));
    uint32_t ticker = 0;
    uint32_t j = 0;
    uint32_t old = 0;

    increments->point = known ? known->point : viewer->hub->live.now;
    for (uint32_t i = 0; i < audience->topic_count; i++) {
        const struct live_topic *topic = audience->topics[i];

        if (topic->topic.kind != TOPIC_TICKER)
            continue;
        increments->orders[ticker] = topic->orders;
        for (; from && j < from->topic_count && from->topics[j]->id <= topic->id; j++) {
            if (from->topics[j]->topic.kind != TOPIC_TICKER)
                continue;
            if (from->topics[j] == topic)
                increments->orders[ticker] = known->orders[old];
            old++;
        }
        ticker++;
    }
    return increments;
}

static void move_viewer(struct viewer *viewer, struct live_topic *const *topics, uint32_t count)
{
    struct audience *audience = audience_open(viewer->hub, topics, count, viewer->interval);
    struct increments *increments;

    if (audience == viewer->audience)
        return;
    increments = audience && audience->additive ? carry_increments(viewer, audience) : NULL;
    audience_detach(viewer);
    free(viewer->increments);
    viewer->increments = increments;
    if (audience)
        audience_attach(audience, viewer);
}

/* Its audience's topics and those of the subscription. */
static void join_topics(struct viewer *viewer, const struct subscription *subscription)
{
    const struct audience *held = viewer->audience;
    uint32_t count = held ? held->topic_count : 0;
    struct live_topic **topics =
        mem_resize(NULL, (size_t)count + subscription->topic_count, sizeof(struct live_topic *));

    if (count)
        memcpy(topics, held->topics, count * sizeof(struct live_topic *));
    for (uint32_t i = 0; i < subscription->topic_count; i++) {
        if (!audience_has(held, subscription->topics[i]))
            topics[count++] = subscription->topics[i];
    }
    move_viewer(viewer, topics, count);
    free(topics);
}

bool viewer_subscribe(struct viewer *viewer, struct subscription *subscription)
{
    struct hub *hub = viewer->hub;
    struct frame *frame;
    bool sent;

    if (!subscription_settle(hub, subscription))
        return false;
    /* What it has comes first, so that afterwards all its topics are of the same moment. */
    if (!hub_catch_up(viewer))
        return false;
    frame = subscription_snapshot(hub, subscription);
    sent = hub_send(viewer, frame);
    frame_unref(frame);
    if (!sent)
        return false;
    viewer->seq = hub->live.now.seq;
    if (viewer->increments)
        viewer->increments->point = hub->live.now;
    viewer->epoch = hub->epochs;
    viewer->interval = (uint8_t)subscription->interval;
    join_topics(viewer, subscription);
    return true;
}

void viewer_unsubscribe(struct viewer *viewer, struct live_topic *const *topics, uint32_t count)
{
    const struct audience *held = viewer->audience;
    struct live_topic **kept;
    uint32_t kept_count = 0;
    uint64_t mark;

    if (!held)
        return;
    mark = ++viewer->hub->live.marks;
    for (uint32_t i = 0; i < count; i++)
        topics[i]->mark = mark;
    kept = mem_resize(NULL, held->topic_count, sizeof(struct live_topic *));
    for (uint32_t i = 0; i < held->topic_count; i++) {
        if (held->topics[i]->mark != mark)
            kept[kept_count++] = held->topics[i];
    }
    move_viewer(viewer, kept, kept_count);
    free(kept);
}
