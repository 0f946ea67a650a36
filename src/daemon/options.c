/*
 * The command line, in two passes of getopt: the first finds out what to do and which file to read,
 * the second sets values, so that the command line wins wherever --config stands in it.
 */
#include "options.h"

#include <getopt.h>
#include <string.h>

#include "livetally/version.h"

/* Options that are another name of a key; their `val` is OPTION_KEY + place in this table. */
static const struct {
    const char *option;
    const char *key;
} shorthands[] = {
    {"listen", "listen.address"},
    {"redis", "redis.url"},
    {"state-dir", "daemon.state_dir"},
    {"log-level", "log.level"},
};

enum {
    OPTION_CONFIG = 256,
    OPTION_CHECK,
    OPTION_SAMPLE,
    OPTION_KEY,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"option", required_argument, NULL, 'o'},
    {"listen", required_argument, NULL, OPTION_KEY},
    {"redis", required_argument, NULL, OPTION_KEY + 1},
    {"state-dir", required_argument, NULL, OPTION_KEY + 2},
    {"log-level", required_argument, NULL, OPTION_KEY + 3},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"print-config", no_argument, NULL, OPTION_SAMPLE},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int next_option(int argc, char **argv)
{
    return getopt_long(argc, argv, ":o:hV", long_options, NULL);
}

static int bad_option(int argc, char **argv, int option, struct error *error)
{
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    return error_set(error, ERROR_INVALID, "%s \"%s\"; see livetallyd --help",
                     option == ':' ? "a value is missing after" : "unknown option", word);
}

static int first_pass(int argc, char **argv, const char **ret_file, enum options_action *ret_action,
                      struct error *error)
{
    int option;
    optind = 0; /* makes glibc start over */
    opterr = 0;
    while ((option = next_option(argc, argv)) != -1) {
        switch (option) {
        case OPTION_CONFIG:
            if (*ret_file)
                return error_set(error, ERROR_INVALID, "--config may be given once");
            *ret_file = optarg;
            break;
        case OPTION_CHECK:
            *ret_action = OPTIONS_CHECK;
            break;
        case OPTION_SAMPLE:
            *ret_action = OPTIONS_SAMPLE;
            break;
        case 'h':
            *ret_action = OPTIONS_HELP;
            return 0;
        case 'V':
            *ret_action = OPTIONS_VERSION;
            return 0;
        case '?':
        case ':':
            return bad_option(argc, argv, option, error);
        default:
            break;
        }
    }
    if (optind < argc)
        return error_set(error, ERROR_INVALID, "unexpected argument \"%s\"; see livetallyd --help",
                         argv[optind]);
    return 0;
}

static int second_pass(int argc, char **argv, struct config *config, struct error *error)
{
    int option;
    int code = 0;
    optind = 0;
    while (code == 0 && (option = next_option(argc, argv)) != -1) {
        if (option == 'o')
            code = config_assign(config, optarg, error);
        else if (option >= OPTION_KEY)
            code = config_set(config, shorthands[option - OPTION_KEY].key, optarg, error);
    }
    return code;
}

int options_parse(int argc, char **argv, struct config *config, enum options_action *ret_action,
                  struct error *error)
{
    const char *file = NULL;
    enum options_action action = OPTIONS_RUN;
    int code = first_pass(argc, argv, &file, &action, error);
    if (code == 0 && (action == OPTIONS_RUN || action == OPTIONS_CHECK)) {
        if (file)
            code = config_read_file(config, file, error);
        if (code == 0)
            code = second_pass(argc, argv, config, error);
        if (code == 0)
            code = config_check(config, error);
    }
    if (code == 0)
        *ret_action = action;
    return code;
}

void options_write_help(struct buffer *out)
{
    buffer_append_text(
        out,
        "livetallyd " LIVETALLY_VERSION ": live sales totals for livestream commerce\n"
        "\n"
        "Usage: livetallyd [OPTION]...\n"
        "\n"
        "  --config FILE              read this configuration file (none is read by default)\n"
        "  -o SECTION.KEY=VALUE       set any key; may be repeated, wins over the file\n"
        "  --listen ADDRESS           HOST:PORT, [IPV6]:PORT or unix:PATH; may be repeated;\n"
        "                             port 0 picks a free one\n"
        "  --redis WHERE              embedded, redis://[:PASSWORD@]HOST:PORT[/DB], unix:PATH\n"
        "  --state-dir DIR            folder of our own: lock, embedded Redis, list of addresses\n"
        "  --log-level LEVEL          error, warning, notice, info or debug\n"
        "  --check-config             check options and configuration, then exit\n"
        "  --print-config             print a configuration file with every key at its default\n"
        "  --version, --help\n"
        "\n"
        "Examples:\n"
        "  livetallyd                                      everything at its default\n"
        "  livetallyd --state-dir /tmp/try --listen 127.0.0.1:0\n"
        "  livetallyd --redis redis://127.0.0.1:6379/2 --listen unix:/run/livetally/in.sock\n"
        "  livetallyd --config /etc/livetally/livetallyd.conf -o log.level=debug\n"
        "\n"
        "Once ready, livetallyd prints one line with its addresses and writes them, one URL a\n"
        "line, to the file `listen` in its state folder. SIGTERM and SIGINT make it commit and\n"
        "acknowledge what it received, say goodbye and exit; a second one makes it exit at once.\n"
        "\n"
        "Exit codes: 0 stopped as asked; 1 failed at run time; 2 wrong command line or\n"
        "configuration, or a data set in Redis that the configuration does not fit.\n"
        "\n"
        "Keys and their defaults:\n");
    config_write_keys(out);
}
