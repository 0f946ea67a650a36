/*
 * libwebsockets as a client. Two of its habits shape this file. It masks what a client sends in
 * place, so a message that may have to be sent again is copied into a scratch buffer, which also
 * gives it the room it wants in front. And it must not be told to close a connection but by the
 * return value of one of that connection's callbacks: ws_break() and ws_close() leave a note and
 * ask for a writable callback.
 */
#include "ws.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "livetally/buffer.h"
#include "livetally/mem.h"
#include "livetally/token.h"

#define RX_MESSAGE_MAX (16U << 20)
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define BACKOFF_SHIFTS 6
#define CONNECT_MS     10000
#define CLOSE_MS       1000
#define SOCKET_BYTES   65536
#define REASON_BYTES   256
#define BEARER         "Bearer "

struct ws {
    uv_loop_t *loop;
    uv_timer_t timer; /* back-off, or how long to wait for an attempt or a close */
    struct ws_options options;
    struct ws_ops ops;
    SSL_CTX *tls; /* or NULL */
    struct lws_context *context;
    struct lws *wsi; /* NULL between connections */
    struct lws_protocols protocols[2];
    lws_retry_bo_t liveness;
    struct buffer rx;
    struct buffer tx;
    char reason[REASON_BYTES]; /* why we break the connection; "" = the other side did */
    char peer[REASON_BYTES];   /* what the other side said when closing */
    bool open;
    bool sending;    /* inside writable(): sending is allowed */
    bool closing;    /* for good */
    bool attempting; /* an attempt of ours has not ended yet */
    uint32_t failures;
    int64_t retry_after_ms;
    uint64_t random;
};

static void on_timer(uv_timer_t *timer);

static void note(char out[REASON_BYTES], const char *text)
{
    snprintf(out, REASON_BYTES, "%s", text);
}

static uint64_t backoff_ms(struct ws *ws)
{
    uint32_t shift = ws->failures < BACKOFF_SHIFTS ? ws->failures : BACKOFF_SHIFTS;
    uint64_t delay_ms = (uint64_t)BACKOFF_MIN_MS << shift;
    if (delay_ms > BACKOFF_MAX_MS) {
        delay_ms = BACKOFF_MAX_MS;
    }
    ws->failures++;
    ws->random ^= ws->random << 13;
    ws->random ^= ws->random >> 7;
    ws->random ^= ws->random << 17;
    delay_ms = delay_ms / 2 + ws->random % (delay_ms / 2 + 1);
    if (ws->retry_after_ms > (int64_t)delay_ms) {
        delay_ms = (uint64_t)ws->retry_after_ms;
    }
    ws->retry_after_ms = 0;
    return delay_ms;
}

/* The connection or the attempt is over. */
static void on_ended(struct ws *ws, const char *reason)
{
    char text[REASON_BYTES];
    note(text, ws->reason[0] ? ws->reason : reason);
    ws->wsi = NULL;
    ws->open = false;
    ws->attempting = false;
    ws->reason[0] = '\0';
    buffer_reset(&ws->rx);
    if (ws->closing) {
        uv_timer_stop(&ws->timer);
    } else {
        uv_timer_start(&ws->timer, on_timer, backoff_ms(ws), 0);
    }
    ws->ops.closed(ws->ops.context, text);
}

/* Returns nonzero to have the connection closed. */
static int on_receive(struct ws *ws, struct lws *wsi, const void *bytes, size_t size)
{
    if (ws->rx.size + size > RX_MESSAGE_MAX) {
        note(ws->reason, "the server sent a message that is too long");
        return -1;
    }
    buffer_append(&ws->rx, bytes, size);
    if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) {
        ws->failures = 0;
        ws->ops.message(ws->ops.context, buffer_slice(&ws->rx));
        buffer_reset(&ws->rx);
    }
    return 0;
}

static int on_writable(struct ws *ws, struct lws *wsi)
{
    if (ws->reason[0] != '\0' || ws->closing) {
        lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
        return -1;
    }
    ws->sending = true;
    ws->ops.writable(ws->ops.context);
    ws->sending = false;
    return 0;
}

