/*
 * Batches: what the random tests seldom reach — bounds, overflow, the move from one generation of
 * the ledger to the next, what is asked for, what is verified.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/batch.h"
#include "livetally/mem.h"
#include "livetally/record.h"

#define NOW_MS INT64_C(1790000000000)

struct fixture {
    struct batch *batch;
    struct judge judge;
    struct post *post;
};

static void init(struct fixture *f, uint32_t max_hosts)
{
    const uint32_t max[DIMENSION_COUNT] = {0, max_hosts, 10, 10, 10, 10};
    *f = (struct fixture){.batch = batch_new(1)};
    f->judge = (struct judge){.ledger = ledger_new(0, 1),
                              .catalog = catalog_new(2),
                              .names = names_new(),
                              .census = census_new(max)};
}

static void take(struct fixture *f)
{
    for (struct post *post = batch_take(f->batch), *next; post; post = next) {
        next = post->next;
        message_done(&post->message);
        free(post);
    }
    f->post = NULL;
}

static void done(struct fixture *f)
{
    take(f);
    batch_free(f->batch);
    ledger_free(f->judge.ledger);
    catalog_free(f->judge.catalog);
    names_free(f->judge.names);
    census_free(f->judge.census);
}

static void add(struct fixture *f, const char *lines)
{
    static const struct event_rules rules = {NULL, "CNY", 5 * 60000, INT64_C(30) * 86400000, 0};
    f->post = mem_zalloc(sizeof *f->post);
    message_init(&f->post->message);
    buffer_append_text(&f->post->message.text, lines);
    message_parse(&f->post->message, &rules, NOW_MS);
    f->post->form_rejections = f->post->message.rejection_count;
    assert_true(batch_add(f->batch, f->post));
}

static void commit(struct fixture *f)
{
    assert_int_equal(0, batch_judge(f->batch, &f->judge));
    metrics_add(&f->judge.lane_total, batch_metrics(f->batch));
    batch_commit_done(f->batch, &f->judge);
    take(f);
}

#define ORDER(id, host, amount)                                                                    \
    "{\"type\":\"order\",\"order_id\":\"" id "\",\"host_id\":\"" host                              \
    "\",\"product_id\":\"p\",\"county\":\"422828\",\"quantity\":1,\"amount\":" amount "}\n"
#define REFUND(id, refund, amount)                                                                 \
    "{\"type\":\"refund\",\"order_id\":\"" id "\",\"refund_id\":\"" refund "\",\"amount\":" amount \
    "}\n"

static void test_order_retry_and_refund_coalesce(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t touches, facts;
    init(&f, 10);
    add(&f, ORDER("a", "h", "500") ORDER("a", "h", "500") REFUND("a", "r", "200")
                ORDER("a", "h", "501"));
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(2, f.post->accepted);
    assert_int_equal(1, f.post->duplicates);
    assert_int_equal(1, f.post->message.rejection_count);
    assert_int_equal(REJECT_CONFLICT, f.post->message.rejections[0].code);
    assert_string_equal("amount", f.post->message.rejections[0].field);
    const struct touch *touch = batch_touches(f.batch, &touches);
    assert_int_equal(1, touches);
    assert_int_equal(PLACE_NOWHERE, touch->assumed_place);
    assert_int_equal(PLACE_CURRENT, touch->next_place);
    batch_facts(f.batch, &facts);
    assert_int_equal(2, facts);
    assert_int_equal(500, batch_metrics(f.batch)->v[METRIC_GROSS]);
    assert_int_equal(200, batch_metrics(f.batch)->v[METRIC_REFUNDED]);
    /* Judging again gives the same, not twice. */
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(2, f.post->accepted);
    assert_int_equal(1, f.post->message.rejection_count);
    assert_int_equal(500, batch_metrics(f.batch)->v[METRIC_GROSS]);
    done(&f);
}

static void test_rejected_order_is_verified_absent(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t touches, sessions;
    init(&f, 10);
    add(&f, "{\"type\":\"order\",\"order_id\":\"a\",\"session_id\":\"s\",\"product_id\":\"p\","
            "\"quantity\":1,\"amount\":1}");
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(REJECT_UNKNOWN_SESSION, f.post->message.rejections[0].code);
    assert_false(rejection_code_final(f.post->message.rejections[0].code));
    assert_false(batch_changes(f.batch));
    assert_true(batch_verifies(f.batch));
    assert_false(batch_touches(f.batch, &touches)->changed);
    assert_int_equal(1, touches);
    const struct catalog_touch *session = batch_catalog(f.batch, &sessions);
    assert_int_equal(1, sessions);
    assert_int_equal(CATALOG_SESSION, session->kind);
    assert_null(session->assumed.data);
    assert_false(session->changed);
    done(&f);
}

