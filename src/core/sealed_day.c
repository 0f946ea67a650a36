/*
 * Pages of closed days; see sealed_day.h. Writing trusts its caller, reading trusts nobody: a page
 * that decodes is the very one that was written, and whatever it says can be counted.
 */
#include "livetally/sealed_day.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

#include "livetally/calendar.h"
#include "livetally/error.h"
#include "varint.h"

#define FORMAT          1
#define CELL_MIN_BYTES  3u /* head, a byte of the field, mask */
#define SECTION_MIN     (4u + CELL_MIN_BYTES)
#define NIBBLE_MAX      15u
#define METRICS_MASK    ((1u << METRIC_COUNT) - 1)
#define CELL_MAX_BYTES  (1 + 4 + SEALED_TEXT_MAX_BYTES + 1 + METRIC_COUNT * VARINT_MAX_BYTES)
#define HEADER_MAX_SIZE (1 + 2 * VARINT_MAX_BYTES + 1 + SEALED_TEXT_MAX_BYTES)

_Static_assert(METRIC_COUNT <= 8, "the mask of a cell is one byte");

/* Every step can be undone, so bytes that differ in one word never have the same check. */
void sealed_page_check(struct slice bytes, char out[SEALED_CHECK_BYTES])
{
    uint64_t check = bytes.size;

    for (size_t at = 0; at < bytes.size; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t left = bytes.size - at;
        memcpy(&word, bytes.data + at, left < sizeof(word) ? left : sizeof(word));
        check = (check ^ le64toh(word)) * UINT64_C(0x9e3779b97f4a7c15);
        check ^= check >> 29;
    }
    check = htole64(check);
    memcpy(out, &check, sizeof(check));
}

/* --- fields of the hash ------------------------------------------------------------------- */

void sealed_field_write(struct buffer *out, enum rollup rollup, uint64_t number)
{
    buffer_append_text(out, rollup_rows[rollup].name);
    buffer_append_byte(out, ':');
    buffer_append_uint(out, number);
}

static bool find_rollup(struct slice name, enum rollup *ret_rollup)
{
    for (int rollup = 0; rollup < ROLLUP_COUNT; rollup++)
        if (slice_equal(name, slice_of(rollup_rows[rollup].name))) {
            *ret_rollup = (enum rollup)rollup;
            return rollup_rows[rollup].periods >> PERIOD_DAY & 1;
        }
    return false;
}

bool sealed_field_read(struct slice field, enum rollup *ret_rollup, uint64_t *ret_number)
{
    const char *colon = field.size ? memchr(field.data, ':', field.size) : NULL;
    const char *at = colon ? colon + 1 : NULL, *end = field.data + field.size;
    uint64_t number = 0;

    if (!colon || end - at < 1 || end - at > 15 || (*at == '0' && end - at > 1))
        return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    if (!find_rollup((struct slice){field.data, (size_t)(colon - field.data)}, ret_rollup))
        return false;
    *ret_number = number;
    return true;
}

/* --- writing ------------------------------------------------------------------------------ */

/* The newest of a cell first. */
static int by_cell(const void *left, const void *right)
{
    const struct sealed_cell *a = left, *b = right;
    int order = slice_compare(a->first, b->first);

    if (order == 0)
        order = slice_compare(a->field, b->field);
    return order ? order : (a->version < b->version) - (a->version > b->version);
}

static int by_section(const void *left, const void *right)
{
    const struct sealed_cell *a = left, *b = right;
    int order = slice_compare(a->first, b->first);

    if (order == 0)
        order = (a->version > b->version) - (a->version < b->version);
    return order ? order : slice_compare(a->field, b->field);
}

uint32_t sealed_cells_sort(struct sealed_cell *cells, uint32_t count)
{
    uint32_t kept = 0;

    if (count == 0)
        return 0;
    qsort(cells, count, sizeof(*cells), by_cell);
    for (uint32_t i = 1; i < count; i++)
        if (!slice_equal(cells[i].first, cells[kept].first) ||
            !slice_equal(cells[i].field, cells[kept].field))
            cells[++kept] = cells[i];
    qsort(cells, kept + 1, sizeof(*cells), by_section);
    return kept + 1;
}

static size_t shared_size(struct slice a, struct slice b)
{
    size_t most = a.size < b.size ? a.size : b.size, size = 0;

    while (size < most && a.data[size] == b.data[size])
        size++;
    return size;
}

