/*
 * The auditor of a data set in Redis: works out from the ledger what every total must be, compares
 * it with the sum over the lanes, and holds totals against each other. It only reads.
 *
 * The data set may be in use. Every commit moves its lane's version together with the records it
 * writes, so versions, epoch and generation that are the same before and after reading prove that
 * all of it was read at one state. If they moved, it is read again, and after `attempts` it is
 * VERIFY_BUSY: nothing is ever concluded from a state that never was. Checkpoints may go on
 * meanwhile: a cell says up to which version it counts, and the feed makes up for the rest.
 *
 * Memory follows the cells (about 200 bytes each) and the distinct ids, not the orders, which are
 * read in pages. A scan of a hash is repeated when it did not return each record once.
 */
#ifndef LIVETALLY_VERIFY_H
#define LIVETALLY_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/error.h"

struct verify_options {
    const char *redis;    /* as redis.url of a daemon */
    const char *password; /* instead of one in the URL; NULL: none */
    const char *prefix;   /* of all keys */
    uint32_t attempts;
    uint32_t minute_keep_hours; /* as the daemons have them: the data set doesn't say */
    uint32_t day_keep_days;
    uint32_t findings_shown;
    bool json;
};

enum verify_outcome {
    VERIFY_EXACT,       /* whatever could be checked is right */
    VERIFY_DIFFERS,     /* something is wrong */
    VERIFY_BUSY,        /* it was written to all the time: not checked */
    VERIFY_UNAVAILABLE, /* Redis is not there, or refuses, or has no data set; see *error */
    VERIFY_INVALID,     /* the options are wrong; see *error */
};

/* Appends the report, for people or as one JSON object. */
enum verify_outcome verify_run(const struct verify_options *options, struct buffer *out,
                               struct error *error);

#endif
