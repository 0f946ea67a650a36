/* Errors of Redis as an operator reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/advice.h"

static void assert_advice(const char *text, const char *want)
{
    char out[400];
    advice_write(text, out, sizeof out);
    assert_string_equal(out, want);
}

static void test_known_errors_say_what_to_do(void **state)
{
    (void)state;
    assert_advice("OOM command not allowed when used memory > 'maxmemory'. script: 4243384b, on "
                  "@user_script:46.",
                  "redis is out of memory: raise its maxmemory (redis says: OOM command not "
                  "allowed when used memory > 'maxmemory'.)");
    assert_advice("NOPERM this user has no permissions to run the 'xadd' command",
                  "redis forbids what livetallyd needs: allow it by redis-cli acl setuser default "
                  "(redis says: NOPERM this user has no permissions to run the 'xadd' command)");
    assert_advice("ERR Unknown Redis command called from script script: 4243384b, on "
                  "@user_script:18.",
                  "redis lacks a command that livetallyd's scripts need: it has to be version 7, "
                  "with no command renamed (redis says: ERR Unknown Redis command called from "
                  "script)");
    assert_advice("ERR max number of clients reached",
                  "redis takes no more connections: raise its maxclients (redis says: ERR max "
                  "number of clients reached)");
}

static void test_other_texts_stay_as_they_are(void **state)
{
    (void)state;
    assert_advice("no reply within 300 ms", "no reply within 300 ms");
    assert_advice("ERR something new", "ERR something new");
    assert_advice("OOMPH", "OOMPH");
    assert_advice("", "");
}

static void test_twice_is_as_once(void **state)
{
    char once[400], twice[400];
    (void)state;
    advice_write("LOADING Redis is loading the dataset in memory", once, sizeof once);
    advice_write(once, twice, sizeof twice);
    assert_string_equal(once, twice);
}

/* What Redis says may be long; what it says is cut before what to do is. */
static void test_it_is_cut_to_fit(void **state)
{
    char text[1000], out[64], whole[400];
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "OOM ", 4);
    text[sizeof text - 1] = '\0';
    advice_write(text, out, sizeof out);
    assert_int_equal(strlen(out), sizeof out - 1);
    advice_write(text, whole, sizeof whole);
    assert_true(strlen(whole) < 300);
    assert_int_equal(whole[strlen(whole) - 1], ')');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_errors_say_what_to_do),
        cmocka_unit_test(test_other_texts_stay_as_they_are),
        cmocka_unit_test(test_twice_is_as_once),
        cmocka_unit_test(test_it_is_cut_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
