/* Messages: one object, an array, or lines; and what becomes of the others when one is bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/event.h"

#define NOW   INT64_C(1760000000000)
#define HOST  "{\"type\":\"host\",\"host_id\":\"h\"}"
#define WHOLE REJECTION_WHOLE_MESSAGE

static const struct event_rules rules = {NULL, "CNY", 300000, INT64_C(2592000000), 0};

static void parse_by(struct message *message, const struct event_rules *by, struct slice text)
{
    message_reset(message);
    buffer_append_slice(&message->text, text);
    message_parse(message, by, NOW);
}

static void parse(struct message *message, struct slice text)
{
    parse_by(message, &rules, text);
}

/* What became of a message, in a line: the events' indexes, then the rejections. */
static const char *outcome(struct message *message, const char *text, struct buffer *out)
{
    parse(message, slice_of(text));
    buffer_reset(out);
    for (uint32_t i = 0; i < message->event_count; i++)
        buffer_printf(out, "%u ", message->events[i].index);
    for (uint32_t i = 0; i < message->rejection_count; i++) {
        const struct rejection *rejection = &message->rejections[i];
        if (rejection->index == WHOLE)
            buffer_append_text(out, "whole");
        else
            buffer_append_uint(out, rejection->index);
        buffer_printf(out, ":%s ", rejection_code_name(rejection->code));
    }
    return buffer_cstr(out);
}

static void test_forms(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        /* nothing */
        {"", ""},
        {" \r\n\t ", ""},
        {"[]", ""},
        {" [ ] ", ""},
        /* one object */
        {HOST, "0 "},
        {"\n\n " HOST " \n", "0 "},
        {"{\n\"type\":\"host\",\n\"host_id\":\"h\"\n}", "0 "},
        {"{\"type\":\"x\"}", "0:bad_type "},
        {"{\"type\":\"host\"", "whole:bad_json "},
        {HOST "x", "whole:bad_json "},
        {HOST HOST, "whole:bad_json "},
        {HOST "," HOST, "whole:bad_json "},
        /* one value of another kind */
        {"42", "0:bad_type "},
        {"\"auth\"", "0:bad_type "},
        {"null", "0:bad_type "},
        {"hello", "whole:bad_json "},
        /* an array */
        {"[" HOST "]", "0 "},
        {"[" HOST ",\n" HOST "," HOST "]", "0 1 2 "},
        {"[" HOST ",42," HOST ",[],\"x\",{}]",
         "0 2 1:bad_type 3:bad_type 4:bad_type 5:missing_field "},
        {"[" HOST "," HOST, "whole:bad_json "},
        {"[" HOST "," HOST "}", "whole:bad_json "},
        {"[" HOST ",\n" HOST "\n" HOST "]", "whole:bad_json "},
        {"[" HOST "]\n[" HOST "]", "whole:bad_json "},
        {"[" HOST ",{\"type\":\"x\"},{\"type\":}]", "whole:bad_json "},
        /* lines */
        {HOST "\n" HOST, "0 1 "},
        {HOST "\n" HOST "\n", "0 1 "},
        {HOST "\r\n" HOST "\r\n", "0 1 "},
        {"\n" HOST "\n  \n\r\n" HOST "\n\n", "1 4 "},
        {HOST "\n{\"type\":\n" HOST "\n", "0 2 1:bad_json "},
        {"oops\n" HOST "\n" HOST "oops", "1 0:bad_json 2:bad_json "},
        {HOST "\n42\n[" HOST "]\n" HOST, "0 3 1:bad_type 2:bad_type "},
        {HOST "\n" HOST HOST "\n", "0 1:bad_json "},
        {HOST "\n{\"type\":\"x\"}\n{\"type\":\"x\"} x", "0 1:bad_type 2:bad_json "},
        {"{\"type\":\"host\",\n\"host_id\":}", "0:bad_json 1:bad_json "},
        {HOST "\n[", "0 1:bad_json "},
    };
    struct message message;
    struct buffer out = BUFFER_INIT;
    message_init(&message);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = outcome(&message, cases[i][0], &out);
        if (strcmp(got, cases[i][1]) != 0)
            print_error("message: %s\n", cases[i][0]);
        assert_string_equal(got, cases[i][1]);
    }
    buffer_done(&out);
    message_done(&message);
}

