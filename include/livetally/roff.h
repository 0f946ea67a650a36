/*
 * Writes manual pages in the language of man(7). Callers hand over plain text; whatever roff would
 * take for a command of its own is escaped here, and what isn't ASCII is written as roff spells it,
 * so that a page looks the same whatever locale it is formatted in.
 */
#ifndef LIVETALLY_ROFF_H
#define LIVETALLY_ROFF_H

#include "livetally/buffer.h"
#include "livetally/slice.h"

/* The head of a page, with its NAME section. */
void roff_page(struct buffer *out, const char *name, int section, const char *summary);
void roff_section(struct buffer *out, const char *title);
void roff_subsection(struct buffer *out, const char *title);
void roff_paragraph(struct buffer *out);
/* Text that is filled into lines; each call begins a new input line of the same paragraph. */
void roff_text(struct buffer *out, struct slice text);
/* The head of a list's item, in bold; its text follows by roff_text(). */
void roff_item(struct buffer *out, struct slice head);
/* Lines kept as they are: between begin and end, roff_text() is a line. */
void roff_verbatim_begin(struct buffer *out);
void roff_verbatim_end(struct buffer *out);
/* "livetallyd(8)", "livetallyd.conf(5)", the last one closing the section SEE ALSO. */
void roff_see_also(struct buffer *out, const char *first, const char *second);

#endif
