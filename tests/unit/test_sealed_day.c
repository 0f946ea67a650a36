/*
 * Pages of sealed days: what is packed comes back, whatever order it came in, the newest of each
 * cell; and a page that isn't byte for byte what was written is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/error.h"
#include "livetally/sealed_day.h"

#define DAY        20261119u
#define CELLS_MANY 3000u

static struct sealed_cell make_cell(const char *first, const char *field, uint64_t version,
                                    int64_t orders)
{
    return (struct sealed_cell){.first = slice_of(first),
                                .field = slice_of(field),
                                .version = version,
                                .metrics = {{orders, 2 * orders, 15800 * orders}}};
}

/* Refused, or read to its end as written. */
static int read_all(struct slice bytes, struct sealed_cell *cells, char (*fields)[65],
                    uint32_t *count)
{
    struct sealed_page page;
    struct slice field;
    struct metrics metrics;
    int found = sealed_page_open(bytes, &page);

    *count = 0;
    if (found < 0)
        return found;
    while ((found = sealed_page_section(&page)) == 1) {
        while ((found = sealed_page_cell(&page, &field, &metrics)) == 1) {
            snprintf(fields[*count], sizeof(*fields), "%.*s", SLICE_ARG(field));
            cells[*count] = (struct sealed_cell){
                page.first, {fields[*count], field.size}, page.version, metrics};
            (*count)++;
        }
        if (found < 0)
            return found;
    }
    return found;
}

static void assert_same(const struct sealed_cell *a, const struct sealed_cell *b)
{
    assert_true(slice_equal(a->first, b->first));
    assert_true(slice_equal(a->field, b->field));
    assert_int_equal(a->version, b->version);
    assert_memory_equal(&a->metrics, &b->metrics, sizeof(a->metrics));
}

static uint32_t some_cells(struct sealed_cell cells[8])
{
    uint32_t count = 0;

    cells[count++] = make_cell("422828", "tea-250g", 9, 12);
    cells[count++] = make_cell("110101", "tea-125g", 7, 3);
    cells[count++] = make_cell("110101", "tea", 7, 1);
    cells[count++] = make_cell("110101", "x", 4, 1);
    cells[count++] = make_cell("422828", "tea-250g-in-a-long-box", 9, 0);
    cells[count++] = make_cell("422828", "tea-250g-in-a-long-box-of-wood-with-a-lid", 9, 5);
    cells[count++] = make_cell("110101", "tea", 3, 99);
    return count;
}

static void what_is_packed_comes_back(void **state)
{
    struct sealed_cell cells[8], back[8];
    char fields[8][65];
    struct buffer out = BUFFER_INIT;
    uint32_t count = sealed_cells_sort(cells, some_cells(cells)), read;

    (void)state;
    assert_int_equal(count, 6); /* the older "tea" of 110101 is gone */
    sealed_page_write(&out, DAY, ROLLUP_COUNTY_PRODUCT, cells, count);
    assert_int_equal(read_all(buffer_slice(&out), back, fields, &read), 0);
    assert_int_equal(read, count);
    for (uint32_t i = 0; i < count; i++)
        assert_same(&back[i], &cells[i]);
    buffer_done(&out);
}

static void the_order_it_came_in_does_not_matter(void **state)
{
    struct sealed_cell cells[8], turned[8];
    struct buffer one = BUFFER_INIT, other = BUFFER_INIT;
    uint32_t count = some_cells(cells);

    (void)state;
    for (uint32_t i = 0; i < count; i++)
        turned[i] = cells[count - 1 - i];
    sealed_page_write(&one, DAY, ROLLUP_COUNTY_PRODUCT, cells, sealed_cells_sort(cells, count));
    sealed_page_write(&other, DAY, ROLLUP_COUNTY_PRODUCT, turned, sealed_cells_sort(turned, count));
    assert_true(slice_equal(buffer_slice(&one), buffer_slice(&other)));
    buffer_done(&one);
    buffer_done(&other);
}

static void many_cells_are_small(void **state)
{
    struct sealed_cell *cells = calloc(CELLS_MANY, sizeof(*cells));
    struct sealed_cell *back = calloc(CELLS_MANY, sizeof(*back));
    char(*names)[65] = calloc(CELLS_MANY, sizeof(*names));
    char(*fields)[65] = calloc(CELLS_MANY, sizeof(*fields));
    struct buffer out = BUFFER_INIT;
    uint32_t read;

    (void)state;
    for (uint32_t i = 0; i < CELLS_MANY; i++) {
        snprintf(names[i], sizeof(*names), "product-%05u", (i * 7919u) % CELLS_MANY);
        cells[i] = make_cell("", names[i], 1234567, i % 300);
    }
    assert_int_equal(sealed_cells_sort(cells, CELLS_MANY), CELLS_MANY);
    sealed_page_write(&out, DAY, ROLLUP_PRODUCT, cells, CELLS_MANY);
    assert_true(out.size < CELLS_MANY * 12u);
    assert_int_equal(read_all(buffer_slice(&out), back, fields, &read), 0);
    assert_int_equal(read, CELLS_MANY);
    for (uint32_t i = 0; i < CELLS_MANY; i++)
        assert_same(&back[i], &cells[i]);
    buffer_done(&out);
    free(cells);
    free(back);
    free(names);
    free(fields);
}

