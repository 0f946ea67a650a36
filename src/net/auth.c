/*
 * Who a connection or request comes from, and what that lets it do.
 *
 * A token comes in the Authorization header, in the URL of /v1/live, or as the first message of a
 * WebSocket, which gets no greeting and is read no further before. Whether a token is good is not
 * decided here (server_ops.authenticate): this is where it comes from, and how a refusal is told.
 *
 * One try, and one identity a connection: a bad token ends it, later auth messages are passed over.
 * Somebody who may see public topics without a token is greeted at once, and may still bring one as
 * the first message.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http.h"
#include "livetally/json.h"
#include "livetally/mem.h"

#define HEADER_ROOM   8193  /* whatever fits in a request's headers */
#define MESSAGE_BYTES 16384 /* of an auth message */
#define BEARER        "Bearer "
#define NO_TOKEN      "this needs a token"

struct credentials {
    struct slice token; /* absent: none came */
    bool in_url;
};

/* What is there but isn't "Bearer TOKEN" is taken for a token too: one that is no good. */
static struct credentials read_credentials(struct lws *wsi, bool url_too, char text[HEADER_ROOM])
{
    struct credentials credentials = {.in_url = false};

    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION)) {
        if (lws_hdr_copy(wsi, text, HEADER_ROOM, WSI_TOKEN_HTTP_AUTHORIZATION) < 0)
            text[0] = '\0';
        if (strncasecmp(text, BEARER, strlen(BEARER)) == 0)
            text += strlen(BEARER);
        credentials.token = slice_of(text);
    } else if (url_too) {
        const char *value = lws_get_urlarg_by_name(wsi, "token=", text, HEADER_ROOM);

        credentials.in_url = value != NULL;
        if (value)
            credentials.token = slice_of(value);
    }
    return credentials;
}

static bool refuse(struct admission *admission, enum auth_refusal refusal, const char *why)
{
    grant_unref(admission->grant);
    admission->grant = NULL;
    admission->refusal = refusal;
    buffer_reset(&admission->why);
    buffer_append_text(&admission->why, why);
    return false;
}

static bool admit(struct server *server, struct slice token, bool in_url, enum grant_scope scope,
                  struct admission *admission)
{
    const struct server_ops *ops = &server->ops;

    memset(admission, 0, sizeof(*admission));
    if (!ops->authenticate(ops->context, token, in_url, &admission->grant, &admission->refusal,
                           &admission->why)) {
        if (admission->refusal == AUTH_REFUSAL_MISSING)
            return refuse(admission, AUTH_REFUSAL_MISSING, NO_TOKEN);
        return false;
    }
    admission->anonymous = !token.data && admission->grant;
    if (!admission->grant || grant_has(admission->grant, scope))
        return true;
    if (admission->anonymous)
        return refuse(admission, AUTH_REFUSAL_MISSING, NO_TOKEN);
    switch (scope) {
    case GRANT_INGEST:
        return refuse(admission, AUTH_REFUSAL_SCOPE, "the token is not for scope ingest");
    case GRANT_VIEW:
        return refuse(admission, AUTH_REFUSAL_SCOPE, "the token is not for scope view");
    default:
        return refuse(admission, AUTH_REFUSAL_SCOPE, "the token is not for scope admin");
    }
}

bool auth_request(struct connection *connection, enum grant_scope scope, bool url_too,
                  struct admission *admission)
{
    char text[HEADER_ROOM];
    struct credentials credentials = read_credentials(connection->wsi, url_too, text);

    return admit(connection->server, credentials.token, credentials.in_url, scope, admission);
}

void auth_count(struct server *server, enum auth_refusal refusal)
{
    server->stats->auth_refusals[refusal]++;
}

