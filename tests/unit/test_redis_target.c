/* Addresses of Redis: what is understood, what is refused, and that no password is ever shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Not part of libcore.a, but pure: built into this test. */
#include "../../src/store/redis_target.c"

static struct redis_target parsed(const char *text)
{
    struct redis_target target;
    struct error error = {0};
    if (redis_target_parse(text, &target, &error) != 0) {
        fail_msg("%s: %s", text, error.text);
    }
    return target;
}

static void assert_described(const char *text, const char *description)
{
    char out[384];
    struct redis_target target = parsed(text);
    redis_target_describe(&target, out, sizeof(out));
    assert_string_equal(out, description);
}

static void assert_refused(const char *text, const char *mention)
{
    struct redis_target target;
    struct redis_target untouched;
    struct error error = {0};
    memset(&target, 0x5a, sizeof(target));
    memset(&untouched, 0x5a, sizeof(untouched));
    if (redis_target_parse(text, &target, &error) >= 0) {
        fail_msg("accepted: %s", text);
    }
    if (!strstr(error.text, mention)) {
        fail_msg("\"%s\" says \"%s\", expected it to mention \"%s\"", text, error.text, mention);
    }
    assert_memory_equal(&target, &untouched, sizeof(target));
}

static void test_tcp(void **state)
{
    (void)state;
    struct redis_target target = parsed("redis://10.0.0.5:6380/3");
    assert_string_equal(target.host, "10.0.0.5");
    assert_int_equal(target.port, 6380);
    assert_int_equal(target.database, 3);
    assert_string_equal(target.path, "");
    assert_string_equal(target.password, "");

    target = parsed("redis://redis.internal");
    assert_string_equal(target.host, "redis.internal");
    assert_int_equal(target.port, 6379);
    assert_int_equal(target.database, 0);

    target = parsed("redis://[::1]:7000/");
    assert_string_equal(target.host, "::1");
    assert_int_equal(target.port, 7000);

    target = parsed("redis://[fe80::1]");
    assert_string_equal(target.host, "fe80::1");
    assert_int_equal(target.port, 6379);
}

static void test_password(void **state)
{
    (void)state;
    assert_string_equal(parsed("redis://:secret@h:1/2").password, "secret");
    assert_string_equal(parsed("redis://:a@b:c/d@h:1").password, "a@b:c/d");
    assert_string_equal(parsed("redis://:100%25%40%2f@h").password, "100%@/");
    assert_string_equal(parsed("redis://:@h").password, "");
    assert_refused("redis://:50%@h", "%25");
    assert_refused("redis://:50%2@h", "%25");
    assert_refused("redis://:50%zz@h", "%25");
    assert_refused("redis://:50%00@h", "%25");
    assert_refused("redis://user:secret@h", "user names");
    assert_refused("redis://secret@h", "user names");
}

static void test_password_bound(void **state)
{
    (void)state;
    char text[600];
    char password[257];
    memset(password, 'p', sizeof(password));
    password[255] = '\0';
    snprintf(text, sizeof(text), "redis://:%s@h", password);
    assert_string_equal(parsed(text).password, password);
    password[255] = 'p';
    password[256] = '\0';
    snprintf(text, sizeof(text), "redis://:%s@h", password);
    assert_refused(text, "255");
}

static void test_unix(void **state)
{
    (void)state;
    assert_string_equal(parsed("unix:/run/redis.sock").path, "/run/redis.sock");
    assert_int_equal(parsed("unix:/run/redis.sock").database, 0);
    assert_int_equal(parsed("unix:relative.sock?db=7").database, 7);
    assert_string_equal(parsed("unix:relative.sock?db=7").path, "relative.sock");
    assert_refused("unix:", "path");
    assert_refused("unix:?db=1", "path");
    assert_refused("unix:/run/redis.sock?database=1", "?db=N");
    assert_refused("unix:/run/redis.sock?db=", "database");
}

static void test_unix_path_bound(void **state)
{
    (void)state;
    char text[200] = "unix:";
    memset(text + 5, 'p', 108);
    text[5 + 107] = '\0';
    assert_int_equal(strlen(parsed(text).path), 107);
    text[5 + 107] = 'p';
    text[5 + 108] = '\0';
    assert_refused(text, "107");
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused("", "unix:PATH");
    assert_refused("localhost:6379", "unix:PATH");
    assert_refused("http://h:1", "unix:PATH");
    assert_refused("rediss://h:1", "TLS");
    assert_refused("redis://", "host");
    assert_refused("redis://:6379", "host");
    assert_refused("redis://h:", "port");
    assert_refused("redis://h:0", "port");
    assert_refused("redis://h:65536", "port");
    assert_refused("redis://h:6379x", "port");
    assert_refused("redis://h:-1", "port");
    assert_refused("redis://h:1/x", "database");
    assert_refused("redis://h:1/-1", "database");
    assert_refused("redis://h:1/65536", "database");
    assert_refused("redis://h:1/1/2", "database");
    assert_refused("redis://h:1/99999999999999999999", "database");
    assert_refused("redis://fe80::1:6379", "port");
    assert_refused("redis://[::1", "IPv6");
    assert_refused("redis://[::1]6379", "IPv6");
    assert_refused("redis://[]:6379", "host");
    assert_refused("redis://h :1", "blank");
    assert_refused("unix:/a\nb", "control");
}

static void test_describe_hides_the_password(void **state)
{
    (void)state;
    assert_described("redis://:secret@h:1/2", "redis://h:1/2");
    assert_described("redis://h", "redis://h:6379/0");
    assert_described("redis://[::1]:5", "redis://[::1]:5/0");
    assert_described("unix:/a.sock", "unix:/a.sock");
    assert_described("unix:/a.sock?db=4", "unix:/a.sock?db=4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_password),
        cmocka_unit_test(test_password_bound),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_unix_path_bound),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_describe_hides_the_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
