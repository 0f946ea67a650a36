/*
 * The hub's life, its viewers, the look at the view that dates everything, and the tick.
 * hub_internal.h draws the structure.
 */
#include "hub_internal.h"

#include <stdlib.h>
#include <utlist.h>

#include "livetally/json.h"
#include "livetally/mem.h"

#define IDLE_MS  1000 /* longest time between two ticks */
#define RETRY_MS 1000 /* between looks at topics that aren't ready */
#define NAMES_MS 50   /* between looks for ids that sell for the first time */

const uint32_t hub_intervals_ms[INTERVAL_COUNT] = {100, 250, 500, 1000, 2000, 5000};

struct hub *hub_new(const struct hub_options *options, const struct view *view,
                    const struct hub_source *source, const struct clock *clock, struct stats *stats)
{
    struct hub *hub = mem_zalloc(sizeof(*hub));

    hub->options = *options;
    hub->live.view = view;
    hub->live.source = *source;
    hub->clock = *clock;
    hub->stats = stats;
    hub->request = request_new();
    hub->waiting_due_ms = INT64_MAX;
    link_init(&hub->viewers);
    link_init(&hub->waiting);
    link_init(&hub->queries);
    for (int i = 0; i < INTERVAL_COUNT; i++) {
        hub->classes[i].interval_ms = hub_intervals_ms[i];
        link_init(&hub->classes[i].audiences);
    }
    return hub;
}

void hub_set_limits(struct hub *hub, uint32_t max_topics_per_viewer, uint32_t max_topics)
{
    hub->options.max_topics_per_viewer = max_topics_per_viewer;
    hub->options.max_topics = max_topics;
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    buffer_done(&hub->text);
    buffer_done(&hub->head);
    buffer_done(&hub->live.scratch);
    free(hub->request);
    free(hub);
}

struct viewer *hub_join(struct hub *hub, const struct viewer_ops *ops, void *peer)
{
    struct viewer *viewer = mem_zalloc(sizeof(*viewer));

    viewer->hub = hub;
    viewer->ops = ops;
    viewer->peer = peer;
    viewer->interval = INTERVAL_DEFAULT;
    viewer->sent_ms = clock_monotonic_ms(&hub->clock);
    viewer->window_ms = viewer->sent_ms;
    link_init(&viewer->in_audience);
    link_append(&hub->viewers, &viewer->by_silence);
    hub->viewer_count++;
    return viewer;
}

void hub_limit(struct viewer *viewer, const struct grant *grant)
{
    viewer->grant = grant;
}

static void set_blocked(struct viewer *viewer, bool blocked)
{
    viewer->hub->stats->slow_viewers += (int)blocked - (int)viewer->blocked;
    viewer->blocked = blocked;
}

void hub_leave(struct viewer *viewer)
{
    set_blocked(viewer, false);
    viewer_forget(viewer);
    audience_detach(viewer);
    link_remove(&viewer->by_silence);
    viewer->hub->viewer_count--;
    free(viewer->increments);
    free(viewer);
}

bool hub_send(struct viewer *viewer, struct frame *frame)
{
    struct hub *hub = viewer->hub;

    if (!viewer->ops->send(viewer->peer, frame)) {
        set_blocked(viewer, true);
        return false;
    }
    hub->stats->frames_pushed++;
    hub->stats->bytes_pushed += frame->size;
    viewer->sent_ms = hub->live.monotonic_ms;
    link_remove(&viewer->by_silence);
    link_append(&hub->viewers, &viewer->by_silence);
    return true;
}

void hub_drained(struct viewer *viewer)
{
    hub_observe(viewer->hub);
    set_blocked(viewer, false);
    if (!viewer_send_rest(viewer))
        return;
    if (viewer->missed)
        hub_catch_up(viewer);
    viewer_go_on(viewer);
}

/* For the time from a commit to its push; once a commit, however many viewers there are. */
static void date_change(struct hub *hub)
{
    int64_t now_ms;

    if (hub->viewer_count == 0 ||
        board_version_ahead(hub->live.view->board) == hub->live.now.version)
        return;
    now_ms = clock_monotonic_ms(&hub->clock);
    for (int i = 0; i < INTERVAL_COUNT; i++)
        if (hub->classes[i].changed_ms == 0)
            hub->classes[i].changed_ms = now_ms;
}

