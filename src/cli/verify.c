/*
 * livetally verify: asks Redis itself, not a livetallyd, whether all totals are right.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "livetally/verify.h"

#define PASSWORD_BYTES 256

static const struct option options_table[] = {
    {"redis", required_argument, NULL, 'r'},
    {"password-file", required_argument, NULL, 'f'},
    {"prefix", required_argument, NULL, 'p'},
    {"attempts", required_argument, NULL, 'a'},
    {"show", required_argument, NULL, 'n'},
    {"minute-keep-hours", required_argument, NULL, 'm'},
    {"day-keep-days", required_argument, NULL, 'd'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* The first line of the file. */
static bool read_password(const struct command *command, const char *path,
                          char password[PASSWORD_BYTES])
{
    FILE *file = fopen(path, "re");
    bool good = file && fgets(password, PASSWORD_BYTES, file);
    if (file)
        fclose(file);
    if (good)
        password[strcspn(password, "\r\n")] = '\0';
    if (!good || !password[0]) {
        cli_usage_error(command, "%s has no password in its first line", path);
        return false;
    }
    return true;
}

static bool take_number(const struct command *command, const char *option, int64_t max,
                        uint32_t *number)
{
    int64_t value;
    if (!cli_parse_number(command, option, optarg, 1, max, &value))
        return false;
    *number = (uint32_t)value;
    return true;
}

/* EXIT_DONE: go on. */
static int take_option(const struct command *command, int option, struct verify_options *options,
                       char password[PASSWORD_BYTES])
{
    bool good = true;
    switch (option) {
    case 'r':
        options->redis = optarg;
        break;
    case 'f':
        options->password = password;
        good = read_password(command, optarg, password);
        break;
    case 'p':
        options->prefix = optarg;
        break;
    case 'a':
        good = take_number(command, "--attempts", 1000, &options->attempts);
        break;
    case 'n':
        good = take_number(command, "--show", 100000, &options->findings_shown);
        break;
    case 'm':
        good = take_number(command, "--minute-keep-hours", 8760, &options->minute_keep_hours);
        break;
    case 'd':
        good = take_number(command, "--day-keep-days", 36500, &options->day_keep_days);
        break;
    case 'j':
        options->json = true;
        break;
    default:
        return cli_usage_error(command, "see above");
    }
    return good ? EXIT_DONE : EXIT_USAGE;
}

static int verify(const struct command *command, const struct verify_options *options)
{
    static const int exit_codes[] = {
        [VERIFY_EXACT] = EXIT_DONE,    [VERIFY_DIFFERS] = EXIT_REJECTED,
        [VERIFY_BUSY] = EXIT_BUSY,     [VERIFY_UNAVAILABLE] = EXIT_UNDELIVERED,
        [VERIFY_INVALID] = EXIT_USAGE,
    };
    struct buffer report = BUFFER_INIT;
    struct error error = {.text = ""};
    enum verify_outcome outcome = verify_run(options, &report, &error);
    if (outcome == VERIFY_INVALID) {
        buffer_done(&report);
        return cli_usage_error(command, "%s", error.text);
    }
    bool failed = outcome == VERIFY_BUSY || outcome == VERIFY_UNAVAILABLE;
    FILE *out = failed && !options->json ? stderr : stdout;
    if (out == stderr)
        fputs("livetally: ", stderr);
    bool written = fwrite(report.data, 1, report.size, out) == report.size && fflush(out) == 0;
    buffer_done(&report);
    return written || outcome != VERIFY_EXACT ? exit_codes[outcome] : EXIT_UNDELIVERED;
}

static int run(const struct command *command, int argc, char **argv)
{
    char password[PASSWORD_BYTES] = "";
    struct verify_options options = {
        .prefix = "lt:",
        .attempts = 5,
        .minute_keep_hours = 48,
        .day_keep_days = 400,
        .findings_shown = 10,
    };
    int option;
    while ((option = getopt_long(argc, argv, "jhn:", options_table, NULL)) != -1) {
        if (option == 'h') {
            fputs(command->help, stdout);
            return EXIT_DONE;
        }
        int code = take_option(command, option, &options, password);
        if (code != EXIT_DONE)
            return code;
    }
    if (optind < argc)
        return cli_usage_error(command, "\"%s\" is not an option", argv[optind]);
    if (!options.redis)
        return cli_usage_error(command, "--redis is required: the redis.url of the data set");
    int code = verify(command, &options);
    explicit_bzero(password, sizeof password);
    return code;
}

const struct command command_verify = {
    "verify",
    "audits a data set in Redis: are all totals what the orders say?",
    run,
    "livetally verify --redis URL [OPTION…]\n"
    "\n"
    "Reads a whole data set from Redis, works out from the ledger of orders what every total must\n"
    "be, and compares it with what the lanes hold; then holds totals against each other. Changes\n"
    "nothing, and needs no livetallyd. Names the first differences, and what could not be "
    "checked.\n"
    "\n"
    "  --redis URL            redis://[:PASSWORD@]HOST:PORT[/DB] or unix:PATH[?db=N]; of an "
    "embedded\n"
    "                         Redis: unix:STATE-FOLDER/redis.sock\n"
    "  --password-file FILE   its first line is the password of Redis\n"
    "  --prefix TEXT          of all keys (default lt:)\n"
    "  --attempts N           how often to read a data set that is written to (default 5)\n"
    "  -n, --show N           differences to name (default 10)\n"
    "  --minute-keep-hours N  data.minute_keep_hours of the daemons (default 48)\n"
    "  --day-keep-days N      data.day_keep_days of the daemons (default 400)\n"
    "  --json                 one JSON object instead of text\n"
    "\n"
    "Daemons' clocks may have been wrong by an hour. Where one was N hours ahead, take N off the\n"
    "minutes kept.\n"
    "A data set in use is read at one state: if an order came meanwhile, it is read again. Memory\n"
    "follows the number of totals (about 200 bytes each), not of orders.\n"
    "\n"
    "Examples:\n"
    "  livetally verify --redis redis://127.0.0.1:6379\n"
    "  livetally verify --redis unix:build/run/redis.sock --json | jq .findings\n"
    "\n"
    "Exit status: 0 exact, as far as it can be checked; 1 something differs; 2 usage; 3 no answer\n"
    "from Redis, or no data set there; 4 it was written to all the time and could not be "
    "checked.\n",
};
