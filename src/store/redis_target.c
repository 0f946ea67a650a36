/*
 * Where Redis is, as an operator writes it. Kept apart from the connection, so that configuration
 * can be checked without one. Strict on purpose: what is not understood is an error, since a
 * silently ignored part of an address may mean another data set.
 */
#include <stdio.h>

#include "livetally/redis_link.h"
#include "livetally/slice.h"

#define DATABASE_MAX 65535

static bool starts_with(struct slice text, struct slice prefix)
{
    return text.size >= prefix.size && memcmp(text.data, prefix.data, prefix.size) == 0;
}

static struct slice after(struct slice text, size_t count)
{
    return (struct slice){text.data + count, text.size - count};
}

static struct slice before(struct slice text, size_t count)
{
    return (struct slice){text.data, count};
}

/* Offset of the byte, or text.size. */
static size_t find(struct slice text, char byte)
{
    const char *at = text.size ? memchr(text.data, byte, text.size) : NULL;
    return at ? (size_t)(at - text.data) : text.size;
}

static size_t find_last(struct slice text, char byte)
{
    const char *at = text.size ? memrchr(text.data, byte, text.size) : NULL;
    return at ? (size_t)(at - text.data) : text.size;
}

/* Decimal digits only: no sign, no blanks. False when it is not one, or above max. */
static bool parse_number(struct slice text, int max, int *ret_number)
{
    int number = 0;
    if (text.size == 0 || text.size > 6) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        number = number * 10 + (text.data[i] - '0');
    }
    if (number > max) {
        return false;
    }
    *ret_number = number;
    return true;
}

static int parse_database(struct slice text, int *ret_database, struct error *error)
{
    if (!parse_number(text, DATABASE_MAX, ret_database)) {
        return error_set(error, ERROR_INVALID, "\"%.*s\" is not a Redis database number (0 … %d)",
                         SLICE_ARG(before(text, text.size < 64 ? text.size : 64)), DATABASE_MAX);
    }
    return 0;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* Undoes %XX, so that a password may hold any byte but NUL. */
static int parse_password(struct slice text, char *out, size_t capacity, struct error *error)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int byte = (unsigned char)text.data[i];
        if (byte == '%') {
            int high = text.size - i > 2 ? hex_digit(text.data[i + 1]) : -1;
            int low = text.size - i > 2 ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0 || high * 16 + low == 0) {
                return error_set(error, ERROR_INVALID,
                                 "the Redis password has a %% that is not followed by two hex "
                                 "digits; write %%25 for a percent sign");
            }
            byte = high * 16 + low;
            i += 2;
        }
        if (size + 1 >= capacity) {
            return error_set(error, ERROR_RANGE, "the Redis password is longer than %zu bytes",
                             capacity - 1);
        }
        out[size++] = (char)byte;
    }
    out[size] = '\0';
    return 0;
}

static int parse_host_port(struct slice text, struct redis_target *target, struct error *error)
{
    struct slice host = text;
    struct slice port = {NULL, 0};
    if (text.size > 0 && text.data[0] == '[') {
        size_t close = find(text, ']');
        struct slice rest = close < text.size ? after(text, close + 1) : SLICE("?");
        if (rest.size > 0 && rest.data[0] != ':') {
            return error_set(error, ERROR_INVALID,
                             "an IPv6 address of Redis is written [ADDRESS]:PORT");
        }
        host = after(before(text, close), 1);
        port = rest.size > 0 ? after(rest, 1) : port;
    } else if (find(text, ':') < text.size) {
        size_t colon = find(text, ':');
        host = before(text, colon);
        port = after(text, colon + 1);
    }
    if (host.size == 0 || host.size >= sizeof(target->host)) {
        return error_set(error, ERROR_INVALID,
                         "the address of Redis needs a host of 1 to %zu bytes",
                         sizeof(target->host) - 1);
    }
    target->port = 6379;
    if (port.data && (!parse_number(port, 65535, &target->port) || target->port == 0)) {
        return error_set(error, ERROR_INVALID, "\"%.*s\" is not a port of Redis (1 … 65535)",
                         SLICE_ARG(before(port, port.size < 64 ? port.size : 64)));
    }
    memcpy(target->host, host.data, host.size);
    return 0;
}

/* What follows redis:// */
static int parse_tcp(struct slice text, struct redis_target *target, struct error *error)
{
    size_t at = find_last(text, '@');
    if (at < text.size) {
        struct slice user = before(text, at);
        if (user.size == 0 || user.data[0] != ':') {
            return error_set(error, ERROR_INVALID,
                             "user names are not supported: write redis://:PASSWORD@HOST:PORT/DB");
        }
        int status =
            parse_password(after(user, 1), target->password, sizeof(target->password), error);
        if (status < 0) {
            return status;
        }
        text = after(text, at + 1);
    }
    size_t slash = find(text, '/');
    if (slash + 1 < text.size) {
        int status = parse_database(after(text, slash + 1), &target->database, error);
        if (status < 0) {
            return status;
        }
    }
    return parse_host_port(before(text, slash), target, error);
}

/* What follows unix: */
static int parse_unix(struct slice text, struct redis_target *target, struct error *error)
{
    size_t mark = find_last(text, '?');
    struct slice path = before(text, mark);
    if (mark < text.size) {
        struct slice query = after(text, mark + 1);
        if (!starts_with(query, SLICE("db="))) {
            return error_set(error, ERROR_INVALID, "after the path of a Unix socket, only ?db=N");
        }
        int status = parse_database(after(query, 3), &target->database, error);
        if (status < 0) {
            return status;
        }
    }
    if (path.size == 0 || path.size >= sizeof(target->path)) {
        return error_set(error, ERROR_INVALID,
                         "the path of a Unix socket has 1 to %zu bytes, this one %zu",
                         sizeof(target->path) - 1, path.size);
    }
    memcpy(target->path, path.data, path.size);
    return 0;
}

int redis_target_parse(const char *text, struct redis_target *ret_target, struct error *error)
{
    struct slice input = slice_of(text);
    struct redis_target target = {0};
    int status;
    for (size_t i = 0; i < input.size; i++) {
        if ((unsigned char)input.data[i] <= ' ' || input.data[i] == 127) {
            return error_set(error, ERROR_INVALID,
                             "the address of Redis has a blank or control character");
        }
    }
    if (starts_with(input, SLICE("redis://"))) {
        status = parse_tcp(after(input, 8), &target, error);
    } else if (starts_with(input, SLICE("unix:"))) {
        status = parse_unix(after(input, 5), &target, error);
    } else if (starts_with(input, SLICE("rediss://"))) {
        status = error_set(error, ERROR_INVALID, "TLS to Redis is not supported");
    } else {
        status = error_set(error, ERROR_INVALID,
                           "the address of Redis is redis://[:PASSWORD@]HOST:PORT[/DB] or "
                           "unix:PATH[?db=N]");
    }
    if (status < 0) {
        return status;
    }
    *ret_target = target;
    return 0;
}

void redis_target_describe(const struct redis_target *target, char *out, size_t size)
{
    if (target->path[0] != '\0') {
        if (target->database != 0) {
            snprintf(out, size, "unix:%s?db=%d", target->path, target->database);
        } else {
            snprintf(out, size, "unix:%s", target->path);
        }
        return;
    }
    bool ipv6 = strchr(target->host, ':') != NULL;
    snprintf(out, size, "redis://%s%s%s:%d/%d", ipv6 ? "[" : "", target->host, ipv6 ? "]" : "",
             target->port, target->database);
}
