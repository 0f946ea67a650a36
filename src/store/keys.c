/*
 * One place that knows how keys are spelled.
 */
#include "livetally/keys.h"

#include <inttypes.h>
#include <stdio.h>

void keys_init(struct keys *keys, const char *prefix)
{
    snprintf(keys->prefix, sizeof keys->prefix, "%.*s{0}:", PREFIX_MAX_BYTES, prefix);
}

void key_meta(const struct keys *keys, char out[KEY_MAX_BYTES])
{
    snprintf(out, KEY_MAX_BYTES, "%smeta", keys->prefix);
}

void key_generation(const struct keys *keys, char out[KEY_MAX_BYTES])
{
    snprintf(out, KEY_MAX_BYTES, "%sgeneration", keys->prefix);
}

void key_orders(const struct keys *keys, uint64_t generation, char out[KEY_MAX_BYTES])
{
    snprintf(out, KEY_MAX_BYTES, "%sorders:%" PRIu64, keys->prefix, generation);
}

void key_catalog(const struct keys *keys, enum catalog_kind kind, char out[KEY_MAX_BYTES])
{
    snprintf(out, KEY_MAX_BYTES, "%scatalog:%s", keys->prefix, catalog_kind_names[kind]);
}

void key_lane(const struct keys *keys, uint32_t lane, const char *part, char out[KEY_MAX_BYTES])
{
    snprintf(out, KEY_MAX_BYTES, "%slane:%" PRIu32 ":%s", keys->prefix, lane, part);
}

void key_sealed(const struct keys *keys, uint32_t lane, uint32_t day, char out[KEY_MAX_BYTES])
{
    snprintf(out, KEY_MAX_BYTES, "%slane:%" PRIu32 ":sealed:%" PRIu32, keys->prefix, lane, day);
}

void key_group(const struct keys *keys, uint32_t lane, const struct names *names,
               struct group_key group, struct buffer *out)
{
    buffer_append_text(out, keys->prefix);
    buffer_append_text(out, "lane:");
    buffer_append_uint(out, lane);
    buffer_append_byte(out, ':');
    group_key_write(out, names, group);
}
