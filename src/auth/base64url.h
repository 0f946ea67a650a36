/*
 * Base64 as tokens have it (RFC 4648, section 5, without padding), read strictly: one text for the
 * same bytes and no other, so that a token can't be dressed up as another one.
 */
#ifndef LIVETALLY_AUTH_BASE64URL_H
#define LIVETALLY_AUTH_BASE64URL_H

#include <stdbool.h>

#include "livetally/buffer.h"
#include "livetally/slice.h"

/* Appends the bytes. False: not base64url, or not as it would be written; nothing is appended. */
bool base64url_decode(struct slice text, struct buffer *out);
void base64url_encode(struct slice bytes, struct buffer *out);

#endif
