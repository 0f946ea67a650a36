/*
 * Bases of cells whose day was sealed. A checkpoint adds what was counted since to the value that
 * the cell has in Redis. That is in its hash, if it is there, since what is in a hash is newer than
 * any page; else it may be in a page. So only what no hash has comes here.
 *
 * Hardly any day that is counted in was ever sealed. Only we seal days of our lane: a day that had
 * no page has none until we make one, and needs no question.
 */
#include <stdlib.h>

#include "livetally/mem.h"
#include "sealed_read.h"

#define DAYS_REMEMBERED 64
#define REF_NONE        UINT32_MAX

struct base {
    bool noted;
    uint64_t version;
    struct metrics metrics;
};

struct day_read {
    uint32_t day;
    uint32_t rollups;
    bool expects_pages; /* asked for before a page was written: finding none proves nothing */
    struct sealed_read *read;
};

struct sealed_bases {
    uint32_t plain_days[DAYS_REMEMBERED]; /* that have no page; a ring */
    uint32_t plain_next;
    struct base bases[CHECKPOINT_CELLS]; /* by place in the checkpoint's chunk */
    uint32_t order[CHECKPOINT_CELLS];    /* those places that are noted, by group and cell */
    uint32_t noted;
    struct day_read *reads;
    uint32_t read_count, reads_left;
};

void sealed_bases_init(struct partition *partition)
{
    partition->sealed_bases = mem_zalloc(sizeof *partition->sealed_bases);
}

static void forget_reads(struct sealed_bases *bases)
{
    for (uint32_t i = 0; i < bases->read_count; i++)
        sealed_read_free(bases->reads[i].read);
    free(bases->reads);
    bases->reads = NULL;
    bases->read_count = bases->reads_left = 0;
    bases->noted = 0;
    memset(bases->bases, 0, sizeof bases->bases);
}

void sealed_bases_done(struct partition *partition)
{
    forget_reads(partition->sealed_bases);
    free(partition->sealed_bases);
}

void sealed_bases_reset(struct partition *partition)
{
    struct sealed_bases *bases = partition->sealed_bases;
    forget_reads(bases);
    memset(bases->plain_days, 0, sizeof bases->plain_days);
}

/* --- days that have no page --------------------------------------------------------------- */

static uint32_t *find_plain(struct sealed_bases *bases, uint32_t day)
{
    for (uint32_t i = 0; i < DAYS_REMEMBERED; i++)
        if (bases->plain_days[i] == day)
            return &bases->plain_days[i];
    return NULL;
}

void sealed_bases_expect(struct partition *partition, uint32_t day)
{
    struct sealed_bases *bases = partition->sealed_bases;
    uint32_t *plain = find_plain(bases, day);
    if (plain)
        *plain = 0;
    for (uint32_t i = 0; i < bases->read_count; i++)
        bases->reads[i].expects_pages |= bases->reads[i].day == day;
}

/* --- looking ------------------------------------------------------------------------------ */

bool sealed_bases_note(struct partition *partition, uint32_t ref)
{
    struct sealed_bases *bases = partition->sealed_bases;
    struct group_key key = partition->checkpoint.refs[ref].group->key;
    if (key.period != PERIOD_DAY || find_plain(bases, key.when))
        return false;
    bases->bases[ref] = (struct base){.noted = true};
    bases->noted++;
    return true;
}

static int compare(const struct cell_ref *a, const struct cell_ref *b)
{
    if (a->group != b->group)
        return (uintptr_t)a->group > (uintptr_t)b->group ? 1 : -1;
    return (a->place > b->place) - (a->place < b->place);
}

static int compare_for_sort(const void *left, const void *right, void *checkpoint)
{
    const struct cell_ref *refs = ((const struct checkpoint *)checkpoint)->refs;
    return compare(&refs[*(const uint32_t *)left], &refs[*(const uint32_t *)right]);
}

/* A page has far more cells than a chunk: they are looked for in what is noted. */
static void sort_noted(struct partition *partition)
{
    struct sealed_bases *bases = partition->sealed_bases;
    uint32_t count = 0;
    for (uint32_t i = 0; i < partition->checkpoint.count; i++)
        if (bases->bases[i].noted)
            bases->order[count++] = i;
    qsort_r(bases->order, count, sizeof bases->order[0], compare_for_sort, &partition->checkpoint);
}

