/*
 * Figures of the hub for /metrics. Memory is summed over the oldest topics and audiences and taken
 * as the same for the others, so that being looked at stays cheap however many there are.
 */
#include "hub_internal.h"

#define SAMPLED 1000 /* of each; exact up to that */

static size_t topic_bytes(const struct live_topic *topic)
{
    size_t bytes = sizeof(*topic) + 2 * topic->label.size + topic->payload.capacity +
                   topic->increment.capacity + topic->source_count * sizeof(*topic->sources);

    if (topic->rank)
        bytes += sizeof(*topic->rank) + topic->rank->capacity * sizeof(*topic->rank->entries);
    return bytes;
}

static size_t audience_bytes(const struct audience *audience)
{
    size_t bytes = sizeof(*audience) +
                   audience->topic_count * (sizeof(*audience->topics) + sizeof(*audience->key)) +
                   audience->ticker_count * sizeof(*audience->orders);

    for (int i = 0; i < AUDIENCE_FRAMES; i++) {
        const struct frame *frame = audience->frames[i].frame;

        if (frame)
            bytes += sizeof(*frame) + FRAME_HEADROOM + frame->size;
    }
    return bytes;
}

/* Of all `count`, by the `seen` that hold `bytes`. */
static size_t extrapolate(size_t bytes, size_t seen, size_t count)
{
    return seen ? bytes / seen * count : 0;
}

static size_t all_topics_bytes(const struct hub *hub)
{
    const struct live_topic *topic = hub->live.topics;
    size_t bytes = 0, seen = 0;

    for (; topic && seen < SAMPLED; topic = topic->hh.next, seen++)
        bytes += topic_bytes(topic);
    return extrapolate(bytes, seen, hub_topic_count(hub));
}

static size_t all_audiences_bytes(const struct hub *hub)
{
    const struct audience *audience = hub->audiences;
    size_t bytes = 0, seen = 0;

    for (; audience && seen < SAMPLED; audience = audience->hh.next, seen++)
        bytes += audience_bytes(audience);
    return extrapolate(bytes, seen, hub_audience_count(hub));
}

void hub_refresh_stats(const struct hub *hub)
{
    struct stats *stats = hub->stats;

    stats->topics = hub_topic_count(hub);
    stats->audiences = hub_audience_count(hub);
    stats->limits[LIMIT_TOPICS] = hub->options.max_topics;
    stats->limits_used[LIMIT_TOPICS] = hub_topic_count(hub);
    stats->memory_bytes[MEMORY_TOPICS] = hub->viewer_count * sizeof(struct viewer) +
                                         all_topics_bytes(hub) + all_audiences_bytes(hub);
}
