/*
 * See order_field.h.
 */
#include "livetally/order_field.h"

#include "digits.h"
#include "livetally/error.h"
#include "livetally/event.h"

_Static_assert(ORDER_FIELD_DIGITS_MAX == DIGITS_MAX, "what fits 64 bits");

bool order_field_number(struct slice id, uint64_t *ret_number)
{
    return digits_read(id.data, id.size, ret_number);
}

size_t order_field_bytes(size_t digits)
{
    return 1 + (size_t)digits_bytes[digits];
}

void order_field_write(char *out, size_t digits, uint64_t number)
{
    size_t bytes = digits_bytes[digits];
    uint64_t big = htobe64(number);
    *out++ = (char)digits;
    if (bytes == sizeof big)
        memcpy(out, &big, sizeof big);
    else
        memcpy(out, (const char *)&big + sizeof big - bytes, bytes);
}

struct slice order_field_of(struct slice id, char room[ORDER_FIELD_MAX_BYTES])
{
    uint64_t number;
    if (!order_field_number(id, &number))
        return id;
    order_field_write(room, id.size, number);
    return (struct slice){room, order_field_bytes(id.size)};
}

static int read_number(struct slice field, char room[ORDER_FIELD_DIGITS_MAX], struct slice *ret_id)
{
    size_t digits = (unsigned char)field.data[0];
    uint64_t number = 0;
    if (field.size != order_field_bytes(digits))
        return ERROR_CORRUPT;
    for (size_t i = 1; i < field.size; i++)
        number = number << 8 | (unsigned char)field.data[i];
    if (number >= digits_power[digits])
        return ERROR_CORRUPT;
    digits_write(room, digits, number);
    *ret_id = (struct slice){room, digits};
    return 0;
}

int order_field_read(struct slice field, char room[ORDER_FIELD_DIGITS_MAX], struct slice *ret_id)
{
    uint64_t number;
    if (field.size && (unsigned char)field.data[0] <= DIGITS_MAX)
        return field.data[0] ? read_number(field, room, ret_id) : ERROR_CORRUPT;
    if (!id_ok(field) || order_field_number(field, &number))
        return ERROR_CORRUPT;
    *ret_id = field;
    return 0;
}
