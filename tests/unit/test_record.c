/*
 * Ledger records: what is encoded decodes to the same, and nothing else decodes at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/error.h"
#include "livetally/event.h"
#include "livetally/record.h"

static uint64_t random_state = 42;

static uint32_t random_below(uint32_t below)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33) % below;
}

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.:~@ABCDEFGHIJKLMNOPQRSTUV";

static struct slice random_id(void)
{
    size_t start = random_below(40);
    return (struct slice){letters + start, 1 + random_below(ID_MAX_BYTES > 20 ? 20 : ID_MAX_BYTES)};
}

static struct record random_record(void)
{
    struct record record = {.has_order = random_below(4) > 0};
    if (record.has_order) {
        record.host = random_id();
        record.product = random_id();
        if (random_below(2))
            record.session = random_id();
        if (random_below(2))
            record.platform = random_id();
        record.county = 422828;
        record.quantity = 1 + random_below(100000);
        record.amount = (int64_t)random_below(1000000) * 10000;
        record.time_ms = INT64_C(1700000000000) + random_below(UINT32_MAX);
    }
    record.refund_count = random_below(4) ? random_below(4) : random_below(ORDER_REFUNDS_MAX + 1);
    if (!record.has_order && !record.refund_count)
        record.refund_count = 1;
    for (uint32_t i = 0; i < record.refund_count; i++) {
        struct record_refund *refund = &record.refunds[i];
        refund->state = (enum refund_state)random_below(3);
        refund->id = random_id();
        if (random_below(3) == 0)
            refund->host = random_id();
        refund->amount = 1 + random_below(1000000);
        refund->quantity = random_below(1000);
        refund->time_ms = random_below(UINT32_MAX);
    }
    return record;
}

static void assert_same(const struct record *a, const struct record *b)
{
    assert_int_equal(a->has_order, b->has_order);
    assert_true(slice_equal(a->host, b->host) && slice_equal(a->product, b->product));
    assert_true(slice_equal(a->session, b->session) && slice_equal(a->platform, b->platform));
    assert_int_equal(a->county, b->county);
    assert_int_equal(a->quantity, b->quantity);
    assert_int_equal(a->amount, b->amount);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->refund_count, b->refund_count);
    for (uint32_t i = 0; i < a->refund_count; i++) {
        const struct record_refund *x = &a->refunds[i], *y = &b->refunds[i];
        assert_int_equal(x->state, y->state);
        assert_true(slice_equal(x->id, y->id) && slice_equal(x->host, y->host));
        assert_int_equal(x->amount, y->amount);
        assert_int_equal(x->quantity, y->quantity);
        assert_int_equal(x->time_ms, y->time_ms);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    static char bytes[RECORD_MAX_BYTES];
    for (int i = 0; i < 20000; i++) {
        struct record record = random_record(), back;
        size_t size = record_encode(&record, bytes);
        assert_true(size <= record_bound(&record) && size <= RECORD_MAX_BYTES);
        assert_int_equal(0, record_decode((struct slice){bytes, size}, &back));
        assert_same(&record, &back);
    }
}

/* Whatever decodes must be what encoding writes: every other byte string is refused. */
static void test_mutations_are_refused_or_canonical(void **state)
{
    (void)state;
    static char bytes[RECORD_MAX_BYTES + 1], again[RECORD_MAX_BYTES];
    for (int i = 0; i < 100000; i++) {
        struct record record = random_record(), back;
        size_t size = record_encode(&record, bytes);
        switch (random_below(3)) {
        case 0:
            bytes[random_below((uint32_t)size)] ^= (char)(1u << random_below(8));
            break;
        case 1:
            size = random_below((uint32_t)size);
            break;
        default:
            bytes[size++] = (char)random_below(256);
        }
        if (record_decode((struct slice){bytes, size}, &back) != 0)
            continue;
        assert_int_equal(record_encode(&back, again), size);
        assert_memory_equal(again, bytes, size);
    }
}

static void test_truncated_is_corrupt(void **state)
{
    (void)state;
    static char bytes[RECORD_MAX_BYTES];
    struct record record = random_record(), back;
    record.has_order = true;
    record.host = record.product = SLICE("x");
    record.county = 110101;
    size_t size = record_encode(&record, bytes);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(ERROR_CORRUPT, record_decode((struct slice){bytes, cut}, &back));
}

/* What an order and its refunds say goes on into the feed, where others have to accept it. */
static void test_what_no_event_says_is_corrupt(void **state)
{
    (void)state;
    static char bytes[RECORD_MAX_BYTES];
    const struct record good = {.has_order = true,
                                .county = 422828,
                                .host = SLICE("h"),
                                .product = SLICE("p"),
                                .quantity = 1,
                                .refund_count = 1,
                                .refunds = {{.id = SLICE("r"), .amount = 1}}};
    struct record bad[4] = {good, good, good, good}, back;
    bad[0].quantity = 0;
    bad[1].refunds[0].amount = 0;
    bad[2].host = SLICE("h h");
    bad[3].refunds[0].id = SLICE("\n");
    size_t size = record_encode(&good, bytes);
    assert_int_equal(0, record_decode((struct slice){bytes, size}, &back));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size = record_encode(&bad[i], bytes);
        assert_int_equal(ERROR_CORRUPT, record_decode((struct slice){bytes, size}, &back));
    }
}

/* A commit compares records byte for byte: a number in more bytes than it needs is another. */
static void test_long_numbers_are_corrupt(void **state)
{
    (void)state;
    static const char stub[] = "\x18\1\1\1r\5\0\5", longer[] = "\x18\1\1\1r\x85\0\0\5";
    struct record back;
    assert_int_equal(0, record_decode((struct slice){stub, sizeof stub - 1}, &back));
    assert_int_equal(ERROR_CORRUPT,
                     record_decode((struct slice){longer, sizeof longer - 1}, &back));
}

static void test_usual_order_is_small(void **state)
{
    (void)state;
    char bytes[512];
    struct record record = {.has_order = true,
                            .county = 422828,
                            .host = SLICE("host-12"),
                            .product = SLICE("tea-1234"),
                            .session = SLICE("room-9"),
                            .platform = SLICE("douyin"),
                            .quantity = 2,
                            .amount = 15800,
                            .time_ms = INT64_C(1790000000000)};
    assert_true(record_encode(&record, bytes) <= 46); /* an allocation class of Redis's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_mutations_are_refused_or_canonical),
        cmocka_unit_test(test_truncated_is_corrupt),
        cmocka_unit_test(test_what_no_event_says_is_corrupt),
        cmocka_unit_test(test_long_numbers_are_corrupt),
        cmocka_unit_test(test_usual_order_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
