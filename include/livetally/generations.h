/*
 * Where a data set's ledger stands: the number of its current generation, and from which one on its
 * generations are packed (order_field.h). The key `generation` says both in one text, and every
 * commit is fenced by that text (lua/commit.lua):
 *
 *   "690"       generation 690; this one and those before spell fields as ids
 *   "695:691"   generation 695; 691 and those after it are packed
 *
 * A generation has one spelling for ever. A data set is packed from the generation it is born with.
 * One that is older goes on as it is until its next generation: that is packed if every daemon that
 * holds a seat can read it (owners that end in OWNER_READS_PACKED); if not, the one after may be.
 *
 * A generation ends by the clock: its number is the time it is current, in spans. When clocks were
 * wrong it may end late, and several at once. So one that ends is always the one before the next,
 * also when that is not its number; and it is kept for as long as orders may be sent again
 * (lua/advance.lua).
 *
 * Why no order can be missed, or counted twice, by who spells it otherwise:
 *   - One script moves the generation and says that it is packed (lua/advance.lua), so there is no
 *     moment at which a commit could write into it in another spelling.
 *   - A commit says by which text it was judged and spelled. It is refused when that isn't the text
 *     in Redis; so nobody writes with an older idea of it, nor anything he looked up with one.
 *   - A livetallyd that knows no packed generations can't hold a seat then: the script looks at all
 *     16. Without one its commits, checkpoints and seals are fenced by the owner. It can't get one
 *     either: the same script raises meta's schema, which a claim must agree with. And it neither
 *     expects nor can read a text with a colon.
 *   - A claim makes the key anew, or right, that was deleted or set to a bare number by hand, with
 *     meta's packed_from; and that with what the ledger looks like, should both be gone.
 *   - A daemon that reads what no script makes of the text it knew (generations_follow()) claims
 *     anew: it knows nothing then.
 */
#ifndef LIVETALLY_GENERATIONS_H
#define LIVETALLY_GENERATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/slice.h"

#define GENERATIONS_TEXT_MAX 42 /* two numbers, a colon and the end */

struct generations {
    uint64_t current;     /* it and the one before are live */
    uint64_t packed_from; /* 0: none is packed */
};

/* False: no such text. */
bool generations_read(struct slice text, struct generations *ret_generations);
void generations_write(const struct generations *generations, char out[GENERATIONS_TEXT_MAX]);

static inline bool generation_is_packed(const struct generations *generations, uint64_t generation)
{
    return generations->packed_from && generation >= generations->packed_from;
}

/* Whether scripts can have made `now` of `before`, by any number of moves or none: the current
 * generation only goes forward, and none that was there before is spelled otherwise by now. */
static inline bool generations_follow(const struct generations *before,
                                      const struct generations *now)
{
    return now->current >= before->current &&
           (now->packed_from == before->packed_from ||
            (!before->packed_from && now->packed_from > before->current));
}

static inline bool generations_equal(const struct generations *a, const struct generations *b)
{
    return a->current == b->current && a->packed_from == b->packed_from;
}

#endif
