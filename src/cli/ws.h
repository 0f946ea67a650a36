/*
 * A WebSocket to the server that comes back when it breaks, on a libuv loop, with libwebsockets as
 * its guest. Messages are whole texts in both directions.
 */
#ifndef LIVETALLY_CLI_WS_H
#define LIVETALLY_CLI_WS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "livetally/slice.h"
#include "tls_client.h"
#include "url.h"

struct ws;

struct ws_ops {
    void (*opened)(void *context);
    /* text lives during the call. */
    void (*message)(void *context, struct slice text);
    /* There is room: the only place to call ws_send() from, as often as it returns true. */
    void (*writable)(void *context);
    /*
     * The connection ended, or an attempt failed; another follows by itself after a back-off,
     * unless ws_close() was called. reason: one line.
     */
    void (*closed)(void *context, const char *reason);
    void *context;
};

struct ws_options {
    struct url url;
    const char *path;        /* "/v1/ingest" */
    const char *subprotocol; /* offered to the server */
    const char *token;       /* for Authorization: Bearer, or NULL */
    struct tls_client tls;   /* for a URL with TLS */
};

/* NULL when libwebsockets can't work here (e.g. its libuv part is not installed), or the files of
 * options.tls can't be used, which has been said. */
struct ws *ws_new(uv_loop_t *loop, const struct ws_options *options, const struct ws_ops *ops);
/* Starts the first attempt. */
void ws_start(struct ws *ws);
bool ws_is_open(const struct ws *ws);
void ws_want_write(struct ws *ws);
/* Hands one message to the socket; false when no more of them is wanted now. */
bool ws_send(struct ws *ws, struct slice text);
/* Ends this connection, for a reason of our own, and makes a new one. */
void ws_break(struct ws *ws, const char *reason);
/* The server asked to come back no earlier: holds for the next attempt. */
void ws_retry_after(struct ws *ws, int64_t delay_ms);
/* Closes for good: closed() follows once more, then nothing. Never calls back at once. */
void ws_close(struct ws *ws);
/* After the last closed(), not inside it: lets go of the loop, which must run dry before ws_free().
 */
void ws_shutdown(struct ws *ws);
void ws_free(struct ws *ws);

#endif
