/*
 * What is said of an address to listen on besides where it is: words after it
 * ("0.0.0.0:8443 tls"), or, of a socket that systemd hands over, its FileDescriptorName
 * ("tls-proxy"). One list makes the bits, the parser and the texts; adding a word is adding a row.
 */
#ifndef LIVETALLY_LISTEN_H
#define LIVETALLY_LISTEN_H

#include <stddef.h>
#include <stdint.h>

#include "livetally/error.h"

/* name, bit, word */
#define LISTEN_WORDS(X)                                                                            \
    X(TLS, 1, "tls")     /* it speaks TLS; else in clear text */                                   \
    X(PROXY, 2, "proxy") /* each connection begins with a PROXY header, before TLS */

enum listen_trait {
#define X(name, bit, word) LISTEN_##name = (bit),
    LISTEN_WORDS(X)
#undef X
};

/* " tls …", for texts about them. */
#define LISTEN_WORD_TEXT(name, bit, word) " " word
#define LISTEN_WORDS_TEXT                 LISTEN_WORDS(LISTEN_WORD_TEXT)

/*
 * Cuts "ADDRESS WORD …" at its blanks. The address is copied, with a NUL, into `address`, and not
 * looked at. ERROR_INVALID for a word that isn't one, that comes twice, or without an address;
 * ERROR_LIMIT for an address of `size` bytes or more.
 */
int listen_split(const char *text, char *address, size_t size, uint32_t *ret_traits,
                 struct error *error);

/*
 * Of the name of a socket from systemd: words joined by "-". Names that systemd gives by itself
 * (that of the socket unit, "unknown") say nothing. Anything else is ERROR_INVALID: a misspelt word
 * would otherwise be a socket in clear text.
 */
int listen_parse_name(const char *name, uint32_t *ret_traits, struct error *error);

#endif
