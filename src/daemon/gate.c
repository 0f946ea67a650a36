/*
 * Who gets in; see gate.h. The grant of those without a token is one object, shared by all of them
 * and kept over reloads as long as the same topics are public, so that they notice nothing.
 */
#include "gate.h"

#include <string.h>
#include <strings.h>

#include "livetally/token.h"

#define HOUR_MS INT64_C(3600000)

static int load_keys(struct gate *gate, const struct config *config, struct error *error)
{
    const char *paths[CONFIG_LIST_ITEMS];
    struct error detail = {0};
    uint32_t count = config->auth_keys.count;
    for (uint32_t i = 0; i < count; i++)
        paths[i] = config->auth_keys.items[i].text;
    if (count == 0 || keyring_load(paths, count, &gate->keyring, &detail) == 0)
        return 0;
    return config_fault(config, CONFIG_KEY_auth_keys, error, "%s", detail.text);
}

static int make_anonymous(struct gate *gate, const struct config *config, struct error *error)
{
    struct slice topics[CONFIG_LIST_ITEMS];
    struct error detail = {0};
    struct grant_terms terms = {
        .scopes = GRANT_VIEW,
        .topics = topics,
        .topic_count = config->auth_public_topics.count,
        .expires_ms = GRANT_NEVER,
    };
    gate->public = config->auth_public_topics;
    for (uint32_t i = 0; i < terms.topic_count; i++)
        topics[i] = slice_of(config->auth_public_topics.items[i].text);
    if (terms.topic_count == 0 || grant_new(&terms, &gate->anonymous, NULL, &detail) == 0)
        return 0;
    return config_fault(config, CONFIG_KEY_auth_public_topics, error, "%s", detail.text);
}

int gate_init(struct gate *gate, const struct config *config, struct error *error)
{
    memset(gate, 0, sizeof(*gate));
    gate->origins = config->auth_origins;
    gate->url_ms = config->auth_url_hours * HOUR_MS;
    int code = load_keys(gate, config, error);
    if (code == 0)
        code = make_anonymous(gate, config, error);
    if (code)
        gate_done(gate);
    return code;
}

void gate_done(struct gate *gate)
{
    keyring_free(gate->keyring);
    grant_unref(gate->anonymous);
    memset(gate, 0, sizeof(*gate));
}

bool gate_has_keys(const struct gate *gate)
{
    return gate->keyring != NULL;
}

void gate_describe(const struct gate *gate, struct buffer *out)
{
    buffer_append_text(out, "tokens are checked with ");
    keyring_describe(gate->keyring, out);
}

static bool lists_equal(const struct config_list *a, const struct config_list *b)
{
    bool equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++)
        equal = strcmp(a->items[i].text, b->items[i].text) == 0;
    return equal;
}

void gate_replace(struct gate *gate, struct gate *next)
{
    struct gate before = *gate;
    if (lists_equal(&gate->public, &next->public)) {
        before.anonymous = next->anonymous;
        next->anonymous = gate->anonymous;
    }
    *gate = *next;
    *next = before;
}

static bool refuse(enum auth_refusal refusal, enum auth_refusal *ret_refusal)
{
    *ret_refusal = refusal;
    return false;
}

static bool check_token(const struct gate *gate, struct slice token, bool in_url, int64_t now_ms,
                        struct grant **ret_grant, enum auth_refusal *ret_refusal,
                        struct buffer *why)
{
    struct token_refusal refusal;
    if (!token_verify(token, gate->keyring, now_ms, ret_grant, &refusal)) {
        token_refusal_write(&refusal, why);
        return refuse(refusal.fault == TOKEN_EXPIRED ? AUTH_REFUSAL_EXPIRED : AUTH_REFUSAL_BAD,
                      ret_refusal);
    }
    if (!in_url || grant_fits_url(*ret_grant, now_ms, gate->url_ms))
        return true;
    grant_unref(*ret_grant);
    *ret_grant = NULL;
    buffer_printf(why, "a token in a URL must have the scope view alone, and at most %d h to go",
                  (int)(gate->url_ms / HOUR_MS));
    return refuse(AUTH_REFUSAL_URL, ret_refusal);
}

bool gate_authenticate(const struct gate *gate, struct slice token, bool in_url, int64_t now_ms,
                       struct grant **ret_grant, enum auth_refusal *ret_refusal, struct buffer *why)
{
    *ret_grant = NULL;
    if (!gate->keyring)
        return true;
    if (token.data)
        return check_token(gate, token, in_url, now_ms, ret_grant, ret_refusal, why);
    if (!gate->anonymous)
        return refuse(AUTH_REFUSAL_MISSING, ret_refusal);
    *ret_grant = grant_ref(gate->anonymous);
    return true;
}

enum server_standing gate_review(const struct gate *gate, const struct grant *grant)
{
    if (!gate->keyring)
        return grant ? STANDING_CHANGED : STANDING_GOOD;
    if (!grant)
        return STANDING_REVOKED;
    if (grant_key_id(grant) == 0)
        return grant == gate->anonymous ? STANDING_GOOD : STANDING_CHANGED;
    return keyring_holds(gate->keyring, grant_key_id(grant)) ? STANDING_GOOD : STANDING_REVOKED;
}

enum server_origin gate_find_origin(const struct gate *gate, const char *origin)
{
    for (uint32_t i = 0; i < gate->origins.count; i++)
        if (strcasecmp(gate->origins.items[i].text, origin) == 0)
            return ORIGIN_LISTED;
    return gate->origins.count == 0 ? ORIGIN_NONE_LISTED : ORIGIN_NOT_LISTED;
}
