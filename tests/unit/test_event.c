/* One event: what is read from it. Faults have a file of their own. */
#include "assert_slice.h"
#include "event_fixture.h"

static void test_order(void **state)
{
    (void)state;
    struct message message;
    message_init(&message);
    const struct event *event =
        accept(&message,
               "{\"type\":\"order\",\"order_id\":\"dy:1\",\"host_id\":\"h\",\"session_id\":\"s\","
               "\"product_id\":\"p\",\"county\":\"422828\",\"platform\":\"douyin\","
               "\"quantity\":3,\"amount\":0,\"currency\":\"CNY\",\"time\":1759999999999}");
    assert_int_equal(event->type, EVENT_ORDER);
    assert_int_equal(event->stated,
                     EVENT_HAS_COUNTY | EVENT_HAS_QUANTITY | EVENT_HAS_AMOUNT | EVENT_HAS_TIME);
    assert_slice(event->order_id, "dy:1");
    assert_slice(event->host_id, "h");
    assert_slice(event->session_id, "s");
    assert_slice(event->product_id, "p");
    assert_slice(event->platform, "douyin");
    assert_slice(event->refund_id, NULL);
    assert_slice(event->name, NULL);
    assert_slice(event->unit, NULL);
    assert_int_equal(event->county, 422828);
    assert_int_equal(event->quantity, 3);
    assert_int_equal(event->amount, 0);
    assert_int_equal(event->time_ms, NOW - 1);

    /* The least that an order may say, in another order, with fields of others and of nobody. */
    event = accept(&message,
                   "{\"goal\":\"x\",\"amount\":10000000000,\"title\":7,\"x\":[{\"y\":1e999}],"
                   "\"quantity\":100000,\"product_id\":\"p\",\"session_id\":\"s\",\"refund_id\":{},"
                   "\"order_id\":\"1\",\"type\":\"order\"}");
    assert_int_equal(event->stated, EVENT_HAS_QUANTITY | EVENT_HAS_AMOUNT);
    assert_slice(event->host_id, NULL);
    assert_slice(event->platform, NULL);
    assert_slice(event->refund_id, NULL);
    assert_int_equal(event->time_ms, NOW);
    assert_int_equal(event->amount, INT64_C(10000000000));
    assert_int_equal(event->county, 0);
    message_done(&message);
}

static void test_refund(void **state)
{
    (void)state;
    struct message message;
    message_init(&message);
    const struct event *event = accept(
        &message, "{\"type\":\"refund\",\"refund_id\":\"r\",\"order_id\":\"o\",\"amount\":1}");
    assert_int_equal(event->type, EVENT_REFUND);
    assert_int_equal(event->stated, EVENT_HAS_AMOUNT);
    assert_slice(event->refund_id, "r");
    assert_slice(event->order_id, "o");
    assert_slice(event->host_id, NULL);
    assert_int_equal(event->quantity, 0);
    event =
        accept(&message, "{\"type\":\"refund\",\"refund_id\":\"r\",\"order_id\":\"o\","
                         "\"amount\":5,\"quantity\":0,\"host_id\":\"h\",\"time\":1760000300000}");
    assert_int_equal(event->stated, EVENT_HAS_AMOUNT | EVENT_HAS_QUANTITY | EVENT_HAS_TIME);
    assert_slice(event->host_id, "h");
    assert_int_equal(event->time_ms, NOW + FUTURE_MS);
    message_done(&message);
}

static void test_catalog_events(void **state)
{
    (void)state;
    struct message message;
    message_init(&message);
    const struct event *event = accept(
        &message, "{\"type\":\"session\",\"session_id\":\"s\",\"host_id\":\"h\",\"title\":\"\","
                  "\"platform\":\"p\",\"starts_at\":0,\"ends_at\":253402300799999,"
                  "\"goal\":9007199254740991,\"time\":5}");
    assert_int_equal(event->type, EVENT_SESSION);
    assert_slice(event->name, "");
    assert_slice(event->platform, "p");
    assert_int_equal(event->stated,
                     EVENT_HAS_STARTS_AT | EVENT_HAS_ENDS_AT | EVENT_HAS_GOAL | EVENT_HAS_TIME);
    assert_int_equal(event->starts_at_ms, 0);
    assert_int_equal(event->ends_at_ms, TIME_MAX_MS);
    assert_int_equal(event->goal, INT64_C(9007199254740991));
    assert_int_equal(event->time_ms, 5); /* catalog entries are never too old */

    event =
        accept(&message, "{\"type\":\"product\",\"product_id\":\"p\",\"name\":\"恩施玉露 250g\","
                         "\"county\":\"422828\",\"unit\":\"box\"}");
    assert_int_equal(event->type, EVENT_PRODUCT);
    assert_slice(event->name, "恩施玉露 250g");
    assert_slice(event->unit, "box");
    assert_int_equal(event->county, 422828);

    event = accept(&message, "{\"type\":\"host\",\"host_id\":\"h\"}");
    assert_int_equal(event->type, EVENT_HOST);
    assert_slice(event->name, NULL);
    assert_int_equal(event->stated, 0);
    message_done(&message);
}

