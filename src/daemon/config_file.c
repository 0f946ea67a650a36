/*
 * The configuration file: reading by inih, writing the sample and the list of keys for --help.
 *
 * inih gets its lines from our own reader, for three reasons: it counts them, so that errors can
 * name one; it strips leading blanks, because inih takes an indented line for the continuation of
 * the value before it; and it refuses lines that inih would cut in two without a word.
 */
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "config_table.h"
#include "file.h"
#include "livetally/mem.h"

struct reader {
    struct config *config;
    struct slice rest; /* not yet read */
    int32_t line;      /* number of the line last handed out */
    int32_t failed;    /* line that *error is about; 0: none so far */
    struct error *error;
};

static int reader_fail(struct reader *reader, const char *text)
{
    reader->failed = reader->line;
    return error_set(reader->error, ERROR_INVALID, "%s:%d: %s", reader->config->file, reader->line,
                     text);
}

/* As fgets() for inih: one line without its end, leading blanks stripped; NULL ends the reading. */
static char *read_line(char *out, int room, void *context)
{
    struct reader *reader = context;
    if (reader->failed || reader->rest.size == 0 || room < 2)
        return NULL;
    struct slice line = reader->rest;
    const char *end = memchr(line.data, '\n', line.size);
    if (end)
        line.size = (size_t)(end - line.data);
    size_t used = line.size + (end ? 1 : 0);
    reader->rest.data += used;
    reader->rest.size -= used;
    reader->line++;

    while (line.size > 0 && (line.data[0] == ' ' || line.data[0] == '\t')) {
        line.data++;
        line.size--;
    }
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    if (line.size > 0 && (line.data[0] == '#' || line.data[0] == ';'))
        line.size = 0;
    if (line.size + 1 > (size_t)room) {
        (void)reader_fail(reader, "line too long");
        return NULL;
    }
    for (size_t i = 0; i < line.size; i++) {
        if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\t') {
            (void)reader_fail(reader, "control character in line");
            return NULL;
        }
    }
    memcpy(out, line.data, line.size);
    out[line.size] = '\0';
    return out;
}

static int take_value(void *context, const char *section, const char *name, const char *value)
{
    struct reader *reader = context;
    enum config_key key;
    if (reader->failed)
        return 0;
    if (!config_find(slice_of(section), slice_of(name), &key)) {
        struct buffer text = BUFFER_INIT;
        if (section[0])
            buffer_printf(&text, "unknown key \"%s\" in section [%s]", name, section);
        else
            buffer_printf(&text, "key \"%s\" stands before any [section]", name);
        (void)reader_fail(reader, buffer_cstr(&text));
        buffer_done(&text);
        return 0;
    }
    if (config_put(reader->config, key, reader->line, value, reader->error)) {
        reader->failed = reader->line;
        return 0;
    }
    return 1;
}

int config_read_text(struct config *config, const char *name, struct slice text,
                     struct error *error)
{
    struct error ignored = {0};
    int code = 0;
    struct config *fresh = mem_alloc(sizeof(*fresh));
    *fresh = *config;
    size_t size = strnlen(name, sizeof(fresh->file) - 1);
    memcpy(fresh->file, name, size);
    fresh->file[size] = '\0';

    struct reader reader = {.config = fresh, .rest = text, .error = error ? error : &ignored};
    int line = ini_parse_stream(read_line, &reader, take_value, &reader);
    if (line < 0) {
        code = error_set(error, ERROR_SYSTEM, "%s: out of memory", name);
    } else if (line > 0 && (reader.failed == 0 || line < reader.failed)) {
        code = error_set(error, ERROR_INVALID, "%s:%d: expected [section] or key = value",
                         fresh->file, line);
    } else if (reader.failed) {
        code = ERROR_INVALID;
    } else {
        *config = *fresh;
    }
    free(fresh);
    return code;
}

int config_read_file(struct config *config, const char *path, struct error *error)
{
    struct buffer text = BUFFER_INIT;
    int code = file_read(path, CONFIG_FILE_BYTES, &text, error);
    if (code == 0)
        code = config_read_text(config, path, buffer_slice(&text), error);
    buffer_done(&text);
    return code;
}

void config_write_sample(struct buffer *out)
{
    const char *section = "";
    buffer_append_text(
        out, "# livetallyd configuration. Every key is shown with its default; uncomment\n"
             "# a line to change it. Comments start with # or ; at the start of a line.\n"
             "# Check a file with: livetallyd --config FILE --check-config\n");
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        if (strcmp(section, row->section) != 0) {
            section = row->section;
            buffer_printf(out, "\n[%s]\n", section);
        }
        buffer_printf(out, "\n# %s\n", row->help);
        if (row->kind == CONFIG_NUMBER)
            buffer_printf(out, "# From %u to %u.\n", row->least, row->most);
        if (row->kind == CONFIG_CHOICE)
            buffer_printf(out, "# One of %s.\n", row->words);
        buffer_printf(out, "#%s =%s%s\n", row->name, row->initial[0] ? " " : "", row->initial);
    }
}

void config_write_keys(struct buffer *out)
{
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        size_t start = out->size;
        buffer_printf(out, "  %s.%s=%s", row->section, row->name, row->initial);
        size_t width = out->size - start;
        buffer_printf(out, "%*s%s\n", width < 36 ? (int)(36 - width) : 1, "", row->help);
    }
}
