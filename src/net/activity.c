/* What is under way on a connection; see activity.h. */
#include "activity.h"

#include <stdlib.h>

#include "livetally/mem.h"
#include "net.h"

const struct activity activity_none;

struct activity *activity_begin(struct connection *connection)
{
    if (!connection->activity) {
        /* Not zalloc: glibc's calloc() doesn't look where free() puts what is needed again soon,
         * and a new connection would be put into a part of the place of this. */
        connection->activity = mem_alloc(sizeof(*connection->activity));
        *connection->activity = activity_none;
        connection->server->stats->active_connections++;
    }
    return connection->activity;
}

static bool is_over(const struct connection *connection)
{
    const struct activity *activity = connection->activity;

    return connection->phase == PHASE_OPEN && !activity->arriving_bytes &&
           !activity->queued_bytes && inbound_is_over(connection) && !activity->words.data &&
           !activity->message.data && pace_is_over(connection);
}

void activity_rest(struct connection *connection)
{
    if (connection->activity && is_over(connection))
        activity_end(connection);
}

void activity_end(struct connection *connection)
{
    if (!connection->activity)
        return;
    connection->server->stats->active_connections--;
    free(connection->activity);
    connection->activity = NULL;
}
