/*
 * Answers: put together whole, head and body, and written at once. What the kernel doesn't take
 * lws keeps and sends on, and only then goes to the connection's next request.
 *
 * Closing after an answer must not cut it short: closing a socket with unread data makes the kernel
 * drop what the peer has yet to receive. So unless the peer asked for it, having said all it had to
 * say, our half is shut and the rest of the peer's is given a moment.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http.h"
#include "livetally/json.h"

#define RETRY_S 5

static const struct {
    int status;
    const char *text;
} statuses[] = {
#define X(status, text) {status, text},
    HTTP_STATUSES(X)
#undef X
};

static const struct {
    int status;
    const char *code;
    const char *text;
} problems[] = {
#define X(name, status, code, text) [PROBLEM_##name] = {status, code, text},
    HTTP_PROBLEMS(X)
#undef X
};

static enum http_status_place find_status(int status)
{
    int place = 0;

    while (place < HTTP_STATUS_COUNT && statuses[place].status != status)
        place++;
    assert(place < HTTP_STATUS_COUNT);
    return (enum http_status_place)place;
}

static bool peer_closes(struct lws *wsi)
{
    char value[32];

    return lws_hdr_copy(wsi, value, sizeof(value), WSI_TOKEN_CONNECTION) > 0 &&
           strcasecmp(value, "close") == 0;
}

static int write_answer(struct connection *connection, const struct http_answer *answer,
                        bool close_after, bool with_body)
{
    struct buffer *out = connection_begin(connection);
    enum http_status_place place = find_status(answer->status);

    buffer_printf(out, "HTTP/1.1 %d %s\r\n", answer->status, statuses[place].text);
    if (answer->type)
        buffer_printf(out, "Content-Type: %s\r\n", answer->type);
    if (answer->status != 304)
        buffer_printf(out, "Content-Length: %zu\r\n", answer->body.size);
    if (answer->headers)
        buffer_append_text(out, answer->headers);
    if (answer->status == 429 || answer->status == 503)
        buffer_printf(out, "Retry-After: %u\r\n", answer->retry_s ? answer->retry_s : RETRY_S);
    if (close_after)
        buffer_append_text(out, "Connection: close\r\n");
    buffer_append_text(out, "X-Content-Type-Options: nosniff\r\n"
                            "Cross-Origin-Resource-Policy: same-origin\r\n\r\n");
    if (with_body)
        buffer_append_slice(out, answer->body);
    connection->server->stats->http_requests[place]++;
    if (lws_write(connection->wsi, (unsigned char *)out->data + LWS_PRE, out->size - LWS_PRE,
                  LWS_WRITE_HTTP_FINAL) < 0)
        return -1;
    memory_written(connection, out->size - LWS_PRE);
    return 0;
}

/*
 * Whether lws has read on beyond this request. It can be asked only for all connections that are
 * read from; when another one has leftovers we close needlessly, which costs a reconnect.
 */
bool http_has_leftovers(struct connection *connection)
{
    connection_pause(connection, PAUSE_HTTP, false);
    return lws_service_adjust_timeout(connection->server->context, 1, 0) == 0;
}

void http_shut_half(struct connection *connection)
{
    if ((connection->kind != KIND_HTTP && !connection->stream) ||
        connection->phase != PHASE_CLOSING)
        return;
    if (lws_partial_buffered(connection->wsi)) {
        connection_ask_writable(connection);
        return;
    }
    if (connection->sending) {
        rest_end(connection);
        connection_pause(connection, PAUSE_HTTP, true);
        connection_set_phase(connection, PHASE_CLOSING); /* whose time begins now */
    }
    tls_shut_half(connection);
}

/* A connection with a part of an answer has a deadline for that. */
static bool hold_rest(struct connection *connection)
{
    if (lws_partial_buffered(connection->wsi))
        rest_begin(connection);
    return connection->sending;
}

static void linger(struct connection *connection, bool reading)
{
    if (!hold_rest(connection))
        connection_pause(connection, PAUSE_HTTP, !reading);
    connection_set_phase(connection, PHASE_CLOSING);
    http_shut_half(connection);
}

void http_answer(struct http_request *request, const struct http_answer *answer)
{
    struct connection *connection = request->connection;
    struct lws *wsi = connection->wsi;
    bool discard = request->discard;
    bool with_body = request->method != METHOD_HEAD;
    bool close_after =
        discard || answer->close || connection->refused || connection->server->closing;
    bool asked = peer_closes(wsi);

    if (!discard && http_has_leftovers(connection))
        close_after = true;
    if (write_answer(connection, answer, close_after || asked, with_body)) {
        http_close(connection);
        connection_kill(connection);
        return;
    }
    http_close(connection);
    if (close_after) {
        linger(connection, discard);
        return;
    }
    (void)hold_rest(connection);
    inbound_expect_head(connection);
    liveness_schedule(connection);
    if (lws_http_transaction_completed(wsi))
        connection_kill(connection);
}

void http_answer_json(struct http_request *request, int status, struct slice body)
{
    struct http_answer answer = {
        .status = status,
        .type = "application/json",
        .headers = "Cache-Control: no-store\r\n",
        .body = body,
    };

    http_answer(request, &answer);
}

static void write_problem(struct buffer *body, const char *code, const char *text)
{
    buffer_append_byte(body, '{');
    json_field_string(body, "type", SLICE("error"));
    json_field_string(body, "code", slice_of(code));
    json_field_string(body, "error", slice_of(text));
    buffer_append_text(body, "}\n");
}

void http_answer_problem(struct http_request *request, enum http_problem problem)
{
    struct buffer body = BUFFER_INIT;
    struct http_answer answer = {.status = problems[problem].status,
                                 .type = "application/json",
                                 .retry_s = request->retry_s};
    bool refused = problem == PROBLEM_TOKEN || problem == PROBLEM_SCOPE;
    bool explained = refused || problem == PROBLEM_HEAD;

    write_problem(&body, problems[problem].code,
                  explained ? buffer_cstr(&request->body) : problems[problem].text);
    answer.body = buffer_slice(&body);
    if (problem == PROBLEM_METHOD)
        answer.headers =
            request->route == ROUTE_EVENTS ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n";
    else if (problem == PROBLEM_NO_TOKEN)
        answer.headers = AUTH_CHALLENGE_NONE;
    else if (refused)
        answer.headers = problem == PROBLEM_TOKEN ? AUTH_CHALLENGE_TOKEN : AUTH_CHALLENGE_SCOPE;
    http_answer(request, &answer);
    buffer_done(&body);
}

int http_refuse(struct connection *connection, int status, const char *code, const char *text,
                const char *headers)
{
    struct buffer body = BUFFER_INIT;
    struct http_answer answer = {.status = status, .type = "application/json", .headers = headers};

    write_problem(&body, code, text);
    answer.body = buffer_slice(&body);
    (void)write_answer(connection, &answer, true, true);
    buffer_done(&body);
    return -1;
}
