/*
 * Topic names. Which kinds, filters and defaults there are stands in the tables below; parsing
 * cuts a name at its first '?' into a path and options and looks both up. Everything a canonical
 * name consists of is plain ASCII without quotes, so it goes into JSON as it is.
 */
#include "livetally/topic.h"

#include <string.h>

#include "livetally/json.h"

#define ROWS_DEFAULT    10
#define ROWS_MAX        100
#define MINUTES_DEFAULT 120
#define MINUTES_MAX     1440
#define ECHO_BYTES      64

const char *const board_kind_names[BOARD_KIND_COUNT] = {
    [BOARD_HOSTS] = "hosts",       [BOARD_COUNTIES] = "counties",   [BOARD_PRODUCTS] = "products",
    [BOARD_SESSIONS] = "sessions", [BOARD_PLATFORMS] = "platforms", [BOARD_PROVINCES] = "provinces",
};

const char *const board_by_names[BOARD_BY_COUNT] = {
    [BOARD_BY_GROSS] = "gross",
    [BOARD_BY_NET] = "net",
    [BOARD_BY_ORDERS] = "orders",
    [BOARD_BY_UNITS] = "units",
};

const char *const scope_kind_names[SCOPE_KIND_COUNT] = {
    [SCOPE_TOTAL] = "total",           [SCOPE_HOST] = "host",         [SCOPE_COUNTY] = "county",
    [SCOPE_PREFECTURE] = "prefecture", [SCOPE_PROVINCE] = "province", [SCOPE_PRODUCT] = "product",
    [SCOPE_SESSION] = "session",       [SCOPE_PLATFORM] = "platform",
};

#define BIT(scope) (1u << (scope))

static const unsigned board_filters[BOARD_KIND_COUNT] = {
    [BOARD_HOSTS] = BIT(SCOPE_COUNTY),
    [BOARD_COUNTIES] = BIT(SCOPE_PLATFORM) | BIT(SCOPE_PROVINCE),
    [BOARD_PRODUCTS] = BIT(SCOPE_SESSION) | BIT(SCOPE_COUNTY) | BIT(SCOPE_HOST),
};

static const unsigned series_scopes =
    BIT(SCOPE_TOTAL) | BIT(SCOPE_HOST) | BIT(SCOPE_COUNTY) | BIT(SCOPE_SESSION);

/* Sessions outlive midnight, and those of one session are of all its time. */
static bool board_today_default(const struct topic *topic)
{
    return topic->board != BOARD_SESSIONS && topic->scope != SCOPE_SESSION;
}

static bool take_prefix(struct slice *text, const char *prefix)
{
    size_t size = strlen(prefix);

    if (text->size < size || memcmp(text->data, prefix, size) != 0)
        return false;
    text->data += size;
    text->size -= size;
    return true;
}

/* Cuts what stands before the first `at`; what remains is absent when there was none. */
static struct slice cut(struct slice *text, char at)
{
    const char *end = memchr(text->data, at, text->size);
    struct slice head = *text;

    if (!end) {
        *text = (struct slice){NULL, 0};
        return head;
    }
    head.size = (size_t)(end - text->data);
    *text = (struct slice){end + 1, text->size - head.size - 1};
    return head;
}

