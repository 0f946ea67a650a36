/* The parts of the client that are plain functions: URLs, replies, the model, text, latencies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Not part of libcore.a, but pure: built into this test. */
#include "../../src/cli/latency.c"
#include "../../src/cli/model.c"
#include "../../src/cli/model_payload.c"
#include "../../src/cli/money.c"
#include "../../src/cli/reply.c"
#include "../../src/cli/text.c"
#include "../../src/cli/url.c"

static void assert_url(const char *text, const char *description)
{
    struct url url;
    struct error error;
    char out[512];
    if (url_parse(text, &url, &error) < 0) {
        fail_msg("%s: %s", text, error.text);
    }
    url_describe(&url, out, sizeof(out));
    assert_string_equal(out, description);
}

static void assert_bad_url(const char *text, const char *mention)
{
    struct url url;
    struct error error;
    if (url_parse(text, &url, &error) >= 0) {
        fail_msg("accepted: %s", text);
    }
    if (!strstr(error.text, mention)) {
        fail_msg("\"%s\" says \"%s\", expected it to mention \"%s\"", text, error.text, mention);
    }
}

static void test_urls(void **state)
{
    (void)state;
    assert_url("ws://127.0.0.1:8090", "ws://127.0.0.1:8090");
    assert_url("http://host", "ws://host:80");
    assert_url("host:8090", "ws://host:8090");
    assert_url("[::1]:8090", "ws://[::1]:8090");
    assert_url("ws://host:1/v1/ingest", "ws://host:1");
    assert_url("ws://host:1/shop/v1/live?x=1", "ws://host:1/shop");
    assert_url("http://host:1/shop//", "ws://host:1/shop");
    assert_url("http://host:1/shop/v1/totals/", "ws://host:1/shop");
    assert_url("unix:/run/lt.sock", "unix:/run/lt.sock");
    assert_bad_url("host", "URL");
    assert_bad_url("", "URL");
    assert_bad_url("ftp://host:21", "\"ftp://host:21\" is not a URL");
    assert_url("wss://host", "wss://host:443");
    assert_url("https://[::1]:8443/shop", "wss://[::1]:8443/shop");
    assert_url("unix+tls:/run/lt.sock", "unix+tls:/run/lt.sock");
    assert_bad_url("unix+tls:", "path");
    assert_bad_url("wss://", "host");
    assert_bad_url("ws://", "host");
    assert_bad_url("ws://:80", "host");
    assert_bad_url("host:0", "port");
    assert_bad_url("host:65536", "port");
    assert_bad_url("host:x", "port");
    assert_bad_url("[::1:80", "IPv6");
    assert_bad_url("unix:", "path");
    assert_bad_url("ws://a b", "blank");
}

static void test_what_looks_like_a_url(void **state)
{
    (void)state;
    assert_true(url_looks_like("ws://x"));
    assert_true(url_looks_like("unix:x"));
    assert_true(url_looks_like("unix+tls:x"));
    assert_true(url_looks_like("host:80"));
    assert_true(url_looks_like("[::1]:80"));
    assert_false(url_looks_like("orders.jsonl"));
    assert_false(url_looks_like("dir/file:80"));
    assert_false(url_looks_like("total"));
    assert_false(url_looks_like("top/hosts?county=422828"));
    assert_false(url_looks_like("series/total:x"));
    assert_false(url_looks_like(":80"));
}

