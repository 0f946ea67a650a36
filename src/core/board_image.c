/*
 * One lane's share of one group, as read from Redis: cells from the hash, then facts from the feed
 * on top. A cell from the hash counts up to the version that stands in it, so it takes facts of
 * later versions only. A cell that a fact has brought to a version takes the other facts of that
 * commit too. That makes it harmless when a checkpoint writes the hash while it is being read.
 */
#include <stdlib.h>

#include "board_private.h"
#include "livetally/error.h"
#include "livetally/mem.h"

#define CELLS_MIN 16u

struct board_image {
    struct group_key key;
    struct calendar calendar;
    struct cell_index index;
    struct image_cell *cells;
    uint32_t count;
    uint32_t capacity;
};

struct board_image *board_image_new(struct group_key key, const struct calendar *calendar)
{
    struct board_image *image = mem_zalloc(sizeof(*image));

    image->key = key;
    image->calendar = *calendar;
    cell_index_init(&image->index);
    return image;
}

void board_image_free(struct board_image *image)
{
    if (image == NULL)
        return;
    cell_index_done(&image->index);
    free(image->cells);
    free(image);
}

const struct image_cell *board_image_cells(const struct board_image *image, uint32_t *ret_count)
{
    *ret_count = image->count;
    return image->cells;
}

/* A new cell is all zeros, up to version 0. */
static struct image_cell *open_cell(struct board_image *image, uint32_t key)
{
    uint32_t place = cell_index_find(&image->index, key);

    if (place != PLACE_NONE)
        return &image->cells[place];
    if (image->count == image->capacity) {
        image->capacity = image->capacity ? image->capacity * 2 : CELLS_MIN;
        image->cells = mem_resize(image->cells, image->capacity, sizeof(*image->cells));
    }
    place = image->count++;
    image->cells[place] = (struct image_cell){.key = key};
    cell_index_insert(&image->index, key, place);
    return &image->cells[place];
}

int board_image_put(struct board_image *image, struct names *names, struct slice field,
                    const struct metrics *metrics, uint64_t version)
{
    uint32_t key;
    struct image_cell *cell;

    if (cell_field_read(names, image->key, field, &key) < 0)
        return ERROR_CORRUPT;
    cell = open_cell(image, key);
    if (version >= cell->version)
        *cell = (struct image_cell){
            .key = key, .from_feed = false, .version = version, .metrics = *metrics};
    return 0;
}

int board_image_cell(struct board_image *image, struct names *names, struct slice field,
                     struct slice value)
{
    struct metrics metrics;
    uint64_t version;

    if (cell_value_read(value, &metrics, &version) < 0)
        return ERROR_CORRUPT;
    return board_image_put(image, names, field, &metrics, version);
}

/* The fact's cell in this group, or false when it does not count here. */
static bool fact_cell(const struct board_image *image, const struct fact *fact, uint32_t *ret_key)
{
    struct group_key key = image->key;
    const struct rollup_row *row = &rollup_rows[key.rollup];
    enum dimension first = group_first_dimension(key);

    if (first != DIMENSION_NONE && fact_dimension(fact, first) != key.first)
        return false;
    if (key.period == PERIOD_DAY && calendar_day(&image->calendar, fact->time_ms) != key.when)
        return false;
    if (key.period == PERIOD_MINUTE) {
        *ret_key = calendar_minute(&image->calendar, fact->time_ms);
        return calendar_hour(&image->calendar, fact->time_ms) == key.when;
    }
    *ret_key = row->second == DIMENSION_NONE ? TOTAL_CELL : fact_dimension(fact, row->second);
    return *ret_key != 0;
}

void board_image_fact(struct board_image *image, uint64_t lane_version, const struct fact *fact)
{
    struct metrics metrics = fact_metrics(fact);
    struct image_cell *cell;
    uint32_t key;

    if (!fact_cell(image, fact, &key))
        return;
    cell = open_cell(image, key);
    if (lane_version < cell->version || (lane_version == cell->version && !cell->from_feed))
        return;
    metrics_add(&cell->metrics, &metrics);
    cell->version = lane_version;
    cell->from_feed = true;
}
