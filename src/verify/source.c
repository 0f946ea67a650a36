/*
 * One connection, made for one audit.
 */
#include "source.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_S 5
#define ANSWER_S  15

static int fail(const struct source *source, struct error *error)
{
    return error_set(error, ERROR_UNAVAILABLE, "%s: %s", source->name,
                     source->redis && source->redis->err ? source->redis->errstr : "no memory");
}

static int introduce(struct source *source, const struct redis_target *target, struct error *error)
{
    if (target->password[0]) {
        redisReply *reply = source_ask(source, error, "AUTH %s", target->password);
        if (!reply)
            return ERROR_UNAVAILABLE;
        freeReplyObject(reply);
    }
    if (target->database) {
        redisReply *reply = source_ask(source, error, "SELECT %d", target->database);
        if (!reply)
            return ERROR_UNAVAILABLE;
        freeReplyObject(reply);
    }
    return 0;
}

int source_open(struct source *source, const struct redis_target *target, struct error *error)
{
    const struct timeval connect = {CONNECT_S, 0}, answer = {ANSWER_S, 0};
    redis_target_describe(target, source->name, sizeof source->name);
    source->redis = target->path[0] ? redisConnectUnixWithTimeout(target->path, connect)
                                    : redisConnectWithTimeout(target->host, target->port, connect);
    if (!source->redis || source->redis->err ||
        redisSetTimeout(source->redis, answer) != REDIS_OK) {
        int code = fail(source, error);
        source_close(source);
        return code;
    }
    int code = introduce(source, target, error);
    if (code)
        source_close(source);
    return code;
}

void source_close(struct source *source)
{
    if (source->redis)
        redisFree(source->redis);
    source->redis = NULL;
}

int source_send(struct source *source, struct error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = redisvAppendCommand(source->redis, format, args);
    va_end(args);
    return status == REDIS_OK ? 0 : fail(source, error);
}

int source_send_list(struct source *source, struct error *error, int count, const char **words)
{
    int status = redisAppendCommandArgv(source->redis, count, words, NULL);
    return status == REDIS_OK ? 0 : fail(source, error);
}

redisReply *source_answer(struct source *source, struct error *error)
{
    void *answer = NULL;
    if (redisGetReply(source->redis, &answer) != REDIS_OK || !answer) {
        fail(source, error);
        return NULL;
    }
    redisReply *reply = answer;
    if (reply->type != REDIS_REPLY_ERROR)
        return reply;
    error_set(error, ERROR_UNAVAILABLE, "%s: %s", source->name, reply->str);
    freeReplyObject(reply);
    return NULL;
}

redisReply *source_ask(struct source *source, struct error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = redisvAppendCommand(source->redis, format, args);
    va_end(args);
    if (status != REDIS_OK) {
        fail(source, error);
        return NULL;
    }
    return source_answer(source, error);
}

struct slice reply_text(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING)
        return (struct slice){NULL, 0};
    return (struct slice){reply->str, (size_t)reply->len};
}

bool reply_number(const redisReply *reply, uint64_t *ret_number)
{
    uint64_t number = 0;
    struct slice text = reply_text(reply);
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0) {
        *ret_number = (uint64_t)reply->integer;
        return true;
    }
    if (text.size == 0 || text.size > 18)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_number = number;
    return true;
}
