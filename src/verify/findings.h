/*
 * What an audit found wrong, and what it could not check. Each finding is one sentence for people,
 * and the same in parts for programs. The first few are kept; all are counted.
 */
#ifndef LIVETALLY_VERIFY_FINDINGS_H
#define LIVETALLY_VERIFY_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/slice.h"

#define UNCHECKED_MAX 8

struct finding {
    const char *check;  /* what kind of fault: static text, one word */
    char *key;          /* in Redis, after the prefix; "lane:*" where lanes are summed up */
    char *field;        /* in it, or "" */
    char *text;         /* the sentence, without key and field */
    const char *metric; /* NULL: it isn't about numbers */
    int64_t want;
    int64_t have;
};

struct findings {
    struct finding *list;
    uint32_t kept;
    uint32_t keep; /* at most */
    uint64_t count;
    char *unchecked[UNCHECKED_MAX];
    uint32_t unchecked_count;
};

void findings_init(struct findings *findings, uint32_t keep);
void findings_done(struct findings *findings);

void findings_add(struct findings *findings, const char *check, struct slice key,
                  struct slice field, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A number that is not what it should be. */
struct difference {
    const char *metric;
    int64_t want;
    int64_t have;      /* in the lanes */
    const char *bound; /* "", "at least " or "at most " that */
    const char *how;   /* where `want` comes from: "by the ledger" */
};

void findings_differ(struct findings *findings, const char *check, struct slice key,
                     struct slice field, const struct difference *difference);
void findings_unchecked(struct findings *findings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
