/*
 * Why this exists: 422828 means something to few people. Names stand in an array ordered by code,
 * which is looked into once for a row of a board that is shown, not for an order.
 */
#include "livetally/county_names.h"

#include <stdlib.h>

#include "csv.h"
#include "livetally/county.h"
#include "livetally/event.h"
#include "livetally/json.h"
#include "livetally/mem.h"

enum column { CODE, NAME_ZH, NAME_EN, PREFECTURE_ZH, PREFECTURE_EN, COLUMNS };

static const char *const columns[COLUMNS] = {"code", "name_zh", "name_en", "prefecture_zh",
                                             "prefecture_en"};

struct county_row {
    uint32_t code;
    uint32_t at;            /* of its cells in texts, one after the other */
    uint8_t sizes[COLUMNS]; /* in bytes, at most NAME_MAX_BYTES; CODE's is 0 */
};

struct county_names {
    struct county_row *rows;
    size_t count;
    size_t capacity;
    struct buffer texts;
};

static int add_row(struct county_names *names, const struct slice *cells, size_t line,
                   struct error *error)
{
    struct county_row row = {.at = (uint32_t)names->texts.size};

    if (!county_read_digits(cells[CODE], &row.code))
        return error_set(error, ERROR_INVALID, "county list, line %zu: expected a county code",
                         line);
    for (size_t i = NAME_ZH; i < COLUMNS; i++) {
        if (cells[i].size > NAME_MAX_BYTES || !utf8_ok(cells[i]) || !utf8_no_controls(cells[i]))
            return error_set(error, ERROR_INVALID,
                             "county list, line %zu: %s must be UTF-8 of at most %d bytes without "
                             "control characters",
                             line, columns[i], NAME_MAX_BYTES);
        row.sizes[i] = (uint8_t)cells[i].size;
        buffer_append_slice(&names->texts, cells[i]);
    }
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 64;
        names->rows = mem_resize(names->rows, names->capacity, sizeof(*names->rows));
    }
    names->rows[names->count++] = row;
    return 0;
}

static int compare_rows(const void *a, const void *b)
{
    const struct county_row *left = a;
    const struct county_row *right = b;

    return (left->code > right->code) - (left->code < right->code);
}

int county_names_parse(struct slice counties, struct county_names **ret_names, struct error *error)
{
    struct county_names *names = mem_zalloc(sizeof(*names));
    struct slice cells[COLUMNS];
    struct csv csv;
    int rc = csv_init(&csv, counties, "county list", columns, COLUMNS, 1, error);

    if (rc == 0 && !csv_has(&csv, NAME_ZH)) {
        *ret_names = NULL;
        goto out;
    }
    while (rc == 0 && (rc = csv_next(&csv, cells, error)) > 0)
        rc = add_row(names, cells, csv.line, error);
    if (rc)
        goto out;
    if (names->count > 0)
        qsort(names->rows, names->count, sizeof(*names->rows), compare_rows);
    *ret_names = names;
    names = NULL;
out:
    csv_done(&csv);
    county_names_free(names);
    return rc;
}

void county_names_free(struct county_names *names)
{
    if (!names)
        return;
    buffer_done(&names->texts);
    free(names->rows);
    free(names);
}

struct slice county_names_find(const struct county_names *names, uint32_t code)
{
    struct county_row key = {.code = code};
    const struct county_row *row = NULL;

    if (names && names->count > 0)
        row = bsearch(&key, names->rows, names->count, sizeof(*names->rows), compare_rows);
    if (!row || row->sizes[NAME_ZH] == 0)
        return (struct slice){NULL, 0};
    return (struct slice){buffer_slice(&names->texts).data + row->at, row->sizes[NAME_ZH]};
}

static void write_cell(struct buffer *out, struct slice cell)
{
    bool quoted = false;

    for (size_t i = 0; i < cell.size; i++)
        quoted = quoted || cell.data[i] == ',' || cell.data[i] == '"';
    if (quoted)
        buffer_append_byte(out, '"');
    for (size_t i = 0; i < cell.size; i++) {
        if (cell.data[i] == '"')
            buffer_append_byte(out, '"');
        buffer_append_byte(out, cell.data[i]);
    }
    if (quoted)
        buffer_append_byte(out, '"');
}

void county_names_write(const struct county_names *names, struct buffer *out)
{
    for (size_t i = 0; i < COLUMNS; i++)
        buffer_printf(out, "%s%s", i ? "," : "", columns[i]);
    buffer_append_byte(out, '\n');
    for (size_t i = 0; names && i < names->count; i++) {
        const struct county_row *row = &names->rows[i];
        const char *text = buffer_slice(&names->texts).data + row->at;

        buffer_printf(out, "%06u", row->code);
        for (size_t column = NAME_ZH; column < COLUMNS; column++) {
            buffer_append_byte(out, ',');
            write_cell(out, (struct slice){text, row->sizes[column]});
            text += row->sizes[column];
        }
        buffer_append_byte(out, '\n');
    }
}
