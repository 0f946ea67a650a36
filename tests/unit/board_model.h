/*
 * The obvious model of what the board does: a plain list of all cells of all rollups, each with its
 * sums by lane. Which cells a fact counts in is spelled out here, independent of the rollup table.
 */
#ifndef LIVETALLY_TESTS_BOARD_MODEL_H
#define LIVETALLY_TESTS_BOARD_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/board.h"
#include "livetally/mem.h"

#define LANES       3u
#define MODEL_CELLS 8192u

/* A cell of the model; its number is its place. */
struct model_cell {
    struct group_key key;
    uint32_t cell;
    struct metrics committed[LANES]; /* all of the lane */
    struct metrics applied[LANES];   /* what the board has been given */
    struct metrics hash[LANES];      /* in Redis */
    uint64_t hash_version[LANES];    /* 0: not there */
    struct metrics waiting;          /* of our lane, applied and not in the board's cells yet */
    struct metrics shown;            /* at the last check, if it was loaded then */
    bool was_shown;
};

struct model {
    struct calendar calendar;
    struct names *numbers; /* cells by their bytes */
    struct model_cell *cells;
    uint32_t cell_count;
};

static inline void model_init(struct model *model, struct calendar calendar)
{
    *model = (struct model){.calendar = calendar, .numbers = names_new()};
    model->cells = mem_zalloc(MODEL_CELLS * sizeof(*model->cells));
}

static inline void model_done(struct model *model)
{
    names_free(model->numbers);
    free(model->cells);
}

static inline struct model_cell *model_cell(struct model *model, struct group_key key,
                                            uint32_t cell)
{
    char bytes[sizeof(key) + sizeof(cell)];
    uint32_t number;

    memcpy(bytes, &key, sizeof(key));
    memcpy(bytes + sizeof(key), &cell, sizeof(cell));
    number = names_intern(model->numbers, (struct slice){bytes, sizeof(bytes)});
    assert_true(number < MODEL_CELLS);
    if (number > model->cell_count) {
        model->cell_count = number;
        model->cells[number].key = key;
        model->cells[number].cell = cell;
    }
    return &model->cells[number];
}

typedef void model_fn(struct model_cell *cell, uint32_t lane, const struct metrics *metrics);

static inline void model_commit(struct model_cell *cell, uint32_t lane,
                                const struct metrics *metrics)
{
    metrics_add(&cell->committed[lane], metrics);
}

static inline void model_apply(struct model_cell *cell, uint32_t lane,
                               const struct metrics *metrics)
{
    metrics_add(&cell->applied[lane], metrics);
}

/* All cells of a fact, spelled out: a rollup's row that changes has to be changed here too. */
static inline void model_each_cell(struct model *model, uint32_t lane, const struct fact *f,
                                   model_fn *visit)
{
    const uint16_t all = PERIOD_ALL;
    const uint16_t day = PERIOD_DAY;
    const uint16_t min = PERIOD_MINUTE;
    uint32_t d = calendar_day(&model->calendar, f->time_ms);
    uint32_t h = calendar_hour(&model->calendar, f->time_ms);
    uint32_t m = calendar_minute(&model->calendar, f->time_ms);
    const struct {
        struct group_key key;
        uint32_t cell;
        bool there;
    } cells[] = {
        {{ROLLUP_TOTAL, all, 0, 0}, 1, true},
        {{ROLLUP_TOTAL, day, d, 0}, 1, true},
        {{ROLLUP_TOTAL, min, h, 0}, m, true},
        {{ROLLUP_HOST, all, 0, 0}, f->host, true},
        {{ROLLUP_HOST, day, d, 0}, f->host, true},
        {{ROLLUP_HOST, min, h, f->host}, m, true},
        {{ROLLUP_COUNTY, all, 0, 0}, f->county, true},
        {{ROLLUP_COUNTY, day, d, 0}, f->county, true},
        {{ROLLUP_COUNTY, min, h, f->county}, m, true},
        {{ROLLUP_PRODUCT, all, 0, 0}, f->product, true},
        {{ROLLUP_PRODUCT, day, d, 0}, f->product, true},
        {{ROLLUP_SESSION, all, 0, 0}, f->session, f->session != 0},
        {{ROLLUP_SESSION, day, d, 0}, f->session, f->session != 0},
        {{ROLLUP_SESSION, min, h, f->session}, m, f->session != 0},
        {{ROLLUP_PLATFORM, all, 0, 0}, f->platform, f->platform != 0},
        {{ROLLUP_PLATFORM, day, d, 0}, f->platform, f->platform != 0},
        {{ROLLUP_SESSION_PRODUCT, all, 0, f->session}, f->product, f->session != 0},
        {{ROLLUP_COUNTY_PRODUCT, all, 0, f->county}, f->product, true},
        {{ROLLUP_COUNTY_PRODUCT, day, d, f->county}, f->product, true},
        {{ROLLUP_COUNTY_HOST, all, 0, f->county}, f->host, true},
        {{ROLLUP_COUNTY_HOST, day, d, f->county}, f->host, true},
        {{ROLLUP_HOST_PRODUCT, all, 0, f->host}, f->product, true},
        {{ROLLUP_HOST_PRODUCT, day, d, f->host}, f->product, true},
        {{ROLLUP_PLATFORM_COUNTY, all, 0, f->platform}, f->county, f->platform != 0},
        {{ROLLUP_PLATFORM_COUNTY, day, d, f->platform}, f->county, f->platform != 0},
    };
    struct metrics metrics = fact_metrics(f);

    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
        if (cells[i].there)
            visit(model_cell(model, cells[i].key, cells[i].cell), lane, &metrics);
}

static inline bool same_metrics(const struct metrics *a, const struct metrics *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

#endif
