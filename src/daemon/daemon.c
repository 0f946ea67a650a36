/*
 * Start and stop of the process; see daemon.h for the order of things.
 *
 * There is one way out, whatever the cause (signal, failure while starting, a data set that does
 * not fit): daemon_stop() notes the exit code and arms `soon`; then each part is stopped in turn,
 * the callback of one starting the next, skipping what was never made. The loop then runs dry, and
 * only then is memory freed. A deadline ends what hangs.
 */
#include "daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon_private.h"
#include "livetally/mem.h"
#include "livetally/version.h"
#include "options.h"
#include "reload.h"

#define GOODBYE_MS        1000 /* of shutdown_ms, for closing connections */
#define DEADLINE_EXTRA_MS 1500 /* for the embedded Redis to end, past shutdown_ms */
#define BEGIN_POLL_MS     5
#define BEGIN_WAIT_MS     5000 /* then the partition says what is wrong */

static const int watched_signals[SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGHUP};

/* The shutdown, from the last step to the first. */

static void on_redis_stopped(void *context)
{
    struct daemon *daemon = context;
    daemon->redis = NULL;
    for (int i = 0; i < SIGNAL_COUNT; i++)
        uv_unref((uv_handle_t *)&daemon->signals[i]);
    uv_unref((uv_handle_t *)&daemon->deadline);
}

static void on_server_closed(void *context)
{
    struct daemon *daemon = context;
    if (daemon->redis)
        embedded_redis_stop(daemon->redis, on_redis_stopped, daemon);
    else
        on_redis_stopped(daemon);
}

static void on_partition_stopped(void *context)
{
    struct daemon *daemon = context;
    if (daemon->server)
        server_close(daemon->server, GOODBYE_MS, on_server_closed, daemon);
    else
        on_server_closed(daemon);
}

static void exit_now(struct daemon *daemon)
{
    state_dir_close(&daemon->state);
    _exit(EXIT_FAILED);
}

static void on_deadline(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    log_print(&daemon->log, LOG_LEVEL_ERROR, "shutdown takes too long: exit without finishing it");
    exit_now(daemon);
}

static void on_soon(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    uint32_t budget_ms = daemon->config->limits_shutdown_ms;
    (void)uv_timer_start(&daemon->deadline, on_deadline, budget_ms + DEADLINE_EXTRA_MS, 0);
    service_stopping(&daemon->service);
    if (daemon->server)
        server_drain(daemon->server);
    if (daemon->partition)
        partition_stop(daemon->partition, budget_ms - GOODBYE_MS / 2, on_partition_stopped, daemon);
    else
        on_partition_stopped(daemon);
}

void daemon_stop(struct daemon *daemon, int exit_code)
{
    if (daemon->phase == PHASE_STOPPING)
        return;
    daemon->phase = PHASE_STOPPING;
    daemon->exit_code = exit_code;
    (void)uv_timer_start(&daemon->soon, on_soon, 0, 0);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *daemon = handle->data;
    if (number == SIGHUP && !daemon->terminal) {
        if (daemon->phase != PHASE_STOPPING && daemon->server)
            reload_run(daemon);
        return;
    }
    if (daemon->signalled) {
        log_print(&daemon->log, LOG_LEVEL_WARNING, "asked again to stop: exit at once");
        exit_now(daemon);
    }
    daemon->signalled = true;
    log_print(&daemon->log, LOG_LEVEL_NOTICE, "stopping, asked by %s", strsignal(number));
    daemon_stop(daemon, EXIT_OK);
}

/* What the partition tells. */

static void on_available(void *context, bool available)
{
    struct daemon *daemon = context;
    if (daemon->server)
        server_store_available(daemon->server, available);
}

static void on_view_changed(void *context)
{
    struct daemon *daemon = context;
    if (daemon->hub)
        hub_groups_changed(daemon->hub);
    if (daemon->server)
        server_wake_hub(daemon->server);
}

static void on_totals_changed(void *context)
{
    struct daemon *daemon = context;
    if (daemon->hub)
        hub_totals_changed(daemon->hub);
}

static void on_refused(void *context, const char *text)
{
    struct daemon *daemon = context;
    log_print(&daemon->log, LOG_LEVEL_ERROR, "%s", text);
    daemon_stop(daemon, EXIT_USAGE);
}

