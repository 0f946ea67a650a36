/*
 * The bulk of a commit: the records it sets in the ledger's current generation, written by a plain
 * HSET. A script would hash every byte of every record twice before it writes them, which is most
 * of what a commit costs Redis. What keeps this as exact as one script is that HSET writes to a
 * gate: the key lane:<n>:gate, which nobody reads. Only while open has it is the ledger there.
 *
 *   MULTI
 *   EVALSHA commit   checks everything (lua/commit.lua). When all holds: sets `generation` to the
 *                    mark below, then version and feed and what isn't in the bulk, and renames
 *                    orders:<generation> to the gate. Else it writes nothing.
 *   HSET gate …      all the records
 *   EVALSHA commit   "close": does `generation` say our mark? Then it renames the gate back, looks
 *                    whether the last record is in it, and sets `generation` as it was: done. If
 *                    HSET was refused, it undoes what the first script did. When the mark isn't
 *                    there, it removes what stands in the gate.
 *   EXEC
 *
 * Why that is as safe as one script:
 * - EXEC is atomic: nobody sees the gate in use, and the append-only file and replicas have all of
 *   it or nothing, as with a script.
 * - Where the checks fail, or the script did not even run (flushed, forbidden), HSET finds the gate
 *   closed: what it leaves there is in nobody's ledger, and the next open or claim removes it.
 * - Redis refuses as a whole what it refuses for its own state (out of memory, disk, replica), as
 *   EXEC is judged by the HSET in it; and single commands only when the user may not use them,
 * which does not change within EXEC. So who was allowed RENAME to open is allowed it to close; what
 *   else may be refused is undone.
 * - Should close fail all the same (a failing disk may be noticed between any two commands; without
 *   MULTI, which is refused alone, a connection may end between them), then the mark stays in
 *   `generation`. No commit of any lane, of this version or an older one, passes its fence then:
 *   nobody writes to a ledger that is not in its place. lua/claim.lua, which follows every refusal,
 *   finishes or undoes what the mark describes, whatever of it was done. A late commit of the same
 *   lane would have its HSET write to that very gate: so its open, which the fence stops, puts the
 *   ledger back in its place first.
 *
 * So what an error left is never guessed: as after a lost reply, the lane's version says it.
 */
#ifndef LIVETALLY_STORE_BULK_H
#define LIVETALLY_STORE_BULK_H

#include <hiredis/hiredis.h>

#include "livetally/batch.h"

/* From so many records on two scripts and a HSET cost Redis less than one script. */
#define BULK_RECORDS_MIN 64

#define BULK_COMMANDS   5 /* from MULTI to EXEC */
#define MARK_HEAD_BYTES 96

struct bulk {
    uint32_t count;   /* of the records set in the current generation */
    uint32_t created; /* of them, those that did not stand there */
    /* "open <generation> <lane> <version before> <bytes of the field> ", and then the last of them:
     */
    char mark[MARK_HEAD_BYTES];
    struct slice field, record;
    bool packed; /* is the generation */
};

/* True for what belongs to it. */
static inline bool bulk_has(const struct touch *touch)
{
    return touch->changed &&
           (touch->assumed_place != PLACE_PREVIOUS || touch->next_place == PLACE_CURRENT);
}

/* packed: so is the current generation. */
void bulk_find(const struct batch *batch, bool packed, struct bulk *ret_bulk);
size_t bulk_mark_bytes(const struct bulk *bulk);
void bulk_mark_write(const struct bulk *bulk, char *at);
/* Appends the HSET. */
void bulk_encode(struct buffer *out, const char *gate, const struct batch *batch,
                 const struct bulk *bulk);

/* EXEC's answer: of the three commands. */
enum bulk_reply { BULK_OPEN, BULK_SET, BULK_CLOSE, BULK_REPLIES };
bool reply_is_bulk(const redisReply *reply);

#endif
