/*
 * An audit's outcome in words, or as one JSON object.
 */
#ifndef LIVETALLY_VERIFY_REPORT_H
#define LIVETALLY_VERIFY_REPORT_H

#include "audit.h"
#include "livetally/verify.h"

struct report {
    enum verify_outcome outcome;
    const char *source; /* where Redis is, without password */
    const char *prefix; /* of keys, with tag */
    const char *epoch;
    uint32_t attempts;
    const struct audit *audit; /* NULL when nothing was audited */
    const char *problem;       /* why not */
};

void report_write_text(struct buffer *out, const struct report *report);
void report_write_json(struct buffer *out, const struct report *report);

#endif
