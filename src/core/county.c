/*
 * Why this exists: a county is the origin of goods, and totals per county are worthless if typing
 * errors make counties of their own.
 *
 * A list is an open-addressed table, at most a third full, of codes and what each counts under:
 * one probe per order as a rule. It is built once and only read afterwards.
 */
#include "livetally/county.h"

#include <stdlib.h>

#include "csv.h"
#include "livetally/mem.h"

#define LIST_CODES_MAX   10000U
#define TABLE_BITS       15U /* 32,768 slots for at most 10,000 codes */
#define TABLE_SLOTS      (1U << TABLE_BITS)
#define COLUMN_CELL_ECHO 64

struct county_slot {
    uint32_t code; /* 0: free */
    uint32_t counts_under;
};

struct county_list {
    size_t count; /* counties, without the retired codes */
    size_t used;  /* slots taken */
    struct county_slot slots[TABLE_SLOTS];
};

/* By region, from 1 up: North, North-East, East, South, South-West, North-West, Taiwan, Hong Kong
 * and Macao. A look-up, since every fact of other lanes is asked about. */
static const bool provinces_known[100] = {
    [11] = true, [12] = true, [13] = true, [14] = true, [15] = true, [21] = true,
    [22] = true, [23] = true, [31] = true, [32] = true, [33] = true, [34] = true,
    [35] = true, [36] = true, [37] = true, [41] = true, [42] = true, [43] = true,
    [44] = true, [45] = true, [46] = true, [50] = true, /* Chongqing, a municipality since 1997 */
    [51] = true, [52] = true, [53] = true, [54] = true, [61] = true, [62] = true,
    [63] = true, [64] = true, [65] = true, [71] = true, [81] = true, [82] = true,
};

bool county_province_known(uint32_t province)
{
    return province < 100 && provinces_known[province];
}

bool county_form_ok(uint32_t code)
{
    return code <= 999999 && code % 100 != 0 && provinces_known[code / 10000];
}

/* The slot of a code, or the free one where it belongs. */
static const struct county_slot *slot_find(const struct county_list *list, uint32_t code)
{
    uint32_t at = (code * UINT32_C(2654435769)) >> (32U - TABLE_BITS);
    while (list->slots[at].code != 0 && list->slots[at].code != code)
        at = (at + 1) & (TABLE_SLOTS - 1);
    return &list->slots[at];
}

/* Adds a code that is not there yet. */
static int list_add(struct county_list *list, uint32_t code, uint32_t counts_under, size_t line,
                    const char *what, struct error *error)
{
    const struct county_slot *slot = slot_find(list, code);
    if (slot->code != 0)
        return error_set(error, ERROR_CONFLICT, "%s, line %zu: code %06u stands twice", what, line,
                         code);
    if (list->used == LIST_CODES_MAX)
        return error_set(error, ERROR_LIMIT, "%s, line %zu: more than %u codes", what, line,
                         LIST_CODES_MAX);
    list->slots[slot - list->slots] = (struct county_slot){code, counts_under};
    list->used++;
    return 0;
}

bool county_read_digits(struct slice text, uint32_t *ret_code)
{
    uint32_t code = 0;
    if (text.size != 6)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        code = code * 10 + (uint32_t)(text.data[i] - '0');
    }
    *ret_code = code;
    return true;
}

/* 0 when it is anything else than six digits. */
static uint32_t read_code(struct slice text)
{
    uint32_t code = 0;
    return county_read_digits(text, &code) ? code : 0;
}

static int bad_cell(struct error *error, const char *what, size_t line, const char *expected,
                    struct slice cell)
{
    if (cell.size > COLUMN_CELL_ECHO)
        cell.size = COLUMN_CELL_ECHO;
    return error_set(error, ERROR_INVALID, "%s, line %zu: expected %s, found \"%.*s\"", what, line,
                     expected, SLICE_ARG(cell));
}

static int read_counties(struct county_list *list, struct slice text, struct error *error)
{
    static const char what[] = "county list";
    static const char *const columns[] = {"code"};
    struct csv csv;
    struct slice cell;
    int rc = csv_init(&csv, text, what, columns, 1, 1, error);
    if (rc)
        goto out;
    while ((rc = csv_next(&csv, &cell, error)) > 0) {
        uint32_t code = read_code(cell);
        if (!county_form_ok(code)) {
            rc = bad_cell(error, what, csv.line, "a 6-digit county code", cell);
            goto out;
        }
        rc = list_add(list, code, code, csv.line, what, error);
        if (rc)
            goto out;
        list->count++;
    }
    if (rc == 0 && list->count == 0)
        rc = error_set(error, ERROR_INVALID, "%s: no codes in it", what);
out:
    csv_done(&csv);
    return rc;
}

static int read_aliases(struct county_list *list, struct slice text, struct error *error)
{
    static const char what[] = "list of retired codes";
    static const char *const columns[] = {"old_code", "primary_code"};
    struct csv csv;
    struct slice cells[2];
    int rc = csv_init(&csv, text, what, columns, 2, 2, error);
    if (rc)
        goto out;
    while ((rc = csv_next(&csv, cells, error)) > 0) {
        uint32_t code = read_code(cells[0]);
        uint32_t successor = read_code(cells[1]);
        if (!county_form_ok(code)) {
            rc = bad_cell(error, what, csv.line, "a 6-digit county code", cells[0]);
            goto out;
        }
        if (cells[1].size == 0) /* divided among several: nobody can say where it counts */
            continue;
        const struct county_slot *slot = successor ? slot_find(list, successor) : NULL;
        if (!slot || slot->code == 0 || slot->counts_under != successor) {
            rc = bad_cell(error, what, csv.line, "a code of the county list", cells[1]);
            goto out;
        }
        rc = list_add(list, code, successor, csv.line, what, error);
        if (rc)
            goto out;
    }
out:
    csv_done(&csv);
    return rc;
}

int county_list_parse(struct slice counties, struct slice aliases, struct county_list **ret_list,
                      struct error *error)
{
    struct county_list *list = mem_zalloc(sizeof *list);
    int rc = read_counties(list, counties, error);
    if (rc == 0 && aliases.data)
        rc = read_aliases(list, aliases, error);
    if (rc) {
        county_list_free(list);
        return rc;
    }
    *ret_list = list;
    return 0;
}

void county_list_free(struct county_list *list)
{
    free(list);
}

size_t county_list_count(const struct county_list *list)
{
    return list->count;
}

uint32_t county_resolve(const struct county_list *list, uint32_t code)
{
    if (!county_form_ok(code))
        return 0;
    return list ? slot_find(list, code)->counts_under : code;
}

uint32_t county_now(const struct county_list *list, uint32_t code)
{
    uint32_t county = county_resolve(list, code);
    return county ? county : code;
}
