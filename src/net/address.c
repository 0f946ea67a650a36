/*
 * Addresses to listen on, as people write them: HOST:PORT, [IPV6]:PORT, *:PORT, unix:PATH, and
 * words after it (livetally/listen.h).
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "livetally/listen.h"
#include "livetally/server.h"
#include "net.h"

static bool port_ok(const char *text)
{
    uint32_t port = 0;
    size_t i;

    for (i = 0; text[i]; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 5)
            return false;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    return i > 0 && port <= UINT16_MAX;
}

static int split_unix(const char *path, struct address_parts *ret_parts, struct error *error)
{
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof(ret_parts->path))
        return error_set(error, ERROR_INVALID, "unix:PATH needs a path of 1 to %zu bytes",
                         sizeof(ret_parts->path) - 1);
    memset(ret_parts, 0, sizeof(*ret_parts));
    ret_parts->unix_socket = true;
    memcpy(ret_parts->path, path, size + 1);
    return 0;
}

static int split_where(const char *address, struct address_parts *ret_parts, struct error *error)
{
    const char *colon = strrchr(address, ':');
    const char *host = address;
    size_t host_size;

    if (strncmp(address, "unix:", 5) == 0)
        return split_unix(address + 5, ret_parts, error);
    if (!colon || !port_ok(colon + 1))
        return error_set(error, ERROR_INVALID,
                         "\"%s\" is not an address: expected HOST:PORT or unix:PATH", address);
    host_size = (size_t)(colon - address);
    if (host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']') {
        host++;
        host_size -= 2;
    } else if (memchr(host, ':', host_size)) {
        return error_set(error, ERROR_INVALID, "\"%s\": write an IPv6 address as [ADDRESS]:PORT",
                         address);
    } else if (host_size == 1 && host[0] == '*') {
        host_size = 0;
    }
    if (host_size >= sizeof(ret_parts->host))
        return error_set(error, ERROR_INVALID, "the host name in \"%s\" is too long", address);
    memset(ret_parts, 0, sizeof(*ret_parts));
    memcpy(ret_parts->host, host, host_size);
    memcpy(ret_parts->port, colon + 1, strlen(colon + 1) + 1);
    return 0;
}

int address_split(const char *address, struct address_parts *ret_parts, struct error *error)
{
    char where[sizeof(ret_parts->host) + 16]; /* with brackets and port */
    uint32_t traits;
    int result = listen_split(address, where, sizeof(where), &traits, error);

    if (!result)
        result = split_where(where, ret_parts, error);
    if (!result)
        ret_parts->traits = traits;
    return result;
}

int address_resolve(const struct address_parts *parts, struct addrinfo **ret_list,
                    struct error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int result = getaddrinfo(parts->host[0] ? parts->host : NULL, parts->port, &hints, ret_list);

    if (result)
        return error_set(error, ERROR_NOT_FOUND, "can't resolve \"%s\": %s", parts->host,
                         gai_strerror(result));
    return 0;
}

bool address_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_UNIX)
        return true;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof(in6));
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) && in6.sin6_addr.s6_addr[12] == 127);
    }
    return false;
}

struct ip address_ip(const struct sockaddr *address)
{
    struct ip ip = {.kind = IP_UNKNOWN};
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (address->sa_family == AF_UNIX) {
        ip.kind = IP_LOCAL;
    } else if (address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof(in));
        ip = ip_of_v4((const uint8_t *)&in.sin_addr);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&in6, address, sizeof(in6));
        ip = ip_of_v6(in6.sin6_addr.s6_addr);
    }
    return ip;
}

int server_address_is_local(const char *address, bool *ret_local, struct error *error)
{
    struct address_parts parts = {.unix_socket = false};
    struct addrinfo *list;
    bool local = true;
    int result = address_split(address, &parts, error);

    if (result)
        return result;
    if (!parts.unix_socket) {
        result = address_resolve(&parts, &list, error);
        if (result)
            return result;
        for (struct addrinfo *at = list; at; at = at->ai_next)
            local = local && address_is_loopback(at->ai_addr);
        freeaddrinfo(list);
    }
    *ret_local = local;
    return 0;
}
