/*
 * Commands in RESP, appended to a buffer: hiredis would format the same from an argv, at the price
 * of an array and a copy for every argument of a batch.
 */
#ifndef LIVETALLY_STORE_RESP_H
#define LIVETALLY_STORE_RESP_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"

void resp_start(struct buffer *out, size_t arguments); /* then exactly that many: */
void resp_slice(struct buffer *out, struct slice argument);
void resp_text(struct buffer *out, const char *argument);
void resp_uint(struct buffer *out, uint64_t argument); /* as decimal text */

/* Reading replies: false or absent when the reply (NULL is fine) has another shape. */
bool reply_is_array(const redisReply *reply, size_t min_elements);
bool reply_is_text(const redisReply *reply, const char *text);
struct slice reply_slice(const redisReply *reply); /* string or status; absent otherwise */
/* An integer reply, or decimal text that fits; nil counts as not there. */
bool reply_uint(const redisReply *reply, uint64_t *ret_value);
bool reply_is_error(const redisReply *reply, const char *prefix); /* "" = any error */

#endif
