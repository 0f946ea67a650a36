/* What a token that is limited to hosts may post, and how little its answers tell of other hosts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/batch.h"
#include "livetally/grant.h"
#include "livetally/mem.h"

#define NOW_MS INT64_C(1790000000000)

struct fixture {
    struct batch *batch;
    struct judge judge;
    struct post *post;
    struct grant *grant; /* for the host ling; NULL: no limit */
};

static int setup(void **state)
{
    static struct fixture fixture;
    static const uint32_t max[DIMENSION_COUNT] = {0, 10, 10, 10, 10, 10};
    struct slice host = SLICE("ling");
    struct grant_terms terms = {
        .scopes = GRANT_INGEST, .hosts = &host, .host_count = 1, .expires_ms = GRANT_NEVER};
    fixture = (struct fixture){.batch = batch_new(1)};
    fixture.judge = (struct judge){.ledger = ledger_new(0, 1),
                                   .catalog = catalog_new(2),
                                   .names = names_new(),
                                   .census = census_new(max)};
    *state = &fixture;
    return grant_new(&terms, &fixture.grant, NULL, NULL);
}

static void take(struct fixture *f)
{
    for (struct post *post = batch_take(f->batch), *next; post; post = next) {
        next = post->next;
        message_done(&post->message);
        free(post);
    }
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    take(f);
    batch_free(f->batch);
    ledger_free(f->judge.ledger);
    catalog_free(f->judge.catalog);
    names_free(f->judge.names);
    census_free(f->judge.census);
    grant_unref(f->grant);
    return 0;
}

/* Judges one event; what the ledger is asked for isn't there. */
static void post(struct fixture *f, const char *text, struct grant *grant)
{
    static const struct event_rules rules = {NULL, "CNY", 5 * 60000, INT64_C(30) * 86400000, 0};
    uint32_t count;
    take(f);
    f->post = mem_zalloc(sizeof *f->post);
    f->post->grant = grant;
    message_init(&f->post->message);
    buffer_append_text(&f->post->message.text, text);
    message_parse(&f->post->message, &rules, NOW_MS);
    f->post->form_rejections = f->post->message.rejection_count;
    assert_true(batch_add(f->batch, f->post));
    if (batch_judge(f->batch, &f->judge)) {
        const struct slice *needs = batch_needs(f->batch, &count);
        for (uint32_t i = 0; i < count; i++)
            ledger_learn(f->judge.ledger, needs[i], PLACE_NOWHERE, (struct slice){NULL, 0});
        assert_int_equal(batch_judge(f->batch, &f->judge), 0);
    }
}

/* By whoever has no limit. */
static void recorded(struct fixture *f, const char *text)
{
    post(f, text, NULL);
    assert_int_equal(f->post->message.rejection_count, 0);
    metrics_add(&f->judge.lane_total, batch_metrics(f->batch));
    batch_commit_done(f->batch, &f->judge);
}

static void assert_rejected(struct fixture *f, const char *text, enum rejection_code code,
                            const char *field)
{
    post(f, text, f->grant);
    assert_int_equal(f->post->message.rejection_count, 1);
    assert_string_equal(rejection_code_name(f->post->message.rejections[0].code),
                        rejection_code_name(code));
    if (field)
        assert_string_equal(f->post->message.rejections[0].field, field);
    assert_false(batch_changes(f->batch));
}

static void assert_taken(struct fixture *f, const char *text, enum verdict verdict)
{
    post(f, text, f->grant);
    if (f->post->message.rejection_count)
        fail_msg("%s", f->post->message.rejections[0].error);
    assert_int_equal(f->post->accepted, verdict == VERDICT_ACCEPTED);
    assert_int_equal(f->post->duplicates, verdict == VERDICT_DUPLICATE);
    assert_int_equal(f->post->parked, verdict == VERDICT_PARKED);
}

#define LINE                                                                                       \
    "\"product_id\":\"p\",\"county\":\"422828\",\"quantity\":2,\"amount\":500,\"time\":17899999"   \
    "99000}"
#define ORDER(id, host) "{\"type\":\"order\",\"order_id\":\"" id "\",\"host_id\":\"" host "\"," LINE
#define ORDER_IN(id, session)                                                                      \
    "{\"type\":\"order\",\"order_id\":\"" id "\",\"session_id\":\"" session "\"," LINE
