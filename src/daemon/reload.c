/*
 * Reloading; see reload.h.
 */
#include "reload.h"

#include <stdlib.h>
#include <string.h>

#include "config_table.h"
#include "livetally/listen.h"
#include "livetally/mem.h"
#include "options.h"

static const enum config_key reloadable[] = {
    CONFIG_KEY_auth_mode,
    CONFIG_KEY_auth_keys,
    CONFIG_KEY_auth_public_topics,
    CONFIG_KEY_auth_origins,
    CONFIG_KEY_auth_url_hours,
    CONFIG_KEY_log_level,
    CONFIG_KEY_listen_trusted_proxies,
    CONFIG_KEY_limits_message_bytes,
    CONFIG_KEY_limits_window_events,
    CONFIG_KEY_limits_window_bytes,
    CONFIG_KEY_limits_waiting_bytes,
    CONFIG_KEY_limits_assembly_bytes,
    CONFIG_KEY_limits_send_queue_bytes,
    CONFIG_KEY_limits_connections,
    CONFIG_KEY_limits_connections_per_address,
    CONFIG_KEY_limits_connections_per_token,
    CONFIG_KEY_limits_messages_per_s,
    CONFIG_KEY_limits_bytes_per_s,
    CONFIG_KEY_limits_token_messages_per_s,
    CONFIG_KEY_limits_token_bytes_per_s,
    CONFIG_KEY_limits_burst_ms,
    CONFIG_KEY_limits_rate_close_ms,
    CONFIG_KEY_limits_message_ms,
    CONFIG_KEY_limits_topics,
    CONFIG_KEY_limits_topics_per_viewer,
    CONFIG_KEY_limits_ping_idle_ms,
    CONFIG_KEY_limits_ping_wait_ms,
    CONFIG_KEY_limits_handshake_ms,
    CONFIG_KEY_limits_auth_ms,
    CONFIG_KEY_limits_post_wait_ms,
    CONFIG_KEY_limits_shutdown_ms,
    CONFIG_KEY_tls_certificate,
    CONFIG_KEY_tls_key,
    CONFIG_KEY_tls_client_ca,
    CONFIG_KEY_tls_min_version,
};

static bool is_reloadable(enum config_key key)
{
    for (size_t i = 0; i < sizeof(reloadable) / sizeof(reloadable[0]); i++)
        if (reloadable[i] == key)
            return true;
    return false;
}

static const void *value_of(const struct config *config, enum config_key key)
{
    return (const char *)config + config_rows[key].offset;
}

static bool is_same(const struct config *a, const struct config *b, enum config_key key)
{
    const struct config_list *list = value_of(a, key);
    const struct config_list *other = value_of(b, key);
    bool same;
    switch (config_rows[key].kind) {
    case CONFIG_TEXT:
        return strcmp(value_of(a, key), value_of(b, key)) == 0;
    case CONFIG_LIST:
        same = list->count == other->count;
        for (uint32_t i = 0; same && i < list->count; i++)
            same = strcmp(list->items[i].text, other->items[i].text) == 0;
        return same;
    default:
        return *(const uint32_t *)value_of(a, key) == *(const uint32_t *)value_of(b, key);
    }
}

/* What can be taken over is; the names of changed keys that can't be are appended. */
static void take_config(struct config *config, const struct config *next, struct buffer *waiting)
{
    static const size_t sizes[] = {
        [CONFIG_NUMBER] = sizeof(uint32_t),
        [CONFIG_TEXT] = sizeof(struct config_text),
        [CONFIG_CHOICE] = sizeof(uint32_t),
        [CONFIG_LIST] = sizeof(struct config_list),
    };
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        enum config_key key = (enum config_key)i;
        const struct config_row *row = &config_rows[key];
        if (is_reloadable(key)) {
            memcpy((char *)config + row->offset, value_of(next, key), sizes[row->kind]);
            config->origin[key] = next->origin[key];
        } else if (!is_same(config, next, key)) {
            buffer_printf(waiting, "%s%s.%s", waiting->size ? ", " : "", row->section, row->name);
        }
    }
}

