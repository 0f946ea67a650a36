/*
 * livetally watch. On a terminal: the alternate screen, redrawn at each message and each second;
 * when it ends, the last picture stays on the ordinary screen. Elsewhere: one line per message.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "live.h"
#include "livetally/buffer.h"
#include "livetally/calendar.h"
#include "screen.h"
#include "text.h"

#define REDRAW_MS    1000
#define ENTER_SCREEN "\033[?1049h\033[?25l\033[?7l" /* lines that are too long don't wrap */
#define LEAVE_SCREEN "\033[?7h\033[?25h\033[?1049l"
#define HOME         "\033[H"
#define CLEAR_LINE   "\033[K"
#define CLEAR_REST   "\033[J"

struct watch {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[3];
    struct live *live;
    char url[400];
    bool json;
    bool up;
    bool ever_up;
    char reason[256];
    int64_t left; /* messages with totals to show before the end; -1 = no end */
    struct buffer frame;
    struct buffer lines;
    bool ending;
    int exit_code;
};

static void end(struct watch *watch, int exit_code)
{
    if (!watch->ending) {
        watch->ending = true;
        watch->exit_code = exit_code;
        live_close(watch->live);
    }
}

static void get_size(uint32_t *ret_width, uint32_t *ret_height)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    *ret_width = known ? size.ws_col : 100;
    *ret_height = known && size.ws_row > 0 ? size.ws_row : 24;
}

static void append_status(const struct watch *watch, struct buffer *out, uint32_t width)
{
    const struct model *model = live_model(watch->live);
    struct buffer text = BUFFER_INIT;
    char clock[9];
    char offset[7];
    screen_format_clock(model, (int64_t)time(NULL) * 1000, clock);
    calendar_format_offset(model->offset_minutes, offset);
    buffer_printf(&text, "livetally %s  %s %s  ", watch->url, clock, offset);
    if (!watch->up) {
        buffer_printf(&text, "○ no connection: %s", watch->reason);
    } else if (model->stale) {
        buffer_append_text(&text, "◐ stale: the server can't read its store");
    } else {
        buffer_append_text(&text, "● live");
    }
    if (model->problem[0]) {
        buffer_printf(&text, "  ! %s", model->problem);
    }
    buffer_append_slice(out, text_cut(buffer_slice(&text), width));
    buffer_append_byte(out, '\n');
    buffer_done(&text);
}

static void write_out(const struct buffer *text)
{
    fwrite(text->data, 1, text->size, stdout);
    fflush(stdout);
}

static void draw(struct watch *watch)
{
    uint32_t width;
    uint32_t height;
    get_size(&width, &height);
    bool grey = !watch->up || live_model(watch->live)->stale;
    struct screen_options options = {width, height - 1, true, grey};
    buffer_reset(&watch->lines);
    append_status(watch, &watch->lines, width);
    screen_draw(&watch->lines, live_model(watch->live), &options);
    buffer_reset(&watch->frame);
    buffer_append_text(&watch->frame, HOME);
    const char *at = watch->lines.data;
    const char *end_of_lines = at + watch->lines.size;
    for (uint32_t row = 0; row < height && at < end_of_lines; row++) {
        size_t size = (size_t)((const char *)memchr(at, '\n', (size_t)(end_of_lines - at)) - at);
        buffer_append_text(&watch->frame, row > 0 ? "\r\n" : "");
        buffer_append_text(&watch->frame, grey && row > 0 ? "\033[2m" : "");
        buffer_append(&watch->frame, at, size);
        buffer_append_text(&watch->frame, grey ? "\033[0m" CLEAR_LINE : CLEAR_LINE);
        at += size + 1;
    }
    buffer_append_text(&watch->frame, CLEAR_REST);
    write_out(&watch->frame);
}

/* What stays behind on the ordinary screen. */
static void leave_screen(struct watch *watch)
{
    uint32_t width;
    uint32_t height;
    get_size(&width, &height);
    struct screen_options options = {width, height - 1, false, false};
    buffer_reset(&watch->frame);
    buffer_append_text(&watch->frame, LEAVE_SCREEN);
    screen_draw(&watch->frame, live_model(watch->live), &options);
    write_out(&watch->frame);
}

static void on_message(void *context, struct slice raw, enum model_change change)
{
    struct watch *watch = context;
    const struct model *model = live_model(watch->live);
    bool totals = change == MODEL_SNAPSHOT || change == MODEL_UPDATE;
    if (watch->json) {
        bool good = fwrite(raw.data, 1, raw.size, stdout) == raw.size && putchar('\n') != EOF &&
                    fflush(stdout) == 0;
        if (!good) {
            end(watch, EXIT_DONE); /* nobody reads any more */
            return;
        }
    } else if (change != MODEL_NOTHING) {
        draw(watch);
    }
    if (change == MODEL_SNAPSHOT && model->topic_count == 0 && model->error_count > 0) {
        snprintf(watch->reason, sizeof(watch->reason), "%.250s", model->problem);
        end(watch, EXIT_USAGE);
    } else if (totals && watch->left > 0 && --watch->left == 0) {
        end(watch, EXIT_DONE);
    }
}

static void on_connection(void *context, bool up, const char *reason)
{
    struct watch *watch = context;
    bool changed = watch->up != up || (!up && !watch->reason[0]);
    watch->up = up;
    watch->ever_up |= up;
    snprintf(watch->reason, sizeof(watch->reason), "%s", reason);
    if (!watch->json) {
        draw(watch);
    } else if (changed && !up) {
        fprintf(stderr, "livetally: no connection: %s; trying again\n", reason);
    }
}

