/*
 * /v1/ingest: messages in, acks out.
 *
 * Each message becomes a parcel in the connection's list, in order. The partition finishes them in
 * that order too, so the finished ones stand at the head, and one ack covers them all; acks are
 * written once a loop turn, when the loop is about to sleep. A parcel leaves the list, and the
 * window, when its ack is written, so a tool that doesn't read its acks is not read from either.
 *
 * Bounds: window_events and window_bytes (each exceeded by at most one message), then reading stops
 * until half of it is acked; one message under way of at most message_bytes. While a tool doesn't
 * read, no more is kept of what is done than its ack will say.
 */
#include "livetally/json.h"
#include "livetally/mem.h"
#include "livetally/server.h"
#include "net.h"

#define BAD_MESSAGES_MAX   100  /* PROTOCOL: in a row, then 4400 */
#define ACK_REJECTIONS_MAX 1000 /* PROTOCOL: of one ack */

struct ingest {
    struct connection *connection;
    struct ingest *dirty_prev, *dirty_next;
    bool dirty;
    bool store_available;  /* as the tool was told */
    uint32_t bad_messages; /* in a row */
    struct parcel *first, *last;
    struct parcel *arriving; /* the message that comes in pieces, or NULL */
    uint64_t number;         /* of the last message */
    uint64_t window_bytes;
    uint32_t window_events;
};

static void mark_dirty(struct ingest *ingest)
{
    struct server *server = ingest->connection->server;

    if (ingest->dirty)
        return;
    ingest->dirty = true;
    ingest->dirty_prev = NULL;
    ingest->dirty_next = server->dirty;
    if (server->dirty)
        server->dirty->dirty_prev = ingest;
    server->dirty = ingest;
}

static void unmark_dirty(struct ingest *ingest)
{
    if (!ingest->dirty)
        return;
    ingest->dirty = false;
    if (ingest->dirty_next)
        ingest->dirty_next->dirty_prev = ingest->dirty_prev;
    if (ingest->dirty_prev)
        ingest->dirty_prev->dirty_next = ingest->dirty_next;
    else
        ingest->connection->server->dirty = ingest->dirty_next;
}

void ingest_flush_dirty(struct server *server)
{
    while (server->dirty) {
        struct ingest *ingest = server->dirty;

        unmark_dirty(ingest);
        ingest_flush(ingest->connection);
    }
}

void ingest_open(struct connection *connection)
{
    struct server *server = connection->server;
    struct ingest *ingest = mem_zalloc(sizeof(*ingest));

    ingest->connection = connection;
    ingest->store_available = true;
    connection->u.ingest = ingest;
    server->stats->connections_ingest++;
    server->stats->ingest_connections++;
    connection_hello(connection, INGEST_PROTOCOL);
    server->store_available = server->ops.store_available(server->ops.context);
    mark_dirty(ingest); /* it may have to be told that the store is away */
}

void ingest_tell_store(struct connection *connection)
{
    if (connection->u.ingest)
        mark_dirty(connection->u.ingest);
}

static void append(struct ingest *ingest, struct parcel *parcel)
{
    parcel->prev = ingest->last;
    parcel->next = NULL;
    if (ingest->last)
        ingest->last->next = parcel;
    else
        ingest->first = parcel;
    ingest->last = parcel;
    ingest->window_bytes += parcel->bytes;
    ingest->window_events += parcel->events;
}

static void take_out(struct ingest *ingest, struct parcel *parcel)
{
    if (parcel->next)
        parcel->next->prev = parcel->prev;
    else
        ingest->last = parcel->prev;
    if (parcel->prev)
        parcel->prev->next = parcel->next;
    else
        ingest->first = parcel->next;
    ingest->window_bytes -= parcel->bytes;
    ingest->window_events -= parcel->events;
}

void ingest_close(struct connection *connection)
{
    struct ingest *ingest = connection->u.ingest;
    struct parcel *next;

    if (!ingest)
        return;
    connection->server->stats->ingest_connections--;
    unmark_dirty(ingest);
    parcel_free(ingest->arriving);
    for (struct parcel *parcel = ingest->first; parcel; parcel = next) {
        next = parcel->next;
        if (parcel->done)
            parcel_free(parcel);
        else
            parcel->post.origin = NULL; /* freed when it is done */
    }
    free(ingest);
    connection->u.ingest = NULL;
}

/* Its ack can't be written now: no more is kept of it than that will say. */
static void keep_unread(struct connection *connection, struct parcel *parcel)
{
    message_keep_rejections(&parcel->post.message);
    parcel->unread_bytes = parcel_bytes(parcel);
    memory_queue(connection, parcel->unread_bytes);
}

