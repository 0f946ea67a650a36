/*
 * livetallyd: from the command line to the exit code. Everything else is in daemon/.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/daemon.h"
#include "daemon/options.h"
#include "livetally/mem.h"
#include "livetally/version.h"

static int print(struct buffer *text)
{
    bool good = fwrite(text->data, 1, text->size, stdout) == text->size && fflush(stdout) == 0;
    buffer_done(text);
    return good ? EXIT_OK : EXIT_FAILED;
}

static int act(enum options_action action, const struct config *config, int argc, char **argv)
{
    struct buffer text = BUFFER_INIT;
    switch (action) {
    case OPTIONS_HELP:
        options_write_help(&text);
        return print(&text);
    case OPTIONS_VERSION:
        buffer_append_text(&text, "livetallyd " LIVETALLY_VERSION "\n");
        return print(&text);
    case OPTIONS_SAMPLE:
        config_write_sample(&text);
        return print(&text);
    case OPTIONS_MAN_DAEMON:
        man_write_daemon(&text);
        return print(&text);
    case OPTIONS_MAN_CONFIG:
        man_write_config(&text);
        return print(&text);
    case OPTIONS_CHECK:
        return daemon_check(config);
    case OPTIONS_RUN:
        break;
    }
    return daemon_run(config, argc, argv);
}

int main(int argc, char **argv)
{
    struct error error;
    enum options_action action = OPTIONS_RUN;
    struct config *config = mem_alloc(sizeof(*config));
    int exit_code = EXIT_USAGE;

    config_init(config);
    if (options_parse(argc, argv, config, &action, &error))
        (void)fprintf(stderr, "livetallyd: %s\n", error.text);
    else
        exit_code = act(action, config, argc, argv);
    free(config);
    return exit_code;
}