static void on_closed(void *context)
{
    struct watch *watch = context;
    uv_close((uv_handle_t *)&watch->timer, NULL);
    for (int i = 0; i < 3; i++) {
        uv_close((uv_handle_t *)&watch->signals[i], NULL);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct watch *watch = timer->data;
    if (!watch->json && !watch->ending) {
        draw(watch);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct watch *watch = handle->data;
    if (number == SIGWINCH) {
        on_timer(&watch->timer);
    } else {
        end(watch, EXIT_DONE);
    }
}

static int follow(struct watch *watch, const struct live_options *options)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGWINCH};
    struct live_ops ops = {on_message, on_connection, on_closed, watch};
    uv_loop_init(&watch->loop);
    watch->live = live_new(&watch->loop, options, &ops);
    if (!watch->live) {
        uv_loop_close(&watch->loop);
        return EXIT_UNDELIVERED;
    }
    uv_timer_init(&watch->loop, &watch->timer);
    watch->timer.data = watch;
    for (int i = 0; i < 3; i++) {
        uv_signal_init(&watch->loop, &watch->signals[i]);
        watch->signals[i].data = watch;
        uv_signal_start(&watch->signals[i], on_signal, numbers[i]);
    }
    url_describe(&options->url, watch->url, sizeof(watch->url));
    snprintf(watch->reason, sizeof(watch->reason), "connecting");
    if (!watch->json) {
        fputs(ENTER_SCREEN, stdout);
        draw(watch);
        uv_timer_start(&watch->timer, on_timer, REDRAW_MS, REDRAW_MS);
    } else {
        watch->reason[0] = '\0';
    }
    uv_run(&watch->loop, UV_RUN_DEFAULT);
    if (!watch->json) {
        leave_screen(watch);
    }
    if (watch->exit_code != EXIT_DONE) {
        fprintf(stderr, "livetally: %s\n", watch->reason);
    }
    live_free(watch->live);
    buffer_done(&watch->frame);
    buffer_done(&watch->lines);
    uv_loop_close(&watch->loop);
    return watch->exit_code;
}

static const struct option options_table[] = {
    {"json", no_argument, NULL, 'j'},
    {"interval", required_argument, NULL, 'i'},
    {"count", required_argument, NULL, 'n'},
    CLI_CALLER_OPTIONS,
    {NULL, 0, NULL, 0},
};

static int run(const struct command *command, int argc, char **argv)
{
    char *default_topics[] = {(char[]){"total"}, (char[]){"top/hosts"}, (char[]){"top/products"},
                              (char[]){"ticker"}};
    struct watch watch = {.json = !isatty(STDOUT_FILENO), .left = -1};
    int64_t interval_ms = 0;
    struct cli_caller caller = {.token = NULL};
    int exit_code;
    int option;
    while ((option = getopt_long(argc, argv, "jn:h", options_table, NULL)) != -1) {
        if (option == 'j') {
            watch.json = true;
        } else if (option == 'i') {
            if (!cli_parse_number(command, "--interval", optarg, 1, 60000, &interval_ms)) {
                return EXIT_USAGE;
            }
        } else if (option == 'n') {
            if (!cli_parse_number(command, "--count", optarg, 1, INT32_MAX, &watch.left)) {
                return EXIT_USAGE;
            }
        } else if (!cli_take_option(command, option, &caller, &exit_code)) {
            return exit_code;
        }
    }
    if (!cli_take_token(command, &caller)) {
        return EXIT_USAGE;
    }
    struct live_options options = {
        .tls = caller.tls,
        .token = caller.token,
        .topics = default_topics,
        .topic_count = sizeof(default_topics) / sizeof(default_topics[0]),
        .interval_ms = (uint32_t)interval_ms,
    };
    if (!live_take_arguments(command, argc, argv, &options)) {
        return EXIT_USAGE;
    }
    return follow(&watch, &options);
}

const struct command command_watch = {
    "watch",
    "follows totals, boards and orders as they change",
    run,
    "livetally watch [URL] [OPTION…] [TOPIC…]\n"
    "\n"
    "Follows topics until Ctrl-C: on a terminal as a live picture, elsewhere as JSON, one line "
    "for\n"
    "each message of the server. Comes back by itself when the connection breaks.\n"
    "Amounts are in the currency of the server's data, times in its time zone; what is not of now\n"
    "is dim.\n"
    "\n"
    "  --json          JSON lines on a terminal, too\n"
    "  --interval MS   how often to be told at most: 100, 250 (default), 500, 1000, 2000, 5000\n"
    "  -n, --count N   end after N messages with totals\n" CLI_TLS_HELP
    "  --token TOKEN   authenticate; @FILE reads it from a file (default: LIVETALLY_TOKEN)\n"
    "\n"
    "Topics (default: total top/hosts top/products ticker):\n"
    "  total  host/ID  county/CODE  prefecture/CODE4  province/CODE2  product/ID  session/ID\n"
    "  platform/ID                        totals of today and of all time\n"
    "  top/hosts  top/counties  top/products  top/sessions  top/platforms  top/provinces\n"
    "                                     boards; ?by=gross|net|orders|units &period=today|all\n"
    "                                     &n=1…100, and a filter such as &session=ID\n"
    "  series/total  series/host/ID …     minute by minute; ?minutes=1…1440\n"
    "  ticker  ticker/session/ID          the orders themselves\n"
    "\n"
    "Examples:\n"
    "  livetally watch\n"
    "  livetally watch 10.0.0.7:8090 session/live-0001 'top/products?session=live-0001&n=5'\n"
    "  livetally watch --json total | jq .topics.total.today.net\n"
    "\n"
    "Exit status: 0 ended by Ctrl-C or --count, 2 usage (or no topic exists).\n",
};
