/* Topic names: what is taken, the canonical form, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "livetally/topic.h"

static void check_canonical(const char *name, const char *canonical)
{
    struct buffer out = BUFFER_INIT;
    struct error error = {0};
    struct topic topic;
    struct topic again;

    if (topic_parse(slice_of(name), &topic, &error))
        fail_msg("%s: %s", name, error.text);
    topic_write(&out, &topic);
    assert_string_equal(buffer_cstr(&out), canonical);
    assert_int_equal(topic_parse(buffer_slice(&out), &again, NULL), 0);
    assert_memory_equal(&again, &topic, sizeof(topic));
    buffer_done(&out);
}

static void test_canonical(void **state)
{
    static const char *const same[] = {
        "total",
        "host/a",
        "host/A-Z.a_z~0:9@x",
        "county/422828",
        "prefecture/4228",
        "province/42",
        "product/p-1",
        "session/room-9",
        "platform/douyin",
        "top/hosts",
        "top/counties",
        "top/products",
        "top/sessions",
        "top/platforms",
        "top/provinces",
        "top/products?session=room-9",
        "top/products?county=422828",
        "top/products?host=h",
        "top/hosts?county=422828",
        "top/counties?platform=douyin",
        "top/counties?province=42",
        "top/hosts?county=422828&by=net&period=all&n=20",
        "top/sessions?period=today",
        "series/total",
        "series/host/h?minutes=1",
        "series/county/422828?minutes=1440",
        "series/session/s",
        "ticker",
        "ticker/session/s",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        check_canonical(same[i], same[i]);
    check_canonical("top/hosts?n=10&period=today&by=gross", "top/hosts");
    check_canonical("top/hosts?n=3&by=units&county=422828", "top/hosts?county=422828&by=units&n=3");
    check_canonical("top/sessions?period=all", "top/sessions");
    check_canonical("top/products?period=all&session=s", "top/products?session=s");
    check_canonical("top/products?period=all&host=s", "top/products?host=s&period=all");
    check_canonical("series/total?minutes=120", "series/total");
}

static void test_meaning(void **state)
{
    struct topic topic;
    (void)state;

    assert_int_equal(topic_parse(SLICE("top/products?session=room-9"), &topic, NULL), 0);
    assert_int_equal(topic.kind, TOPIC_BOARD);
    assert_int_equal(topic.board, BOARD_PRODUCTS);
    assert_int_equal(topic.scope, SCOPE_SESSION);
    assert_false(topic.today);
    assert_int_equal(topic.rows, 10);
    assert_true(slice_equal(topic_id(&topic), SLICE("room-9")));

    assert_int_equal(topic_parse(SLICE("top/sessions"), &topic, NULL), 0);
    assert_false(topic.today);
    assert_int_equal(topic_parse(SLICE("top/hosts?by=orders&n=100"), &topic, NULL), 0);
    assert_true(topic.today);
    assert_int_equal(topic.by, BOARD_BY_ORDERS);
    assert_int_equal(topic.rows, 100);
    assert_int_equal(topic.scope, SCOPE_TOTAL);
    assert_int_equal(topic_parse(SLICE("series/county/422828?minutes=5"), &topic, NULL), 0);
    assert_int_equal(topic.minutes, 5);
    assert_int_equal(topic.code, 422828);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "totals",
        "total/",
        "total?x=1",
        "Total",
        "host",
        "host/",
        "host/a b",
        "host/a/b",
        "host/\xc3\xa4",
        "county/42282",
        "county/422800",
        "county/992828",
        "county/4228281",
        "county/42282x",
        "prefecture/422828",
        "prefecture/4200",
        "prefecture/9928",
        "province/99",
        "province/4",
        "province/042",
        "platform/",
        "top/",
        "top/hosts?",
        "top/hosts?by",
        "top/hosts?by=",
        "top/hosts?by=refunds",
        "top/hosts?by=net&by=net",
        "top/hosts?by=net&",
        "top/hosts?&by=net",
        "top/hosts?period=week",
        "top/hosts?n=0",
        "top/hosts?n=101",
        "top/hosts?n=010",
        "top/hosts?n=+5",
        "top/hosts?n=99999999999",
        "top/hosts?host=a",
        "top/hosts?platform=a",
        "top/hosts?county=420000",
        "top/sessions?host=a",
        "top/platforms?county=422828",
        "top/provinces?platform=a",
        "top/counties?host=a",
        "top/counties?platform=a&province=42",
        "top/products?session=s&period=today",
        "top/products?period=today&session=s",
        "top/products?session=",
        "top/products?minutes=5",
        "top/nothing",
        "series/",
        "series/product/p",
        "series/platform/p",
        "series/province/42",
        "series/total?minutes=0",
        "series/total?minutes=1441",
        "series/total?n=5",
        "ticker/host/h",
        "ticker/",
        "ticker/session/",
        "ticker?n=5",
    };
    char long_name[TOPIC_MAX_BYTES + 2];
    struct topic topic;
    (void)state;

    memset(&topic, 0x55, sizeof(topic));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error error = {0};

        if (topic_parse(slice_of(bad[i]), &topic, &error) != ERROR_INVALID)
            fail_msg("taken: %s", bad[i]);
        assert_true(error.text[0] != '\0');
    }
    assert_int_equal(((unsigned char *)&topic)[0], 0x55);
    memset(long_name, 'a', sizeof(long_name));
    memcpy(long_name, "host/", 5);
    assert_int_equal(topic_parse((struct slice){long_name, 5 + ID_MAX_BYTES}, &topic, NULL), 0);
    assert_int_equal(topic_parse((struct slice){long_name, 6 + ID_MAX_BYTES}, &topic, NULL),
                     ERROR_INVALID);
    assert_int_equal(topic_parse((struct slice){long_name, TOPIC_MAX_BYTES + 1}, &topic, NULL),
                     ERROR_INVALID);
}

/* Whatever is thrown at it: no crash, and what is taken has a stable canonical form. */
static void test_random(void **state)
{
    static const char *const pieces[] = {
        "total",   "top/",     "hosts",    "products", "sessions", "?",       "&",      "=",
        "by",      "gross",    "net",      "period",   "today",    "all",     "n",      "10",
        "session", "host",     "/",        "county",   "422828",   "series/", "ticker", "minutes",
        "x",       "counties", "platform", "province", "42",       "1440",
    };
    uint64_t seed = 20261;
    (void)state;

    for (int round = 0; round < 200000; round++) {
        struct buffer name = BUFFER_INIT;
        struct buffer canonical = BUFFER_INIT;
        struct buffer twice = BUFFER_INIT;
        struct topic topic;

        for (unsigned i = 0; i < 1 + (seed >> 60); i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            buffer_append_text(&name, pieces[(seed >> 33) % (sizeof(pieces) / sizeof(pieces[0]))]);
        }
        if (topic_parse(buffer_slice(&name), &topic, NULL) == 0) {
            topic_write(&canonical, &topic);
            assert_int_equal(topic_parse(buffer_slice(&canonical), &topic, NULL), 0);
            topic_write(&twice, &topic);
            assert_true(slice_equal(buffer_slice(&canonical), buffer_slice(&twice)));
        }
        buffer_done(&name);
        buffer_done(&canonical);
        buffer_done(&twice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
