/*
 * Who gets in: the keys that tokens are checked with, and what may be seen without one. Made from
 * the configuration as a whole; a reload makes another and puts it in the place of this one.
 */
#ifndef LIVETALLY_DAEMON_GATE_H
#define LIVETALLY_DAEMON_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "livetally/buffer.h"
#include "livetally/error.h"
#include "livetally/grant.h"
#include "livetally/keyring.h"
#include "livetally/server.h"

struct gate {
    struct keyring *keyring;   /* NULL: open to whoever reaches us */
    struct grant *anonymous;   /* of those without a token; NULL: nothing is public */
    struct config_list public; /* what that was made from */
    struct config_list origins;
    int64_t url_ms; /* how long a token in a URL may last */
};

int gate_init(struct gate *gate, const struct config *config, struct error *error);
void gate_done(struct gate *gate);
bool gate_has_keys(const struct gate *gate);
void gate_describe(const struct gate *gate, struct buffer *out); /* for the log */
/* `next` takes the place of `gate`, and is left with what that was. */
void gate_replace(struct gate *gate, struct gate *next);

/* As in struct server_ops. */
bool gate_authenticate(const struct gate *gate, struct slice token, bool in_url, int64_t now_ms,
                       struct grant **ret_grant, enum auth_refusal *ret_refusal,
                       struct buffer *why);
enum server_standing gate_review(const struct gate *gate, const struct grant *grant);
enum server_origin gate_find_origin(const struct gate *gate, const char *origin);

#endif
