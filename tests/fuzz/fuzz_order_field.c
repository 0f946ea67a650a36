/*
 * Fields of the ledger. Bytes: refused, or the one spelling of an order id. An id made of the same
 * input: read back as it was written, and written into no more bytes than said.
 */
#include "fuzz.h"
#include "livetally/event.h"
#include "livetally/mem.h"
#include "livetally/order_field.h"

static void check_id(struct slice id)
{
    char room[ORDER_FIELD_MAX_BYTES], text[ORDER_FIELD_DIGITS_MAX];
    struct slice field = order_field_of(id, room), again;
    uint64_t number;

    REQUIRE(order_field_read(field, text, &again) == 0, "it is not read back");
    REQUIRE(slice_equal(id, again), "it is read back as another id");
    if (!order_field_number(id, &number))
        return;
    size_t size = order_field_bytes(id.size);
    char *out = mem_alloc(size);
    order_field_write(out, id.size, number);
    REQUIRE(slice_equal(field, (struct slice){out, size}), "it has two spellings");
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = fuzz_text(data, size), id;
    char text[ORDER_FIELD_DIGITS_MAX], room[ORDER_FIELD_MAX_BYTES], made[ID_MAX_BYTES];
    struct tape tape = {data, data + size};

    if (order_field_read(bytes, text, &id) == 0) {
        REQUIRE(id_ok(id), "it is no id");
        REQUIRE(slice_equal(order_field_of(id, room), bytes), "it has two spellings");
    }
    if (id_ok(bytes))
        check_id(bytes);
    check_id(tape_id(&tape, made));
    return 0;
}
