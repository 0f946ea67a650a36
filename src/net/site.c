/*
 * Whose page asks. A browser says which site a page came from (Origin), and by which name it found
 * us (Host); other programs say what they like, so all this only keeps browsers from being used.
 *
 * A daemon that asks for no token is guarded by nothing but its address. If that is loopback, every
 * page that is open on this machine can reach it. So then only pages of this machine get in, and
 * those of sites that are listed. Their names are no proof: somebody can make a name of his own
 * point to 127.0.0.1 once his page is loaded (DNS rebinding), and Host and Origin agree. So the
 * name has to be one that nobody else can own: an address, localhost, or without a dot.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "net.h"

#define SITE_BYTES 512
#define NAME_BYTES 256

/* Without the port, and the brackets of IPv6. */
static bool read_name(const char *authority, char name[NAME_BYTES])
{
    bool bracket = authority[0] == '[';
    const char *start = bracket ? authority + 1 : authority;
    size_t size = strcspn(start, bracket ? "]" : ":");
    const char *rest = start + size + (bracket && start[size] ? 1 : 0);

    if (size >= NAME_BYTES || (*rest && *rest != ':'))
        return false;
    memcpy(name, start, size);
    name[size] = '\0';
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcasecmp(text + size - end_size, end) == 0;
}

/* HOST or HOST:PORT that can't be the name of a stranger's site. */
static bool is_at_home(const char *authority)
{
    char name[NAME_BYTES];
    struct in6_addr address;

    if (!read_name(authority, name))
        return false;
    return !strchr(name, '.') || ends_with(name, ".localhost") ||
           inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

/* By TCP, to an address that only this machine has. */
static bool came_to_loopback(const struct connection *connection)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof(address);

    return getsockname(lws_get_socket_fd(connection->wsi), (struct sockaddr *)&address, &size) ==
               0 &&
           (address.ss_family == AF_INET || address.ss_family == AF_INET6) &&
           address_is_loopback((const struct sockaddr *)&address);
}

static bool is_listed(const struct server_ops *ops, const char *scheme, const char *host)
{
    char site[sizeof("https://") + SITE_BYTES];

    (void)snprintf(site, sizeof(site), "%s%s", scheme, host);
    return ops->find_origin(ops->context, site) == ORIGIN_LISTED;
}

bool site_is_foreign(const struct connection *connection)
{
    char host[SITE_BYTES];

    if (!came_to_loopback(connection))
        return false;
    if (!lws_hdr_total_length(connection->wsi, WSI_TOKEN_HOST))
        return false; /* HTTP/1.0: not a browser */
    if (lws_hdr_copy(connection->wsi, host, sizeof(host), WSI_TOKEN_HOST) < 0)
        return true;
    return !is_at_home(host) && !is_listed(&connection->server->ops, "https://", host) &&
           !is_listed(&connection->server->ops, "http://", host);
}

bool site_ok(const struct connection *connection)
{
    return !auth_is_open(connection->server) || !site_is_foreign(connection);
}

/* While no site is listed. */
static bool may_watch(const struct connection *connection, const char *site)
{
    return !auth_is_open(connection->server) || !came_to_loopback(connection) ||
           (site && is_at_home(site));
}

bool origin_ok(const struct connection *connection, enum connection_kind kind)
{
    const struct server_ops *ops = &connection->server->ops;
    struct lws *wsi = connection->wsi;
    char origin[SITE_BYTES];
    char host[SITE_BYTES];
    const char *site;

    if (!lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN))
        return true;
    if (lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN) <= 0 ||
        lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) <= 0)
        return false;
    site = strstr(origin, "://");
    if (site)
        site += strlen("://");
    if (site && strcasecmp(site, host) == 0)
        return true;
    switch (ops->find_origin(ops->context, origin)) {
    case ORIGIN_LISTED:
        return true;
    case ORIGIN_NONE_LISTED:
        return kind == KIND_LIVE && may_watch(connection, site);
    default:
        return false;
    }
}