static void test_ack(void **state)
{
    (void)state;
    struct reply reply;
    struct reply_rejection rejection;
    struct json_reader reader;
    assert_true(reply_parse(
        SLICE("{\"type\":\"ack\",\"upto\":57,\"accepted\":54,\"duplicates\":1,\"parked\":2,\"new\":"
              "{},"
              "\"rejected\":[{\"message\":57,\"index\":3,\"id\":\"a\",\"code\":\"bad_county\","
              "\"final\":true,\"field\":\"county\",\"error\":\"not \\\"42\\\"\"},"
              "{\"message\":56,\"index\":null,\"id\":null,\"code\":\"bad_json\",\"final\":true,"
              "\"field\":null,\"error\":\"\"}]}"),
        &reply));
    assert_int_equal(reply.type, REPLY_ACK);
    assert_int_equal(reply.upto, 57);
    assert_int_equal(reply.accepted, 54);
    assert_int_equal(reply.duplicates, 1);
    assert_int_equal(reply.parked, 2);
    reply_walk_rejected(&reader, &reply);
    assert_true(reply_next_rejection(&reader, &rejection));
    assert_int_equal(rejection.message, 57);
    assert_int_equal(rejection.index, 3);
    assert_string_equal(rejection.code, "bad_county");
    assert_string_equal(rejection.field, "county");
    assert_string_equal(rejection.error, "not \"42\"");
    assert_true(rejection.final);
    assert_true(reply_next_rejection(&reader, &rejection));
    assert_int_equal(rejection.index, -1);
    assert_string_equal(rejection.field, "");
    assert_false(reply_next_rejection(&reader, &rejection));
}

static void test_other_replies(void **state)
{
    (void)state;
    struct reply reply;
    struct reply_rejection rejection;
    struct json_reader reader;
    assert_true(reply_parse(SLICE("{\"type\":\"hello\",\"limits\":{\"message_bytes\":1,"
                                  "\"batch_events\":2,\"window_events\":3,\"more\":[4]}}"),
                            &reply));
    assert_int_equal(reply.type, REPLY_HELLO);
    assert_int_equal(reply.batch_events, 2);
    assert_int_equal(reply.window_events, 3);
    assert_true(reply_parse(SLICE("{\"type\":\"goodbye\",\"code\":\"restarting\",\"message\":\"x\","
                                  "\"retry_after_ms\":700}"),
                            &reply));
    assert_int_equal(reply.type, REPLY_GOODBYE);
    assert_int_equal(reply.retry_after_ms, 700);
    assert_true(reply_parse(SLICE("{\"type\":\"status\",\"store\":\"available\"}"), &reply));
    assert_true(reply.store_available);
    assert_true(reply_parse(SLICE("{\"type\":\"something new\"}"), &reply));
    assert_int_equal(reply.type, REPLY_OTHER);
    assert_true(reply_parse(SLICE("{\"type\":\"ack\",\"upto\":1}"), &reply));
    reply_walk_rejected(&reader, &reply);
    assert_false(reply_next_rejection(&reader, &rejection));
    assert_false(reply_parse(SLICE("{\"type\":\"ack\",\"upto\":\"1\"}"), &reply));
    assert_false(reply_parse(SLICE("{\"type\":\"ack\",\"upto\":1.5}"), &reply));
    assert_false(reply_parse(SLICE("[]"), &reply));
    assert_false(reply_parse(SLICE("{\"type\":\"ack\"} x"), &reply));
}

static void assert_applied(struct model *model, const char *message, enum model_change change)
{
    if (model_apply(model, slice_of(message)) != change) {
        fail_msg("%s", message);
    }
}

