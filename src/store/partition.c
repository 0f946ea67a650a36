/*
 * A partition's life: made, connected, ticking, stopped. What it does in between is in the other
 * files (see partition_private.h); here are the public functions and the timers.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "livetally/mem.h"
#include "partition_private.h"
#include "resp.h"

#define TICK_MS          50
#define STALE_MS         2000
#define TOMORROW_LEAD_MS (10 * MINUTE_MS) /* tomorrow's groups are loaded that long before */
#define EVICT_IDLE_MS    60000
#define PROBLEM_KEEP_MS  5000 /* live for that long: the next problem is a new one */

/* Always loaded, for all time and today: what the start page shows, and what bounds ids. */
static const enum rollup pins[] = {ROLLUP_TOTAL,   ROLLUP_HOST,    ROLLUP_COUNTY,
                                   ROLLUP_PRODUCT, ROLLUP_SESSION, ROLLUP_PLATFORM};
const uint32_t partition_pin_count = sizeof pins / sizeof *pins;

struct group_key partition_pin_key(uint32_t pin, uint32_t day)
{
    return (struct group_key){.rollup = (uint16_t)pins[pin],
                              .period = day ? PERIOD_DAY : PERIOD_ALL,
                              .when = day,
                              .first = 0};
}

bool partition_is_pinned(struct group_key key)
{
    for (uint32_t i = 0; i < partition_pin_count; i++)
        if (key.rollup == pins[i])
            return key.period != PERIOD_MINUTE;
    return false;
}

int64_t partition_now_ms(const struct partition *partition)
{
    return clock_monotonic_ms(partition->clock);
}

bool partition_send(struct partition *partition, redis_reply_fn *done, void *context)
{
    return redis_link_send(partition->link, buffer_slice(&partition->command), done, context);
}

void partition_view_changed(struct partition *partition)
{
    partition->ops.view_changed(partition->ops.context);
}

void partition_totals_changed(struct partition *partition)
{
    const struct view *view = &partition->view;
    uint32_t names = names_count(view->names);
    uint64_t catalog = catalog_changes(view->catalog);
    partition->ops.totals_changed(partition->ops.context);
    if (names == partition->names_told && catalog == partition->catalog_told)
        return;
    partition->names_told = names;
    partition->catalog_told = catalog;
    partition_view_changed(partition);
}

void partition_tell_available(struct partition *partition)
{
    bool available = partition_available(partition);
    if (partition->told_available == available)
        return;
    partition->told_available = available;
    partition->ops.available(partition->ops.context, available);
}

/* --- the connection ----------------------------------------------------------------------- */

static void link_up(void *context)
{
    struct partition *partition = context;
    if (!partition->told_up)
        log_print(partition->log, LOG_LEVEL_NOTICE, "connected to Redis at %s",
                  redis_link_where(partition->link));
    partition->told_up = true;
    partition->phase = PHASE_SYNC;
    sync_start(partition);
}

static void link_down(void *context, const char *reason)
{
    struct partition *partition = context;
    if (partition->phase == PHASE_STOPPED)
        return;
    if (partition->phase == PHASE_LIVE)
        sync_remember(partition);
    if (partition_is_new_problem(partition, reason)) {
        log_print(partition->log, LOG_LEVEL_WARNING, "no connection to Redis at %s: %s",
                  redis_link_where(partition->link), reason);
        partition->told_up = false;
    }
    partition->phase = PHASE_DOWN;
    partition->view.ready = false;
    partition->claimed = partition->releasing = false;
    partition->poll_pending = partition->health_pending = false;
    partition->generation_pending = partition->renew_pending = false;
    partition->next_generation_ms = 0; /* another redis may allow what this one forbade */
    sync_abort(partition);
    loader_abort(partition);
    wanted_clear(&partition->wanted);
    checkpoint_connection_lost(partition);
    seal_connection_lost(partition);
    pipeline_connection_lost(partition);
    standing_connection_lost(partition);
    if (partition->was_ready)
        partition_tell_available(partition);
    partition_view_changed(partition); /* topics that wait for groups learn that Redis is away */
}

