/*
 * A certificate with its key, and what is asked of those who connect: read from files, tried, and
 * then good for any number of connections. Each connection keeps the one it began with, so another
 * may take its place at any time.
 */
#ifndef LIVETALLY_TLS_H
#define LIVETALLY_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/error.h"

/* Paths of PEM files, "" for none. */
struct tls_files {
    const char *certificate; /* the certificate, then those of its chain */
    const char *key;         /* "": it stands in the certificate's file */
    const char *client_ca;   /* a client must have a certificate signed by one of these */
};

/* Which of the files an error is about. */
enum tls_file { TLS_FILE_CERTIFICATE, TLS_FILE_KEY, TLS_FILE_CLIENT_CA };

struct tls;

/* only_tls13: nothing older; else TLS 1.2 too. *ret_at is set on failure only. */
int tls_load(const struct tls_files *files, bool only_tls13, struct tls **ret_tls,
             enum tls_file *ret_at, struct error *error);
void tls_free(struct tls *tls); /* NULL is fine; connections that use it go on */
/* "certificate subject=… serial=… expires=…" for the log. */
void tls_describe(const struct tls *tls, struct buffer *out);
int64_t tls_begins_s(const struct tls *tls); /* the certificate's validity; Unix time */
int64_t tls_ends_s(const struct tls *tls);
bool tls_key_is_exposed(const struct tls *tls); /* users of no matter which group could read it */

#endif