void hub_totals_changed(struct hub *hub)
{
    date_change(hub);
}

void hub_groups_changed(struct hub *hub)
{
    hub->groups_changed = true;
    date_change(hub);
}

static void prepare_topics(struct hub *hub)
{
    struct live *live = &hub->live;
    struct live_topic *topic, *next;

    HASH_ITER(hh, live->topics, topic, next)
    {
        if (topic->plan != live->plan)
            live_topic_prepare(live, topic, false);
    }
}

static void prepare_unready(struct hub *hub)
{
    struct live *live = &hub->live;
    struct live_topic *topic, *next;

    DL_FOREACH_SAFE2(live->unready, topic, next, unready_next)
    {
        live_topic_prepare(live, topic, false);
    }
}

/*
 * What sells for the first time needs groups that nobody had. They are loaded now, as in the round
 * they are missed, and what they show would come an interval late. But while many ids are new the
 * lookups wait for each other.
 */
static void prepare_first_sales(struct hub *hub)
{
    struct live *live = &hub->live;
    uint32_t names_before = hub->names_seen;

    hub->names_ms = live->monotonic_ms + NAMES_MS;
    hub->names_seen = names_count(live->view->names);
    live_await_look(live, names_before);
}

static bool first_sales_wait(const struct hub *hub)
{
    return hub->names_seen != names_count(hub->live.view->names) && hub->live.topics;
}

static struct observed look(const struct hub *hub, int64_t wall_ms)
{
    const struct view *view = hub->live.view;
    struct observed seen = {
        .board_number = view->board_number,
        .catalog_changes = catalog_changes(view->catalog),
        .orders = ticker_all(view->ticker)->count,
        .names = names_count(view->names),
        .today = view->today,
        .hour = calendar_hour(&view->calendar, wall_ms),
        .stale = view->stale,
    };

    memcpy(seen.epoch, view->epoch, sizeof(seen.epoch));
    return seen;
}

/* What is different by kind: new groups to read, or nothing shown so far valid any more. */
static bool compare_view(struct hub *hub, const struct observed *seen)
{
    const struct observed *last = &hub->observed;
    struct live *live = &hub->live;
    uint64_t seq = live->now.seq + 1;
    bool epoch = memcmp(seen->epoch, last->epoch, sizeof(seen->epoch)) != 0;
    bool generation = epoch || seen->board_number != last->board_number;

    if (epoch) {
        hub->epochs++;
        hub->epoch_ms = live->monotonic_ms;
    }
    if (generation)
        live->generation++;
    if (generation || seen->today != last->today || seen->hour != last->hour || live->plan == 0)
        live->plan++;
    if (seen->stale != last->stale)
        hub->stale_changed = seq;
    return generation || seen->today != last->today || seen->hour != last->hour ||
           seen->stale != last->stale || seen->names != last->names ||
           seen->orders != last->orders || seen->catalog_changes != last->catalog_changes;
}

/* totals: look at the board, too. */
static void observe(struct hub *hub, bool totals)
{
    struct live *live = &hub->live;
    int64_t wall_ms = clock_wall_ms(&hub->clock);
    int64_t minute = wall_ms / MINUTE_MS;
    uint64_t version = totals ? board_version(live->view->board) : live->now.version;
    struct observed seen = look(hub, wall_ms);
    uint64_t plan = live->plan;
    bool groups = hub->groups_changed;
    bool first_sales;
    bool changed;
    bool all;

    hub->wall_ms = wall_ms;
    live->monotonic_ms = clock_monotonic_ms(&hub->clock);
    first_sales = first_sales_wait(hub) && live->monotonic_ms >= hub->names_ms;
    if (live->unready && live->monotonic_ms >= hub->retry_ms) {
        hub->retry_ms = live->monotonic_ms + RETRY_MS;
        groups = true;
    }
    changed = compare_view(hub, &seen) || groups || first_sales || live->now.seq == 0 ||
              version != live->now.version || minute != live->now.minute;
    if (!changed)
        return;
    hub->groups_changed = false;
    all = live->plan != plan || minute != live->now.minute || live->now.seq == 0 ||
          seen.catalog_changes != hub->observed.catalog_changes;
    hub->observed = seen;
    live->now = (struct live_point){live->now.seq + 1, version, minute};
    if (all)
        live_touch_all(live);
    if (totals)
        live_touch_changed(live);
    if (live->plan != plan)
        prepare_topics(hub);
    if (groups || live->plan != plan)
        prepare_unready(hub);
    if (first_sales)
        prepare_first_sales(hub);
}

