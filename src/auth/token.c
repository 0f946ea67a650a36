/*
 * Why this exists: one order of checks for every token, cheapest first: form, header, the key and
 * its algorithm, claims, signature, times.
 */
#include "livetally/token.h"

#include <string.h>

#include <openssl/evp.h>

#include "claims.h"
#include "keyring.h"
#include "livetally/json.h"
#include "signature.h"

static bool refuse(struct token_refusal *ret_refusal, enum token_fault fault, const char *claim)
{
    *ret_refusal = (struct token_refusal){fault, claim};
    return false;
}

void token_refusal_write(const struct token_refusal *refusal, struct buffer *out)
{
    static const char *const texts[TOKEN_FAULT_COUNT] = {
#define X(name, text) [TOKEN_##name] = (text),
        TOKEN_FAULTS(X)
#undef X
    };
    buffer_append_text(out, texts[refusal->fault]);
    if (refusal->claim)
        buffer_printf(out, ": %s", refusal->claim);
}

static const struct key *choose_key(const struct keyring *keyring, struct slice header_json,
                                    struct token_refusal *ret_refusal)
{
    struct token_header header;
    if (!token_header_read(header_json, &header, ret_refusal))
        return NULL;
    const struct key *key = keyring_find(keyring, slice_of(header.kid));
    if (!key) {
        refuse(ret_refusal, TOKEN_UNKNOWN_KEY, NULL);
        return NULL;
    }
    if (strcmp(header.alg, key_algorithm_name(key->algorithm)) != 0) {
        refuse(ret_refusal, TOKEN_WRONG_ALGORITHM, NULL);
        return NULL;
    }
    return key;
}

/* Of what was signed: of a signature there may be several for the same content. */
static uint64_t identify(struct slice signing_input)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    uint64_t id = 0;
    (void)EVP_Digest(signing_input.data, signing_input.size, digest, NULL, EVP_sha256(), NULL);
    memcpy(&id, digest, sizeof(id));
    return id ? id : 1; /* 0 means no token */
}

static bool in_time(const struct claims *claims, int64_t now_ms, struct token_refusal *ret_refusal)
{
    if (claims->has_nbf && now_ms < claims->nbf_s * 1000 - TOKEN_LEEWAY_MS)
        return refuse(ret_refusal, TOKEN_NOT_YET_VALID, NULL);
    if (now_ms >= claims->exp_s * 1000 + TOKEN_LEEWAY_MS)
        return refuse(ret_refusal, TOKEN_EXPIRED, NULL);
    return true;
}

/* With a key chosen and the claims read: the rest. */
static bool conclude(const struct token_parts *parts, const struct key *key, struct claims *claims,
                     int64_t now_ms, struct grant **ret_grant, struct token_refusal *ret_refusal)
{
    const char *fault = NULL;
    struct grant *grant;
    claims->terms.expires_ms = claims->exp_s * 1000 + TOKEN_LEEWAY_MS;
    claims->terms.key_id = key->id;
    claims->terms.token_id = identify(parts->signing_input);
    if (grant_new(&claims->terms, &grant, &fault, NULL))
        return refuse(ret_refusal, TOKEN_BAD_CLAIM, fault);
    bool good = signature_fits(key, parts->signing_input, buffer_slice(&parts->signature)) ||
                refuse(ret_refusal, TOKEN_BAD_SIGNATURE, NULL);
    if (!good || !in_time(claims, now_ms, ret_refusal)) {
        grant_unref(grant);
        return false;
    }
    *ret_grant = grant;
    return true;
}

bool token_verify(struct slice text, const struct keyring *keyring, int64_t now_ms,
                  struct grant **ret_grant, struct token_refusal *ret_refusal)
{
    struct token_parts parts;
    struct claims claims;
    const struct key *key = NULL;
    bool good = token_split(text, &parts, ret_refusal);
    if (good)
        key = choose_key(keyring, buffer_slice(&parts.header), ret_refusal);
    good = key != NULL;
    if (good) {
        good = claims_read(buffer_slice(&parts.payload), &claims, ret_refusal) &&
               conclude(&parts, key, &claims, now_ms, ret_grant, ret_refusal);
        claims_done(&claims);
    }
    token_parts_done(&parts);
    return good;
}

static bool is_json_object(struct slice json)
{
    struct json_reader reader;
    json_reader_init(&reader, json);
    return json_reader_next(&reader) == JSON_OBJECT && json_reader_leave(&reader) &&
           json_reader_end(&reader);
}

bool token_open(struct slice text, struct buffer *ret_header, struct buffer *ret_payload,
                struct token_refusal *ret_refusal)
{
    struct token_parts parts;
    bool good = token_split(text, &parts, ret_refusal);
    if (good && !is_json_object(buffer_slice(&parts.header)))
        good = refuse(ret_refusal, TOKEN_BAD_HEADER, NULL);
    if (good && !is_json_object(buffer_slice(&parts.payload)))
        good = refuse(ret_refusal, TOKEN_BAD_PAYLOAD, NULL);
    if (good) {
        buffer_append_slice(ret_header, buffer_slice(&parts.header));
        buffer_append_slice(ret_payload, buffer_slice(&parts.payload));
    }
    token_parts_done(&parts);
    return good;
}