static void on_ready(void *context)
{
    struct daemon *daemon = context;
    struct error error;
    if (daemon->phase != PHASE_STARTING)
        return;
    if (listeners_open(daemon, &error)) {
        log_print(&daemon->log, LOG_LEVEL_ERROR, "%s", error.text);
        daemon_stop(daemon, EXIT_FAILED);
        return;
    }
    daemon->phase = PHASE_SERVING;
    service_ready(&daemon->service);
}

/* The start. */

static void make_loop(struct daemon *daemon)
{
    if (uv_loop_init(&daemon->loop) != 0)
        abort(); /* only without memory or descriptors, with nothing done yet */
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        (void)uv_signal_init(&daemon->loop, &daemon->signals[i]);
        daemon->signals[i].data = daemon;
        (void)uv_signal_start(&daemon->signals[i], on_signal, watched_signals[i]);
    }
    (void)uv_timer_init(&daemon->loop, &daemon->deadline);
    (void)uv_timer_init(&daemon->loop, &daemon->begin);
    (void)uv_timer_init(&daemon->loop, &daemon->soon);
    daemon->deadline.data = daemon;
    daemon->begin.data = daemon;
    daemon->soon.data = daemon;
    service_start(&daemon->service, &daemon->loop, daemon_describe, daemon);
    certificate_watch(daemon);
    monitor_start(&daemon->monitor, &daemon->loop, &daemon->log, &daemon->stats);
}

static int make_redis(struct daemon *daemon, struct error *error)
{
    struct redis_target *target = &daemon->settings.partition.redis.target;
    if (!daemon->settings.embedded_redis)
        return 0;
    int code = embedded_redis_start(&daemon->loop, daemon->state.path, &daemon->log, &daemon->redis,
                                    error);
    if (code)
        return code;
    const char *path = embedded_redis_socket_path(daemon->redis);
    size_t size = strlen(path);
    if (size >= sizeof(target->path))
        return error_set(error, ERROR_LIMIT, "%s: too long for the path of a socket", path);
    memcpy(target->path, path, size + 1);
    return 0;
}

static int make_parts(struct daemon *daemon, struct error *error)
{
    struct partition_options *options = &daemon->settings.partition;
    const struct partition_ops partition_ops = {
        .available = on_available,
        .view_changed = on_view_changed,
        .totals_changed = on_totals_changed,
        .refused = on_refused,
        .ready = on_ready,
        .context = daemon,
    };
    struct server_ops server_ops = server_ports;
    server_ops.context = daemon;

    int code = make_redis(daemon, error);
    if (code)
        return code;
    _Static_assert(sizeof(options->state_dir) >= sizeof(daemon->state.path), "state folder fits");
    memcpy(options->state_dir, daemon->state.path, sizeof(daemon->state.path));
    daemon->partition = partition_new(&daemon->loop, options, &partition_ops, &clock_system,
                                      &daemon->log, &daemon->stats);
    const struct hub_source source = {.want = partition_want, .context = daemon->partition};
    const struct view *view = partition_view(daemon->partition);
    daemon->hub = hub_new(&daemon->settings.hub, view, &source, &clock_system, &daemon->stats);
    return server_new(&daemon->loop, &daemon->settings.server, &server_ops, daemon->hub, view,
                      &clock_system, &daemon->log, &daemon->stats, &daemon->server, error);
}

/* Connecting before the embedded Redis listens would only be a false alarm. */
static void on_begin(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    int64_t waited_ms = clock_monotonic_ms(&clock_system) - daemon->started_ms;
    bool there = !daemon->redis || embedded_redis_listens(daemon->redis);
    if (daemon->phase == PHASE_STOPPING) {
        (void)uv_timer_stop(timer);
    } else if (there || waited_ms > BEGIN_WAIT_MS) {
        (void)uv_timer_stop(timer);
        partition_start(daemon->partition);
    }
}

