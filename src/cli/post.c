/*
 * livetally post: from lines to an outbox. A line is checked to be one JSON object before it is
 * sent: the server takes several lines for one value where they happen to make one, and then line
 * numbers would not fit any more.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "input.h"
#include "livetally/json.h"
#include "outbox.h"

#define FILES_MAX       1000
#define TAG_LINES       40 /* bits of a tag for the line number; the file is above them */
#define GIVE_UP_S       60
#define BATCH           64
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct post {
    uv_loop_t loop;
    uv_signal_t interrupt;
    uv_signal_t terminate;
    struct outbox *outbox;
    struct input *input;
    char **names;
    uint32_t name_count;
    uint64_t refused; /* lines that were not sent */
    bool broken;      /* the input can't be read, or we were interrupted */
    bool at_end;      /* all of the input was read */
    bool quiet;
    int exit_code;
};

static void print_place(const struct post *post, uint32_t file, uint64_t line)
{
    if (post->name_count > 1) {
        fprintf(stderr, "%s: ", post->names[file]);
    }
    fprintf(stderr, "line %llu: ", (unsigned long long)line);
}

static void refuse(struct post *post, const struct input_line *line, const char *why)
{
    print_place(post, line->file, line->number);
    fprintf(stderr, "not sent: %s\n", why);
    post->refused++;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static struct slice trim(struct slice text, bool first_line)
{
    struct slice mark = SLICE(BYTE_ORDER_MARK);
    if (first_line && text.size >= mark.size && memcmp(text.data, mark.data, mark.size) == 0) {
        text = (struct slice){text.data + mark.size, text.size - mark.size};
    }
    while (text.size > 0 && is_blank(text.data[0])) {
        text = (struct slice){text.data + 1, text.size - 1};
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

static void take_line(struct post *post, const struct input_line *line)
{
    struct json_reader reader;
    struct slice event = trim(line->text, line->number == 1);
    if (event.size == 0) {
        return;
    }
    if (event.data[0] != '{') {
        refuse(post, line, "a line holds one event, a JSON object in braces");
        return;
    }
    json_reader_init(&reader, event);
    if (!json_reader_skip(&reader) || !json_reader_end(&reader)) {
        char why[128];
        snprintf(why, sizeof(why), "not a JSON object: %s",
                 reader.error ? reader.error : "there is something after it");
        refuse(post, line, why);
        return;
    }
    if (!outbox_add(post->outbox, event, (uint64_t)line->file << TAG_LINES | line->number)) {
        refuse(post, line, "it is longer than the server takes");
    }
}

static void pump(void *context)
{
    struct post *post = context;
    struct input_line line;
    while (outbox_room(post->outbox)) {
        switch (input_next(post->input, &line)) {
        case INPUT_LINE:
            take_line(post, &line);
            break;
        case INPUT_TOO_LONG:
            refuse(post, &line, "it is longer than 1 MiB");
            break;
        case INPUT_WAIT:
            outbox_flush(post->outbox);
            return;
        case INPUT_ERROR:
            post->broken = true;
            outbox_finish(post->outbox);
            return;
        case INPUT_END:
            post->at_end = true;
            outbox_finish(post->outbox);
            return;
        }
    }
}

static void on_rejected(void *context, const struct outbox_rejection *rejection)
{
    const struct post *post = context;
    print_place(post, (uint32_t)(rejection->tag >> TAG_LINES),
                rejection->tag & ((UINT64_C(1) << TAG_LINES) - 1));
    fprintf(stderr, "%.*s: %.*s%s\n", SLICE_ARG(rejection->code), SLICE_ARG(rejection->error),
            rejection->final ? "" : " (may succeed later)");
}

static void on_notice(void *context, const char *text)
{
    const struct post *post = context;
    if (!post->quiet) {
        fprintf(stderr, "livetally: %s\n", text);
    }
}

static void on_finished(void *context, bool delivered)
{
    struct post *post = context;
    const struct outbox_counts *counts = outbox_counts(post->outbox);
    post->exit_code = !delivered || post->broken                  ? EXIT_UNDELIVERED
                      : counts->rejected > 0 || post->refused > 0 ? EXIT_REJECTED
                                                                  : EXIT_DONE;
    input_stop(post->input);
    uv_close((uv_handle_t *)&post->interrupt, NULL);
    uv_close((uv_handle_t *)&post->terminate, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct post *post = handle->data;
    (void)number;
    post->broken = true;
    outbox_give_up(post->outbox);
}

static void watch_signal(struct post *post, uv_signal_t *handle, int number)
{
    uv_signal_init(&post->loop, handle);
    handle->data = post;
    uv_signal_start(handle, on_signal, number);
}

static void print_summary(const struct post *post)
{
    const struct outbox_counts *counts = outbox_counts(post->outbox);
    unsigned long long rejected = counts->rejected + post->refused;
    fprintf(stderr, "accepted %llu, duplicates %llu, parked %llu, rejected %llu",
            (unsigned long long)counts->accepted, (unsigned long long)counts->duplicates,
            (unsigned long long)counts->parked, rejected);
    if (post->exit_code == EXIT_UNDELIVERED) {
        fprintf(stderr, "; NOT DELIVERED: %llu not acked%s", (unsigned long long)counts->unacked,
                post->at_end ? "" : ", and the input was not read to its end");
    }
    fputc('\n', stderr);
}

static int deliver(struct post *post, const struct outbox_options *options)
{
    struct outbox_ops ops = {pump, on_rejected, on_notice, on_finished, post};
    uv_loop_init(&post->loop);
    post->outbox = outbox_new(&post->loop, options, &ops);
    if (!post->outbox) {
        uv_loop_close(&post->loop);
        return EXIT_UNDELIVERED;
    }
    post->input = input_new(&post->loop, post->names, post->name_count, pump, post);
    watch_signal(post, &post->interrupt, SIGINT);
    watch_signal(post, &post->terminate, SIGTERM);
    uv_run(&post->loop, UV_RUN_DEFAULT);
    if (!post->quiet || post->exit_code != EXIT_DONE) {
        print_summary(post);
    }
    outbox_free(post->outbox);
    input_free(post->input);
    uv_loop_close(&post->loop);
    return post->exit_code;
}

static const struct option options_table[] = {
    {"batch", required_argument, NULL, 'b'},
    {"give-up", required_argument, NULL, 'g'},
    {"quiet", no_argument, NULL, 'q'},
    CLI_CALLER_OPTIONS,
    {NULL, 0, NULL, 0},
};

static int run(const struct command *command, int argc, char **argv)
{
    char *standard_input[] = {(char[]){"-"}};
    struct post post = {0};
    int64_t batch = BATCH;
    int64_t give_up_s = GIVE_UP_S;
    struct cli_caller caller = {.token = NULL};
    int exit_code;
    int option;
    while ((option = getopt_long(argc, argv, "qh", options_table, NULL)) != -1) {
        if (option == 'b') {
            if (!cli_parse_number(command, "--batch", optarg, 1, 1000, &batch)) {
                return EXIT_USAGE;
            }
        } else if (option == 'g') {
            if (!cli_parse_number(command, "--give-up", optarg, 0, 1000000, &give_up_s)) {
                return EXIT_USAGE;
            }
        } else if (option == 'q') {
            post.quiet = true;
        } else if (!cli_take_option(command, option, &caller, &exit_code)) {
            return exit_code;
        }
    }
    if (!cli_take_token(command, &caller)) {
        return EXIT_USAGE;
    }
    struct outbox_options options = {
        .tls = caller.tls,
        .token = caller.token,
        .batch = (uint32_t)batch,
        .give_up_s = (uint32_t)give_up_s,
    };
    if (!cli_take_url(command, argc, argv, &optind, &options.url) ||
        !cli_check_tls(command, &caller.tls, &options.url)) {
        return EXIT_USAGE;
    }
    if (argc - optind > FILES_MAX) {
        return cli_usage_error(command, "takes at most %d files", FILES_MAX);
    }
    post.names = optind < argc ? argv + optind : standard_input;
    post.name_count = optind < argc ? (uint32_t)(argc - optind) : 1;
    for (uint32_t i = 0; i < post.name_count; i++) {
        if (strcmp(post.names[i], "-") != 0 && access(post.names[i], R_OK) < 0) {
            return cli_usage_error(command, "can't read the file %s", post.names[i]);
        }
    }
    return deliver(&post, &options);
}

const struct command command_post = {
    "post",
    "sends events, one JSON object a line",
    run,
    "livetally post [URL] [OPTION…] [FILE…]\n"
    "\n"
    "Sends the events in the files, or on stdin, one JSON object a line, and waits until all are\n"
    "durable. When the connection breaks it is made again, and what was not acked is sent again:\n"
    "the server recognises what it already has. For the same reason a whole file may simply be\n"
    "posted again. Rejected lines are told on stderr by number, the others count.\n"
    "\n"
    "  --batch N      lines in a message, at most (default 64); lines that come slowly, as from\n"
    "                 `tail -f`, are sent at once\n"
    "  --give-up S    exit 3 after so long without progress (default 60; 0 = never)\n"
    "  --token TOKEN  authenticate; @FILE reads it from a file (default: LIVETALLY_TOKEN)\n"
    "  -q, --quiet    say nothing when all is well\n" CLI_TLS_HELP "\n"
    "Examples:\n"
    /* clang-format off */
    "  echo '{\"type\":\"order\",\"order_id\":\"t-1\",\"host_id\":\"anna\",\"product_id\":\"tea\",'\\\n"
    "       '\"county\":\"422828\",\"quantity\":2,\"amount\":15800}' | livetally post\n"
    /* clang-format on */
    "  livetally post monday.jsonl tuesday.jsonl\n"
    "  tail -F orders.jsonl | livetally post ws://10.0.0.7:8090 --give-up 0\n"
    "  livetally simulate --print --orders 1000 | livetally post\n"
    "\n"
    "Exit status: 0 all durable (or there already), 1 some rejected, 2 usage, 3 not delivered.\n",
};
