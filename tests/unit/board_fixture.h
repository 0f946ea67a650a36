/*
 * What the board's tests share: a small board, orders, loading from an empty Redis, checkpoints.
 */
#ifndef LIVETALLY_TESTS_BOARD_FIXTURE_H
#define LIVETALLY_TESTS_BOARD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/board.h"

#define NOW_MS  INT64_C(1795312800000) /* 2026-11-22 02:00 UTC, 10:00 in China */
#define KEEP_MS (48 * HOUR_MS)
#define COUNTY  422828u

static const struct calendar china = {480};
static const struct group_key all_total = {ROLLUP_TOTAL, PERIOD_ALL, 0, 0};
static const struct group_key all_host = {ROLLUP_HOST, PERIOD_ALL, 0, 0};

static inline struct board *new_board(uint32_t max_cells)
{
    const struct board_options options = {china, max_cells, KEEP_MS};
    return board_new(&options);
}

static inline struct fact order(uint32_t host, uint32_t product, int64_t amount)
{
    return (struct fact){FACT_ORDER, host, product, 0, 0, COUNTY, 1, amount, NOW_MS};
}

static inline void apply(struct board *board, uint32_t lane, uint64_t version, bool own,
                         struct fact fact)
{
    board_apply(board, lane, version, own, &fact, 1, NOW_MS);
}

/* Loads a group of which Redis has nothing. */
static inline struct group *load_empty(struct board *board, struct group_key key)
{
    struct group *group = board_open(board, key);
    board_load_begin(board, group);
    assert_true(board_load_finish(board, group));
    return group;
}

/* Writes all that is dirty, with zeros as bases. */
static inline uint32_t checkpoint(struct board *board)
{
    static const struct metrics zeros = {{0}};
    struct cell_ref refs[64];
    uint32_t written = 0;

    for (uint32_t count; (count = board_dirty_take(board, refs, 64)) > 0; written += count)
        for (uint32_t i = 0; i < count; i++) {
            board_set_base(board, refs[i], &zeros);
            board_dirty_written(board, refs[i]);
        }
    return written;
}

#endif
