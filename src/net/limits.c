/*
 * Limits that change while connections are open. Each is read where it is needed, so a new value
 * counts from the next message, request or connection on; here is only what would otherwise go on
 * waiting by the old ones.
 */
#include "livetally/server.h"
#include "net.h"

static void copy_limits(struct server_options *options, const struct server_options *next)
{
    struct server_options before = *options;

    *options = *next;
    /* What is no limit: whoever made `next` may be gone by now. */
    options->rules = before.rules;
    options->batch_events = before.batch_events; /* the rules have it too */
    options->version = before.version;
    options->day_offset_minutes = before.day_offset_minutes;
    options->tls = before.tls;
    options->counties = before.counties;
}

static void look_again(struct connection *connection)
{
    if (connection->phase == PHASE_DEAD || !connection->wsi)
        return;
    pace_look(connection);
    if (connection->kind == KIND_INGEST && connection->phase == PHASE_OPEN)
        ingest_tell_store(connection); /* its turn to be flushed, and its window looked at */
    liveness_schedule(connection);
}

bool server_set_limits(struct server *server, const struct server_options *options,
                       uint32_t *ret_most)
{
    bool fits = options->max_connections <= server->room;

    copy_limits(&server->options, options);
    if (!fits)
        server->options.max_connections = server->room;
    *ret_most = server->options.max_connections;
    parcel_look(server);
    memory_look(server);
    for (struct connection *at = server->connections; at; at = at->next)
        look_again(at);
    return fits;
}
