/*
 * Sealing, in two parts: seal.c walks over days, rollups and groups; seal_page.c gathers their
 * cells and moves a page of them at a time.
 */
#ifndef LIVETALLY_STORE_SEAL_H
#define LIVETALLY_STORE_SEAL_H

#include "livetally/sealed_day.h"
#include "partition_private.h"

#define PAGE_FULL   2048u /* cells: then a page is written, about 25 KB */
#define PAGE_HASHES 512u  /* or that many hashes are done: what a script does stays small */
#define PAGE_MAX    4096u /* cells; what a script may unpack of one hash */

/* Room for the fields and values of as many, and for the groups they are in. */
#define VALUE_MAX_BYTES 140u
#define TEXTS_BYTES     (PAGE_MAX * (2 * SEALED_TEXT_MAX_BYTES + VALUE_MAX_BYTES))

/* The page being gathered. */
struct moved_hash {
    struct group_key key;
    uint32_t first, count; /* among the moved cells */
};

struct moved_cell {
    struct slice field, value; /* as they stand in the hash */
};

struct seal_page {
    char texts[TEXTS_BYTES];
    size_t texts_size;
    struct sealed_cell cells[PAGE_MAX];
    uint32_t cell_count; /* those moved, then those of the page that is replaced */
    struct moved_cell moved[PAGE_MAX];
    uint32_t moved_count;
    struct moved_hash hashes[PAGE_HASHES];
    uint32_t hash_count;
};

struct seal {
    /* when */
    uint32_t passed_day; /* the business day whose pass is over */
    int64_t not_before_ms;
    bool running;
    bool rests;    /* until the next tick */
    uint32_t work; /* cells written since the last rest */
    bool put_off;  /* some day of this pass has to be tried again */
    /* where */
    uint32_t *days; /* of this pass: those that have hashes */
    uint32_t day_count, day_at;
    uint32_t days_asked, days_answered;
    int rollup;                  /* of the day */
    uint64_t tail[ROLLUP_COUNT]; /* highest number of its pages; 0: none */
    bool may_merge;   /* the rollup's newest page, which may be small, was not looked at yet */
    uint32_t *firsts; /* the groups of the rollup */
    uint32_t first_count, first_capacity, first_at;
    struct group_key group;
    uint64_t cursor;   /* in its hash */
    bool rollup_ends;  /* with the page being written */
    uint64_t replaces; /* number of the page that the page being written replaces; 0: none */
    uint64_t day_cells, day_pages;
    struct seal_page page;
};

/* seal.c */
void seal_go_on(struct partition *partition);
/* The day stays as it is; it is tried again later. why: for the log, NULL when it is business as
 * usual. */
void seal_put_off(struct partition *partition, const char *why);

/* seal_page.c */
bool seal_page_is_full(const struct seal_page *page);
/* Takes cells that a hash gave. 0, or ERROR_CORRUPT; ERROR_LIMIT when not all of them fit. */
int seal_page_take(struct partition *partition, const redisReply *pairs);
/* Writes the page, then goes on with seal_go_on() or seal_put_off(). */
void seal_page_flush(struct partition *partition);
void seal_page_reset(struct seal_page *page);

#endif
