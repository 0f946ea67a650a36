/*
 * What is behind the paths. Each handler answers, or leaves the request waiting for the partition
 * (POST /v1/events) or for the hub (GET /v1/totals), whose answers come back through here.
 */
#include <string.h>
#include <strings.h>

#include "http.h"

#define METRICS_TYPE   "text/plain; version=0.0.4; charset=utf-8"
#define TOPIC_ARGUMENT "topic="
#define ARGUMENT_BYTES 640 /* longer ones are no topics, and not worth echoing */
#define ARGUMENTS_MAX  128 /* lws keeps fewer */
#define TOPICS_MAX     64

static void refresh_stats(const struct server *server)
{
    struct stats *stats = server->stats;

    stats->memory_bytes[MEMORY_WAITING] = server->parcel_bytes + server->waiting_bytes;
    stats->memory_bytes[MEMORY_HEADS] = server->head_bytes;
    stats->memory_bytes[MEMORY_ASSEMBLY] = server->arriving_bytes;
    stats->memory_bytes[MEMORY_SEND_QUEUE] = server->queued_bytes;
    stats->limits[LIMIT_ASSEMBLY_BYTES] = server->options.assembly_bytes;
    stats->limits_used[LIMIT_ASSEMBLY_BYTES] = server->arriving_bytes;
    stats->limits[LIMIT_SEND_QUEUE_BYTES] = server->options.send_queue_bytes;
    stats->limits_used[LIMIT_SEND_QUEUE_BYTES] = server->queued_bytes;
    stats->limits[LIMIT_WAITING_BYTES] = server->options.waiting_bytes;
    stats->limits_used[LIMIT_WAITING_BYTES] = server->waiting_bytes;
    stats->limits[LIMIT_CONNECTIONS] = server->options.max_connections;
    stats->limits_used[LIMIT_CONNECTIONS] = server->connection_count;
    server->ops.refresh_stats(server->ops.context);
}

static void serve_metrics(struct http_request *request)
{
    struct server *server = request->connection->server;
    struct buffer body = BUFFER_INIT;
    struct http_answer answer = {.status = 200, .type = METRICS_TYPE};

    refresh_stats(server);
    stats_write(&body, server->stats);
    answer.body = buffer_slice(&body);
    http_answer(request, &answer);
    buffer_done(&body);
}

static void serve_health(struct http_request *request,
                         bool (*check)(void *context, struct buffer *json))
{
    struct buffer body = BUFFER_INIT;
    bool good = check(request->connection->server->ops.context, &body);

    if (!request->trusted) { /* whether, but not why */
        buffer_reset(&body);
        buffer_append_text(&body, good ? "{\"ready\":true}" : "{\"ready\":false}");
    }
    http_answer_json(request, good ? 200 : 503, buffer_slice(&body));
    buffer_done(&body);
}

static void on_totals(void *context, struct slice json)
{
    struct http_request *request = context;

    request->query = NULL;
    if (json.data) {
        buffer_append_slice(&request->body, json);
        request->answered = true;
    } else {
        request->problem = PROBLEM_UNAVAILABLE;
    }
    http_make_ready(request);
}

static int longest_argument(struct lws *wsi)
{
    int longest = 0;

    for (int i = 0; i < ARGUMENTS_MAX; i++) {
        int size = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i);

        if (size > longest)
            longest = size;
    }
    return longest;
}

/* The topics stand in *text one after the other; ends[] says where each ends. */
static enum http_problem read_topics(struct lws *wsi, struct buffer *text, size_t *ends,
                                     uint32_t *ret_count)
{
    char argument[ARGUMENT_BYTES];
    uint32_t count = 0;

    for (int i = 0; i < ARGUMENTS_MAX; i++) {
        int size =
            lws_hdr_copy_fragment(wsi, argument, (int)sizeof(argument), WSI_TOKEN_HTTP_URI_ARGS, i);

        if (size < 0)
            break;
        if (size == 0)
            continue;
        if (strncmp(argument, TOPIC_ARGUMENT, strlen(TOPIC_ARGUMENT)) != 0)
            return PROBLEM_PARAMETER;
        if (count == TOPICS_MAX)
            return PROBLEM_TOPICS;
        buffer_append_text(text, argument + strlen(TOPIC_ARGUMENT));
        ends[count++] = text->size;
    }
    *ret_count = count;
    return count == 0 ? PROBLEM_TOPIC_MISSING : PROBLEM_NONE;
}

