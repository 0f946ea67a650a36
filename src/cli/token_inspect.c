/*
 * livetally token inspect: claims by their names, times as people read them, and what a server
 * with these keys would say.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "livetally/clock.h"
#include "livetally/json.h"
#include "livetally/token.h"
#include "text.h"
#include "token.h"

static void append_local_time(struct buffer *out, int64_t time_s)
{
    char text[64];
    struct tm parts;
    time_t time = (time_t)time_s;
    if (localtime_r(&time, &parts) && strftime(text, sizeof(text), "%F %T %z", &parts) > 0)
        buffer_printf(out, "  (%s)", text);
}

/* "29 days", in the largest unit of which there are two or more. */
static void append_span(struct buffer *out, int64_t span_s)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"days", 86400}, {"hours", 3600}, {"minutes", 60}, {"seconds", 1}};
    size_t i = 0;
    while (i < 3 && span_s < 2 * units[i].seconds)
        i++;
    buffer_printf(out, "%lld %s", (long long)(span_s / units[i].seconds), units[i].name);
}

static void append_value(struct buffer *out, struct json_string name, struct slice value,
                         int64_t time_s, bool is_time)
{
    buffer_printf(out, "  %-8.*s %.*s", SLICE_ARG(name.raw), SLICE_ARG(value));
    if (is_time)
        append_local_time(out, time_s);
    buffer_append_byte(out, '\n');
}

static bool is_time_claim(struct json_string name)
{
    return json_string_equals(name, SLICE("exp")) || json_string_equals(name, SLICE("nbf")) ||
           json_string_equals(name, SLICE("iat"));
}

/* One line for each member of an object. *exp_s stays -1 when there is no such claim. */
static void append_members(struct buffer *out, struct slice json, int64_t *exp_s)
{
    struct json_reader reader, value;
    struct json_string name;
    json_reader_init(&reader, json);
    (void)json_reader_next(&reader);
    while (json_reader_key(&reader, &name)) {
        size_t start = json_reader_offset(&reader);
        if (!json_reader_skip(&reader))
            return;
        struct slice text = {json.data + start, json_reader_offset(&reader) - start};
        json_reader_init(&value, text);
        bool is_time = is_time_claim(name) && json_reader_next(&value) == JSON_INT;
        append_value(out, name, text, value.integer, is_time);
        if (is_time && json_string_equals(name, SLICE("exp")))
            *exp_s = value.integer;
    }
}

static void append_expiry(struct buffer *out, int64_t exp_s, int64_t now_s)
{
    if (exp_s < 0)
        return;
    buffer_append_text(out, exp_s > now_s ? "expires in " : "expired ");
    append_span(out, exp_s > now_s ? exp_s - now_s : now_s - exp_s);
    buffer_append_text(out, exp_s > now_s ? "\n" : " ago\n");
}

static int append_verdict(struct buffer *out, struct slice token, const struct keyring *keyring,
                          int64_t now_ms)
{
    struct token_refusal refusal;
    struct grant *grant;
    if (!keyring) {
        buffer_append_text(out, "not checked: no --key\n");
        return EXIT_DONE;
    }
    if (token_verify(token, keyring, now_ms, &grant, &refusal)) {
        grant_unref(grant);
        buffer_append_text(out, "good: a server with these keys accepts it\n");
        return EXIT_DONE;
    }
    buffer_append_text(out, "refused: ");
    token_refusal_write(&refusal, out);
    buffer_append_byte(out, '\n');
    return EXIT_REJECTED;
}

static int show(struct slice token, const struct keyring *keyring)
{
    struct buffer out = BUFFER_INIT, header = BUFFER_INIT, payload = BUFFER_INIT;
    struct token_refusal refusal;
    int64_t now_ms = clock_wall_ms(&clock_system);
    int64_t exp_s = -1;
    int exit_code = EXIT_REJECTED;
    if (token_open(token, &header, &payload, &refusal)) {
        buffer_append_text(&out, "header\n");
        append_members(&out, buffer_slice(&header), &exp_s);
        exp_s = -1; /* of the header it means nothing */
        buffer_append_text(&out, "claims\n");
        append_members(&out, buffer_slice(&payload), &exp_s);
        append_expiry(&out, exp_s, now_ms / 1000);
        exit_code = append_verdict(&out, token, keyring, now_ms);
    } else {
        buffer_append_text(&out, "refused: ");
        token_refusal_write(&refusal, &out);
        buffer_append_byte(&out, '\n');
    }
    (void)buffer_cstr(&out);
    for (char *line = out.data; *line;) { /* disarmed by line: line breaks are control characters */
        char *end = strchr(line, '\n');
        *end = '\0';
        text_disarm(line);
        puts(line);
        line = end + 1;
    }
    buffer_done(&out);
    buffer_done(&header);
    buffer_done(&payload);
    return fflush(stdout) == 0 ? exit_code : EXIT_UNDELIVERED;
}

/* Bytes of it; more than TOKEN_BYTES_MAX when it is too long. */
static size_t read_stdin(char *out, size_t room)
{
    size_t size = fread(out, 1, room, stdin);
    while (size > 0 && strchr(" \t\r\n", out[size - 1]))
        size--;
    return size;
}

int token_inspect_run(const struct command *command, int argc, char **argv)
{
    static const struct option options_table[] = {
        {"key", required_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    char typed[TOKEN_BYTES_MAX + 8];
    struct slice token = {typed, 0};
    struct keyring *keyring = NULL;
    const char *path = NULL;
    struct error error;
    int option;
    while ((option = getopt_long(argc, argv, "h", options_table, NULL)) != -1) {
        if (option == 'h') {
            fputs(command->help, stdout);
            return EXIT_DONE;
        }
        if (option != 'k')
            return cli_usage_error(command, "see above");
        path = optarg;
    }
    if (optind + 1 < argc)
        return cli_usage_error(command, "inspect takes one token");
    if (path && keyring_load(&path, 1, &keyring, &error))
        return cli_usage_error(command, "%s", error.text);
    if (optind < argc)
        token = slice_of(argv[optind]);
    else
        token.size = read_stdin(typed, sizeof(typed));
    int exit_code = show(token, keyring);
    explicit_bzero(typed, sizeof(typed));
    keyring_free(keyring);
    return exit_code;
}
