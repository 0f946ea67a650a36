/*
 * Sealing closed days: their cells move from hashes into packed pages (sealed_day.h), which take a
 * seventh of the memory, and a load a tenth of the time.
 *
 * What makes it exact:
 *   - The cells are those of our own lane, and only the lane's owner writes them. The script that
 *     moves them has the fence of a checkpoint (owner token and epoch), so what a daemon that was
 *     frozen, cut off or replaced sends late is void.
 *   - The script moves a cell only while its hash has the very text that was packed, and moves all
 *     of a page or nothing. So a cell is always in its hash, or in a page, or, changed since, in
 *     both. Of several the highest version counts, whoever reads. Cut off anywhere, this holds.
 *   - A page says of its cells that they count up to the lane's version as of now. That is so when
 *     nothing of the group waits to be checkpointed: our connection answers in order, so what a
 *     hash said then had all that this process had applied. A group of which something waits puts
 *     its day off.
 *   - Whoever reads (the loader, a checkpoint that needs a base, the auditor) reads the hash first
 *     and pages after it, as cells move that way only. A page never changes; one that is
 *     replaced goes in the same script that brings the new one, under a new number, so a reader who
 *     finds a page gone begins again.
 *   - Late orders don't ask: their cells are written to hashes as ever. A later pass packs them,
 *     together with the rollup's newest page if that is small.
 *   - Redis coming back with less has pages, hashes, feed and versions of one moment.
 *
 * When: a while after going live, and after each midnight. The rollups of a day go by what their
 * groups are found by: those of two dimensions first (groups by the cells of the one-dimensional
 * rollup), `total` last, so that a pass cut off finds again what it left. One command at a time,
 * behind the orders, and a rest until the next tick when a full page's worth of cells was moved.
 */
#include "seal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "livetally/error.h"
#include "livetally/mem.h"
#include "resp.h"

#define SETTLE_CHECKPOINTS 60  /* after going live: what waits then has long been written */
#define RETRY_CHECKPOINTS  600 /* when a day was put off */
#define SCAN_COUNT         1000

static void next_group(struct partition *partition);
static void next_rollup(struct partition *partition);

void seal_init(struct partition *partition)
{
    partition->seal = mem_zalloc(sizeof *partition->seal);
}

void seal_done(struct partition *partition)
{
    struct seal *seal = partition->seal;
    free(seal->days);
    free(seal->firsts);
    free(seal);
}

void seal_connection_lost(struct partition *partition)
{
    struct seal *seal = partition->seal;
    seal->running = false;
    seal->passed_day = 0; /* the seat may be another one then */
    seal_page_reset(&seal->page);
    sealed_bases_reset(partition);
}

/* --- days --------------------------------------------------------------------------------- */

static int64_t later(const struct partition *partition, int64_t checkpoints)
{
    return checkpoints * partition->options.checkpoint_ms;
}

static void end_pass(struct partition *partition)
{
    struct seal *seal = partition->seal;
    seal->running = false;
    if (seal->put_off)
        seal->not_before_ms = partition_now_ms(partition) + later(partition, RETRY_CHECKPOINTS);
    else
        seal->passed_day = partition->view.today;
}

static uint32_t day_of(const struct seal *seal)
{
    return seal->days[seal->day_at];
}

static void pages_listed(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct seal *seal = partition->seal;
    if (!reply || !seal->running)
        return;
    memset(seal->tail, 0, sizeof seal->tail);
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        enum rollup rollup;
        uint64_t number;
        if (!sealed_field_read(reply_slice(reply->element[i]), &rollup, &number)) {
            seal_put_off(partition, "it has a page with a name of another kind");
            return;
        }
        if (number > seal->tail[rollup])
            seal->tail[rollup] = number;
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        seal_put_off(partition, reply->type == REDIS_REPLY_ERROR ? reply->str : "no list of pages");
        return;
    }
    seal->rollup = ROLLUP_COUNT;
    next_rollup(partition);
}

static void next_day(struct partition *partition)
{
    struct seal *seal = partition->seal;
    char key[KEY_MAX_BYTES];
    if (++seal->day_at == seal->day_count) {
        end_pass(partition);
        return;
    }
    seal->day_cells = seal->day_pages = 0;
    key_sealed(&partition->keys, partition->fence.lane, day_of(seal), key);
    redis_link_command(partition->link, pages_listed, partition, "HKEYS %s", key);
}

