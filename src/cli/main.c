/*
 * livetally, the client: from the command line to a subcommand.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "livetally/version.h"
#include "manual.h"

static const struct command *const commands[] = {
    &command_post,   &command_watch,  &command_totals, &command_simulate,
    &command_verify, &command_unseal, &command_token,
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

#define SUMMARY "client of livetallyd: posts orders, shows live totals, audits what stands in Redis"

static const char overview[] =
    "URL is ws://HOST:PORT, HOST:PORT or unix:PATH; without one, " DEFAULT_URL ".\n"
    "LIVETALLY_TOKEN in the environment, or --token, authenticates to a server that asks.\n"
    "\n"
    "Examples:\n"
    "  livetally simulate --rate 40          a livestream to look at\n"
    "  livetally watch total top/hosts       follow it in the terminal\n"
    "  livetally post < orders.jsonl         send real orders\n"
    "  livetally verify --redis URL          are all totals what the orders say?\n"
    "\n"
    "`livetally COMMAND --help` tells more and shows examples.\n";

static void print_help(FILE *out)
{
    fprintf(out,
            "livetally talks to a livetallyd: posts orders to it and shows its live totals; and\n"
            "audits what stands in Redis.\n\n"
            "Usage: livetally COMMAND [URL] [OPTION…]\n\n"
            "Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\n%s", overview);
}

/* What the build asks for. */
static int print_made(void (*write)(struct buffer *out))
{
    struct buffer text = BUFFER_INIT;
    write(&text);
    bool good = fwrite(text.data, 1, text.size, stdout) == text.size && fflush(stdout) == 0;
    buffer_done(&text);
    return good ? EXIT_DONE : EXIT_USAGE;
}

static void write_page(struct buffer *out)
{
    manual_write_page(out, SUMMARY, overview, commands, COMMAND_COUNT);
}

static void write_completion(struct buffer *out)
{
    manual_write_completion(out, commands, COMMAND_COUNT);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(name, commands[i]->name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static bool is_any(const char *text, const char *a, const char *b, const char *c)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0 || strcmp(text, c) == 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *command = find_command(name);
    signal(SIGPIPE, SIG_IGN);
    if (command) {
        return command->run(command, argc - 1, argv + 1);
    }
    if (is_any(name, "--version", "-V", "version")) {
        printf("livetally " LIVETALLY_VERSION "\n");
        return EXIT_DONE;
    }
    if (is_any(name, "--help", "-h", "help")) {
        command = argc > 2 ? find_command(argv[2]) : NULL;
        if (command) {
            fputs(command->help, stdout);
        } else {
            print_help(stdout);
        }
        return EXIT_DONE;
    }
    if (strcmp(name, "--man") == 0) {
        return print_made(write_page);
    }
    if (strcmp(name, "--completion") == 0) {
        return print_made(write_completion);
    }
    if (name[0] != '\0') {
        fprintf(stderr, "livetally: there is no command \"%s\"\n\n", name);
    }
    print_help(stderr);
    return EXIT_USAGE;
}
