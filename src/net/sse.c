/*
 * Server-sent events: /v1/live for places where a WebSocket doesn't pass.
 *
 * A stream is a live connection on which the peer can say nothing: its subscribe message is made
 * from the URL, and from then on the hub has a viewer like any other, with the same frames, the
 * same conflation and the same goodbyes. Only what stands around a message is different:
 *
 *     event: update
 *     id: EPOCH:VER
 *     data: {"type":"update",…}
 *
 * Values are absolute, so Last-Event-ID has nothing to tell us. The answer has no length, it ends
 * with the connection.
 *
 * While a request is being answered lws 4.1.6 takes nothing from its connection, not even its end,
 * and turns in circles when something comes; and one that is paused it doesn't tell of room in the
 * socket. So a stream is paused but while it waits for room, and whether the peer has left is
 * looked at every now and then, meanwhile at every tick of the wheel. One that says something
 * instead has left too, as far as a stream goes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "http.h"
#include "livetally/json.h"
#include "livetally/mem.h"

#define STREAM_TYPE       "text/event-stream"
#define ACCEPT_BYTES      1024
#define ORIGIN_BYTES      512
#define ARGUMENT_ROOM     8193 /* whatever fits in a request's headers */
#define ARGUMENTS_MAX     128  /* lws keeps fewer */
#define INTERVAL_DIGITS   9
#define RETRY_BASE_MS     1000 /* when the connection breaks without a goodbye, which says better */
#define RETRY_SPREAD_MS   4000
#define TOPIC_ARGUMENT    "topic="
#define INTERVAL_ARGUMENT "interval_ms="
#define TOKEN_ARGUMENT    "token="

bool sse_wanted(struct lws *wsi, const char *path)
{
    char accept[ACCEPT_BYTES];

    return strcmp(path, "/v1/live") == 0 &&
           lws_hdr_copy(wsi, accept, sizeof(accept), WSI_TOKEN_HTTP_ACCEPT) > 0 &&
           strcasestr(accept, STREAM_TYPE) != NULL;
}

/* --- the way out ------------------------------------------------------------------------------ */

/* What a message says of itself before its topics. */
struct message_head {
    struct json_string type;
    struct json_string epoch;
    int64_t version;
    int64_t retry_ms;
    bool has_version;
    bool has_retry;
};

static void read_head(struct slice json, struct message_head *ret_head)
{
    struct json_reader reader;
    struct json_string key;

    memset(ret_head, 0, sizeof(*ret_head));
    json_reader_init(&reader, json);
    if (json_reader_next(&reader) != JSON_OBJECT)
        return;
    while (json_reader_key(&reader, &key) && !json_string_equals(key, SLICE("topics"))) {
        if (json_string_equals(key, SLICE("type"))) {
            if (json_reader_next(&reader) == JSON_STRING)
                ret_head->type = reader.string;
        } else if (json_string_equals(key, SLICE("epoch"))) {
            if (json_reader_next(&reader) == JSON_STRING)
                ret_head->epoch = reader.string;
        } else if (json_string_equals(key, SLICE("ver"))) {
            ret_head->has_version = json_reader_next(&reader) == JSON_INT;
            ret_head->version = reader.integer;
        } else if (json_string_equals(key, SLICE("retry_after_ms"))) {
            ret_head->has_retry = json_reader_next(&reader) == JSON_INT;
            ret_head->retry_ms = reader.integer;
        } else {
            (void)json_reader_skip(&reader);
        }
    }
}

void sse_wrap(struct buffer *out, struct slice json)
{
    struct message_head head;

    read_head(json, &head);
    if (head.has_retry)
        buffer_printf(out, "retry: %jd\n", (intmax_t)head.retry_ms);
    buffer_append_text(out, "event: ");
    buffer_append_slice(out, head.type.raw);
    if (head.epoch.raw.size && head.has_version) {
        buffer_append_text(out, "\nid: ");
        buffer_append_slice(out, head.epoch.raw);
        buffer_printf(out, ":%jd", (intmax_t)head.version);
    }
    buffer_append_text(out, "\ndata: ");
    buffer_append_slice(out, json);
    buffer_append_text(out, "\n\n");
}

static void write_bytes(struct connection *connection, struct buffer *text)
{
    if (lws_write(connection->wsi, (unsigned char *)text->data + LWS_PRE, text->size - LWS_PRE,
                  LWS_WRITE_HTTP) < 0)
        connection_kill(connection);
    else
        memory_written(connection, text->size - LWS_PRE);
}