static void tell_day(struct partition *partition)
{
    const struct seal *seal = partition->seal;
    if (seal->day_pages)
        log_print(partition->log, LOG_LEVEL_INFO,
                  "sealed day %" PRIu32 ": %" PRIu64 " totals in %" PRIu64 " pages", day_of(seal),
                  seal->day_cells, seal->day_pages);
}

void seal_put_off(struct partition *partition, const char *why)
{
    struct seal *seal = partition->seal;
    seal_page_reset(&seal->page);
    seal->put_off = true;
    if (why)
        log_print(partition->log, LOG_LEVEL_WARNING, "day %" PRIu32 " can't be sealed: %s",
                  day_of(seal), why);
    next_day(partition);
}

/* One answer for each day from the first candidate on, in order. */
static void day_counted(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct seal *seal = partition->seal;
    if (!reply || !seal->running)
        return;
    uint32_t at = seal->days_answered++;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0)
        seal->days[seal->day_count++] = seal->days[at];
    if (seal->days_answered < seal->days_asked)
        return;
    seal->day_at = UINT32_MAX;
    next_day(partition);
}

/* Every day that is closed long enough, and not about to expire, the newest first. A day that has a
 * hash of its total has something to seal. */
static void begin_pass(struct partition *partition)
{
    const struct partition_options *options = &partition->options;
    struct seal *seal = partition->seal;
    int64_t now_ms = clock_wall_ms(partition->clock);
    struct group_key key = {.rollup = ROLLUP_TOTAL, .period = PERIOD_DAY};
    struct buffer text = BUFFER_INIT;
    seal->running = true;
    seal->rests = seal->put_off = false;
    seal->work = 0;
    seal->day_count = seal->days_asked = seal->days_answered = 0;
    seal->days = mem_resize(seal->days, (size_t)options->day_keep_days + 1, sizeof *seal->days);
    for (int64_t age = options->seal_after_days + INT64_C(1);
         age <= options->day_keep_days && age * DAY_MS <= now_ms; age++) {
        key.when = calendar_day(&options->calendar, now_ms - age * DAY_MS);
        seal->days[seal->days_asked++] = key.when;
        buffer_reset(&text);
        key_group(&partition->keys, partition->fence.lane, partition->view.names, key, &text);
        redis_link_command(partition->link, day_counted, partition, "HLEN %b", text.data,
                           text.size);
    }
    buffer_done(&text);
    if (!seal->days_asked)
        end_pass(partition);
}

/* --- rollups and groups ------------------------------------------------------------------- */

static void scan_firsts(struct partition *partition, uint64_t cursor);

static struct buffer *hash_key(struct partition *partition, struct group_key key)
{
    buffer_reset(&partition->command);
    key_group(&partition->keys, partition->fence.lane, partition->view.names, key,
              &partition->command);
    return &partition->command;
}

static void scan_hash(struct partition *partition, struct group_key key, uint64_t cursor,
                      redis_reply_fn *done)
{
    const struct buffer *text = hash_key(partition, key);
    redis_link_command(partition->link, done, partition, "HSCAN %b %llu COUNT %d", text->data,
                       text->size, (unsigned long long)cursor, SCAN_COUNT);
}

static bool is_page(struct partition *partition, const redisReply *reply, uint64_t *ret_cursor)
{
    if (reply_is_array(reply, 2) && reply_is_array(reply->element[1], 0) &&
        reply_uint(reply->element[0], ret_cursor))
        return true;
    seal_put_off(partition, reply->type == REDIS_REPLY_ERROR ? reply->str : "no cells of a hash");
    return false;
}

/* The rollup whose cells are the groups of this one. */
static struct group_key key_of_firsts(const struct seal *seal)
{
    struct group_key key = {.period = PERIOD_DAY, .when = day_of(seal)};
    for (int rollup = 0; rollup < ROLLUP_COUNT; rollup++)
        if (rollup_rows[rollup].first == DIMENSION_NONE &&
            rollup_rows[rollup].second == rollup_rows[seal->rollup].first)
            key.rollup = (uint16_t)rollup;
    return key;
}

static void firsts_scanned(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct seal *seal = partition->seal;
    uint64_t cursor;
    if (!reply || !seal->running || !is_page(partition, reply, &cursor))
        return;
    const redisReply *cells = reply->element[1];
    for (size_t i = 0; i + 1 < cells->elements; i += 2) {
        if (seal->first_count == seal->first_capacity) {
            seal->first_capacity = seal->first_capacity ? seal->first_capacity * 2 : 256;
            seal->firsts = mem_resize(seal->firsts, seal->first_capacity, sizeof *seal->firsts);
        }
        if (cell_field_read(partition->view.names, key_of_firsts(seal),
                            reply_slice(cells->element[i]),
                            &seal->firsts[seal->first_count++]) != 0) {
            seal_put_off(partition, "a cell is unreadable");
            return;
        }
    }
    if (cursor)
        scan_firsts(partition, cursor);
    else
        next_group(partition);
}