static void test_refund_asks_for_its_order(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t needs;
    init(&f, 10);
    add(&f, REFUND("a", "r", "1") REFUND("b", "r", "1") ORDER("c", "h", "5") REFUND("c", "r", "1"));
    assert_int_equal(2, batch_judge(f.batch, &f.judge));
    assert_true(slice_equal(SLICE("a"), batch_needs(f.batch, &needs)[0]));
    ledger_learn(f.judge.ledger, SLICE("a"), PLACE_NOWHERE, (struct slice){NULL, 0});
    assert_int_equal(1, batch_judge(f.batch, &f.judge));
    ledger_learn(f.judge.ledger, SLICE("b"), PLACE_NOWHERE, (struct slice){NULL, 0});
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(2, f.post->parked);
    assert_int_equal(2, f.post->accepted);
    done(&f);
}

static void test_ids_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, 2);
    add(&f,
        ORDER("a", "h1", "1") ORDER("b", "h2", "1") ORDER("c", "h3", "1") ORDER("d", "h1", "1"));
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(3, f.post->accepted);
    assert_int_equal(REJECT_TOO_MANY_IDS, f.post->message.rejections[0].code);
    assert_string_equal("host_id", f.post->message.rejections[0].field);
    assert_int_equal(2, f.post->message.rejections[0].index);
    done(&f);
}

static void test_catalog_is_bounded(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, 10);
    add(&f, "{\"type\":\"host\",\"host_id\":\"a\",\"name\":\"A\"}\n"
            "{\"type\":\"host\",\"host_id\":\"b\",\"name\":\"B\"}\n");
    commit(&f);
    add(&f, "{\"type\":\"host\",\"host_id\":\"c\",\"name\":\"C\"}\n"
            "{\"type\":\"host\",\"host_id\":\"a\",\"name\":\"AA\"}\n");
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(1, f.post->accepted);
    assert_int_equal(REJECT_TOO_MANY_IDS, f.post->message.rejections[0].code);
    done(&f);
}

static void test_totals_do_not_overflow(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, 10);
    f.judge.lane_total.v[METRIC_GROSS] = LANE_TOTAL_MAX - 1000;
    add(&f, ORDER("a", "h", "600") ORDER("b", "h", "401") ORDER("c", "h", "400"));
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(2, f.post->accepted);
    assert_int_equal(REJECT_OVERFLOW, f.post->message.rejections[0].code);
    assert_int_equal(1, f.post->message.rejections[0].index);
    done(&f);
}

/* What parked refunds add when their order comes counts for the bound as well. */
static void test_parked_refunds_do_not_overflow(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, 10);
    ledger_learn(f.judge.ledger, SLICE("a"), PLACE_NOWHERE, (struct slice){NULL, 0});
    add(&f, REFUND("a", "r", "30"));
    commit(&f);
    f.judge.lane_total.v[METRIC_REFUNDED] = LANE_TOTAL_MAX - 29;
    add(&f, ORDER("a", "h", "100"));
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(REJECT_OVERFLOW, f.post->message.rejections[0].code);
    f.judge.lane_total.v[METRIC_REFUNDED]--;
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(1, f.post->accepted);
    done(&f);
}

static void test_refunds_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    char line[128];
    init(&f, 10);
    add(&f, ORDER("a", "h", "1000"));
    commit(&f);
    for (int i = 0; i < ORDER_REFUNDS_MAX; i++) {
        snprintf(line, sizeof line,
                 "{\"type\":\"refund\",\"order_id\":\"a\",\"refund_id\":\"r%d\",\"amount\":1}", i);
        add(&f, line);
        commit(&f);
    }
    add(&f, REFUND("a", "r64", "1") REFUND("a", "r63", "1"));
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    assert_int_equal(1, f.post->duplicates);
    assert_int_equal(REJECT_TOO_MANY_REFUNDS, f.post->message.rejections[0].code);
    done(&f);
}

/* A stub of the former generation moves when another refund or its order comes, as it has to be
 * kept as long as the youngest of its refunds; a record stays where it was born. */
