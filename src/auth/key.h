/*
 * One key: read from its file, checked, and held as libcrypto and libjwt want it.
 */
#ifndef LIVETALLY_AUTH_KEY_H
#define LIVETALLY_AUTH_KEY_H

#include <stdbool.h>

#include <jwt.h>
#include <openssl/types.h>

#include "livetally/event.h"
#include "livetally/keyring.h"

struct key {
    char kid[ID_MAX_BYTES + 1];
    enum key_algorithm algorithm;
    uint64_t id;         /* of name, algorithm and content */
    struct buffer bytes; /* the secret, or PEM as OpenSSL writes it */
    EVP_PKEY *public;    /* RS256, ES256 to check with; else NULL */
};

jwt_alg_t key_jwt_algorithm(enum key_algorithm algorithm);

/* The ending of a file name that makes it a key for checking; false: it is none. */
bool key_file_name(struct slice name, struct slice *ret_kid, struct slice *ret_ending);
/* `ending` as found by key_file_name(). */
int key_load_checking(const char *path, struct slice kid, struct slice ending, struct key **ret_key,
                      struct error *error);

#endif
