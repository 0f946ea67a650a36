/*
 * What the subcommands of `livetally` share: exit codes, options that mean the same everywhere.
 */
#ifndef LIVETALLY_CLI_CLI_H
#define LIVETALLY_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/token.h"
#include "tls_client.h"
#include "url.h"

#define DEFAULT_URL "ws://127.0.0.1:8090"

enum {
    EXIT_DONE = 0,
    EXIT_REJECTED = 1,    /* some events were rejected; or totals are wrong */
    EXIT_USAGE = 2,       /* the command line is wrong */
    EXIT_UNDELIVERED = 3, /* the server could not be reached, or did not answer */
    EXIT_BUSY = 4,        /* what was to be checked changed all the time */
};

struct command {
    const char *name;
    const char *summary;
    int (*run)(const struct command *command, int argc, char **argv);
    const char *help;
};

extern const struct command command_post;
extern const struct command command_watch;
extern const struct command command_totals;
extern const struct command command_simulate;
extern const struct command command_verify;
extern const struct command command_token;
extern const struct command command_unseal;

/* Prints the sentence and where to find help, to stderr; returns EXIT_USAGE. */
int cli_usage_error(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Reads a whole number of [min, max]; otherwise says what is wrong with `option` and returns false.
 */
bool cli_parse_number(const struct command *command, const char *option, const char *text,
                      int64_t min, int64_t max, int64_t *ret_number);
/*
 * Takes argv[*at] as the server's URL when it looks like one, else the default. False, after saying
 * why, when it is one that can't be used.
 */
bool cli_take_url(const struct command *command, int argc, char **argv, int *at,
                  struct url *ret_url);
/*
 * Options of every command that calls a server: how to speak TLS, and who we are. Rows for
 * getopt_long(), behind which only its end is due, and the text of TLS in --help.
 */
enum { CLI_OPTION_CA = 1000, CLI_OPTION_CERT, CLI_OPTION_KEY, CLI_OPTION_TOKEN };
#define CLI_CALLER_OPTIONS                                                                         \
    {"ca", required_argument, NULL, CLI_OPTION_CA},                                                \
        {"cert", required_argument, NULL, CLI_OPTION_CERT},                                        \
        {"key", required_argument, NULL, CLI_OPTION_KEY},                                          \
        {"token", required_argument, NULL, CLI_OPTION_TOKEN},                                      \
    {                                                                                              \
        "help", no_argument, NULL, 'h'                                                             \
    }
#define CLI_TLS_HELP                                                                               \
    "  --ca FILE      with wss://: trust the certificates in this PEM file, not the system's\n"    \
    "  --cert FILE    show the server this certificate (PEM)\n"                                    \
    "  --key FILE     its key, when that isn't in the same file\n"

struct cli_caller {
    struct tls_client tls;
    const char *token; /* as the option says it; NULL: it wasn't given */
    char token_text[TOKEN_BYTES_MAX + 1];
};
/*
 * Takes what getopt_long() returned, with its optarg, when it is none of the command's own. False:
 * the command ends with *ret_exit, as it was asked for help, or wrongly.
 */
bool cli_take_option(const struct command *command, int option, struct cli_caller *caller,
                     int *ret_exit);
/*
 * After the last option: caller->token becomes the token itself, or NULL when there is none. It
 * comes from the option, or else from the environment, which give it or "@FILE", a file that holds
 * it. False, after saying why, when it can't be had.
 */
bool cli_take_token(const struct command *command, struct cli_caller *caller);
/* False, after saying why, when they can't be used, or not with this URL. */
bool cli_check_tls(const struct command *command, const struct tls_client *tls,
                   const struct url *url);

#endif
