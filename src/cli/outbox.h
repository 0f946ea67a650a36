/*
 * Delivers events: collects them into messages, keeps a window of unacked ones on the way, and
 * sends again, on a new connection, whatever was not acked on the old one (the server recognises
 * what it already has). Bounds: the server's window_events, and 4 MiB of unacked text.
 */
#ifndef LIVETALLY_CLI_OUTBOX_H
#define LIVETALLY_CLI_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "latency.h"
#include "livetally/slice.h"
#include "tls_client.h"
#include "url.h"

struct outbox;

struct outbox_rejection {
    uint64_t tag; /* as given with the event */
    struct slice id;
    struct slice code;
    struct slice field; /* absent: no single field is at fault */
    struct slice error;
    bool final;
};

struct outbox_counts {
    uint64_t accepted;
    uint64_t duplicates;
    uint64_t parked;
    uint64_t rejected;
    uint64_t unacked; /* events that were added and not acked */
};

struct outbox_ops {
    /* There is room: add events until outbox_room() says no, or there are none for now. */
    void (*room)(void *context);
    void (*rejected)(void *context, const struct outbox_rejection *rejection);
    /* Something worth telling a person: connected, lost, store unavailable. One line. */
    void (*notice)(void *context, const char *text);
    /* After outbox_finish(): all is acked (delivered), or given up. Nothing follows. */
    void (*finished)(void *context, bool delivered);
    void *context;
};

struct outbox_options {
    struct url url;
    const char *token; /* or NULL */
    struct tls_client tls;
    uint32_t batch;     /* events in a message, at most */
    uint32_t give_up_s; /* without any progress; 0: never */
};

/* NULL when libwebsockets can't work here, which has been said. Nothing is asked of room() before
 * the first hello. */
struct outbox *outbox_new(uv_loop_t *loop, const struct outbox_options *options,
                          const struct outbox_ops *ops);
bool outbox_room(const struct outbox *outbox);
/*
 * Adds one event: JSON without a line break in it. False: longer than the server takes (nothing was
 * added). Only while there is room.
 */
bool outbox_add(struct outbox *outbox, struct slice event, uint64_t tag);
/* Sends what was collected without waiting for a full message. */
void outbox_flush(struct outbox *outbox);
/* No more events will come. */
void outbox_finish(struct outbox *outbox);
/* Stops at once: finished(false) follows unless everything was acked. */
void outbox_give_up(struct outbox *outbox);
const struct outbox_counts *outbox_counts(const struct outbox *outbox);
const struct latency *outbox_latency(const struct outbox *outbox); /* of acks, per message */
/* After finished(), once the loop has run dry. */
void outbox_free(struct outbox *outbox);

#endif
