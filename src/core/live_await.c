/*
 * Topics whose id never sold, by id: what sells for the first time is looked up among them, or all
 * of them among the names, whichever are fewer. So neither many such topics nor many new names
 * cost anything while the other are few.
 */
#include "live_topic.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "livetally/mem.h"

static struct live_awaited *find_awaited(const struct live *live, struct slice id)
{
    struct live_awaited *awaited;

    HASH_FIND(hh, live->awaited, id.data, id.size, awaited);
    return awaited;
}

void live_await(struct live *live, struct live_topic *live_topic)
{
    struct slice id = topic_id(&live_topic->topic);
    struct live_awaited *awaited;

    if (live_topic->awaits)
        return;
    awaited = find_awaited(live, id);
    if (!awaited) {
        awaited = mem_zalloc(sizeof(*awaited) + id.size);
        memcpy(awaited->id, id.data, id.size);
        HASH_ADD_KEYPTR(hh, live->awaited, awaited->id, id.size, awaited);
    }
    DL_APPEND2(awaited->topics, live_topic, await_prev, await_next);
    live_topic->awaits = true;
}

void live_await_end(struct live *live, struct live_topic *live_topic)
{
    struct live_awaited *awaited;

    if (!live_topic->awaits)
        return;
    live_topic->awaits = false;
    awaited = find_awaited(live, topic_id(&live_topic->topic));
    DL_DELETE2(awaited->topics, live_topic, await_prev, await_next);
    if (awaited->topics)
        return;
    HASH_DEL(live->awaited, awaited);
    free(awaited);
}

/* Ends their waiting, and with the last one's `awaited` is gone. */
static void prepare_awaiting(struct live *live, const struct live_awaited *awaited)
{
    struct live_topic *topic, *next;

    DL_FOREACH_SAFE2(awaited->topics, topic, next, await_next)
    {
        live_topic_prepare(live, topic, false);
    }
}

void live_await_look(struct live *live, uint32_t names_before)
{
    const struct names *names = live->view->names;
    uint32_t count = names_count(names);
    struct live_awaited *awaited, *next;

    if (count - names_before > HASH_COUNT(live->awaited)) {
        HASH_ITER(hh, live->awaited, awaited, next)
        {
            if (names_find(names, (struct slice){awaited->id, awaited->hh.keylen}))
                prepare_awaiting(live, awaited);
        }
        return;
    }
    for (uint32_t number = names_before + 1; number <= count; number++) {
        awaited = find_awaited(live, names_text(names, number));
        if (awaited)
            prepare_awaiting(live, awaited);
    }
}
