/*
 * Rules that concern several keys at once. Each is a fact about how livetally works that a value in
 * its own bounds could still break.
 */
#include "config.h"

#include <string.h>

#include "livetally/listen.h"

static int check_retention(const struct config *config, struct error *error)
{
    /* An order may be retried until it is too old, counted from its own time, which may lie five
     * minutes ahead of its receipt; its record lives one span of a generation after that. */
    if (config->data_generation_days <= config->data_order_keep_days)
        return config_fault(config, CONFIG_KEY_data_generation_days, error,
                            "must be more than data.order_keep_days (%u), or a late retry would be "
                            "counted twice",
                            config->data_order_keep_days);
    if (config->data_day_keep_days <= config->data_order_keep_days)
        return config_fault(
            config, CONFIG_KEY_data_day_keep_days, error,
            "must be more than data.order_keep_days (%u), because late orders count "
            "on their own day",
            config->data_order_keep_days);
    if (config->data_county_alias_file.text[0] && !config->data_county_file.text[0])
        return config_fault(config, CONFIG_KEY_data_county_alias_file, error,
                            "needs data.county_file");
    return 0;
}

static int check_redis(const struct config *config, struct error *error)
{
    bool embedded = strcmp(config->redis_url.text, "embedded") == 0;
    if (config->redis_backoff_max_ms < config->redis_backoff_min_ms)
        return config_fault(config, CONFIG_KEY_redis_backoff_max_ms, error,
                            "must be at least redis.backoff_min_ms (%u)",
                            config->redis_backoff_min_ms);
    if (config->redis_lease_ms / 2 < config->redis_reply_timeout_ms)
        return config_fault(config, CONFIG_KEY_redis_lease_ms, error,
                            "must be at least twice redis.reply_timeout_ms (%u), or a slow reply "
                            "would cost the seat",
                            config->redis_reply_timeout_ms);
    if (embedded && config->listen_share == CONFIG_SHARE_YES)
        return config_fault(config, CONFIG_KEY_listen_share, error,
                            "daemons that share a port need one Redis: an embedded one is private");
    if (embedded && config->redis_password_file.text[0])
        return config_fault(config, CONFIG_KEY_redis_password_file, error,
                            "an embedded Redis has no password");
    if (embedded && strcmp(config->redis_durability.text, "local") != 0)
        return config_fault(config, CONFIG_KEY_redis_durability, error,
                            "an embedded Redis has no replicas");
    return 0;
}

/* Else the longest message would hold its sender back for longer than he may be over his rate. */
static int check_burst(const struct config *config, enum config_key key, uint64_t bytes_per_s,
                       struct error *error)
{
    if (bytes_per_s == 0 ||
        bytes_per_s * config->limits_burst_ms / 1000 >= config->limits_message_bytes)
        return 0;
    return config_fault(config, key, error,
                        "in limits.burst_ms (%u) it must allow limits.message_bytes (%u), or be 0",
                        config->limits_burst_ms, config->limits_message_bytes);
}

static int check_limits(const struct config *config, struct error *error)
{
    int code = 0;
    if (config->limits_window_events < config->limits_batch_events)
        return config_fault(config, CONFIG_KEY_limits_window_events, error,
                            "must be at least limits.batch_events (%u)",
                            config->limits_batch_events);
    if (config->limits_window_bytes < config->limits_message_bytes)
        return config_fault(config, CONFIG_KEY_limits_window_bytes, error,
                            "must be at least limits.message_bytes (%u)",
                            config->limits_message_bytes);
    if (config->limits_assembly_bytes < config->limits_message_bytes)
        return config_fault(config, CONFIG_KEY_limits_assembly_bytes, error,
                            "must be at least limits.message_bytes (%u)",
                            config->limits_message_bytes);
    code = check_burst(config, CONFIG_KEY_limits_bytes_per_s, config->limits_bytes_per_s, error);
    if (code == 0)
        code = check_burst(config, CONFIG_KEY_limits_token_bytes_per_s,
                           config->limits_token_bytes_per_s, error);
    if (code)
        return code;
    uint64_t ids = (uint64_t)config->limits_hosts + config->limits_products +
                   config->limits_sessions + config->limits_platforms + config->limits_counties;
    if (config->limits_cells < 3 * ids)
        return config_fault(config, CONFIG_KEY_limits_cells, error,
                            "must be at least three times the ids of all kinds (%ju): their totals "
                            "for all time, today and tomorrow are always in memory",
                            (uintmax_t)ids);
    return 0;
}

static int check_auth(const struct config *config, struct error *error)
{
    if (config->auth_keys.count > 0 && config->auth_mode == CONFIG_AUTH_NONE)
        return config_fault(config, CONFIG_KEY_auth_mode, error,
                            "none lets everybody in, which contradicts auth.keys");
    if (config->auth_keys.count == 0 && config->auth_public_topics.count > 0)
        return config_fault(config, CONFIG_KEY_auth_public_topics, error,
                            "needs auth.keys: without keys every topic is public");
    return 0;
}

static int check_tls(const struct config *config, struct error *error)
{
    if (config->tls_certificate.text[0])
        return 0;
    if (config->tls_key.text[0])
        return config_fault(config, CONFIG_KEY_tls_key, error, "needs tls.certificate");
    if (config->tls_client_ca.text[0])
        return config_fault(config, CONFIG_KEY_tls_client_ca, error, "needs tls.certificate");
    for (uint32_t i = 0; i < config->listen_address.count; i++) {
        const char *address = config->listen_address.items[i].text;
        char where[CONFIG_TEXT_BYTES];
        uint32_t traits = 0;
        if (listen_split(address, where, sizeof(where), &traits, error))
            return ERROR_INVALID;
        if (traits & LISTEN_TLS)
            return config_fault(config, CONFIG_KEY_listen_address, error,
                                "%s speaks TLS, which needs tls.certificate and tls.key", where);
    }
    return 0;
}

int config_check(const struct config *config, struct error *error)
{
    int code = check_retention(config, error);
    if (code == 0)
        code = check_redis(config, error);
    if (code == 0)
        code = check_limits(config, error);
    if (code == 0)
        code = check_auth(config, error);
    if (code == 0)
        code = check_tls(config, error);
    return code;
}
