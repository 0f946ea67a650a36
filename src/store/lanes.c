/*
 * See lanes.h.
 */
#include "lanes.h"

#include "resp.h"

void lanes_put_keys(struct buffer *out, const struct keys *keys, const char *part)
{
    char key[KEY_MAX_BYTES];
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        key_lane(keys, lane, part, key);
        resp_text(out, key);
    }
}

void lanes_begin_advance(struct partition *partition, const char *part, uint32_t more_keys,
                         uint32_t arguments)
{
    struct buffer *command = &partition->command;
    uint32_t keys = 2 + LANE_COUNT + more_keys;
    char key[KEY_MAX_BYTES];
    buffer_reset(command);
    resp_start(command, 3 + (size_t)keys + arguments);
    resp_text(command, "EVALSHA");
    resp_text(command, partition->script_sha[SCRIPT_ADVANCE]);
    resp_uint(command, keys);
    key_generation(&partition->keys, key);
    resp_text(command, key);
    key_meta(&partition->keys, key);
    resp_text(command, key);
    lanes_put_keys(command, &partition->keys, part);
}
