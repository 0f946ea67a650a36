/*
 * A page of a closed day: gathered from hashes, put together with the rollup's newest page when
 * that is small, packed, and moved by one fenced script. See seal.c for what makes it exact.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "livetally/error.h"
#include "resp.h"
#include "seal.h"

#define FIXED_KEYS      3
#define FIXED_ARGUMENTS 6

void seal_page_reset(struct seal_page *page)
{
    page->texts_size = 0;
    page->cell_count = page->moved_count = page->hash_count = 0;
}

bool seal_page_is_full(const struct seal_page *page)
{
    return page->moved_count >= PAGE_FULL || page->hash_count == PAGE_HASHES;
}

/* --- gathering ---------------------------------------------------------------------------- */

/* There is room for PAGE_MAX cells, each with a field, a value and a group's id of its own. */
static struct slice keep_text(struct seal_page *page, struct slice text)
{
    char *at = page->texts + page->texts_size;
    assert(text.size <= TEXTS_BYTES - page->texts_size);
    if (text.size)
        memcpy(at, text.data, text.size);
    page->texts_size += text.size;
    return (struct slice){at, text.size};
}

static struct slice first_text(struct partition *partition, struct group_key group)
{
    enum dimension dimension = group_first_dimension(group);
    struct group_key as_cell = {.rollup = ROLLUP_COUNTY, .period = PERIOD_DAY};
    if (dimension == DIMENSION_NONE)
        return SLICE("");
    if (dimension != DIMENSION_COUNTY)
        return names_text(partition->view.names, group.first);
    buffer_reset(&partition->command);
    cell_field_write(&partition->command, partition->view.names, as_cell, group.first);
    return keep_text(&partition->seal->page, buffer_slice(&partition->command));
}

static int take_cell(struct partition *partition, struct slice first, struct slice field,
                     struct slice value)
{
    struct seal *seal = partition->seal;
    struct seal_page *page = &seal->page;
    struct sealed_cell *cell = &page->cells[page->cell_count];
    uint64_t version;
    if (value.size > VALUE_MAX_BYTES || cell_value_read(value, &cell->metrics, &version) != 0 ||
        version > partition->fence.version ||
        !dimension_text_ok(group_cell_dimension(seal->group), field))
        return ERROR_CORRUPT;
    cell->first = first;
    cell->field = keep_text(page, field);
    cell->version = partition->fence.version;
    page->moved[page->moved_count++] = (struct moved_cell){cell->field, keep_text(page, value)};
    page->cell_count++;
    return 0;
}

int seal_page_take(struct partition *partition, const redisReply *pairs)
{
    struct seal *seal = partition->seal;
    struct seal_page *page = &seal->page;
    struct slice first = first_text(partition, seal->group);
    uint32_t before = page->moved_count;
    size_t count = pairs->elements / 2;
    bool fits = count <= PAGE_MAX - page->cell_count;
    if (!fits)
        count = PAGE_MAX - page->cell_count;
    for (size_t i = 0; i < count; i++)
        if (take_cell(partition, first, reply_slice(pairs->element[2 * i]),
                      reply_slice(pairs->element[2 * i + 1])) != 0)
            return ERROR_CORRUPT;
    if (page->moved_count > before)
        page->hashes[page->hash_count++] =
            (struct moved_hash){seal->group, before, page->moved_count - before};
    return fits ? 0 : ERROR_LIMIT;
}

/* --- writing ------------------------------------------------------------------------------ */

static void moved(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct seal *seal = partition->seal;
    if (!reply || !seal->running)
        return;
    if (reply_is_array(reply, 1) && reply_is_text(reply->element[0], "fence")) {
        partition_resync(partition, "sealing was fenced: another daemon holds the lane");
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR)
        seal->day_count = seal->day_at + 1; /* what Redis refuses of one day, it does of others */
    if (reply->type != REDIS_REPLY_INTEGER) {
        seal_put_off(partition, reply->type == REDIS_REPLY_ERROR ? reply->str : NULL);
        return;
    }
    seal->tail[seal->rollup]++;
    seal->day_cells += seal->page.moved_count;
    seal->day_pages++;
    seal->work += seal->page.cell_count;
    seal_page_reset(&seal->page);
    if (seal->work >= PAGE_FULL)
        seal->rests = true;
    else
        seal_go_on(partition);
}

static void add_field(struct buffer *command, struct buffer *text, enum rollup rollup,
                      uint64_t number)
{
    buffer_reset(text);
    sealed_field_write(text, rollup, number);
    resp_slice(command, buffer_slice(text));
}

