/*
 * Where a log that a crash tore is cut: at every byte of a transaction, at its beginning.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/embedded_aof.h"

#define SELECT "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
#define SET    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nb*\r\n"
#define MULTI  "*1\r\n$5\r\nMULTI\r\n"
#define EXEC   "*1\r\n$4\r\nEXEC\r\n"

static void assert_whole(const char *text, size_t size, size_t want)
{
    assert_int_equal(want, embedded_aof_whole((struct slice){text, size}));
}

static void test_every_cut(void **state)
{
    (void)state;
    static const char before[] = "#TS:1795321800\r\n" SELECT SET;
    static const char all[] = "#TS:1795321800\r\n" SELECT SET MULTI SET SET EXEC SET MULTI EXEC;
    size_t first = strlen(before), second = first + strlen(MULTI SET SET EXEC);
    size_t third = second + strlen(SET), end = strlen(all);
    for (size_t size = first; size <= end; size++)
        assert_whole(all, size,
                     size < second  ? first
                     : size < third ? second
                     : size < end   ? third
                                    : end);
    assert_whole(all, 5, 0);
    assert_whole(all, 0, 0);
}

static void test_other_damage_is_left_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {
        SET "hello" SET,
        SET "*x\r\n",
        SET "*\r\n",
        SET "*99999999999\r\n",
        SET "*1\r\n:5\r\nMULTI\r\n",
        SET "*1\r\n$5\r\nMULTIxx",
        SET "*1\rx$5",
        MULTI SET "*2\r\n$-1\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_whole(bad[i], strlen(bad[i]), strlen(bad[i]));
}

static void test_names_in_any_case(void **state)
{
    (void)state;
    static const char text[] = "*1\r\n$5\r\nmulti\r\n" SET "*1\r\n$4\r\neXeC\r\n" MULTI;
    assert_whole(text, strlen(text), strlen(text) - strlen(MULTI));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_other_damage_is_left_alone),
        cmocka_unit_test(test_names_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
