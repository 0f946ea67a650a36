/*
 * Why this exists: a token is read strictly or not at all. libjwt takes the last of two equal
 * claims, reads a string where an integer is due as 0, and skips what isn't base64; our JSON reader
 * refuses doubles, rubbish and depth.
 */
#include "claims.h"

#include <string.h>

#include "base64url.h"
#include "livetally/json.h"

static bool refuse(struct token_refusal *refusal, enum token_fault fault, const char *claim)
{
    *refusal = (struct token_refusal){fault, claim};
    return false;
}

/* --- form --------------------------------------------------------------------------------- */

/* What stands before the first dot; the rest is absent when there is none. */
static struct slice cut(struct slice *rest)
{
    const char *dot = rest->data ? memchr(rest->data, '.', rest->size) : NULL;
    struct slice part = *rest;
    if (!dot) {
        *rest = (struct slice){NULL, 0};
        return part;
    }
    part.size = (size_t)(dot - rest->data);
    *rest = (struct slice){dot + 1, rest->size - part.size - 1};
    return part;
}

bool token_split(struct slice text, struct token_parts *ret_parts, struct token_refusal *refusal)
{
    struct slice rest = text;
    *ret_parts = (struct token_parts){.header = BUFFER_INIT};
    if (text.size > TOKEN_BYTES_MAX)
        return refuse(refusal, TOKEN_TOO_LONG, NULL);
    struct slice header = cut(&rest);
    struct slice payload = cut(&rest);
    struct slice sign = cut(&rest);
    bool good = header.size && payload.size && sign.size && !rest.data &&
                base64url_decode(header, &ret_parts->header) &&
                base64url_decode(payload, &ret_parts->payload) &&
                base64url_decode(sign, &ret_parts->signature);
    if (!good)
        return refuse(refusal, TOKEN_MALFORMED, NULL);
    ret_parts->signing_input = (struct slice){text.data, header.size + 1 + payload.size};
    return true;
}

void token_parts_done(struct token_parts *parts)
{
    buffer_done(&parts->header);
    buffer_done(&parts->payload);
    buffer_done(&parts->signature);
}

/* --- header ------------------------------------------------------------------------------- */

/* A string of at most size - 1 bytes without a NUL, as C has it; "" for any other. */
static bool copy_string(struct json_string string, char *out, size_t size)
{
    char decoded[TOKEN_BYTES_MAX];
    size_t length = string.raw.size <= sizeof(decoded) ? json_string_decode(string, decoded) : size;
    out[0] = '\0';
    if (length >= size || memchr(decoded, '\0', length))
        return false;
    memcpy(out, decoded, length);
    out[length] = '\0';
    return true;
}

static bool read_header_field(struct json_reader *reader, struct json_string key,
                              struct token_header *header)
{
    char typ[8];
    if (json_string_equals(key, SLICE("crit")))
        return false;
    if (json_string_equals(key, SLICE("kid")))
        return json_reader_next(reader) == JSON_STRING &&
               copy_string(reader->string, header->kid, sizeof(header->kid));
    if (json_string_equals(key, SLICE("alg")))
        return json_reader_next(reader) == JSON_STRING &&
               copy_string(reader->string, header->alg, sizeof(header->alg));
    if (json_string_equals(key, SLICE("typ")))
        return json_reader_next(reader) == JSON_STRING &&
               copy_string(reader->string, typ, sizeof(typ)) && strcasecmp(typ, "JWT") == 0;
    return json_reader_skip(reader);
}

bool token_header_read(struct slice json, struct token_header *ret_header,
                       struct token_refusal *refusal)
{
    struct json_reader reader;
    struct json_string key;
    bool good;
    memset(ret_header, 0, sizeof(*ret_header));
    json_reader_init(&reader, json);
    good = json_reader_next(&reader) == JSON_OBJECT;
    while (good && json_reader_key(&reader, &key))
        good = read_header_field(&reader, key, ret_header);
    if (!good || !json_reader_end(&reader))
        return refuse(refusal, TOKEN_BAD_HEADER, NULL);
    return true;
}

/* --- claims ------------------------------------------------------------------------------- */

static struct slice keep(struct claims *claims, struct json_string string)
{
    char *at = claims->text.data + claims->text.size; /* there is room for all of the payload */
    size_t size = json_string_decode(string, at);
    claims->text.size += size;
    return (struct slice){at, size};
}

static bool read_time(struct json_reader *reader, int64_t *ret_time_s)
{
    if (json_reader_next(reader) != JSON_INT || reader->integer < 0 ||
        reader->integer > TOKEN_TIME_MAX_S)
        return false;
    *ret_time_s = reader->integer;
    return true;
}

