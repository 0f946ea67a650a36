/*
 * What one client may take from the others, measured connection by connection: whose it is and how
 * many he has, how fast he may send, and how much of our memory waits for him.
 */
#ifndef LIVETALLY_QUOTA_H
#define LIVETALLY_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "livetally/ip.h"
#include "livetally/stats.h"

struct connection;
struct grant;
struct party;
struct server;

/* Where a connection counts. */
enum place { PLACE_ADDRESS, PLACE_TOKEN, PLACE_COUNT };

/* peer.c */
void peer_init(struct server *server);
void peer_done(struct server *server);
/* A proxy that is believed about who is behind it. */
bool peer_is_trusted(const struct server *server, const struct ip *ip);
/* There is room for one more of this address, or at least for telling it that there isn't. */
bool peer_is_welcome(struct server *server, const struct ip *peer);
void peer_arrive(struct connection *connection, const struct ip *peer);
/*
 * At the head of each request: finds out who is behind the peer, and counts the connection for him,
 * which may refuse it. False: there is not even room for telling so.
 */
bool peer_identify(struct connection *connection);
/* The request, or the whole connection, came through a proxy, trusted or not. */
bool peer_is_forwarded(const struct connection *connection);
/* False: over the limit, and counted as a guest. NULL, or a grant without a token: always true. */
bool peer_join_token(struct connection *connection, const struct grant *grant);
bool peer_token_is_crowded(const struct connection *connection); /* too many guests to be polite */
void peer_leave_token(struct connection *connection);
void peer_leave(struct connection *connection);
void peer_refuse(struct connection *connection, enum refusal refusal);        /* to be told later */
void peer_count_refusal(struct connection *connection, enum refusal refusal); /* and log it */

/* pace.c */
void pace_begin(struct connection *connection);
void pace_received(struct connection *connection, size_t size, bool final);
bool pace_is_over(const struct connection *connection);   /* nor was it held back just now */
int64_t pace_due_ms(const struct connection *connection); /* loop time; INT64_MAX: not held back */
void pace_look(struct connection *connection);            /* it is due, or the rates have changed */
/* 0: may be served, and is counted; else come again in so many seconds. */
uint32_t pace_request(struct connection *connection, uint64_t bytes);

/* memory.c */
void memory_written(struct connection *connection, size_t size); /* to lws, just now */
void memory_settle(struct connection *connection);               /* lws may have sent it by now */
void memory_queue(struct connection *connection, uint64_t bytes);
void memory_unqueue(struct connection *connection, uint64_t bytes);
bool memory_reserve(struct connection *connection, uint64_t bytes); /* for a body that will come */
void memory_arriving(struct connection *connection, size_t size);   /* a piece; more will follow */
void memory_arrived(struct connection *connection);
void memory_look(struct server *server); /* whether those that wait for room may go on */
void memory_leave(struct connection *connection);

#endif
