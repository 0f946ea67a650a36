/*
 * The ack object: what became of a run of messages.
 */
#include "livetally/json.h"
#include "net.h"

void ack_write(struct buffer *out, uint64_t upto, const struct parcel *first,
               const struct parcel *last)
{
    uint64_t accepted = 0, duplicates = 0, parked = 0;

    for (const struct parcel *at = first; at; at = at == last ? NULL : at->next) {
        accepted += at->post.accepted;
        duplicates += at->post.duplicates;
        parked += at->post.parked;
    }
    buffer_append_byte(out, '{');
    json_field_string(out, "type", SLICE("ack"));
    json_field_uint(out, "upto", upto);
    json_field_uint(out, "accepted", accepted);
    json_field_uint(out, "duplicates", duplicates);
    json_field_uint(out, "parked", parked);
    json_write_key(out, "rejected");
    buffer_append_byte(out, '[');
    for (const struct parcel *at = first; at; at = at == last ? NULL : at->next) {
        const struct message *message = &at->post.message;

        for (uint32_t i = 0; i < message->rejection_count; i++)
            rejection_write(out, at->post.number, &message->rejections[i]);
    }
    buffer_append_text(out, "]}");
}
