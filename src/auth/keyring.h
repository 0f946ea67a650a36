/*
 * What checking a token needs of a keyring.
 */
#ifndef LIVETALLY_AUTH_KEYRING_H
#define LIVETALLY_AUTH_KEYRING_H

#include "key.h"

/* NULL: there is none of that name. Lives as long as the keyring. */
const struct key *keyring_find(const struct keyring *keyring, struct slice kid);

#endif
