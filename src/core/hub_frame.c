/*
 * Encoding of snapshots and updates (PROTOCOL, "Live: messages") into the hub's buffer. Payloads
 * come encoded, so a frame is little more than a copy.
 */
#include "hub_internal.h"

#include "livetally/json.h"

void frame_begin(struct hub *hub, bool snapshot, uint32_t interval)
{
    const struct view *view = hub->live.view;
    struct buffer *out = &hub->text;

    buffer_reset(out);
    buffer_append_byte(out, '{');
    json_field_string(out, "type", snapshot ? SLICE("snapshot") : SLICE("update"));
    json_field_string(out, "epoch", slice_of(view->epoch));
    json_field_uint(out, "ver", hub->live.now.version);
    json_field_int(out, "time", clock_wall_ms(&hub->clock));
    if (snapshot)
        json_field_uint(out, "interval_ms", hub_intervals_ms[interval]);
    json_field_bool(out, "stale", view->stale);
    json_write_key(out, "topics");
    buffer_append_byte(out, '{');
}

void frame_topic(struct hub *hub, const struct live_topic *topic, struct slice payload)
{
    json_write_key(&hub->text, topic->name);
    buffer_append_slice(&hub->text, payload);
}

struct frame *frame_end(struct hub *hub, struct slice errors)
{
    struct buffer *out = &hub->text;

    buffer_append_byte(out, '}');
    if (errors.size) {
        json_write_key(out, "errors");
        buffer_append_byte(out, '[');
        buffer_append_slice(out, errors);
        buffer_append_byte(out, ']');
    }
    buffer_append_byte(out, '}');
    hub->stats->frames_encoded++;
    return frame_new(buffer_slice(out));
}
