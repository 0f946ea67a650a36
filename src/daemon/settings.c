/*
 * Settings of every part, made from the configuration; see settings.h.
 */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "livetally/version.h"

#define COUNTY_FILE_BYTES     ((size_t)4 << 20)
#define PASSWORD_FILE_BYTES   4096
#define FUTURE_MS             INT64_C(300000) /* PROTOCOL: more than 5 min ahead is time_in_future */
#define PUSH_SLICE            256 /* viewers served before the loop sees to sockets again */
#define SUBSCRIBES_PER_SECOND 20  /* PROTOCOL */

/* An error of another module about a value, with the place the value came from in front. */
static int blame(const struct config *config, enum config_key key, const struct error *detail,
                 struct error *error)
{
    return config_fault(config, key, error, "%s", detail->text);
}

static int read_counties(struct settings *settings, struct error *error)
{
    const struct config *config = settings->config;
    const char *aliases_path = config->data_county_alias_file.text;
    struct buffer counties = BUFFER_INIT;
    struct buffer aliases = BUFFER_INIT;
    struct error detail = {0};
    int code = 0;
    if (!config->data_county_file.text[0])
        return 0;
    if (file_read(config->data_county_file.text, COUNTY_FILE_BYTES, &counties, &detail)) {
        code = blame(config, CONFIG_KEY_data_county_file, &detail, error);
        goto out;
    }
    if (aliases_path[0] && file_read(aliases_path, COUNTY_FILE_BYTES, &aliases, &detail)) {
        code = blame(config, CONFIG_KEY_data_county_alias_file, &detail, error);
        goto out;
    }
    struct slice alias_text = aliases_path[0] ? buffer_slice(&aliases) : (struct slice){NULL, 0};
    if (county_list_parse(buffer_slice(&counties), alias_text, &settings->counties, &detail) ||
        county_names_parse(buffer_slice(&counties), &settings->county_names, &detail))
        code = blame(config, CONFIG_KEY_data_county_file, &detail, error);
out:
    buffer_done(&counties);
    buffer_done(&aliases);
    return code;
}

static int read_password(const struct config *config, struct redis_target *target,
                         struct error *error)
{
    struct buffer text = BUFFER_INIT;
    struct error detail = {0};
    int code = 0;
    if (!config->redis_password_file.text[0])
        return 0;
    if (file_read(config->redis_password_file.text, PASSWORD_FILE_BYTES, &text, &detail)) {
        code = blame(config, CONFIG_KEY_redis_password_file, &detail, error);
    } else {
        const char *line = buffer_cstr(&text);
        size_t size = strcspn(line, "\r\n");
        if (size == 0 || size >= sizeof(target->password))
            code = config_fault(config, CONFIG_KEY_redis_password_file, error,
                                "its first line must be a password of 1 to %zu bytes",
                                sizeof(target->password) - 1);
        else
            memcpy(target->password, line, size);
        target->password[code ? 0 : size] = '\0';
    }
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    buffer_done(&text);
    return code;
}

static int set_redis(struct settings *settings, struct error *error)
{
    const struct config *config = settings->config;
    struct redis_link_options *redis = &settings->partition.redis;
    struct error detail = {0};
    redis->connect_timeout_ms = config->redis_connect_timeout_ms;
    redis->reply_timeout_ms = config->redis_reply_timeout_ms;
    redis->backoff_min_ms = config->redis_backoff_min_ms;
    redis->backoff_max_ms = config->redis_backoff_max_ms;
    settings->embedded_redis = strcmp(config->redis_url.text, "embedded") == 0;
    if (settings->embedded_redis)
        return 0;
    if (redis_target_parse(config->redis_url.text, &redis->target, &detail))
        return blame(config, CONFIG_KEY_redis_url, &detail, error);
    return read_password(config, &redis->target, error);
}

static int set_partition(struct settings *settings, struct error *error)
{
    const struct config *config = settings->config;
    struct partition_options *partition = &settings->partition;
    memcpy(partition->prefix, config->redis_prefix.text, sizeof(partition->prefix) - 1);
    memcpy(partition->currency, config->data_currency.text, sizeof(partition->currency) - 1);
    partition->lease_ms = config->redis_lease_ms;
    partition->poll_ms = config->redis_poll_ms;
    partition->checkpoint_ms = config->redis_checkpoint_ms;
    partition->seal_after_days = config->redis_seal_after_days;
    partition->feed_keep_ms = config->redis_feed_keep_ms;
    partition->max_ids[DIMENSION_HOST] = config->limits_hosts;
    partition->max_ids[DIMENSION_COUNTY] = config->limits_counties;
    partition->max_ids[DIMENSION_PRODUCT] = config->limits_products;
    partition->max_ids[DIMENSION_SESSION] = config->limits_sessions;
    partition->max_ids[DIMENSION_PLATFORM] = config->limits_platforms;
    partition->max_catalog = config->limits_catalog_entries;
    partition->max_cells = config->limits_cells;
    partition->cached_orders = config->limits_cached_orders;
    partition->known_orders = config->limits_known_orders;
    partition->day_keep_days = config->data_day_keep_days;
    partition->minute_keep_hours = config->data_minute_keep_hours;
    partition->generation_ms = config->data_generation_days * DAY_MS;
    if (config_parse_durability(config->redis_durability.text, &partition->replicas))
        return config_fault(config, CONFIG_KEY_redis_durability, error, "not understood");
    if (calendar_parse_offset(slice_of(config->data_time_zone.text),
                              &partition->calendar.offset_minutes))
        return config_fault(config, CONFIG_KEY_data_time_zone, error, "not understood");
    return 0;
}

