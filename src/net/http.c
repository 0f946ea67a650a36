/*
 * Plain HTTP, the way in: what lws tells of a request, until it can be served.
 *
 * lws 4.1.6 mishandles pipelining: a request with a body that starts in what it has already read
 * gets its own head for a body, or lws turns in circles for ever. So no request is ever started
 * from leftovers: reading stops when a request is in, requests are served outside of lws's
 * callbacks (when the loop is about to sleep, by when leftovers can be seen), and one that has
 * leftovers behind it is answered with Connection: close. Bodies are always read through
 * http_body(), also those nobody wants, since lws's own discarding leads to the same trap.
 *
 *   READING ─ body complete ─▶ READY ─▶ served, answered
 *                                └────▶ WAITING ─ done, or expired ─▶ READY
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "livetally/mem.h"

static const struct {
    const char *path;
    enum http_route route;
} routes[] = {
    {"/v1/events", ROUTE_EVENTS}, {"/v1/totals", ROUTE_TOTALS}, {"/metrics", ROUTE_METRICS},
    {"/healthz", ROUTE_ALIVE},    {"/readyz", ROUTE_READY},     {"/v1/ingest", ROUTE_SOCKET},
    {"/v1/live", ROUTE_SOCKET},
};

static void find_route(struct http_request *request, const char *path)
{
    request->asset = asset_find(request->connection->server, path);
    request->route = request->asset ? ROUTE_ASSET : ROUTE_NONE;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(routes[i].path, path) == 0)
            request->route = routes[i].route;
}

static enum http_method find_method(struct lws *wsi)
{
    if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI))
        return METHOD_GET;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI))
        return METHOD_HEAD;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI))
        return METHOD_POST;
    return METHOD_OTHER;
}

/* -1: absent, chunked, or not a number; what is larger than UINT32_MAX: that. */
static int64_t content_length(struct lws *wsi)
{
    char value[24];
    int64_t length = 0;

    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING))
        return -1;
    if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) ||
        lws_hdr_copy(wsi, value, sizeof(value), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return -1;
    for (const char *at = value; *at; at++) {
        if (*at < '0' || *at > '9')
            return -1;
        length = length * 10 + (*at - '0');
        if (length > UINT32_MAX)
            length = UINT32_MAX;
    }
    return length;
}

static bool has_length(struct lws *wsi)
{
    return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) ||
           lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
}

/* lws takes these to have a body, whether they say so or not. */
static bool implies_body(struct lws *wsi)
{
    return lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) ||
           lws_hdr_total_length(wsi, WSI_TOKEN_PUT_URI) ||
           lws_hdr_total_length(wsi, WSI_TOKEN_PATCH_URI);
}

static bool expects_continue(struct lws *wsi)
{
    char value[32];

    return lws_hdr_copy(wsi, value, sizeof(value), WSI_TOKEN_HTTP_EXPECT) > 0 &&
           strcasecmp(value, "100-continue") == 0;
}

