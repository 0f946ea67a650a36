/*
 * Which topics a change may show in, so that a look at the view costs what changed since the last
 * one and not what is subscribed to.
 *
 * A touched topic is read again at its next refresh, others stay as they are. The board lists the
 * watched groups that changed. Boards and series read a group as a whole: they hang on its key. Of
 * scopes there are as many in one group as somebody watches, each reading a cell or an area: they
 * are found by the keys of the cells that changed. Where more cells changed than there are such
 * topics, or when it isn't known which, all of them are touched.
 *
 * What is rare, or can show in any topic (midnight, a minute, a name in the catalog, another
 * board), touches all at once by a number.
 */
#include "live_topic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "livetally/mem.h"

void live_touch(struct live *live, struct live_topic *live_topic)
{
    if (live_topic->touched < live->now.seq)
        live_topic->touched = live->now.seq;
    live_topic->refreshed = 0;
    live->any_touched = live->now.seq;
}

void live_touch_all(struct live *live)
{
    live->all_touched = live->now.seq;
    live->any_touched = live->now.seq;
}

static uint64_t cell_of_scope(enum scope_kind scope, uint32_t code)
{
    return (uint64_t)scope << 32 | code;
}

void live_touch_set_cell(struct live *live, struct live_topic *live_topic, uint32_t code)
{
    if (live_topic->topic.kind != TOPIC_SCOPE || code == 0)
        return;
    live_topic->cell = cell_of_scope(live_topic->topic.scope, code);
    HASH_ADD(hh_cell, live->cells, cell, sizeof(live_topic->cell), live_topic);
}

void live_touch_forget(struct live *live, struct live_topic *live_topic)
{
    if (live_topic->cell)
        HASH_DELETE(hh_cell, live->cells, live_topic);
}

static void read_group(struct live *live, struct live_source *source)
{
    struct live_readers *readers;

    HASH_FIND(hh, live->readers, &source->key, sizeof(source->key), readers);
    if (!readers) {
        readers = mem_zalloc(sizeof(*readers));
        readers->key = source->key;
        HASH_ADD(hh, live->readers, key, sizeof(readers->key), readers);
    }
    DL_APPEND(readers->first, source);
}

static void stop_reading_group(struct live *live, struct live_source *source)
{
    struct live_readers *readers;

    HASH_FIND(hh, live->readers, &source->key, sizeof(source->key), readers);
    assert(readers);
    DL_DELETE(readers->first, source);
    if (readers->first)
        return;
    HASH_DEL(live->readers, readers);
    free(readers);
}

void live_touch_watch(struct live *live, struct live_topic *live_topic)
{
    if (live_topic->source_count && live_topic->topic.kind == TOPIC_SCOPE)
        live->cell_readers[live_topic->sources[0].key.rollup]++;
    for (uint32_t i = 0; i < live_topic->source_count; i++) {
        live_topic->sources[i].topic = live_topic;
        if (live_topic->topic.kind != TOPIC_SCOPE)
            read_group(live, &live_topic->sources[i]);
    }
}

/* With the last one that reads cells of a group its list of changes may go, and with it what the
   numbers in it mean. */
void live_touch_unwatch(struct live *live, struct live_topic *live_topic)
{
    if (live_topic->source_count && live_topic->topic.kind == TOPIC_SCOPE) {
        uint16_t rollup = live_topic->sources[0].key.rollup;

        if (--live->cell_readers[rollup] == 0)
            memset(live->cells_seen[rollup], 0, sizeof(live->cells_seen[rollup]));
        return;
    }
    for (uint32_t i = 0; i < live_topic->source_count; i++)
        stop_reading_group(live, &live_topic->sources[i]);
}

static void touch_cell(struct live *live, enum scope_kind scope, uint32_t code)
{
    uint64_t cell = cell_of_scope(scope, code);
    struct live_topic *topic;

    HASH_FIND(hh_cell, live->cells, &cell, sizeof(cell), topic);
    if (topic)
        live_touch(live, topic);
}

static void touch_cells_of(struct live *live, enum rollup rollup, uint32_t key)
{
    switch (rollup) {
    case ROLLUP_TOTAL:
        touch_cell(live, SCOPE_TOTAL, key);
        break;
    case ROLLUP_HOST:
        touch_cell(live, SCOPE_HOST, key);
        break;
    case ROLLUP_COUNTY:
        touch_cell(live, SCOPE_COUNTY, key);
        touch_cell(live, SCOPE_PREFECTURE, key / 100);
        touch_cell(live, SCOPE_PROVINCE, key / 10000);
        break;
    case ROLLUP_PRODUCT:
        touch_cell(live, SCOPE_PRODUCT, key);
        break;
    case ROLLUP_SESSION:
        touch_cell(live, SCOPE_SESSION, key);
        break;
    case ROLLUP_PLATFORM:
        touch_cell(live, SCOPE_PLATFORM, key);
        break;
    default:
        break;
    }
}

static void touch_all_cells(struct live *live, uint16_t rollup)
{
    for (struct live_topic *topic = live->cells; topic; topic = topic->hh_cell.next) {
        if (topic->source_count && topic->sources[0].key.rollup == rollup)
            live_touch(live, topic);
    }
}

static void touch_changed_cells(struct live *live, struct group *group)
{
    struct group_key key = group->key;
    struct live_cells_seen *seen = &live->cells_seen[key.rollup][key.period];
    uint32_t readers = live->cell_readers[key.rollup];

    if (readers == 0)
        return;
    if (seen->board_number != live->view->board_number || seen->when != key.when ||
        group->reloaded > seen->version || group_changes_gone(group, seen->changes) ||
        group->log->count - seen->changes > readers) {
        touch_all_cells(live, key.rollup);
    } else {
        for (uint64_t i = seen->changes; i < group->log->count; i++) {
            uint32_t place = group->log->places[i & group->log->mask];

            touch_cells_of(live, (enum rollup)key.rollup, group->cells[place].key);
        }
    }
    *seen = (struct live_cells_seen){live->view->board_number, live->now.version,
                                     group_changes_mark(group), key.when};
}

void live_touch_changed(struct live *live)
{
    struct live_readers *readers;
    struct live_source *source;
    struct group *group;

    while ((group = board_changed_next(live->view->board))) {
        HASH_FIND(hh, live->readers, &group->key, sizeof(group->key), readers);
        if (readers) {
            DL_FOREACH(readers->first, source)
            {
                live_touch(live, source->topic);
            }
        }
        if (group->state == GROUP_LOADED && group->key.period != PERIOD_MINUTE &&
            rollup_rows[group->key.rollup].first == DIMENSION_NONE)
            touch_changed_cells(live, group);
    }
}
