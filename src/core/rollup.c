/*
 * Metrics and rollups as text: the names of groups, cells and values as they stand in Redis. The
 * tables are made from the lists in rollup.h; nothing here knows one rollup from another.
 *
 * Reading is strict: a text is accepted only if writing its value would give the same text again,
 * so that two spellings of one cell can't exist.
 */
#include "livetally/rollup.h"

#include "livetally/county.h"
#include "livetally/error.h"
#include "livetally/event.h"

#define COUNTY_DIGITS 6u
#define DECIMAL_BYTES 21u /* 2^64-1, and a space */

static const struct slice total_field = {"total", 5};

const char *const metric_names[METRIC_COUNT] = {
#define X(name, wire) #wire,
    METRICS(X)
#undef X
};

const struct rollup_row rollup_rows[ROLLUP_COUNT] = {
#define X(name, text, first, second, periods)                                                      \
    {text, DIMENSION_##first, DIMENSION_##second, periods},
    ROLLUPS(X)
#undef X
};

static const char *const period_names[PERIOD_COUNT] = {"all", "day", "minute"};

/* A minute group has its one dimension in front, so there may be no second one. */
#define X(name, text, first, second, periods)                                                      \
    _Static_assert(!((periods)&1u << PERIOD_MINUTE) || DIMENSION_##first == DIMENSION_NONE,        \
                   text " can't be kept by minute");
ROLLUPS(X)
#undef X

void metrics_add(struct metrics *sum, const struct metrics *delta)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        sum->v[i] += delta->v[i];
}

enum dimension group_first_dimension(struct group_key key)
{
    const struct rollup_row *row = &rollup_rows[key.rollup];
    return key.period == PERIOD_MINUTE ? row->second : row->first;
}

enum dimension group_cell_dimension(struct group_key key)
{
    return key.period == PERIOD_MINUTE ? DIMENSION_NONE : rollup_rows[key.rollup].second;
}

static void write_county(struct buffer *out, uint32_t code)
{
    char digits[COUNTY_DIGITS];

    for (size_t i = COUNTY_DIGITS; i > 0; i--, code /= 10)
        digits[i - 1] = (char)('0' + code % 10);
    buffer_append(out, digits, sizeof(digits));
}

static void write_value(struct buffer *out, const struct names *names, enum dimension dimension,
                        uint32_t value)
{
    if (dimension == DIMENSION_COUNTY)
        write_county(out, value);
    else
        buffer_append_slice(out, names_text(names, value));
}

void group_key_write(struct buffer *out, const struct names *names, struct group_key key)
{
    enum dimension first = group_first_dimension(key);

    buffer_append_text(out, period_names[key.period]);
    buffer_append_byte(out, ':');
    if (key.period != PERIOD_ALL) {
        buffer_append_uint(out, key.when);
        buffer_append_byte(out, ':');
    }
    buffer_append_text(out, rollup_rows[key.rollup].name);
    if (first != DIMENSION_NONE) {
        buffer_append_byte(out, ':');
        write_value(out, names, first, key.first);
    }
}

void cell_field_write(struct buffer *out, const struct names *names, struct group_key key,
                      uint32_t cell)
{
    enum dimension dimension = group_cell_dimension(key);

    if (key.period == PERIOD_MINUTE)
        buffer_append_uint(out, cell);
    else if (dimension == DIMENSION_NONE)
        buffer_append_slice(out, total_field);
    else
        write_value(out, names, dimension, cell);
}

void cell_field_prefetch(const struct names *names, struct group_key key, uint32_t cell)
{
    enum dimension dimension = group_cell_dimension(key);

    if (dimension != DIMENSION_NONE && dimension != DIMENSION_COUNTY)
        names_prefetch_number(names, cell);
}

/* One canonical decimal from *at on, at most `max`. */
static bool read_decimal(const char **at, const char *end, uint64_t max, uint64_t *ret_value)
{
    const char *start = *at;
    uint64_t value = 0;

    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        uint64_t digit = (uint64_t)(**at - '0');
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (*at == start || (*start == '0' && *at - start > 1))
        return false;
    *ret_value = value;
    return true;
}

static bool read_minute(struct slice field, uint32_t *ret_cell)
{
    const char *at = field.data;
    uint64_t minute;

    if (!read_decimal(&at, field.data + field.size, 59, &minute) || at != field.data + field.size)
        return false;
    *ret_cell = (uint32_t)minute;
    return true;
}

static bool read_county(struct slice field, uint32_t *ret_cell)
{
    uint32_t code;
    if (!county_read_digits(field, &code) || !county_form_ok(code))
        return false;
    *ret_cell = code;
    return true;
}

int cell_field_read(struct names *names, struct group_key key, struct slice field,
                    uint32_t *ret_cell)
{
    enum dimension dimension = group_cell_dimension(key);

    if (field.size == 0)
        return ERROR_CORRUPT;
    if (key.period == PERIOD_MINUTE)
        return read_minute(field, ret_cell) ? 0 : ERROR_CORRUPT;
    if (dimension == DIMENSION_COUNTY)
        return read_county(field, ret_cell) ? 0 : ERROR_CORRUPT;
    if (dimension == DIMENSION_NONE) {
        if (!slice_equal(field, total_field))
            return ERROR_CORRUPT;
        *ret_cell = TOTAL_CELL;
        return 0;
    }
    if (!id_ok(field))
        return ERROR_CORRUPT;
    *ret_cell = names_intern(names, field);
    return 0;
}

bool dimension_text_ok(enum dimension dimension, struct slice text)
{
    uint32_t code;

    if (dimension == DIMENSION_NONE)
        return slice_equal(text, total_field);
    return dimension == DIMENSION_COUNTY ? read_county(text, &code) : id_ok(text);
}

uint32_t dimension_find(const struct names *names, enum dimension dimension, struct slice text)
{
    uint32_t value = 0;

    if (dimension == DIMENSION_NONE)
        return TOTAL_CELL;
    if (dimension != DIMENSION_COUNTY)
        return names_find(names, text);
    return read_county(text, &value) ? value : 0;
}

/* In front of `at`; returns where it begins. */
static char *put_decimal(char *at, uint64_t value)
{
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return at;
}

/* A checkpoint writes a great many: from the last digit to the first, and copied once. */
void cell_value_write(struct buffer *out, const struct metrics *metrics, uint64_t version)
{
    char text[(METRIC_COUNT + 1) * DECIMAL_BYTES];
    char *end = text + sizeof(text);
    char *at = put_decimal(end, version);

    for (int i = METRIC_COUNT - 1; i >= 0; i--) {
        *--at = ' ';
        at = put_decimal(at, (uint64_t)metrics->v[i]);
    }
    buffer_append(out, at, (size_t)(end - at));
}

int cell_value_read(struct slice text, struct metrics *ret_metrics, uint64_t *ret_version)
{
    const char *at = text.data;
    const char *end;
    struct metrics metrics;
    uint64_t version;

    if (text.size == 0)
        return ERROR_CORRUPT;
    end = at + text.size;
    for (int i = 0; i < METRIC_COUNT; i++) {
        uint64_t value;
        if (!read_decimal(&at, end, TOTAL_MAX, &value) || at == end || *at++ != ' ')
            return ERROR_CORRUPT;
        metrics.v[i] = (int64_t)value;
    }
    if (!read_decimal(&at, end, INT64_MAX, &version) || at != end)
        return ERROR_CORRUPT;
    *ret_metrics = metrics;
    *ret_version = version;
    return 0;
}
