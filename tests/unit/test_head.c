/* The form of a request's head: what is taken, what is refused and why, and where it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "livetally/buffer.h"
#include "net/head.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"

struct example {
    enum head_fault fault;
    const char *why; /* a part of it */
    struct slice head;
};

#define BAD(why, text)                                                                             \
    {                                                                                              \
        HEAD_BAD, why,                                                                             \
        {                                                                                          \
            text, sizeof(text) - 1                                                                 \
        }                                                                                          \
    }

static const struct example bad[] = {
    BAD("METHOD TARGET", "GET /\r\n\r\n"), /* HTTP/0.9 */
    BAD("METHOD TARGET", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("METHOD TARGET", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    BAD("METHOD TARGET", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("METHOD TARGET", "GET / http/1.1\r\nHost: a\r\n\r\n"),
    BAD("METHOD TARGET", "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("METHOD TARGET", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("METHOD TARGET", "\r\n\r\n"),
    BAD("begins with /", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("begins with /", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("visible ASCII", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("visible ASCII", "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("visible ASCII", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("visible ASCII", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("hexadecimal", "GET /?topic=%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("hexadecimal", "GET /?topic=%4 HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("hexadecimal", "GET /?% HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("%00", "GET /v1/live%00x HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("CR LF", "GET / HTTP/1.1\nHost: a\n\n"),
    BAD("CR LF", "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    BAD("CR LF", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    BAD("continued", GET "A: b\r\n c\r\n\r\n"),
    BAD("continued", GET "\tc: d\r\n\r\n"),
    BAD("name", GET "no colon\r\n\r\n"),
    BAD("name", GET ": b\r\n\r\n"),
    BAD("name", GET "Content-Length : 5\r\n\r\n"),
    BAD("name", GET "a\0b: c\r\n\r\n"),
    BAD("name", GET "\x80: c\r\n\r\n"),
    BAD("control", GET "a: b\0c\r\n\r\n"),
    BAD("control", GET "a: b\rc\r\n\r\n"),
    BAD("control", GET "a: \x1b[2J\r\n\r\n"),
    BAD("control", GET "a: \x7f\r\n\r\n"),
    BAD("twice", GET "host: b\r\n\r\n"),
    BAD("twice", GET "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
    BAD("twice", GET "Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n"),
    BAD("twice", GET "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"),
    BAD("twice", GET "Origin: http://a\r\nOrigin: http://b\r\n\r\n"),
    BAD("a number", GET "Content-Length: +5\r\n\r\n"),
    BAD("a number", GET "Content-Length: 5, 5\r\n\r\n"),
    BAD("a number", GET "Content-Length: 0x5\r\n\r\n"),
    BAD("a number", GET "Content-Length: \r\n\r\n"),
    BAD("a number", GET "Content-Length: 18446744073709551617\r\n\r\n"),
    BAD("contradict", GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("has a Host", "GET / HTTP/1.1\r\n\r\n"),
    {HEAD_VERSION, "", {"GET / HTTP/2.0\r\n\r\n", 18}},
    {HEAD_VERSION, "", {"PRI * HTTP/2.0\r\n\r\n", 18}},
    {HEAD_VERSION, "", {"GET / HTTP/1.2\r\n\r\n", 18}},
    {HEAD_METHOD, "", {"get / HTTP/1.1\r\n\r\n", 18}},
    {HEAD_METHOD, "", {"CONNECT a:1 HTTP/1.1\r\n\r\n", 24}},
    {HEAD_METHOD, "", {"TRACE / HTTP/1.1\r\n\r\n", 20}},
};

static void bad_heads_are_refused_and_told_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = "";
        bool upgrade;
        enum head_fault fault = head_check(bad[i].head, &upgrade, &why);

        if (fault != bad[i].fault || !strstr(why, bad[i].why))
            fail_msg("head %zu: fault %d, %s", i, fault, why);
        assert_int_equal(head_end(bad[i].head.data, bad[i].head.size, 0), bad[i].head.size);
    }
}

static void good_heads_are_taken(void **state)
{
    static const char *const good[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nhost:a\r\nContent-Length:  17 \r\n\r\n",
        "GET /v1/totals?topic=host/%E6%9E%97~&topic=a%2520 HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: \r\nX: \xe6\x9e\x97\tb\r\nEmpty:\r\n\r\n",
        GET "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: ::1\r\nAccept: */*\r\n\r\n",
        GET "Transfer-Encoding: chunked\r\n\r\n", /* well-formed; whether it is served is another
                                                     thing */
    };
    bool upgrade;
    const char *why = "";

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(head_check(slice_of(good[i]), &upgrade, &why), HEAD_GOOD);
        assert_false(upgrade);
        assert_int_equal(head_end(good[i], strlen(good[i]), 0), strlen(good[i]));
    }
    assert_int_equal(head_check(SLICE(GET "Upgrade: websocket\r\n\r\n"), &upgrade, &why),
                     HEAD_GOOD);
    assert_true(upgrade);
}

static void no_more_arguments_than_are_told_of(void **state)
{
    const char *why = "";
    bool upgrade;

    (void)state;
    for (int count = HEAD_ARGUMENTS - 1; count <= HEAD_ARGUMENTS + 1; count++) {
        struct buffer head = BUFFER_INIT;

        buffer_append_text(&head, "GET /v1/totals?a");
        for (int i = 1; i < count; i++)
            buffer_append_text(&head, "&a");
        buffer_append_text(&head, " HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_int_equal(head_check(buffer_slice(&head), &upgrade, &why),
                         count <= HEAD_ARGUMENTS ? HEAD_GOOD : HEAD_TOPICS);
        buffer_done(&head);
    }
}

static void a_hundred_headers_and_no_more(void **state)
{
    struct buffer head = BUFFER_INIT;
    const char *why = "";
    bool upgrade;

    (void)state;
    for (int headers = HEAD_HEADERS; headers <= HEAD_HEADERS + 1; headers++) {
        buffer_reset(&head);
        buffer_append_text(&head, GET);
        for (int i = 1; i < headers; i++)
            buffer_printf(&head, "X-%d: a\r\n", i);
        buffer_append_text(&head, "\r\n");
        assert_int_equal(head_check(buffer_slice(&head), &upgrade, &why),
                         headers > HEAD_HEADERS ? HEAD_LARGE : HEAD_GOOD);
    }
    buffer_done(&head);
}

/* However a head comes in pieces, its end is found when it is there, and never later. */
static void the_end_is_found_in_any_pieces(void **state)
{
    static const char *const ends[] = {"\r\n\r\n", "\n\n", "\n\r\n", "\r\n\n"};
    char text[80];

    (void)state;
    for (int i = 0; i < 4; i++) {
        size_t size = (size_t)snprintf(text, sizeof(text),
                                       "GET / HTTP/1.1\r\nA: \r b%srest\r\n\r\n", ends[i]);
        size_t end = (size_t)(strstr(text, "rest") - text);

        for (size_t first = 0; first <= size; first++) {
            size_t known = 0;
            size_t found = head_end(text, first, 0);

            assert_int_equal(found, first < end ? 0 : end);
            for (size_t have = first; !found && have <= size; known = have, have++)
                found = head_end(text, have, known);
            assert_int_equal(found, end);
        }
    }
    assert_true(head_begins('G'));
    assert_false(head_begins('\x16')); /* TLS */
    assert_false(head_begins('\r') || head_begins('\0') || head_begins(' '));
}

/* Heads with bytes changed at random: never read beyond their end (under ASan), and what is taken
 * has no byte that another program could take for an end of a line. */
static void changed_heads_are_read_safely(void **state)
{
    static const char base[] =
        "POST /v1/events?a=%41 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 12\r\n"
        "Authorization: Bearer x\r\nUpgrade: websocket\r\n\r\n";
    int taken = 0;

    (void)state;
    srand(9112);
    for (int round = 0; round < 200000; round++) {
        size_t size = sizeof(base) - 1;
        char *head = malloc(size);
        const char *why;
        bool upgrade;

        assert_non_null(head);
        memcpy(head, base, size);
        for (int n = rand() % 3; n >= 0; n--)
            head[(size_t)rand() % size] = (char)(rand() % 4 ? "\r\n\0 :%/0\t"[rand() % 9] : rand());
        if (head_end(head, size, 0) == size &&
            head_check((struct slice){head, size}, &upgrade, &why) == HEAD_GOOD) {
            taken++;
            for (size_t i = 0; i < size; i++) {
                assert_true(head[i] != '\0');
                assert_true(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'));
                assert_true(head[i] != '\r' || head[i + 1] == '\n');
            }
        }
        free(head);
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_heads_are_refused_and_told_why),
        cmocka_unit_test(good_heads_are_taken),
        cmocka_unit_test(no_more_arguments_than_are_told_of),
        cmocka_unit_test(a_hundred_headers_and_no_more),
        cmocka_unit_test(the_end_is_found_in_any_pieces),
        cmocka_unit_test(changed_heads_are_read_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
