/*
 * Manual pages livetallyd(8) and livetallyd.conf(5), from the tables that --help and the sample
 * file come from, so that they can't fall behind.
 */
#include "config_table.h"
#include "livetally/roff.h"
#include "options.h"

#define CONFIG_FILE "/etc/livetally/livetallyd.conf"

static void write_options(struct buffer *out)
{
    struct buffer head = BUFFER_INIT;
    roff_section(out, "OPTIONS");
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (!row->help)
            continue;
        buffer_reset(&head);
        options_write_name(&head, row);
        roff_item(out, buffer_slice(&head));
        roff_text(out, slice_of(row->help));
        if (row->key) {
            buffer_reset(&head);
            buffer_printf(&head, "Another name of %s; see livetallyd.conf(5).", row->key);
            roff_text(out, buffer_slice(&head));
        }
    }
    buffer_done(&head);
}

/* Each line of a text by itself: verbatim, or filled by roff. */
static void write_lines(struct buffer *out, const char *text)
{
    while (text[0]) {
        size_t size = strcspn(text, "\n");
        size_t blank = strspn(text, " ");
        roff_text(out, (struct slice){text + blank, size - blank});
        text += size + (text[size] == '\n');
    }
}

static void write_files(struct buffer *out)
{
    roff_section(out, "FILES");
    roff_item(out, SLICE(CONFIG_FILE));
    roff_text(out, SLICE("What the systemd units read; see livetallyd.conf(5)."));
    roff_item(out, SLICE("/var/lib/livetally"));
    roff_text(out, SLICE("State folder of the systemd unit: lock, list of addresses, and the data "
                         "of the embedded Redis."));
}

void man_write_daemon(struct buffer *out)
{
    roff_page(out, "livetallyd", 8, OPTIONS_SUMMARY);
    roff_section(out, "SYNOPSIS");
    roff_text(out, SLICE("livetallyd [OPTION]..."));
    roff_section(out, "DESCRIPTION");
    roff_text(out, SLICE("Takes orders and refunds over WebSocket and HTTP, counts each exactly "
                         "once, keeps them durable in Redis, and pushes the totals to whoever "
                         "watches."));
    roff_paragraph(out);
    write_lines(out, OPTIONS_CONDUCT);
    write_options(out);
    roff_section(out, "EXIT STATUS");
    write_lines(out, OPTIONS_EXIT_CODES);
    roff_section(out, "EXAMPLES");
    roff_verbatim_begin(out);
    write_lines(out, OPTIONS_EXAMPLES);
    roff_verbatim_end(out);
    man_write_log(out);
    write_files(out);
    roff_see_also(out, "livetallyd.conf(5)", "livetally(1)");
}

static void write_key(struct buffer *out, const struct config_row *row)
{
    struct buffer line = BUFFER_INIT;
    buffer_printf(&line, "%s =%s%s", row->name, row->initial[0] ? " " : "", row->initial);
    roff_item(out, buffer_slice(&line));
    roff_text(out, slice_of(row->help));
    buffer_reset(&line);
    if (row->kind == CONFIG_NUMBER)
        buffer_printf(&line, "From %u to %u.", row->least, row->most);
    if (row->kind == CONFIG_CHOICE)
        buffer_printf(&line, "One of %s.", row->words);
    if (line.size > 0)
        roff_text(out, buffer_slice(&line));
    buffer_done(&line);
}

void man_write_config(struct buffer *out)
{
    const char *section = "";
    roff_page(out, "livetallyd.conf", 5, "configuration of livetallyd");
    roff_section(out, "SYNOPSIS");
    roff_text(out, SLICE(CONFIG_FILE));
    roff_section(out, "DESCRIPTION");
    roff_text(out, SLICE("Sections in brackets, and lines of the form key = value. Comments start "
                         "with # or ; at the start of a line. A key that is not set has the "
                         "default shown here. On the command line any key can be set by -o "
                         "SECTION.KEY=VALUE, which wins. An unknown key or a value that can't be "
                         "is an error; livetallyd --check-config --config FILE tells."));
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        if (strcmp(section, row->section) != 0) {
            struct buffer title = BUFFER_INIT;
            section = row->section;
            buffer_printf(&title, "SECTION [%s]", section);
            roff_section(out, buffer_cstr(&title));
            buffer_done(&title);
        }
        write_key(out, row);
    }
    roff_see_also(out, "livetallyd(8)", "livetally(1)");
}