static void test_model_scopes_and_epoch(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    assert_applied(&model, "{\"type\":\"hello\",\"limits\":{}}", MODEL_NOTHING);
    assert_applied(
        &model,
        "{\"type\":\"snapshot\",\"epoch\":\"a\",\"ver\":1,\"time\":5,\"stale\":false,"
        "\"topics\":{\"total\":{\"today\":{\"orders\":1,\"net\":2},\"all\":{\"orders\":3}},"
        "\"session/s\":{\"all\":{\"orders\":4},\"title\":\"a\\u001bb\",\"goal\":9}}}",
        MODEL_SNAPSHOT);
    assert_int_equal(model.topic_count, 2);
    assert_int_equal(model.topics[0]->today.net, 2);
    assert_int_equal(model.topics[0]->all.orders, 3);
    assert_false(model.topics[1]->has_today);
    assert_string_equal(model.topics[1]->label, "a?b");
    assert_int_equal(model.topics[1]->goal, 9);
    assert_applied(&model,
                   "{\"type\":\"update\",\"epoch\":\"a\",\"stale\":true,"
                   "\"topics\":{\"total\":{\"today\":{\"orders\":7},\"all\":{\"orders\":8}}}}",
                   MODEL_UPDATE);
    assert_int_equal(model.topics[0]->today.orders, 7);
    assert_int_equal(model.topics[0]->today.net, 0);
    assert_true(model.stale);
    assert_applied(
        &model,
        "{\"type\":\"snapshot\",\"epoch\":\"b\",\"stale\":false,\"topics\":{},\"errors\":["
        "{\"topic\":\"x\",\"code\":\"bad_topic\",\"error\":\"no\"}]}",
        MODEL_SNAPSHOT);
    assert_int_equal(model.topic_count, 0);
    assert_int_equal(model.error_count, 1);
    assert_string_equal(model.problem, "x: no");
    assert_applied(&model,
                   "{\"type\":\"snapshot\",\"epoch\":\"b\",\"topics\":{},\"errors\":["
                   "{\"topic\":\"x\",\"code\":\"unavailable\"}]}",
                   MODEL_UNAVAILABLE);
    assert_applied(&model, "{\"type\":\"goodbye\",\"code\":\"c\",\"retry_after_ms\":3}",
                   MODEL_GOODBYE);
    assert_int_equal(model.retry_after_ms, 3);
    assert_applied(&model, "{\"type\":\"update\",\"epoch\":1}", MODEL_BAD);
    assert_applied(&model, "{\"epoch\":\"b\",\"type\":\"update\"}", MODEL_BAD);
    assert_applied(&model, "nonsense", MODEL_BAD);
    model_done(&model);
}

static void test_model_currency_and_time_zone(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    assert_applied(&model, "{\"type\":\"hello\"}", MODEL_NOTHING); /* of an older server */
    assert_string_equal(model.currency, "CNY");
    assert_int_equal(model.offset_minutes, 480);
    assert_applied(&model, "{\"type\":\"hello\",\"currency\":\"KWD\",\"time_zone\":\"-09:30\"}",
                   MODEL_NOTHING);
    assert_string_equal(model.currency, "KWD");
    assert_int_equal(model.offset_minutes, -570);
    assert_applied(&model, "{\"type\":\"hello\",\"currency\":\"e\\u20ac\",\"time_zone\":\"here\"}",
                   MODEL_NOTHING);
    assert_applied(&model, "{\"type\":\"hello\",\"currency\":\"euros, all of them\"}",
                   MODEL_NOTHING);
    assert_string_equal(model.currency, "KWD");
    assert_int_equal(model.offset_minutes, -570);
    assert_applied(&model, "{\"type\":\"hello\",\"time_zone\":\"UTC\"}", MODEL_NOTHING);
    assert_int_equal(model.offset_minutes, 0);
    assert_applied(&model, "{\"type\":\"hello\",\"currency\":5}", MODEL_BAD);
    model_done(&model);
}

static void test_model_of_what_is_unavailable(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    assert_applied(&model,
                   "{\"type\":\"snapshot\",\"epoch\":\"a\",\"topics\":{"
                   "\"host/h\":{\"all\":{\"orders\":3}}}}",
                   MODEL_SNAPSHOT);
    assert_false(model.topics[0]->held);
    assert_applied(&model,
                   "{\"type\":\"snapshot\",\"epoch\":\"a\",\"topics\":{},\"errors\":["
                   "{\"topic\":\"host/h\",\"code\":\"unavailable\",\"error\":\"later\"},"
                   "{\"topic\":\"host/x\",\"code\":\"unavailable\"}]}",
                   MODEL_UNAVAILABLE);
    assert_int_equal(model.topic_count, 1);
    assert_true(model.topics[0]->held);
    assert_int_equal(model.topics[0]->all.orders, 3);
    assert_true(model.problem[0]);
    assert_applied(&model,
                   "{\"type\":\"snapshot\",\"epoch\":\"a\",\"topics\":{"
                   "\"host/h\":{\"all\":{\"orders\":4}}}}",
                   MODEL_SNAPSHOT);
    assert_false(model.topics[0]->held);
    assert_string_equal(model.problem, "");
    model_done(&model);
}

