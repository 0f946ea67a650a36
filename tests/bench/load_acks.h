/*
 * What bench_load reads: the few kinds of message that a tool is sent. Acks come by the hundred
 * thousand, so they are looked at without a JSON library.
 */
#ifndef LOAD_ACKS_H
#define LOAD_ACKS_H

#include <stddef.h>
#include <stdint.h>

enum reply_kind {
    REPLY_ACK,
    REPLY_HELLO,
    REPLY_STATUS,
    REPLY_OTHER,
};

struct reply {
    enum reply_kind kind;
    uint64_t upto;
    uint64_t accepted;
    uint64_t duplicates;
    uint64_t parked;
    uint64_t rejected; /* events listed */
};

struct reply reply_read(const char *text, size_t size);
/* Of the floor's acks, which say nothing else. REPLY_OTHER if it isn't one. */
struct reply reply_read_count(const char *text, size_t size);

#endif
