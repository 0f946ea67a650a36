/*
 * What the subcommands share.
 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

const char *cli_token(const char *option)
{
    const char *token = option ? option : getenv("LIVETALLY_TOKEN");
    return token && token[0] ? token : NULL;
}