static void test_model_boards_and_tickers(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    assert_applied(&model,
                   "{\"type\":\"snapshot\",\"epoch\":\"a\",\"topics\":{"
                   "\"top/hosts\":{\"by\":\"gross\",\"period\":\"today\",\"of\":9,\"rows\":["
                   "{\"id\":\"h1\",\"name\":\"安娜\",\"orders\":2,\"net\":5},{\"id\":\"h2\"}]},"
                   "\"ticker\":{\"orders\":[{\"time\":1,\"host_id\":\"h1\",\"county\":\"422828\","
                   "\"product_id\":\"p\",\"quantity\":1,\"amount\":100}],\"lost\":0}}}",
                   MODEL_SNAPSHOT);
    assert_int_equal(model.topics[0]->row_count, 2);
    assert_int_equal(model.topics[0]->of, 9);
    assert_string_equal(model_find_name(&model, "h1"), "安娜");
    assert_string_equal(model_find_name(&model, "h2"), "h2");
    for (int i = 2; i <= 25; i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "{\"type\":\"update\",\"epoch\":\"a\",\"topics\":{\"ticker\":{\"orders\":["
                 "{\"time\":%d,\"host_id\":\"h1\",\"amount\":1}],\"lost\":0}}}",
                 i);
        assert_applied(&model, text, MODEL_UPDATE);
    }
    assert_int_equal(model.topics[1]->sale_count, MODEL_TICKER_MAX);
    assert_int_equal(model.topics[1]->sales[0].time_ms, 6);
    assert_int_equal(model.topics[1]->sales[MODEL_TICKER_MAX - 1].time_ms, 25);
    model_done(&model);
}

static void apply_series(struct model *model, const char *type, int64_t start_ms, const char *gross)
{
    char text[256];
    snprintf(text, sizeof(text),
             "{\"type\":\"%s\",\"epoch\":\"a\",\"topics\":{\"series/total\":{\"step_ms\":10,"
             "\"start\":%lld,\"gross\":[%s]}}}",
             type, (long long)start_ms, gross);
    assert_applied(model, text, type[0] == 's' ? MODEL_SNAPSHOT : MODEL_UPDATE);
}

static void assert_minutes(const struct model *model, int64_t start_ms, const int64_t *gross,
                           uint32_t count)
{
    assert_int_equal(model->topics[0]->start_ms, start_ms);
    assert_int_equal(model->topics[0]->minute_count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(model->topics[0]->minute_gross[i], gross[i]);
    }
}

static void test_model_series(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    apply_series(&model, "snapshot", 100, "1,2,3,4");
    apply_series(&model, "update", 120, "7");
    assert_minutes(&model, 100, (const int64_t[]){1, 2, 7, 4}, 4);
    apply_series(&model, "update", 130, "5,6"); /* one minute on */
    assert_minutes(&model, 110, (const int64_t[]){2, 7, 5, 6}, 4);
    apply_series(&model, "update", 160, "9"); /* and after a pause */
    assert_minutes(&model, 130, (const int64_t[]){5, 6, 0, 9}, 4);
    apply_series(&model, "update", 500, "8"); /* after a long one */
    assert_minutes(&model, 470, (const int64_t[]){0, 0, 0, 8}, 4);
    apply_series(&model, "update", 10, "1"); /* older than what is shown */
    assert_minutes(&model, 470, (const int64_t[]){0, 0, 0, 8}, 4);
    apply_series(&model, "snapshot", 0, "1");
    assert_minutes(&model, 0, (const int64_t[]){1}, 1);
    model_done(&model);
}