static int send_continue(struct lws *wsi)
{
    unsigned char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    return lws_write(wsi, text, sizeof(text) - 1, LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

void http_make_ready(struct http_request *request)
{
    struct server *server = request->connection->server;

    if (request->state == REQUEST_READY)
        return;
    request->state = REQUEST_READY;
    request->prev = NULL;
    request->next = server->requests;
    if (request->next)
        request->next->prev = request;
    server->requests = request;
}

static void unmake_ready(struct http_request *request)
{
    if (request->state != REQUEST_READY)
        return;
    request->state = REQUEST_WAITING;
    if (request->next)
        request->next->prev = request->prev;
    if (request->prev)
        request->prev->next = request->next;
    else
        request->connection->server->requests = request->next;
}

void http_serve_ready(struct server *server)
{
    while (server->requests) {
        struct http_request *request = server->requests;

        unmake_ready(request);
        http_serve(request);
    }
}

void http_wait(struct http_request *request)
{
    struct connection *connection = request->connection;

    request->due_ms =
        (int64_t)uv_now(connection->server->loop) + connection->server->options.post_wait_ms;
    liveness_schedule(connection);
}

void http_close(struct connection *connection)
{
    struct http_request *request = connection->u.request;

    if (!request)
        return;
    connection->u.request = NULL;
    memory_arrived(connection);
    peer_leave_token(connection);
    unmake_ready(request);
    if (request->query)
        hub_query_cancel(request->query);
    if (request->parcel && request->submitted && !request->parcel->done)
        request->parcel->post.origin = NULL; /* freed when it is done */
    else
        parcel_free(request->parcel);
    buffer_done(&request->body);
    grant_unref(request->grant);
    free(request);
}

int64_t http_due_ms(const struct connection *connection)
{
    if (connection->u.request)
        return connection->u.request->due_ms;
    return connection->sending ? connection->since_ms + connection->server->options.message_ms
                               : INT64_MAX;
}

/* All of it is here: stop reading, and serve it when lws has put its leftovers away. */
static void finish_reading(struct http_request *request)
{
    struct connection *connection = request->connection;

    (void)lws_set_timeout(connection->wsi, NO_PENDING_TIMEOUT, 0);
    connection_pause(connection, PAUSE_HTTP, true);
    request->due_ms = INT64_MAX;
    memory_arrived(connection);
    if (request->parcel && !request->problem)
        http_submit(request);
    else
        http_make_ready(request);
}

static void expect_body(struct http_request *request)
{
    struct server *server = request->connection->server;

    request->due_ms = (int64_t)uv_now(server->loop) + server->options.message_ms;
    liveness_schedule(request->connection);
}

/* Decides what to do about the body; what can't or shan't be read is answered at once. */
static int begin_body(struct http_request *request)
{
    struct connection *connection = request->connection;
    struct lws *wsi = connection->wsi;
    int64_t length = content_length(wsi);

    if (length < 0 && (implies_body(wsi) || has_length(wsi)))
        request->problem = PROBLEM_LENGTH;
    else if (length > connection->server->options.message_bytes)
        request->problem = PROBLEM_TOO_BIG;
    request->discard = request->problem != PROBLEM_NONE;
    if (!request->problem)
        request->problem = http_authorize(request);
    if (!request->problem && request->route == ROUTE_EVENTS && request->method == METHOD_POST)
        request->problem = http_check_events(connection);
    if (!request->problem)
        request->problem = http_check_limits(request, length > 0 ? (uint64_t)length : 0);
    if (!request->problem && request->route == ROUTE_EVENTS && request->method == METHOD_POST)
        request->parcel = parcel_new(connection->server);
    if (length > 0 && expects_continue(wsi)) {
        if (request->problem)
            request->discard = true;
        else if (send_continue(wsi))
            return -1;
    }
    if (request->discard)
        http_make_ready(request);
    else if (length <= 0 && request->method != METHOD_POST)
        finish_reading(request);
    else
        expect_body(request);
    return 0;
}

int http_handle(struct connection *connection, const char *path)
{
    struct http_request *request;

    if (connection->phase == PHASE_CLOSING || connection->kind != KIND_HTTP ||
        connection->u.request)
        return -1;
    if (!peer_identify(connection)) {
        peer_count_refusal(connection, REFUSAL_ADDRESS);
        return -1;
    }
    request = mem_zalloc(sizeof(*request));
    request->connection = connection;
    request->due_ms = INT64_MAX;
    request->method = find_method(connection->wsi);
    find_route(request, path);
    if (request->method == METHOD_GET && sse_wanted(connection->wsi, path))
        request->route = ROUTE_STREAM;
    connection->u.request = request;
    connection_set_phase(connection, PHASE_OPEN);
    return begin_body(request);
}

void http_reject(struct connection *connection, enum http_problem problem, const char *why)
{
    struct http_request *request;

    if (connection->phase == PHASE_CLOSING || connection->u.request)
        return; /* it is about to end anyway */
    request = mem_zalloc(sizeof(*request));
    request->connection = connection;
    request->due_ms = INT64_MAX;
    request->problem = problem;
    request->discard = true;
    if (why)
        buffer_append_text(&request->body, why);
    connection->u.request = request;
    connection_set_phase(connection, PHASE_OPEN);
    http_make_ready(request);
}

int http_body(struct connection *connection, const char *data, size_t size)
{
    struct http_request *request = connection->u.request;
    struct buffer *text;

    if (connection->kind != KIND_HTTP || !request || request->discard || !request->parcel)
        return 0;
    text = &request->parcel->post.message.text;
    if (size > 0) /* lws holds it to Content-Length, which was fine by the limit of then */
        buffer_append(text, data, size);
    return 0;
}

int http_body_complete(struct connection *connection)
{
    struct http_request *request = connection->u.request;

    if (connection->kind != KIND_HTTP || !request || request->state != REQUEST_READING)
        return -1; /* lws has lost its way, or an unwanted body is over */
    finish_reading(request);
    return 0;
}

void http_rebound(struct connection *connection)
{
    rest_end(connection);
    if (connection->kind == KIND_HTTP && connection->phase == PHASE_OPEN)
        connection_pause(connection, PAUSE_HTTP, false);
}