static void serve_totals(struct http_request *request)
{
    struct connection *connection = request->connection;
    struct buffer text = BUFFER_INIT;
    struct slice topics[TOPICS_MAX];
    size_t ends[TOPICS_MAX];
    struct hub_query *query;
    enum http_problem problem;
    uint32_t count = 0;

    if (longest_argument(connection->wsi) >= ARGUMENT_BYTES)
        problem = PROBLEM_TOPIC_LONG;
    else
        problem = read_topics(connection->wsi, &text, ends, &count);
    if (problem) {
        http_answer_problem(request, problem);
        goto out;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t start = i ? ends[i - 1] : 0;

        topics[i] = (struct slice){buffer_slice(&text).data + start, ends[i] - start};
    }
    http_wait(request);
    query = hub_query(connection->server->hub, request->grant, topics, count, on_totals, request);
    if (query) { /* else it is ready by now */
        request->query = query;
        server_wake_hub(connection->server);
    }
out:
    buffer_done(&text);
}

/* Load balancers and their like ask from elsewhere and have no token: they learn whether. */
static bool is_trusted(const struct http_request *request)
{
    struct admission admission;
    bool admitted;

    if (!site_ok(request->connection))
        return false;
    if (auth_is_near(request->connection))
        return true;
    admitted = auth_request(request->connection, GRANT_ADMIN, false, &admission);
    grant_unref(admission.grant);
    buffer_done(&admission.why);
    return admitted;
}

static enum http_problem ask_token(struct http_request *request, enum grant_scope scope)
{
    struct connection *connection = request->connection;
    struct admission admission;
    bool url_too = request->route == ROUTE_STREAM;
    bool admitted;

    if (!site_ok(connection)) {
        auth_count(connection->server, AUTH_REFUSAL_ORIGIN);
        return PROBLEM_HOST;
    }
    admitted = auth_request(connection, scope, url_too, &admission);
    request->grant = admission.grant;
    request->body = admission.why;
    if (admitted && peer_join_token(connection, request->grant))
        return PROBLEM_NONE;
    if (admitted) {
        peer_leave_token(connection);
        peer_count_refusal(connection, REFUSAL_TOKEN);
        return PROBLEM_TOKEN_CONNECTIONS;
    }
    auth_count(connection->server, admission.refusal);
    if (admission.refusal == AUTH_REFUSAL_MISSING)
        return PROBLEM_NO_TOKEN;
    return admission.refusal == AUTH_REFUSAL_SCOPE ? PROBLEM_SCOPE : PROBLEM_TOKEN;
}

static enum http_problem authorize_stream(struct http_request *request)
{
    if (origin_ok(request->connection, KIND_LIVE))
        return ask_token(request, GRANT_VIEW);
    auth_count(request->connection->server, AUTH_REFUSAL_ORIGIN);
    return PROBLEM_ORIGIN;
}

enum http_problem http_authorize(struct http_request *request)
{
    struct connection *connection = request->connection;

    if (connection->refused) /* and answered so */
        return PROBLEM_NONE;
    request->trusted = true;
    switch (request->route) {
    case ROUTE_EVENTS:
        return request->method == METHOD_POST ? ask_token(request, GRANT_INGEST) : PROBLEM_NONE;
    case ROUTE_TOTALS:
        return ask_token(request, GRANT_VIEW);
    case ROUTE_STREAM:
        return authorize_stream(request);
    case ROUTE_METRICS:
        return auth_is_near(connection) ? PROBLEM_NONE : ask_token(request, GRANT_ADMIN);
    case ROUTE_READY:
        request->trusted = is_trusted(request);
        return PROBLEM_NONE;
    default:
        return PROBLEM_NONE;
    }
}

static bool content_type_ok(struct lws *wsi)
{
    static const char *const types[] = {"application/json", "application/x-ndjson"};
    char value[128];
    size_t size;

    if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE))
        return true;
    if (lws_hdr_copy(wsi, value, sizeof(value), WSI_TOKEN_HTTP_CONTENT_TYPE) <= 0)
        return false;
    size = strcspn(value, "; \t");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (size == strlen(types[i]) && strncasecmp(value, types[i], size) == 0)
            return true;
    return false;
}

static enum http_problem refusal_of(const struct connection *connection)
{
    return connection->refusal == REFUSAL_ADDRESS ? PROBLEM_ADDRESS : PROBLEM_CONNECTIONS;
}

/* Only what takes work. */
enum http_problem http_check_limits(struct http_request *request, uint64_t body_bytes)
{
    struct connection *connection = request->connection;

