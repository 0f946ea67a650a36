/*
 * Manual page and completion from help texts; see manual.h. A help text is read line by line:
 *
 *   "  -x, --long ARG  text"   two blanks and a dash: an option; two blanks end its head
 *   "          more text"      indented after an option: goes on with it
 *   "  anything else"          indented: kept as it is
 *   "text"                     prose
 */
#include "manual.h"

#include <stdbool.h>

#include "livetally/roff.h"

enum line_kind { LINE_BLANK, LINE_PROSE, LINE_OPTION, LINE_MORE, LINE_KEPT };

struct line {
    enum line_kind kind;
    struct slice head; /* of LINE_OPTION */
    struct slice text;
};

static struct slice without_blanks(const char *data, size_t size)
{
    while (size > 0 && data[0] == ' ') {
        data++;
        size--;
    }
    return (struct slice){data, size};
}

static void split_option(struct slice whole, struct line *line)
{
    size_t end = 0;
    while (end + 1 < whole.size && !(whole.data[end] == ' ' && whole.data[end + 1] == ' ')) {
        end++;
    }
    if (end + 1 >= whole.size) {
        end = whole.size;
    }
    line->kind = LINE_OPTION;
    line->head = (struct slice){whole.data, end};
    line->text = without_blanks(whole.data + end, whole.size - end);
}

/* `line` comes in as the line before, whose option this one may go on with. False at the end. */
static bool next_line(const char **at, struct line *line)
{
    size_t size = strcspn(*at, "\n");
    size_t indent = strspn(*at, " ");
    bool in_option = line->kind == LINE_OPTION || line->kind == LINE_MORE;
    if ((*at)[0] == '\0') {
        return false;
    }
    line->text = without_blanks(*at, size);
    if (line->text.size == 0) {
        line->kind = LINE_BLANK;
    } else if (indent == 2 && line->text.data[0] == '-') {
        split_option(line->text, line);
    } else if (indent > 2 && in_option) {
        line->kind = LINE_MORE;
    } else if (indent > 0) {
        line->kind = LINE_KEPT;
        line->text = (struct slice){*at + 2, size - 2};
    } else {
        line->kind = LINE_PROSE;
    }
    *at += size + ((*at)[size] == '\n');
    return true;
}

static void write_help(struct buffer *out, const char *text)
{
    struct line line = {.kind = LINE_BLANK};
    enum line_kind before = LINE_BLANK;
    while (next_line(&text, &line)) {
        if (before == LINE_KEPT && line.kind != LINE_KEPT) {
            roff_verbatim_end(out);
        }
        if (line.kind == LINE_KEPT && before != LINE_KEPT) {
            roff_verbatim_begin(out);
        } else if (line.kind == LINE_PROSE && before != LINE_PROSE) {
            roff_paragraph(out);
        } else if (line.kind == LINE_OPTION) {
            roff_item(out, line.head);
        }
        if (line.text.size > 0) {
            roff_text(out, line.text);
        }
        before = line.kind;
    }
    if (before == LINE_KEPT) {
        roff_verbatim_end(out);
    }
}

void manual_write_page(struct buffer *out, const char *summary, const char *overview,
                       const struct command *const *commands, size_t count)
{
    roff_page(out, "livetally", 1, summary);
    roff_section(out, "SYNOPSIS");
    roff_text(out, SLICE("livetally COMMAND [URL] [OPTION…]"));
    roff_section(out, "DESCRIPTION");
    for (size_t i = 0; i < count; i++) {
        roff_item(out, slice_of(commands[i]->name));
        roff_text(out, slice_of(commands[i]->summary));
    }
    write_help(out, overview);
    roff_section(out, "COMMANDS");
    for (size_t i = 0; i < count; i++) {
        roff_subsection(out, commands[i]->name);
        write_help(out, commands[i]->help);
    }
    roff_see_also(out, "livetallyd(8)", "livetallyd.conf(5)");
}

/* The words of an option's head that begin with a dash: "-q, --quiet" gives two. */
static void append_option_words(struct buffer *out, struct slice head)
{
    const char *end = head.data + head.size;
    for (const char *at = head.data; at < end;) {
        size_t size = 0;
        while (at + size < end && !strchr(" ,=[", at[size])) {
            size++;
        }
        if (size > 1 && at[0] == '-') {
            buffer_append_byte(out, ' ');
            buffer_append(out, at, size);
        }
        at += size + 1;
    }
}

static void append_options(struct buffer *out, const char *help)
{
    struct line line = {.kind = LINE_BLANK};
    while (next_line(&help, &line)) {
        if (line.kind == LINE_OPTION) {
            append_option_words(out, line.head);
        }
    }
}

void manual_write_completion(struct buffer *out, const struct command *const *commands,
                             size_t count)
{
    buffer_append_text(out, "# Completion of livetally's commands and options for bash. Made by "
                            "the build.\n"
                            "_livetally() {\n"
                            "    local word=${COMP_WORDS[COMP_CWORD]} words=\n"
                            "    COMPREPLY=()\n"
                            "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                            "        words='");
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "%s ", commands[i]->name);
    }
    buffer_append_text(out, "--help --version'\n"
                            "    elif [[ $word == -* ]]; then\n"
                            "        case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "        %s) words='--help", commands[i]->name);
        append_options(out, commands[i]->help);
        buffer_append_text(out, "' ;;\n");
    }
    buffer_append_text(out, "        esac\n"
                            "    fi\n"
                            "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                            "}\n"
                            "complete -o default -F _livetally livetally\n");
}