static void test_escapes(void **state)
{
    (void)state;
    struct message message;
    message_init(&message);
    const struct event *event = accept(
        &message, "{\"\\u0074ype\":\"\\u006frder\",\"order_\\u0069d\":\"\\u0036917\","
                  "\"host_id\":\"h\\u002d1\",\"product_id\":\"p\",\"county\":\"42282\\u0038\","
                  "\"quantity\":1,\"amount\":1,\"currency\":\"\\u0043NY\"}");
    assert_slice(event->order_id, "6917");
    assert_slice(event->host_id, "h-1");
    assert_slice(event->product_id, "p");
    assert_int_equal(event->county, 422828);
    event = accept(&message,
                   "{\"type\":\"host\",\"host_id\":\"h\",\"name\":\"\\u6c34\\ud83d\\ude00\"}");
    assert_slice(event->name, "水😀");
    message_done(&message);
}

static void test_long_names(void **state)
{
    (void)state;
    struct message message;
    struct buffer text = BUFFER_INIT;
    message_init(&message);
    for (int size = 127; size <= 129; size++) {
        for (int escaped = 0; escaped < 2; escaped++) {
            buffer_reset(&text);
            buffer_append_text(&text, "{\"type\":\"host\",\"host_id\":\"h\",\"name\":\"");
            for (int i = 0; i < size; i++)
                buffer_append_text(&text, escaped ? "\\u0061" : "a");
            buffer_append_text(&text, "\"}");
            parse(&message, buffer_cstr(&text));
            assert_int_equal(message.event_count, size <= 128);
            if (size <= 128)
                assert_int_equal(message.events[0].name.size, size);
            else
                assert_int_equal(message.rejections[0].code, REJECT_BAD_FIELD);
        }
    }
    buffer_done(&text);
    message_done(&message);
}

static void test_county_list(void **state)
{
    (void)state;
    struct county_list *list = NULL;
    struct message message;
    assert_int_equal(county_list_parse(SLICE("code\n422828\n110118\n"),
                                       SLICE("old_code,primary_code\n110228,110118\n"), &list,
                                       NULL),
                     0);
    const struct event_rules listed = {list, "CNY", FUTURE_MS, KEEP_MS, 0};
    message_init(&message);
    buffer_append_text(&message.text,
                       "{\"type\":\"product\",\"product_id\":\"a\",\"county\":\"110228\"}\n"
                       "{\"type\":\"product\",\"product_id\":\"b\",\"county\":\"422828\"}\n"
                       "{\"type\":\"product\",\"product_id\":\"c\",\"county\":\"422825\"}\n");
    message_parse(&message, &listed, NOW);
    assert_int_equal(message.event_count, 2);
    assert_int_equal(message.events[0].county, 110118);
    assert_int_equal(message.events[1].county, 422828);
    assert_int_equal(message.rejection_count, 1);
    assert_int_equal(message.rejections[0].index, 2);
    assert_string_equal(message.rejections[0].error,
                        "county must be in the list of counties, got \"422825\"");
    message_done(&message);
    county_list_free(list);
}

/* What follows which field is guessed from the event before: a wrong guess may cost time only. */
static void test_fields_in_any_order(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "\"type\":\"order\"",       "\"order_id\":\"dy:1\"",       "\"host_id\":\"h\"",
        "\"x\":{\"type\":[0.5]}",   "\"product_id\" : \"p\"",      "\"county\":\"422828\"",
        "\"quantity\":3",           "\"amount\":9999999999 ",      "\"time\":1759999999999",
        "\"platf\\u006frm\":\"x\"", "\"session_id\":\"s\\u0031\"",
    };
    const size_t count = sizeof fields / sizeof *fields;
    struct message message;
    message_init(&message);
    for (size_t twice = 0; twice <= count; twice++) { /* count: none */
        message_reset(&message);
        for (size_t first = 0; first < count; first++) {
            for (size_t step = 1; step < count; step += 3) { /* count is a prime */
                for (size_t i = 0; i < count; i++)
                    buffer_printf(&message.text, "%s%s", i ? "," : "{",
                                  fields[(first + i * step) % count]);
                if (twice < count)
                    buffer_printf(&message.text, ",%s", fields[twice]);
                buffer_append_text(&message.text, "}\n");
            }
        }
        message_parse(&message, &rules, NOW);
        assert_int_equal(message.event_count, twice == count ? 4 * count : 0);
        assert_int_equal(message.rejection_count, twice == count ? 0 : 4 * count);
        for (uint32_t i = 0; i < message.event_count; i++) {
            const struct event *event = &message.events[i];
            assert_slice(event->order_id, "dy:1");
            assert_slice(event->host_id, "h");
            assert_slice(event->session_id, "s1");
            assert_slice(event->product_id, "p");
            assert_slice(event->platform, "x");
            assert_int_equal(event->county, 422828);
            assert_int_equal(event->quantity, 3);
            assert_int_equal(event->amount, 9999999999);
            assert_int_equal(event->time_ms, 1759999999999);
        }
        for (uint32_t i = 0; i < message.rejection_count; i++)
            assert_non_null(strstr(message.rejections[i].error, "the same key twice"));
    }
    message_done(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_refund),
        cmocka_unit_test(test_catalog_events),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_county_list),
        cmocka_unit_test(test_fields_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
