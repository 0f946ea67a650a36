/*
 * One socket, whatever it speaks.
 *
 * Writing: lws_write() goes straight to the kernel and keeps what the kernel didn't take. Writing
 * again before that is gone would garble the stream, so everything goes through
 * connection_writable(). What can't be written now waits where it is (acks in their parcels, the
 * hub's news as a version number), never in a queue of bytes.
 *
 * Closing: lws drops the close frame when anything is still buffered, and when asked in the middle
 * of a frame it loses its place in the stream, so that it can't read and discard until the peer
 * closes (and the peer's kernel may then throw our goodbye away). So goodbye is written first, and
 * lws is asked to close from the next writable callback, when all of that is gone.
 */
#include <string.h>
#include <sys/random.h>

#include "livetally/calendar.h"
#include "livetally/json.h"
#include "livetally/mem.h"
#include "livetally/server.h"
#include "net.h"

#define SCRATCH_KEPT_BYTES (1U << 20)
#define RETRY_BASE_MS      500
#define RETRY_SPREAD_MS    5000

static const struct {
    uint16_t close;
    const char *code;
    const char *message;
} goodbyes[] = {
#define X(name, close, code, message) [GOODBYE_##name] = {close, code, message},
    GOODBYES(X)
#undef X
};

uint64_t server_random(struct server *server)
{
    uint64_t mixed;

    /* splitmix64; seeded by getrandom(), for spreading times, not for secrets */
    server->random += UINT64_C(0x9e3779b97f4a7c15);
    mixed = server->random;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

struct connection *connection_new(struct server *server)
{
    struct connection *connection = mem_zalloc(sizeof(*connection));

    connection->server = server;
    connection->kind = KIND_HTTP;
    connection->wheel_slot = -1;
    if (server->connection_count - server->refused_count >= server->options.max_connections) {
        peer_refuse(connection, REFUSAL_TOTAL);
        server->refused_count++;
    }
    connection->next = server->connections;
    if (connection->next)
        connection->next->prev = connection;
    server->connections = connection;
    server->connection_count++;
    (void)activity_begin(connection);
    pace_begin(connection);
    connection_set_phase(connection, PHASE_HANDSHAKE);
    return connection;
}

static void leave_kind(struct connection *connection)
{
    switch (connection->kind) {
    case KIND_INGEST:
        ingest_close(connection);
        break;
    case KIND_LIVE:
        live_close(connection);
        break;
    default:
        http_close(connection);
        break;
    }
}

void connection_gone(struct connection *connection)
{
    if (connection->phase == PHASE_DEAD)
        return;
    leave_kind(connection);
    memory_leave(connection);
    connection->phase = PHASE_DEAD;
    rest_end(connection);
    inbound_forget(connection);
    liveness_cancel(connection);
}

void connection_free(struct connection *connection)
{
    struct server *server = connection->server;

    if (connection->next)
        connection->next->prev = connection->prev;
    if (connection->prev)
        connection->prev->next = connection->next;
    else
        server->connections = connection->next;
    server->connection_count--;
    if (connection->refused && connection->refusal == REFUSAL_TOTAL)
        server->refused_count--;
    peer_leave(connection);
    auth_forget_words(connection);
    activity_end(connection);
    grant_unref(connection->grant);
    free(connection);
}

void connection_kill(struct connection *connection)
{
    if (connection->phase == PHASE_DEAD || !connection->wsi)
        return;
    lws_set_timeout(connection->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    /* lws looks at its timers only after events of its own: make one. */
    lws_cancel_service(connection->server->context);
}

void connection_cut(struct connection *connection)
{
    if (connection->phase == PHASE_DEAD || !connection->wsi)
        return;
    (void)shutdown(lws_get_socket_fd(connection->wsi), SHUT_RDWR);
    connection_kill(connection);
}

void connection_set_phase(struct connection *connection, enum connection_phase phase)
{
    connection->phase = (uint8_t)phase;
    connection->since_ms = (int64_t)uv_now(connection->server->loop);
    liveness_schedule(connection);
}

void connection_pause(struct connection *connection, uint8_t reasons, bool pause)
{
    uint8_t before = connection->paused;

    connection->paused = (uint8_t)(pause ? before | reasons : before & ~reasons);
    if (!before == !connection->paused)
        return;
    /* A message under way could not go on for our sake: its time begins again. */
    if (!pause && connection->activity && (before & ~PAUSE_MEMORY))
        connection->activity->arriving_since_ms = (int64_t)uv_now(connection->server->loop);
    (void)lws_rx_flow_control(connection->wsi, !connection->paused);
    if (connection->tls && !connection->paused)
        tls_resume(connection);
}

bool connection_writable(const struct connection *connection)
{
    return (connection->phase == PHASE_OPEN || connection->phase == PHASE_GOODBYE) &&
           !lws_partial_buffered(connection->wsi);
}

void connection_ask_writable(struct connection *connection)
{
    if (connection->phase != PHASE_DEAD)
        (void)lws_callback_on_writable(connection->wsi);
}

struct buffer *connection_begin(struct connection *connection)
{
    struct buffer *scratch = &connection->server->scratch;

    if (scratch->capacity > SCRATCH_KEPT_BYTES)
        buffer_done(scratch);
    buffer_reset(scratch);
    memset(buffer_reserve(scratch, LWS_PRE), 0, LWS_PRE);
    scratch->size = LWS_PRE;
    return scratch;
}

void connection_send_bytes(struct connection *connection, unsigned char *text, size_t size)
{
    if (lws_write(connection->wsi, text, size, LWS_WRITE_TEXT) < 0)
        connection_kill(connection);
    else
        memory_written(connection, size);
}

void connection_send(struct connection *connection)
{
    struct buffer *scratch = &connection->server->scratch;
    char *text = scratch->data + LWS_PRE;
    size_t size = scratch->size - LWS_PRE;

    if (connection->stream)
        sse_send(connection, (struct slice){text, size});
    else
        connection_send_bytes(connection, (unsigned char *)text, size);
}

static void write_goodbye(struct connection *connection)
{
    struct buffer *out = connection_begin(connection);
    uint64_t retry_ms = RETRY_BASE_MS + server_random(connection->server) % RETRY_SPREAD_MS;
    struct slice message = connection->explained ? buffer_slice(&activity_of(connection)->words)
                                                 : slice_of(goodbyes[connection->goodbye].message);

    buffer_append_byte(out, '{');
    json_field_string(out, "type", SLICE("goodbye"));
    json_field_string(out, "code", slice_of(goodbyes[connection->goodbye].code));
    json_field_string(out, "message", message);
    json_field_uint(out, "retry_after_ms", retry_ms);
    buffer_append_byte(out, '}');
    connection_send(connection);
}

/* As far as the socket takes it; the close frame follows from connection_drained(). */
static void continue_goodbye(struct connection *connection)
{
    if (connection->kind == KIND_INGEST && connection_writable(connection))
        ingest_flush(connection);
    if (connection_writable(connection) && !connection->goodbye_sent) {
        write_goodbye(connection);
        connection->goodbye_sent = true;
    }
    connection_ask_writable(connection);
}

void connection_say_goodbye(struct connection *connection, enum goodbye goodbye)
{
    if ((connection->phase != PHASE_OPEN && connection->phase != PHASE_AUTH) ||
        connection->kind == KIND_HTTP)
        return;
    connection->goodbye = (uint8_t)goodbye;
    if (connection->kind == KIND_LIVE)
        live_close(connection);
    connection_set_phase(connection, PHASE_GOODBYE);
    continue_goodbye(connection);
}

void connection_hello(struct connection *connection, const char *protocol)
{
    struct server *server = connection->server;
    const struct server_options *options = &server->options;
    struct buffer *out = connection_begin(connection);
    char time_zone[7];

    calendar_format_offset(options->day_offset_minutes, time_zone);
    buffer_append_byte(out, '{');
    json_field_string(out, "type", SLICE("hello"));
    json_field_string(out, "protocol", slice_of(protocol));
    json_field_string(out, "server", slice_of(options->version));
    json_field_string(out, "epoch", slice_of(server->view->epoch));
    json_field_int(out, "time", clock_wall_ms(&server->clock));
    json_field_string(out, "currency", slice_of(options->rules->currency));
    json_field_string(out, "time_zone", slice_of(time_zone));
    json_write_key(out, "limits");
    buffer_append_byte(out, '{');
    if (connection->kind == KIND_INGEST) {
        json_field_uint(out, "message_bytes", options->message_bytes);
        json_field_uint(out, "batch_events", options->batch_events);
        json_field_uint(out, "window_events", options->window_events);
    } else {
        json_field_uint(out, "topics", options->max_topics ? options->max_topics : LIVE_TOPICS_MAX);
        json_field_uint(out, "min_interval_ms", LIVE_INTERVAL_MIN_MS);
    }
    buffer_append_text(out, "}}");
    connection_send(connection);
}

void connection_open(struct connection *connection)
{
    connection_set_phase(connection, PHASE_OPEN);
    if (connection->server->draining)
        connection_say_goodbye(connection, GOODBYE_SHUTTING_DOWN);
    else if (connection->kind == KIND_INGEST)
        ingest_open(connection);
    else
        live_open(connection);
}

enum goodbye connection_refusal(const struct connection *connection)
{
    switch (connection->refusal) {
    case REFUSAL_ADDRESS:
        return GOODBYE_ADDRESS;
    case REFUSAL_TOKEN:
        return GOODBYE_TOKEN_CONNECTIONS;
    default:
        return GOODBYE_CONNECTIONS;
    }
}

int connection_established(struct connection *connection)
{
    inbound_expect_frames(connection);
    liveness_heard(connection);
    if (connection->refused) {
        peer_count_refusal(connection, (enum refusal)connection->refusal);
        connection_set_phase(connection, PHASE_OPEN);
        connection_say_goodbye(connection, connection_refusal(connection));
    } else if (connection->nameless) {
        connection_set_phase(connection, PHASE_AUTH);
    } else {
        connection_open(connection);
    }
    activity_rest(connection);
    return 0;
}

static void deliver(struct connection *connection, const char *data, size_t size, bool first,
                    bool final)
{
    if (connection->binary)
        connection_say_goodbye(connection, GOODBYE_BINARY);
    else if (connection->phase == PHASE_AUTH)
        auth_receive(connection, data, size, final);
    else if (connection->kind == KIND_INGEST)
        ingest_receive(connection, data, size, first, final);
    else
        live_receive(connection, data, size, first, final);
}

int connection_received(struct connection *connection, const char *data, size_t size)
{
    bool first = lws_is_first_fragment(connection->wsi);
    bool final = lws_is_final_fragment(connection->wsi);

    liveness_heard(connection);
    if (connection->phase != PHASE_OPEN && connection->phase != PHASE_AUTH)
        return 0;
    if (first)
        connection->binary = lws_frame_is_binary(connection->wsi);
    if (final)
        memory_arrived(connection);
    deliver(connection, data, size, first, final);
    if (!final)
        memory_arriving(connection, size);
    pace_received(connection, size, final);
    activity_rest(connection);
    return 0;
}

/* The close frame, then reading and discarding, are lws's part. */
static void close_frame(struct connection *connection)
{
    lws_close_reason(connection->wsi, (enum lws_close_status)goodbyes[connection->goodbye].close,
                     NULL, 0);
    connection_set_phase(connection, PHASE_CLOSING);
    connection_pause(connection, PAUSE_ALL, false);
    /* As if -1 were returned, which in Debian's build closes twice, the second time at once. */
    lws_set_timeout(connection->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

void connection_drained(struct connection *connection)
{
    if (connection->phase == PHASE_GOODBYE) {
        if (!connection->goodbye_sent || !connection_writable(connection))
            continue_goodbye(connection);
        else if (connection->stream)
            sse_end(connection);
        else
            close_frame(connection);
    } else if (connection->phase == PHASE_OPEN) {
        /* The peer's kernel took what we had: it is there. */
        liveness_heard(connection);
        if (connection->kind == KIND_INGEST)
            ingest_flush(connection);
        else
            live_drained(connection);
        activity_rest(connection);
    }
}

int connection_peer_closes(struct connection *connection)
{
    if (connection->phase != PHASE_OPEN && connection->phase != PHASE_AUTH)
        return -1; /* the answer to our close frame, or as good as that */
    if (connection->kind == KIND_INGEST && connection_writable(connection))
        ingest_flush(connection);
    connection_set_phase(connection, PHASE_CLOSING);
    return 0; /* lws answers with a close frame, then closes */
}
