/*
 * The client's side of TLS: whom it trusts, and what it shows of itself.
 */
#ifndef LIVETALLY_CLI_TLS_CLIENT_H
#define LIVETALLY_CLI_TLS_CLIENT_H

#include <openssl/ssl.h>

#include "livetally/error.h"
#include "url.h"

/* PEM files, as given on the command line; borrowed. */
struct tls_client {
    const char *ca;          /* NULL: those the system trusts */
    const char *certificate; /* of our own, for servers that ask for one, or NULL */
    const char *key;         /* NULL: it stands in the certificate's file */
};

/*
 * An SSL_CTX for connections to the host of `url`, whose name or address the server's certificate
 * must bear ("localhost" for a Unix socket). The caller's to SSL_CTX_free().
 */
int tls_client_new(const struct tls_client *options, const struct url *url, SSL_CTX **ret_context,
                   struct error *error);

#endif