static uint32_t find_noted(const struct partition *partition, struct cell_ref wanted)
{
    const struct sealed_bases *bases = partition->sealed_bases;
    uint32_t low = 0, high = bases->noted;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t ref = bases->order[middle];
        int order = compare(&partition->checkpoint.refs[ref], &wanted);
        if (order == 0)
            return ref;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return REF_NONE;
}

static void take_base(struct partition *partition, struct group *group,
                      const struct sealed_page *page, struct slice field,
                      const struct metrics *metrics)
{
    uint32_t value = dimension_find(partition->view.names, group_cell_dimension(group->key), field);
    const struct cell *cell = value ? group_cell(group, value) : NULL;
    if (!cell)
        return;
    uint32_t ref = find_noted(partition, (struct cell_ref){group, (uint32_t)(cell - group->cells)});
    if (ref == REF_NONE)
        return;
    struct base *base = &partition->sealed_bases->bases[ref];
    if (page->version >= base->version) {
        base->version = page->version;
        base->metrics = *metrics;
    }
}

static struct group *group_of_section(struct partition *partition, const struct sealed_page *page)
{
    struct group_key key = {
        .rollup = (uint16_t)page->rollup, .period = PERIOD_DAY, .when = page->day};
    enum dimension dimension = group_first_dimension(key);
    if (dimension)
        key.first = dimension_find(partition->view.names, dimension, page->first);
    if (dimension && !key.first)
        return NULL;
    struct group *group = board_find(partition->view.board, key);
    return group && group->taken_count ? group : NULL;
}

static int take_page(void *context, struct sealed_page *page)
{
    struct partition *partition = context;
    struct slice field;
    struct metrics metrics;
    int found;
    while ((found = sealed_page_section(page)) == 1) {
        struct group *group = group_of_section(partition, page);
        while (group && (found = sealed_page_cell(page, &field, &metrics)) == 1)
            take_base(partition, group, page, field, &metrics);
        if (found < 0)
            return found;
    }
    return found;
}

static void conclude(struct partition *partition)
{
    struct sealed_bases *bases = partition->sealed_bases;
    const struct checkpoint *checkpoint = &partition->checkpoint;
    for (uint32_t i = 0; i < checkpoint->count; i++)
        if (bases->bases[i].noted)
            board_set_base(partition->view.board, checkpoint->refs[i], &bases->bases[i].metrics);
    forget_reads(bases);
    checkpoint_bases_complete(partition);
}

static void day_is_read(void *context, struct sealed_read *read)
{
    struct partition *partition = context;
    struct sealed_bases *bases = partition->sealed_bases;
    for (uint32_t i = 0; i < bases->read_count; i++)
        if (bases->reads[i].read == read && sealed_read_found_none(read) &&
            !bases->reads[i].expects_pages)
            bases->plain_days[bases->plain_next++ % DAYS_REMEMBERED] = bases->reads[i].day;
    if (--bases->reads_left == 0)
        conclude(partition);
}

static void add_day(struct sealed_bases *bases, struct group_key key)
{
    uint32_t i = 0;
    while (i < bases->read_count && bases->reads[i].day != key.when)
        i++;
    if (i == bases->read_count) {
        bases->reads = mem_resize(bases->reads, (size_t)i + 1, sizeof *bases->reads);
        bases->reads[bases->read_count++] = (struct day_read){.day = key.when};
    }
    bases->reads[i].rollups |= 1u << key.rollup;
}

bool sealed_bases_ask(struct partition *partition)
{
    struct sealed_bases *bases = partition->sealed_bases;
    const struct sealed_read_ops ops = {take_page, day_is_read, partition};
    if (!bases->noted)
        return false;
    for (uint32_t i = 0; i < partition->checkpoint.count; i++)
        if (bases->bases[i].noted)
            add_day(bases, partition->checkpoint.refs[i].group->key);
    sort_noted(partition);
    bases->reads_left = bases->read_count;
    for (uint32_t i = 0; i < bases->read_count; i++)
        bases->reads[i].read = sealed_read_new(partition, partition->fence.lane,
                                               bases->reads[i].day, bases->reads[i].rollups, &ops);
    return true;
}
