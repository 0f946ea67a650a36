/*
 * Whose a connection is, and how many those have: by address, and by token.
 *
 * The other end of the socket is the client, unless it is a proxy that we trust: then it is whom
 * the proxy names, by a PROXY header (proxy.c) or by X-Forwarded-For in each request. So a
 * connection of such a proxy counts for no address before its first request, and for another one
 * when the next request on it is somebody else's.
 *
 * One that is over a limit counts as a guest, not as a member: it is still told so, but takes
 * nobody's place meanwhile. There are few guests at a time; what is beyond that is just closed.
 */
#include <string.h>

#include "livetally/server.h"
#include "net.h"

#define ADDRESS_GUESTS 8
#define TOKEN_GUESTS   64
/* Of tokens that nobody uses now, so that what they used up of their rate is not forgotten. */
#define IDLE_TOKENS    1024
#define LOG_EVERY_MS   1000
#define FORWARDED_ROOM 8193 /* whatever fits in a request's headers */

void peer_init(struct server *server)
{
    roster_init(&server->addresses, server_random(server), 0);
    roster_init(&server->tokens, server_random(server), IDLE_TOKENS);
}

void peer_done(struct server *server)
{
    roster_done(&server->addresses);
    roster_done(&server->tokens);
}

bool peer_is_trusted(const struct server *server, const struct ip *ip)
{
    return ip_nets_hold(server->options.trusted, server->options.trusted_count, ip);
}

static bool has_room(const struct party_figures *figures, uint32_t most)
{
    return most == 0 || figures->members < most;
}

bool peer_is_welcome(struct server *server, const struct ip *peer)
{
    struct ip key = ip_neighbourhood(peer);
    const struct party_figures *figures;
    struct party *party;
    bool welcome;

    if (peer->kind != IP_INTERNET || server->options.max_per_address == 0 ||
        peer_is_trusted(server, peer))
        return true;
    party = roster_hold(&server->addresses, key.bytes);
    figures = party_figures(party);
    welcome =
        has_room(figures, server->options.max_per_address) || figures->guests < ADDRESS_GUESTS;
    roster_release(&server->addresses, party);
    return welcome;
}

/* --- places ----------------------------------------------------------------------------------- */

static struct roster *roster_of(struct server *server, enum place place)
{
    return place == PLACE_ADDRESS ? &server->addresses : &server->tokens;
}

static bool is_guest(const struct connection *connection, enum place place)
{
    return connection->guest >> place & 1U;
}

/* The only ways to take and leave a place, and to change it, so that the figures stay exact. */
static void take_place(struct connection *connection, enum place place, const uint8_t *key)
{
    struct party *party = roster_hold(roster_of(connection->server, place), key);

    connection->parties[place] = party;
    connection->guest |= (uint8_t)(1U << place);
    party_figures(party)->guests++;
}

static void leave_place(struct connection *connection, enum place place)
{
    struct party *party = connection->parties[place];

    if (!party)
        return;
    if (is_guest(connection, place))
        party_figures(party)->guests--;
    else
        party_figures(party)->members--;
    roster_release(roster_of(connection->server, place), party);
    connection->parties[place] = NULL;
}

static void become_guest(struct connection *connection, enum place place)
{
    struct party *party = connection->parties[place];

    if (!party || is_guest(connection, place))
        return;
    party_figures(party)->members--;
    party_figures(party)->guests++;
    connection->guest |= (uint8_t)(1U << place);
}

static void become_member(struct connection *connection, enum place place)
{
    party_figures(connection->parties[place])->guests--;
    party_figures(connection->parties[place])->members++;
    connection->guest &= (uint8_t) ~(1U << place);
}

/* Who is refused can be many, and at any rate: one line a second. */
static void tell(struct connection *connection, const char *what)
{
    struct server *server = connection->server;
    int64_t now_ms = (int64_t)uv_now(server->loop);
    char address[IP_TEXT_BYTES];

    if (server->refusal_told_ms && now_ms - server->refusal_told_ms < LOG_EVERY_MS) {
        server->refusals_untold++;
        return;
    }
    log_print(server->log, LOG_LEVEL_WARNING, "refused: %s address=%s others=%u", what,
              ip_write(&connection->client, address), server->refusals_untold);
    server->refusal_told_ms = now_ms;
    server->refusals_untold = 0;
}

