/*
 * Deadlines: a wheel of 256 slots of 250 ms, each a list of connections to look at when it comes
 * up. Hearing from a peer only notes the time; the slot finds out whether anything is really due,
 * and puts the connection back where it will be next. So traffic costs nothing here, and an idle
 * connection a look every half minute.
 */
#include "livetally/server.h"
#include "net.h"

#define NEVER          INT64_MAX
#define STREAM_LOOK_MS 2000 /* between looks whether a stream's peer has left */

static int64_t now_ms(const struct server *server)
{
    return (int64_t)uv_now(server->loop);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t open_due_ms(const struct connection *connection)
{
    const struct server_options *options = &connection->server->options;
    const struct activity *activity = activity_of(connection);
    int64_t due;

    if (connection->kind == KIND_HTTP)
        return http_due_ms(connection);
    if (connection->stream)
        due = activity->looked_ms + (connection->pinged ? WHEEL_TICK_MS : STREAM_LOOK_MS);
    else
        due = connection->since_ms +
              (connection->pinged ? options->ping_wait_ms : options->ping_idle_ms);
    due = least(due, auth_due_ms(connection, now_ms(connection->server)));
    if (activity->arriving_bytes)
        due = least(due, activity->arriving_since_ms + options->message_ms);
    return least(due, pace_due_ms(connection));
}

static int64_t due_ms(const struct connection *connection)
{
    const struct server_options *options = &connection->server->options;

    switch (connection->phase) {
    case PHASE_HANDSHAKE:
        return connection->since_ms + options->handshake_ms;
    case PHASE_AUTH:
        return connection->since_ms + options->auth_ms;
    case PHASE_GOODBYE:
        return connection->since_ms + GOODBYE_FLUSH_MS;
    case PHASE_CLOSING:
        if (connection->stream)
            return activity_of(connection)->looked_ms + WHEEL_TICK_MS;
        return connection->since_ms +
               (connection->sending ? options->message_ms : GOODBYE_LINGER_MS);
    case PHASE_OPEN:
        return open_due_ms(connection);
    default:
        return NEVER;
    }
}

void liveness_cancel(struct connection *connection)
{
    struct server *server = connection->server;

    if (connection->wheel_slot < 0)
        return;
    if (connection->wheel_next)
        connection->wheel_next->wheel_prev = connection->wheel_prev;
    if (connection->wheel_prev)
        connection->wheel_prev->wheel_next = connection->wheel_next;
    else
        server->wheel[connection->wheel_slot] = connection->wheel_next;
    connection->wheel_prev = NULL;
    connection->wheel_next = NULL;
    connection->wheel_slot = -1;
    if (--server->wheel_count == 0)
        (void)uv_timer_stop(&server->wheel_timer);
}

static void put(struct connection *connection, int64_t tick)
{
    struct server *server = connection->server;
    int32_t slot = (int32_t)(tick % WHEEL_SLOTS);

    connection->wheel_slot = (int16_t)slot;
    connection->wheel_next = server->wheel[slot];
    if (connection->wheel_next)
        connection->wheel_next->wheel_prev = connection;
    server->wheel[slot] = connection;
    server->wheel_count++;
}

static void on_tick(uv_timer_t *timer);

void liveness_schedule(struct connection *connection)
{
    struct server *server = connection->server;
    int64_t due = due_ms(connection);
    int64_t tick;

    liveness_cancel(connection);
    if (due == NEVER)
        return;
    if (server->wheel_count == 0) {
        server->wheel_tick = now_ms(server) / WHEEL_TICK_MS;
        (void)uv_timer_start(&server->wheel_timer, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
    }
    tick = due / WHEEL_TICK_MS + 1;
    if (tick <= server->wheel_tick)
        tick = server->wheel_tick + 1;
    if (tick >= server->wheel_tick + WHEEL_SLOTS)
        tick = server->wheel_tick + WHEEL_SLOTS - 1;
    put(connection, tick);
}

void liveness_heard(struct connection *connection)
{
    connection->pinged = false;
    if (connection->stream)
        activity_begin(connection)->looked_ms = now_ms(connection->server);
    else if (connection->phase == PHASE_OPEN)
        connection->since_ms = now_ms(connection->server);
}

static void ping(struct connection *connection)
{
    unsigned char bytes[LWS_PRE + 1] = {0}; /* lws hides pongs without content from us */

    /* With data on its way, silence is judged by whether that is taken. */
    if (connection_writable(connection) &&
        lws_write(connection->wsi, bytes + LWS_PRE, 1, LWS_WRITE_PING) < 0)
        connection_kill(connection);
    connection->pinged = true;
    connection->since_ms = now_ms(connection->server);
}

static bool message_is_late(const struct connection *connection)
{
    const struct server *server = connection->server;
    const struct activity *activity = activity_of(connection);

    return activity->arriving_bytes &&
           now_ms(server) >= activity->arriving_since_ms + server->options.message_ms;
}

/* Who isn't read from can't finish; only for want of memory he has to make room in the end. */
static void end_late_message(struct connection *connection)
{
    if (connection->paused & ~PAUSE_MEMORY)
        activity_begin(connection)->arriving_since_ms = now_ms(connection->server);
    else
        connection_say_goodbye(connection, GOODBYE_MESSAGE_LATE);
}

/*
 * A stream's peer can't be pinged, and is no longer read from. Pinged means here that it takes
 * nothing since then; it has as long as one that doesn't answer pings. False: it is over.
 */
static bool look_at_stream(struct connection *connection)
{
    const struct server_options *options = &connection->server->options;
    struct activity *activity = activity_begin(connection);
    int64_t limit_ms = INT64_MAX;

    if (sse_has_left(connection))
        return false;
    if (connection->phase == PHASE_CLOSING)
        limit_ms = GOODBYE_LINGER_MS;
    else if (connection->pinged)
        limit_ms = (int64_t)options->ping_idle_ms + options->ping_wait_ms;
    activity->looked_ms = now_ms(connection->server);
    return activity->looked_ms - connection->since_ms < limit_ms;
}

static void expire(struct connection *connection)
{
    struct server *server = connection->server;

    if (!connection->wsi) {
        /* lws refused it before it had a socket: nobody else will free it */
        connection_gone(connection);
        connection_free(connection);
        return;
    }
    if (connection->phase == PHASE_OPEN && connection->kind == KIND_HTTP) {
        http_expired(connection);
    } else if (connection->phase == PHASE_AUTH) {
        auth_late(connection);
    } else if (connection->phase == PHASE_OPEN && auth_expired(connection)) {
        return; /* saying goodbye has its own deadline */
    } else if (connection->phase == PHASE_OPEN && pace_due_ms(connection) <= now_ms(server)) {
        pace_look(connection);
    } else if (connection->phase == PHASE_OPEN && message_is_late(connection)) {
        end_late_message(connection);
    } else if (connection->stream &&
               (connection->phase == PHASE_OPEN || connection->phase == PHASE_CLOSING)) {
        if (!look_at_stream(connection)) {
            connection_cut(connection);
            return;
        }
    } else if (connection->phase == PHASE_OPEN && connection->paused) {
        liveness_heard(connection); /* it can't be heard while we don't listen */
    } else if (connection->phase == PHASE_OPEN && !connection->pinged) {
        if (server->pings_left > 0) {
            server->pings_left--;
            ping(connection);
        }
    } else {
        connection_kill(connection);
        return;
    }
    liveness_schedule(connection);
}

static void serve_slot(struct server *server, int32_t slot, int64_t now)
{
    struct connection *connection = server->wheel[slot];
    struct connection *next;

    /* What is scheduled meanwhile goes to later ticks; nothing is freed but by expire() itself. */
    for (; connection; connection = next) {
        next = connection->wheel_next;
        if (due_ms(connection) > now)
            liveness_schedule(connection);
        else
            expire(connection);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    int64_t now = now_ms(server);
    int64_t last = now / WHEEL_TICK_MS;

    server->pings_left = WHEEL_PINGS;
    if (last - server->wheel_tick > WHEEL_SLOTS)
        server->wheel_tick = last - WHEEL_SLOTS;
    while (server->wheel_tick < last) {
        server->wheel_tick++;
        serve_slot(server, (int32_t)(server->wheel_tick % WHEEL_SLOTS), now);
    }
}

void liveness_init(struct server *server)
{
    (void)uv_timer_init(server->loop, &server->wheel_timer);
    server->wheel_timer.data = server;
}
