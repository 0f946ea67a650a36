/*
 * Configuration values: the table of keys made from CONFIG_KEYS, and the one function that sets a
 * value, whatever it came from.
 *
 * Layout: struct config is a plain value; a row of `keys` knows the offset of its field, so setting
 * is a loop-free walk from name to row to field. Defaults go through the same checks as the rest.
 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_table.h"
#include "livetally/calendar.h"
#include "livetally/ip.h"
#include "livetally/listen.h"

/* Checks of TEXT and LIST rows: NULL when the value is fine, else what was expected. */

static bool digits_within(const char *text, uint32_t least, uint32_t most, uint32_t *ret_value)
{
    uint64_t value = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 10)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value < least || value > most)
        return false;
    *ret_value = (uint32_t)value;
    return true;
}

static const char *check_path(const char *value)
{
    return value[0] == '"' || value[0] == '\'' ? "expected a path without quotes" : NULL;
}

static const char *check_where(const char *value)
{
    static const char expected[] = "expected HOST:PORT, [IPV6]:PORT or unix:PATH";
    uint32_t port = 0;
    if (strncmp(value, "unix:", 5) == 0) {
        size_t size = strlen(value + 5);
        return size > 0 && size < 108 ? NULL : "expected unix:PATH with a path of 1 to 107 bytes";
    }
    const char *colon = strrchr(value, ':');
    if (!colon || colon == value || !digits_within(colon + 1, 0, 65535, &port))
        return expected;
    if (value[0] == '[')
        return colon[-1] == ']' && colon - value > 2 ? NULL : expected;
    return memchr(value, ':', (size_t)(colon - value)) ? expected : NULL;
}

static const char *check_address(const char *value)
{
    char where[CONFIG_TEXT_BYTES];
    uint32_t traits = 0;
    if (value[0] && listen_split(value, where, sizeof(where), &traits, NULL))
        return "expected an address, and after it only words of these:" LISTEN_WORDS_TEXT;
    return check_where(value[0] ? where : value);
}

static const char *check_network(const char *value)
{
    struct ip_net net;
    return value[0] && !ip_net_parse(slice_of(value), &net) ? IP_NET_EXPECTED : NULL;
}

/* As browsers write it: in small letters, with nothing behind host and port. */
static const char *check_origin(const char *value)
{
    static const char host_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789.-:[]";
    size_t scheme = strncmp(value, "https://", 8) == 0  ? 8
                    : strncmp(value, "http://", 7) == 0 ? 7
                                                        : 0;
    if (!value[0] || strcmp(value, "null") == 0)
        return NULL;
    if (scheme == 0 || !value[scheme] || value[scheme + strspn(value + scheme, host_bytes)])
        return "expected https://HOST, https://HOST:PORT or null, in small letters";
    return NULL;
}

static const char *check_redis_url(const char *value)
{
    if (strcmp(value, "embedded") == 0)
        return NULL;
    if (strncmp(value, "redis://", 8) == 0 && value[8])
        return NULL;
    if (strncmp(value, "unix:", 5) == 0 && value[5])
        return NULL;
    return "expected embedded, redis://[:PASSWORD@]HOST:PORT[/DB] or unix:PATH";
}

static const char *check_prefix(const char *value)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-";
    if (strlen(value) > 31 || value[strspn(value, allowed)])
        return "expected at most 31 bytes of A-Z a-z 0-9 : . _ -";
    return NULL;
}

static const char *check_durability(const char *value)
{
    uint32_t replicas = 0;
    return config_parse_durability(value, &replicas)
               ? "expected local or replicas:N, N from 1 to 16"
               : NULL;
}

static const char *check_currency(const char *value)
{
    bool good = strlen(value) == 3;
    for (int i = 0; good && i < 3; i++)
        good = value[i] >= 'A' && value[i] <= 'Z';
    return good ? NULL : "expected three capital letters like CNY";
}

static const char *check_time_zone(const char *value)
{
    int32_t minutes = 0;
    return calendar_parse_offset(slice_of(value), &minutes)
               ? "expected an offset like +08:00, or UTC"
               : NULL;
}