#define SESSION(id, host)                                                                          \
    "{\"type\":\"session\",\"session_id\":\"" id "\",\"host_id\":\"" host "\"}"
#define REFUND(id, refund, host, amount)                                                           \
    "{\"type\":\"refund\",\"order_id\":\"" id "\",\"refund_id\":\"" refund                         \
    "\",\"host_id\":\"" host "\",\"amount\":" amount "}"
#define REFUND_WITHOUT(id)                                                                         \
    "{\"type\":\"refund\",\"order_id\":\"" id "\",\"refund_id\":\"r\",\"amount\":100}"

static void test_orders(void **state)
{
    struct fixture *f = *state;
    assert_taken(f, ORDER("a", "ling"), VERDICT_ACCEPTED);
    assert_rejected(f, ORDER("b", "wang"), REJECT_FORBIDDEN_HOST, "host_id");
}

static void test_orders_by_session(void **state)
{
    struct fixture *f = *state;
    recorded(f, SESSION("s-ling", "ling"));
    recorded(f, SESSION("s-wang", "wang"));
    assert_taken(f, ORDER_IN("a", "s-ling"), VERDICT_ACCEPTED);
    assert_rejected(f, ORDER_IN("b", "s-wang"), REJECT_FORBIDDEN_HOST, "host_id");
    assert_rejected(f, ORDER_IN("b", "s-none"), REJECT_UNKNOWN_SESSION, "session_id");
    assert_true(batch_verifies(f->batch)); /* another daemon may know it */
}

/* The same answer for an order of another host as for one that isn't there. */
static void test_the_ledger_changes_no_answer(void **state)
{
    struct fixture *f = *state;
    recorded(f, SESSION("s-wang", "wang"));
    recorded(f, ORDER("wang-1", "wang"));
    recorded(f, ORDER_IN("wang-2", "s-wang"));
    recorded(f, REFUND("wang-1", "r", "wang", "100"));
    const char *ids[] = {"wang-1", "wang-2", "nowhere"};
    char text[256];
    for (size_t i = 0; i < 3; i++) {
        snprintf(text, sizeof text, ORDER("%s", "wang"), ids[i]);
        assert_rejected(f, text, REJECT_FORBIDDEN_HOST, "host_id");
        snprintf(text, sizeof text, ORDER_IN("%s", "s-wang"), ids[i]);
        assert_rejected(f, text, REJECT_FORBIDDEN_HOST, "host_id");
        snprintf(text, sizeof text, ORDER_IN("%s", "s-none"), ids[i]);
        assert_rejected(f, text, REJECT_UNKNOWN_SESSION, "session_id");
        snprintf(text, sizeof text, REFUND("%s", "r", "wang", "100"), ids[i]);
        assert_rejected(f, text, REJECT_FORBIDDEN_HOST, "host_id");
        snprintf(text, sizeof text, REFUND_WITHOUT("%s"), ids[i]);
        assert_rejected(f, text, REJECT_MISSING_FIELD, "host_id");
    }
}

static void test_refunds(void **state)
{
    struct fixture *f = *state;
    recorded(f, ORDER("a", "ling"));
    assert_taken(f, REFUND("a", "r", "ling", "100"), VERDICT_ACCEPTED);
    assert_taken(f, REFUND("later", "r", "ling", "100"), VERDICT_PARKED);
    assert_rejected(f, REFUND("a", "r2", "ling", "501"), REJECT_REFUND_EXCEEDS_ORDER, "amount");
}

/* That the id is taken shows, as it must; of what stands there nothing. */
static void test_of_an_order_of_another_host_only_that_it_is_there(void **state)
{
    struct fixture *f = *state;
    char text[256];
    recorded(f, ORDER("a", "wang"));
    for (int i = 0; i < 63; i++) {
        snprintf(text, sizeof text, REFUND("a", "r%d", "wang", "1"), i);
        recorded(f, text);
    }
    assert_rejected(f, REFUND("a", "r0", "ling", "1"), REJECT_CONFLICT, "host_id");
    assert_rejected(f, REFUND("a", "r0", "ling", "2"), REJECT_CONFLICT, "host_id");
    assert_rejected(f, REFUND("a", "new", "ling", "1"), REJECT_CONFLICT, "host_id");
    assert_rejected(f, REFUND("a", "new", "ling", "999"), REJECT_CONFLICT, "host_id");
    recorded(f, REFUND("a", "last", "wang", "1"));
    assert_rejected(f, REFUND("a", "new", "ling", "1"), REJECT_CONFLICT, "host_id");
    assert_rejected(f, ORDER("a", "ling"), REJECT_CONFLICT, "host_id");
}

