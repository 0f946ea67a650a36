/*
 * The certificate in force; see certificate.h.
 */
#include "certificate.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon_private.h"

#define LOOK_MS 1000

static const enum config_key file_keys[CERTIFICATE_FILES] = {
    [TLS_FILE_CERTIFICATE] = CONFIG_KEY_tls_certificate,
    [TLS_FILE_KEY] = CONFIG_KEY_tls_key,
    [TLS_FILE_CLIENT_CA] = CONFIG_KEY_tls_client_ca,
};

static void look(const struct config *config, struct file_mark marks[CERTIFICATE_FILES])
{
    const char *const paths[CERTIFICATE_FILES] = {
        [TLS_FILE_CERTIFICATE] = config->tls_certificate.text,
        [TLS_FILE_KEY] = config->tls_key.text,
        [TLS_FILE_CLIENT_CA] = config->tls_client_ca.text,
    };
    memset(marks, 0, CERTIFICATE_FILES * sizeof(marks[0]));
    for (int i = 0; i < CERTIFICATE_FILES; i++) {
        struct stat status;
        if (!paths[i][0] || stat(paths[i], &status) != 0)
            continue;
        marks[i].device = status.st_dev;
        marks[i].inode = status.st_ino;
        marks[i].size = status.st_size;
        marks[i].changed = status.st_ctim;
    }
}

static bool same_marks(const struct file_mark *a, const struct file_mark *b)
{
    bool same = true;
    for (int i = 0; same && i < CERTIFICATE_FILES; i++)
        same = a[i].device == b[i].device && a[i].inode == b[i].inode && a[i].size == b[i].size &&
               a[i].changed.tv_sec == b[i].changed.tv_sec &&
               a[i].changed.tv_nsec == b[i].changed.tv_nsec;
    return same;
}

int certificate_load(const struct config *config, struct certificate *certificate,
                     struct error *error)
{
    const struct tls_files files = {
        .certificate = config->tls_certificate.text,
        .key = config->tls_key.text,
        .client_ca = config->tls_client_ca.text,
    };
    struct error detail = {0};
    enum tls_file at;
    memset(certificate, 0, sizeof(*certificate));
    look(config, certificate->marks);
    if (!files.certificate[0] || tls_load(&files, config->tls_min_version == CONFIG_TLS_13,
                                          &certificate->tls, &at, &detail) == 0)
        return 0;
    certificate->refused = true;
    return config_fault(config, file_keys[at], error, "%s", detail.text);
}

void certificate_done(struct certificate *certificate)
{
    tls_free(certificate->tls);
    certificate->tls = NULL;
}

void certificate_replace(struct daemon *daemon, struct certificate *next)
{
    struct certificate before = daemon->settings.certificate;
    daemon->settings.certificate = *next;
    *next = before;
    server_use_tls(daemon->server, daemon->settings.certificate.tls);
}

void certificate_report(struct daemon *daemon)
{
    const struct tls *tls = daemon->settings.certificate.tls;
    struct buffer text = BUFFER_INIT;
    int64_t now_s = clock_wall_ms(&clock_system) / 1000;
    daemon->stats.tls_certificate_ends_s = tls ? tls_ends_s(tls) : 0;
    if (!tls)
        return;
    tls_describe(tls, &text);
    log_print(&daemon->log, LOG_LEVEL_NOTICE, "TLS %s", buffer_cstr(&text));
    if (tls_key_is_exposed(tls))
        log_print(&daemon->log, LOG_LEVEL_WARNING,
                  "the TLS key can be read or written by every user of this machine: chmod o-rw");
    if (tls_ends_s(tls) <= now_s || tls_begins_s(tls) > now_s)
        log_print(&daemon->log, LOG_LEVEL_WARNING, "the TLS certificate %s",
                  tls_begins_s(tls) > now_s ? "is not valid yet" : "has expired");
    buffer_done(&text);
}

void certificate_refuse(struct daemon *daemon, const struct certificate *refused)
{
    struct file_mark marks[CERTIFICATE_FILES];
    daemon->stats.tls_load_failures++;
    look(daemon->config, marks);
    if (same_marks(marks, refused->marks)) /* else they are other files than the watch looks at */
        memcpy(daemon->settings.certificate.marks, marks, sizeof(marks));
}

static void on_look(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    struct certificate *current = &daemon->settings.certificate;
    struct file_mark marks[CERTIFICATE_FILES];
    struct certificate next;
    struct error error;
    if (daemon->phase == PHASE_STOPPING || !daemon->server)
        return;
    look(daemon->config, marks);
    bool settled = same_marks(marks, daemon->seen_marks);
    memcpy(daemon->seen_marks, marks, sizeof(marks));
    if (!settled || same_marks(marks, current->marks))
        return;
    if (certificate_load(daemon->config, &next, &error)) {
        log_print(&daemon->log, LOG_LEVEL_ERROR,
                  "the TLS certificate has changed and can't be used, the old one stays: %s",
                  error.text);
        certificate_refuse(daemon, &next);
        return;
    }
    certificate_replace(daemon, &next);
    certificate_done(&next);
    daemon->stats.tls_loads++;
    certificate_report(daemon);
}

void certificate_watch(struct daemon *daemon)
{
    (void)uv_timer_init(&daemon->loop, &daemon->certificate_timer);
    daemon->certificate_timer.data = daemon;
    uv_unref((uv_handle_t *)&daemon->certificate_timer);
    (void)uv_timer_start(&daemon->certificate_timer, on_look, LOOK_MS, LOOK_MS);
}

void certificate_unwatch(struct daemon *daemon)
{
    uv_close((uv_handle_t *)&daemon->certificate_timer, NULL);
}
