/*
 * livetally token: makes keys and tokens for livetallyd, and shows what stands in a token. Needs
 * no server.
 */
#include "token.h"

#include <stdio.h>
#include <string.h>

static const struct action {
    const char *name;
    int (*run)(const struct command *command, int argc, char **argv);
} actions[] = {
    {"mint", token_mint_run},
    {"inspect", token_inspect_run},
    {"new-key", token_new_key_run},
};

static int run(const struct command *command, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(name, actions[i].name) == 0)
            return actions[i].run(command, argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        fputs(command->help, stdout);
        return EXIT_DONE;
    }
    if (!name[0])
        return cli_usage_error(command, "what to do? mint, inspect or new-key");
    return cli_usage_error(command, "\"%s\" is none of mint, inspect, new-key", name);
}

const struct command command_token = {
    "token",
    "makes keys and tokens, and shows what stands in one",
    run,
    "livetally token mint --key FILE --scope WORDS --for TIME [OPTION…]\n"
    "livetally token inspect [--key PATH] [TOKEN]\n"
    "livetally token new-key [--alg NAME] PATH\n"
    "\n"
    "mint signs a token and prints it.\n"
    "  --key FILE     KID.hs256 or KID.hs512 (a secret), or a private key in PEM\n"
    "  --scope WORDS  what it may do: ingest, view, admin, or several with blanks between\n"
    "  --for TIME     how long, e.g. 90m, 12h, 30d\n"
    "  --host ID      it may post for this host only; may be repeated (default: all hosts)\n"
    "  --topic NAME   it may view this topic only; may be repeated; a name that ends in * stands\n"
    "                 for all that begin so (default: all topics)\n"
    "  --name ID      who it is for: shown in the server's log\n"
    "  --kid KID      name of the key, if the file's name is another\n"
    "  --alg NAME     HS256, HS512, RS256 or ES256, if the file's name doesn't tell\n"
    "\n"
    "inspect shows a token, of the command line or else of stdin, which is safer: other users see\n"
    "command lines.\n"
    "  --key PATH     check it with the keys of livetallyd: auth.keys, a file or a folder\n"
    "\n"
    "new-key makes a key; its file's name becomes its kid.\n"
    "  --alg NAME     HS256 or HS512 make PATH.hs256 or PATH.hs512, a secret for both sides;\n"
    "                 RS256 or ES256 make PATH.key to sign with, and PATH.pem for livetallyd\n"
    "                 (default HS256)\n"
    "\n"
    "Examples:\n"
    "  livetally token new-key /etc/livetally/keys/2026-11\n"
    "  livetally token mint --key /etc/livetally/keys/2026-11.hs256 --scope ingest \\\n"
    "      --host ling --for 30d > ling.token\n"
    "  livetally token mint --key 2026-11.hs256 --scope view --topic total --topic 'top/*' --for "
    "12h\n"
    "  livetally token inspect --key /etc/livetally/keys < ling.token\n"
    "\n"
    "Exit status: 0 done, and a token that was checked is good; 1 it isn't; 2 usage, or a file "
    "that\n"
    "can't be used.\n",
};
