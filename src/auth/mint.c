/*
 * Minting: claims as JSON by our writer, put together and signed by libjwt; so what checks tokens
 * here is tried on those of somebody else.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "key.h"
#include "livetally/json.h"
#include "livetally/token.h"

static void write_list(struct buffer *out, const char *key, const struct slice *list,
                       uint32_t count)
{
    json_write_key(out, key);
    buffer_append_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        json_write_comma(out);
        json_write_string(out, list[i]);
    }
    buffer_append_byte(out, ']');
}

static void write_claims(struct buffer *out, const struct grant_terms *terms, int64_t now_ms)
{
    struct buffer scope = BUFFER_INIT;
    for (uint32_t i = 0; i < GRANT_SCOPE_COUNT; i++)
        if (terms->scopes & 1U << i)
            buffer_printf(&scope, "%s%s", scope.size ? " " : "", grant_scope_words[i]);
    buffer_append_byte(out, '{');
    json_field_int(out, "exp", terms->expires_ms / 1000);
    json_field_int(out, "iat", now_ms / 1000);
    json_field_string(out, "scope", buffer_slice(&scope));
    if (terms->subject.size)
        json_field_string(out, "sub", terms->subject);
    if (!terms->any_host)
        write_list(out, "hosts", terms->hosts, terms->host_count);
    if (!terms->any_topic)
        write_list(out, "topics", terms->topics, terms->topic_count);
    buffer_append_byte(out, '}');
    buffer_done(&scope);
}

/* What a server would refuse isn't signed. */
static int check_terms(const struct grant_terms *terms, struct error *error)
{
    struct grant *grant = NULL;
    const char *fault = NULL;
    struct error detail = {.text = ""};
    if (!terms->scopes)
        return error_set(error, ERROR_INVALID, "a token needs a scope");
    if (terms->expires_ms < 0 || terms->expires_ms / 1000 > TOKEN_TIME_MAX_S)
        return error_set(error, ERROR_RANGE, "a token must expire before the year 10000");
    if (terms->subject.size && !id_ok(terms->subject))
        return error_set(error, ERROR_INVALID, "sub: 1 to 64 bytes of A-Z a-z 0-9 . _ ~ : @ -");
    int code = grant_new(terms, &grant, &fault, &detail);
    grant_unref(grant);
    return code ? error_set(error, code, "%s: %s", fault, detail.text) : 0;
}

static char *sign(const struct key *key, const char *claims)
{
    struct buffer header = BUFFER_INIT;
    jwt_t *jwt = NULL;
    char *text = NULL;
    buffer_append_byte(&header, '{');
    json_field_string(&header, "kid", slice_of(key->kid));
    buffer_append_byte(&header, '}');
    if (jwt_new(&jwt) == 0 && jwt_add_headers_json(jwt, buffer_cstr(&header)) == 0 &&
        jwt_add_grants_json(jwt, claims) == 0 &&
        jwt_set_alg(jwt, key_jwt_algorithm(key->algorithm), (const unsigned char *)key->bytes.data,
                    (int)key->bytes.size) == 0)
        text = jwt_encode_str(jwt);
    jwt_free(jwt);
    buffer_done(&header);
    ERR_clear_error();
    return text;
}

int token_mint(const struct key *key, const struct grant_terms *terms, int64_t now_ms,
               struct buffer *out, struct error *error)
{
    struct buffer claims = BUFFER_INIT;
    int code = check_terms(terms, error);
    if (code)
        return code;
    write_claims(&claims, terms, now_ms);
    char *text = sign(key, buffer_cstr(&claims));
    if (!text)
        code = error_set(error, ERROR_SYSTEM, "libjwt can't sign with the key %s", key->kid);
    else if (strlen(text) > TOKEN_BYTES_MAX)
        code = error_set(error, ERROR_LIMIT,
                         "the token would be longer than %d bytes: name fewer "
                         "hosts or topics",
                         TOKEN_BYTES_MAX);
    else
        buffer_append_text(out, text);
    free(text);
    buffer_done(&claims);
    return code;
}
