/*
 * The public face: start, the hub's clock, and the way out.
 *
 * Shutting down lws on a loop that isn't its own takes two calls of lws_context_destroy() with
 * turns of the loop between them: the first closes its handles, the second frees what those still
 * used while closing. So closing goes: goodbyes → all connections gone, or time is up → first
 * destroy → some turns → second destroy → our own handles → closed().
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "livetally/mem.h"
#include "livetally/server.h"
#include "net.h"

#define HUB_IDLE_MS 60000 /* look at the hub at least so often */
/* lws closes its sockets' handles in one turn and its own timers in the next. */
#define CLOSE_TURNS   8
#define CLOSE_LOOK_MS 20

static void on_hub_timer(uv_timer_t *timer)
{
    server_wake_hub(timer->data);
}

static void serve_hub(struct server *server)
{
    int64_t wait_ms = hub_tick(server->hub);

    uv_update_time(server->loop); /* a tick may take milliseconds */
    if (wait_ms <= 0)
        return;
    (void)uv_idle_stop(&server->hub_soon);
    if (wait_ms > HUB_IDLE_MS)
        wait_ms = HUB_IDLE_MS;
    (void)uv_timer_start(&server->hub_timer, on_hub_timer, (uint64_t)wait_ms, 0);
}

static void on_hub_soon(uv_idle_t *idle)
{
    serve_hub(idle->data);
}

void server_wake_hub(struct server *server)
{
    if (!server->closing)
        (void)uv_idle_start(&server->hub_soon, on_hub_soon);
}

static void on_flush(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;

    inbound_tell_faults(server);
    http_serve_ready(server);
    rest_look(server);
    ingest_flush_dirty(server);
    server->arrival.known = false; /* last, so that it can't outlive the sleep that follows */
}

static void init_handles(struct server *server)
{
    (void)uv_prepare_init(server->loop, &server->flush);
    (void)uv_idle_init(server->loop, &server->hub_soon);
    (void)uv_timer_init(server->loop, &server->hub_timer);
    (void)uv_timer_init(server->loop, &server->close_timer);
    (void)uv_idle_init(server->loop, &server->close_idle);
    server->flush.data = server;
    server->hub_soon.data = server;
    server->hub_timer.data = server;
    server->close_timer.data = server;
    server->close_idle.data = server;
    liveness_init(server);
    proxy_init(server);
    rest_start(server);
    (void)uv_prepare_start(&server->flush, on_flush);
}

int server_new(uv_loop_t *loop, const struct server_options *options, const struct server_ops *ops,
               struct hub *hub, const struct view *view, const struct clock *clock,
               const struct log *log, struct stats *stats, struct server **ret_server,
               struct error *error)
{
    struct server *server = mem_zalloc(sizeof(*server));
    int result;

    server->loop = loop;
    server->options = *options;
    server->ops = *ops;
    server->hub = hub;
    server->view = view;
    server->clock = *clock;
    server->log = log;
    server->stats = stats;
    server->tls = options->tls;
    server->store_available = true;
    if (getrandom(&server->random, sizeof(server->random), 0) < 0)
        server->random = uv_hrtime();
    peer_init(server);
    result = rest_init(server, error);
    if (result)
        goto out;
    result = context_start(server, error);
    if (result)
        goto out_rest;
    server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    init_handles(server);
    *ret_server = server;
    return 0;
out_rest:
    rest_done(server);
out:
    free(server);
    return result;
}

void server_use_tls(struct server *server, const struct tls *tls)
{
    if (server->tls)
        server->tls = tls;
}

void server_store_available(struct server *server, bool available)
{
    server->store_available = available;
    for (struct connection *at = server->connections; at; at = at->next)
        if (at->kind == KIND_INGEST && at->phase == PHASE_OPEN)
            ingest_tell_store(at);
}

void server_drain(struct server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    listener_close_all(server);
    for (struct connection *at = server->connections; at; at = at->next)
        if (at->kind == KIND_INGEST && at->phase == PHASE_OPEN)
            connection_pause(at, PAUSE_WINDOW, true);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct server *server = handle->data;

    if (--server->handles == 0)
        server->closed(server->closed_context);
}

static void close_handles(struct server *server)
{
    uv_handle_t *handles[] = {
        (uv_handle_t *)&server->flush,       (uv_handle_t *)&server->hub_soon,
        (uv_handle_t *)&server->hub_timer,   (uv_handle_t *)&server->wheel_timer,
        (uv_handle_t *)&server->close_timer, (uv_handle_t *)&server->close_idle,
        (uv_handle_t *)&server->proxy_timer, (uv_handle_t *)&server->room_poll,
    };

    server->handles = sizeof(handles) / sizeof(handles[0]);
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
        uv_close(handles[i], on_handle_closed);
}

static void on_close_turn(uv_idle_t *idle)
{
    struct server *server = idle->data;

    if (++server->close_turns < CLOSE_TURNS)
        return;
    lws_context_destroy(server->context);
    server->context = NULL;
    close_handles(server);
}

static void destroy_context(struct server *server)
{
    (void)uv_timer_stop(&server->close_timer);
    (void)uv_prepare_stop(&server->flush);
    lws_context_destroy(server->context);
    (void)uv_idle_start(&server->close_idle, on_close_turn);
}

static void on_close_timer(uv_timer_t *timer)
{
    struct server *server = timer->data;

    if (server->connection_count == 0 || (int64_t)uv_now(server->loop) >= server->close_due_ms)
        destroy_context(server);
}

void server_close(struct server *server, uint32_t timeout_ms, void (*closed)(void *context),
                  void *context)
{
    server_drain(server);
    server->closing = true;
    server->closed = closed;
    server->closed_context = context;
    (void)uv_idle_stop(&server->hub_soon);
    (void)uv_timer_stop(&server->hub_timer);
    for (struct connection *at = server->connections; at; at = at->next) {
        if (at->kind != KIND_HTTP)
            connection_say_goodbye(at, GOODBYE_SHUTTING_DOWN);
        else
            http_shut_down(at);
    }
    server->close_due_ms = (int64_t)uv_now(server->loop) + timeout_ms;
    (void)uv_timer_start(&server->close_timer, on_close_timer, CLOSE_LOOK_MS, CLOSE_LOOK_MS);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    for (uint32_t i = 0; i < server->listener_count; i++)
        free(server->listeners[i]);
    if (server->reserve_fd >= 0)
        (void)close(server->reserve_fd);
    rest_done(server);
    inbound_done();
    parcel_drop_all(server);
    peer_done(server);
    buffer_done(&server->scratch);
    free(server);
}