static void test_sentences(void **state)
{
    (void)state;
    struct message message;
    message_init(&message);
    parse(&message, SLICE("[{\"type\":\"host\"},]"));
    assert_string_equal(message.rejections[0].error, "not JSON at byte 17: expected a value");
    assert_null(message.rejections[0].field);
    assert_string_equal(message.rejections[0].id, "");
    parse(&message, SLICE(HOST "\n\n {\"type\":tru}\n"));
    assert_string_equal(message.rejections[0].error,
                        "not JSON at byte 9 of the line: expected a value");
    parse(&message, SLICE("[[1,2]]"));
    assert_string_equal(message.rejections[0].error, "an event must be an object, got an array");
    parse(&message, SLICE("\"a\\nb\""));
    assert_string_equal(message.rejections[0].error, "an event must be an object, got \"a\\nb\"");
    parse(&message, SLICE("[{\"a\":[[[[[[[1]]]]]]]}]"));
    assert_string_equal(message.rejections[0].error, "not JSON at byte 12: nested too deep");
    message_done(&message);
}

static void append_events(struct buffer *out, int count, char separator)
{
    for (int i = 0; i < count; i++) {
        if (i && separator == ',')
            buffer_append_byte(out, ',');
        if (i % 3 == 2)
            buffer_append_text(out, "{\"type\":\"x\"}");
        else
            buffer_append_text(out, HOST);
        if (separator == '\n')
            buffer_append_text(out, "\n\n");
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct message message;
    struct buffer text = BUFFER_INIT;
    message_init(&message);
    for (int lines = 0; lines < 2; lines++) {
        for (int count = MESSAGE_EVENTS_MAX - 1; count <= MESSAGE_EVENTS_MAX + 1; count++) {
            buffer_reset(&text);
            buffer_append_text(&text, lines ? "" : "[");
            append_events(&text, count, lines ? '\n' : ',');
            buffer_append_text(&text, lines ? "" : "]");
            parse(&message, buffer_slice(&text));
            if (count <= MESSAGE_EVENTS_MAX) {
                assert_int_equal(message.event_count + message.rejection_count, count);
                assert_int_equal(message.rejection_count, count / 3);
                continue;
            }
            assert_int_equal(message.event_count, 0);
            assert_int_equal(message.rejection_count, 1);
            assert_int_equal(message.rejections[0].code, REJECT_BATCH_TOO_LARGE);
            assert_int_equal(message.rejections[0].index, WHOLE);
            assert_string_equal(message.rejections[0].error, "a message holds at most 1000 events");
        }
    }
    buffer_done(&text);
    message_done(&message);
}

static void test_fewer_by_configuration(void **state)
{
    (void)state;
    const struct event_rules few = {NULL, "CNY", 300000, INT64_C(2592000000), 2};
    struct message message;
    message_init(&message);
    parse_by(&message, &few, SLICE("[" HOST "," HOST "]"));
    assert_int_equal(message.event_count, 2);
    parse_by(&message, &few, SLICE(HOST "\n" HOST "\n" HOST));
    assert_int_equal(message.event_count, 0);
    assert_int_equal(message.rejections[0].code, REJECT_BATCH_TOO_LARGE);
    assert_string_equal(message.rejections[0].error, "a message holds at most 2 events");
    message_done(&message);
}

/* Unescaped strings must stay where they are while more are added behind them. */
static void test_scratch_stays(void **state)
{
    (void)state;
    struct message message;
    message_init(&message);
    for (int round = 0; round < 3; round++) {
        for (int lines = 0; lines < 2; lines++) {
            message_reset(&message);
            buffer_append_text(&message.text, lines ? "" : "[");
            for (int i = 0; i < 900; i++)
                buffer_printf(&message.text,
                              "%s{\"type\":\"host\",\"host_id\":\"\\u0068%d\",\"name\":\"\\u53bf\\n"
                              "\"}",
                              i == 0  ? ""
                              : lines ? "\n"
                                      : ",",
                              i);
            buffer_append_text(&message.text, lines ? "" : "]");
            message_parse(&message, &rules, NOW);
            /* The name has a control character: the id in the rejection is an unescaped one. */
            assert_int_equal(message.rejection_count, 900);
            for (int i = 0; i < 900; i++) {
                char id[16];
                snprintf(id, sizeof id, "h%d", i);
                assert_string_equal(message.rejections[i].id, id);
            }
            message_reset(&message);
            for (int i = 0; i < 900; i++)
                buffer_printf(
                    &message.text,
                    "{\"type\":\"host\",\"host_id\":\"\\u0068%d\",\"name\":\"\\u53bf\"}\n", i);
            message_parse(&message, &rules, NOW);
            assert_int_equal(message.event_count, 900);
            for (int i = 0; i < 900; i++) {
                char id[16];
                snprintf(id, sizeof id, "h%d", i);
                assert_true(slice_equal(message.events[i].host_id, slice_of(id)));
                assert_true(slice_equal(message.events[i].name, SLICE("县")));
            }
            assert_true(message.scratch.size <= message.text.size);
        }
    }
    message_done(&message);
}

static void test_own_rejections(void **state)
{
    (void)state;
    struct message message;
    message_init(&message);
    parse(&message, SLICE(HOST "\n" HOST));
    struct rejection *rejection = message_reject(&message, 1);
    rejection_set(rejection, REJECT_CONFLICT, "host_id", SLICE("h"), "judged later");
    assert_int_equal(message.rejection_count, 1);
    assert_int_equal(message.rejections[0].index, 1);
    message_reset(&message);
    assert_int_equal(message.rejection_count, 0);
    assert_int_equal(message.event_count, 0);
    assert_int_equal(message.text.size, 0);
    message_done(&message);
    message_done(&message);
}

static void test_auth(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{\"type\":\"auth\",\"token\":\"abc\"}",
        " {\"token\":{\"type\":\"order\"},\"type\" : \"auth\"}\n",
        "{\"\\u0074ype\":\"\\u0061uth\"}",
    };
    static const char *const bad[] = {
        "",
        "auth",
        "\"auth\"",
        "[{\"type\":\"auth\"}]",
        "{\"type\":\"order\",\"x\":\"auth\"}",
        "{\"type\":[\"auth\"]}",
        "{\"x\":{\"type\":\"auth\"}}",
        "{\"type\":\"auth\"",
        "{\"type\":\"auth\"}\n{\"type\":\"auth\"}",
        "{\"type\":\"auth\",}",
        "{\"type\":\"auth\",\"type\":\"auth\"}",
        "{\"type\":\"auth2\"}",
        "{}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(message_is_auth(slice_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(message_is_auth(slice_of(bad[i])));
    assert_false(message_is_auth((struct slice){NULL, 0}));
}

/* Random damage: no crash, no count that doesn't add up, good lines stay untouched by bad ones. */
static void test_damage(void **state)
{
    (void)state;
    static const char line[] =
        "{\"type\":\"order\",\"order_id\":\"o-1\",\"host_id\":\"h\",\"product_id\":\"p\\u002d1\","
        "\"county\":\"422828\",\"quantity\":2,\"amount\":5990,\"time\":1760000000000}";
    struct message message;
    const unsigned first_seed = 31000;
    message_init(&message);
    for (unsigned seed = first_seed; seed < first_seed + 20000; seed++) {
        unsigned random = seed;
        uint32_t lines = 1 + (uint32_t)rand_r(&random) % 4;
        uint32_t damaged = (uint32_t)rand_r(&random) % lines;
        message_reset(&message);
        for (uint32_t i = 0; i < lines; i++) {
            size_t start = message.text.size;
            buffer_append_text(&message.text, line);
            if (i == damaged) {
                char byte = (char)(rand_r(&random) % 256);
                size_t at = start + (size_t)rand_r(&random) % (sizeof line - 1);
                message.text.data[at] = byte == '\n' ? '?' : byte;
            }
            buffer_append_byte(&message.text, '\n');
        }
        message_parse(&message, &rules, NOW);
        bool first_is_bracket = message.text.data[0] == '[';
        if (message.event_count + message.rejection_count != lines && !first_is_bracket)
            fail_msg("seed %u: %u events, %u rejections of %u lines", seed, message.event_count,
                     message.rejection_count, lines);
        if (first_is_bracket)
            continue;
        assert_true(message.rejection_count <= 1);
        if (message.rejection_count == 1 && message.rejections[0].index != WHOLE)
            assert_int_equal(message.rejections[0].index, damaged);
    }
    message_done(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),          cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_too_many),       cmocka_unit_test(test_scratch_stays),
        cmocka_unit_test(test_own_rejections), cmocka_unit_test(test_auth),
        cmocka_unit_test(test_damage),         cmocka_unit_test(test_fewer_by_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
