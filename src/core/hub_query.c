/*
 * Queries: a subscription without a viewer, answered once.
 */
#include "hub_internal.h"

#include <stdlib.h>

#include "livetally/mem.h"

static void query_free(struct hub_query *query)
{
    link_remove(&query->in_hub);
    subscription_done(query->hub, &query->subscription);
    free(query);
}

/* True when it was answered, and is gone. */
static bool query_answer(struct hub_query *query)
{
    struct hub *hub = query->hub;
    hub_query_fn *done = query->done;
    void *context = query->context;
    struct frame *frame = NULL;

    if (!subscription_settle(hub, &query->subscription))
        return false;
    if (!query->subscription.unavailable)
        frame = subscription_snapshot(hub, &query->subscription);
    query_free(query);
    done(context, frame ? (struct slice){(const char *)frame_text(frame), frame->size}
                        : (struct slice){NULL, 0});
    frame_unref(frame);
    return true;
}

struct hub_query *hub_query(struct hub *hub, const struct grant *grant, const struct slice *topics,
                            uint32_t count, hub_query_fn *done, void *context)
{
    struct hub_query *query = mem_zalloc(sizeof(*query));

    hub_observe(hub);
    query->hub = hub;
    query->done = done;
    query->context = context;
    subscription_init(&query->subscription, INTERVAL_DEFAULT,
                      hub->live.monotonic_ms + LOAD_WAIT_MS);
    link_append(&hub->queries, &query->in_hub);
    for (uint32_t i = 0; i < count; i++)
        subscription_add(hub, &query->subscription, topics[i], grant, NULL);
    return query_answer(query) ? NULL : query;
}

void hub_query_cancel(struct hub_query *query)
{
    if (query)
        query_free(query);
}

/* done() may make and cancel queries, so those to be looked at stand in a list of their own. */
void hub_answer_queries(struct hub *hub)
{
    struct link todo;

    link_init(&todo);
    while (!link_alone(&hub->queries)) {
        struct link *first = hub->queries.next;

        link_remove(first);
        link_append(&todo, first);
    }
    while (!link_alone(&todo)) {
        struct hub_query *query = LINK_OWNER(todo.next, struct hub_query, in_hub);

        link_remove(&query->in_hub);
        link_append(&hub->queries, &query->in_hub);
        query_answer(query);
    }
}

int64_t hub_queries_due_ms(const struct hub *hub)
{
    int64_t due_ms = INT64_MAX;

    for (struct link *at = hub->queries.next; at != &hub->queries; at = at->next) {
        const struct hub_query *query = LINK_OWNER(at, struct hub_query, in_hub);

        if (query->subscription.deadline_ms < due_ms)
            due_ms = query->subscription.deadline_ms;
    }
    return due_ms;
}
