/*
 * Why this exists: one list of error codes, one way to say what went wrong. No state.
 */
#include "livetally/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8_step.h"

int error_set(struct error *error, enum error_code code, const char *format, ...)
{
    if (!error)
        return code;
    /* Formatted aside first: a caller may wrap error->text in a longer sentence. */
    char text[sizeof error->text];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0)
        text[0] = '\0';
    else if ((size_t)size >= sizeof text)
        text[utf8_trim(text, sizeof text - 1)] = '\0';
    memcpy(error->text, text, strlen(text) + 1);
    error->code = code;
    return code;
}

const char *error_name(enum error_code code)
{
    static const char *const texts[] = {
#define X(name, text) [ERROR_INDEX_##name] = (text),
        ERROR_CODES(X)
#undef X
    };
    int index = -1 - (int)code;
    if (index < 0 || (size_t)index >= sizeof texts / sizeof *texts)
        return code == 0 ? "no error" : "unknown error";
    return texts[index];
}
