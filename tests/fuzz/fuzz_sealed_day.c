/*
 * Pages of sealed days. A page that decodes says only what can be counted, and encodes to the same
 * bytes; cells made from the input come back as they went in. The check at the end of a page is put
 * right first, or no input but the corpus would get past it.
 */
#include "fuzz.h"
#include "livetally/error.h"
#include "livetally/sealed_day.h"

#define CELLS_MAX  64
#define CHECK_SIZE SEALED_CHECK_BYTES

struct cells {
    struct sealed_cell list[CELLS_MAX];
    char texts[2 * CELLS_MAX][SEALED_TEXT_MAX_BYTES];
    uint32_t count;
};

/* 0 at the end of the page. */
static int read_page(struct slice bytes, struct sealed_page *page, struct cells *cells)
{
    struct slice field;
    struct metrics metrics;
    int found = sealed_page_open(bytes, page);

    while (found == 0 && (found = sealed_page_section(page)) == 1) {
        while ((found = sealed_page_cell(page, &field, &metrics)) == 1) {
            struct sealed_cell *cell = &cells->list[cells->count];
            if (cells->count == CELLS_MAX)
                return 1;
            memcpy(cells->texts[cells->count], field.data, field.size);
            *cell = (struct sealed_cell){
                page->first, {cells->texts[cells->count], field.size}, page->version, metrics};
            cells->count++;
            REQUIRE(field.size > 0, "an empty field");
            for (int i = 0; i < METRIC_COUNT; i++)
                REQUIRE(metrics.v[i] >= 0 && metrics.v[i] <= TOTAL_MAX,
                        "a total out of its bounds");
        }
    }
    return found;
}

static void try_to_read(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size + 1);
    struct cells *cells = calloc(1, sizeof(*cells));
    struct buffer again = BUFFER_INIT;
    struct sealed_page page;

    memcpy(bytes, data, size);
    if (size >= CHECK_SIZE)
        sealed_page_check((struct slice){bytes, size - CHECK_SIZE}, bytes + size - CHECK_SIZE);
    if (read_page((struct slice){bytes, size}, &page, cells) == 0) {
        sealed_page_write(&again, page.day, page.rollup, cells->list, cells->count);
        REQUIRE(slice_equal(buffer_slice(&again), (struct slice){bytes, size}),
                "written again it is another page");
    }
    buffer_done(&again);
    free(cells);
    free(bytes);
}

static void make_cells(struct tape *tape, struct cells *cells)
{
    uint32_t wanted = tape_byte(tape) % CELLS_MAX;

    for (; cells->count < wanted; cells->count++) {
        struct sealed_cell *cell = &cells->list[cells->count];
        cell->first = tape_id(tape, cells->texts[2 * cells->count]);
        cell->field = tape_id(tape, cells->texts[2 * cells->count + 1]);
        cell->version = (uint64_t)tape_between(tape, 0, INT64_MAX);
        for (int i = 0; i < METRIC_COUNT; i++)
            cell->metrics.v[i] = tape_between(tape, 0, TOTAL_MAX);
    }
    cells->count = sealed_cells_sort(cells->list, cells->count);
}

static void try_to_write(const uint8_t *data, size_t size)
{
    struct tape tape = {data, data + size};
    struct cells *cells = calloc(1, sizeof(*cells)), *back = calloc(1, sizeof(*back));
    struct buffer out = BUFFER_INIT;
    struct sealed_page page;

    make_cells(&tape, cells);
    sealed_page_write(&out, 20261119, ROLLUP_HOST_PRODUCT, cells->list, cells->count);
    REQUIRE(read_page(buffer_slice(&out), &page, back) == 0, "what was written is refused");
    REQUIRE(back->count == cells->count, "%u cells instead of %u", back->count, cells->count);
    for (uint32_t i = 0; i < cells->count; i++) {
        const struct sealed_cell *a = &cells->list[i], *b = &back->list[i];
        REQUIRE(slice_equal(a->first, b->first) && slice_equal(a->field, b->field) &&
                    a->version == b->version &&
                    memcmp(&a->metrics, &b->metrics, sizeof(a->metrics)) == 0,
                "cell %u is another", i);
    }
    buffer_done(&out);
    free(back);
    free(cells);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_to_read(data, size);
    try_to_write(data, size);
    return 0;
}
