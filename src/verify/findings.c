/*
 * Findings hold text of their own: what they are about is freed while reading goes on. Bytes from
 * Redis may be anything, so whatever a terminal could obey is written as \xNN.
 */
#include "findings.h"

#include <inttypes.h>
#include <stdlib.h>

#include "livetally/mem.h"

#define SHOWN_BYTES 160 /* of a key or field: a corrupt one may be megabytes */

void findings_init(struct findings *findings, uint32_t keep)
{
    *findings = (struct findings){.keep = keep};
    findings->list = mem_zalloc((keep ? keep : 1) * sizeof *findings->list);
}

void findings_done(struct findings *findings)
{
    for (uint32_t i = 0; i < findings->kept; i++) {
        free(findings->list[i].key);
        free(findings->list[i].field);
        free(findings->list[i].text);
    }
    for (uint32_t i = 0; i < findings->unchecked_count; i++)
        free(findings->unchecked[i]);
    free(findings->list);
    *findings = (struct findings){0};
}

static char *printable(struct slice text)
{
    struct buffer out = BUFFER_INIT;
    for (size_t i = 0; i < text.size && i < SHOWN_BYTES; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte > ' ' && byte < 127)
            buffer_append_byte(&out, (char)byte);
        else
            buffer_printf(&out, "\\x%02x", byte);
    }
    if (text.size > SHOWN_BYTES)
        buffer_append_text(&out, "...");
    char *copy = mem_strndup(buffer_slice(&out).data, out.size);
    buffer_done(&out);
    return copy;
}

/* The next place in the list, or NULL when it is full. */
static struct finding *next_finding(struct findings *findings, const char *check, struct slice key,
                                    struct slice field)
{
    findings->count++;
    if (findings->kept == findings->keep)
        return NULL;
    struct finding *finding = &findings->list[findings->kept++];
    *finding = (struct finding){.check = check, .key = printable(key), .field = printable(field)};
    return finding;
}

static char *format_text(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static char *format_text(const char *format, va_list args)
{
    struct buffer out = BUFFER_INIT;
    buffer_vprintf(&out, format, args);
    char *copy = mem_strndup(buffer_slice(&out).data, out.size);
    buffer_done(&out);
    return copy;
}

void findings_add(struct findings *findings, const char *check, struct slice key,
                  struct slice field, const char *format, ...)
{
    struct finding *finding = next_finding(findings, check, key, field);
    va_list args;
    if (!finding)
        return;
    va_start(args, format);
    finding->text = format_text(format, args);
    va_end(args);
}

void findings_differ(struct findings *findings, const char *check, struct slice key,
                     struct slice field, const struct difference *difference)
{
    struct finding *finding = next_finding(findings, check, key, field);
    struct buffer text = BUFFER_INIT;
    if (!finding)
        return;
    buffer_printf(&text, "%s: %s%" PRId64 " %s, but %" PRId64 " in the lanes", difference->metric,
                  difference->bound, difference->want, difference->how, difference->have);
    finding->text = mem_strndup(text.data, text.size);
    finding->metric = difference->metric;
    finding->want = difference->want;
    finding->have = difference->have;
    buffer_done(&text);
}

void findings_unchecked(struct findings *findings, const char *format, ...)
{
    va_list args;
    if (findings->unchecked_count == UNCHECKED_MAX)
        return;
    va_start(args, format);
    findings->unchecked[findings->unchecked_count++] = format_text(format, args);
    va_end(args);
}
