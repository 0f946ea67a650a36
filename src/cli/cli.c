/*
 * What the subcommands share.
 */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_usage_error(const struct command *command, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "livetally %s: ", command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry: livetally %s --help\n", command->name);
    return EXIT_USAGE;
}

bool cli_parse_number(const struct command *command, const char *option, const char *text,
                      int64_t min, int64_t max, int64_t *ret_number)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < min || number > max) {
        cli_usage_error(command, "%s takes a whole number of %lld to %lld, not \"%s\"", option,
                        (long long)min, (long long)max, text);
        return false;
    }
    *ret_number = number;
    return true;
}

bool cli_take_url(const struct command *command, int argc, char **argv, int *at,
                  struct url *ret_url)
{
    struct error error;
    const char *text = DEFAULT_URL;
    if (*at < argc && url_looks_like(argv[*at])) {
        text = argv[(*at)++];
    }
    if (url_parse(text, ret_url, &error) < 0) {
        cli_usage_error(command, "%s", error.text);
        return false;
    }
    return true;
}

bool cli_take_option(const struct command *command, int option, struct cli_caller *caller,
                     int *ret_exit)
{
    switch (option) {
    case CLI_OPTION_CA:
        caller->tls.ca = optarg;
        return true;
    case CLI_OPTION_CERT:
        caller->tls.certificate = optarg;
        return true;
    case CLI_OPTION_KEY:
        caller->tls.key = optarg;
        return true;
    case CLI_OPTION_TOKEN:
        caller->token = optarg;
        return true;
    case 'h':
        fputs(command->help, stdout);
        *ret_exit = EXIT_DONE;
        return false;
    default:
        *ret_exit = cli_usage_error(command, "see above");
        return false;
    }
}

static bool read_token(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return false;
    }
    bool good = fgets(text, (int)size, file) != NULL;
    (void)fclose(file);
    text[good ? strcspn(text, "\r\n") : 0] = '\0';
    return text[0] != '\0';
}

bool cli_take_token(const struct command *command, struct cli_caller *caller)
{
    const char *value = caller->token ? caller->token : getenv("LIVETALLY_TOKEN");
    caller->token = NULL;
    if (!value || !value[0]) {
        return true;
    }
    if (value[0] == '@') {
        if (!read_token(value + 1, caller->token_text, sizeof(caller->token_text))) {
            cli_usage_error(command, "there is no token to read in %s", value + 1);
            return false;
        }
    } else if (strlen(value) < sizeof(caller->token_text)) {
        memcpy(caller->token_text, value, strlen(value) + 1);
    } else {
        cli_usage_error(command, "the token is longer than %d bytes", TOKEN_BYTES_MAX);
        return false;
    }
    caller->token = caller->token_text;
    return true;
}

bool cli_check_tls(const struct command *command, const struct tls_client *tls,
                   const struct url *url)
{
    struct error error;
    SSL_CTX *context;
    if (!url->tls) {
        if (tls->ca || tls->certificate || tls->key) {
            cli_usage_error(command, "--ca, --cert and --key need a URL with TLS, like wss://HOST");
            return false;
        }
        return true;
    }
    if (tls->key && !tls->certificate) {
        cli_usage_error(command, "--key needs --cert");
        return false;
    }
    if (tls_client_new(tls, url, &context, &error) < 0) {
        cli_usage_error(command, "%s", error.text);
        return false;
    }
    SSL_CTX_free(context);
    return true;
}