static void assert_text(struct buffer *out, const char *expected)
{
    assert_string_equal(buffer_cstr(out), expected);
    buffer_reset(out);
}

static void test_text(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    assert_int_equal(text_width(SLICE("abc")), 3);
    assert_int_equal(text_width(SLICE("鹤峰 250g")), 9);
    assert_int_equal(text_width(SLICE("é\u0301¥")), 2);
    assert_int_equal(text_cut(SLICE("鹤峰茶"), 5).size, 6);
    text_append_left(&out, SLICE("鹤峰"), 6);
    assert_text(&out, "鹤峰  ");
    text_append_right(&out, SLICE("鹤峰"), 6);
    assert_text(&out, "  鹤峰");
    text_append_left(&out, SLICE("鹤峰绿茶"), 6);
    assert_text(&out, "鹤峰… ");
    text_append_left(&out, SLICE("abc"), 0);
    assert_text(&out, "");
    text_append_count(&out, 0);
    assert_text(&out, "0");
    text_append_count(&out, 1234567);
    assert_text(&out, "1,234,567");
    text_append_count(&out, -999);
    assert_text(&out, "-999");
    char evil[] = "a\x1b[2Jb\xc2\x9b\x7f";
    text_disarm(evil);
    assert_string_equal(evil, "a?[2Jb???");
    buffer_done(&out);
}

static void assert_money(int64_t minor, const char *currency, const char *expected)
{
    struct buffer out = BUFFER_INIT;
    money_append(&out, minor, currency);
    assert_text(&out, expected);
    buffer_done(&out);
}

static void test_money(void **state)
{
    (void)state;
    assert_money(158000, "CNY", "¥1,580.00");
    assert_money(-5, "CNY", "-¥0.05");
    assert_money(INT64_MIN, "CNY", "-¥92,233,720,368,547,758.08");
    assert_money(158000, "JPY", "JPY 158,000");
    assert_money(INT64_MIN, "JPY", "-JPY 9,223,372,036,854,775,808");
    assert_money(158005, "KWD", "KWD 158.005");
    assert_money(158005, "UYW", "UYW 15.8005");
    assert_money(158005, "EUR", "EUR 1,580.05");
}

static void test_latency(void **state)
{
    (void)state;
    struct latency latency = {.total = 0};
    assert_int_equal(latency_percentile_us(&latency, 50), 0);
    for (uint64_t i = 1; i <= 1000; i++) {
        latency_add(&latency, i * 100);
    }
    uint64_t p50 = latency_percentile_us(&latency, 50);
    uint64_t p99 = latency_percentile_us(&latency, 99);
    assert_in_range(p50, 50000, 50000 * 17 / 16);
    assert_in_range(p99, 99000, 99000 * 17 / 16);
    latency = (struct latency){.total = 0};
    latency_add(&latency, 7);
    assert_int_equal(latency_percentile_us(&latency, 99), 7);
    for (uint32_t i = 1; i < LATENCY_BUCKETS - 1; i++) { /* no gaps, no overlaps */
        assert_int_equal(bucket_of(top_of(i)), i);
        assert_int_equal(bucket_of(top_of(i) + 1), i + 1);
    }
    latency_add(&latency, UINT64_MAX);
    assert_int_equal(latency.counts[LATENCY_BUCKETS - 1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_what_looks_like_a_url),
        cmocka_unit_test(test_ack),
        cmocka_unit_test(test_other_replies),
        cmocka_unit_test(test_model_scopes_and_epoch),
        cmocka_unit_test(test_model_currency_and_time_zone),
        cmocka_unit_test(test_model_of_what_is_unavailable),
        cmocka_unit_test(test_model_boards_and_tickers),
        cmocka_unit_test(test_model_series),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_money),
        cmocka_unit_test(test_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
