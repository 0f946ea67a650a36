/* Rings of the newest orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "livetally/ticker.h"

static struct fact order(uint32_t session, int64_t amount)
{
    return (struct fact){.kind = FACT_ORDER, .host = 1, .session = session, .amount = amount};
}

static void push(struct ticker *ticker, uint32_t session, int64_t amount)
{
    struct fact facts[2] = {order(session, amount), {.kind = FACT_REFUND, .session = session}};

    ticker_push(ticker, facts, 2);
}

static void test_numbers(void **state)
{
    struct ticker *ticker = ticker_new();
    const struct ticker_ring *all = ticker_all(ticker);
    (void)state;

    assert_int_equal(all->count, 0);
    assert_int_equal(ticker_ring_after(all, 0), 0);
    for (int64_t i = 1; i <= 53; i++) {
        push(ticker, 0, i);
        assert_int_equal(all->count, i);
        assert_int_equal(ticker_ring_after(all, (uint64_t)i - 1), 1);
        assert_int_equal(ticker_ring_after(all, 0), i < TICKER_ORDERS ? i : TICKER_ORDERS);
        for (int64_t n = i; n > 0 && n > i - TICKER_ORDERS; n--)
            assert_int_equal(ticker_ring_order(all, (uint64_t)n)->amount, n);
    }
    assert_int_equal(ticker_ring_after(all, 53), 0);
    assert_int_equal(ticker_ring_after(all, 99), 0);
    ticker_clear(ticker);
    assert_int_equal(all->count, 53);
    assert_int_equal(ticker_ring_after(all, 0), 0);
    push(ticker, 0, 54);
    assert_int_equal(ticker_ring_after(all, 0), 1);
    assert_int_equal(ticker_ring_order(all, 54)->amount, 54);
    ticker_free(ticker);
}

/* Large commits and small ones, with refunds among them: the same as order by order. */
static void test_large_commits(void **state)
{
    struct ticker *ticker = ticker_new();
    const struct ticker_ring *all = ticker_all(ticker);
    struct fact facts[97];
    uint64_t orders = 0;
    (void)state;

    for (uint32_t size = 0; size < sizeof facts / sizeof *facts; size++) {
        for (uint32_t i = 0; i < size; i++) {
            facts[i] = order(7, (int64_t)orders + 1);
            facts[i].kind = (i * size + i) % 3 == 1 || size % 11 == 5 ? FACT_REFUND : FACT_ORDER;
            orders += facts[i].kind == FACT_ORDER;
        }
        ticker_push(ticker, facts, size);
        assert_int_equal(all->count, orders);
        uint64_t number = orders - ticker_ring_after(all, 0) + 1;
        for (; number <= orders; number++)
            assert_int_equal(ticker_ring_order(all, number)->amount, number);
    }
    assert_int_equal(ticker_ring_after(all, 0), TICKER_ORDERS);
    ticker_watch(ticker, 7);
    assert_int_equal(ticker_session(ticker, 7)->count, TICKER_ORDERS);
    ticker_unwatch(ticker, 7);
    ticker_free(ticker);
}

static void test_sessions(void **state)
{
    struct ticker *ticker = ticker_new();
    const struct ticker_ring *ring;
    (void)state;

    assert_null(ticker_session(ticker, 7));
    push(ticker, 7, 1);
    push(ticker, 8, 2);
    push(ticker, 7, 3);
    ticker_watch(ticker, 7);
    ring = ticker_session(ticker, 7);
    assert_non_null(ring);
    assert_int_equal(ring->count, 2);
    assert_int_equal(ticker_ring_order(ring, 1)->amount, 1);
    assert_int_equal(ticker_ring_order(ring, 2)->amount, 3);
    ticker_watch(ticker, 7);
    push(ticker, 7, 4);
    push(ticker, 8, 5);
    assert_int_equal(ring->count, 3);
    assert_int_equal(ticker_all(ticker)->count, 5);
    ticker_unwatch(ticker, 7);
    assert_ptr_equal(ticker_session(ticker, 7), ring);
    ticker_unwatch(ticker, 7);
    assert_null(ticker_session(ticker, 7));
    ticker_unwatch(ticker, 7);
    ticker_watch(ticker, 9);
    assert_int_equal(ticker_session(ticker, 9)->count, 0);
    ticker_free(ticker);
    ticker_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_large_commits),
        cmocka_unit_test(test_sessions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
