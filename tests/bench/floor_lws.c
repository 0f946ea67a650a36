/*
 * A libwebsockets server on libuv, set up as livetallyd's is, that puts frames together, throws
 * them away, and says how many messages it has had: {"upto":N}, once a connection and turn of the
 * loop, since an ack for each message would cost more than all that livetallyd does. Prints its
 * port, then serves until SIGTERM; or until nobody has sent anything for a few minutes.
 */
#include "floor_lws.h"

#include <inttypes.h>
#include <libwebsockets.h>
#include <signal.h>
#include <uv.h>

#include "bench_common.h"
#include "livetally/buffer.h"

#define RECEIVE_BYTES 16384 /* as the daemon has them: src/net/context.c */
#define SEND_BYTES    65536
#define IDLE_MS       300000 /* preparing ten million orders takes its time */

struct peer {
    struct lws *wsi;
    struct peer *next; /* of those that are to be told */
    bool told_later;
    struct buffer message;
    uint64_t messages;
};

struct floor {
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_signal_t terminate;
    uv_timer_t idle;
    struct lws_context *context;
    struct peer *to_tell;
    int exit_code;
};

static struct floor *floor_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

static void tell_later(struct peer *peer)
{
    struct floor *floor = floor_of(peer->wsi);
    if (peer->told_later)
        return;
    peer->told_later = true;
    peer->next = floor->to_tell;
    floor->to_tell = peer;
}

static void forget(struct peer *peer)
{
    struct peer **at = &floor_of(peer->wsi)->to_tell;
    while (*at && *at != peer)
        at = &(*at)->next;
    if (*at)
        *at = peer->next;
    buffer_done(&peer->message);
}

static void tell(struct peer *peer)
{
    char text[LWS_PRE + 48];
    int size =
        snprintf(text + LWS_PRE, sizeof text - LWS_PRE, "{\"upto\":%" PRIu64 "}", peer->messages);
    peer->told_later = false;
    if (lws_partial_buffered(peer->wsi))
        (void)lws_callback_on_writable(peer->wsi);
    else
        (void)lws_write(peer->wsi, (unsigned char *)text + LWS_PRE, (size_t)size, LWS_WRITE_TEXT);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct floor *floor = prepare->data;
    struct peer *peer, *next;
    for (peer = floor->to_tell, floor->to_tell = NULL; peer; peer = next) {
        next = peer->next;
        tell(peer);
    }
}

static void receive(struct peer *peer, struct lws *wsi, const void *data, size_t size)
{
    buffer_append(&peer->message, data, size);
    if (lws_remaining_packet_payload(wsi) > 0 || !lws_is_final_fragment(wsi))
        return;
    buffer_reset(&peer->message);
    peer->messages++;
    tell_later(peer);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct peer *peer = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        *peer = (struct peer){.wsi = wsi};
        return 0;
    case LWS_CALLBACK_RECEIVE:
        receive(peer, wsi, in, size);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        tell_later(peer);
        return 0;
    case LWS_CALLBACK_CLOSED:
        forget(peer);
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "bench floor",
     .callback = on_event,
     .per_session_data_size = sizeof(struct peer),
     .rx_buffer_size = RECEIVE_BYTES,
     .tx_packet_size = SEND_BYTES},
    {.name = "livetally.ingest.v1",
     .callback = on_event,
     .per_session_data_size = sizeof(struct peer),
     .rx_buffer_size = RECEIVE_BYTES,
     .tx_packet_size = SEND_BYTES},
    {.name = NULL},
};

static const lws_retry_bo_t no_validity_checks;

static void on_terminate(uv_signal_t *terminate, int number)
{
    (void)number;
    uv_stop(terminate->loop);
}

static void on_idle(uv_timer_t *idle)
{
    struct floor *floor = idle->data;
    fprintf(stderr, "nobody ended this server for %d s\n", IDLE_MS / 1000);
    floor->exit_code = 1;
    uv_stop(idle->loop);
}

static void listen_anywhere(struct floor *floor)
{
    void *loops[] = {&floor->loop};
    struct lws_context_creation_info info = {
        .port = 0,
        .iface = "127.0.0.1",
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .foreign_loops = loops,
        .gid = -1,
        .uid = -1,
        .pt_serv_buf_size = RECEIVE_BYTES,
        .protocols = protocols,
        .retry_and_idle_policy = &no_validity_checks,
        .vhost_name = "floor",
        .user = floor,
    };
    lws_set_log_level(LLL_ERR, NULL);
    floor->context = lws_create_context(&info);
    struct lws_vhost *vhost = floor->context ? lws_create_vhost(floor->context, &info) : NULL;
    if (!vhost)
        bench_fail("libwebsockets did not start (is libwebsockets-evlib-uv installed?)");
    printf("{\"port\":%d}\n", lws_get_vhost_listen_port(vhost));
    fflush(stdout);
}

int floor_lws(int argc, char **argv)
{
    struct floor floor = {0};
    (void)argv;
    if (argc > 1)
        bench_fail("bench_floor lws takes no arguments");
    uv_loop_init(&floor.loop);
    uv_prepare_init(&floor.loop, &floor.prepare);
    uv_signal_init(&floor.loop, &floor.terminate);
    uv_timer_init(&floor.loop, &floor.idle);
    floor.prepare.data = floor.idle.data = &floor;
    uv_prepare_start(&floor.prepare, on_prepare);
    uv_signal_start(&floor.terminate, on_terminate, SIGTERM);
    uv_timer_start(&floor.idle, on_idle, IDLE_MS, 0);
    listen_anywhere(&floor);
    uv_run(&floor.loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&floor.prepare, NULL);
    uv_close((uv_handle_t *)&floor.terminate, NULL);
    uv_close((uv_handle_t *)&floor.idle, NULL);
    lws_context_destroy(floor.context);
    uv_run(&floor.loop, UV_RUN_DEFAULT);
    lws_context_destroy(floor.context); /* with a foreign loop it takes two */
    return uv_loop_close(&floor.loop) ? 1 : floor.exit_code;
}
