/*
 * How fast somebody may send. What came has been read, so nothing is ever dropped for it: over its
 * rate a connection is not read from until its buckets are filled again, and TCP tells the peer.
 * One that has to be held back again and again, for longer than rate_close_ms, is sent away.
 *
 * Looked at when something came, by the loop's time, so that it costs a few additions a message;
 * being read from again is a deadline of the wheel (liveness.c), a quarter of a second exact. The
 * rate stays exact for that, as the buckets go on filling meanwhile.
 *
 * Requests over HTTP are not slowed: they are answered 429 with the time to wait.
 */
#include "livetally/server.h"
#include "net.h"

/* Of a message besides its text; so that many small pieces of one don't come for nothing. */
#define FRAME_BYTES 8
/* Not held back for so long after it was: what comes later is another time. */
#define EASED_MS 1000

static int64_t now_ms(const struct connection *connection)
{
    return (int64_t)uv_now(connection->server->loop);
}

static struct meter *token_meter(const struct connection *connection)
{
    return connection->parties[PLACE_TOKEN]
               ? &party_figures(connection->parties[PLACE_TOKEN])->meter
               : NULL;
}

void pace_begin(struct connection *connection)
{
    meter_fill(&connection->meter, &connection->server->options.rate, now_ms(connection));
}

static bool take(struct connection *connection, uint32_t messages, uint64_t bytes)
{
    const struct server_options *options = &connection->server->options;
    struct meter *shared = token_meter(connection);
    int64_t now = now_ms(connection);
    bool over = meter_take(&connection->meter, &options->rate, now, messages, bytes);

    if (shared && meter_take(shared, &options->token_rate, now, messages, bytes))
        over = true;
    return over;
}

/* When its buckets hold something again. */
static int64_t filled_ms(const struct connection *connection)
{
    const struct server_options *options = &connection->server->options;
    const struct meter *shared = token_meter(connection);
    int64_t now = now_ms(connection);
    int64_t own = meter_due_ms(&connection->meter, &options->rate, now);
    int64_t due = shared ? meter_due_ms(shared, &options->token_rate, now) : now;

    return own > due ? own : due;
}

static int64_t close_ms(const struct connection *connection)
{
    return activity_of(connection)->slow_since_ms + connection->server->options.rate_close_ms;
}

bool pace_is_over(const struct connection *connection)
{
    return !(connection->paused & PAUSE_RATE) &&
           now_ms(connection) - activity_of(connection)->slow_until_ms > EASED_MS;
}

static void send_away(struct connection *connection)
{
    peer_count_refusal(connection, REFUSAL_RATE);
    connection_say_goodbye(connection, GOODBYE_RATE);
}

static void slow_down(struct connection *connection)
{
    struct activity *activity;
    int64_t now = now_ms(connection);

    if (connection->phase != PHASE_OPEN)
        return;
    activity = activity_begin(connection);
    if (pace_is_over(connection))
        activity->slow_since_ms = now;
    activity->slow_until_ms = filled_ms(connection);
    if (now >= close_ms(connection)) {
        send_away(connection);
        return;
    }
    connection_pause(connection, PAUSE_RATE, true);
    liveness_schedule(connection);
}

void pace_received(struct connection *connection, size_t size, bool final)
{
    if (take(connection, final ? 1 : 0, size + FRAME_BYTES))
        slow_down(connection);
}

int64_t pace_due_ms(const struct connection *connection)
{
    int64_t until = activity_of(connection)->slow_until_ms;
    int64_t close = close_ms(connection);

    if (!(connection->paused & PAUSE_RATE))
        return INT64_MAX;
    return until < close ? until : close;
}

void pace_look(struct connection *connection)
{
    const struct server_options *options = &connection->server->options;
    struct meter *shared = token_meter(connection);
    struct activity *activity;
    int64_t now = now_ms(connection);

    if (!(connection->paused & PAUSE_RATE))
        return;
    activity = activity_begin(connection);
    meter_refill(&connection->meter, &options->rate, now);
    if (shared)
        meter_refill(shared, &options->token_rate, now);
    activity->slow_until_ms = filled_ms(connection);
    if (activity->slow_until_ms <= now)
        connection_pause(connection, PAUSE_RATE, false);
    else if (now >= close_ms(connection))
        send_away(connection);
}

uint32_t pace_request(struct connection *connection, uint64_t bytes)
{
    const struct server_options *options = &connection->server->options;
    const struct meter *shared = token_meter(connection);
    bool over;

    (void)take(connection, 0, 0);
    over = meter_is_over(&connection->meter, &options->rate) ||
           (shared && meter_is_over(shared, &options->token_rate));
    if (over)
        return (uint32_t)((filled_ms(connection) - now_ms(connection) + 999) / 1000);
    (void)take(connection, 1, bytes + FRAME_BYTES);
    return 0;
}