static char *put_text(char *at, struct slice text)
{
    assert(text.size <= SEALED_TEXT_MAX_BYTES);
    *at++ = (char)text.size;
    if (text.size)
        memcpy(at, text.data, text.size);
    return at + text.size;
}

static char *put_cell(char *at, struct slice before, const struct sealed_cell *cell)
{
    size_t shared = shared_size(before, cell->field), size = cell->field.size - shared;
    size_t high = shared < NIBBLE_MAX ? shared : NIBBLE_MAX;
    size_t low = size < NIBBLE_MAX ? size : NIBBLE_MAX;
    char *mask;

    *at++ = (char)(high << 4 | low);
    if (high == NIBBLE_MAX)
        at = varint_put(at, shared - NIBBLE_MAX);
    if (low == NIBBLE_MAX)
        at = varint_put(at, size - NIBBLE_MAX);
    memcpy(at, cell->field.data + shared, size);
    at += size;
    mask = at++;
    *mask = 0;
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        if (cell->metrics.v[i] != 0) {
            *mask = (char)(*mask | 1 << i);
            at = varint_put(at, (uint64_t)cell->metrics.v[i]);
        }
    return at;
}

static uint32_t section_size(const struct sealed_cell *cells, uint32_t count)
{
    uint32_t size = 1;

    while (size < count && cells[size].version == cells[0].version &&
           slice_equal(cells[size].first, cells[0].first))
        size++;
    return size;
}

static void write_section(struct buffer *out, struct buffer *scratch,
                          const struct sealed_cell *cells, uint32_t count)
{
    struct slice before = {"", 0};
    char *at;

    buffer_reset(scratch);
    for (uint32_t i = 0; i < count; i++) {
        at = buffer_reserve(scratch, CELL_MAX_BYTES);
        scratch->size += (size_t)(put_cell(at, before, &cells[i]) - at);
        before = cells[i].field;
    }
    at = buffer_reserve(out, HEADER_MAX_SIZE + 2 * VARINT_MAX_BYTES);
    at = put_text(at, cells[0].first);
    at = varint_put(at, cells[0].version);
    at = varint_put(at, count);
    at = varint_put(at, scratch->size);
    out->size = (size_t)(at - out->data);
    buffer_append_slice(out, buffer_slice(scratch));
}

void sealed_page_write(struct buffer *out, uint32_t day, enum rollup rollup,
                       const struct sealed_cell *cells, uint32_t count)
{
    size_t start = out->size;
    struct buffer scratch = BUFFER_INIT;
    uint64_t sections = 0;
    char *at;

    for (uint32_t i = 0; i < count; i += section_size(&cells[i], count - i))
        sections++;
    at = buffer_reserve(out, HEADER_MAX_SIZE);
    *at++ = FORMAT;
    at = varint_put(at, day);
    at = put_text(at, slice_of(rollup_rows[rollup].name));
    at = varint_put(at, sections);
    out->size = (size_t)(at - out->data);
    for (uint32_t i = 0; i < count;) {
        uint32_t size = section_size(&cells[i], count - i);
        write_section(out, &scratch, &cells[i], size);
        i += size;
    }
    at = buffer_reserve(out, SEALED_CHECK_BYTES);
    sealed_page_check((struct slice){out->data + start, out->size - start}, at);
    out->size += SEALED_CHECK_BYTES;
    buffer_done(&scratch);
}

/* --- reading ------------------------------------------------------------------------------ */

static bool get_text(const char **at, const char *end, struct slice *ret_text)
{
    size_t size;

    if (*at == end || (size = (unsigned char)**at) > SEALED_TEXT_MAX_BYTES ||
        (size_t)(end - *at - 1) < size)
        return false;
    *ret_text = (struct slice){*at + 1, size};
    *at += 1 + size;
    return true;
}

static bool day_ok(uint64_t day)
{
    const struct calendar utc = {0};

    return day <= UINT32_MAX &&
           calendar_day(&utc, calendar_day_start_ms(&utc, (uint32_t)day)) == day;
}

