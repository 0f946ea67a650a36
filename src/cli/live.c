/*
 * The server greets first; the subscription follows its hello. It is repeated on the same
 * connection when the server could not answer for a topic just now.
 */
#include "live.h"

#include <stdlib.h>
#include <unistd.h>

#include "livetally/buffer.h"
#include "livetally/json.h"
#include "livetally/mem.h"
#include "ws.h"

#define ASK_AGAIN_MS 2000

struct live {
    struct ws *ws;
    struct live_options options;
    struct live_ops ops;
    struct model model;
    uv_timer_t timer; /* until subscribing again; after the end, for tearing down */
    bool subscribe;   /* is to be sent */
    bool closing;
};

bool live_take_arguments(const struct command *command, int argc, char **argv,
                         struct live_options *options)
{
    if (!cli_take_url(command, argc, argv, &optind, &options->url) ||
        !cli_check_tls(command, &options->tls, &options->url))
        return false;
    if (argc - optind > MODEL_TOPICS_MAX) {
        (void)cli_usage_error(command, "takes at most %d topics", MODEL_TOPICS_MAX);
        return false;
    }
    if (optind < argc) {
        options->topics = argv + optind;
        options->topic_count = (uint32_t)(argc - optind);
    }
    return true;
}

static void send_subscribe(struct live *live)
{
    struct buffer text = BUFFER_INIT;
    buffer_append_text(&text, "{");
    json_field_string(&text, "type", SLICE("subscribe"));
    json_write_key(&text, "topics");
    buffer_append_byte(&text, '[');
    for (uint32_t i = 0; i < live->options.topic_count; i++) {
        json_write_comma(&text);
        json_write_string(&text, slice_of(live->options.topics[i]));
    }
    buffer_append_byte(&text, ']');
    if (live->options.interval_ms != 0) {
        json_field_uint(&text, "interval_ms", live->options.interval_ms);
    }
    buffer_append_byte(&text, '}');
    ws_send(live->ws, buffer_slice(&text));
    buffer_done(&text);
}

static void ask(struct live *live)
{
    live->subscribe = true;
    ws_want_write(live->ws);
}

static void on_timer(uv_timer_t *timer)
{
    struct live *live = timer->data;
    if (live->closing) {
        ws_shutdown(live->ws);
        uv_close((uv_handle_t *)timer, NULL);
        live->ops.closed(live->ops.context);
    } else if (ws_is_open(live->ws)) {
        ask(live);
    }
}

static void on_opened(void *context)
{
    struct live *live = context;
    live->ops.connection(live->ops.context, true, "");
    ask(live);
}

static void on_writable(void *context)
{
    struct live *live = context;
    if (live->subscribe) {
        live->subscribe = false;
        send_subscribe(live);
    }
}

static void on_message(void *context, struct slice text)
{
    struct live *live = context;
    if (live->closing) {
        return;
    }
    enum model_change change = model_apply(&live->model, text);
    if (change == MODEL_BAD) {
        ws_break(live->ws, "the server does not speak this protocol");
        return;
    }
    if (change == MODEL_GOODBYE) {
        ws_retry_after(live->ws, live->model.retry_after_ms);
    }
    if (change == MODEL_UNAVAILABLE) {
        uv_timer_start(&live->timer, on_timer, ASK_AGAIN_MS, 0);
    }
    live->ops.message(live->ops.context, text, change);
}

static void on_closed(void *context, const char *reason)
{
    struct live *live = context;
    if (live->closing) {
        uv_timer_start(&live->timer, on_timer, 0, 0);
    } else {
        uv_timer_stop(&live->timer);
        live->ops.connection(live->ops.context, false, reason);
    }
}

struct live *live_new(uv_loop_t *loop, const struct live_options *options,
                      const struct live_ops *ops)
{
    struct live *live = mem_zalloc(sizeof(*live));
    struct ws_options ws_options = {
        .url = options->url,
        .path = "/v1/live",
        .subprotocol = "livetally.live.v1",
        .token = options->token,
        .tls = options->tls,
    };
    struct ws_ops ws_ops = {on_opened, on_message, on_writable, on_closed, live};
    live->options = *options;
    live->ops = *ops;
    live->ws = ws_new(loop, &ws_options, &ws_ops);
    if (!live->ws) {
        free(live);
        return NULL;
    }
    model_init(&live->model);
    uv_timer_init(loop, &live->timer);
    live->timer.data = live;
    ws_start(live->ws);
    return live;
}

const struct model *live_model(const struct live *live)
{
    return &live->model;
}

void live_close(struct live *live)
{
    if (!live->closing) {
        live->closing = true;
        uv_timer_stop(&live->timer);
        ws_close(live->ws);
    }
}

void live_free(struct live *live)
{
    model_done(&live->model);
    ws_free(live->ws);
    free(live);
}
