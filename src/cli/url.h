/*
 * Where the server is, as a person types it.
 */
#ifndef LIVETALLY_CLI_URL_H
#define LIVETALLY_CLI_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "livetally/error.h"

struct url {
    char host[256]; /* without brackets; "" for a Unix socket */
    int port;
    bool tls;
    char socket[108]; /* path of the Unix socket, else "" */
    char base[256];   /* path in front of /v1/…, without a slash at its end; mostly "" */
};

/*
 * ws://HOST[:PORT][/BASE], http://…, HOST:PORT, [IPv6]:PORT, unix:PATH; with TLS wss://…,
 * https://…, unix+tls:PATH. A path that already ends in one of the server's own (/v1/ingest,
 * /v1/live) is taken for what is in front of it.
 */
int url_parse(const char *text, struct url *ret_url, struct error *error);
/* True for text that can only be meant as a URL, not as the name of a file or a topic. */
bool url_looks_like(const char *text);
/* For messages: ws://HOST:PORT, wss://HOST:PORT, unix:PATH or unix+tls:PATH. */
void url_describe(const struct url *url, char *out, size_t size);

#endif