int sealed_page_open(struct slice bytes, struct sealed_page *ret_page)
{
    struct sealed_page page = {.at = bytes.data};
    struct slice name;
    char check[SEALED_CHECK_BYTES];
    uint64_t day;

    if (!bytes.data || bytes.size < SEALED_CHECK_BYTES + 1)
        return ERROR_CORRUPT;
    page.end = bytes.data + bytes.size - SEALED_CHECK_BYTES;
    sealed_page_check((struct slice){bytes.data, bytes.size - SEALED_CHECK_BYTES}, check);
    if (memcmp(check, page.end, sizeof(check)) != 0 || *page.at++ != FORMAT ||
        !varint_get(&page.at, page.end, &day) || !day_ok(day) ||
        !get_text(&page.at, page.end, &name) || !find_rollup(name, &page.rollup) ||
        !varint_get(&page.at, page.end, &page.sections_left) ||
        page.sections_left > (size_t)(page.end - page.at) / SECTION_MIN ||
        (page.sections_left == 0 && page.at != page.end))
        return ERROR_CORRUPT;
    page.day = (uint32_t)day;
    page.section_end = page.at;
    *ret_page = page;
    return 0;
}

/* Groups in their order, and of one group the older versions first. */
static bool comes_after(const struct sealed_page *page, struct slice first, uint64_t version)
{
    int order = page->has_section ? slice_compare(page->first, first) : -1;

    return order < 0 || (order == 0 && page->version < version);
}

int sealed_page_section(struct sealed_page *page)
{
    enum dimension dimension = rollup_rows[page->rollup].first;
    const char *at = page->section_end;
    struct slice first;
    uint64_t version, cells, bytes;

    if (page->sections_left == 0)
        return at == page->end ? 0 : ERROR_CORRUPT;
    if (!get_text(&at, page->end, &first) ||
        (dimension == DIMENSION_NONE ? first.size > 0 : !dimension_text_ok(dimension, first)) ||
        !varint_get(&at, page->end, &version) || version > INT64_MAX ||
        !varint_get(&at, page->end, &cells) || !varint_get(&at, page->end, &bytes) ||
        bytes > (size_t)(page->end - at) || cells == 0 || cells > bytes / CELL_MIN_BYTES ||
        !comes_after(page, first, version))
        return ERROR_CORRUPT;
    page->sections_left--;
    page->has_section = true;
    page->first = first;
    page->version = version;
    page->cells_left = (uint32_t)cells;
    page->at = at;
    page->section_end = at + bytes;
    page->field_size = 0;
    return 1;
}

/* A nibble, and what follows it when it is full. */
static bool get_size(const char **at, const char *end, unsigned nibble, uint64_t *ret_size)
{
    uint64_t rest = 0;

    if (nibble == NIBBLE_MAX && !varint_get(at, end, &rest))
        return false;
    *ret_size = rest > SEALED_TEXT_MAX_BYTES ? rest : nibble + rest;
    return true;
}

/* Each field comes after the one before, and leaves out all that it shares with it. */
static bool get_field(struct sealed_page *page, enum dimension dimension)
{
    const char *end = page->section_end;
    uint64_t shared, size;
    unsigned head;

    if (page->at == end)
        return false;
    head = (unsigned char)*page->at++;
    if (!get_size(&page->at, end, head >> 4, &shared) ||
        !get_size(&page->at, end, head & NIBBLE_MAX, &size) || size == 0 ||
        shared > page->field_size || shared + size > SEALED_TEXT_MAX_BYTES ||
        size > (size_t)(end - page->at))
        return false;
    if (shared < page->field_size && (unsigned char)*page->at <= (unsigned char)page->field[shared])
        return false;
    memcpy(page->field + shared, page->at, size);
    page->field_size = shared + size;
    page->at += size;
    return dimension_text_ok(dimension, (struct slice){page->field, page->field_size});
}

static bool get_metrics(struct sealed_page *page, struct metrics *ret_metrics)
{
    const char *end = page->section_end;
    unsigned mask;

    if (page->at == end || (mask = (unsigned char)*page->at++) > METRICS_MASK)
        return false;
    *ret_metrics = (struct metrics){{0}};
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        uint64_t value;
        if (!(mask >> i & 1))
            continue;
        if (!varint_get(&page->at, end, &value) || value == 0 || value > TOTAL_MAX)
            return false;
        ret_metrics->v[i] = (int64_t)value;
    }
    return true;
}

int sealed_page_cell(struct sealed_page *page, struct slice *ret_field, struct metrics *ret_metrics)
{
    struct metrics metrics;

    if (!page->has_section)
        return 0;
    if (page->cells_left == 0)
        return page->at == page->section_end ? 0 : ERROR_CORRUPT;
    if (!get_field(page, rollup_rows[page->rollup].second) || !get_metrics(page, &metrics))
        return ERROR_CORRUPT;
    page->cells_left--;
    *ret_field = (struct slice){page->field, page->field_size};
    *ret_metrics = metrics;
    return 1;
}
