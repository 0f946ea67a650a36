/*
 * Writes manual pages; see roff.h.
 */
#include "livetally/roff.h"

#include <stdbool.h>
#include <stdint.h>

#include "livetally/version.h"

/* Spelled so that they print as themselves, and can be copied from the page into a shell. */
static const char *spelling_of(char byte)
{
    switch (byte) {
    case '\\':
        return "\\e";
    case '-':
        return "\\-";
    case '\'':
        return "\\(aq";
    case '`':
        return "\\(ga";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    case '"':
        return "\\(dq";
    default:
        return NULL;
    }
}

/* The character at `at`, of well-formed UTF-8, as \[uXXXX]. Returns its bytes. */
static size_t append_wide(struct buffer *out, const char *at, size_t left)
{
    unsigned char lead = (unsigned char)at[0];
    size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    uint32_t code = lead & (0x7FU >> size);
    for (size_t i = 1; i < size && i < left; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3FU);
    buffer_printf(out, "\\[u%04X]", (unsigned)code);
    return size < left ? size : left;
}

static void append_escaped(struct buffer *out, struct slice text)
{
    if (text.size > 0 && text.data[0] == '.')
        buffer_append_text(out, "\\&"); /* else it would be a request */
    for (size_t i = 0; i < text.size;) {
        const char *spelling = spelling_of(text.data[i]);
        if (((unsigned char)text.data[i] & 0x80U) != 0) {
            i += append_wide(out, text.data + i, text.size - i);
            continue;
        }
        if (spelling)
            buffer_append_text(out, spelling);
        else
            buffer_append_byte(out, text.data[i]);
        i++;
    }
}

static void append_request(struct buffer *out, const char *request, struct slice text)
{
    buffer_printf(out, ".%s ", request);
    append_escaped(out, text);
    buffer_append_byte(out, '\n');
}

/* No date: a page made anew from the same source has to be the same. */
void roff_page(struct buffer *out, const char *name, int section, const char *summary)
{
    buffer_append_text(out, ".TH \"");
    append_escaped(out, slice_of(name));
    buffer_printf(out, "\" %d \"\" \"livetally %s\"\n", section, LIVETALLY_VERSION);
    buffer_append_text(out, ".nh\n.ad l\n.SH NAME\n");
    append_escaped(out, slice_of(name));
    buffer_append_text(out, " \\- ");
    append_escaped(out, slice_of(summary));
    buffer_append_byte(out, '\n');
}

void roff_section(struct buffer *out, const char *title)
{
    append_request(out, "SH", slice_of(title));
}

void roff_subsection(struct buffer *out, const char *title)
{
    append_request(out, "SS", slice_of(title));
}

void roff_paragraph(struct buffer *out)
{
    buffer_append_text(out, ".PP\n");
}

void roff_text(struct buffer *out, struct slice text)
{
    append_escaped(out, text);
    buffer_append_byte(out, '\n');
}

void roff_item(struct buffer *out, struct slice head)
{
    buffer_append_text(out, ".TP\n");
    append_request(out, "B", head);
}

void roff_verbatim_begin(struct buffer *out)
{
    buffer_append_text(out, ".PP\n.RS 4\n.nf\n");
}

void roff_verbatim_end(struct buffer *out)
{
    buffer_append_text(out, ".fi\n.RE\n");
}

void roff_see_also(struct buffer *out, const char *first, const char *second)
{
    roff_section(out, "SEE ALSO");
    append_escaped(out, slice_of(first));
    buffer_append_text(out, ",\n");
    append_escaped(out, slice_of(second));
    buffer_append_byte(out, '\n');
}
