/*
 * livetally totals: subscribes, shows the first snapshot, and leaves.
 */
#include <getopt.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "live.h"
#include "livetally/buffer.h"
#include "screen.h"

#define WAIT_MS     10000
#define OTHER_WIDTH 120 /* columns where stdout is no terminal */

struct totals {
    uv_loop_t loop;
    uv_timer_t timer;
    struct live *live;
    bool json;
    bool ending;
    int exit_code;
};

static void end(struct totals *totals, int exit_code)
{
    if (!totals->ending) {
        totals->ending = true;
        totals->exit_code = exit_code;
        live_close(totals->live);
    }
}

static bool print_text(const struct totals *totals)
{
    struct winsize size;
    struct buffer text = BUFFER_INIT;
    bool terminal = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    struct screen_options options = {terminal ? size.ws_col : OTHER_WIDTH, 0, terminal, false};
    screen_draw(&text, live_model(totals->live), &options);
    bool good = text.size == 0 || fwrite(text.data, 1, text.size, stdout) == text.size;
    buffer_done(&text);
    return good && fflush(stdout) == 0;
}

static void on_message(void *context, struct slice raw, enum model_change change)
{
    struct totals *totals = context;
    const struct model *model = live_model(totals->live);
    if (change != MODEL_SNAPSHOT && change != MODEL_UNAVAILABLE && change != MODEL_GOODBYE) {
        return;
    }
    bool good = change != MODEL_GOODBYE;
    if (good) {
        good = totals->json ? fwrite(raw.data, 1, raw.size, stdout) == raw.size &&
                                  putchar('\n') != EOF && fflush(stdout) == 0
                            : print_text(totals);
    }
    if (model->problem[0]) {
        fprintf(stderr, "livetally: %s\n", model->problem);
    }
    if (model->stale) {
        fprintf(stderr, "livetally: the server can't read its store: these totals may be old\n");
    }
    end(totals, !good || change == MODEL_UNAVAILABLE ? EXIT_UNDELIVERED
                : model->error_count > 0             ? EXIT_USAGE
                                                     : EXIT_DONE);
}

static void on_connection(void *context, bool up, const char *reason)
{
    struct totals *totals = context;
    if (!up && !totals->ending) {
        fprintf(stderr, "livetally: no connection: %s\n", reason);
        end(totals, EXIT_UNDELIVERED);
    }
}

static void on_closed(void *context)
{
    struct totals *totals = context;
    uv_close((uv_handle_t *)&totals->timer, NULL);
}

static void on_timer(uv_timer_t *timer)
{
    struct totals *totals = timer->data;
    if (!totals->ending) {
        fprintf(stderr, "livetally: the server did not answer within %d s\n", WAIT_MS / 1000);
        end(totals, EXIT_UNDELIVERED);
    }
}

static int show(struct totals *totals, const struct live_options *options)
{
    struct live_ops ops = {on_message, on_connection, on_closed, totals};
    uv_loop_init(&totals->loop);
    totals->live = live_new(&totals->loop, options, &ops);
    if (!totals->live) {
        uv_loop_close(&totals->loop);
        return EXIT_UNDELIVERED;
    }
    uv_timer_init(&totals->loop, &totals->timer);
    totals->timer.data = totals;
    uv_timer_start(&totals->timer, on_timer, WAIT_MS, 0);
    uv_run(&totals->loop, UV_RUN_DEFAULT);
    live_free(totals->live);
    uv_loop_close(&totals->loop);
    return totals->exit_code;
}

static const struct option options_table[] = {
    {"json", no_argument, NULL, 'j'},
    CLI_CALLER_OPTIONS,
    {NULL, 0, NULL, 0},
};

static int run(const struct command *command, int argc, char **argv)
{
    struct totals totals = {.json = false};
    char *total[] = {(char[]){"total"}};
    struct cli_caller caller = {.token = NULL};
    int exit_code;
    int option;
    while ((option = getopt_long(argc, argv, "jh", options_table, NULL)) != -1) {
        if (option == 'j') {
            totals.json = true;
        } else if (!cli_take_option(command, option, &caller, &exit_code)) {
            return exit_code;
        }
    }
    if (!cli_take_token(command, &caller)) {
        return EXIT_USAGE;
    }
    struct live_options options = {
        .tls = caller.tls, .token = caller.token, .topics = total, .topic_count = 1};
    if (!live_take_arguments(command, argc, argv, &options)) {
        return EXIT_USAGE;
    }
    return show(&totals, &options);
}

const struct command command_totals = {
    "totals",
    "prints topics as they are now",
    run,
    "livetally totals [URL] [OPTION…] [TOPIC…]\n"
    "\n"
    "Prints topics as they are now (default: total). `livetally watch --help` lists the topics.\n"
    "\n"
    "  --json         the server's snapshot, as it came\n" CLI_TLS_HELP
    "  --token TOKEN  authenticate; @FILE reads it from a file (default: LIVETALLY_TOKEN)\n"
    "\n"
    "Examples:\n"
    "  livetally totals\n"
    "  livetally totals county/422828 'top/products?county=422828&period=all'\n"
    "  livetally totals --json total | jq .topics.total.all.orders\n"
    "\n"
    "Exit status: 0 all shown, 2 usage or a topic that can't be shown, 3 no answer.\n",
};
