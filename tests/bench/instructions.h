/*
 * Counting instructions: what the parts of `make instructions` share. See instructions.c.
 */
#ifndef LIVETALLY_BENCH_INSTRUCTIONS_H
#define LIVETALLY_BENCH_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/board.h"

/* 2026-09-21 22:13:20 +08:00: nothing here crosses an hour. */
#define NOW_MS INT64_C(1790000000000)

struct counting {
    const char *only; /* the one path that is counted, as one piece; NULL: all, each by itself */
    bool full;        /* the long paths too */
    bool active;      /* set-up and warming up are over */
    bool on;          /* the path begun is counted */
};

/* From here on counting_begin() counts: nothing before it was part of a steady state. */
void counting_start(struct counting *counting);
void counting_stop(struct counting *counting);
/* What lies between is counted for that path; `units` orders (or what it is per) were done. */
void counting_begin(struct counting *counting, const char *path);
void counting_end(struct counting *counting, const char *path, uint64_t units);

/* The same numbers in every run, of every machine. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* What the start page shows is always loaded. Of a board in which nothing was sold yet. */
void load_pins(struct board *board);

void count_way_in(struct counting *counting);    /* instructions_in.c */
void count_boards(struct counting *counting);    /* instructions_out.c */
void count_audiences(struct counting *counting); /* instructions_out.c */
void count_following(struct counting *counting); /* instructions_follow.c */

#endif