static int append_token(struct ws *ws, struct lws *wsi, void *in, size_t size)
{
    unsigned char **at = in;
    unsigned char *end = *at + size;
    char value[TOKEN_BYTES_MAX + sizeof(BEARER)];
    if (!ws->options.token) {
        return 0;
    }
    int length = snprintf(value, sizeof(value), BEARER "%s", ws->options.token);
    if (length < 0 || (size_t)length >= sizeof(value)) {
        return -1;
    }
    return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
                                        (const unsigned char *)value, length, at, end);
}

/* The peer's close frame: two bytes of code, then text. */
static void keep_close_reason(struct ws *ws, const unsigned char *in, size_t size)
{
    if (size >= 2) {
        snprintf(ws->peer, sizeof(ws->peer), "closed by the server: %u%s%.*s",
                 (unsigned)(in[0] << 8 | in[1]), size > 2 ? " " : "", (int)(size - 2),
                 (const char *)in + 2);
    }
}

/* libwebsockets says "closed before established" of an address where nobody listens. */
static const char *refusal_reason(struct ws *ws, struct lws *wsi, const char *text, size_t size)
{
    unsigned status = lws_http_client_http_response(wsi);
    if (status == 401) {
        return "the server does not accept the token";
    }
    if (status == 403) {
        return "the token does not allow this";
    }
    if (ws->tls && lws_get_ssl(wsi) && SSL_get_verify_result(lws_get_ssl(wsi)) != X509_V_OK) {
        snprintf(ws->peer, sizeof(ws->peer), "the server's certificate is not trusted: %s",
                 X509_verify_cert_error_string(SSL_get_verify_result(lws_get_ssl(wsi))));
        return ws->peer;
    }
    if (text && strncmp(text, "connect SSL", 11) == 0) {
        return "the server does not speak TLS as we do, or wants a certificate (--cert)";
    }
    bool known = text && size > 0 && strcmp(text, "closed before established") != 0;
    return known ? text : "can't connect";
}

static int on_event(struct lws *wsi, enum lws_callback_reasons event, void *user, void *in,
                    size_t size)
{
    struct ws *ws = user;
    switch ((int)event) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return append_token(ws, wsi, in, size);
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        ws->open = true;
        ws->peer[0] = '\0';
        uv_timer_stop(&ws->timer);
        if (ws->closing) {
            ws_close(ws);
        } else {
            ws->ops.opened(ws->ops.context);
        }
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return on_receive(ws, wsi, in, size);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writable(ws, wsi);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        keep_close_reason(ws, in, size);
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_ended(ws, refusal_reason(ws, wsi, in, size));
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        on_ended(ws, ws->peer[0] ? ws->peer : "the connection broke");
        break;
    case LWS_CALLBACK_WSI_DESTROY:
        /* All that is told of a server that hangs up instead of answering the handshake. */
        if (ws && ws->wsi == wsi) {
            on_ended(ws, "the server closed the connection without an answer");
        }
        break;
    default:
        break;
    }
    return 0;
}

static void connect_now(struct ws *ws)
{
    const struct url *url = &ws->options.url;
    char address[sizeof(url->host) + sizeof(url->socket)];
    char path[sizeof(url->base) + 64];
    char host[sizeof(url->host) + 16];
    bool ipv6 = strchr(url->host, ':') != NULL;
    snprintf(address, sizeof(address), "%s%s", url->socket[0] ? "+" : "",
             url->socket[0] ? url->socket : url->host);
    snprintf(path, sizeof(path), "%s%s", url->base, ws->options.path);
    if (url->socket[0]) {
        snprintf(host, sizeof(host), "localhost");
    } else {
        snprintf(host, sizeof(host), "%s%s%s:%d", ipv6 ? "[" : "", url->host, ipv6 ? "]" : "",
                 url->port);
    }
    struct lws_client_connect_info info = {
        .context = ws->context,
        .address = address,
        .port = url->port,
        .path = path,
        .host = host,
        .protocol = ws->options.subprotocol,
        .local_protocol_name = ws->protocols[0].name,
        .userdata = ws,
        .pwsi = &ws->wsi,
        .ssl_connection =
            ws->tls ? LCCSCF_USE_SSL | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK /* ours does */ : 0,
        .alpn = "http/1.1",
        .retry_and_idle_policy = &ws->liveness,
    };
    uv_timer_start(&ws->timer, on_timer, CONNECT_MS, 0);
    ws->attempting = true;
    if (!lws_client_connect_via_info(&info) && ws->attempting) {
        on_ended(ws, "can't connect");
    }
}

