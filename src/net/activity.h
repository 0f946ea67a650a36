/*
 * What a connection needs only while something is under way; its own part (struct connection) is
 * what an idle viewer takes, of whom there are many.
 *
 * A connection has an activity from its first moment on, and as long as it speaks HTTP. A WebSocket
 * gets one when it needs it, and activity_rest() takes it away as soon as it says nothing that an
 * absent one (activity_none) doesn't say as well. So nothing is forgotten with it, no limit least
 * of all.
 */
#ifndef LIVETALLY_ACTIVITY_H
#define LIVETALLY_ACTIVITY_H

#include <stdint.h>

#include "inbound.h"
#include "livetally/buffer.h"
#include "livetally/ip.h"

struct connection;

struct activity {
    struct inbound inbound;
    struct ip peer;        /* HTTP: the other end, or whom a PROXY header named */
    int64_t looked_ms;     /* a stream's: loop time of the last look whether the peer has left */
    struct buffer words;   /* an auth message as it comes; explained: why it was refused */
    struct buffer message; /* of a viewer, under way in pieces */
    struct connection *rest_prev, *rest_next; /* in server->flowing */
    int64_t slow_since_ms;                    /* loop time: held back again and again since */
    int64_t slow_until_ms;
    int64_t arriving_since_ms; /* loop time: first piece of the message under way */
    uint64_t arriving_bytes;   /* of that message; 0: none */
    uint64_t queued_bytes;     /* what the peer has yet to read, as far as it is in our memory */
    uint64_t unsent_bytes;     /* the part of those that lws has */
};

extern const struct activity activity_none;

struct activity *activity_begin(struct connection *connection); /* the one it has, or a new one */
/* To be called when something may have come to its end. */
void activity_rest(struct connection *connection);
void activity_end(struct connection *connection);

#endif