/* An array of strings, at most `max`. */
static bool read_list(struct json_reader *reader, struct claims *claims, struct slice *list,
                      uint32_t max, uint32_t *ret_count)
{
    uint32_t count = 0;
    if (json_reader_next(reader) != JSON_ARRAY)
        return false;
    while (json_reader_element(reader)) {
        if (count == max || json_reader_next(reader) != JSON_STRING)
            return false;
        list[count++] = keep(claims, reader->string);
    }
    *ret_count = count;
    return json_reader_ok(reader);
}

/* RFC 7519: a token that names others as its audience is to be refused. */
static bool read_audience(struct json_reader *reader)
{
    bool ours = false;
    enum json_kind kind = json_reader_next(reader);
    if (kind == JSON_STRING)
        return json_string_equals(reader->string, SLICE(TOKEN_AUDIENCE));
    if (kind != JSON_ARRAY)
        return false;
    while (json_reader_element(reader)) {
        if (json_reader_next(reader) != JSON_STRING)
            return false;
        ours = ours || json_string_equals(reader->string, SLICE(TOKEN_AUDIENCE));
    }
    return ours && json_reader_ok(reader);
}

static bool read_exp(struct json_reader *reader, struct claims *claims)
{
    claims->has_exp = true;
    return read_time(reader, &claims->exp_s);
}

static bool read_nbf(struct json_reader *reader, struct claims *claims)
{
    claims->has_nbf = true;
    return read_time(reader, &claims->nbf_s);
}

static bool read_scope(struct json_reader *reader, struct claims *claims)
{
    claims->has_scope = true;
    return json_reader_next(reader) == JSON_STRING &&
           grant_scopes_parse(keep(claims, reader->string), &claims->terms.scopes);
}

static bool read_hosts(struct json_reader *reader, struct claims *claims)
{
    claims->terms.any_host = false;
    return read_list(reader, claims, claims->hosts, GRANT_HOSTS_MAX, &claims->terms.host_count);
}

static bool read_topics(struct json_reader *reader, struct claims *claims)
{
    claims->terms.any_topic = false;
    return read_list(reader, claims, claims->topics, GRANT_TOPICS_MAX, &claims->terms.topic_count);
}

static bool read_sub(struct json_reader *reader, struct claims *claims)
{
    if (json_reader_next(reader) != JSON_STRING)
        return false;
    claims->terms.subject = keep(claims, reader->string);
    return true;
}

static bool read_aud(struct json_reader *reader, struct claims *claims)
{
    (void)claims;
    return read_audience(reader);
}

static const struct claim_rule {
    const char *name;
    bool (*read)(struct json_reader *reader, struct claims *claims);
} claim_rules[] = {
    {"exp", read_exp},       {"nbf", read_nbf}, {"scope", read_scope}, {"hosts", read_hosts},
    {"topics", read_topics}, {"sub", read_sub}, {"aud", read_aud},
};

static const struct claim_rule *find_rule(struct json_string key)
{
    for (size_t i = 0; i < sizeof(claim_rules) / sizeof(claim_rules[0]); i++)
        if (json_string_equals(key, slice_of(claim_rules[i].name)))
            return &claim_rules[i];
    return NULL;
}

bool claims_read(struct slice json, struct claims *ret_claims, struct token_refusal *refusal)
{
    struct json_reader reader;
    struct json_string key;
    const char *fault = NULL;
    *ret_claims = (struct claims){.terms = {.any_host = true, .any_topic = true}};
    ret_claims->terms.hosts = ret_claims->hosts;
    ret_claims->terms.topics = ret_claims->topics;
    (void)buffer_reserve(&ret_claims->text, json.size + 1);
    json_reader_init(&reader, json);
    if (json_reader_next(&reader) != JSON_OBJECT)
        return refuse(refusal, TOKEN_BAD_PAYLOAD, NULL);
    while (!fault && json_reader_key(&reader, &key)) {
        const struct claim_rule *rule = find_rule(key);
        if (!rule ? !json_reader_skip(&reader) : !rule->read(&reader, ret_claims))
            fault = rule ? rule->name : "";
    }
    /* A claim that isn't JSON at all is the payload's fault. */
    if (!json_reader_ok(&reader) || (!fault && !json_reader_end(&reader)))
        return refuse(refusal, TOKEN_BAD_PAYLOAD, NULL);
    if (fault)
        return refuse(refusal, TOKEN_BAD_CLAIM, fault);
    if (!ret_claims->has_exp || !ret_claims->has_scope)
        return refuse(refusal, TOKEN_MISSING_CLAIM, ret_claims->has_exp ? "scope" : "exp");
    return true;
}

void claims_done(struct claims *claims)
{
    buffer_done(&claims->text);
}
