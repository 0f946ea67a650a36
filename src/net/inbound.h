/*
 * What peers send, looked at before libwebsockets reads it; see inbound.c for how that comes about.
 */
#ifndef LIVETALLY_INBOUND_H
#define LIVETALLY_INBOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "framing.h"
#include "livetally/buffer.h"

struct connection;
struct server;

/* Of what is expected of a peer: how far it came. */
struct inbound {
    struct buffer head;      /* of a request, until all of it is here */
    struct framing framing;  /* of a WebSocket */
    const char *why;         /* a head was refused */
    struct connection *next; /* in server->faulty */
    uint8_t fault;
};

void inbound_watch(struct connection *connection, int fd); /* a request's head is due */
void inbound_forget(struct connection *connection);
void inbound_expect_head(struct connection *connection); /* after an answer */
void inbound_expect_frames(struct connection *connection);
bool inbound_is_over(const struct connection *connection); /* no frame is under way */
void inbound_tell_faults(struct server *server);
void inbound_done(void); /* no connection is left */

#endif
