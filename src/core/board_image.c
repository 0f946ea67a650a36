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
    struct cell_index index;
    struct image_cell *cells;
    uint32_t count;
    uint32_t capacity;
    struct group_key key;
};

struct board_image *board_image_new(struct group_key key)
{
    struct board_image *image = mem_zalloc(sizeof(*image));

    image->key = key;
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

uint32_t board_image_count(const struct board_image *image)
{
    return image->count;
}

const struct image_cell *board_image_cells(const struct board_image *image, uint32_t *ret_count)
{
    *ret_count = image->count;
    return image->cells;
}

/* Its place. A new cell is all zeros, up to version 0. */
static uint32_t open_cell(struct board_image *image, uint32_t key)
{
    uint32_t place = cell_index_find(&image->index, key);

    if (place != PLACE_NONE)
        return place;
    if (image->count == image->capacity) {
        image->capacity = image->capacity ? image->capacity * 2 : CELLS_MIN;
        image->cells = mem_resize(image->cells, image->capacity, sizeof(*image->cells));
    }
    place = image->count++;
    image->cells[place] = (struct image_cell){.key = key};
    cell_index_insert(&image->index, key, place);
    return place;
}

int board_image_put(struct board_image *image, struct names *names, struct slice field,
                    const struct metrics *metrics, uint64_t version)
{
    uint32_t key, place;
    struct image_cell *cell;

    if (cell_field_read(names, image->key, field, &key) < 0)
        return ERROR_CORRUPT;
    place = open_cell(image, key);
    cell = &image->cells[place];
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

static void add_fact(struct image_cell *cell, uint64_t lane_version, const struct fact *fact)
{
    struct metrics metrics = fact_metrics(fact);

    if (lane_version < cell->version || (lane_version == cell->version && !cell->from_feed))
        return;
    metrics_add(&cell->metrics, &metrics);
    cell->version = lane_version;
    cell->from_feed = true;
}

void board_images_add(struct image_addition *additions, uint32_t count, uint64_t lane_version)
{
    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(additions[i].image);
    for (uint32_t i = 0; i < count; i++) {
        const struct cell_index *index = &additions[i].image->index;
        __builtin_prefetch(&index->slots[cell_index_start(index, additions[i].cell)]);
    }
    /* From here on by place: cells move when there are more of them. */
    for (uint32_t i = 0; i < count; i++) {
        struct board_image *image = additions[i].image;
        additions[i].cell = open_cell(image, additions[i].cell);
        __builtin_prefetch(&image->cells[additions[i].cell], 1);
    }
    for (uint32_t i = 0; i < count; i++)
        add_fact(&additions[i].image->cells[additions[i].cell], lane_version, additions[i].fact);
}
