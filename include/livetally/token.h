/*
 * Tokens: JSON Web Tokens (RFC 7519) in their compact form, signed with a key of a keyring. A
 * token is checked once, when it comes; what it allows lives on as a grant.
 *
 * Claims: `exp` (required), `nbf`, in whole seconds; `scope` (required: words of GRANT_SCOPES),
 * `hosts` and `topics` (arrays of strings; absent: all), `sub` (who, for logs), `aud` (if there, it
 * must be or hold "livetally"). Others are ignored. The header must name a `kid` of the keyring and
 * exactly that key's algorithm, and ask for nothing more by `crit`.
 *
 * Nothing here logs, and no text that is handed out holds any part of a token.
 */
#ifndef LIVETALLY_TOKEN_H
#define LIVETALLY_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/error.h"
#include "livetally/grant.h"
#include "livetally/keyring.h"

#define TOKEN_BYTES_MAX  6144 /* fits the headers of one request, with room for the others */
#define TOKEN_LEEWAY_MS  INT64_C(60000)
#define TOKEN_TIME_MAX_S INT64_C(253402300799) /* 9999-12-31 */
#define TOKEN_AUDIENCE   "livetally"

/* In the order in which they are looked for. fault, text for the client */
#define TOKEN_FAULTS(X)                                                                            \
    X(TOO_LONG, "the token is too long")                                                           \
    X(MALFORMED, "this is not a JSON Web Token: three parts in base64url, with dots between")      \
    X(BAD_HEADER, "the token's header is not one that is understood here")                         \
    X(UNKNOWN_KEY, "the token's kid names no key of this server")                                  \
    X(WRONG_ALGORITHM, "the token's alg is not the one of its key")                                \
    X(BAD_PAYLOAD, "the token's payload is not a JSON object without doubles")                     \
    X(MISSING_CLAIM, "the token lacks a claim")                                                    \
    X(BAD_CLAIM, "a claim of the token is not of the form due")                                    \
    X(BAD_SIGNATURE, "the token's signature does not fit")                                         \
    X(NOT_YET_VALID, "the token is not valid yet")                                                 \
    X(EXPIRED, "the token has expired")

enum token_fault {
#define X(name, text) TOKEN_##name,
    TOKEN_FAULTS(X)
#undef X
        TOKEN_FAULT_COUNT
};

struct token_refusal {
    enum token_fault fault;
    const char *claim; /* name of the claim at fault, static; NULL when it is none */
};

/* One sentence for whoever sent the token, e.g. "the token lacks a claim: exp". */
void token_refusal_write(const struct token_refusal *refusal, struct buffer *out);

/*
 * The grant of a token that is good at now_ms, wall time: its expiry includes the leeway. Else
 * false, and why.
 */
bool token_verify(struct slice text, const struct keyring *keyring, int64_t now_ms,
                  struct grant **ret_grant, struct token_refusal *ret_refusal);

/* For people to look at: the JSON of a token's header and payload, checked for form alone. */
bool token_open(struct slice text, struct buffer *ret_header, struct buffer *ret_payload,
                struct token_refusal *ret_refusal);

/* Signs a token. The terms' expires_ms becomes `exp`; both times are cut to whole seconds. */
int token_mint(const struct key *key, const struct grant_terms *terms, int64_t now_ms,
               struct buffer *out, struct error *error);

#endif