static void add_keys(struct partition *partition, struct buffer *command, struct buffer *text)
{
    const struct seal *seal = partition->seal;
    char key[KEY_MAX_BYTES];
    key_lane(&partition->keys, partition->fence.lane, "owner", key);
    resp_text(command, key);
    key_meta(&partition->keys, key);
    resp_text(command, key);
    key_sealed(&partition->keys, partition->fence.lane, seal->group.when, key);
    resp_text(command, key);
    for (uint32_t i = 0; i < seal->page.hash_count; i++) {
        buffer_reset(text);
        key_group(&partition->keys, partition->fence.lane, partition->view.names,
                  seal->page.hashes[i].key, text);
        resp_slice(command, buffer_slice(text));
    }
}

static void add_moved(struct buffer *command, const struct seal_page *page,
                      const struct moved_hash *hash)
{
    const struct moved_cell *cells = &page->moved[hash->first];
    resp_uint(command, hash->count);
    for (uint32_t i = 0; i < hash->count; i++)
        resp_slice(command, cells[i].field);
    for (uint32_t i = 0; i < hash->count; i++)
        resp_slice(command, cells[i].value);
}

static void write_page(struct partition *partition, uint64_t replaces)
{
    struct seal *seal = partition->seal;
    struct seal_page *page = &seal->page;
    enum rollup rollup = (enum rollup)seal->rollup;
    const struct partition_options *options = &partition->options;
    struct buffer command = BUFFER_INIT, text = BUFFER_INIT;
    uint32_t count = sealed_cells_sort(page->cells, page->cell_count);
    resp_start(&command, 3 + FIXED_KEYS + page->hash_count + FIXED_ARGUMENTS + page->hash_count +
                             2 * (size_t)page->moved_count);
    resp_text(&command, "EVALSHA");
    resp_text(&command, partition->script_sha[SCRIPT_SEAL]);
    resp_uint(&command, FIXED_KEYS + page->hash_count);
    add_keys(partition, &command, &text);
    resp_text(&command, partition->fence.owner);
    resp_text(&command, partition->fence.epoch);
    resp_uint(&command, (uint64_t)(calendar_day_start_ms(&options->calendar, seal->group.when) +
                                   (options->day_keep_days + INT64_C(1)) * DAY_MS));
    add_field(&command, &text, rollup, seal->tail[rollup] + 1);
    buffer_reset(&text);
    sealed_page_write(&text, seal->group.when, rollup, page->cells, count);
    resp_slice(&command, buffer_slice(&text));
    if (replaces)
        add_field(&command, &text, rollup, replaces);
    else
        resp_text(&command, "");
    for (uint32_t i = 0; i < page->hash_count; i++)
        add_moved(&command, page, &page->hashes[i]);
    sealed_bases_expect(partition, seal->group.when);
    redis_link_send(partition->link, buffer_slice(&command), moved, partition);
    buffer_done(&command);
    buffer_done(&text);
}

/* --- the rollup's newest page ------------------------------------------------------------- */

static int take_page(struct seal_page *page, struct sealed_page *old)
{
    struct slice field;
    struct metrics metrics;
    int found;
    while ((found = sealed_page_section(old)) == 1) {
        struct slice first = keep_text(page, old->first);
        while ((found = sealed_page_cell(old, &field, &metrics)) == 1) {
            if (page->cell_count == PAGE_MAX)
                return ERROR_LIMIT;
            page->cells[page->cell_count++] = (struct sealed_cell){.first = first,
                                                                   .field = keep_text(page, field),
                                                                   .version = old->version,
                                                                   .metrics = metrics};
        }
        if (found < 0)
            return found;
    }
    return found;
}

static void newest_read(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct seal *seal = partition->seal;
    struct sealed_page old;
    if (!reply || !seal->running)
        return;
    if (sealed_page_open(reply_slice(reply), &old) != 0 || old.day != seal->group.when ||
        old.rollup != (enum rollup)seal->rollup) {
        seal_put_off(partition, "a page of it is unreadable");
        return;
    }
    seal->may_merge = false;
    int code = take_page(&seal->page, &old);
    if (code == ERROR_CORRUPT)
        seal_put_off(partition, "a page of it is unreadable");
    else if (code == 0 && seal->page.cell_count - seal->page.moved_count < PAGE_FULL / 2)
        write_page(partition, seal->tail[seal->rollup]);
    else {
        seal->page.cell_count = seal->page.moved_count;
        write_page(partition, 0);
    }
}

void seal_page_flush(struct partition *partition)
{
    const struct seal *seal = partition->seal;
    char key[KEY_MAX_BYTES];
    if (!seal->may_merge) {
        write_page(partition, 0);
        return;
    }
    buffer_reset(&partition->command);
    sealed_field_write(&partition->command, (enum rollup)seal->rollup, seal->tail[seal->rollup]);
    key_sealed(&partition->keys, partition->fence.lane, seal->group.when, key);
    redis_link_command(partition->link, newest_read, partition, "HGET %s %b", key,
                       partition->command.data, partition->command.size);
}