static void test_generations(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t count;
    char bytes[RECORD_MAX_BYTES];
    init(&f, 10);
    struct record stub = {.refund_count = 1};
    stub.refunds[0] = (struct record_refund){REFUND_PARKED, SLICE("r"), {NULL, 0}, 5, 0, NOW_MS};
    ledger_learn(f.judge.ledger, SLICE("a"), PLACE_PREVIOUS,
                 (struct slice){bytes, record_encode(&stub, bytes)});
    add(&f, REFUND("a", "r2", "3"));
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    const struct touch *touch = batch_touches(f.batch, &count);
    assert_int_equal(PLACE_PREVIOUS, touch->assumed_place);
    assert_int_equal(PLACE_CURRENT, touch->next_place);
    take(&f);
    add(&f, REFUND("a", "r2", "3") ORDER("a", "h", "6"));
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    touch = batch_touches(f.batch, &count);
    assert_int_equal(PLACE_PREVIOUS, touch->assumed_place);
    assert_int_equal(PLACE_CURRENT, touch->next_place);
    struct record record;
    assert_int_equal(0, record_decode(touch->next, &record));
    assert_int_equal(REFUND_APPLIED, record.refunds[0].state);
    assert_int_equal(REFUND_VOID, record.refunds[1].state);
    assert_int_equal(5, batch_metrics(f.batch)->v[METRIC_REFUNDED]);
    done(&f);
}

static void test_posts_are_not_split(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer lines = BUFFER_INIT;
    init(&f, 10);
    for (int i = 0; i < MESSAGE_EVENTS_MAX; i++)
        buffer_printf(&lines, "{\"type\":\"host\",\"host_id\":\"h%d\"}\n", i);
    add(&f, buffer_cstr(&lines));
    assert_int_equal(MESSAGE_EVENTS_MAX, batch_event_count(f.batch));
    struct post other = {0};
    other.message.event_count = BATCH_EVENTS_MAX - MESSAGE_EVENTS_MAX + 1;
    assert_false(batch_add(f.batch, &other));
    buffer_done(&lines);
    done(&f);
}

/* An event's ids are hashed some events before it is judged: none may end up with another's,
 * whatever stands between them, and whoever says them. */
static void test_ids_stay_with_their_events(void **state)
{
    (void)state;
    enum { POSTS = 120 };
    struct fixture f;
    struct buffer lines = BUFFER_INIT;
    char host[16], session[16];
    uint32_t facts, at = 0;
    init(&f, 100);
    add(&f, "{\"type\":\"session\",\"session_id\":\"s\",\"host_id\":\"of-s\",\"platform\":\"x\"}");
    commit(&f);
    for (int i = 0; i < POSTS; i++) {
        buffer_reset(&lines);
        for (int j = 0; j < i % 4; j++) /* none in every fourth */
            buffer_printf(&lines,
                          j == 2 ? "{\"type\":\"order\",\"order_id\":\"o%d-%d\",\"product_id\":"
                                   "\"p%d\",\"county\":\"422828\",\"quantity\":1,\"amount\":9,"
                                   "\"session_id\":\"s\"}\n"
                                 : ORDER("o%d-%d", "h%d", "5"),
                          i, j, j == 2 ? i % 7 : i % 50);
        if (i % 5 == 0)
            buffer_append_text(&lines, "{\"type\":\"host\",\"host_id\":\"h1\",\"name\":\"one\"}\n");
        if (i % 9 == 0)
            buffer_append_text(&lines, REFUND("parked", "r", "1"));
        add(&f, buffer_cstr(&lines));
    }
    ledger_learn(f.judge.ledger, SLICE("parked"), PLACE_NOWHERE, (struct slice){NULL, 0});
    assert_int_equal(0, batch_judge(f.batch, &f.judge));
    const struct fact *fact = batch_facts(f.batch, &facts);
    for (int i = 0; i < POSTS; i++)
        for (int j = 0; j < i % 4; j++, at++) {
            assert_true(at < facts);
            snprintf(host, sizeof host, j == 2 ? "of-s" : "h%d", i % 50);
            snprintf(session, sizeof session, "%s", j == 2 ? "s" : "");
            assert_true(slice_equal(slice_of(host), names_text(f.judge.names, fact[at].host)));
            assert_true(
                slice_equal(slice_of(session), names_text(f.judge.names, fact[at].session)));
            assert_int_equal(j == 2, fact[at].platform == names_find(f.judge.names, SLICE("x")));
            snprintf(host, sizeof host, j == 2 ? "p%d" : "p", i % 7);
            assert_true(slice_equal(slice_of(host), names_text(f.judge.names, fact[at].product)));
        }
    assert_int_equal(facts, at);
    buffer_done(&lines);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_retry_and_refund_coalesce),
        cmocka_unit_test(test_rejected_order_is_verified_absent),
        cmocka_unit_test(test_refund_asks_for_its_order),
        cmocka_unit_test(test_ids_are_bounded),
        cmocka_unit_test(test_catalog_is_bounded),
        cmocka_unit_test(test_totals_do_not_overflow),
        cmocka_unit_test(test_parked_refunds_do_not_overflow),
        cmocka_unit_test(test_refunds_are_bounded),
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_posts_are_not_split),
        cmocka_unit_test(test_ids_stay_with_their_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
