/*
 * Text for people, on a terminal: columns that line up with Chinese in them, numbers.
 */
#ifndef LIVETALLY_CLI_TEXT_H
#define LIVETALLY_CLI_TEXT_H

#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/slice.h"

/* Columns the text takes; wide characters take two. Text must be UTF-8. */
uint32_t text_width(struct slice text);
/* The longest prefix of at most `width` columns. */
struct slice text_cut(struct slice text, uint32_t width);
/* Exactly `width` columns: cut with an ellipsis, or filled up with blanks on the right, or left. */
void text_append_left(struct buffer *out, struct slice text, uint32_t width);
void text_append_right(struct buffer *out, struct slice text, uint32_t width);
/* 1,234,567 */
void text_append_count(struct buffer *out, int64_t number);
void text_append_grouped(struct buffer *out, uint64_t number);
/* Replaces control characters, which a terminal would obey. In place. */
void text_disarm(char *text);

#endif
