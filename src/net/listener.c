/*
 * Our own listening sockets: libwebsockets can neither share a port nor take a socket that systemd
 * opened. A uv_poll watches each; what is accepted goes to lws ready made.
 *
 * Running out of descriptors must not leave the poll spinning on a connection that can't be
 * accepted: one descriptor is held in reserve, given up to accept and drop it, and taken again.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "livetally/mem.h"
#include "livetally/server.h"
#include "net.h"

#define BACKLOG          1024
#define ACCEPTS_PER_TURN 64
/* A peer that takes nothing of what we sent for so long is gone. */
#define UNACKED_MS 120000

union any_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

static void drop_one(struct server *server, int fd)
{
    int dropped;

    if (server->reserve_fd >= 0)
        (void)close(server->reserve_fd);
    dropped = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (dropped >= 0)
        (void)close(dropped);
    server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server->stats->connections_refused[REFUSAL_DESCRIPTORS]++;
}

static void prepare_tcp(int fd)
{
    int one = 1;
    unsigned int unacked_ms = UNACKED_MS;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
}

void listener_take(struct listener *listener, int fd, const struct ip *peer, bool proxied)
{
    struct server *server = listener->server;
    struct connection *connection;

    if (!peer_is_welcome(server, peer)) {
        (void)close(fd);
        server->stats->connections_refused[REFUSAL_ADDRESS]++;
        return;
    }
    connection = context_adopt(listener, fd, peer);
    if (connection)
        connection->proxied = proxied;
}

static void admit(struct listener *listener, int fd, const struct sockaddr *address)
{
    struct server *server = listener->server;
    uint32_t count = server->connection_count + server->proxies.count;
    struct ip peer = address_ip(address);

    if (listener->tcp)
        prepare_tcp(fd);
    if (count >= server->options.max_connections + REFUSED_CONNECTIONS) {
        (void)close(fd);
        server->stats->connections_refused[REFUSAL_TOTAL]++;
    } else if (listener->traits & LISTEN_PROXY) {
        proxy_accept(listener, fd, &peer);
    } else {
        listener_take(listener, fd, &peer, false);
    }
}

static void on_connections(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    struct server *server = listener->server;

    (void)events;
    if (status < 0)
        return;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        union any_address address = {.any.sa_family = AF_UNSPEC};
        socklen_t size = sizeof(address);
        int fd = accept4(listener->fd, &address.any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                drop_one(server, listener->fd);
            else if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        admit(listener, fd, &address.any);
    }
}

static void write_url(struct listener *listener, const union any_address *address, socklen_t size)
{
    char text[INET6_ADDRSTRLEN] = "";
    bool tls = (listener->traits & LISTEN_TLS) != 0;
    const char *scheme = tls ? "https" : "http";

    switch (address->any.sa_family) {
    case AF_INET:
        (void)inet_ntop(AF_INET, &address->in.sin_addr, text, sizeof(text));
        (void)snprintf(listener->url, sizeof(listener->url), "%s://%s:%u", scheme, text,
                       (unsigned int)ntohs(address->in.sin_port));
        break;
    case AF_INET6:
        (void)inet_ntop(AF_INET6, &address->in6.sin6_addr, text, sizeof(text));
        (void)snprintf(listener->url, sizeof(listener->url), "%s://[%s]:%u", scheme, text,
                       (unsigned int)ntohs(address->in6.sin6_port));
        break;
    default:
        if (size > offsetof(struct sockaddr_un, sun_path) && address->un.sun_path[0])
            (void)snprintf(listener->url, sizeof(listener->url), "unix%s:%.*s", tls ? "+tls" : "",
                           (int)sizeof(address->un.sun_path), address->un.sun_path);
        else
            (void)snprintf(listener->url, sizeof(listener->url), "unix%s:", tls ? "+tls" : "");
    }
}

/* One that was handed over listens already, with the backlog that its unit says. */
static int start_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof(listening);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening)
        return 0;
    return listen(fd, BACKLOG);
}

/* Takes fd, also on failure. */
static int add_listener(struct server *server, int fd, uint32_t traits, const char *path,
                        struct error *error)
{
    struct listener *listener;
    union any_address address;
    socklen_t size = sizeof(address);
    struct stat status;

    if (server->listener_count == LISTENERS_MAX) {
        (void)close(fd);
        return error_set(error, ERROR_LIMIT, "more than %d addresses to listen on", LISTENERS_MAX);
    }
    if ((traits & LISTEN_TLS) && !server->tls_vhost) {
        (void)close(fd);
        return error_set(error, ERROR_INVALID, "there is no certificate to speak TLS with");
    }
    memset(&address, 0, sizeof(address));
    if (getsockname(fd, &address.any, &size) || start_listening(fd) ||
        fcntl(fd, F_SETFL, O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC)) {
        (void)close(fd);
        return error_set(error, ERROR_SYSTEM, "can't listen: %s", strerror(errno));
    }
    listener = mem_zalloc(sizeof(*listener));
    listener->server = server;
    listener->fd = fd;
    listener->traits = traits;
    listener->tcp = address.any.sa_family != AF_UNIX;
    listener->local = address_is_loopback(&address.any);
    write_url(listener, &address, size);
    if (path && stat(path, &status) == 0) {
        (void)snprintf(listener->path, sizeof(listener->path), "%s", path);
        listener->device = status.st_dev;
        listener->inode = status.st_ino;
    }
    (void)uv_poll_init(server->loop, &listener->poll, fd);
    listener->poll.data = listener;
    (void)uv_poll_start(&listener->poll, UV_READABLE, on_connections);
    server->listeners[server->listener_count++] = listener;
    return 0;
}

