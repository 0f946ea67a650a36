/*
 * The names of our keys in Redis. All of a partition's keys carry one hash tag, so that they fall
 * into one Cluster slot and a script may use them together: "<prefix>{0}:<name>".
 */
#ifndef LIVETALLY_KEYS_H
#define LIVETALLY_KEYS_H

#include <stdint.h>

#include "livetally/catalog.h"
#include "livetally/names.h"
#include "livetally/rollup.h"

#define PREFIX_MAX_BYTES 32
#define KEY_MAX_BYTES    96 /* of the keys below with char[] output */

struct keys {
    char prefix[PREFIX_MAX_BYTES + 8]; /* with tag and colon */
};

void keys_init(struct keys *keys, const char *prefix);

void key_meta(const struct keys *keys, char out[KEY_MAX_BYTES]);
void key_generation(const struct keys *keys, char out[KEY_MAX_BYTES]);
void key_orders(const struct keys *keys, uint64_t generation, char out[KEY_MAX_BYTES]);
void key_catalog(const struct keys *keys, enum catalog_kind kind, char out[KEY_MAX_BYTES]);
/* part: "owner", "ver", "feed", "ckpt" or "gate" (bulk.h) */
void key_lane(const struct keys *keys, uint32_t lane, const char *part, char out[KEY_MAX_BYTES]);
void key_sealed(const struct keys *keys, uint32_t lane, uint32_t day, char out[KEY_MAX_BYTES]);
/* Appends the key of a lane's share of a group. */
void key_group(const struct keys *keys, uint32_t lane, const struct names *names,
               struct group_key group, struct buffer *out);

#endif
