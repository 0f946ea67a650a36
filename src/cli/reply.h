/*
 * What the server says on /v1/ingest: hello, ack, status, goodbye.
 */
#ifndef LIVETALLY_CLI_REPLY_H
#define LIVETALLY_CLI_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/json.h"
#include "livetally/slice.h"

enum reply_type {
    REPLY_OTHER, /* to be ignored */
    REPLY_HELLO,
    REPLY_ACK,
    REPLY_STATUS,
    REPLY_GOODBYE,
};

struct reply {
    enum reply_type type;
    int64_t message_bytes; /* hello: limits */
    int64_t batch_events;
    int64_t window_events;
    int64_t upto; /* ack */
    int64_t accepted;
    int64_t duplicates;
    int64_t parked;
    struct slice rejected; /* ack: the array as text, borrowed */
    bool store_available;  /* status */
    char code[32];         /* goodbye */
    char message[256];
    int64_t retry_after_ms;
};

struct reply_rejection {
    int64_t message;
    int64_t index; /* -1: the message itself */
    bool final;
    char id[128];
    char code[48];
    char field[48];
    char error[512];
};

/* False: not a message of this protocol. */
bool reply_parse(struct slice text, struct reply *ret_reply);
/* Starts walking reply.rejected; then call reply_next_rejection() until it returns false. */
void reply_walk_rejected(struct json_reader *reader, const struct reply *reply);
bool reply_next_rejection(struct json_reader *reader, struct reply_rejection *ret_rejection);

static inline bool reply_is_key(struct json_string key, const char *name)
{
    return json_string_equals(key, slice_of(name));
}

/* Reads a string value into out, cut at a character's border. False when it is not one. */
bool reply_read_text(struct json_reader *reader, char *out, size_t size);
/* Reads an integer. False when it is not one. */
bool reply_read_int(struct json_reader *reader, int64_t *ret_value);

#endif
