/*
 * The simulated livestream: the same every time, valid throughout, and with the shares it promises.
 * Statistical checks have fixed seeds and wide margins: they either always hold or never.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "livetally/event.h"
#include "livetally/mem.h"

/* Not part of libcore.a, but pure: built into this test. */
#include "../../src/cli/sim.c"
#include "../../src/cli/sim_catalog.c"

#define NOW_MS INT64_C(1795312800000)

static const struct sim_options usual = {
    .seed = 42,
    .orders = 5000,
    .hosts = 40,
    .products = 200,
    .refund_percent = 8,
    .duplicate_percent = 2,
};

static struct buffer stream_of(const struct sim_options *options, struct sim_counts *ret_counts)
{
    struct buffer text = BUFFER_INIT;
    struct sim *sim = sim_new(options);
    while (sim_next(sim, &text)) {
        buffer_append_byte(&text, '\n');
    }
    if (ret_counts) {
        *ret_counts = *sim_counts(sim);
    }
    sim_free(sim);
    return text;
}

static void test_same_seed_same_stream(void **state)
{
    (void)state;
    struct buffer first = stream_of(&usual, NULL);
    struct buffer second = stream_of(&usual, NULL);
    assert_true(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    struct sim_options other = usual;
    other.seed = 43;
    buffer_done(&second);
    second = stream_of(&other, NULL);
    assert_false(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    buffer_done(&first);
    buffer_done(&second);
}

/* So that runs with different seeds don't conflict in one data set. */
static void test_catalog_does_not_depend_on_seed(void **state)
{
    (void)state;
    struct sim_options other = usual;
    other.seed = 4711;
    struct sim *a = sim_new(&usual);
    struct sim *b = sim_new(&other);
    struct buffer text_a = BUFFER_INIT;
    struct buffer text_b = BUFFER_INIT;
    while (!sim_catalog_done(a)) {
        assert_true(sim_next(a, &text_a));
        assert_true(sim_next(b, &text_b));
    }
    assert_true(slice_equal(buffer_slice(&text_a), buffer_slice(&text_b)));
    assert_int_equal(sim_counts(a)->catalog, 2 * 40 + 200);
    assert_int_equal(sim_counts(a)->orders, 0);
    buffer_done(&text_a);
    buffer_done(&text_b);
    sim_free(a);
    sim_free(b);
}

static void assert_stream_valid(const struct sim_options *options)
{
    const struct event_rules rules = {
        .currency = "CNY", .future_ms = 300000, .keep_ms = INT64_C(30) * 86400000};
    struct sim *sim = sim_new(options);
    struct message message;
    message_init(&message);
    bool more = true;
    while (more) {
        uint32_t count = 0;
        message_reset(&message);
        while (count < 500 && (more = sim_next(sim, &message.text))) {
            buffer_append_byte(&message.text, '\n');
            count++;
        }
        message_parse(&message, &rules, NOW_MS);
        if (message.rejection_count > 0) {
            fail_msg("seed %llu: %s", (unsigned long long)options->seed,
                     message.rejections[0].error);
        }
        assert_int_equal(message.event_count, count);
    }
    message_done(&message);
    sim_free(sim);
}

static void test_every_event_is_valid(void **state)
{
    (void)state;
    struct sim_options options = usual;
    assert_stream_valid(&options);
    options.start_time_ms = NOW_MS - 86400000;
    assert_stream_valid(&options);
    options = (struct sim_options){.orders = 300, .hosts = 1, .products = 1};
    assert_stream_valid(&options);
    options = (struct sim_options){.seed = UINT64_MAX,
                                   .orders = 2000,
                                   .hosts = 10000,
                                   .products = 3000,
                                   .refund_percent = 100,
                                   .duplicate_percent = 100};
    assert_stream_valid(&options);
}

/* What is remembered of each order, by its number, while its stream is followed. */
struct known_order {
    char *text;
    int64_t quantity;
    int64_t amount;
    char *refund;
};

struct follower {
    struct known_order *orders;
    uint64_t count;
    uint64_t duplicates;
    uint64_t refunds;
    uint64_t early;
};

static uint64_t number_of(struct slice order_id)
{
    assert_int_equal(order_id.size, 19);
    return strtoull(order_id.data + 10, NULL, 10);
}

static void follow_order(struct follower *follower, const struct event *event, struct slice text)
{
    uint64_t number = number_of(event->order_id);
    struct known_order *order = &follower->orders[number];
    if (order->text) {
        follower->duplicates++;
        assert_true(slice_equal(slice_of(order->text), text));
        return;
    }
    assert_int_equal(number, follower->count); /* first times come in order */
    follower->count++;
    order->text = mem_strndup(text.data, text.size);
    order->quantity = event->quantity;
    order->amount = event->amount;
}

static void follow_refund(struct follower *follower, const struct event *event, struct slice text)
{
    uint64_t number = number_of(event->order_id);
    struct known_order *order = &follower->orders[number];
    if (order->refund) {
        follower->duplicates++;
        assert_true(slice_equal(slice_of(order->refund), text));
        return;
    }
    follower->refunds++;
    follower->early += order->text == NULL;
    order->refund = mem_strndup(text.data, text.size);
    assert_true(event->amount >= 1);
    if (order->text) {
        assert_true(event->amount <= order->amount);
        assert_true(event->quantity <= order->quantity);
    }
}

static void follow(struct follower *follower, const struct sim_options *options,
                   struct sim_counts *ret_counts)
{
    const struct event_rules rules = {.currency = "CNY", .future_ms = 0, .keep_ms = INT64_MAX / 2};
    struct sim *sim = sim_new(options);
    struct message message;
    message_init(&message);
    for (;;) {
        message_reset(&message);
        if (!sim_next(sim, &message.text)) {
            break;
        }
        struct buffer text = BUFFER_INIT;
        buffer_append_slice(&text, buffer_slice(&message.text));
        message_parse(&message, &rules, NOW_MS);
        assert_int_equal(message.event_count, 1);
        if (message.events[0].type == EVENT_ORDER) {
            follow_order(follower, &message.events[0], buffer_slice(&text));
        } else if (message.events[0].type == EVENT_REFUND) {
            follow_refund(follower, &message.events[0], buffer_slice(&text));
        }
        buffer_done(&text);
    }
    message_done(&message);
    *ret_counts = *sim_counts(sim);
    sim_free(sim);
}

static void assert_share(const char *what, uint64_t part, uint64_t whole, double low, double high)
{
    double share = (double)part / (double)whole;
    if (share < low || share > high) {
        fail_msg("%s: %f, expected %f to %f", what, share, low, high);
    }
}

static void test_refunds_and_duplicates(void **state)
{
    (void)state;
    struct sim_options options = usual;
    struct sim_counts counts;
    options.orders = 40000;
    struct follower follower = {.orders = mem_zalloc(options.orders * sizeof(*follower.orders))};
    follow(&follower, &options, &counts);
    assert_int_equal(follower.count, options.orders);
    assert_int_equal(counts.orders, options.orders);
    assert_int_equal(counts.refunds, follower.refunds);
    assert_int_equal(counts.early_refunds, follower.early);
    assert_int_equal(counts.duplicates, follower.duplicates);
    assert_share("refunds", follower.refunds, options.orders, 0.075, 0.085);
    assert_share("early refunds", follower.early, follower.refunds, 0.01, 0.03);
    assert_share("duplicates", follower.duplicates, options.orders, 0.017, 0.022);
    for (uint64_t i = 0; i < options.orders; i++) {
        free(follower.orders[i].text);
        free(follower.orders[i].refund);
    }
    free(follower.orders);
}

static void test_none_of_either(void **state)
{
    (void)state;
    struct sim_options options = usual;
    struct sim_counts counts;
    options.refund_percent = 0;
    options.duplicate_percent = 0;
    struct buffer text = stream_of(&options, &counts);
    assert_int_equal(counts.refunds, 0);
    assert_int_equal(counts.duplicates, 0);
    assert_null(strstr(buffer_cstr(&text), "refund"));
    buffer_done(&text);
}

static void test_zipf_is_exact(void **state)
{
    (void)state;
    struct sim *sim = sim_new(&usual);
    uint64_t drawn[40] = {0};
    const uint64_t draws = 2000000;
    double harmonic = 0;
    for (uint64_t i = 0; i < draws; i++) {
        drawn[zipf_draw(sim, &sim->hosts)]++;
    }
    for (int i = 0; i < 40; i++) {
        harmonic += 1.0 / (i + 1);
    }
    for (int i = 0; i < 40; i++) {
        double expected = 1.0 / (i + 1) / harmonic;
        assert_share("host", drawn[i], draws, expected * 0.96, expected * 1.04);
    }
    sim_free(sim);
}

static void test_bursts_come_and_go(void **state)
{
    (void)state;
    struct sim_options options = usual;
    struct buffer text = BUFFER_INIT;
    uint64_t calm = 0;
    uint64_t busy = 0;
    uint32_t changes = 0;
    uint32_t pace = 0;
    options.orders = 100000;
    struct sim *sim = sim_new(&options);
    while (sim_next(sim, &text)) {
        buffer_reset(&text);
        changes += pace != sim_pace_percent(sim);
        pace = sim_pace_percent(sim);
        *(pace > 100 ? &busy : &calm) += 1;
    }
    assert_true(changes > 20);
    assert_share("bursts", busy, busy + calm, 0.15, 0.35);
    /* Orders by time: at these paces the long run is near 100. */
    double time = (double)calm / CALM_PERCENT + (double)busy / BURST_PERCENT;
    assert_share("pace", (uint64_t)((double)(busy + calm) / time), 100, 0.9, 1.1);
    buffer_done(&text);
    sim_free(sim);
}

static void test_times_pass_at_the_rate(void **state)
{
    (void)state;
    struct sim_options options = usual;
    options.start_time_ms = NOW_MS;
    options.orders_per_second = 40;
    options.orders = 4000;
    options.refund_percent = 0;
    options.duplicate_percent = 0;
    struct buffer text = stream_of(&options, NULL);
    assert_non_null(strstr(buffer_cstr(&text), ",\"time\":1795312800000}\n"));
    assert_non_null(strstr(buffer_cstr(&text), ",\"time\":1795312800025}\n"));
    assert_non_null(strstr(buffer_cstr(&text), ",\"time\":1795312899975}\n"));
    assert_null(strstr(buffer_cstr(&text), ",\"time\":1795312900000}\n"));
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_stream),
        cmocka_unit_test(test_catalog_does_not_depend_on_seed),
        cmocka_unit_test(test_every_event_is_valid),
        cmocka_unit_test(test_refunds_and_duplicates),
        cmocka_unit_test(test_none_of_either),
        cmocka_unit_test(test_zipf_is_exact),
        cmocka_unit_test(test_bursts_come_and_go),
        cmocka_unit_test(test_times_pass_at_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
