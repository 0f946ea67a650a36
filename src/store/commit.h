/*
 * The commit as bytes: encoding a judged batch into the call of lua/commit.lua, and reading its
 * answer. Knows nothing of connections, so tests drive it over a plain blocking one.
 *
 * Two ways, one rule: a batch that sets at least bulk_from records in the current generation has
 * these written natively, between two calls of the script (bulk.h); any other is one call.
 */
#ifndef LIVETALLY_STORE_COMMIT_H
#define LIVETALLY_STORE_COMMIT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "bulk.h"
#include "livetally/batch.h"
#include "livetally/buffer.h"
#include "livetally/generations.h"
#include "livetally/keys.h"

#define OWNER_MAX_BYTES    40  /* "<instance>:<token>+", both 16 hex digits */
#define OWNER_READS_PACKED "+" /* at the end: who holds the seat knows packed generations */

/* What must hold for anything of ours to be written. */
struct fence {
    uint32_t lane;
    uint64_t version;
    struct generations generations;
    char owner[OWNER_MAX_BYTES];
    char epoch[20];
};

/* For ids that a batch is spared looking for (batch_plan_looks()): how many records there must be
 * in the current generation, and how many there may be at most in the previous one. */
struct standing {
    bool has_current, has_previous;
    uint64_t current, previous;
};

struct commit_call {
    const struct keys *keys;
    const char *sha; /* of lua/commit.lua, as SCRIPT LOAD returned it */
    const struct fence *fence;
    struct slice feed_entry; /* empty: only verify */
    uint32_t bulk_from;      /* BULK_RECORDS_MIN, or 0: never */
    struct standing standing;
};

/* The commands of a commit, one behind the other. The last one's reply is the commit's; those of
 * the others say that they were queued, or why not. */
struct commit_commands {
    uint32_t count;             /* 1 or BULK_COMMANDS */
    size_t ends[BULK_COMMANDS]; /* in the buffer */
    uint32_t created;           /* records that the HSET of a bulk has to make */
};

/* Appends the commands. */
void commit_encode(struct buffer *out, const struct commit_call *call, const struct batch *batch,
                   struct commit_commands *ret_commands);

enum commit_result {
    COMMIT_DONE,
    COMMIT_FENCED,         /* somebody else owns the lane, or the data set is another one */
    COMMIT_DIFFERS,        /* records differ: learnt, judge again */
    COMMIT_GROWN_CURRENT,  /* not what `standing` says: judge again, and look for all ids there */
    COMMIT_GROWN_PREVIOUS, /* the same */
    COMMIT_WROTE_OVER,     /* done, over records in the ledger that can't have been there */
    COMMIT_REFUSED, /* Redis answered an error, e.g. OOM; the lane's version says what was done */
    COMMIT_UNKNOWN, /* no answer, or one that makes no sense; so here */
};

/* After FENCED: true when only the ledger's generation has moved on; then judging again will do. */
bool commit_generation_moved(const redisReply *reply, const struct fence *fence,
                             struct generations *ret_generations);
/* What the key `generation` says, as a reply. */
bool reply_generations(const redisReply *reply, struct generations *ret_generations);

/* Reads the answer to these commands. On DIFFERS what Redis has is learnt by ledger and catalog. */
enum commit_result commit_answer(const redisReply *reply, const struct commit_commands *commands,
                                 const struct judge *judge);
/* After WROTE_OVER: how many. */
uint32_t commit_written_over(const redisReply *reply, const struct commit_commands *commands);
/* After REFUSED: the error. */
const redisReply *commit_error(const redisReply *reply);

/* Looking up the records that a batch needs: one command for each of the two live generations, the
 * answers learnt in the order current, previous. False: not an answer to what was asked. */
void lookup_encode(struct buffer *out, const struct keys *keys,
                   const struct generations *generations, enum record_place place,
                   const struct slice *ids, uint32_t count);
bool lookup_answer(const redisReply *reply, enum record_place place, const struct slice *ids,
                   uint32_t count, const struct judge *judge);

#endif