    if (connection->refused || (request->route != ROUTE_EVENTS && request->route != ROUTE_TOTALS &&
                                request->route != ROUTE_STREAM))
        return PROBLEM_NONE;
    request->retry_s = pace_request(connection, body_bytes);
    if (request->retry_s) {
        peer_count_refusal(connection, REFUSAL_RATE);
        return PROBLEM_RATE;
    }
    return memory_reserve(connection, body_bytes) ? PROBLEM_NONE : PROBLEM_MEMORY;
}

enum http_problem http_check_events(struct connection *connection)
{
    if (connection->refused) {
        peer_count_refusal(connection, (enum refusal)connection->refusal);
        return refusal_of(connection);
    }
    if (connection->server->draining)
        return PROBLEM_DRAINING;
    if (connection->server->pressed)
        return PROBLEM_UNAVAILABLE;
    if (!origin_ok(connection, KIND_INGEST)) {
        auth_count(connection->server, AUTH_REFUSAL_ORIGIN);
        return PROBLEM_ORIGIN;
    }
    if (!content_type_ok(connection->wsi))
        return PROBLEM_TYPE;
    return PROBLEM_NONE;
}

static void on_done(struct post *post)
{
    struct parcel *parcel = (struct parcel *)post;
    struct connection *connection = post->origin;

    parcel_settled(parcel);
    parcel->done = true;
    if (connection)
        http_make_ready(connection->u.request);
    else
        parcel_free(parcel);
}

void http_submit(struct http_request *request)
{
    struct connection *connection = request->connection;

    if (connection->server->draining) {
        request->problem = PROBLEM_DRAINING;
        http_make_ready(request);
        return;
    }
    request->state = REQUEST_WAITING;
    request->submitted = true;
    http_wait(request);
    parcel_parse(request->parcel);
    if (request->grant)
        request->parcel->post.grant = grant_ref(request->grant);
    parcel_submit(request->parcel, 1, on_done, connection);
}

static void serve_ack(struct http_request *request)
{
    struct parcel *parcel = request->parcel;

    if (!parcel->done || parcel->post.number == 0) {
        http_answer_problem(request, PROBLEM_UNAVAILABLE);
        return;
    }
    ack_write(&request->body, 1, parcel, parcel);
    buffer_append_byte(&request->body, '\n');
    http_answer_json(request, 200, buffer_slice(&request->body));
}

static bool method_ok(const struct http_request *request)
{
    if (request->route == ROUTE_EVENTS)
        return request->method == METHOD_POST;
    return request->method == METHOD_GET || request->method == METHOD_HEAD;
}

void http_serve(struct http_request *request)
{
    const struct server_ops *ops = &request->connection->server->ops;

    if (request->problem) {
        http_answer_problem(request, request->problem);
    } else if (request->connection->refused) {
        peer_count_refusal(request->connection, (enum refusal)request->connection->refusal);
        http_answer_problem(request, refusal_of(request->connection));
    } else if (request->route == ROUTE_NONE) {
        http_answer_problem(request, PROBLEM_NOT_FOUND);
    } else if (!method_ok(request)) {
        http_answer_problem(request, PROBLEM_METHOD);
    } else if (request->answered) {
        http_answer_json(request, 200, buffer_slice(&request->body));
    } else if (request->route == ROUTE_ASSET) {
        http_answer_asset(request);
    } else if (request->route == ROUTE_EVENTS) {
        serve_ack(request);
    } else if (request->route == ROUTE_TOTALS) {
        serve_totals(request);
    } else if (request->route == ROUTE_METRICS) {
        serve_metrics(request);
    } else if (request->route == ROUTE_STREAM) {
        sse_open(request);
    } else if (request->route == ROUTE_SOCKET) {
        http_answer_problem(request, PROBLEM_UPGRADE);
    } else {
        serve_health(request, request->route == ROUTE_ALIVE ? ops->alive : ops->ready);
    }
}

void http_expired(struct connection *connection)
{
    struct http_request *request = connection->u.request;

    if (!request) { /* its answer was not read in time */
        connection_cut(connection);
    } else if (request->state == REQUEST_READING) {
        request->discard = true; /* what may still come of it */
        http_answer_problem(request, PROBLEM_BODY_LATE);
    } else {
        http_answer_problem(request, PROBLEM_UNAVAILABLE);
    }
}

void http_shut_down(struct connection *connection)
{
    if (connection->phase == PHASE_DEAD || connection->phase == PHASE_CLOSING || !connection->wsi)
        return;
    if (connection->u.request && connection->u.request->state != REQUEST_READING)
        http_answer_problem(connection->u.request, PROBLEM_DRAINING); /* and closes */
    else if (!lws_partial_buffered(connection->wsi))
        connection_kill(connection);
}
