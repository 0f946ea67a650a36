/*
 * Where we listen: sockets handed over by systemd, then the configured addresses. The default
 * address is left out when systemd gave us sockets.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon_private.h"
#include "livetally/listen.h"
#include "livetally/version.h"

#define ADDRESS_IN_USE "%s is in use by another process (listen.share=yes would share it)"

/*
 * Two processes of one user can listen on one port, and the kernel then deals connections out to
 * both: right for daemons of one data set, else orders end up in the wrong one. So unless sharing
 * is asked for, see first whether the port can be had alone.
 */
static int check_port_free(const struct config *config, const char *text, struct error *error)
{
    char address[CONFIG_TEXT_BYTES];
    uint32_t traits = 0;
    char host[CONFIG_TEXT_BYTES];
    const char *colon;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int code = listen_split(text, address, sizeof(address), &traits, error);
    if (code)
        return code;
    colon = strrchr(address, ':');
    if (config->listen_share == CONFIG_SHARE_YES || strncmp(address, "unix:", 5) == 0 || !colon)
        return 0;
    bool bracketed = address[0] == '[';
    size_t size = (size_t)(colon - address) - (bracketed ? 2 : 0);
    memcpy(host, address + (bracketed ? 1 : 0), size);
    host[size] = '\0';
    if (getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, colon + 1, &hints, &list) != 0)
        return 0; /* listening will say what is wrong with it */
    for (struct addrinfo *at = list; at && code == 0; at = at->ai_next) {
        int one = 1;
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (at->ai_family == AF_INET6)
            (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
        if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 && errno == EADDRINUSE)
            code = error_set(error, ERROR_CONFLICT, ADDRESS_IN_USE, address);
        (void)close(fd);
    }
    freeaddrinfo(list);
    return code;
}

static int adopt_socket(struct daemon *daemon, int fd, const char *name, struct error *error)
{
    uint32_t index = server_listener_count(daemon->server);
    uint32_t traits = 0;
    int code = listen_parse_name(name, &traits, error);
    if (code)
        return code;
    if ((traits & LISTEN_TLS) && !daemon->settings.certificate.tls)
        return error_set(error, ERROR_INVALID,
                         "the socket handed over as %s speaks TLS, which needs tls.certificate and "
                         "tls.key",
                         name);
    code = server_listen_fd(daemon->server, fd, traits, error);
    if (code)
        return code;
    if (!gate_has_keys(&daemon->settings.gate) && daemon->config->auth_mode != CONFIG_AUTH_NONE &&
        !server_listener_local(daemon->server, index))
        return error_set(error, ERROR_INVALID,
                         "the socket handed over for %s can be reached from the network, which "
                         "needs auth.keys, or auth.mode=none",
                         server_listener_url(daemon->server, index));
    return 0;
}

static int adopt_sockets(struct daemon *daemon, struct error *error)
{
    int code = 0;
    for (int i = 0; code == 0 && i < daemon->handed_sockets; i++)
        code = adopt_socket(daemon, SD_LISTEN_FDS_START + i, daemon->handed_names[i], error);
    return code;
}

void listeners_take_handed(struct daemon *daemon)
{
    daemon->handed_sockets = sd_listen_fds_with_names(1, &daemon->handed_names);
}

void listeners_forget_handed(struct daemon *daemon)
{
    for (int i = 0; i < daemon->handed_sockets; i++)
        free(daemon->handed_names[i]);
    free(daemon->handed_names);
}

static int announce(struct daemon *daemon, struct error *error)
{
    struct buffer urls = BUFFER_INIT;
    struct buffer line = BUFFER_INIT;
    buffer_append_text(&line, "livetallyd " LIVETALLY_VERSION " ready on");
    for (uint32_t i = 0; i < server_listener_count(daemon->server); i++) {
        const char *url = server_listener_url(daemon->server, i);
        buffer_printf(&urls, "%s\n", url);
        buffer_printf(&line, " %s", url);
    }
    int code = state_dir_write_listen(&daemon->state, buffer_slice(&urls), error);
    if (code == 0) {
        (void)puts(buffer_cstr(&line));
        (void)fflush(stdout);
    }
    buffer_done(&urls);
    buffer_done(&line);
    return code;
}

/* Whoever listens in on a network reads tokens, and has them. */
static void warn_of_clear_text(const struct daemon *daemon)
{
    if (!gate_has_keys(&daemon->settings.gate))
        return;
    for (uint32_t i = 0; i < server_listener_count(daemon->server); i++)
        if (!server_listener_local(daemon->server, i) &&
            !(server_listener_traits(daemon->server, i) & LISTEN_TLS))
            log_print(
                &daemon->log, LOG_LEVEL_WARNING,
                "%s takes tokens in clear text: give it the word tls, or put TLS in front of it",
                server_listener_url(daemon->server, i));
}

int listeners_open(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    int code = adopt_sockets(daemon, error);
    bool configured = config->origin[CONFIG_KEY_listen_address] != CONFIG_FROM_DEFAULT;
    if (daemon->handed_sockets <= 0 || configured) {
        for (uint32_t i = 0; code == 0 && i < config->listen_address.count; i++) {
            const char *address = config->listen_address.items[i].text;
            code = check_port_free(config, address, error);
            if (code == 0)
                code = server_listen(daemon->server, address, error);
        }
    }
    if (code)
        return code;
    warn_of_clear_text(daemon);
    return announce(daemon, error);
}