static void on_done(struct post *post)
{
    struct parcel *parcel = (struct parcel *)post;
    struct connection *connection = post->origin;

    parcel_settled(parcel);
    if (!connection) {
        parcel_free(parcel);
    } else if (post->number == 0) { /* not durable: nothing to say about it */
        take_out(connection->u.ingest, parcel);
        parcel_free(parcel);
    } else {
        parcel->done = true;
        if (!connection_writable(connection))
            keep_unread(connection, parcel);
        mark_dirty(connection->u.ingest);
    }
}

/* Whether to stop or go on reading. */
static void regulate(struct connection *connection)
{
    const struct server_options *options = &connection->server->options;
    const struct ingest *ingest = connection->u.ingest;

    if (connection->phase != PHASE_OPEN)
        return;
    if (connection->server->draining || connection->server->pressed ||
        ingest->window_events >= options->window_events ||
        ingest->window_bytes >= options->window_bytes)
        connection_pause(connection, PAUSE_WINDOW, true);
    else if (ingest->window_events <= options->window_events / 2 &&
             ingest->window_bytes <= options->window_bytes / 2)
        connection_pause(connection, PAUSE_WINDOW, false);
}

static bool whole_is_bad(const struct message *message)
{
    return message->event_count == 0 && message->rejection_count == 1 &&
           message->rejections[0].index == REJECTION_WHOLE_MESSAGE &&
           message->rejections[0].code == REJECT_BAD_JSON;
}

static void accept_message(struct connection *connection, struct parcel *parcel)
{
    struct ingest *ingest = connection->u.ingest;
    bool bad;

    parcel_parse(parcel);
    if (!parcel_is_utf8(parcel)) {
        parcel_free(parcel);
        connection_say_goodbye(connection, GOODBYE_NOT_UTF8);
        return;
    }
    if (parcel_is_auth(parcel)) {
        parcel_free(parcel);
        return;
    }
    bad = whole_is_bad(&parcel->post.message);
    ingest->bad_messages = bad ? ingest->bad_messages + 1 : 0;
    if (bad)
        connection->server->stats->bad_messages++;
    if (connection->grant)
        parcel->post.grant = grant_ref(connection->grant);
    append(ingest, parcel);
    parcel_submit(parcel, ++ingest->number, on_done, connection);
    if (ingest->bad_messages >= BAD_MESSAGES_MAX)
        connection_say_goodbye(connection, GOODBYE_BAD_MESSAGES);
    else
        regulate(connection);
}

void ingest_receive(struct connection *connection, const char *data, size_t size, bool first,
                    bool final)
{
    struct ingest *ingest = connection->u.ingest;
    struct parcel *parcel;
    struct buffer *text;

    if (first && !ingest->arriving)
        ingest->arriving = parcel_new(connection->server);
    parcel = ingest->arriving;
    if (!parcel)
        return;
    text = &parcel->post.message.text;
    if (text->size + size > connection->server->options.message_bytes) {
        ingest->arriving = NULL;
        parcel_free(parcel);
        connection_say_goodbye(connection, GOODBYE_TOO_BIG);
        return;
    }
    if (size > 0)
        buffer_append(text, data, size);
    if (!final)
        return;
    ingest->arriving = NULL;
    accept_message(connection, parcel);
}

static void write_ack(struct connection *connection)
{
    struct ingest *ingest = connection->u.ingest;
    struct parcel *first = ingest->first;
    struct parcel *last = first;
    uint32_t rejections = first->post.message.rejection_count;

    while (last->next && last->next->done &&
           rejections + last->next->post.message.rejection_count <= ACK_REJECTIONS_MAX) {
        last = last->next;
        rejections += last->post.message.rejection_count;
    }
    ack_write(connection_begin(connection), last->post.number, first, last);
    connection_send(connection);
    last = last->next;
    while (ingest->first != last) {
        first = ingest->first;
        take_out(ingest, first);
        memory_unqueue(connection, first->unread_bytes);
        parcel_free(first);
    }
}

static void write_status(struct connection *connection)
{
    struct ingest *ingest = connection->u.ingest;
    bool available = connection->server->store_available;
    struct buffer *out;

    if (available == ingest->store_available)
        return;
    ingest->store_available = available;
    out = connection_begin(connection);
    buffer_append_byte(out, '{');
    json_field_string(out, "type", SLICE("status"));
    json_field_string(out, "store", available ? SLICE("available") : SLICE("unavailable"));
    buffer_append_byte(out, '}');
    connection_send(connection);
}

void ingest_flush(struct connection *connection)
{
    struct ingest *ingest = connection->u.ingest;

    if (!ingest) /* refused before it was opened */
        return;
    while (ingest->first && ingest->first->done) {
        if (!connection_writable(connection)) {
            connection_ask_writable(connection);
            return;
        }
        write_ack(connection);
    }
    if (connection_writable(connection))
        write_status(connection);
    regulate(connection);
}
