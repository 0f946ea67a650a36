/*
 * What the build makes of the commands' help texts: the manual page livetally(1) and the shell
 * completion. A help text stays plain text for people; its form is what tells options, examples
 * and prose apart (see manual.c).
 */
#ifndef LIVETALLY_CLI_MANUAL_H
#define LIVETALLY_CLI_MANUAL_H

#include <stddef.h>

#include "cli.h"
#include "livetally/buffer.h"

/* `overview`: a text in the form of a help text, for what concerns all commands. */
void manual_write_page(struct buffer *out, const char *summary, const char *overview,
                       const struct command *const *commands, size_t count);
void manual_write_completion(struct buffer *out, const struct command *const *commands,
                             size_t count); /* for bash */

#endif
