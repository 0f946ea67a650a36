/*
 * County lists against a slow reader of CSV, which takes the whole table apart first: the same
 * lists are accepted, with the same codes, counting under the same successors. Names that are
 * accepted, written and read again are the same names.
 * Input: the counties, then, after a line of "--", the retired codes.
 */
#include "fuzz.h"
#include "livetally/county.h"
#include "livetally/county_names.h"
#include "livetally/mem.h"

/* All cells, unquoted, one after the other. */
struct slow_cell {
    size_t row, column;
    size_t start, size;
};

struct slow_table {
    struct buffer text;
    struct slow_cell *cells;
    size_t count;
    size_t rows;
};

static bool ends_line(const char *at, const char *end)
{
    return at == end || *at == '\n' || (*at == '\r' && (at + 1 == end || at[1] == '\n'));
}

/* One cell to its end; NULL when it is malformed. */
static const char *slow_cell(struct slow_table *table, const char *at, const char *end)
{
    bool quoted = at < end && *at == '"';

    if (!quoted) {
        for (; !ends_line(at, end) && *at != ','; at++) {
            if (*at == '"')
                return NULL;
            buffer_append_byte(&table->text, *at);
        }
        return at;
    }
    for (at++; at < end; at++) {
        if (*at == '"' && (at + 1 == end || at[1] != '"'))
            return ends_line(at + 1, end) || at[1] == ',' ? at + 1 : NULL;
        at += *at == '"';
        buffer_append_byte(&table->text, *at);
    }
    return NULL;
}

static bool slow_split(struct slow_table *table, struct slice text)
{
    const char *at = text.data, *end = text.data + text.size;

    if (text.size >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0)
        at += 3;
    while (at < end) {
        size_t column = 0;
        while (at < end && ends_line(at, end))
            at++;
        if (at == end)
            break;
        for (bool more = true; more; column++) {
            struct slow_cell cell = {table->rows, column, table->text.size, 0};
            at = slow_cell(table, at, end);
            if (!at)
                return false;
            cell.size = table->text.size - cell.start;
            table->cells = mem_resize(table->cells, table->count + 1, sizeof(*table->cells));
            table->cells[table->count++] = cell;
            more = at < end && *at == ',';
            at += more;
        }
        table->rows++;
    }
    return table->rows > 0;
}

static struct slice slow_at(const struct slow_table *table, size_t row, size_t column)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->cells[i].row == row && table->cells[i].column == column)
            return (struct slice){buffer_slice(&table->text).data + table->cells[i].start,
                                  table->cells[i].size};
    return (struct slice){NULL, 0};
}

static size_t slow_width(const struct slow_table *table, size_t row)
{
    size_t width = 0;

    while (slow_at(table, row, width).data)
        width++;
    return width;
}

/* The place of the one column with that name; SIZE_MAX: there is none, or there are two. */
static size_t slow_column(const struct slow_table *table, const char *name)
{
    size_t found = SIZE_MAX;
    size_t count = 0;

    for (size_t i = 0; i < slow_width(table, 0); i++) {
        if (slice_equal(slow_at(table, 0, i), slice_of(name))) {
            found = i;
            count++;
        }
    }
    return count == 1 ? found : SIZE_MAX;
}

static bool slow_read(struct slow_table *table, struct slice text, const char *const *names,
                      size_t *columns, size_t count)
{
    *table = (struct slow_table){.text = BUFFER_INIT};
    if (!slow_split(table, text))
        return false;
    for (size_t row = 1; row < table->rows; row++)
        if (slow_width(table, row) != slow_width(table, 0))
            return false;
    for (size_t i = 0; i < count; i++) {
        columns[i] = slow_column(table, names[i]);
        if (columns[i] == SIZE_MAX)
            return false;
    }
    return true;
}

static void slow_done(struct slow_table *table)
{
    buffer_done(&table->text);
    free(table->cells);
}

/* 0: no code of a county. */
static uint32_t slow_code(struct slice cell)
{
    char text[7] = {0};

    if (cell.size != 6)
        return 0;
    memcpy(text, cell.data, 6);
    if (strspn(text, "0123456789") != 6)
        return 0;
    return county_form_ok((uint32_t)atoi(text)) ? (uint32_t)atoi(text) : 0;
}