/* --- groups on demand --------------------------------------------------------------------- */

static bool want_group(struct partition *partition, struct group_key key)
{
    struct group *group = board_find(partition->view.board, key);
    if (group && group->state == GROUP_LOADED)
        return true;
    if (partition->phase != PHASE_LIVE)
        return false;
    wanted_add(&partition->wanted, key);
    return true;
}

/* What viewers ask for is bounded, here as far as its size is known and by the loader then; what is
 * always shown (follow_day) is bounded by its ids. */
bool partition_want(void *context, struct group_key key)
{
    struct partition *partition = context;
    const struct group *group = board_find(partition->view.board, key);
    if ((!group || group->state != GROUP_LOADED) && !board_has_room(partition->view.board, group))
        return false;
    return want_group(partition, key);
}

static void wanted_loaded(struct partition *partition)
{
    partition_view_changed(partition);
}

static void load_wanted(struct partition *partition)
{
    struct wanted *wanted = &partition->wanted;
    if (partition->phase != PHASE_LIVE || partition->loader || !wanted->count)
        return;
    uint32_t count = 0;
    for (uint32_t i = 0; i < wanted->count; i++) {
        const struct group *group = board_find(partition->view.board, wanted->keys[i]);
        if (group && group->state == GROUP_COLD && group->watchers)
            wanted->keys[count++] = wanted->keys[i];
    }
    wanted_clear(wanted);
    if (count)
        loader_start(partition, partition->view.board, wanted->keys, count, wanted_loaded);
}

/* --- the day ------------------------------------------------------------------------------ */

static bool day_is_loaded(struct partition *partition, uint32_t day)
{
    bool loaded = true;
    for (uint32_t i = 0; i < partition_pin_count; i++) {
        struct group_key key = partition_pin_key(i, day);
        const struct group *group = board_find(partition->view.board, key);
        if (group && group->state == GROUP_LOADED)
            continue;
        loaded = false;
        want_group(partition, key);
    }
    return loaded;
}

static void watch_day(struct partition *partition, uint32_t day, bool watch)
{
    for (uint32_t i = 0; i < partition_pin_count; i++) {
        struct group_key key = partition_pin_key(i, day);
        if (watch)
            board_watch(partition->view.board, key);
        else
            board_unwatch(partition->view.board, key);
    }
}

/* Follows the clock, both ways: the day shown is the day it is. The new day's groups are watched
 * before they are loaded, so that nothing evicts them on the way. */
static void follow_day(struct partition *partition)
{
    struct view *view = &partition->view;
    int64_t now_ms = clock_wall_ms(partition->clock);
    uint32_t today = calendar_day(&view->calendar, now_ms);
    int64_t midnight_ms = calendar_next_midnight_ms(&view->calendar, now_ms);
    uint32_t coming = today;
    if (today == view->today && midnight_ms - now_ms <= TOMORROW_LEAD_MS)
        coming = calendar_day(&view->calendar, midnight_ms);
    if (coming != view->today && coming != partition->day_wanted) {
        if (partition->day_wanted)
            watch_day(partition, partition->day_wanted, false);
        watch_day(partition, coming, true);
        partition->day_wanted = coming;
    }
    if (partition->day_wanted && day_is_loaded(partition, partition->day_wanted) &&
        today == partition->day_wanted) {
        watch_day(partition, view->today, false);
        view->today = today;
        partition->day_wanted = 0;
        board_touch(view->board);
        partition_view_changed(partition);
    }
}

/* --- timers ------------------------------------------------------------------------------- */

void partition_heard(struct partition *partition, int64_t sent_ms)
{
    if (sent_ms > partition->last_heard_ms)
        partition->last_heard_ms = sent_ms;
}

static void follow_staleness(struct partition *partition, int64_t now_ms)
{
    bool stale = now_ms - partition->last_heard_ms > STALE_MS;
    if (stale == partition->view.stale)
        return;
    partition->view.stale = stale;
    partition->stats->stale = stale;
    partition_view_changed(partition);
}

