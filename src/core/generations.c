/*
 * See generations.h.
 */
#include "livetally/generations.h"

#include "digits.h"

/* From 1, without zeros before it. */
static bool number_read(struct slice text, uint64_t *ret_number)
{
    return digits_read(text.data, text.size, ret_number) && text.data[0] != '0';
}

bool generations_read(struct slice text, struct generations *ret_generations)
{
    const char *colon = text.size ? memchr(text.data, ':', text.size) : NULL;
    struct slice current = {text.data, colon ? (size_t)(colon - text.data) : text.size};
    struct generations generations = {0};
    if (!number_read(current, &generations.current))
        return false;
    if (colon && !number_read((struct slice){colon + 1, text.size - current.size - 1},
                              &generations.packed_from))
        return false;
    *ret_generations = generations;
    return true;
}

static char *number_write(char *out, uint64_t number)
{
    char digits[20];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(out, digits + n, sizeof digits - n);
    return out + sizeof digits - n;
}

void generations_write(const struct generations *generations, char out[GENERATIONS_TEXT_MAX])
{
    char *at = number_write(out, generations->current);
    if (generations->packed_from) {
        *at++ = ':';
        at = number_write(at, generations->packed_from);
    }
    *at = '\0';
}