void peer_count_refusal(struct connection *connection, enum refusal refusal)
{
    static const char *const words[REFUSAL_COUNT] = {
        [REFUSAL_ADDRESS] = "over limits.connections_per_address",
        [REFUSAL_TOKEN] = "over limits.connections_per_token",
        [REFUSAL_RATE] = "over its rate of messages or bytes",
    };

    connection->server->stats->connections_refused[refusal]++;
    if (words[refusal])
        tell(connection, words[refusal]);
}

void peer_refuse(struct connection *connection, enum refusal refusal)
{
    if (connection->refused)
        return;
    connection->refused = true;
    connection->refusal = (uint8_t)refusal;
    become_guest(connection, PLACE_ADDRESS);
    become_guest(connection, PLACE_TOKEN);
}

/* --- addresses -------------------------------------------------------------------------------- */

static void count_address(struct connection *connection)
{
    struct server *server = connection->server;
    struct ip key = ip_neighbourhood(&connection->client);

    leave_place(connection, PLACE_ADDRESS);
    if (connection->client.kind != IP_INTERNET)
        return;
    take_place(connection, PLACE_ADDRESS, key.bytes);
    if (connection->refused)
        return;
    if (has_room(party_figures(connection->parties[PLACE_ADDRESS]),
                 server->options.max_per_address))
        become_member(connection, PLACE_ADDRESS);
    else
        peer_refuse(connection, REFUSAL_ADDRESS);
}

void peer_arrive(struct connection *connection, const struct ip *peer)
{
    activity_begin(connection)->peer = *peer;
    connection->client = *peer;
    if (!peer_is_trusted(connection->server, peer))
        count_address(connection);
}

bool peer_identify(struct connection *connection)
{
    struct server *server = connection->server;
    const struct ip *peer = &activity_of(connection)->peer;
    struct party *party;
    char text[FORWARDED_ROOM];
    struct ip client = *peer;

    if (peer_is_trusted(server, peer) &&
        lws_hdr_copy(connection->wsi, text, (int)sizeof(text), WSI_TOKEN_X_FORWARDED_FOR) > 0)
        client =
            ip_behind(peer, slice_of(text), server->options.trusted, server->options.trusted_count);
    if (!connection->parties[PLACE_ADDRESS] || !ip_equal(&client, &connection->client)) {
        connection->client = client;
        count_address(connection);
    }
    party = connection->parties[PLACE_ADDRESS];
    return !connection->refused || connection->refusal != REFUSAL_ADDRESS || !party ||
           party_figures(party)->guests <= ADDRESS_GUESTS;
}

bool peer_is_forwarded(const struct connection *connection)
{
    static const enum lws_token_indexes marks[] = {
        WSI_TOKEN_X_FORWARDED_FOR,
        WSI_TOKEN_HTTP_X_REAL_IP,
        WSI_TOKEN_HTTP_VIA,
    };
    static const char *const names[] = {"forwarded:", "x-forwarded-host:", "x-forwarded-proto:"};
    struct lws *wsi = connection->wsi;

    if (connection->proxied)
        return true;
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (lws_hdr_total_length(wsi, marks[i]))
            return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (lws_hdr_custom_length(wsi, names[i], (int)strlen(names[i])) >= 0)
            return true;
    return false;
}

/* --- tokens ----------------------------------------------------------------------------------- */

bool peer_join_token(struct connection *connection, const struct grant *grant)
{
    struct server *server = connection->server;
    uint64_t id = grant ? grant_token_id(grant) : 0;
    uint8_t key[ROSTER_KEY_BYTES] = {0};
    struct party_figures *figures;
    bool room;

    peer_leave_token(connection);
    if (id == 0)
        return true;
    memcpy(key, &id, sizeof(id));
    take_place(connection, PLACE_TOKEN, key);
    figures = party_figures(connection->parties[PLACE_TOKEN]);
    if (figures->meter.at_ms == 0)
        meter_fill(&figures->meter, &server->options.token_rate, (int64_t)uv_now(server->loop));
    room = has_room(figures, server->options.max_per_token);
    if (room && !connection->refused)
        become_member(connection, PLACE_TOKEN);
    return room;
}

bool peer_token_is_crowded(const struct connection *connection)
{
    struct party *party = connection->parties[PLACE_TOKEN];

    return party && party_figures(party)->guests > TOKEN_GUESTS;
}

void peer_leave_token(struct connection *connection)
{
    leave_place(connection, PLACE_TOKEN);
}

void peer_leave(struct connection *connection)
{
    leave_place(connection, PLACE_ADDRESS);
    peer_leave_token(connection);
}
