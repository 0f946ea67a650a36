/*
 * URLs of the server. The port after ws:// and http:// defaults to 80 as everywhere, after wss://
 * and https:// to 443; without a scheme it must be given, which is also what tells an address from
 * a file name.
 */
#include "url.h"

#include <stdio.h>
#include <string.h>

#include "livetally/slice.h"

#define DEFAULT_PORT     80
#define DEFAULT_TLS_PORT 443
#define TLS_SOCKET       "unix+tls:"

static bool strip_prefix(const char **text, const char *prefix)
{
    size_t size = strlen(prefix);
    if (strncmp(*text, prefix, size) != 0) {
        return false;
    }
    *text += size;
    return true;
}

static bool parse_port(struct slice text, int *ret_port)
{
    int port = 0;
    if (text.size == 0 || text.size > 5) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        port = port * 10 + (text.data[i] - '0');
    }
    if (port < 1 || port > 65535) {
        return false;
    }
    *ret_port = port;
    return true;
}

/* "HOST", "HOST:PORT", "[ADDRESS]" or "[ADDRESS]:PORT". port stays as it is when none is given. */
static int parse_authority(struct slice text, struct url *url, struct error *error)
{
    struct slice host = text;
    size_t after_host;
    const char *colon;
    if (text.size > 0 && text.data[0] == '[') {
        const char *close = memchr(text.data, ']', text.size);
        if (!close) {
            return error_set(error, ERROR_INVALID, "an IPv6 address is written [ADDRESS]:PORT");
        }
        host = (struct slice){text.data + 1, (size_t)(close - text.data) - 1};
        after_host = host.size + 2;
    } else {
        colon = text.size > 0 ? memchr(text.data, ':', text.size) : NULL;
        host.size = colon ? (size_t)(colon - text.data) : text.size;
        after_host = host.size;
    }
    if (host.size == 0 || host.size >= sizeof(url->host)) {
        return error_set(error, ERROR_INVALID, "the URL has no host");
    }
    if (after_host < text.size) {
        struct slice port = {text.data + after_host + 1, text.size - after_host - 1};
        if (text.data[after_host] != ':' || !parse_port(port, &url->port)) {
            return error_set(error, ERROR_INVALID, "\"%.*s\" is not a port (1 … 65535)",
                             SLICE_ARG(port));
        }
    }
    memcpy(url->host, host.data, host.size);
    url->host[host.size] = '\0';
    return 0;
}

static size_t without_slashes(const char *path, size_t size)
{
    while (size > 0 && path[size - 1] == '/') {
        size--;
    }
    return size;
}

static int parse_base(const char *path, struct url *url, struct error *error)
{
    static const char *const own[] = {"/v1/ingest", "/v1/live", "/v1/events", "/v1/totals"};
    size_t size = without_slashes(path, strcspn(path, "?#"));
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        size_t suffix = strlen(own[i]);
        if (size >= suffix && memcmp(path + size - suffix, own[i], suffix) == 0) {
            size -= suffix;
            break;
        }
    }
    size = without_slashes(path, size);
    if (size >= sizeof(url->base)) {
        return error_set(error, ERROR_INVALID, "the URL's path is too long");
    }
    memcpy(url->base, path, size);
    url->base[size] = '\0';
    return 0;
}

static int parse_socket(const char *path, struct url *url, struct error *error)
{
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof(url->socket)) {
        return error_set(error, ERROR_INVALID, "the path of a Unix socket has 1 to %zu bytes",
                         sizeof(url->socket) - 1);
    }
    memcpy(url->socket, path, size + 1);
    return 0;
}

int url_parse(const char *text, struct url *ret_url, struct error *error)
{
    struct url url = {.port = 0};
    const char *at = text;
    int status;
    for (const char *byte = text; *byte; byte++) {
        if ((unsigned char)*byte <= ' ' || *byte == 127) {
            return error_set(error, ERROR_INVALID, "the URL has a blank or control character");
        }
    }
    url.tls = strip_prefix(&at, TLS_SOCKET);
    if (url.tls || strip_prefix(&at, "unix:")) {
        status = parse_socket(at, &url, error);
    } else {
        url.tls = strip_prefix(&at, "wss://") || strip_prefix(&at, "https://");
        bool scheme = url.tls || strip_prefix(&at, "ws://") || strip_prefix(&at, "http://");
        url.port = url.tls ? DEFAULT_TLS_PORT : DEFAULT_PORT;
        size_t size = strcspn(at, "/?#");
        bool other_scheme = strncmp(at + size, "//", 2) == 0;
        if (!scheme && (other_scheme || !memchr(at, ':', size))) {
            return error_set(error, ERROR_INVALID,
                             "\"%.64s\" is not a URL: write ws://HOST:PORT or unix:PATH", text);
        }
        status = parse_authority((struct slice){at, size}, &url, error);
        status = status < 0 ? status : parse_base(at + size, &url, error);
    }
    if (status < 0) {
        return status;
    }
    *ret_url = url;
    return 0;
}

bool url_looks_like(const char *text)
{
    const char *colon = strrchr(text, ':');
    int port;
    if (strstr(text, "://") || strncmp(text, "unix:", 5) == 0 ||
        strncmp(text, TLS_SOCKET, strlen(TLS_SOCKET)) == 0) {
        return true;
    }
    return colon && colon != text && !strpbrk(text, "/ ") && parse_port(slice_of(colon + 1), &port);
}

void url_describe(const struct url *url, char *out, size_t size)
{
    if (url->socket[0] != '\0') {
        snprintf(out, size, "unix%s:%s", url->tls ? "+tls" : "", url->socket);
        return;
    }
    bool ipv6 = strchr(url->host, ':') != NULL;
    snprintf(out, size, "%s://%s%s%s:%d%s", url->tls ? "wss" : "ws", ipv6 ? "[" : "", url->host,
             ipv6 ? "]" : "", url->port, url->base);
}