#define CODES_MAX 4096 /* of an input of CODES_MAX lines at most */

struct slow_list {
    uint32_t codes[CODES_MAX], counts_under[CODES_MAX];
    size_t count, counties;
};

static uint32_t slow_resolve(const struct slow_list *list, uint32_t code)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->codes[i] == code)
            return list->counts_under[i];
    return 0;
}

/* False: there already, or no code at all. */
static bool slow_add(struct slow_list *list, uint32_t code, uint32_t counts_under)
{
    if (code == 0 || slow_resolve(list, code) != 0)
        return false;
    list->codes[list->count] = code;
    list->counts_under[list->count++] = counts_under;
    return true;
}

static bool slow_counties(struct slow_list *list, struct slice text)
{
    static const char *const names[] = {"code"};
    struct slow_table table;
    size_t column;
    bool ok = slow_read(&table, text, names, &column, 1) && table.rows > 1;

    for (size_t row = 1; ok && row < table.rows; row++) {
        uint32_t code = slow_code(slow_at(&table, row, column));
        ok = slow_add(list, code, code);
    }
    list->counties = list->count;
    slow_done(&table);
    return ok;
}

static bool slow_aliases(struct slow_list *list, struct slice text)
{
    static const char *const names[] = {"old_code", "primary_code"};
    struct slow_table table;
    size_t columns[2];
    bool ok = slow_read(&table, text, names, columns, 2);

    for (size_t row = 1; ok && row < table.rows; row++) {
        uint32_t code = slow_code(slow_at(&table, row, columns[0]));
        struct slice successor = slow_at(&table, row, columns[1]);
        uint32_t county = slow_code(successor);
        if (successor.size == 0)
            ok = code != 0;
        else
            ok = county && slow_resolve(list, county) == county && slow_add(list, code, county);
    }
    slow_done(&table);
    return ok;
}

static void check_names(struct slice text)
{
    struct county_names *names = NULL, *again = NULL;
    struct buffer first = BUFFER_INIT, second = BUFFER_INIT;

    if (county_names_parse(text, &names, NULL) == 0 && names) {
        county_names_write(names, &first);
        REQUIRE(county_names_parse(buffer_slice(&first), &again, NULL) == 0,
                "written names can't be read");
        county_names_write(again, &second);
        REQUIRE(slice_equal(buffer_slice(&first), buffer_slice(&second)),
                "read again, names are others");
    }
    county_names_free(names);
    county_names_free(again);
    buffer_done(&first);
    buffer_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = fuzz_text(data, size), aliases = {NULL, 0};
    const char *cut = memmem(text.data, text.size, "\n--\n", 4);
    struct county_list *list = NULL;
    struct error error = {.text = ""};
    struct slow_list *slow = mem_alloc(sizeof(*slow));

    if (cut) {
        aliases = (struct slice){cut + 4, text.size - (size_t)(cut - text.data) - 4};
        text.size = (size_t)(cut - text.data);
    }
    slow->count = 0;
    REQUIRE(size <= CODES_MAX, "run this with -max_len=%d", CODES_MAX);
    bool expected = slow_counties(slow, text) && (!cut || slow_aliases(slow, aliases));
    int rc = county_list_parse(text, aliases, &list, &error);
    REQUIRE((rc == 0) == expected, "%s: %s", expected ? "refused" : "accepted", error.text);
    if (rc == 0) {
        check_names(text);
        REQUIRE(county_list_count(list) == slow->counties, "%zu counties instead of %zu",
                county_list_count(list), slow->counties);
        for (size_t i = 0; i < slow->count; i++)
            REQUIRE(county_resolve(list, slow->codes[i]) == slow->counts_under[i],
                    "%u counts under %u", slow->codes[i], county_resolve(list, slow->codes[i]));
        REQUIRE(county_resolve(list, 422829) == slow_resolve(slow, 422829), "one too many");
    } else {
        REQUIRE(!list && error.text[0], "refused without a word");
    }
    county_list_free(list);
    free(slow);
    return 0;
}