bool sse_has_left(const struct connection *connection)
{
    char byte;

    return recv(lws_get_socket_fd(connection->wsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
           errno != EAGAIN;
}

void sse_watch(struct connection *connection)
{
    bool stuck = connection->phase == PHASE_OPEN && live_stuck(connection);

    connection_pause(connection, PAUSE_HTTP, !stuck && connection->phase != PHASE_GOODBYE);
    if (!stuck || connection->pinged)
        return;
    connection->pinged = true;
    connection->since_ms = (int64_t)uv_now(connection->server->loop);
    liveness_schedule(connection);
}

void sse_send(struct connection *connection, struct slice json)
{
    struct buffer text = BUFFER_INIT;

    memset(buffer_reserve(&text, LWS_PRE), 0, LWS_PRE);
    text.size = LWS_PRE;
    sse_wrap(&text, json);
    write_bytes(connection, &text);
    buffer_done(&text);
    sse_watch(connection);
}

void sse_drained(struct connection *connection)
{
    connection_drained(connection);
    sse_watch(connection);
}

void sse_end(struct connection *connection)
{
    connection_set_phase(connection, PHASE_CLOSING);
    http_shut_half(connection);
}

/* --- the way in ------------------------------------------------------------------------------- */

/* 1 to 9 digits, above 0; else -1. */
static int64_t read_interval(const char *text)
{
    int64_t interval = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > INTERVAL_DIGITS || text[digits] != '\0')
        return -1;
    for (size_t i = 0; i < digits; i++)
        interval = interval * 10 + (text[i] - '0');
    return interval > 0 ? interval : -1;
}

static const char *after(const char *argument, const char *name)
{
    size_t size = strlen(name);

    return strncmp(argument, name, size) == 0 ? argument + size : NULL;
}

/* Makes the subscribe message that a WebSocket would have brought. */
static enum http_problem read_arguments(struct lws *wsi, char argument[ARGUMENT_ROOM],
                                        struct buffer *message)
{
    int64_t interval_ms = 0;
    bool topics = false;

    buffer_append_text(message, "{\"type\":\"subscribe\",\"topics\":[");
    for (int i = 0; i < ARGUMENTS_MAX; i++) {
        int size = lws_hdr_copy_fragment(wsi, argument, ARGUMENT_ROOM, WSI_TOKEN_HTTP_URI_ARGS, i);
        const char *topic, *interval;

        if (size < 0)
            break;
        if (size == 0)
            continue;
        topic = after(argument, TOPIC_ARGUMENT);
        interval = after(argument, INTERVAL_ARGUMENT);
        if (topic) {
            json_write_comma(message);
            json_write_string(message, slice_of(topic));
            topics = true;
        } else if (interval && !interval_ms) {
            interval_ms = read_interval(interval);
        } else if (!after(argument, TOKEN_ARGUMENT)) {
            return PROBLEM_STREAM_PARAMETER;
        }
        if (interval_ms < 0)
            return PROBLEM_STREAM_INTERVAL;
    }
    buffer_append_byte(message, ']');
    if (interval_ms)
        json_field_int(message, "interval_ms", interval_ms);
    buffer_append_byte(message, '}');
    return topics ? PROBLEM_NONE : PROBLEM_TOPIC_MISSING;
}

/* Pages of other sites were looked at already; their browsers want to hear that they may read. */
static void write_origin(struct buffer *out, struct lws *wsi)
{
    char origin[ORIGIN_BYTES];

    if (lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN) > 0)
        buffer_printf(out, "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n", origin);
}

static void write_head(struct connection *connection)
{
    struct buffer *out = connection_begin(connection);

    buffer_append_text(out, "HTTP/1.1 200 OK\r\nContent-Type: " STREAM_TYPE "\r\n"
                            "Cache-Control: no-store, no-transform\r\n"
                            "X-Accel-Buffering: no\r\n"
                            "X-Content-Type-Options: nosniff\r\n");
    write_origin(out, connection->wsi);
    buffer_printf(out, "Connection: close\r\n\r\nretry: %ju\n\n",
                  (uintmax_t)(RETRY_BASE_MS + server_random(connection->server) % RETRY_SPREAD_MS));
    connection->server->stats->http_requests[HTTP_STATUS_200]++;
    write_bytes(connection, out);
}

/* There are no pings here: the kernel notices a peer that no longer takes our heartbeats. */
static void limit_silence(struct connection *connection)
{
    const struct server_options *options = &connection->server->options;
    unsigned silence_ms = options->ping_idle_ms + options->ping_wait_ms;

    (void)setsockopt(lws_get_socket_fd(connection->wsi), IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms,
                     sizeof(silence_ms));
}

static void become_stream(struct http_request *request)
{
    struct connection *connection = request->connection;

    connection->grant = request->grant;
    request->grant = NULL;
    http_close(connection);
    (void)peer_join_token(connection, connection->grant); /* has room: the request just left */
    memset(&connection->u, 0, sizeof(connection->u));
    connection->kind = KIND_LIVE;
    connection->stream = true;
    liveness_heard(connection);
    limit_silence(connection);
    (void)lws_set_timeout(connection->wsi, NO_PENDING_TIMEOUT, 0);
}

void sse_open(struct http_request *request)
{
    struct connection *connection = request->connection;
    struct buffer message = BUFFER_INIT;
    char argument[ARGUMENT_ROOM];
    enum http_problem problem = read_arguments(connection->wsi, argument, &message);

    if (problem) {
        http_answer_problem(request, problem);
        goto out;
    }
    if (http_has_leftovers(connection)) { /* which lws would turn in circles for */
        http_close(connection);
        connection_kill(connection);
        goto out;
    }
    become_stream(request);
    write_head(connection);
    connection_open(connection);
    if (connection->phase == PHASE_OPEN)
        live_receive(connection, message.data, message.size, true, true);
out:
    buffer_done(&message);
}
