/*
 * A chain of blocks, each filled from its front; the newest is the only one that has room, and the
 * largest. A reply begins with its root, which knows whose it is: hiredis gives a reply back by its
 * address alone. An array's elements and a string's bytes follow their redisReply:
 *
 *   root: replies │ redisReply │ elements … ║ redisReply │ bytes … \0 ║ redisReply ║ …
 *
 * Under AddressSanitizer what was given back is poisoned, so whoever still reads it is found.
 */
#include "redis_replies.h"

#include <sanitizer/asan_interface.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN_BYTES ((size_t)4096)

struct redis_replies_block {
    struct redis_replies_block *older;
    size_t size, used;
    char bytes[];
};

struct root {
    struct redis_replies *replies;
    redisReply reply;
};

/* Twice the last one's size, as long as it may be kept. */
static struct redis_replies_block *add_block(struct redis_replies *replies, size_t least)
{
    struct redis_replies_block *older = replies->newest;
    size_t size = older ? older->size * 2 : BLOCK_MIN_BYTES;
    if (size > REDIS_REPLIES_KEEP_BYTES)
        size = REDIS_REPLIES_KEEP_BYTES;
    if (size < least)
        size = least;
    struct redis_replies_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->older = older;
    block->size = size;
    block->used = 0;
    ASAN_POISON_MEMORY_REGION(block->bytes, size);
    replies->newest = block;
    replies->size_bytes += size;
    return block;
}

/* NULL when there is no memory, which hiredis then says of the connection. */
static void *take(struct redis_replies *replies, size_t size)
{
    struct redis_replies_block *block = replies->newest;
    size = (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    if (!block || block->size - block->used < size)
        block = add_block(replies, size);
    if (!block)
        return NULL;
    void *memory = block->bytes + block->used;
    block->used += size;
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    return memory;
}

static void free_blocks(struct redis_replies *replies, struct redis_replies_block *block)
{
    while (block) {
        struct redis_replies_block *older = block->older;
        replies->size_bytes -= block->size;
        free(block);
        block = older;
    }
}

/* What follows a reply has `more_bytes`. */
static redisReply *new_reply(const redisReadTask *task, int type, size_t more_bytes)
{
    redisReply *reply;
    if (task->parent) {
        redisReply *parent = task->parent->obj;
        reply = take(task->privdata, sizeof *reply + more_bytes);
        if (reply)
            parent->element[task->idx] = reply;
    } else {
        struct root *root = take(task->privdata, sizeof *root + more_bytes);
        reply = root ? &root->reply : NULL;
        if (root)
            root->replies = task->privdata;
    }
    if (reply)
        *reply = (redisReply){.type = type};
    return reply;
}

static void *new_string(const redisReadTask *task, char *text, size_t size)
{
    redisReply *reply = new_reply(task, task->type, size + 1);
    if (!reply)
        return NULL;
    reply->str = (char *)(reply + 1);
    reply->len = size;
    memcpy(reply->str, text, size);
    reply->str[size] = '\0';
    return reply;
}

static void *new_array(const redisReadTask *task, int elements)
{
    size_t count = (size_t)elements;
    redisReply *reply = new_reply(task, REDIS_REPLY_ARRAY, count * sizeof *reply->element);
    if (!reply)
        return NULL;
    reply->elements = count;
    reply->element = (redisReply **)(reply + 1);
    return reply;
}

static void *new_integer(const redisReadTask *task, long long value)
{
    redisReply *reply = new_reply(task, REDIS_REPLY_INTEGER, 0);
    if (reply)
        reply->integer = value;
    return reply;
}

static void *new_nil(const redisReadTask *task)
{
    return new_reply(task, REDIS_REPLY_NIL, 0);
}

/* hiredis gives back roots only, finished or not. */
static void free_reply(void *reply)
{
    struct root *root = (struct root *)((char *)reply - offsetof(struct root, reply));
    struct redis_replies *replies = root->replies;
    struct redis_replies_block *newest = replies->newest;
    free_blocks(replies, newest->older);
    newest->older = NULL;
    newest->used = 0;
    ASAN_POISON_MEMORY_REGION(newest->bytes, newest->size);
    if (newest->size > REDIS_REPLIES_KEEP_BYTES)
        redis_replies_done(replies);
}

void redis_replies_init(struct redis_replies *replies)
{
    replies->functions =
        (redisReplyObjectFunctions){new_string, new_array, new_integer, new_nil, free_reply};
    replies->newest = NULL;
    replies->size_bytes = 0;
}

void redis_replies_attach(struct redis_replies *replies, redisReader *reader)
{
    reader->fn = &replies->functions;
    reader->privdata = replies;
}

void redis_replies_done(struct redis_replies *replies)
{
    free_blocks(replies, replies->newest);
    replies->newest = NULL;
}
