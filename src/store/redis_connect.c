/*
 * From a target to a connection that is ready for use: resolve the host, try its addresses one
 * after the other, then AUTH, SELECT and PING. hiredis would resolve a name by itself, but block
 * the loop meanwhile: it is given numeric addresses only.
 */
#include <stdio.h>
#include <string.h>

#include "redis_link_internal.h"
#include "redis_uv.h"

/* -------------------------------------------------------------------------------- handshake */

static void send_handshake(struct redis_link *link, redis_reply_fn *done, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void send_handshake(struct redis_link *link, redis_reply_fn *done, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redis_link_send_format(link, done, link, format, args);
    va_end(args);
}

/* Of several errors the first one says it best: the others follow from it. */
static void check_handshake(struct redis_link *link, const redisReply *reply)
{
    if (reply && reply->type == REDIS_REPLY_ERROR && link->state == STATE_HANDSHAKE) {
        redis_link_break_by(link, reply);
    }
}

static void on_auth(void *context, const redisReply *reply)
{
    check_handshake(context, reply);
}

static void on_select(void *context, const redisReply *reply)
{
    check_handshake(context, reply);
}

static void on_ping(void *context, const redisReply *reply)
{
    struct redis_link *link = context;
    check_handshake(link, reply);
    if (!reply || link->state != STATE_HANDSHAKE) {
        return;
    }
    link->state = STATE_UP;
    link->up_since_ms = uv_now(link->loop);
    link->stats->redis_connects++;
    uv_timer_stop(&link->timer);
    link->ops.up(link->ops.context);
}

/* PING comes last: unlike AUTH and SELECT, Redis refuses it while it is loading its data. */
static void start_handshake(struct redis_link *link)
{
    link->state = STATE_HANDSHAKE;
    if (link->options.target.path[0] == '\0') {
        redisEnableKeepAlive(&link->redis->c);
    }
    if (link->options.target.password[0] != '\0') {
        send_handshake(link, on_auth, "AUTH %s", link->options.target.password);
    }
    if (link->options.target.database != 0) {
        send_handshake(link, on_select, "SELECT %d", link->options.target.database);
    }
    send_handshake(link, on_ping, "PING");
}

/* ------------------------------------------------------------------------------- connecting */

static void on_connect(const redisAsyncContext *redis, int status)
{
    struct redis_link *link = redis->data;
    if (link->redis != redis) {
        return;
    }
    if (status == REDIS_OK) {
        if (link->state == STATE_CONNECTING) {
            start_handshake(link);
        }
        return;
    }
    link->redis = NULL; /* frees itself when we return */
    if (link->state == STATE_CONNECTING) {
        snprintf(link->reason, sizeof(link->reason), "%s", redis->c.errstr);
        redis_connect_next(link);
    }
}

static void on_disconnect(const redisAsyncContext *redis, int status)
{
    struct redis_link *link = redis->data;
    (void)status;
    if (link->redis != redis) {
        return; /* we dropped it */
    }
    link->redis = NULL;
    if (link->state == STATE_CLOSING) {
        return;
    }
    if (link->state != STATE_BREAKING || link->reason[0] == '\0') {
        snprintf(link->reason, sizeof(link->reason), "%s",
                 redis->errstr && redis->errstr[0] ? redis->errstr : "connection closed");
    }
    redis_link_fail(link);
}

static void on_watcher_closed(void *owner)
{
    redis_link_handle_closed(owner);
}

/* Starts one connect. False: it failed at once, and link->reason says why. */
static bool connect_one(struct redis_link *link, const char *address)
{
    const struct redis_target *target = &link->options.target;
    redisAsyncContext *redis = target->path[0] != '\0' ? redisAsyncConnectUnix(target->path)
                                                       : redisAsyncConnect(address, target->port);
    if (!redis || redis->err) {
        snprintf(link->reason, sizeof(link->reason), "%s", redis ? redis->errstr : "out of memory");
        goto fail;
    }
    redis->data = link;
    redis_replies_attach(&link->replies, redis->c.reader);
    int status = redis_uv_attach(link->loop, redis, on_watcher_closed, link);
    if (status < 0) {
        snprintf(link->reason, sizeof(link->reason), "%s", uv_strerror(status));
        goto fail;
    }
    link->open_handles++;
    link->redis = redis;
    link->state = STATE_CONNECTING;
    link->second_chance = false;
    redisAsyncSetConnectCallback(redis, on_connect);
    redisAsyncSetDisconnectCallback(redis, on_disconnect);
    redis_link_set_timer(link, link->options.connect_timeout_ms);
    return true;
fail:
    if (redis) {
        redisAsyncFree(redis);
    }
    return false;
}

void redis_connect_next(struct redis_link *link)
{
    while (link->address_next < link->address_count) {
        if (connect_one(link, link->addresses[link->address_next++])) {
            return;
        }
    }
    redis_link_fail(link);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *list)
{
    struct redis_link *link = resolve->data;
    link->resolving = false;
    if (link->state == STATE_RESOLVING) {
        for (struct addrinfo *at = list; at && link->address_count < REDIS_ADDRESSES_MAX;
             at = at->ai_next) {
            char *out = link->addresses[link->address_count];
            if (getnameinfo(at->ai_addr, at->ai_addrlen, out, INET6_ADDRSTRLEN, NULL, 0,
                            NI_NUMERICHOST) == 0) {
                link->address_count++;
            }
        }
        snprintf(link->reason, sizeof(link->reason), "%s",
                 status < 0 ? uv_strerror(status) : "the host has no address");
        redis_connect_next(link);
    } else if (link->state == STATE_CLOSING) {
        redis_link_set_timer(link, 0); /* the close waited for this */
    }
    uv_freeaddrinfo(list);
}

void redis_connect_start(struct redis_link *link)
{
    const struct redis_target *target = &link->options.target;
    unsigned char binary[sizeof(struct in6_addr)];
    link->reason[0] = '\0';
    link->retry_soon = false;
    link->second_chance = false;
    link->address_next = 0;
    link->address_count = 0;
    char *first = link->addresses[0];
    first[0] = '\0'; /* what stays for a Unix socket */
    if (target->path[0] != '\0' ||
        (inet_pton(AF_INET, target->host, binary) == 1 &&
         inet_ntop(AF_INET, binary, first, INET6_ADDRSTRLEN)) ||
        (inet_pton(AF_INET6, target->host, binary) == 1 &&
         inet_ntop(AF_INET6, binary, first, INET6_ADDRSTRLEN))) {
        link->address_count = 1;
        redis_connect_next(link);
        return;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int status = UV_EBUSY; /* an earlier request that timed out is still with the resolver */
    link->state = STATE_RESOLVING;
    redis_link_set_timer(link, link->options.connect_timeout_ms);
    if (!link->resolving) {
        link->resolve.data = link;
        status =
            uv_getaddrinfo(link->loop, &link->resolve, on_resolved, target->host, NULL, &hints);
        link->resolving = status == 0;
    }
    if (status < 0) {
        snprintf(link->reason, sizeof(link->reason), "can't resolve the host: %s",
                 uv_strerror(status));
        redis_link_fail(link);
    }
}
