/*
 * The command line, in two passes of getopt: the first finds out what to do and which file to read,
 * the second sets values, so that the command line wins wherever --config stands in it.
 */
#include "options.h"

#include <getopt.h>
#include <string.h>

#include "livetally/version.h"

#define HELP_COLUMN 34

/*
 * Rows: X(name, value, argument, key, help). value: what getopt_long returns, a letter where there
 * is a short form. key: the key of the configuration that the option is another name of. Without
 * a help text an option serves the build alone. From these rows come the parser's table, --help
 * and the manual page.
 */
#define OPTIONS(X)                                                                                 \
    X("config", OPTION_CONFIG, "FILE", NULL,                                                       \
      "Read this configuration file; none is read by default.")                                    \
    X("option", 'o', "SECTION.KEY=VALUE", NULL,                                                    \
      "Set any key; may be repeated, wins over the file.")                                         \
    X("listen", OPTION_LISTEN, "ADDRESS", "listen.address",                                        \
      "HOST:PORT, [IPV6]:PORT or unix:PATH; may be repeated.")                                     \
    X("redis", OPTION_REDIS, "WHERE", "redis.url",                                                 \
      "embedded, redis://[:PASSWORD@]HOST:PORT[/DB] or unix:PATH.")                                \
    X("state-dir", OPTION_STATE_DIR, "DIR", "daemon.state_dir",                                    \
      "Folder of our own: lock, embedded Redis, list of addresses.")                               \
    X("log-level", OPTION_LOG_LEVEL, "LEVEL", "log.level",                                         \
      "error, warning, notice, info or debug.")                                                    \
    X("check-config", OPTION_CHECK, NULL, NULL, "Check options and configuration, then exit.")     \
    X("print-config", OPTION_SAMPLE, NULL, NULL,                                                   \
      "Print a configuration file with every key at its default.")                                 \
    X("man", OPTION_MAN, "SECTION", NULL, NULL)                                                    \
    X("version", 'V', NULL, NULL, "Print the version.")                                            \
    X("help", 'h', NULL, NULL, "Print this text.")

enum {
    OPTION_CONFIG = 256,
    OPTION_LISTEN,
    OPTION_REDIS,
    OPTION_STATE_DIR,
    OPTION_LOG_LEVEL,
    OPTION_CHECK,
    OPTION_SAMPLE,
    OPTION_MAN,
};

const struct option_row option_rows[] = {
#define X(name, value, argument, key, help) {name, value, argument, key, help},
    OPTIONS(X)
#undef X
};
#define ROW_COUNT (sizeof(option_rows) / sizeof(option_rows[0]))
const size_t option_row_count = ROW_COUNT;

static int next_option(int argc, char **argv)
{
    struct option table[ROW_COUNT + 1] = {{0}};
    for (size_t i = 0; i < ROW_COUNT; i++) {
        table[i].name = option_rows[i].name;
        table[i].has_arg = option_rows[i].argument ? required_argument : no_argument;
        table[i].val = option_rows[i].value;
    }
    return getopt_long(argc, argv, ":o:hV", table, NULL);
}

static const char *key_of(int option)
{
    for (size_t i = 0; i < option_row_count; i++) {
        if (option_rows[i].value == option)
            return option_rows[i].key;
    }
    return NULL;
}

/* The page that --man asks for. */
static int choose_page(const char *section, enum options_action *ret_action, struct error *error)
{
    if (strcmp(section, "8") != 0 && strcmp(section, "5") != 0)
        return error_set(error, ERROR_INVALID, "there are manual pages 8 and 5, not \"%s\"",
                         section);
    *ret_action = section[0] == '8' ? OPTIONS_MAN_DAEMON : OPTIONS_MAN_CONFIG;
    return 0;
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
        case OPTION_MAN:
            return choose_page(optarg ? optarg : "", ret_action, error);
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
        const char *key = key_of(option);
        if (option == 'o')
            code = config_assign(config, optarg, error);
        else if (key)
            code = config_set(config, key, optarg, error);
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

void options_write_name(struct buffer *out, const struct option_row *row)
{
    if (row->value < OPTION_CONFIG)
        buffer_printf(out, "-%c, ", row->value);
    buffer_printf(out, "--%s%s%s", row->name, row->argument ? " " : "",
                  row->argument ? row->argument : "");
}

static void write_options(struct buffer *out)
{
    for (size_t i = 0; i < option_row_count; i++) {
        size_t start = out->size;
        if (!option_rows[i].help)
            continue;
        buffer_append_text(out, "  ");
        options_write_name(out, &option_rows[i]);
        size_t width = out->size - start;
        buffer_printf(out, "%*s%s\n", width < HELP_COLUMN ? (int)(HELP_COLUMN - width) : 1, "",
                      option_rows[i].help);
    }
}

void options_write_help(struct buffer *out)
{
    buffer_append_text(out, "livetallyd " LIVETALLY_VERSION ": " OPTIONS_SUMMARY "\n"
                            "\n"
                            "Usage: livetallyd [OPTION]...\n"
                            "\n");
    write_options(out);
    buffer_append_text(out, "\nExamples:\n" OPTIONS_EXAMPLES "\n" OPTIONS_CONDUCT
                            "\nExit codes: " OPTIONS_EXIT_CODES "\nKeys and their defaults:\n");
    config_write_keys(out);
}