/* One to `digits` digits without a leading zero; -1 when it is anything else. */
static int32_t read_number(struct slice text, size_t digits)
{
    int32_t value = 0;

    if (text.size == 0 || text.size > digits || text.data[0] == '0')
        return -1;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

static int read_code(struct slice text, enum scope_kind scope, uint32_t *ret_code,
                     struct error *error)
{
    size_t digits = scope == SCOPE_COUNTY ? 6 : scope == SCOPE_PREFECTURE ? 4 : 2;
    int32_t code = text.size == digits ? read_number(text, digits) : -1;
    bool ok = code > 0;

    if (ok && scope == SCOPE_COUNTY)
        ok = county_form_ok((uint32_t)code);
    else if (ok && scope == SCOPE_PREFECTURE)
        ok = county_province_known((uint32_t)code / 100) && code % 100 != 0;
    else if (ok)
        ok = county_province_known((uint32_t)code);
    if (!ok) {
        return error_set(
            error, ERROR_INVALID, "%s must be a %zu-digit code of GB/T 2260, got \"%.*s\"",
            scope_kind_names[scope], digits, (int)utf8_cut(text, ECHO_BYTES), text.data);
    }
    *ret_code = (uint32_t)code;
    return 0;
}

/* The id or code of a scope. */
static int read_value(struct topic *topic, enum scope_kind scope, struct slice text,
                      struct error *error)
{
    if (scope == SCOPE_COUNTY || scope == SCOPE_PREFECTURE || scope == SCOPE_PROVINCE)
        return read_code(text, scope, &topic->code, error);
    if (!id_ok(text)) {
        return error_set(error, ERROR_INVALID,
                         "%s must be 1 to 64 bytes of A-Z a-z 0-9 . _ ~ : @ -",
                         scope_kind_names[scope]);
    }
    topic->id_size = (uint8_t)text.size;
    memcpy(topic->id, text.data, text.size);
    return 0;
}

/* "total", or "host/ID" and the like. ERROR_NOT_FOUND: it doesn't begin like a scope. */
static int read_scope(struct topic *topic, struct slice path, struct error *error)
{
    struct slice kind;

    if (slice_equal(path, SLICE("total"))) {
        topic->scope = SCOPE_TOTAL;
        return 0;
    }
    kind = cut(&path, '/');
    if (!path.data)
        return ERROR_NOT_FOUND;
    for (int scope = SCOPE_HOST; scope < SCOPE_KIND_COUNT; scope++) {
        if (!slice_equal(kind, slice_of(scope_kind_names[scope])))
            continue;
        topic->scope = (enum scope_kind)scope;
        return read_value(topic, topic->scope, path, error);
    }
    return ERROR_NOT_FOUND;
}

enum option { OPTION_BY, OPTION_PERIOD, OPTION_N, OPTION_MINUTES, OPTION_FILTER, OPTION_COUNT };

static int read_by(struct topic *topic, struct slice value, struct error *error)
{
    for (int by = 0; by < BOARD_BY_COUNT; by++) {
        if (slice_equal(value, slice_of(board_by_names[by]))) {
            topic->by = (enum board_by)by;
            return 0;
        }
    }
    return error_set(error, ERROR_INVALID, "by must be gross, net, orders or units");
}

static int read_period(struct topic *topic, struct slice value, struct error *error)
{
    topic->today = slice_equal(value, SLICE("today"));
    if (topic->today || slice_equal(value, SLICE("all")))
        return 0;
    return error_set(error, ERROR_INVALID, "period must be today or all");
}

static int read_range(struct slice value, const char *name, int32_t max, uint16_t *ret_value,
                      struct error *error)
{
    int32_t number = read_number(value, 4);

    if (number < 1 || number > max)
        return error_set(error, ERROR_INVALID, "%s must be 1 to %d", name, max);
    *ret_value = (uint16_t)number;
    return 0;
}

/* Names an option and says in *ret_scope what it filters by, if it does. */
static enum option option_find(const struct topic *topic, struct slice key,
                               enum scope_kind *ret_scope)
{
    if (topic->kind == TOPIC_SERIES)
        return slice_equal(key, SLICE("minutes")) ? OPTION_MINUTES : OPTION_COUNT;
    if (topic->kind != TOPIC_BOARD)
        return OPTION_COUNT;
    if (slice_equal(key, SLICE("by")))
        return OPTION_BY;
    if (slice_equal(key, SLICE("period")))
        return OPTION_PERIOD;
    if (slice_equal(key, SLICE("n")))
        return OPTION_N;
    for (int scope = SCOPE_HOST; scope < SCOPE_KIND_COUNT; scope++) {
        if (board_filters[topic->board] & BIT(scope) &&
            slice_equal(key, slice_of(scope_kind_names[scope]))) {
            *ret_scope = (enum scope_kind)scope;
            return OPTION_FILTER;
        }
    }
    return OPTION_COUNT;
}

static int read_option(struct topic *topic, struct slice pair, unsigned *seen, struct error *error)
{
    struct slice value = pair;
    struct slice key = cut(&value, '=');
    enum scope_kind scope = SCOPE_TOTAL;
    enum option option = option_find(topic, key, &scope);

    if (!value.data || option == OPTION_COUNT) {
        return error_set(error, ERROR_INVALID, "no such option here: \"%.*s\"",
                         (int)utf8_cut(pair, ECHO_BYTES), pair.data);
    }
    if (*seen & 1u << option) {
        return error_set(error, ERROR_INVALID,
                         option == OPTION_FILTER ? "a board takes one filter"
                                                 : "an option stands there twice");
    }
    *seen |= 1u << option;
    switch (option) {
    case OPTION_BY:
        return read_by(topic, value, error);
    case OPTION_PERIOD:
        return read_period(topic, value, error);
    case OPTION_N:
        return read_range(value, "n", ROWS_MAX, &topic->rows, error);
    case OPTION_MINUTES:
        return read_range(value, "minutes", MINUTES_MAX, &topic->minutes, error);
    case OPTION_FILTER:
    case OPTION_COUNT:
        break;
    }
    topic->scope = scope;
    return read_value(topic, scope, value, error);
}

static int read_options(struct topic *topic, struct slice options, struct error *error)
{
    unsigned seen = 0;
    int rc = 0;

    if (topic->kind == TOPIC_SERIES)
        topic->minutes = MINUTES_DEFAULT;
    if (topic->kind == TOPIC_BOARD)
        topic->rows = ROWS_DEFAULT;
    while (rc == 0 && options.data)
        rc = read_option(topic, cut(&options, '&'), &seen, error);
    if (rc || topic->kind != TOPIC_BOARD)
        return rc;
    if (!(seen & 1u << OPTION_PERIOD))
        topic->today = board_today_default(topic);
    if (topic->today && topic->scope == SCOPE_SESSION)
        return error_set(error, ERROR_INVALID, "with session= the period is all");
    return 0;
}

static int read_path(struct topic *topic, struct slice path, struct error *error)
{
    int rc = ERROR_NOT_FOUND;

    if (take_prefix(&path, "top/")) {
        topic->kind = TOPIC_BOARD;
        for (int board = 0; board < BOARD_KIND_COUNT; board++) {
            if (slice_equal(path, slice_of(board_kind_names[board]))) {
                topic->board = (enum board_kind)board;
                rc = 0;
            }
        }
    } else if (take_prefix(&path, "series/")) {
        topic->kind = TOPIC_SERIES;
        rc = read_scope(topic, path, error);
        if (rc == 0 && !(series_scopes & BIT(topic->scope)))
            rc = ERROR_NOT_FOUND;
    } else if (slice_equal(path, SLICE("ticker"))) {
        topic->kind = TOPIC_TICKER;
        rc = 0;
    } else if (take_prefix(&path, "ticker/session/")) {
        topic->kind = TOPIC_TICKER;
        topic->scope = SCOPE_SESSION;
        rc = read_value(topic, SCOPE_SESSION, path, error);
    } else {
        topic->kind = TOPIC_SCOPE;
        rc = read_scope(topic, path, error);
    }
    if (rc == ERROR_NOT_FOUND)
        return error_set(error, ERROR_INVALID, "there is no such topic");
    return rc;
}

int topic_parse(struct slice name, struct topic *ret_topic, struct error *error)
{
    struct topic topic;
    struct slice options = name;
    struct slice path;
    int rc;

    memset(&topic, 0, sizeof(topic));
    if (name.size == 0 || name.size > TOPIC_MAX_BYTES)
        return error_set(error, ERROR_INVALID, "a topic is 1 to %d bytes long", TOPIC_MAX_BYTES);
    path = cut(&options, '?');
    rc = read_path(&topic, path, error);
    if (rc == 0)
        rc = read_options(&topic, options, error);
    if (rc == 0)
        *ret_topic = topic;
    return rc;
}

static void write_value(struct buffer *out, const struct topic *topic)
{
    if (topic->id_size)
        buffer_append_slice(out, topic_id(topic));
    else
        buffer_append_uint(out, topic->code);
}

static void write_scope(struct buffer *out, const struct topic *topic)
{
    buffer_append_text(out, scope_kind_names[topic->scope]);
    if (topic->scope == SCOPE_TOTAL)
        return;
    buffer_append_byte(out, '/');
    write_value(out, topic);
}

static void write_option(struct buffer *out, bool *first, const char *key)
{
    buffer_append_byte(out, *first ? '?' : '&');
    buffer_append_text(out, key);
    buffer_append_byte(out, '=');
    *first = false;
}

static void write_board(struct buffer *out, const struct topic *topic)
{
    bool first = true;

    buffer_append_text(out, "top/");
    buffer_append_text(out, board_kind_names[topic->board]);
    if (topic->scope != SCOPE_TOTAL) {
        write_option(out, &first, scope_kind_names[topic->scope]);
        write_value(out, topic);
    }
    if (topic->by != BOARD_BY_GROSS) {
        write_option(out, &first, "by");
        buffer_append_text(out, board_by_names[topic->by]);
    }
    if (topic->today != board_today_default(topic)) {
        write_option(out, &first, "period");
        buffer_append_text(out, topic->today ? "today" : "all");
    }
    if (topic->rows != ROWS_DEFAULT) {
        write_option(out, &first, "n");
        buffer_append_uint(out, topic->rows);
    }
}

void topic_write(struct buffer *out, const struct topic *topic)
{
    bool first = true;

    switch (topic->kind) {
    case TOPIC_SCOPE:
        write_scope(out, topic);
        break;
    case TOPIC_BOARD:
        write_board(out, topic);
        break;
    case TOPIC_SERIES:
        buffer_append_text(out, "series/");
        write_scope(out, topic);
        if (topic->minutes != MINUTES_DEFAULT) {
            write_option(out, &first, "minutes");
            buffer_append_uint(out, topic->minutes);
        }
        break;
    case TOPIC_TICKER:
        buffer_append_text(out, "ticker");
        if (topic->scope == SCOPE_TOTAL)
            break;
        buffer_append_byte(out, '/');
        write_scope(out, topic);
        break;
    }
}
