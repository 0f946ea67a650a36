/*
 * A subscription on /v1/live that lasts: made again after every reconnect.
 */
#ifndef LIVETALLY_CLI_LIVE_H
#define LIVETALLY_CLI_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "cli.h"
#include "livetally/slice.h"
#include "model.h"
#include "tls_client.h"
#include "url.h"

struct live;

struct live_ops {
    /* After every message; raw lives during the call. */
    void (*message)(void *context, struct slice raw, enum model_change change);
    /* The connection is up, or not (then why). */
    void (*connection)(void *context, bool up, const char *reason);
    /* After live_close(). */
    void (*closed)(void *context);
    void *context;
};

struct live_options {
    struct url url;
    const char *token; /* or NULL */
    struct tls_client tls;
    char **topics; /* borrowed */
    uint32_t topic_count;
    uint32_t interval_ms; /* 0: the server's default */
};

/* Takes [URL] [TOPIC…] from the command line at optind; what isn't there stays as it is. False:
 * wrong use, which has been said. */
bool live_take_arguments(const struct command *command, int argc, char **argv,
                         struct live_options *options);
/* NULL when libwebsockets can't work here, which has been said. */
struct live *live_new(uv_loop_t *loop, const struct live_options *options,
                      const struct live_ops *ops);
const struct model *live_model(const struct live *live);
void live_close(struct live *live);
/* After closed(), once the loop has run dry. */
void live_free(struct live *live);

#endif
