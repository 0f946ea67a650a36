/*
 * Reading the sealed pages of one lane and day (sealed_day.h), those of the rollups that matter.
 *
 * The cells may be on their way from hashes into pages meanwhile. So read the hashes first: then
 * what was in none of them any more is in a page, and what is in both is taken by its version.
 */
#ifndef LIVETALLY_STORE_SEALED_READ_H
#define LIVETALLY_STORE_SEALED_READ_H

#include "livetally/sealed_day.h"
#include "partition_private.h"

struct sealed_read;

struct sealed_read_ops {
    /* A page, opened. An error of this function or of the page ends in a resync. */
    int (*page)(void *context, struct sealed_page *page);
    /* All pages are read. The sealed_read is still there, and is the caller's to free. */
    void (*done)(void *context, struct sealed_read *read);
    void *context;
};

/* rollups: bit set of enum rollup. ops is copied. done() comes later, never from within. */
struct sealed_read *sealed_read_new(struct partition *partition, uint32_t lane, uint32_t day,
                                    uint32_t rollups, const struct sealed_read_ops *ops);
/* Before done() only when the connection is lost, or about to be. */
void sealed_read_free(struct sealed_read *read);
/* True when the lane has no sealed page at all of this day: valid in done(). */
bool sealed_read_found_none(const struct sealed_read *read);

#endif
