/*
 * Rounds: what is due is pushed, class by class, audience by audience, viewer by viewer. The place
 * where a slice stopped is kept in the class and moved on when somebody leaves.
 */
#include "hub_internal.h"

#include <string.h>

static bool snapshot_possible(const struct hub *hub, const struct audience *audience)
{
    if (hub->live.monotonic_ms - hub->epoch_ms >= LOAD_WAIT_MS)
        return true;
    for (uint32_t i = 0; i < audience->topic_count; i++) {
        if (!audience->topics[i]->ready)
            return false;
    }
    return true;
}

static bool outdated(const struct viewer *viewer)
{
    return viewer->epoch != viewer->hub->epochs;
}

static void sent(struct viewer *viewer)
{
    const struct audience *audience = viewer->audience;
    struct increments *increments = viewer->increments;

    viewer->seq = audience->refreshed.seq;
    if (!increments)
        return;
    increments->point = audience->refreshed;
    if (audience->ticker_count) /* else orders is NULL, which memcpy() doesn't take */
        memcpy(increments->orders, audience->orders,
               audience->ticker_count * sizeof(*increments->orders));
}

static void missed(struct viewer *viewer)
{
    viewer->missed = true;
    viewer->hub->stats->updates_conflated++;
}

/* After an epoch change a viewer gets all its topics as soon as they are there. */
static void serve_outdated(struct viewer *viewer)
{
    struct hub *hub = viewer->hub;
    struct audience *audience = viewer->audience;
    bool snapshot = snapshot_possible(hub, audience);

    if (!snapshot) {
        audience->settled = 0;
        if (viewer->seq >= hub->stale_changed)
            return;
    }
    if (!hub_send(viewer,
                  snapshot ? audience_snapshot(hub, audience) : audience_bare(hub, audience))) {
        missed(viewer);
        return;
    }
    if (snapshot)
        viewer->epoch = hub->epochs;
    sent(viewer);
}

void hub_serve(struct viewer *viewer)
{
    struct audience *audience = viewer->audience;
    struct frame *frame;

    if (viewer->blocked) {
        if (outdated(viewer) || audience->changed > viewer->seq)
            missed(viewer);
        return;
    }
    if (outdated(viewer)) {
        serve_outdated(viewer);
        return;
    }
    frame = audience_update(viewer->hub, audience, viewer);
    if (!frame)
        return;
    if (hub_send(viewer, frame))
        sent(viewer);
    else
        missed(viewer);
}

bool hub_catch_up(struct viewer *viewer)
{
    viewer->missed = false;
    if (!viewer->audience)
        return true;
    audience_refresh(viewer->hub, viewer->audience);
    hub_serve(viewer);
    return !viewer->blocked && !outdated(viewer);
}

/* On multiples of the interval, but no two pushes close to each other when one came late. */
static void plan_next_round(struct interval_class *class, int64_t now_ms, bool pushing)
{
    int64_t interval = class->interval_ms;
    int64_t late = now_ms % interval;

    class->due_ms = now_ms - late + interval;
    if (pushing && late > interval / 2)
        class->due_ms += interval;
}

/* False: the budget is used up. */
static bool serve_audience(struct hub *hub, struct interval_class *class, struct audience *audience,
                           uint32_t *budget)
{
    if (!class->next_viewer) {
        audience_refresh(hub, audience);
        --*budget;
        if (audience->changed <= audience->settled)
            return true;
        class->round_pushed = true;
        audience->settled = audience->changed;
        class->next_viewer = audience->viewers.next;
    }
    while (class->next_viewer != &audience->viewers) {
        struct viewer *viewer = LINK_OWNER(class->next_viewer, struct viewer, in_audience);

        if (*budget == 0)
            return false;
        --*budget;
        class->next_viewer = class->next_viewer->next;
        hub_serve(viewer);
    }
    class->next_viewer = NULL;
    return true;
}

static void begin_round(struct hub *hub, struct interval_class *class)
{
    class->round_seq = hub->live.now.seq;
    class->round_changed_ms = class->changed_ms;
    class->changed_ms = 0;
    class->round_pushed = false;
    class->in_round = true;
    class->next_audience = class->audiences.next;
    class->next_viewer = NULL;
}

static void end_round(struct hub *hub, struct interval_class *class)
{
    class->in_round = false;
    if (class->round_pushed && class->round_changed_ms)
        histogram_add(&hub->stats->push_seconds, STATS_SECONDS,
                      (double)(clock_monotonic_ms(&hub->clock) - class->round_changed_ms) / 1e3, 1);
}

static bool run_round(struct hub *hub, struct interval_class *class, uint32_t *budget)
{
    while (class->next_audience != &class->audiences) {
        struct audience *audience = LINK_OWNER(class->next_audience, struct audience, in_class);

        if (*budget == 0 || !serve_audience(hub, class, audience, budget))
            return false;
        class->next_audience = class->next_audience->next;
    }
    end_round(hub, class);
    return true;
}

bool hub_push(struct hub *hub, uint32_t *budget)
{
    int64_t now_ms = hub->live.monotonic_ms;

    for (int i = 0; i < INTERVAL_COUNT; i++) {
        struct interval_class *class = &hub->classes[i];

        if (!class->in_round && class->viewer_count > 0 && now_ms >= class->due_ms) {
            bool changed = class->round_seq != hub->live.now.seq;

            plan_next_round(class, now_ms, changed);
            if (!changed)
                continue;
            begin_round(hub, class);
        }
        if (class->in_round && !run_round(hub, class, budget))
            return false;
    }
    return true;
}

void hub_push_begin(struct hub *hub, struct interval_class *class)
{
    class->changed_ms = 0; /* it is sent all that was before */
    plan_next_round(class, hub->live.monotonic_ms, false);
}

int64_t hub_push_due_ms(const struct hub *hub)
{
    int64_t due_ms = INT64_MAX;

    for (int i = 0; i < INTERVAL_COUNT; i++) {
        const struct interval_class *class = &hub->classes[i];

        if (class->viewer_count > 0 && class->due_ms < due_ms)
            due_ms = class->due_ms;
    }
    return due_ms;
}