static void on_tick(uv_timer_t *timer)
{
    struct partition *partition = timer->data;
    int64_t now_ms = partition_now_ms(partition);
    board_set_now(partition->view.board, now_ms);
    if (partition->next_board)
        board_set_now(partition->next_board, now_ms);
    if (partition->was_ready)
        follow_staleness(partition, now_ms);
    if (partition->phase == PHASE_SYNC && partition->next_sync_ms &&
        now_ms >= partition->next_sync_ms)
        partition_resync(partition, partition->problem);
    if (partition->claimed)
        follow_renew(partition); /* also on the way in, which may take longer than a lease */
    if (partition->phase != PHASE_LIVE)
        return;
    if (now_ms - partition->live_since_ms >= PROBLEM_KEEP_MS)
        partition->told_count = 0;
    follow_day(partition);
    follow_generation(partition);
    follow_health(partition);
    pipeline_tick(partition);
    checkpoint_tick(partition);
    seal_tick(partition);
    standing_tick(partition);
    board_evict(partition->view.board, now_ms - EVICT_IDLE_MS);
}

static void on_poll(uv_timer_t *timer)
{
    follow_poll(timer->data);
}

/* Just before the loop waits: what arrived in this turn goes to Redis together. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct partition *partition = prepare->data;
    load_wanted(partition);
    pipeline_pump(partition);
    standing_pump(partition);
    redis_link_flush(partition->link);
}

/* --- making ------------------------------------------------------------------------------- */

static uint64_t random_number(void)
{
    uint64_t value = 0;
    int status = uv_random(NULL, NULL, &value, sizeof value, 0, NULL);
    assert(status == 0);
    (void)status;
    return value;
}

void partition_random_hex(char out[17])
{
    snprintf(out, 17, "%016" PRIx64, random_number());
}

struct partition *partition_new(uv_loop_t *loop, const struct partition_options *options,
                                const struct partition_ops *ops, const struct clock *clock,
                                const struct log *log, struct stats *stats)
{
    struct partition *partition = mem_zalloc(sizeof *partition);
    partition->loop = loop;
    partition->options = *options;
    partition->ops = *ops;
    partition->clock = clock;
    partition->log = log;
    partition->stats = stats;
    keys_init(&partition->keys, options->prefix);

    struct board_options board_options = {options->calendar, options->max_cells,
                                          options->minute_keep_hours * HOUR_MS};
    partition->view = (struct view){
        .board = board_new(&board_options),
        .names = names_new(),
        .catalog = catalog_new(options->max_catalog),
        .county_names = options->county_names,
        .ticker = ticker_new(),
        .calendar = options->calendar,
        .today = calendar_day(&options->calendar, clock_wall_ms(clock)),
    };
    catalog_set_counties(partition->view.catalog, options->counties);
    partition->census = census_new(options->max_ids);
    partition->ledger = ledger_new(options->cached_orders, random_number());
    partition->judge = (struct judge){.ledger = partition->ledger,
                                      .catalog = partition->view.catalog,
                                      .names = partition->view.names,
                                      .census = partition->census,
                                      .counties = options->counties};
    partition->stats->lane = -1;
    feed_reader_init(&partition->reader);
    pipeline_init(partition);
    sealed_bases_init(partition);
    seal_init(partition);
    standing_init(partition);
    partition->schema = SCHEMA_PACKED;
    snprintf(partition->process, sizeof partition->process, "%08" PRIx32,
             (uint32_t)random_number());
    partition->high_water_fd = -1;
    state_file_instance(partition);
    state_file_read(partition);

    struct redis_link_ops link_ops = {link_up, link_down, partition};
    partition->link = redis_link_new(loop, &options->redis, &link_ops, log, stats);
    uv_prepare_init(loop, &partition->prepare);
    uv_timer_init(loop, &partition->tick);
    uv_timer_init(loop, &partition->poll);
    uv_timer_init(loop, &partition->stop_timer);
    partition->prepare.data = partition->tick.data = partition->poll.data =
        partition->stop_timer.data = partition;
    partition->handles_open = 5; /* these four, and the one of standing.c */
    return partition;
}