static void set_server(struct settings *settings)
{
    const struct config *config = settings->config;
    settings->rules = (struct event_rules){
        .counties = settings->counties,
        .future_ms = FUTURE_MS,
        .keep_ms = config->data_order_keep_days * DAY_MS,
        .message_events = config->limits_batch_events,
    };
    memcpy(settings->rules.currency, config->data_currency.text, sizeof(settings->rules.currency));
    settings->server = (struct server_options){
        .message_bytes = config->limits_message_bytes,
        .batch_events = config->limits_batch_events,
        .window_events = config->limits_window_events,
        .window_bytes = config->limits_window_bytes,
        .waiting_bytes = config->limits_waiting_bytes,
        .assembly_bytes = config->limits_assembly_bytes,
        .send_queue_bytes = config->limits_send_queue_bytes,
        .max_connections = config->limits_connections,
        .max_per_address = config->limits_connections_per_address,
        .max_per_token = config->limits_connections_per_token,
        .rate = {config->limits_messages_per_s, config->limits_bytes_per_s,
                 config->limits_burst_ms},
        .token_rate = {config->limits_token_messages_per_s, config->limits_token_bytes_per_s,
                       config->limits_burst_ms},
        .rate_close_ms = config->limits_rate_close_ms,
        .message_ms = config->limits_message_ms,
        .max_topics = config->limits_topics_per_viewer,
        .ping_idle_ms = config->limits_ping_idle_ms,
        .ping_wait_ms = config->limits_ping_wait_ms,
        .handshake_ms = config->limits_handshake_ms,
        .auth_ms = config->limits_auth_ms,
        .post_wait_ms = config->limits_post_wait_ms,
        .rules = &settings->rules,
        .tls = settings->certificate.tls,
        .counties = &settings->county_page.asset,
        .version = "livetally/" LIVETALLY_VERSION,
        .day_offset_minutes = settings->partition.calendar.offset_minutes,
    };
    for (uint32_t i = 0; i < config->listen_trusted_proxies.count; i++)
        if (ip_net_parse(slice_of(config->listen_trusted_proxies.items[i].text),
                         &settings->server.trusted[settings->server.trusted_count]))
            settings->server.trusted_count++;
    settings->hub = (struct hub_options){
        .max_topics_per_viewer = config->limits_topics_per_viewer,
        .max_topics = config->limits_topics,
        .push_slice = PUSH_SLICE,
        .subscribes_per_second = SUBSCRIBES_PER_SECOND,
    };
}

static int check_addresses(const struct settings *settings, struct error *error)
{
    const struct config *config = settings->config;
    for (uint32_t i = 0; i < config->listen_address.count; i++) {
        const char *address = config->listen_address.items[i].text;
        struct error detail = {0};
        bool local = false;
        if (server_address_is_local(address, &local, &detail))
            return blame(config, CONFIG_KEY_listen_address, &detail, error);
        if (!local && !gate_has_keys(&settings->gate) && config->auth_mode != CONFIG_AUTH_NONE)
            return config_fault(config, CONFIG_KEY_listen_address, error,
                                "%s can be reached from the network, where anyone could post "
                                "orders, as there are no tokens to check: set auth.keys, listen on "
                                "loopback or a Unix socket, or allow it by auth.mode=none",
                                address);
    }
    return 0;
}

int settings_init(struct settings *settings, const struct config *config, struct error *error)
{
    memset(settings, 0, sizeof(*settings));
    settings->config = config;
    int code = set_redis(settings, error);
    if (code == 0)
        code = set_partition(settings, error);
    if (code == 0)
        code = gate_init(&settings->gate, config, error);
    if (code == 0)
        code = certificate_load(config, &settings->certificate, error);
    if (code == 0)
        code = check_addresses(settings, error);
    if (code == 0)
        code = read_counties(settings, error);
    if (code == 0) {
        settings->partition.county_names = settings->county_names;
        settings->partition.counties = settings->counties;
        county_page_init(&settings->county_page, settings->county_names);
        set_server(settings);
    } else {
        struct certificate tried = settings->certificate;
        settings_done(settings);
        if (tried.refused)
            settings->certificate = tried;
    }
    return code;
}

void settings_done(struct settings *settings)
{
    county_page_done(&settings->county_page);
    county_names_free(settings->county_names);
    county_list_free(settings->counties);
    gate_done(&settings->gate);
    certificate_done(&settings->certificate);
    explicit_bzero(settings->partition.redis.target.password,
                   sizeof(settings->partition.redis.target.password));
    memset(settings, 0, sizeof(*settings));
}
