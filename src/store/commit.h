/*
 * The commit as bytes: encoding a judged batch into the call of lua/commit.lua, and reading its
 * answer. Knows nothing of connections, so tests drive it over a plain blocking one.
 */
#ifndef LIVETALLY_STORE_COMMIT_H
#define LIVETALLY_STORE_COMMIT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "livetally/batch.h"
#include "livetally/buffer.h"
#include "livetally/keys.h"

#define OWNER_MAX_BYTES 40 /* "<instance>:<token>", both 16 hex digits */

/* What must hold for anything of ours to be written. */
struct fence {
    uint32_t lane;
    uint64_t version;
    uint64_t generation;
    char owner[OWNER_MAX_BYTES];
    char epoch[20];
};

struct commit_call {
    const struct keys *keys;
    const char *sha; /* of lua/commit.lua, as SCRIPT LOAD returned it */
    const struct fence *fence;
    struct slice feed_entry; /* empty: only verify */
};

/* Appends the command. */
void commit_encode(struct buffer *out, const struct commit_call *call, const struct batch *batch);

enum commit_result {
    COMMIT_DONE,
    COMMIT_FENCED,  /* somebody else owns the lane, or the data set is another one */
    COMMIT_DIFFERS, /* records differ: learnt, judge again */
    COMMIT_REFUSED, /* Redis answered an error, e.g. OOM: nothing was done */
    COMMIT_UNKNOWN, /* no answer, or one that makes no sense */
};

/* After FENCED: true when only the ledger's generation has moved on; then judging again will do. */
bool commit_generation_moved(const redisReply *reply, const struct fence *fence,
                             uint64_t *ret_generation);

/* Reads the answer. On DIFFERS what Redis has is learnt by ledger and catalog. */
enum commit_result commit_answer(const redisReply *reply, const struct judge *judge);

/* Looking up the records that a batch needs: one command for each of the two live generations, the
 * answers learnt in the order current, previous. False: not an answer to what was asked. */
void lookup_encode(struct buffer *out, const struct keys *keys, uint64_t generation,
                   const struct slice *ids, uint32_t count);
bool lookup_answer(const redisReply *reply, enum record_place place, const struct slice *ids,
                   uint32_t count, const struct judge *judge);

#endif
