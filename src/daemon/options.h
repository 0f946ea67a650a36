/*
 * The command line of livetallyd.
 */
#ifndef LIVETALLY_DAEMON_OPTIONS_H
#define LIVETALLY_DAEMON_OPTIONS_H

#include "config.h"
#include "livetally/error.h"

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1, /* at run time */
    EXIT_USAGE = 2,  /* command line, configuration, or data set at odds with it */
};

enum options_action {
    OPTIONS_RUN,
    OPTIONS_CHECK, /* --check-config */
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_SAMPLE, /* --print-config */
};

/* Reads the file named by --config, then the rest over it. ERROR_INVALID with a line to print. */
int options_parse(int argc, char **argv, struct config *config, enum options_action *ret_action,
                  struct error *error);
void options_write_help(struct buffer *out);

#endif
