/*
 * The parts of `livetally token`.
 */
#ifndef LIVETALLY_CLI_TOKEN_H
#define LIVETALLY_CLI_TOKEN_H

#include "cli.h"

/* Each gets its own word as argv[0], and returns an exit code. */
int token_mint_run(const struct command *command, int argc, char **argv);
int token_inspect_run(const struct command *command, int argc, char **argv);
int token_new_key_run(const struct command *command, int argc, char **argv);

#endif