#define ROW(group, key, type, ...)                                                                 \
    {.section = #group,                                                                            \
     .name = #key,                                                                                 \
     .kind = (type),                                                                               \
     .offset = offsetof(struct config, group##_##key),                                             \
     __VA_ARGS__},
#define NUMBER(group, key, value, low, high, text)                                                 \
    ROW(group, key, CONFIG_NUMBER, .initial = #value, .least = (low), .most = (high),              \
        .help = (text))
#define TEXT(group, key, value, test, text)                                                        \
    ROW(group, key, CONFIG_TEXT, .initial = (value), .check = (test), .help = (text))
#define CHOICE(group, key, value, choice, text)                                                    \
    ROW(group, key, CONFIG_CHOICE, .initial = (value), .words = (choice), .help = (text))
#define LIST(group, key, value, test, text)                                                        \
    ROW(group, key, CONFIG_LIST, .initial = (value), .check = (test), .help = (text))

const struct config_row config_rows[CONFIG_KEY_COUNT] = {CONFIG_KEYS(NUMBER, TEXT, CHOICE, LIST)};

#undef ROW
#undef NUMBER
#undef TEXT
#undef CHOICE
#undef LIST

static void *field_of(struct config *config, const struct config_row *row)
{
    return (char *)config + row->offset;
}

static bool choice_find(const char *words, const char *value, uint32_t *ret_index)
{
    size_t size = strlen(value);
    uint32_t index = 0;
    for (const char *word = words; word; index++) {
        const char *bar = strchr(word, '|');
        size_t length = bar ? (size_t)(bar - word) : strlen(word);
        if (length == size && memcmp(word, value, size) == 0) {
            *ret_index = index;
            return true;
        }
        word = bar ? bar + 1 : NULL;
    }
    return false;
}

/* Writes "FILE:LINE: " or "command line: " in front, so that the operator knows where to look. */
static int fault(const struct config *config, int32_t origin, struct error *error,
                 const char *detail)
{
    if (origin > 0)
        return error_set(error, ERROR_INVALID, "%s:%d: %s", config->file, origin, detail);
    if (origin == CONFIG_FROM_COMMAND_LINE)
        return error_set(error, ERROR_INVALID, "command line: %s", detail);
    return error_set(error, ERROR_INVALID, "default of %s", detail);
}

int config_fault(const struct config *config, enum config_key key, struct error *error,
                 const char *format, ...)
{
    struct buffer detail = BUFFER_INIT;
    va_list args;
    buffer_printf(&detail, "%s.%s: ", config_rows[key].section, config_rows[key].name);
    va_start(args, format);
    buffer_vprintf(&detail, format, args);
    va_end(args);
    int code = fault(config, config->origin[key], error, buffer_cstr(&detail));
    buffer_done(&detail);
    return code;
}

static int set_number(struct config *config, enum config_key key, const char *value,
                      struct error *error)
{
    const struct config_row *row = &config_rows[key];
    uint32_t number = 0;
    if (!digits_within(value, row->least, row->most, &number))
        return config_fault(config, key, error, "expected a whole number from %u to %u, got \"%s\"",
                            row->least, row->most, value);
    *(uint32_t *)field_of(config, row) = number;
    return 0;
}

static int set_choice(struct config *config, enum config_key key, const char *value,
                      struct error *error)
{
    const struct config_row *row = &config_rows[key];
    uint32_t index = 0;
    if (!choice_find(row->words, value, &index))
        return config_fault(config, key, error, "expected one of %s, got \"%s\"", row->words,
                            value);
    *(uint32_t *)field_of(config, row) = index;
    return 0;
}

static int set_text(struct config *config, enum config_key key, struct config_text *field,
                    const char *value, struct error *error)
{
    const struct config_row *row = &config_rows[key];
    size_t size = strlen(value);
    if (size >= CONFIG_TEXT_BYTES)
        return config_fault(config, key, error, "longer than %d bytes", CONFIG_TEXT_BYTES - 1);
    const char *expected = row->check ? row->check(value) : NULL;
    if (expected)
        return config_fault(config, key, error, "%s, got \"%s\"", expected, value);
    memcpy(field->text, value, size + 1);
    return 0;
}

static int set_item(struct config *config, enum config_key key, bool first, const char *value,
                    struct error *error)
{
    struct config_list *list = field_of(config, &config_rows[key]);
    uint32_t place = first || !value[0] ? 0 : list->count;
    if (place == CONFIG_LIST_ITEMS)
        return config_fault(config, key, error, "more than %d of them", CONFIG_LIST_ITEMS);
    int code = set_text(config, key, &list->items[place], value, error);
    if (code == 0)
        list->count = value[0] ? place + 1 : 0;
    return code;
}

int config_put(struct config *config, enum config_key key, int32_t origin, const char *value,
               struct error *error)
{
    const struct config_row *row = &config_rows[key];
    int32_t before = config->origin[key];
    config->origin[key] = origin;
    if (row->kind == CONFIG_LIST) {
        bool same_source = origin > 0 ? before > 0 : before == origin;
        return set_item(config, key, !same_source || origin == CONFIG_FROM_DEFAULT, value, error);
    }
    if (origin > 0 && before > 0)
        return config_fault(config, key, error, "already set on line %d", before);
    if (row->kind == CONFIG_NUMBER)
        return set_number(config, key, value, error);
    if (row->kind == CONFIG_CHOICE)
        return set_choice(config, key, value, error);
    return set_text(config, key, field_of(config, row), value, error);
}

bool config_find(struct slice section, struct slice name, enum config_key *ret_key)
{
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        if (slice_equal(slice_of(config_rows[i].section), section) &&
            slice_equal(slice_of(config_rows[i].name), name)) {
            *ret_key = (enum config_key)i;
            return true;
        }
    }
    return false;
}

void config_init(struct config *config)
{
    memset(config, 0, sizeof(*config));
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        struct error error;
        enum config_key key = (enum config_key)i;
        if (config_put(config, key, CONFIG_FROM_DEFAULT, config_rows[i].initial, &error)) {
            (void)fprintf(stderr, "%s\n", error.text);
            abort();
        }
    }
}

int config_set(struct config *config, const char *name, const char *value, struct error *error)
{
    enum config_key key;
    const char *dot = strchr(name, '.');
    if (!dot || !config_find((struct slice){name, (size_t)(dot - name)}, slice_of(dot + 1), &key))
        return error_set(error, ERROR_INVALID, "command line: unknown key \"%s\"", name);
    return config_put(config, key, CONFIG_FROM_COMMAND_LINE, value, error);
}

int config_assign(struct config *config, const char *assignment, struct error *error)
{
    char name[64];
    const char *equals = strchr(assignment, '=');
    if (!equals || (size_t)(equals - assignment) >= sizeof(name))
        return error_set(error, ERROR_INVALID,
                         "command line: expected section.key=value, got "
                         "\"%s\"",
                         assignment);
    size_t size = (size_t)(equals - assignment);
    memcpy(name, assignment, size);
    name[size] = '\0';
    return config_set(config, name, equals + 1, error);
}

int config_parse_durability(const char *text, uint32_t *ret_replicas)
{
    uint32_t replicas = 0;
    if (strcmp(text, "local") != 0 &&
        (strncmp(text, "replicas:", 9) != 0 || !digits_within(text + 9, 1, 16, &replicas)))
        return ERROR_INVALID;
    *ret_replicas = replicas;
    return 0;
}
