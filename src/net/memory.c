/*
 * What connections hold of our memory, over all of them, with a bound on each sum.
 *
 * Queued: what a peer should have read by now. lws keeps what the kernel didn't take of a write,
 * one at a time, as nothing more is written before it is gone; how much of it that is it doesn't
 * tell, so all of the write counts until then. Acks that can't be written wait in their parcels.
 * Past the bound the largest holders are cut off: they read too slowly to be told why.
 *
 * Arriving: messages of which a part is here. Past the bound whoever sends such a part is not read
 * from, but for one at a time, so that they come to an end; whole messages are, so small ones of
 * others pass. A message has to be complete in message_ms, so the memory always comes back.
 */
#include <sys/socket.h>

#include "livetally/server.h"
#include "net.h"

#define LOG_EVERY_MS 1000

/* --- queued ----------------------------------------------------------------------------------- */

void memory_settle(struct connection *connection)
{
    uint64_t unsent = activity_of(connection)->unsent_bytes;

    if (unsent && !lws_partial_buffered(connection->wsi)) {
        memory_unqueue(connection, unsent);
        connection->activity->unsent_bytes = 0;
    }
}

static void forget_queue(struct connection *connection)
{
    struct activity *activity = connection->activity;

    if (!activity)
        return;
    connection->server->queued_bytes -= activity->queued_bytes;
    activity->queued_bytes = 0;
    activity->unsent_bytes = 0;
}

static void cut_off(struct connection *connection)
{
    struct server *server = connection->server;

    forget_queue(connection);
    connection->cut_off = true;
    server->stats->connections_refused[REFUSAL_QUEUE]++;
    connection_cut(connection);
}

static uint64_t largest_queue(struct server *server)
{
    uint64_t largest = 0;

    for (struct connection *at = server->connections; at; at = at->next) {
        if (at->phase != PHASE_DEAD && at->wsi)
            memory_settle(at);
        if (activity_of(at)->queued_bytes > largest)
            largest = activity_of(at)->queued_bytes;
    }
    return largest;
}

static void tell(struct server *server, uint32_t count, uint64_t bytes)
{
    int64_t now = (int64_t)uv_now(server->loop);

    server->cut_off_count += count;
    server->cut_off_bytes += bytes;
    if (server->cut_off_told_ms && now - server->cut_off_told_ms < LOG_EVERY_MS)
        return;
    log_print(server->log, LOG_LEVEL_WARNING,
              "connections that read too slowly were cut off, to stay within "
              "limits.send_queue_bytes connections=%u bytes=%ju",
              server->cut_off_count, (uintmax_t)server->cut_off_bytes);
    server->cut_off_told_ms = now;
    server->cut_off_count = 0;
    server->cut_off_bytes = 0;
}

/* Down to three quarters, so that this walk is rare. */
static void relieve(struct server *server)
{
    uint64_t wanted = server->options.send_queue_bytes / 4 * 3;
    uint64_t before, largest;
    uint32_t count = 0;

    largest = largest_queue(server);
    before = server->queued_bytes;
    if (before <= server->options.send_queue_bytes)
        return;
    while (server->queued_bytes > wanted && largest > 0) {
        for (struct connection *at = server->connections; at; at = at->next) {
            if (server->queued_bytes <= wanted)
                break;
            if (activity_of(at)->queued_bytes <= largest / 2 || at->phase == PHASE_DEAD || !at->wsi)
                continue;
            cut_off(at);
            count++;
        }
        largest /= 2;
    }
    tell(server, count, before - server->queued_bytes);
}

void memory_queue(struct connection *connection, uint64_t bytes)
{
    struct server *server = connection->server;

    if (connection->cut_off)
        return;
    activity_begin(connection)->queued_bytes += bytes;
    server->queued_bytes += bytes;
    if (server->queued_bytes > server->options.send_queue_bytes)
        relieve(server);
}

void memory_unqueue(struct connection *connection, uint64_t bytes)
{
    if (connection->cut_off || bytes == 0)
        return;
    connection->activity->queued_bytes -= bytes;
    connection->server->queued_bytes -= bytes;
}

void memory_written(struct connection *connection, size_t size)
{
    if (!lws_partial_buffered(connection->wsi) || connection->cut_off)
        return;
    activity_begin(connection)->unsent_bytes += size;
    memory_queue(connection, size);
}

/* --- arriving --------------------------------------------------------------------------------- */

bool memory_reserve(struct connection *connection, uint64_t bytes)
{
    struct server *server = connection->server;

    if (server->arriving_bytes + bytes > server->options.assembly_bytes)
        return false;
    activity_begin(connection)->arriving_bytes += bytes;
    server->arriving_bytes += bytes;
    return true;
}

void memory_arriving(struct connection *connection, size_t size)
{
    struct server *server = connection->server;
    struct activity *activity = activity_begin(connection);

    if (activity->arriving_bytes == 0) {
        activity->arriving_since_ms = (int64_t)uv_now(server->loop);
        activity->arriving_bytes = 1; /* also of an empty piece */
        server->arriving_bytes++;
        liveness_schedule(connection);
    }
    activity->arriving_bytes += size;
    server->arriving_bytes += size;
    if (server->arriving_bytes <= server->options.assembly_bytes)
        return;
    if (!server->arriving_first)
        server->arriving_first = connection;
    if (server->arriving_first != connection)
        connection_pause(connection, PAUSE_MEMORY, true);
}

void memory_look(struct server *server)
{
    bool room = server->arriving_bytes <= server->options.assembly_bytes / 2;

    if (server->arriving_first && !room)
        return;
    for (struct connection *at = server->connections; at; at = at->next) {
        if (!(at->paused & PAUSE_MEMORY) || at->phase == PHASE_DEAD)
            continue;
        connection_pause(at, PAUSE_MEMORY, false);
        if (room)
            continue;
        server->arriving_first = at;
        return;
    }
}

void memory_arrived(struct connection *connection)
{
    struct server *server = connection->server;

    if (activity_of(connection)->arriving_bytes == 0)
        return;
    server->arriving_bytes -= connection->activity->arriving_bytes;
    connection->activity->arriving_bytes = 0;
    if (!server->arriving_first)
        return; /* nobody waits */
    if (server->arriving_first == connection)
        server->arriving_first = NULL;
    memory_look(server);
}

void memory_leave(struct connection *connection)
{
    memory_arrived(connection);
    forget_queue(connection);
}
