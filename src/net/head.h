/*
 * The form of a request's head (RFC 9112), looked at before lws reads it, which takes much for a
 * head that no two programs in a row would read alike.
 */
#ifndef LIVETALLY_HEAD_H
#define LIVETALLY_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "livetally/slice.h"

#define HEAD_BYTES     8192 /* of all of it */
#define HEAD_HEADERS   100
#define HEAD_ARGUMENTS 68 /* of a URL: 64 topics and more; at some 80 lws hangs up */

enum head_fault {
    HEAD_GOOD,
    HEAD_BAD,
    HEAD_LARGE,
    HEAD_VERSION, /* not HTTP/1.0 or 1.1 */
    HEAD_METHOD,  /* one that HTTP doesn't have, or lws */
    HEAD_TOPICS,  /* more arguments than can be */
};

/* Whether this can begin a request: told of its first byte, so that other protocols' peers needn't
 * wait for a head that never ends. */
bool head_begins(char first);
/*
 * Where the head that begins at `bytes` ends, or 0 when it hasn't yet. Nothing before `known`,
 * which was looked at in vain before, is searched again. What only some take for an end is one, so
 * that nothing can be hidden behind it; head_check() then complains of it.
 */
size_t head_end(const char *bytes, size_t size, size_t known);
/* All of a head. *ret_why: what is wrong, a sentence for the peer; unset when HEAD_GOOD.
 * *ret_upgrade: it asks for another protocol. */
enum head_fault head_check(struct slice head, bool *ret_upgrade, const char **ret_why);

#endif
