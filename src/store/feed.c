/*
 * See feed.h.
 */
#include "feed.h"

#include "resp.h"

void versions_send(struct partition *partition, redis_reply_fn *done, void *context)
{
    struct buffer *command = &partition->command;
    char key[KEY_MAX_BYTES];
    buffer_reset(command);
    resp_start(command, 1 + 2 * LANE_COUNT);
    resp_text(command, "MGET");
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        key_lane(&partition->keys, lane, "ver", key);
        resp_text(command, key);
        key_lane(&partition->keys, lane, "ckpt", key);
        resp_text(command, key);
    }
    partition_send(partition, done, context);
}

void feed_send(struct partition *partition, uint32_t lane, uint64_t from_version, uint32_t count,
               redis_reply_fn *done, void *context)
{
    struct buffer *command = &partition->command;
    char key[KEY_MAX_BYTES];
    key_lane(&partition->keys, lane, "feed", key);
    buffer_reset(command);
    resp_start(command, 6);
    resp_text(command, "XRANGE");
    resp_text(command, key);
    resp_uint(command, from_version);
    resp_text(command, "+");
    resp_text(command, "COUNT");
    resp_uint(command, count);
    partition_send(partition, done, context);
}

bool reply_feed_entry(const redisReply *reply, uint64_t *ret_version, struct slice *ret_bytes)
{
    if (!reply_is_array(reply, 2) || !reply_is_array(reply->element[1], 2))
        return false;
    struct slice id = reply_slice(reply->element[0]);
    *ret_bytes = reply_slice(reply->element[1]->element[1]);
    if (!ret_bytes->data || id.size < 3 || id.size > 22 ||
        memcmp(id.data + id.size - 2, "-0", 2) != 0)
        return false;
    uint64_t version = 0;
    for (size_t i = 0; i < id.size - 2; i++) {
        if (id.data[i] < '0' || id.data[i] > '9')
            return false;
        version = version * 10 + (uint64_t)(id.data[i] - '0');
    }
    *ret_version = version;
    return true;
}
