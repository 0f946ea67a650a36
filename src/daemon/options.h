/*
 * The command line of livetallyd.
 */
#ifndef LIVETALLY_DAEMON_OPTIONS_H
#define LIVETALLY_DAEMON_OPTIONS_H

#include <stddef.h>

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
    OPTIONS_SAMPLE,     /* --print-config */
    OPTIONS_MAN_DAEMON, /* --man 8, 5: roff, for the build */
    OPTIONS_MAN_CONFIG,
};

/* An option as --help and the manual page show it. */
struct option_row {
    const char *name;
    int value;            /* of getopt_long */
    const char *argument; /* NULL: takes none */
    const char *key;      /* of the configuration, which it is another name of; or NULL */
    const char *help;     /* NULL: not shown */
};
extern const struct option_row option_rows[];
extern const size_t option_row_count;

/* Texts that --help and the manual page share. */
#define OPTIONS_SUMMARY "live sales totals for livestream commerce"
#define OPTIONS_EXAMPLES                                                                           \
    "  livetallyd                                      everything at its default\n"                \
    "  livetallyd --state-dir /tmp/try --listen 127.0.0.1:0\n"                                     \
    "  livetallyd --redis redis://127.0.0.1:6379/2 --listen unix:/run/livetally/in.sock\n"         \
    "  livetallyd --config /etc/livetally/livetallyd.conf -o log.level=debug\n"
#define OPTIONS_CONDUCT                                                                            \
    "Once ready, livetallyd prints one line with its addresses and writes them, one URL a\n"       \
    "line, to the file `listen` in its state folder. SIGTERM and SIGINT make it commit and\n"      \
    "acknowledge what it received, say goodbye and exit; a second one makes it exit at once.\n"    \
    "SIGHUP makes it read the configuration anew, and exit when it was started in a terminal.\n"
#define OPTIONS_EXIT_CODES                                                                         \
    "0 stopped as asked; 1 failed at run time; 2 wrong command line or\n"                          \
    "configuration, or a data set in Redis that the configuration does not fit.\n"

/* Reads the file named by --config, then the rest over it. ERROR_INVALID with a line to print. */
int options_parse(int argc, char **argv, struct config *config, enum options_action *ret_action,
                  struct error *error);
void options_write_help(struct buffer *out);
void options_write_name(struct buffer *out, const struct option_row *row); /* "-o, --option TEXT" */

/* Manual pages, as roff; in man.c. */
void man_write_daemon(struct buffer *out);
void man_write_config(struct buffer *out);
void man_write_log(struct buffer *out); /* a section of the first; in man_log.c */

#endif