static void scan_firsts(struct partition *partition, uint64_t cursor)
{
    scan_hash(partition, key_of_firsts(partition->seal), cursor, firsts_scanned);
}

static void begin_rollup(struct partition *partition)
{
    struct seal *seal = partition->seal;
    seal->may_merge = seal->tail[seal->rollup] > 0;
    seal->first_count = seal->first_at = 0;
    seal->cursor = 0;
    seal->rollup_ends = false;
    seal->group = (struct group_key){
        .rollup = (uint16_t)seal->rollup, .period = PERIOD_DAY, .when = day_of(seal)};
    if (rollup_rows[seal->rollup].first != DIMENSION_NONE) {
        scan_firsts(partition, 0);
        return;
    }
    seal->firsts = mem_resize(seal->firsts, 256, sizeof *seal->firsts);
    seal->first_capacity = 256;
    seal->firsts[seal->first_count++] = 0;
    next_group(partition);
}

/* Those of two dimensions, then the others, each from the last to the first. */
static void next_rollup(struct partition *partition)
{
    struct seal *seal = partition->seal;
    int place = seal->rollup == ROLLUP_COUNT ? 0
                : rollup_rows[seal->rollup].first != DIMENSION_NONE
                    ? ROLLUP_COUNT - seal->rollup
                    : 2 * ROLLUP_COUNT - seal->rollup;
    for (; place < 2 * ROLLUP_COUNT; place++) {
        int rollup = ROLLUP_COUNT - 1 - place % ROLLUP_COUNT;
        bool two = rollup_rows[rollup].first != DIMENSION_NONE;
        if (two == (place < ROLLUP_COUNT) && rollup_rows[rollup].periods >> PERIOD_DAY & 1) {
            seal->rollup = rollup;
            begin_rollup(partition);
            return;
        }
    }
    tell_day(partition);
    next_day(partition);
}

/* Nothing that was counted in it waits to be written. */
static bool is_written(const struct partition *partition, struct group_key key)
{
    const struct group *group = board_find(partition->view.board, key);
    return !group || (group->dirty_count == 0 && group->taken_count == 0);
}

static void group_scanned(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct seal *seal = partition->seal;
    if (!reply || !seal->running || !is_page(partition, reply, &seal->cursor))
        return;
    if (!is_written(partition, seal->group)) {
        seal_put_off(partition, NULL);
        return;
    }
    int code = seal_page_take(partition, reply->element[1]);
    if (code == ERROR_CORRUPT) {
        seal_put_off(partition, "a cell is unreadable");
        return;
    }
    if (code == ERROR_LIMIT)
        seal->cursor = 0; /* from the start, where then only those that did not fit are left */
    else if (!seal->cursor)
        seal->first_at++;
    if (code == ERROR_LIMIT || seal_page_is_full(&seal->page))
        seal_page_flush(partition);
    else
        seal_go_on(partition);
}

static void next_group(struct partition *partition)
{
    struct seal *seal = partition->seal;
    if (seal->first_at < seal->first_count) {
        seal->group.first = seal->firsts[seal->first_at];
        scan_hash(partition, seal->group, seal->cursor, group_scanned);
    } else if (seal->page.moved_count) {
        seal->rollup_ends = true;
        seal_page_flush(partition);
    } else {
        next_rollup(partition);
    }
}

void seal_go_on(struct partition *partition)
{
    if (partition->seal->rollup_ends)
        next_rollup(partition);
    else
        next_group(partition);
}

/* --- when --------------------------------------------------------------------------------- */

void seal_tick(struct partition *partition)
{
    struct seal *seal = partition->seal;
    int64_t now_ms = partition_now_ms(partition);
    if (partition->stopping || !partition->options.seal_after_days)
        return;
    if (seal->running && seal->rests) {
        seal->rests = false;
        seal->work = 0;
        seal_go_on(partition);
    } else if (!seal->running && seal->passed_day != partition->view.today &&
               now_ms >= seal->not_before_ms &&
               now_ms - partition->live_since_ms >= later(partition, SETTLE_CHECKPOINTS)) {
        begin_pass(partition);
    }
}
