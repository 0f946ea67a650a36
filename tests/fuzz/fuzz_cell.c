/*
 * Cells of totals as text in Redis: what is read is written the same again, and an image of a group
 * holds of each cell what came with the highest version, in whatever order and however often.
 * Input: a byte that chooses the group, then lines of "field value".
 */
#include "core/board_private.h"
#include "fuzz.h"

#define CELLS_MAX 64

/* The slow image: a list. */
struct slow_cell {
    uint32_t key;
    uint64_t version;
    struct metrics metrics;
};

struct slow_image {
    struct slow_cell cells[CELLS_MAX];
    uint32_t count;
};

static void slow_put(struct slow_image *image, struct slow_cell cell)
{
    uint32_t i = 0;

    while (i < image->count && image->cells[i].key != cell.key)
        i++;
    if (i == image->count)
        image->cells[image->count++] = (struct slow_cell){.key = cell.key};
    if (cell.version >= image->cells[i].version)
        image->cells[i] = cell;
}

/* False: not a cell. Else what it says. */
static bool read_cell(struct names *names, struct group_key key, struct slice field,
                      struct slice value, struct slow_cell *ret_cell)
{
    struct buffer again = BUFFER_INIT;
    bool field_ok = cell_field_read(names, key, field, &ret_cell->key) == 0;
    bool value_ok = cell_value_read(value, &ret_cell->metrics, &ret_cell->version) == 0;

    if (field_ok) {
        cell_field_write(&again, names, key, ret_cell->key);
        REQUIRE(slice_equal(buffer_slice(&again), field), "field \"%.*s\" is written \"%.*s\"",
                SLICE_ARG(field), SLICE_ARG(buffer_slice(&again)));
    }
    buffer_reset(&again);
    if (value_ok) {
        cell_value_write(&again, &ret_cell->metrics, ret_cell->version);
        REQUIRE(slice_equal(buffer_slice(&again), value), "value \"%.*s\" is written \"%.*s\"",
                SLICE_ARG(value), SLICE_ARG(buffer_slice(&again)));
        for (int i = 0; i < METRIC_COUNT; i++)
            REQUIRE(ret_cell->metrics.v[i] >= 0 && ret_cell->metrics.v[i] <= TOTAL_MAX,
                    "a total out of its bounds");
    }
    buffer_done(&again);
    return field_ok && value_ok;
}

static void check_image(const struct board_image *image, const struct slow_image *slow)
{
    uint32_t count;
    const struct image_cell *cells = board_image_cells(image, &count);

    REQUIRE(count == slow->count, "%u cells instead of %u", count, slow->count);
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE(cells[i].key == slow->cells[i].key && cells[i].version == slow->cells[i].version &&
                    !cells[i].from_feed &&
                    memcmp(&cells[i].metrics, &slow->cells[i].metrics, sizeof(struct metrics)) == 0,
                "cell %u is another", i);
    }
}

static struct group_key choose_group(struct names *names, uint8_t choice)
{
    uint32_t one = names_intern(names, SLICE("one"));
    const struct group_key keys[] = {
        {ROLLUP_TOTAL, PERIOD_ALL, 0, 0},
        {ROLLUP_HOST, PERIOD_DAY, 20231115, 0},
        {ROLLUP_COUNTY, PERIOD_ALL, 0, 0},
        {ROLLUP_TOTAL, PERIOD_MINUTE, 2023111506, 0},
        {ROLLUP_SESSION, PERIOD_MINUTE, 2023111506, one},
        {ROLLUP_COUNTY_PRODUCT, PERIOD_ALL, 0, 422828},
        {ROLLUP_PLATFORM_COUNTY, PERIOD_DAY, 20231115, one},
    };

    return keys[choice % (sizeof(keys) / sizeof(*keys))];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct names *names = names_new();
    struct group_key key = choose_group(names, size ? data[0] : 0);
    struct board_image *image = board_image_new(key);
    struct slow_image slow = {.count = 0};
    struct slice text = size > 1 ? fuzz_text(data + 1, size - 1) : (struct slice){NULL, 0};
    struct slice value;

    while (slow.count < CELLS_MAX && fuzz_cut(&text, '\n', &value)) {
        struct slow_cell cell;
        struct slice field = {value.data, 0};
        fuzz_cut(&value, ' ', &field);
        bool good = read_cell(names, key, field, value, &cell);
        int rc = board_image_cell(image, names, field, value);
        REQUIRE((rc == 0) == good, "the image says %d", rc);
        if (good)
            slow_put(&slow, cell);
    }
    check_image(image, &slow);
    board_image_free(image);
    names_free(names);
    return 0;
}