void hub_observe(struct hub *hub)
{
    observe(hub, true);
}

static struct frame *encode_heartbeat(struct hub *hub)
{
    struct buffer *out = &hub->text;

    buffer_reset(out);
    buffer_append_byte(out, '{');
    json_field_string(out, "type", SLICE("heartbeat"));
    json_field_int(out, "time", hub->wall_ms);
    json_field_uint(out, "ver", hub->live.now.version);
    buffer_append_byte(out, '}');
    return frame_new(buffer_slice(out));
}

static struct viewer *most_silent(const struct hub *hub)
{
    if (link_alone(&hub->viewers))
        return NULL;
    return LINK_OWNER(hub->viewers.next, struct viewer, by_silence);
}

/* One frame for all that are due. A full socket has something to read, so it needs none. */
static bool send_heartbeats(struct hub *hub, uint32_t *budget)
{
    int64_t before_ms = hub->live.monotonic_ms - HEARTBEAT_MS;
    struct viewer *viewer = most_silent(hub);
    struct frame *frame = NULL;

    for (; viewer && viewer->sent_ms <= before_ms && *budget > 0; viewer = most_silent(hub)) {
        --*budget;
        if (!frame)
            frame = encode_heartbeat(hub);
        if (viewer->blocked || !hub_send(viewer, frame)) {
            viewer->sent_ms = hub->live.monotonic_ms;
            link_remove(&viewer->by_silence);
            link_append(&hub->viewers, &viewer->by_silence);
        }
    }
    frame_unref(frame);
    return !viewer || viewer->sent_ms > before_ms;
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static int64_t next_tick_ms(const struct hub *hub)
{
    const struct viewer *viewer = most_silent(hub);
    int64_t due_ms = hub->live.monotonic_ms + IDLE_MS;
    int64_t wait_ms;

    due_ms = earlier(due_ms, hub_push_due_ms(hub));
    due_ms = earlier(due_ms, hub_queries_due_ms(hub));
    if (hub->waiting_count > 0)
        due_ms = earlier(due_ms, hub->waiting_due_ms);
    if (hub->live.unready)
        due_ms = earlier(due_ms, hub->retry_ms);
    if (first_sales_wait(hub))
        due_ms = earlier(due_ms, hub->names_ms);
    if (viewer)
        due_ms = earlier(due_ms, viewer->sent_ms + HEARTBEAT_MS);
    wait_ms = due_ms - hub->live.monotonic_ms;
    return wait_ms > 0 ? wait_ms : 1;
}

int64_t hub_tick(struct hub *hub)
{
    uint32_t budget = hub->options.push_slice ? hub->options.push_slice : 1;

    /* Looking makes the board count all that it has gathered. */
    observe(hub, hub->live.topics != NULL);
    hub->stats->topics = live_topic_count(&hub->live);
    hub->stats->audiences = hub_audience_count(hub);
    hub_answer_queries(hub);
    if (!hub_go_on(hub, &budget) || !hub_push(hub, &budget) || !send_heartbeats(hub, &budget))
        return 0;
    return hub->groups_changed ? 0 : next_tick_ms(hub);
}

uint32_t hub_viewer_count(const struct hub *hub)
{
    return hub->viewer_count;
}

uint32_t hub_topic_count(const struct hub *hub)
{
    return live_topic_count(&hub->live);
}

uint32_t hub_audience_count(const struct hub *hub)
{
    return HASH_COUNT(hub->audiences);
}
