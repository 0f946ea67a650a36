/*
 * The daemon's look at itself; see monitor.h.
 */
#include "monitor.h"

#include <inttypes.h>
#include <stdbool.h>

#define LOOK_MS    100
#define TELL_TICKS 10
#define TOLD_MS    60000
/* A loop that stands still for so long is worth a line: viewers and tools have noticed. */
#define STILL_MS 500

static const char *const reasons[] = {
#define X(name, label) label,
    REFUSALS(X)
#undef X
};

static const char *const advice[REFUSAL_COUNT] = {
    [REFUSAL_TOTAL] = ": raise limits.connections, or add a daemon",
    [REFUSAL_DESCRIPTORS] = ": raise the limit of open files (LimitNOFILE)",
    [REFUSAL_PROXY] = ": does the proxy send PROXY headers to that listener?",
};

static const char *const auth_reasons[] = {
#define X(name, label) label,
    AUTH_REFUSALS(X)
#undef X
};

/* Of these the server tells by itself, with the address. */
static const bool told_elsewhere[REFUSAL_COUNT] = {
    [REFUSAL_ADDRESS] = true,
    [REFUSAL_TOKEN] = true,
    [REFUSAL_RATE] = true,
    [REFUSAL_QUEUE] = true,
};

/* How many are new and to be told now; 0: nothing is. */
static uint64_t take_new(struct told_count *told, uint64_t count, int64_t now_ms)
{
    uint64_t new_count = count - told->count;
    if (new_count == 0 || now_ms < told->next_ms)
        return 0;
    told->count = count;
    told->next_ms = now_ms + TOLD_MS;
    return new_count;
}

static void tell_refusals(struct monitor *monitor, int64_t now_ms)
{
    const struct stats *stats = monitor->stats;
    for (int i = 0; i < REFUSAL_COUNT; i++) {
        uint64_t count = take_new(&monitor->refusals[i], stats->connections_refused[i], now_ms);
        if (count && !told_elsewhere[i])
            log_print(monitor->log, i == REFUSAL_UPGRADE ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                      "connections refused reason=%s count=%" PRIu64 "%s", reasons[i], count,
                      advice[i] ? advice[i] : "");
    }
    for (int i = 0; i < AUTH_REFUSAL_COUNT; i++) {
        uint64_t count = take_new(&monitor->auth_refusals[i], stats->auth_refusals[i], now_ms);
        if (count)
            log_print(monitor->log, LOG_LEVEL_NOTICE, "not let in reason=%s count=%" PRIu64,
                      auth_reasons[i], count);
    }
}

static void on_look(uv_timer_t *timer)
{
    struct monitor *monitor = timer->data;
    int64_t now_ms = (int64_t)uv_now(timer->loop);
    /* The loop's time is of this turn's beginning; what else was due in it came before. */
    double late_seconds = (double)uv_hrtime() / 1e9 - (double)monitor->due_ms / 1e3;
    histogram_add(&monitor->stats->loop_lag_seconds, STATS_SECONDS,
                  late_seconds > 0 ? late_seconds : 0, 1);
    if (late_seconds * 1e3 >= STILL_MS)
        log_print(monitor->log, LOG_LEVEL_NOTICE,
                  "stood still for ms=%d: the process was stopped, or the machine is overloaded",
                  (int)(late_seconds * 1e3));
    monitor->due_ms = now_ms + LOOK_MS;
    if (++monitor->ticks % TELL_TICKS == 0) {
        tell_refusals(monitor, now_ms);
        log_tell_left_out(monitor->log);
    }
}

void monitor_start(struct monitor *monitor, uv_loop_t *loop, const struct log *log,
                   struct stats *stats)
{
    monitor->log = log;
    monitor->stats = stats;
    (void)uv_timer_init(loop, &monitor->timer);
    monitor->timer.data = monitor;
    uv_unref((uv_handle_t *)&monitor->timer);
    monitor->due_ms = (int64_t)uv_now(loop) + LOOK_MS;
    (void)uv_timer_start(&monitor->timer, on_look, LOOK_MS, LOOK_MS);
}

void monitor_close(struct monitor *monitor)
{
    uv_close((uv_handle_t *)&monitor->timer, NULL);
}