static void test_a_parked_refund_of_nobody_is_not_ours(void **state)
{
    struct fixture *f = *state;
    recorded(f, REFUND_WITHOUT("a"));
    assert_rejected(f, REFUND("a", "r", "ling", "100"), REJECT_CONFLICT, "host_id");
    assert_rejected(f, REFUND("a", "r", "ling", "99"), REJECT_CONFLICT, "host_id");
    recorded(f, REFUND("b", "r", "ling", "100"));
    assert_taken(f, REFUND("b", "r", "ling", "100"), VERDICT_DUPLICATE);
}

/* Nor are its places: what others park under an id of ours goes when our order comes, and what they
 * get for it then is what everybody gets who isn't ours. */
static void test_what_others_park_takes_no_place(void **state)
{
    struct fixture *f = *state;
    char text[256];
    recorded(f, REFUND("a", "mine", "ling", "100"));
    for (int i = 1; i < 64; i++) {
        snprintf(text, sizeof text, REFUND("a", "r%d", "wang", "1"), i);
        recorded(f, text);
    }
    recorded(f, ORDER("a", "ling"));
    assert_int_equal(f->judge.lane_total.v[METRIC_REFUNDED], 100);
    post(f, REFUND("a", "r1", "wang", "1"), NULL);
    assert_int_equal(f->post->message.rejections[0].code, REJECT_CONFLICT);
    assert_string_equal(f->post->message.rejections[0].field, "host_id");
    for (int i = 1; i < 64; i++) {
        snprintf(text, sizeof text, REFUND("a", "r%d", "ling", "2"), i);
        assert_taken(f, text, VERDICT_ACCEPTED);
        recorded(f, text);
    }
    assert_rejected(f, REFUND("a", "r64", "ling", "2"), REJECT_TOO_MANY_REFUNDS, NULL);
    assert_taken(f, REFUND("a", "mine", "ling", "100"), VERDICT_DUPLICATE);
    assert_int_equal(f->judge.lane_total.v[METRIC_REFUNDED], 100 + 63 * 2);
}

static void test_names(void **state)
{
    struct fixture *f = *state;
    assert_taken(f, SESSION("s-ling", "ling"), VERDICT_ACCEPTED);
    assert_rejected(f, SESSION("s-wang", "wang"), REJECT_FORBIDDEN_HOST, "host_id");
    assert_taken(f, "{\"type\":\"host\",\"host_id\":\"ling\",\"name\":\"L\"}", VERDICT_ACCEPTED);
    assert_rejected(f, "{\"type\":\"host\",\"host_id\":\"wang\",\"name\":\"W\"}",
                    REJECT_FORBIDDEN_HOST, "host_id");
    /* Products are nobody's. */
    assert_taken(f, "{\"type\":\"product\",\"product_id\":\"p\",\"name\":\"P\"}", VERDICT_ACCEPTED);
}

/* Nothing is looked up for what is refused anyway: not even the time it takes tells anything. */
static void test_nothing_is_looked_up_in_vain(void **state)
{
    struct fixture *f = *state;
    uint32_t count = ledger_count(f->judge.ledger);
    assert_rejected(f, REFUND("a", "r", "wang", "1"), REJECT_FORBIDDEN_HOST, "host_id");
    assert_rejected(f, REFUND_WITHOUT("a"), REJECT_MISSING_FIELD, "host_id");
    assert_int_equal(ledger_count(f->judge.ledger), count);
    post(f, REFUND("a", "r", "ling", "1"), f->grant);
    assert_int_equal(ledger_count(f->judge.ledger), count + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_orders),
        TEST(test_orders_by_session),
        TEST(test_the_ledger_changes_no_answer),
        TEST(test_refunds),
        TEST(test_of_an_order_of_another_host_only_that_it_is_there),
        TEST(test_a_parked_refund_of_nobody_is_not_ours),
        TEST(test_what_others_park_takes_no_place),
        TEST(test_names),
        TEST(test_nothing_is_looked_up_in_vain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
