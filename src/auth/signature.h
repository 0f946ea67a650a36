/*
 * Whether a token's signature is its key's.
 */
#ifndef LIVETALLY_AUTH_SIGNATURE_H
#define LIVETALLY_AUTH_SIGNATURE_H

#include "key.h"

/* By the key's own algorithm; what the token says of one isn't asked. */
bool signature_fits(const struct key *key, struct slice signing_input, struct slice signature);

#endif
