/*
 * The libwebsockets context, a guest on our loop, and the one callback that all protocols share:
 * what a connection is was decided by its path (upgrade.c), so the protocol that lws bound it to
 * only sets the size of its receive buffer and the subprotocol that lws echoes.
 *
 * protocols[0] serves HTTP and every WebSocket that offered no subprotocol; its name can't be
 * offered by anybody, because it isn't a token. Sessions are our own (opaque user data), since lws
 * frees its per-session memory whenever it binds another protocol.
 *
 * lws decides by vhost whether a socket speaks TLS, so there are two, alike but for that.
 */
#include <sys/resource.h>
#include <unistd.h>

#include "livetally/server.h"
#include "net.h"

#define INGEST_BUFFER_BYTES 16384 /* = pt_serv_buf_size: what one read takes */
/* Viewers say little, and there are many; a control frame (125 bytes) has to fit. */
#define LIVE_BUFFER_BYTES 128
#define SEND_BYTES        65536 /* handed to the kernel at once */
#define HEADER_BYTES      8192  /* of one request */
#define CONTENT_SECONDS   30    /* between pieces of a request's body */
#define KEEPALIVE_SECONDS 60
#define SPARE_DESCRIPTORS 256 /* listeners, Redis, logs, files */

/* Whether lws has sent what it held of the last write: told by no reason of its own. */
static bool may_have_sent(enum lws_callback_reasons reason)
{
    return reason != LWS_CALLBACK_CLOSED && reason != LWS_CALLBACK_CLOSED_HTTP &&
           reason != LWS_CALLBACK_WSI_DESTROY;
}

static int on_socket(struct connection *connection, enum lws_callback_reasons reason, void *in,
                     size_t size)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return upgrade_confirm(connection);
    case LWS_CALLBACK_ESTABLISHED:
        return connection_established(connection);
    case LWS_CALLBACK_RECEIVE:
        return connection_received(connection, in, size);
    case LWS_CALLBACK_RECEIVE_PONG:
        liveness_heard(connection);
        activity_rest(connection);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        connection_drained(connection);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return connection_peer_closes(connection);
    case LWS_CALLBACK_HTTP:
        return http_handle(connection, in);
    case LWS_CALLBACK_HTTP_BODY:
        return http_body(connection, in, size);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return http_body_complete(connection);
    case LWS_CALLBACK_HTTP_BIND_PROTOCOL:
        http_rebound(connection);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        if (connection->stream)
            sse_drained(connection);
        else
            http_shut_half(connection);
        return 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
        connection_gone(connection);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        connection_gone(connection);
        lws_set_opaque_user_data(connection->wsi, NULL);
        connection_free(connection);
        return 0;
    default:
        return 0;
    }
}

/* Only these reasons come with a real wsi, and one of ours. */
static bool is_socket_reason(enum lws_callback_reasons reason)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_HTTP_BIND_PROTOCOL:
    case LWS_CALLBACK_HTTP_WRITEABLE:
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
        return true;
    default:
        return false;
    }
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct connection *connection;

    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
        tls_prepare_context(user, lws_vhost_user(in));
    if (!is_socket_reason(reason))
        return 0;
    connection = lws_get_opaque_user_data(wsi);
    if (!connection)
        return 0;
    connection->wsi = wsi;
    if (connection->activity && may_have_sent(reason))
        memory_settle(connection);
    return on_socket(connection, reason, in, size);
}

static const struct lws_protocols protocols[] = {
    {.name = "livetally http",
     .callback = on_event,
     .rx_buffer_size = INGEST_BUFFER_BYTES,
     .tx_packet_size = SEND_BYTES},
    {.name = INGEST_PROTOCOL,
     .callback = on_event,
     .rx_buffer_size = INGEST_BUFFER_BYTES,
     .tx_packet_size = SEND_BYTES},
    {.name = LIVE_PROTOCOL,
     .callback = on_event,
     .rx_buffer_size = LIVE_BUFFER_BYTES,
     .tx_packet_size = SEND_BYTES},
    {.name = NULL},
};

/* All zeros switches lws's own pings off: they cost a walk of all connections each. */
static const lws_retry_bo_t no_validity_checks;

/*
 * lws sizes its tables by the descriptor limit of the moment, which may be a million where a few
 * thousand do: it sees what max_connections needs.
 */
static int create(struct server *server, struct lws_context_creation_info *info)
{
    rlim_t needed =
        (rlim_t)server->options.max_connections + REFUSED_CONNECTIONS + SPARE_DESCRIPTORS;
    struct rlimit limit, shown;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return ERROR_SYSTEM;
    if (limit.rlim_cur < needed)
        limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
    if (limit.rlim_cur < needed) {
        rlim_t room = limit.rlim_cur > REFUSED_CONNECTIONS + SPARE_DESCRIPTORS
                          ? limit.rlim_cur - REFUSED_CONNECTIONS - SPARE_DESCRIPTORS
                          : 1;

        log_print(server->log, LOG_LEVEL_WARNING,
                  "open file limit %ju allows only %ju of %u connections",
                  (uintmax_t)limit.rlim_cur, (uintmax_t)room, server->options.max_connections);
        server->options.max_connections = (uint32_t)room;
    }
    server->room = server->options.max_connections;
    shown = limit;
    if (shown.rlim_cur > needed)
        shown.rlim_cur = needed;
    if (setrlimit(RLIMIT_NOFILE, &shown))
        return ERROR_SYSTEM;
    server->context = lws_create_context(info);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return server->context ? 0 : ERROR_SYSTEM;
}

int context_start(struct server *server, struct error *error)
{
    void *loops[] = {server->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .foreign_loops = loops,
        .gid = -1,
        .uid = -1,
        .pt_serv_buf_size = INGEST_BUFFER_BYTES,
        .max_http_header_data2 = HEADER_BYTES,
        .timeout_secs = CONTENT_SECONDS,
        .keepalive_timeout = KEEPALIVE_SECONDS,
        .protocols = protocols,
        .retry_and_idle_policy = &no_validity_checks,
        .vhost_name = "livetally",
        .user = server,
        .alpn = "http/1.1",
    };

    if (server->tls)
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;

    /* What lws would log is peers' mistakes, with no way to tell it where to log to. */
    lws_set_log_level(0, NULL);
    if (create(server, &info))
        return error_set(error, ERROR_SYSTEM,
                         "libwebsockets did not start (is libwebsockets-evlib-uv installed?)");
    server->vhost = lws_create_vhost(server->context, &info);
    if (server->vhost && server->tls) {
        info.options |= LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
        info.vhost_name = "livetally tls";
        server->tls_vhost = lws_create_vhost(server->context, &info);
    }
    if (!server->vhost || (server->tls && !server->tls_vhost))
        return error_set(error, ERROR_SYSTEM, "libwebsockets refused its virtual host");
    return 0;
}

struct connection *context_adopt(struct listener *listener, int fd, const struct ip *peer)
{
    struct server *server = listener->server;
    struct connection *connection = connection_new(server);
    bool tls = (listener->traits & LISTEN_TLS) != 0;
    lws_adopt_desc_t adopt = {
        .vh = tls ? server->tls_vhost : server->vhost,
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | (tls ? LWS_ADOPT_ALLOW_SSL : 0),
        .fd.sockfd = fd,
        .opaque = connection,
    };
    struct lws *wsi;

    connection->tls = tls;
    peer_arrive(connection, peer);
    wsi = lws_adopt_descriptor_vhost_via_info(&adopt);
    if (wsi) {
        connection->wsi = wsi;
        inbound_watch(connection, fd);
        return connection;
    }
    return NULL;
}
