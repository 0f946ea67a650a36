/*
 * livetally token new-key: never over a file that is there, never readable by others.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "livetally/event.h"
#include "livetally/keyring.h"
#include "token.h"

static bool write_all(int fd, struct slice content)
{
    while (content.size > 0) {
        ssize_t put = write(fd, content.data, content.size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        content.data += put;
        content.size -= (size_t)put;
    }
    return true;
}

/* Path, with an ending, into *path. */
static bool write_new(const char *stem, const char *ending, mode_t mode, struct slice content,
                      struct buffer *path)
{
    buffer_printf(path, "%s.%s", stem, ending);
    int fd = open(buffer_cstr(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool good = fd >= 0 && write_all(fd, content) && fsync(fd) == 0;
    int failure = errno;
    if (fd >= 0) {
        (void)close(fd);
        if (!good)
            (void)unlink(buffer_cstr(path));
    }
    if (!good)
        fprintf(stderr, "livetally: %s: %s\n", buffer_cstr(path), strerror(failure));
    return good;
}

static bool write_key(enum key_algorithm algorithm, const char *stem, struct slice private,
                      struct slice public)
{
    const char *ending = algorithm == KEY_HS256   ? "hs256"
                         : algorithm == KEY_HS512 ? "hs512"
                                                  : "key";
    struct buffer path = BUFFER_INIT, public_path = BUFFER_INIT;
    bool good = write_new(stem, ending, 0600, private, &path);
    if (good && public.size) {
        good = write_new(stem, "pem", 0644, public, &public_path);
        if (!good)
            (void)unlink(buffer_cstr(&path));
    }
    if (good && public.size)
        printf("%s signs tokens: keep it to yourself.\n%s checks them: for livetallyd.\n",
               buffer_cstr(&path), buffer_cstr(&public_path));
    else if (good)
        printf("%s signs tokens and checks them. livetallyd has to be able to read it, others\n"
               "must not: e.g. chgrp livetally and chmod 640.\n",
               buffer_cstr(&path));
    buffer_done(&path);
    buffer_done(&public_path);
    return good;
}

static int new_key(const struct command *command, enum key_algorithm algorithm, const char *stem)
{
    struct buffer private = BUFFER_INIT, public = BUFFER_INIT;
    struct error error;
    int exit_code = EXIT_DONE;
    if (key_generate(algorithm, &private, &public, &error))
        exit_code = cli_usage_error(command, "%s", error.text);
    else if (!write_key(algorithm, stem, buffer_slice(&private), buffer_slice(&public)))
        exit_code = EXIT_USAGE;
    if (private.data)
        explicit_bzero(private.data, private.capacity);
    buffer_done(&private);
    buffer_done(&public);
    return exit_code;
}

int token_new_key_run(const struct command *command, int argc, char **argv)
{
    static const struct option options_table[] = {
        {"alg", required_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    enum key_algorithm algorithm = KEY_HS256;
    int option;
    while ((option = getopt_long(argc, argv, "h", options_table, NULL)) != -1) {
        if (option == 'h') {
            fputs(command->help, stdout);
            return EXIT_DONE;
        }
        if (option != 'a')
            return cli_usage_error(command, "see above");
        if (!key_algorithm_parse(slice_of(optarg), &algorithm))
            return cli_usage_error(command, "--alg takes HS256, HS512, RS256 or ES256, not \"%s\"",
                                   optarg);
    }
    if (optind + 1 != argc)
        return cli_usage_error(command, "new-key takes one path, whose last part becomes the kid");
    if (!id_ok(slice_of(basename(argv[optind]))))
        return cli_usage_error(command, "a kid is 1 to 64 bytes of A-Z a-z 0-9 . _ ~ : @ -");
    return new_key(command, algorithm, argv[optind]);
}