/* Removes what a dead process left behind. */
static int clear_path(const struct sockaddr_un *address, struct error *error)
{
    struct stat status;
    int fd, result;

    if (lstat(address->sun_path, &status))
        return 0;
    if (!S_ISSOCK(status.st_mode))
        return error_set(error, ERROR_CONFLICT, "%s exists and is not a socket", address->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(error, ERROR_SYSTEM, "can't make a socket: %s", strerror(errno));
    result = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
    (void)close(fd);
    if (result != ECONNREFUSED && result != ENOENT)
        return error_set(error, ERROR_CONFLICT, "another process listens on unix:%s",
                         address->sun_path);
    if (unlink(address->sun_path) && errno != ENOENT)
        return error_set(error, ERROR_SYSTEM, "can't replace %s: %s", address->sun_path,
                         strerror(errno));
    return 0;
}

static int listen_unix(struct server *server, const struct address_parts *parts,
                       struct error *error)
{
    const char *path = parts->path;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, result;

    memcpy(address.sun_path, path, strlen(path) + 1);
    result = clear_path(&address, error);
    if (result)
        return result;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
        result =
            error_set(error, ERROR_SYSTEM, "can't listen on unix:%s: %s", path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return result;
    }
    return add_listener(server, fd, parts->traits, path, error);
}

static int bind_tcp(const struct sockaddr *address, socklen_t size)
{
    int one = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
        (address->sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
        bind(fd, address, size)) {
        int saved = errno;

        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Port 0 lets the first address of a name pick one; the others take the same. */
static void share_port(union any_address *address, int fd)
{
    union any_address picked;
    socklen_t size = sizeof(picked);

    memset(&picked, 0, sizeof(picked));
    if (getsockname(fd, &picked.any, &size))
        return;
    /* sin_port and sin6_port are the same field. */
    if (address->any.sa_family == AF_INET && address->in.sin_port == 0)
        address->in.sin_port = picked.in.sin_port;
    else if (address->any.sa_family == AF_INET6 && address->in6.sin6_port == 0)
        address->in6.sin6_port = picked.in.sin_port;
}

static int listen_tcp(struct server *server, const char *text, const struct address_parts *parts,
                      struct error *error)
{
    struct addrinfo *list;
    int first = -1;
    int result = address_resolve(parts, &list, error);

    if (result)
        return result;
    for (struct addrinfo *at = list; at && !result; at = at->ai_next) {
        union any_address address;
        int fd;

        if (at->ai_addrlen > sizeof(address))
            continue;
        memcpy(&address, at->ai_addr, at->ai_addrlen);
        if (first >= 0)
            share_port(&address, first);
        fd = bind_tcp(&address.any, at->ai_addrlen);
        if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
            (at->ai_next || first >= 0))
            continue; /* a name with an address of a family that this machine doesn't use */
        if (fd < 0)
            result =
                error_set(error, ERROR_SYSTEM, "can't listen on %s: %s", text, strerror(errno));
        else
            result = add_listener(server, fd, parts->traits, NULL, error);
        if (!result)
            first = fd;
    }
    freeaddrinfo(list);
    return result;
}

int server_listen(struct server *server, const char *address, struct error *error)
{
    struct address_parts parts = {.unix_socket = false};
    int result = address_split(address, &parts, error);

    if (result)
        return result;
    return parts.unix_socket ? listen_unix(server, &parts, error)
                             : listen_tcp(server, address, &parts, error);
}

int server_listen_fd(struct server *server, int fd, uint32_t traits, struct error *error)
{
    int type = 0;
    socklen_t size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) || type != SOCK_STREAM)
        return error_set(error, ERROR_INVALID, "descriptor %d is not a stream socket", fd);
    return add_listener(server, fd, traits, NULL, error);
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    (void)close(listener->fd);
    listener->fd = -1;
}

void listener_close_all(struct server *server)
{
    proxy_close_all(server);
    for (uint32_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = server->listeners[i];
        struct stat status;

        if (uv_is_closing((uv_handle_t *)&listener->poll))
            continue;
        if (listener->path[0] && lstat(listener->path, &status) == 0 &&
            status.st_dev == listener->device && status.st_ino == listener->inode)
            (void)unlink(listener->path);
        uv_close((uv_handle_t *)&listener->poll, on_closed);
    }
}

uint32_t server_listener_count(const struct server *server)
{
    return server->listener_count;
}

const char *server_listener_url(const struct server *server, uint32_t index)
{
    return server->listeners[index]->url;
}

bool server_listener_local(const struct server *server, uint32_t index)
{
    return server->listeners[index]->local;
}

uint32_t server_listener_traits(const struct server *server, uint32_t index)
{
    return server->listeners[index]->traits;
}
