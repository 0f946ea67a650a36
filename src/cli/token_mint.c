/*
 * livetally token mint.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "livetally/clock.h"
#include "livetally/token.h"
#include "token.h"

struct order {
    const char *key_path;
    const char *kid;
    const char *algorithm;
    int64_t lifetime_ms;
    struct grant_terms terms;
    struct slice hosts[GRANT_HOSTS_MAX];
    struct slice topics[GRANT_TOPICS_MAX];
};

/* "90m" to milliseconds. */
static bool parse_lifetime(const char *text, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || errno != 0 || number < 1 || number > 100000000 || !end[0] || end[1])
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end[0] == units[i].unit) {
            *ret_ms = number * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool take_listed(const struct command *command, const char *option, struct slice *list,
                        uint32_t max, uint32_t *count)
{
    if (*count == max) {
        cli_usage_error(command, "%s can be given %u times", option, max);
        return false;
    }
    list[(*count)++] = slice_of(optarg);
    return true;
}

static bool take_scope(const struct command *command, struct order *order)
{
    uint32_t scopes;
    if (!grant_scopes_parse(slice_of(optarg), &scopes)) {
        cli_usage_error(command, "--scope takes ingest, view or admin, not \"%s\"", optarg);
        return false;
    }
    order->terms.scopes |= scopes;
    return true;
}

static bool take_lifetime(const struct command *command, struct order *order)
{
    if (parse_lifetime(optarg, &order->lifetime_ms))
        return true;
    cli_usage_error(command, "--for takes a time like 90m, 12h or 30d, not \"%s\"", optarg);
    return false;
}

static bool take_option(const struct command *command, int option, struct order *order)
{
    switch (option) {
    case 'k':
        order->key_path = optarg;
        return true;
    case 'i':
        order->kid = optarg;
        return true;
    case 'a':
        order->algorithm = optarg;
        return true;
    case 'n':
        order->terms.subject = slice_of(optarg);
        return true;
    case 's':
        return take_scope(command, order);
    case 'f':
        return take_lifetime(command, order);
    case 'o':
        order->terms.any_host = false;
        return take_listed(command, "--host", order->hosts, GRANT_HOSTS_MAX,
                           &order->terms.host_count);
    case 't':
        order->terms.any_topic = false;
        return take_listed(command, "--topic", order->topics, GRANT_TOPICS_MAX,
                           &order->terms.topic_count);
    default:
        cli_usage_error(command, "see above");
        return false;
    }
}

static int mint(const struct command *command, struct order *order)
{
    enum key_algorithm algorithm = KEY_HS256;
    struct key *key = NULL;
    struct buffer token = BUFFER_INIT;
    struct error error;
    if (order->algorithm && !key_algorithm_parse(slice_of(order->algorithm), &algorithm))
        return cli_usage_error(command, "--alg takes HS256, HS512, RS256 or ES256, not \"%s\"",
                               order->algorithm);
    if (key_load_signing(order->key_path, order->kid, order->algorithm ? &algorithm : NULL, &key,
                         &error))
        return cli_usage_error(command, "%s", error.text);
    int64_t now_ms = clock_wall_ms(&clock_system);
    order->terms.expires_ms = now_ms + order->lifetime_ms;
    int exit_code = EXIT_DONE;
    if (token_mint(key, &order->terms, now_ms, &token, &error)) {
        exit_code = cli_usage_error(command, "%s", error.text);
    } else {
        buffer_append_byte(&token, '\n');
        if (fwrite(token.data, 1, token.size, stdout) != token.size || fflush(stdout) != 0)
            exit_code = EXIT_UNDELIVERED;
        explicit_bzero(token.data, token.capacity);
    }
    buffer_done(&token);
    key_free(key);
    return exit_code;
}

int token_mint_run(const struct command *command, int argc, char **argv)
{
    static const struct option options_table[] = {
        {"key", required_argument, NULL, 'k'},   {"kid", required_argument, NULL, 'i'},
        {"alg", required_argument, NULL, 'a'},   {"name", required_argument, NULL, 'n'},
        {"scope", required_argument, NULL, 's'}, {"for", required_argument, NULL, 'f'},
        {"host", required_argument, NULL, 'o'},  {"topic", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    struct order order = {.terms = {.any_host = true, .any_topic = true}};
    int option;
    order.terms.hosts = order.hosts;
    order.terms.topics = order.topics;
    while ((option = getopt_long(argc, argv, "h", options_table, NULL)) != -1) {
        if (option == 'h') {
            fputs(command->help, stdout);
            return EXIT_DONE;
        }
        if (!take_option(command, option, &order))
            return EXIT_USAGE;
    }
    if (optind < argc)
        return cli_usage_error(command, "\"%s\" is not an option", argv[optind]);
    if (!order.key_path || !order.terms.scopes || !order.lifetime_ms)
        return cli_usage_error(command, "mint needs --key, --scope and --for");
    return mint(command, &order);
}
