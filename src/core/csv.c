/*
 * Why this exists: county lists come as CSV out of spreadsheets. Rows are read one at a time from
 * borrowed text; the wanted cells of one row are unquoted into one buffer, which the next reuses.
 */
#include "csv.h"

/* On the CR of a CRLF, or on one that is the last byte. Any other belongs to its cell. */
static bool on_line_end(const struct csv *csv)
{
    return *csv->at == '\r' && (csv->at + 1 == csv->end || csv->at[1] == '\n');
}

/* Reads one cell up to its separator; *ret_last tells whether the row ends with it. */
static int read_cell(struct csv *csv, bool keep, bool *ret_last, struct error *error)
{
    bool quoted = csv->at < csv->end && *csv->at == '"';
    if (quoted) {
        csv->at++;
        for (;;) {
            if (csv->at == csv->end)
                return error_set(error, ERROR_SYNTAX, "%s, line %zu: a quote is never closed",
                                 csv->what, csv->line);
            if (*csv->at == '"' && (++csv->at == csv->end || *csv->at != '"'))
                break;
            if (*csv->at == '\n')
                csv->next_line++;
            if (keep)
                buffer_append_byte(&csv->cell, *csv->at);
            csv->at++;
        }
    }
    while (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n') {
        bool line_end = on_line_end(csv);
        if (!line_end && (quoted || *csv->at == '"'))
            return error_set(error, ERROR_SYNTAX, "%s, line %zu: a quote in the middle of a cell",
                             csv->what, csv->line);
        if (!line_end && keep)
            buffer_append_byte(&csv->cell, *csv->at);
        csv->at++;
    }
    *ret_last = csv->at == csv->end || *csv->at == '\n';
    if (csv->at < csv->end) {
        if (*csv->at == '\n')
            csv->next_line++;
        csv->at++;
    }
    return 0;
}

/* Moves to the next line that has something on it. False at the end of the text. */
static bool next_row(struct csv *csv)
{
    while (csv->at < csv->end) {
        if (*csv->at == '\n')
            csv->next_line++;
        else if (!on_line_end(csv))
            break;
        csv->at++;
    }
    csv->line = csv->next_line;
    buffer_reset(&csv->cell);
    return csv->at < csv->end;
}

static int read_header(struct csv *csv, const char *const *names, size_t required_count,
                       struct error *error)
{
    bool last = false;
    for (size_t i = 0; i < csv->wanted_count; i++)
        csv->wanted[i] = SIZE_MAX;
    while (!last) {
        buffer_reset(&csv->cell);
        int rc = read_cell(csv, true, &last, error);
        if (rc)
            return rc;
        for (size_t i = 0; i < csv->wanted_count; i++) {
            if (!slice_equal(buffer_slice(&csv->cell), slice_of(names[i])))
                continue;
            if (csv->wanted[i] != SIZE_MAX)
                return error_set(error, ERROR_SYNTAX, "%s: column \"%s\" stands twice", csv->what,
                                 names[i]);
            csv->wanted[i] = csv->column_count;
        }
        csv->column_count++;
    }
    for (size_t i = 0; i < required_count && i < csv->wanted_count; i++)
        if (csv->wanted[i] == SIZE_MAX)
            return error_set(error, ERROR_SYNTAX, "%s: its first line names no column \"%s\"",
                             csv->what, names[i]);
    return 0;
}

int csv_init(struct csv *csv, struct slice text, const char *what, const char *const *names,
             size_t name_count, size_t required_count, struct error *error)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    *csv = (struct csv){.at = text.data ? text.data : "", .what = what, .next_line = 1};
    csv->end = csv->at + text.size;
    csv->wanted_count = name_count < CSV_WANTED_MAX ? name_count : CSV_WANTED_MAX;
    if (text.size >= 3 && memcmp(csv->at, byte_order_mark, 3) == 0)
        csv->at += 3;
    if (!next_row(csv))
        return error_set(error, ERROR_SYNTAX, "%s: it is empty", what);
    return read_header(csv, names, required_count, error);
}

bool csv_has(const struct csv *csv, size_t name)
{
    return csv->wanted[name] != SIZE_MAX;
}

void csv_done(struct csv *csv)
{
    buffer_done(&csv->cell);
}

int csv_next(struct csv *csv, struct slice *ret_cells, struct error *error)
{
    size_t starts[CSV_WANTED_MAX] = {0};
    size_t sizes[CSV_WANTED_MAX] = {0};
    bool last = false;
    size_t column = 0;

    if (!next_row(csv))
        return 0;
    for (; !last; column++) {
        size_t wanted = 0;
        while (wanted < csv->wanted_count && csv->wanted[wanted] != column)
            wanted++;
        bool keep = wanted < csv->wanted_count;
        size_t start = csv->cell.size;
        int rc = read_cell(csv, keep, &last, error);
        if (rc)
            return rc;
        if (keep) {
            starts[wanted] = start;
            sizes[wanted] = csv->cell.size - start;
        }
    }
    if (column != csv->column_count)
        return error_set(error, ERROR_SYNTAX,
                         "%s, line %zu: %zu cells where the first line has %zu", csv->what,
                         csv->line, column, csv->column_count);
    const char *cells = buffer_slice(&csv->cell).data;
    for (size_t i = 0; i < csv->wanted_count; i++)
        ret_cells[i] = (struct slice){cells + starts[i], sizes[i]};
    return 1;
}
