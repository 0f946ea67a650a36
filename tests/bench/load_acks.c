/*
 * Reads acks. See load_acks.h. A number that isn't where it should be makes the reply REPLY_OTHER,
 * which ends the run: nothing is guessed.
 */
#include "load_acks.h"

#include <stdbool.h>
#include <string.h>

#define TYPE_ACK    "\"type\":\"ack\""
#define TYPE_HELLO  "\"type\":\"hello\""
#define TYPE_STATUS "\"type\":\"status\""
#define REJECTED    "\"rejected\":["

static const char *find(const char *text, size_t size, const char *what)
{
    return memmem(text, size, what, strlen(what));
}

/* The number that follows `key`, which ends in a colon. */
static bool number_after(const char *text, size_t size, const char *key, uint64_t *ret_value)
{
    const char *at = find(text, size, key), *end = text + size, *digits;
    uint64_t value = 0;
    if (!at)
        return false;
    digits = at += strlen(key);
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (at == digits || at - digits > 18)
        return false;
    *ret_value = value;
    return true;
}

static uint64_t count_rejections(const char *text, size_t size)
{
    uint64_t count = 0;
    for (const char *at = text, *end = text + size;
         (at = find(at, (size_t)(end - at), "\"code\":\"")) != NULL; at++)
        count++;
    return count;
}

struct reply reply_read(const char *text, size_t size)
{
    struct reply reply = {.kind = REPLY_OTHER};
    if (!find(text, size, TYPE_ACK)) {
        reply.kind = find(text, size, TYPE_HELLO)    ? REPLY_HELLO
                     : find(text, size, TYPE_STATUS) ? REPLY_STATUS
                                                     : REPLY_OTHER;
        return reply;
    }
    const char *list = find(text, size, REJECTED);
    if (!list || !number_after(text, size, "\"upto\":", &reply.upto) ||
        !number_after(text, size, "\"accepted\":", &reply.accepted) ||
        !number_after(text, size, "\"duplicates\":", &reply.duplicates) ||
        !number_after(text, size, "\"parked\":", &reply.parked))
        return reply;
    reply.kind = REPLY_ACK;
    reply.rejected = count_rejections(list, size - (size_t)(list - text));
    return reply;
}

struct reply reply_read_count(const char *text, size_t size)
{
    struct reply reply = {.kind = REPLY_OTHER};
    if (number_after(text, size, "\"upto\":", &reply.upto))
        reply.kind = REPLY_ACK;
    return reply;
}
