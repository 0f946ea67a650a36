/* What the files that serve plain HTTP share. */
#ifndef LIVETALLY_HTTP_H
#define LIVETALLY_HTTP_H

#include "net.h"

enum http_method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OTHER };

enum http_route {
    ROUTE_NONE,
    ROUTE_ASSET,
    ROUTE_EVENTS,
    ROUTE_TOTALS,
    ROUTE_METRICS,
    ROUTE_ALIVE,
    ROUTE_READY,
    ROUTE_SOCKET, /* a path of WebSockets */
    ROUTE_STREAM, /* of those, /v1/live as server-sent events */
};

/* name, status, code, text */
#define HTTP_PROBLEMS(X)                                                                           \
    X(NONE, 200, "", "")                                                                           \
    X(NO_TOKEN, 401, "unauthorized", "this needs a token: Authorization: Bearer TOKEN")            \
    X(TOKEN, 401, "unauthorized", "the token is no good")                                          \
    X(SCOPE, 403, "forbidden", "the token does not allow this")                                    \
    X(HEAD, 400, "bad_request", "")                                                                \
    X(HEAD_LARGE, 431, "bad_request", "the request's head is larger than this server accepts")     \
    X(HEAD_METHOD, 501, "bad_method", "this server does not know that method")                     \
    X(HEAD_VERSION, 505, "bad_version", "this server speaks HTTP/1.1")                             \
    X(LENGTH, 411, "length_required", "the request needs a Content-Length")                        \
    X(TOO_BIG, 413, "message_too_big", "the body is larger than this server accepts")              \
    X(HOST, 403, "bad_host", SITE_COMPLAINT)                                                       \
    X(ORIGIN, 403, "bad_origin", "not from a page of another site")                                \
    X(TYPE, 415, "bad_content_type", "events are application/json or application/x-ndjson")        \
    X(DRAINING, 503, "shutting_down", "the server is shutting down; send it again later")          \
    X(CONNECTIONS, 503, "too_many_connections", "the server has no room for more connections")     \
    X(ADDRESS, 429, "too_many_connections", "there are too many connections of this address")      \
    X(TOKEN_CONNECTIONS, 429, "too_many_connections",                                              \
      "there are too many connections with this token")                                            \
    X(RATE, 429, "too_fast", "more was sent than may be; come again later")                        \
    X(MEMORY, 503, "unavailable", "too much is being sent to this server; come again later")       \
    X(BODY_LATE, 408, "message_timeout", "the body did not arrive whole in time")                  \
    X(UNAVAILABLE, 503, "unavailable", "the store does not answer; send it again later")           \
    X(NOT_FOUND, 404, "not_found", "there is nothing at this path")                                \
    X(METHOD, 405, "bad_method", "this path does not take that method")                            \
    X(UPGRADE, 426, "upgrade_required",                                                            \
      "this path is a WebSocket; /v1/live sends events, too, to Accept: text/event-stream")        \
    X(TOPIC_MISSING, 400, "bad_topic", "name a topic: ?topic=total")                               \
    X(TOPIC_LONG, 400, "bad_topic", "a topic is too long")                                         \
    X(TOPICS, 400, "too_many_topics", "more than 64 topics")                                       \
    X(PARAMETER, 400, "bad_parameter", "the only parameter is topic; write & in a topic as %26")   \
    X(STREAM_PARAMETER, 400, "bad_parameter",                                                      \
      "parameters are topic, interval_ms (once) and token; write & in a topic as %26")             \
    X(STREAM_INTERVAL, 400, "bad_parameter", "interval_ms must be an integer above 0")

enum http_problem {
#define X(name, status, code, text) PROBLEM_##name,
    HTTP_PROBLEMS(X)
#undef X
};

enum http_state {
    REQUEST_READING,
    REQUEST_READY, /* in server->requests */
    REQUEST_WAITING,
};

struct http_request {
    struct connection *connection;
    struct http_request *prev, *next; /* in server->requests */
    const struct asset *asset;
    struct parcel *parcel;   /* the body of a POST, then the post */
    struct hub_query *query; /* under way */
    struct buffer body;      /* of the answer, once there; or why the request is refused */
    struct grant *grant;     /* of whoever asks; a reference; NULL: no limits */
    int64_t due_ms;          /* loop time */
    uint32_t retry_s;        /* of PROBLEM_RATE: when to come again */
    enum http_method method;
    enum http_route route;
    enum http_problem problem;
    enum http_state state;
    bool discard;   /* answered while its body still comes, which is dropped */
    bool submitted; /* parcel is with the partition */
    bool answered;  /* body is there */
    bool trusted;   /* may see what concerns the operator */
};

struct http_answer {
    int status;
    const char *type;    /* NULL: no body */
    const char *headers; /* more, each with CRLF; NULL: none */
    struct slice body;
    uint32_t retry_s; /* of 429 and 503; 0: some seconds */
    bool close;       /* and say so */
};

/* http.c */
/* A request whose head is not worth reading; why: more about it, or NULL. */
void http_reject(struct connection *connection, enum http_problem problem, const char *why);
void http_make_ready(struct http_request *request);
void http_wait(struct http_request *request); /* for something; post_wait_ms from now on */

/* http_answer.c */
/* Sends the answer, ends and frees the request. Never inside of a callback of lws. */
void http_answer(struct http_request *request, const struct http_answer *answer);
void http_answer_json(struct http_request *request, int status, struct slice body);
void http_answer_problem(struct http_request *request, enum http_problem problem);

/* http_asset.c */
void http_answer_asset(struct http_request *request);

/* http_serve.c */
void http_serve(struct http_request *request);
/* Whether whoever asks may. */
enum http_problem http_authorize(struct http_request *request);
enum http_problem http_check_events(struct connection *connection);
/* Whether it comes at a bearable rate, and there is room for its body. */
enum http_problem http_check_limits(struct http_request *request, uint64_t body_bytes);
void http_submit(struct http_request *request);

#endif
