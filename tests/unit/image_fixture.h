/*
 * Facts into images, one at a time.
 */
#ifndef LIVETALLY_TESTS_IMAGE_FIXTURE_H
#define LIVETALLY_TESTS_IMAGE_FIXTURE_H

#include "livetally/board.h"

/* Adds a fact to the image of a group, if it counts there. */
static inline void add_to_image(struct board_image *image, struct group_key key,
                                const struct calendar *calendar, uint64_t version,
                                const struct fact *fact)
{
    uint32_t periods[ROLLUP_COUNT] = {0};
    struct fact_place places[FACT_PLACES_MAX];

    periods[key.rollup] = 1u << key.period;
    if (fact_places(fact, calendar, periods, places) == 1 &&
        group_key_equal(places[0].group, key)) {
        struct image_addition addition = {image, places[0].cell, fact};
        board_images_add(&addition, 1, version);
    }
}

#endif