static void the_ends_of_all_ranges(void **state)
{
    char longest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct sealed_cell cells[2] = {make_cell("", longest, INT64_MAX, 0), make_cell("", "-", 0, 0)};
    struct sealed_cell back[2];
    char fields[2][65];
    struct buffer out = BUFFER_INIT;
    uint32_t read;

    (void)state;
    for (int i = 0; i < METRIC_COUNT; i++)
        cells[0].metrics.v[i] = TOTAL_MAX;
    assert_int_equal(sealed_cells_sort(cells, 2), 2);
    sealed_page_write(&out, DAY, ROLLUP_HOST, cells, 2);
    assert_int_equal(read_all(buffer_slice(&out), back, fields, &read), 0);
    assert_int_equal(read, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_same(&back[i], &cells[i]);
    buffer_done(&out);
}

static void damage_is_refused(void **state)
{
    struct sealed_cell cells[8];
    struct sealed_page page;
    struct buffer out = BUFFER_INIT;

    (void)state;
    sealed_page_write(&out, DAY, ROLLUP_COUNTY_PRODUCT, cells,
                      sealed_cells_sort(cells, some_cells(cells)));
    for (size_t size = 0; size < out.size; size++)
        assert_int_equal(sealed_page_open((struct slice){out.data, size}, &page), ERROR_CORRUPT);
    for (size_t at = 0; at < out.size; at++)
        for (unsigned flip = 1; flip < 256; flip++) {
            out.data[at] = (char)(out.data[at] ^ (int)flip);
            assert_int_equal(sealed_page_open(buffer_slice(&out), &page), ERROR_CORRUPT);
            out.data[at] = (char)(out.data[at] ^ (int)flip);
        }
    assert_int_equal(sealed_page_open(buffer_slice(&out), &page), 0);
    buffer_append_byte(&out, '\n');
    assert_int_equal(sealed_page_open(buffer_slice(&out), &page), ERROR_CORRUPT);
    assert_int_equal(sealed_page_open((struct slice){NULL, 0}, &page), ERROR_CORRUPT);
    buffer_done(&out);
}

/* Written by nobody who keeps to the rules, with a check that is right. */
static void what_can_not_be_counted_is_refused(void **state)
{
    static const struct {
        uint32_t day;
        enum rollup rollup;
        const char *first, *field;
    } wrong[] = {
        {20261131, ROLLUP_HOST, "", "ling"},         {DAY, ROLLUP_HOST, "ling", "ling"},
        {DAY, ROLLUP_HOST, "", "two words"},         {DAY, ROLLUP_COUNTY, "", "422800"},
        {DAY, ROLLUP_TOTAL, "", "totals"},           {DAY, ROLLUP_COUNTY_HOST, "", "ling"},
        {DAY, ROLLUP_COUNTY_HOST, "4228", "ling"},   {DAY, ROLLUP_SESSION_PRODUCT, "s1", "tea"},
        {DAY, ROLLUP_PLATFORM_COUNTY, "douyin", ""},
    };
    struct sealed_cell back[1];
    char fields[1][65];
    struct buffer out = BUFFER_INIT;
    uint32_t read;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct sealed_cell cell = make_cell(wrong[i].first, wrong[i].field, 1, 1);
        buffer_reset(&out);
        sealed_page_write(&out, wrong[i].day, wrong[i].rollup, &cell, 1);
        assert_int_equal(read_all(buffer_slice(&out), back, fields, &read), ERROR_CORRUPT);
        assert_int_equal(read, 0);
    }
    buffer_done(&out);
}

static void names_of_pages(void **state)
{
    static const char *const wrong[] = {"",         "host",
                                        "host:",    "host:01",
                                        "host:-1",  "host:1 ",
                                        "nobody:1", "session+product:1",
                                        ":1",       "host:1234567890123456"};
    struct buffer out = BUFFER_INIT;
    enum rollup rollup;
    uint64_t number;

    (void)state;
    sealed_field_write(&out, ROLLUP_COUNTY_PRODUCT, 17);
    assert_string_equal(buffer_cstr(&out), "county+product:17");
    assert_true(sealed_field_read(buffer_slice(&out), &rollup, &number));
    assert_int_equal(rollup, ROLLUP_COUNTY_PRODUCT);
    assert_int_equal(number, 17);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(sealed_field_read(slice_of(wrong[i]), &rollup, &number));
    buffer_done(&out);
}

static void a_page_of_nothing(void **state)
{
    struct buffer out = BUFFER_INIT;
    struct sealed_page page;

    (void)state;
    assert_int_equal(sealed_cells_sort(NULL, 0), 0);
    sealed_page_write(&out, DAY, ROLLUP_HOST, NULL, 0);
    assert_int_equal(sealed_page_open(buffer_slice(&out), &page), 0);
    assert_int_equal(sealed_page_section(&page), 0);
    buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_back),
        cmocka_unit_test(the_order_it_came_in_does_not_matter),
        cmocka_unit_test(many_cells_are_small),
        cmocka_unit_test(the_ends_of_all_ranges),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(what_can_not_be_counted_is_refused),
        cmocka_unit_test(names_of_pages),
        cmocka_unit_test(a_page_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
