/*
 * See sealed_read.h. First which pages there are, then those of the rollups asked for, a few at a
 * time: what a turn of the loop has to do stays small. A page that is gone by then was put together
 * with newer cells into another: it begins again.
 */
#include "sealed_read.h"

#include <stdlib.h>

#include "livetally/error.h"
#include "livetally/mem.h"
#include "resp.h"

#define PAGES_IN_FLIGHT 4
#define ATTEMPTS_MAX    20

struct page_name {
    enum rollup rollup;
    uint64_t number;
};

struct sealed_read {
    struct partition *partition;
    uint32_t lane;
    uint32_t day;
    uint32_t rollups;
    struct sealed_read_ops ops;
    struct page_name *names;
    uint32_t name_count, name_next, in_flight;
    uint32_t attempts;
    bool found_none;
    bool again; /* a page was gone */
};

static void begin(struct sealed_read *read);

bool sealed_read_found_none(const struct sealed_read *read)
{
    return read->found_none;
}

void sealed_read_free(struct sealed_read *read)
{
    if (!read)
        return;
    free(read->names);
    free(read);
}

static void refuse(struct sealed_read *read, const redisReply *reply)
{
    char key[KEY_MAX_BYTES];
    key_sealed(&read->partition->keys, read->lane, read->day, key);
    partition_resync_by(read->partition, reply, key);
}

static void ask_pages(struct sealed_read *read);

/* 0, or it can't be what was written. */
static int take_page(struct sealed_read *read, struct slice bytes)
{
    struct sealed_page page;
    if (sealed_page_open(bytes, &page) || page.day != read->day ||
        !(read->rollups >> page.rollup & 1))
        return ERROR_CORRUPT;
    return read->ops.page(read->ops.context, &page);
}

static void page_read(void *context, const redisReply *reply)
{
    struct sealed_read *read = context;
    if (!reply)
        return;
    if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_NIL) {
        refuse(read, reply);
        return;
    }
    read->in_flight--;
    if (reply->type == REDIS_REPLY_NIL) {
        read->again = true;
    } else if (take_page(read, reply_slice(reply))) {
        partition_resync(read->partition, "a page of a sealed day is unreadable");
        return;
    }
    ask_pages(read);
}

static void ask_pages(struct sealed_read *read)
{
    struct partition *partition = read->partition;
    struct buffer field = BUFFER_INIT;
    char key[KEY_MAX_BYTES];
    key_sealed(&partition->keys, read->lane, read->day, key);
    while (read->in_flight < PAGES_IN_FLIGHT && read->name_next < read->name_count) {
        const struct page_name *name = &read->names[read->name_next++];
        buffer_reset(&field);
        sealed_field_write(&field, name->rollup, name->number);
        buffer_reset(&partition->command);
        resp_start(&partition->command, 3);
        resp_text(&partition->command, "HGET");
        resp_text(&partition->command, key);
        resp_slice(&partition->command, buffer_slice(&field));
        read->in_flight++;
        partition_send(partition, page_read, read);
    }
    buffer_done(&field);
    if (read->in_flight)
        return;
    if (!read->again)
        read->ops.done(read->ops.context, read);
    else if (++read->attempts < ATTEMPTS_MAX)
        begin(read);
    else
        partition_resync(partition, "pages of a sealed day came and went while it was read");
}

static void names_read(void *context, const redisReply *reply)
{
    struct sealed_read *read = context;
    if (!reply)
        return;
    if (reply->type != REDIS_REPLY_ARRAY) {
        refuse(read, reply);
        return;
    }
    read->found_none = reply->elements == 0;
    read->names = mem_resize(read->names, reply->elements + 1, sizeof *read->names);
    read->name_count = read->name_next = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        struct page_name *name = &read->names[read->name_count];
        if (!sealed_field_read(reply_slice(reply->element[i]), &name->rollup, &name->number)) {
            partition_resync(read->partition, "a page of a sealed day has a name of another kind");
            return;
        }
        read->name_count += read->rollups >> name->rollup & 1;
    }
    ask_pages(read);
}

static void begin(struct sealed_read *read)
{
    struct partition *partition = read->partition;
    char key[KEY_MAX_BYTES];
    key_sealed(&partition->keys, read->lane, read->day, key);
    read->again = false;
    redis_link_command(partition->link, names_read, read, "HKEYS %s", key);
}

struct sealed_read *sealed_read_new(struct partition *partition, uint32_t lane, uint32_t day,
                                    uint32_t rollups, const struct sealed_read_ops *ops)
{
    struct sealed_read *read = mem_zalloc(sizeof *read);
    *read = (struct sealed_read){
        .partition = partition, .lane = lane, .day = day, .rollups = rollups, .ops = *ops};
    begin(read);
    return read;
}