void partition_start(struct partition *partition)
{
    partition->last_heard_ms = partition_now_ms(partition);
    uv_prepare_start(&partition->prepare, on_prepare);
    uv_timer_start(&partition->tick, on_tick, TICK_MS, TICK_MS);
    uv_timer_start(&partition->poll, on_poll, partition->options.poll_ms,
                   partition->options.poll_ms);
    redis_link_start(partition->link);
}

void partition_free(struct partition *partition)
{
    if (!partition)
        return;
    pipeline_done(partition);
    seal_done(partition);
    standing_done(partition);
    sealed_bases_done(partition);
    state_file_done(partition);
    board_free(partition->view.board);
    catalog_free(partition->view.catalog);
    ticker_free(partition->view.ticker);
    names_free(partition->view.names);
    census_free(partition->census);
    ledger_free(partition->ledger);
    feed_reader_done(&partition->reader);
    buffer_done(&partition->command);
    buffer_done(&partition->checkpoint.command);
    wanted_done(&partition->wanted);
    free(partition);
}

/* --- looking ------------------------------------------------------------------------------ */

const struct view *partition_view(const struct partition *partition)
{
    return &partition->view;
}

bool partition_available(const struct partition *partition)
{
    return partition->phase == PHASE_LIVE && !partition->commit_refused;
}

/* --- stopping ----------------------------------------------------------------------------- */

static void handle_closed(uv_handle_t *handle)
{
    struct partition *partition = handle->data;
    if (--partition->handles_open == 0)
        partition->stopped(partition->stopped_context);
}

static void link_closed(void *context)
{
    struct partition *partition = context;
    pipeline_give_up(partition);
    uv_close((uv_handle_t *)&partition->prepare, handle_closed);
    uv_close((uv_handle_t *)&partition->tick, handle_closed);
    uv_close((uv_handle_t *)&partition->poll, handle_closed);
    uv_close((uv_handle_t *)&partition->stop_timer, handle_closed);
    standing_close(partition, handle_closed);
}

static void stop_now(struct partition *partition)
{
    uv_timer_stop(&partition->stop_timer);
    partition->phase = PHASE_STOPPED;
    partition->view.ready = false;
    sync_abort(partition);
    loader_abort(partition);
    checkpoint_connection_lost(partition);
    seal_connection_lost(partition);
    redis_link_close(partition->link, link_closed, partition);
}

static void lane_released(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    if (!reply || partition->phase == PHASE_STOPPED)
        return;
    stop_now(partition);
}

static void release_lane(struct partition *partition)
{
    char key[KEY_MAX_BYTES];
    key_lane(&partition->keys, partition->fence.lane, "owner", key);
    if (!redis_link_command(partition->link, lane_released, partition, "EVALSHA %s 1 %s %s 0",
                            partition->script_sha[SCRIPT_RENEW], key, partition->fence.owner))
        stop_now(partition);
}

/* Every few ms until all is written, or the time is over. What is not in a checkpoint yet is in
 * the feed, so only unacked posts are worth waiting for Redis to come back. */
static void on_stop(uv_timer_t *timer)
{
    struct partition *partition = timer->data;
    bool live = partition->phase == PHASE_LIVE;
    if (partition_now_ms(partition) >= partition->stop_deadline_ms) {
        log_print(partition->log, LOG_LEVEL_WARNING,
                  "stopping without everything committed: redis is unavailable or too slow");
        stop_now(partition);
    } else if (!live && pipeline_empty(partition)) {
        stop_now(partition);
    } else if (live && !partition->releasing && pipeline_empty(partition) &&
               checkpoint_clean(partition)) {
        partition->releasing = true;
        release_lane(partition);
    }
}

void partition_stop(struct partition *partition, uint32_t timeout_ms,
                    void (*stopped)(void *context), void *context)
{
    partition->stopping = true;
    partition->stopped = stopped;
    partition->stopped_context = context;
    partition->stop_deadline_ms = partition_now_ms(partition) + timeout_ms;
    uv_timer_start(&partition->stop_timer, on_stop, 0, 5);
}