/* What we listen on now, which may be other than what the file says. */
static int check_listeners(const struct daemon *daemon, const struct settings *next,
                           struct error *error)
{
    bool open = !gate_has_keys(&next->gate) && next->config->auth_mode != CONFIG_AUTH_NONE;
    for (uint32_t i = 0; i < server_listener_count(daemon->server); i++) {
        if (!next->certificate.tls && (server_listener_traits(daemon->server, i) & LISTEN_TLS))
            return config_fault(next->config, CONFIG_KEY_tls_certificate, error, "%s needs one",
                                server_listener_url(daemon->server, i));
        if (open && !server_listener_local(daemon->server, i))
            return config_fault(next->config, CONFIG_KEY_auth_keys, error,
                                "without keys anyone could post orders to %s, which can be reached "
                                "from the network",
                                server_listener_url(daemon->server, i));
    }
    return 0;
}

static int prepare(const struct daemon *daemon, struct config *config, struct settings *settings,
                   struct error *error)
{
    enum options_action action;
    config_init(config);
    int code = options_parse(daemon->argc, daemon->argv, config, &action, error);
    if (code)
        return code;
    code = settings_init(settings, config, error);
    if (code)
        return code;
    code = check_listeners(daemon, settings, error);
    if (code)
        settings_done(settings);
    return code;
}

/* More connections than there is room for since the start have to wait for another one. */
static void take_limits(struct daemon *daemon, const struct settings *next, bool changed,
                        struct buffer *waiting)
{
    uint32_t most;
    hub_set_limits(daemon->hub, next->hub.max_topics_per_viewer, next->hub.max_topics);
    if (!server_set_limits(daemon->server, &next->server, &most) && changed)
        buffer_printf(waiting, "%slimits.connections (%u until then)", waiting->size ? ", " : "",
                      most);
}

static void take(struct daemon *daemon, const struct config *config, struct settings *settings)
{
    struct buffer waiting = BUFFER_INIT;
    struct buffer keys = BUFFER_INIT;
    bool changed = !is_same(daemon->config, config, CONFIG_KEY_limits_connections);
    take_config(daemon->config, config, &waiting);
    take_limits(daemon, settings, changed, &waiting);
    gate_replace(&daemon->settings.gate, &settings->gate);
    certificate_replace(daemon, &settings->certificate);
    daemon->log.level = (enum log_level)daemon->config->log_level;
    uint32_t closed = server_review(daemon->server);
    if (gate_has_keys(&daemon->settings.gate))
        gate_describe(&daemon->settings.gate, &keys);
    else
        buffer_append_text(&keys, "no tokens are asked for");
    log_print(&daemon->log, LOG_LEVEL_NOTICE, "configuration reloaded closed_connections=%u: %s",
              closed, buffer_cstr(&keys));
    if (waiting.size)
        log_print(&daemon->log, LOG_LEVEL_WARNING, "changed, but only a restart applies it: %s",
                  buffer_cstr(&waiting));
    certificate_report(daemon);
    daemon->stats.reloads++;
    buffer_done(&keys);
    buffer_done(&waiting);
}

void reload_run(struct daemon *daemon)
{
    struct error error;
    struct config *config = mem_alloc(sizeof(*config));
    struct settings *settings = mem_zalloc(sizeof(*settings));
    bool serving = daemon->phase == PHASE_SERVING; /* else READY would be a lie */
    if (serving)
        service_reloading(&daemon->service);
    if (prepare(daemon, config, settings, &error)) {
        log_print(&daemon->log, LOG_LEVEL_ERROR, "not reloaded, nothing has changed: %s",
                  error.text);
        daemon->stats.reload_failures++;
        if (settings->certificate.refused)
            certificate_refuse(daemon, &settings->certificate);
    } else {
        take(daemon, config, settings);
        settings_done(settings);
    }
    if (serving)
        service_ready(&daemon->service);
    free(settings);
    free(config);
}
