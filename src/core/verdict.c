/*
 * Why this exists: what tools read when an event of theirs is refused. A rejection is a flat struct
 * of fixed size, so that a list of them is one array and needs no clean-up.
 */
#include "livetally/verdict.h"

#include <stdarg.h>
#include <stdio.h>

#include "livetally/json.h"
#include "utf8_step.h"

struct code_facts {
    const char *name;
    bool final;
};

static const struct code_facts code_facts[REJECTION_CODE_COUNT] = {
#define X(name, wire, final) [REJECT_##name] = {wire, final},
    REJECTION_CODES(X)
#undef X
};

const char *rejection_code_name(enum rejection_code code)
{
    return code_facts[code].name;
}

bool rejection_code_final(enum rejection_code code)
{
    return code_facts[code].final;
}

void rejection_echo(char out[REJECTION_ECHO_BYTES + 1], struct slice input)
{
    size_t size = utf8_cut(input, REJECTION_ECHO_BYTES);
    if (size > 0)
        memcpy(out, input.data, size);
    out[size] = '\0';
}

void rejection_set(struct rejection *rejection, enum rejection_code code, const char *field,
                   struct slice id, const char *format, ...)
{
    rejection->code = code;
    rejection->field = field;
    rejection_echo(rejection->id, id);
    va_list args;
    va_start(args, format);
    int size = vsnprintf(rejection->error, sizeof rejection->error, format, args);
    va_end(args);
    if (size < 0)
        rejection->error[0] = '\0';
    else if ((size_t)size >= sizeof rejection->error)
        rejection->error[utf8_trim(rejection->error, sizeof rejection->error - 1)] = '\0';
}

void rejection_write(struct buffer *out, uint64_t message, const struct rejection *rejection)
{
    json_write_comma(out);
    buffer_append_byte(out, '{');
    json_field_uint(out, "message", message);
    if (rejection->index == REJECTION_WHOLE_MESSAGE) {
        json_write_key(out, "index");
        buffer_append_text(out, "null");
    } else {
        json_field_uint(out, "index", rejection->index);
    }
    if (rejection->id[0])
        json_field_string(out, "id", slice_of(rejection->id));
    json_field_string(out, "code", slice_of(rejection_code_name(rejection->code)));
    json_field_bool(out, "final", rejection_code_final(rejection->code));
    if (rejection->field)
        json_field_string(out, "field", slice_of(rejection->field));
    json_field_string(out, "error", slice_of(rejection->error));
    buffer_append_byte(out, '}');
}
