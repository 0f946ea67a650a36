/*
 * The configuration file: refused with the line at fault, and then nothing is changed; or read, and
 * then writing down what was set and reading that gives the same values, and so does the same file
 * with other line ends, indented, and with comments in it.
 */
#include "daemon/config.h"
#include "daemon/config_table.h"
#include "fuzz.h"
#include "livetally/mem.h"

#define NAME "fuzz.conf"

/* Values alone: the same setting may stand on another line of another file. */
static bool same_values(const struct config *a, const struct config *b)
{
    return memcmp(a, b, offsetof(struct config, origin)) == 0;
}

static uint32_t count_lines(struct slice text)
{
    uint32_t lines = 1;

    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    return lines;
}

/* "fuzz.conf:12: …", and the file has such a line. */
static void check_error(struct slice text, const char *error)
{
    char *end = NULL;

    REQUIRE(strncmp(error, NAME ":", strlen(NAME) + 1) == 0, "names no line: %s", error);
    unsigned long line = strtoul(error + strlen(NAME) + 1, &end, 10);
    REQUIRE(line >= 1 && line <= count_lines(text) && end[0] == ':' && end[2], "of %u lines: %s",
            count_lines(text), error);
}

static void write_value(struct buffer *out, const struct config *config, enum config_key key)
{
    const struct config_row *row = &config_rows[key];
    const char *field = (const char *)config + row->offset;
    const struct config_list *list = (const void *)field;
    uint32_t count = row->kind == CONFIG_LIST ? list->count : 1;

    for (uint32_t i = 0; i < count; i++) {
        /* Without a blank: what follows a blank and a semicolon is a comment. */
        buffer_printf(out, "%s=", row->name);
        if (row->kind == CONFIG_NUMBER) {
            uint32_t number = *(const uint32_t *)(const void *)field;
            REQUIRE(number >= row->least && number <= row->most, "%s is %u", row->name, number);
            buffer_append_uint(out, number);
        } else if (row->kind == CONFIG_CHOICE) {
            const char *word = row->words;
            for (uint32_t n = *(const uint32_t *)(const void *)field; n > 0; n--)
                word = strchr(word, '|') + 1;
            buffer_append(out, word, strcspn(word, "|"));
        } else if (row->kind == CONFIG_TEXT) {
            buffer_append_text(out, ((const struct config_text *)(const void *)field)->text);
        } else {
            buffer_append_text(out, list->items[i].text);
        }
        buffer_append_byte(out, '\n');
    }
}

static void check_written(const struct config *config)
{
    struct buffer text = BUFFER_INIT;
    struct config *again = mem_alloc(sizeof(*again));
    struct error error = {.text = ""};

    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        if (config->origin[i] == CONFIG_FROM_DEFAULT)
            continue;
        REQUIRE(config->origin[i] > 0, "a file sets values from the command line");
        buffer_printf(&text, "[%s]\n", config_rows[i].section);
        write_value(&text, config, (enum config_key)i);
    }
    config_init(again);
    REQUIRE(config_read_text(again, NAME, buffer_slice(&text), &error) == 0, "%s, in:\n%s",
            error.text, buffer_cstr(&text));
    REQUIRE(same_values(config, again), "other values from:\n%s", buffer_cstr(&text));
    free(again);
    buffer_done(&text);
}

/* CRLF, indented, a comment and an empty line after each. */
static void check_dressed(struct slice text, const struct config *config, bool good)
{
    struct buffer dressed = BUFFER_INIT;
    struct config *again = mem_alloc(sizeof(*again));
    struct error error = {.text = ""};
    struct slice line;

    while (fuzz_cut(&text, '\n', &line)) {
        buffer_append_text(&dressed, " \t");
        buffer_append_slice(&dressed, line);
        buffer_append_text(&dressed, "\r\n  # [redis] x\r\n;y\n\n");
    }
    config_init(again);
    REQUIRE((config_read_text(again, NAME, buffer_slice(&dressed), &error) == 0) == good,
            "dressed: %s", error.text);
    REQUIRE(same_values(config, again), "dressed, it says something else");
    free(again);
    buffer_done(&dressed);
}

/* The same bytes as an assignment: any fault is put down to the command line. */
static void check_assigned(struct slice text)
{
    char *assignment = mem_strndup(text.data, text.size);
    struct config *config = mem_alloc(sizeof(*config));
    struct error error = {.text = ""};

    config_init(config);
    if (config_assign(config, assignment, &error) == 0)
        config_check(config, &error);
    else
        REQUIRE(strncmp(error.text, "command line: ", 14) == 0, "names no origin: %s", error.text);
    free(config);
    free(assignment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = fuzz_text(data, size);
    struct config *config = mem_alloc(sizeof(*config));
    struct config *before = mem_alloc(sizeof(*before));
    struct error error = {.text = ""};

    config_init(config);
    *before = *config;
    bool good = config_read_text(config, NAME, text, &error) == 0;
    if (good) {
        check_written(config);
        /* What a key that was set asks of another may find fault with that one's default. */
        if (config_check(config, &error) && strncmp(error.text, "default of ", 11) != 0)
            check_error(text, error.text);
    } else {
        REQUIRE(memcmp(config, before, sizeof(*config)) == 0, "a part of it was taken");
        check_error(text, error.text);
    }
    if (!memchr(text.data, '\r', size))
        check_dressed(text, config, good);
    check_assigned(text);
    free(before);
    free(config);
    return 0;
}
