/*
 * Asking Redis, one question after the other: hiredis's synchronous API, with time-outs, and errors
 * as sentences.
 */
#ifndef LIVETALLY_VERIFY_SOURCE_H
#define LIVETALLY_VERIFY_SOURCE_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "livetally/error.h"
#include "livetally/redis_link.h"
#include "livetally/slice.h"

struct source {
    redisContext *redis;
    char name[320]; /* of the target, for messages */
};

int source_open(struct source *source, const struct redis_target *target, struct error *error);
void source_close(struct source *source);
/* As redisCommand(); NULL, and *error says why, when there is no answer or it is an error. */
redisReply *source_ask(struct source *source, struct error *error, const char *format, ...);
/* The same in two halves, so that many questions are on their way at a time. */
int source_send(struct source *source, struct error *error, const char *format, ...);
int source_send_list(struct source *source, struct error *error, int count, const char **words);
redisReply *source_answer(struct source *source, struct error *error);

struct slice reply_text(const redisReply *reply); /* absent when it is no string */
/* Decimal text or an integer; false for anything else. */
bool reply_number(const redisReply *reply, uint64_t *ret_number);

#endif
