/*
 * What the subcommands share.
 */
#include "cli.h"

#include <errno.h>
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

static bool read_token(const char *path, struct cli_token *token)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return false;
    }
    bool good = fgets(token->text, sizeof(token->text), file) != NULL;
    (void)fclose(file);
    token->text[good ? strcspn(token->text, "\r\n") : 0] = '\0';
    return token->text[0] != '\0';
}

bool cli_take_token(const struct command *command, const char *option, struct cli_token *ret_token)
{
    const char *value = option ? option : getenv("LIVETALLY_TOKEN");
    ret_token->text[0] = '\0';
    if (!value) {
        return true;
    }
    if (value[0] == '@') {
        if (read_token(value + 1, ret_token)) {
            return true;
        }
        cli_usage_error(command, "there is no token to read in %s", value + 1);
        return false;
    }
    size_t size = strlen(value);
    if (size >= sizeof(ret_token->text)) {
        cli_usage_error(command, "the token is longer than %d bytes", TOKEN_BYTES_MAX);
        return false;
    }
    memcpy(ret_token->text, value, size + 1);
    return true;
}

bool cli_take_tls_option(int option, const char *value, struct tls_client *tls)
{
    switch (option) {
    case CLI_OPTION_CA:
        tls->ca = value;
        return true;
    case CLI_OPTION_CERT:
        tls->certificate = value;
        return true;
    case CLI_OPTION_KEY:
        tls->key = value;
        return true;
    default:
        return false;
    }
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