/* An attempt, or the answer to our close, took too long; or the back-off is over. */
static void on_timer(uv_timer_t *timer)
{
    struct ws *ws = timer->data;
    if (!ws->wsi && ws->closing) {
        ws->ops.closed(ws->ops.context, "closed");
        return;
    }
    if (!ws->wsi) {
        connect_now(ws);
        return;
    }
    if (!ws->open) {
        note(ws->reason, "the server did not answer in time");
    }
    lws_set_timeout(ws->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    /* It looks at its timers only after events of its own: make one. */
    lws_cancel_service(ws->context);
}

struct ws *ws_new(uv_loop_t *loop, const struct ws_options *options, const struct ws_ops *ops)
{
    struct ws *ws = mem_zalloc(sizeof(*ws));
    void *loops[] = {loop};
    struct error error;
    ws->loop = loop;
    ws->options = *options;
    ws->ops = *ops;
    ws->random = uv_hrtime() | 1;
    ws->liveness.secs_since_valid_ping = 30;
    ws->liveness.secs_since_valid_hangup = 45;
    if (ws->options.url.tls &&
        tls_client_new(&ws->options.tls, &ws->options.url, &ws->tls, &error) < 0) {
        fprintf(stderr, "livetally: %s\n", error.text);
        free(ws);
        return NULL;
    }
    ws->protocols[0].name = "livetally";
    ws->protocols[0].callback = on_event;
    ws->protocols[0].rx_buffer_size = SOCKET_BYTES;
    ws->protocols[0].tx_packet_size = SOCKET_BYTES;
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = ws->protocols,
        .foreign_loops = loops,
        .pt_serv_buf_size = SOCKET_BYTES,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
    };
    if (ws->tls) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.provided_client_ssl_ctx = ws->tls;
    }
    lws_set_log_level(0, NULL);
    ws->context = lws_create_context(&info);
    if (!ws->context) {
        fprintf(stderr, "livetally: libwebsockets does not work here: is libwebsockets-evlib-uv "
                        "installed?\n");
        SSL_CTX_free(ws->tls);
        free(ws);
        return NULL;
    }
    uv_timer_init(loop, &ws->timer);
    ws->timer.data = ws;
    return ws;
}

void ws_start(struct ws *ws)
{
    uv_timer_start(&ws->timer, on_timer, 0, 0);
}

bool ws_is_open(const struct ws *ws)
{
    return ws->open && !ws->closing && ws->reason[0] == '\0';
}

void ws_want_write(struct ws *ws)
{
    if (ws->open) {
        lws_callback_on_writable(ws->wsi);
    }
}

bool ws_send(struct ws *ws, struct slice text)
{
    if (!ws->sending || !ws_is_open(ws)) {
        return false;
    }
    buffer_reset(&ws->tx);
    char *out = buffer_reserve(&ws->tx, LWS_PRE + text.size) + LWS_PRE;
    memcpy(out, text.data, text.size);
    if (lws_write(ws->wsi, (unsigned char *)out, text.size, LWS_WRITE_TEXT) < (int)text.size) {
        ws_break(ws, "can't write to the connection");
        return false;
    }
    return !lws_partial_buffered(ws->wsi) && !lws_send_pipe_choked(ws->wsi);
}

void ws_break(struct ws *ws, const char *reason)
{
    if (ws_is_open(ws)) {
        note(ws->reason, reason);
        lws_callback_on_writable(ws->wsi);
        uv_timer_start(&ws->timer, on_timer, CLOSE_MS, 0);
    }
}

void ws_retry_after(struct ws *ws, int64_t delay_ms)
{
    ws->retry_after_ms = delay_ms < 60000 ? delay_ms : 60000;
}

void ws_close(struct ws *ws)
{
    ws->closing = true;
    if (ws->open) {
        lws_callback_on_writable(ws->wsi);
        uv_timer_start(&ws->timer, on_timer, CLOSE_MS, 0);
    } else {
        uv_timer_start(&ws->timer, on_timer, 0, 0);
    }
}

void ws_shutdown(struct ws *ws)
{
    ws->closing = true;
    uv_close((uv_handle_t *)&ws->timer, NULL);
    lws_context_destroy(ws->context);
}

void ws_free(struct ws *ws)
{
    lws_context_destroy(ws->context);
    SSL_CTX_free(ws->tls);
    buffer_done(&ws->rx);
    buffer_done(&ws->tx);
    free(ws);
}
