/*
 * Memory for replies of one connection, in place of hiredis's two allocations for every value: a
 * reply of a feed or of a checkpoint has thousands. Replies are redisReply as ever. hiredis hands
 * them out one after the other and gives each back after its callback, so there is never more than
 * one, and giving it back frees all of it at once.
 *
 * Bound: a reply takes what Redis sends; between replies REDIS_REPLIES_KEEP_BYTES at most are kept.
 */
#ifndef LIVETALLY_STORE_REDIS_REPLIES_H
#define LIVETALLY_STORE_REDIS_REPLIES_H

#include <hiredis/hiredis.h>

#define REDIS_REPLIES_KEEP_BYTES ((size_t)1048576)

struct redis_replies_block;

struct redis_replies {
    redisReplyObjectFunctions functions;
    struct redis_replies_block *newest; /* NULL: none yet */
    size_t size_bytes;                  /* of all blocks */
};

/* Where it lies it stays: readers point at it. */
void redis_replies_init(struct redis_replies *replies);
/* Makes the reader take all memory of replies from here. At most one reader has a reply, finished
 * or not, at a time. */
void redis_replies_attach(struct redis_replies *replies, redisReader *reader);
/* After the last reader was freed. */
void redis_replies_done(struct redis_replies *replies);

#endif
