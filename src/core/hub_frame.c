/*
 * Encoding of snapshots and updates (PROTOCOL, "Live: messages") into the hub's buffer. Payloads
 * and the names before them come encoded, and what stands before all topics is the same in every
 * update of one observation, so a frame is little more than a copy.
 */
#include "hub_internal.h"

#include <string.h>

#include "livetally/json.h"

static void encode_head(struct hub *hub, struct buffer *out, bool snapshot, uint32_t interval)
{
    const struct view *view = hub->live.view;

    buffer_reset(out);
    buffer_append_byte(out, '{');
    json_field_string(out, "type", snapshot ? SLICE("snapshot") : SLICE("update"));
    json_field_string(out, "epoch", slice_of(view->epoch));
    json_field_uint(out, "ver", hub->live.now.version);
    json_field_int(out, "time", hub->wall_ms);
    if (snapshot)
        json_field_uint(out, "interval_ms", hub_intervals_ms[interval]);
    json_field_bool(out, "stale", view->stale);
    json_write_key(out, "topics");
    buffer_append_byte(out, '{');
}

void frame_begin(struct hub *hub, bool snapshot, uint32_t interval)
{
    if (snapshot) {
        encode_head(hub, &hub->text, true, interval);
        return;
    }
    if (hub->head_seq != hub->live.now.seq || hub->head_ms != hub->wall_ms) {
        encode_head(hub, &hub->head, false, 0);
        hub->head_seq = hub->live.now.seq;
        hub->head_ms = hub->wall_ms;
    }
    buffer_reset(&hub->text);
    buffer_append_slice(&hub->text, buffer_slice(&hub->head));
}

void frame_topic(struct hub *hub, const struct live_topic *topic, struct slice payload)
{
    struct buffer *out = &hub->text;
    char *at = buffer_reserve(out, 1 + topic->label.size + payload.size);

    if (at[-1] != '{')
        *at++ = ',';
    memcpy(at, topic->label.data, topic->label.size);
    at += topic->label.size;
    memcpy(at, payload.data, payload.size);
    out->size = (size_t)(at - out->data) + payload.size;
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