bool auth_is_open(const struct server *server)
{
    const struct server_ops *ops = &server->ops;
    struct grant *grant = NULL;
    enum auth_refusal refusal;
    struct buffer why = BUFFER_INIT;
    bool admitted =
        ops->authenticate(ops->context, (struct slice){NULL, 0}, false, &grant, &refusal, &why);
    bool open = admitted && !grant;

    grant_unref(grant);
    buffer_done(&why);
    return open;
}

bool auth_is_near(const struct connection *connection)
{
    static const struct ip_net here = {.local = true};

    return ip_net_holds(&here, &activity_of(connection)->peer) && !peer_is_forwarded(connection) &&
           !site_is_foreign(connection);
}

/* --- WebSockets ------------------------------------------------------------------------------- */

static enum grant_scope scope_of(enum connection_kind kind)
{
    return kind == KIND_INGEST ? GRANT_INGEST : GRANT_VIEW;
}

/* Over the limit he is told so by a goodbye, as far as that is possible. */
static int join(struct connection *connection)
{
    if (peer_join_token(connection, connection->grant))
        return 0;
    if (!peer_token_is_crowded(connection)) {
        peer_refuse(connection, REFUSAL_TOKEN);
        return 0;
    }
    peer_count_refusal(connection, REFUSAL_TOKEN);
    return http_refuse(connection, 429, "too_many_connections",
                       "there are too many connections with this token", NULL);
}

int auth_upgrade(struct connection *connection, enum connection_kind kind)
{
    char text[HEADER_ROOM];
    struct credentials credentials;
    struct admission admission;
    int result = 0;

    if (connection->refused) /* and told so, once it is a WebSocket */
        return 0;
    credentials = read_credentials(connection->wsi, kind == KIND_LIVE, text);
    if (admit(connection->server, credentials.token, credentials.in_url, scope_of(kind),
              &admission)) {
        connection->grant = admission.grant;
        connection->may_auth = admission.anonymous;
        result = join(connection);
    } else if (admission.refusal == AUTH_REFUSAL_MISSING) {
        connection->nameless = true;
    } else {
        bool scope = admission.refusal == AUTH_REFUSAL_SCOPE;

        auth_count(connection->server, admission.refusal);
        result = http_refuse(connection, scope ? 403 : 401, scope ? "forbidden" : "unauthorized",
                             buffer_cstr(&admission.why),
                             scope ? AUTH_CHALLENGE_SCOPE : AUTH_CHALLENGE_TOKEN);
    }
    buffer_done(&admission.why);
    return result;
}

/* {"type":"auth","token":"…"}; what is no string is no token. */
static bool read_auth(struct slice text, struct buffer *ret_token)
{
    struct json_reader reader;
    struct json_string key;
    bool auth = false;

    json_reader_init(&reader, text);
    if (json_reader_next(&reader) != JSON_OBJECT)
        return false;
    while (json_reader_key(&reader, &key)) {
        bool type = json_string_equals(key, SLICE("type"));
        bool token = json_string_equals(key, SLICE("token"));
        enum json_kind kind;

        if (!type && !token) {
            (void)json_reader_skip(&reader);
            continue;
        }
        kind = json_reader_next(&reader);
        if (kind == JSON_OBJECT || kind == JSON_ARRAY)
            (void)json_reader_leave(&reader);
        if (kind == JSON_STRING && type)
            auth = json_string_equals(reader.string, SLICE("auth"));
        if (kind == JSON_STRING && token) {
            buffer_reset(ret_token);
            ret_token->size = json_string_decode(
                reader.string, buffer_reserve(ret_token, reader.string.raw.size + 1));
        }
    }
    return json_reader_end(&reader) && auth;
}

void auth_forget_words(struct connection *connection)
{
    struct buffer *words;

    if (!connection->activity)
        return;
    words = &connection->activity->words;
    if (words->data)
        explicit_bzero(words->data, words->capacity);
    buffer_done(words);
}