/* Everything has stopped: let the loop run dry, free, and see that nothing was left on it. */
static void unmake(struct daemon *daemon)
{
    if (daemon->server)
        server_free(daemon->server);
    if (daemon->hub)
        hub_free(daemon->hub);
    if (daemon->partition)
        partition_free(daemon->partition);
    service_close(&daemon->service);
    certificate_unwatch(daemon);
    monitor_close(&daemon->monitor);
    uv_close((uv_handle_t *)&daemon->deadline, NULL);
    uv_close((uv_handle_t *)&daemon->begin, NULL);
    uv_close((uv_handle_t *)&daemon->soon, NULL);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
    (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&daemon->loop) != 0) {
        log_print(&daemon->log, LOG_LEVEL_ERROR, "something was left open on the loop");
        uv_print_all_handles(&daemon->loop, stderr);
        daemon->exit_code = EXIT_FAILED;
    }
}

static void run_loop(struct daemon *daemon)
{
    struct error error;
    make_loop(daemon);
    if (make_parts(daemon, &error)) {
        log_print(&daemon->log, LOG_LEVEL_ERROR, "%s", error.text);
        daemon_stop(daemon, EXIT_FAILED);
    } else {
        (void)uv_timer_start(&daemon->begin, on_begin, 0, BEGIN_POLL_MS);
    }
    (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
    unmake(daemon);
}

static void make_log(struct daemon *daemon)
{
    uint32_t format = daemon->config->log_format;
    daemon->sink.clock = &clock_system;
    daemon->sink.journal =
        format == CONFIG_LOG_JOURNAL || (format == CONFIG_LOG_AUTO && log_sink_is_journal());
    daemon->log = log_sink_log(&daemon->sink, (enum log_level)daemon->config->log_level);
}

/* A copy, which a reload changes. */
static struct config *keep_config(const struct config *config)
{
    struct config *kept = mem_alloc(sizeof(*kept));
    *kept = *config;
    return kept;
}

static void describe_gate(const struct daemon *daemon)
{
    struct buffer text = BUFFER_INIT;
    if (gate_has_keys(&daemon->settings.gate)) {
        gate_describe(&daemon->settings.gate, &text);
        log_print(&daemon->log, LOG_LEVEL_NOTICE, "%s", buffer_cstr(&text));
    }
    buffer_done(&text);
}

int daemon_run(const struct config *config, int argc, char **argv)
{
    struct error error;
    int exit_code = EXIT_FAILED;
    struct daemon *daemon = mem_zalloc(sizeof(*daemon));
    daemon->config = keep_config(config);
    daemon->argc = argc;
    daemon->argv = argv;
    daemon->terminal = isatty(STDIN_FILENO) == 1;
    daemon->started_ms = clock_monotonic_ms(&clock_system);
    daemon->stats.lane = -1;
    daemon->stats.process.start_time_seconds = (double)clock_wall_ms(&clock_system) / 1e3;
    make_log(daemon);
    listeners_take_handed(daemon);
    (void)signal(SIGPIPE, SIG_IGN);

    if (settings_init(&daemon->settings, daemon->config, &error)) {
        log_print(&daemon->log, LOG_LEVEL_ERROR, "%s", error.text);
        exit_code = EXIT_USAGE;
        goto out;
    }
    if (state_dir_open(&daemon->state, config->daemon_state_dir.text, &error)) {
        log_print(&daemon->log, LOG_LEVEL_ERROR, "%s", error.text);
        goto out_settings;
    }
    log_print(&daemon->log, LOG_LEVEL_NOTICE, "livetallyd %s starts pid=%jd state=%s",
              LIVETALLY_VERSION, (intmax_t)getpid(), daemon->state.path);
    describe_gate(daemon);
    certificate_report(daemon);
    run_loop(daemon);
    exit_code = daemon->exit_code;
    log_print(&daemon->log, LOG_LEVEL_NOTICE, "stopped");
    state_dir_close(&daemon->state);
out_settings:
    settings_done(&daemon->settings);
out:
    listeners_forget_handed(daemon);
    free(daemon->config);
    free(daemon);
    return exit_code;
}

int daemon_check(const struct config *config)
{
    struct settings settings;
    struct error error;
    if (settings_init(&settings, config, &error)) {
        (void)fprintf(stderr, "livetallyd: %s\n", error.text);
        return EXIT_USAGE;
    }
    settings_done(&settings);
    (void)puts("configuration is good");
    return EXIT_OK;
}
