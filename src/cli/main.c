/*
 * livetally, the client: from the command line to a subcommand.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "livetally/version.h"

static const struct command *const commands[] = {
    &command_post, &command_watch, &command_totals, &command_simulate, &command_verify,
};

static void print_help(FILE *out)
{
    fprintf(out,
            "livetally talks to a livetallyd: posts orders to it and shows its live totals; and\n"
            "audits what stands in Redis.\n\n"
            "Usage: livetally COMMAND [URL] [OPTION…]\n\n"
            "Commands:\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out,
            "\nURL is ws://HOST:PORT, HOST:PORT or unix:PATH; without one, " DEFAULT_URL ".\n"
            "LIVETALLY_TOKEN in the environment, or --token, authenticates to a server that asks.\n"
            "\nExamples:\n"
            "  livetally simulate --rate 40          a livestream to look at\n"
            "  livetally watch total top/hosts       follow it in the terminal\n"
            "  livetally post < orders.jsonl         send real orders\n"
            "  livetally verify --redis URL          are all totals what the orders say?\n"
            "\n`livetally COMMAND --help` tells more and shows examples.\n");
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
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
    if (name[0] != '\0') {
        fprintf(stderr, "livetally: there is no command \"%s\"\n\n", name);
    }
    print_help(stderr);
    return EXIT_USAGE;
}