static void send_away(struct connection *connection, struct admission *admission)
{
    auth_count(connection->server, admission->refusal);
    auth_forget_words(connection);
    activity_begin(connection)->words = admission->why;
    connection->explained = true;
    connection_say_goodbye(connection, admission->refusal == AUTH_REFUSAL_SCOPE ? GOODBYE_FORBIDDEN
                                                                                : GOODBYE_TOKEN);
}

/* False: not an auth message. Else the connection has a grant, or is about to close. */
static bool take_message(struct connection *connection, struct slice text)
{
    struct buffer token = BUFFER_INIT;
    struct admission admission;
    bool is_auth = text.size <= MESSAGE_BYTES && read_auth(text, &token);

    if (is_auth && admit(connection->server, buffer_slice(&token), false,
                         scope_of(connection->kind), &admission)) {
        grant_unref(connection->grant);
        connection->grant = admission.grant;
        buffer_done(&admission.why);
        if (!peer_join_token(connection, connection->grant)) {
            peer_count_refusal(connection, REFUSAL_TOKEN);
            connection_say_goodbye(connection, GOODBYE_TOKEN_CONNECTIONS);
        }
    } else if (is_auth) {
        send_away(connection, &admission);
    }
    if (token.data)
        explicit_bzero(token.data, token.capacity);
    buffer_done(&token);
    return is_auth;
}

bool auth_first_message(struct connection *connection, struct slice text)
{
    connection->may_auth = false;
    if (!take_message(connection, text))
        return false;
    if (connection->phase == PHASE_OPEN) {
        hub_limit(connection->u.viewer, connection->grant);
        liveness_schedule(connection);
    }
    return true;
}

void auth_receive(struct connection *connection, const char *data, size_t size, bool final)
{
    struct buffer *words = &activity_begin(connection)->words;

    if (size > MESSAGE_BYTES - words->size) {
        auth_forget_words(connection);
        connection_say_goodbye(connection, GOODBYE_TOO_BIG);
        return;
    }
    if (size > 0)
        buffer_append(words, data, size);
    if (!final)
        return;
    if (!take_message(connection, buffer_slice(words))) {
        auth_count(connection->server, AUTH_REFUSAL_MISSING);
        auth_forget_words(connection);
        connection_say_goodbye(connection, GOODBYE_TOKEN);
    } else if (connection->phase == PHASE_AUTH) {
        auth_forget_words(connection);
        connection_open(connection);
    }
}

void auth_late(struct connection *connection)
{
    auth_count(connection->server, AUTH_REFUSAL_LATE);
    auth_forget_words(connection);
    connection_say_goodbye(connection, GOODBYE_LATE);
}

int64_t auth_due_ms(const struct connection *connection, int64_t now_ms)
{
    int64_t expires_ms = connection->grant ? grant_expires_ms(connection->grant) : GRANT_NEVER;

    return expires_ms == GRANT_NEVER
               ? INT64_MAX
               : now_ms + expires_ms - clock_wall_ms(&connection->server->clock);
}

bool auth_expired(struct connection *connection)
{
    if (!connection->grant ||
        !grant_expired(connection->grant, clock_wall_ms(&connection->server->clock)))
        return false;
    auth_count(connection->server, AUTH_REFUSAL_EXPIRED);
    connection_say_goodbye(connection, GOODBYE_EXPIRED);
    return true;
}

uint32_t server_review(struct server *server)
{
    const struct server_ops *ops = &server->ops;
    uint32_t closed = 0;

    for (struct connection *at = server->connections; at; at = at->next) {
        enum server_standing standing;

        if (at->phase != PHASE_OPEN || at->kind == KIND_HTTP)
            continue;
        standing = ops->review(ops->context, at->grant);
        if (standing == STANDING_GOOD)
            continue;
        closed++;
        if (standing == STANDING_REVOKED)
            auth_count(server, AUTH_REFUSAL_REVOKED);
        connection_say_goodbye(at, standing == STANDING_REVOKED ? GOODBYE_REVOKED : GOODBYE_RULES);
    }
    return closed;
}
