/*
 * Who may become a WebSocket: a GET of a path that has one, with a subprotocol that fits if any.
 * Refused here, where a proper HTTP answer can still be given; lws itself just hangs up.
 */
#include <string.h>
#include <strings.h>

#include "net.h"

#define OFFER_BYTES 120 /* of Sec-WebSocket-Protocol; lws takes 126 */
#define KEY_BYTES   24
#define SHORT_BYTES 32

/*
 * lws answers with the first protocol of the list that it knows, so one of the other path's must
 * not stand in it.
 */
static bool offer_ok(struct lws *wsi, const char *wanted)
{
    char offer[OFFER_BYTES + 1];
    const char *at = offer;
    bool found = false;

    if (!lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL))
        return true;
    if (lws_hdr_copy(wsi, offer, sizeof(offer), WSI_TOKEN_PROTOCOL) < 0)
        return false;
    while (*at) {
        struct slice name = {at, strcspn(at, ", \t")};

        if (slice_equal(name, slice_of(wanted)))
            found = true;
        else if (slice_equal(name, SLICE(INGEST_PROTOCOL)) ||
                 slice_equal(name, SLICE(LIVE_PROTOCOL)))
            return false;
        at += name.size;
        at += strspn(at, ", \t");
    }
    return found;
}

static bool version_ok(struct lws *wsi)
{
    char version[8];

    return lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_VERSION) > 0 &&
           strcmp(version, "13") == 0;
}

/* 16 bytes as base64. */
static bool key_ok(struct lws *wsi)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char key[KEY_BYTES + 1];

    return lws_hdr_copy(wsi, key, sizeof(key), WSI_TOKEN_KEY) == KEY_BYTES &&
           strcmp(key + strspn(key, allowed), "==") == 0;
}

static bool connection_header_ok(struct lws *wsi)
{
    char value[128];

    return lws_hdr_copy(wsi, value, sizeof(value), WSI_TOKEN_CONNECTION) > 0 &&
           strcasestr(value, "upgrade") != NULL;
}

static const struct socket_path {
    const char *path;
    const char *protocol;
    const char *complaint;
    enum connection_kind kind;
} socket_paths[] = {
    {"/v1/ingest", INGEST_PROTOCOL, "the subprotocol of this path is " INGEST_PROTOCOL,
     KIND_INGEST},
    {"/v1/live", LIVE_PROTOCOL, "the subprotocol of this path is " LIVE_PROTOCOL, KIND_LIVE},
};

static const struct socket_path *find_path(struct lws *wsi)
{
    char path[SHORT_BYTES];

    if (lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) <= 0)
        return NULL; /* too long to be one of ours */
    for (size_t i = 0; i < sizeof(socket_paths) / sizeof(socket_paths[0]); i++)
        if (strcmp(path, socket_paths[i].path) == 0)
            return &socket_paths[i];
    return NULL;
}

static bool is_websocket(struct lws *wsi)
{
    char upgrade[SHORT_BYTES];

    return lws_hdr_copy(wsi, upgrade, sizeof(upgrade), WSI_TOKEN_UPGRADE) > 0 &&
           strcasecmp(upgrade, "websocket") == 0;
}

/* What is asked for is none of ours. */
static int refuse(struct connection *connection, int status, const char *code, const char *text,
                  const char *headers)
{
    connection->server->stats->connections_refused[REFUSAL_UPGRADE]++;
    return http_refuse(connection, status, code, text, headers);
}

int upgrade_confirm(struct connection *connection)
{
    struct lws *wsi = connection->wsi;
    const struct socket_path *path;

    if (!lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE))
        return -1; /* lws has refused it already, and dropped the headers */
    if (!is_websocket(wsi))
        return refuse(connection, 400, "bad_upgrade", "only an upgrade to websocket is offered",
                      NULL);
    if (!lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI))
        return refuse(connection, 405, "bad_method", "a WebSocket is opened by GET",
                      "Allow: GET\r\n");
    path = find_path(wsi);
    if (!path)
        return refuse(connection, 404, "not_found", "WebSockets are at /v1/ingest and /v1/live",
                      NULL);
    if (!version_ok(wsi))
        return refuse(connection, 426, "bad_version", "this server speaks WebSocket version 13",
                      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    if (!connection_header_ok(wsi) || !key_ok(wsi) || !lws_hdr_total_length(wsi, WSI_TOKEN_HOST))
        return refuse(connection, 400, "bad_upgrade",
                      "Connection: Upgrade, Host and a Sec-WebSocket-Key of 16 bytes are required",
                      NULL);
    if (!offer_ok(wsi, path->protocol))
        return refuse(connection, 400, "bad_subprotocol", path->complaint, NULL);
    if (!peer_identify(connection)) {
        peer_count_refusal(connection, REFUSAL_ADDRESS);
        return http_refuse(connection, 429, "too_many_connections",
                           "there are too many connections of this address", NULL);
    }
    if (!site_ok(connection)) {
        auth_count(connection->server, AUTH_REFUSAL_ORIGIN);
        return http_refuse(connection, 403, "bad_host", SITE_COMPLAINT, NULL);
    }
    if (!origin_ok(connection, path->kind)) {
        auth_count(connection->server, AUTH_REFUSAL_ORIGIN);
        return http_refuse(connection, 403, "bad_origin", "not from a page of another site", NULL);
    }
    if (auth_upgrade(connection, path->kind))
        return -1;
    connection->kind = (uint8_t)path->kind;
    return 0;
}
