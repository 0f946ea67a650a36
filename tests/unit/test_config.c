/*
 * Configuration: defaults, the file (with lines named in errors), the command line over it, rules
 * across keys, and the sample file in config/ against the table it is made from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/file.h"

static struct config *fresh(void **state)
{
    struct config *config = *state;
    config_init(config);
    return config;
}

static int setup(void **state)
{
    *state = malloc(sizeof(struct config));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static int read_text(struct config *config, const char *text, struct error *error)
{
    return config_read_text(config, "x.conf", slice_of(text), error);
}

static void assert_refused(struct config *config, const char *text, const char *message)
{
    struct error error = {0};
    struct config *before = malloc(sizeof(*before));
    assert_non_null(before);
    *before = *config;
    assert_int_equal(read_text(config, text, &error), ERROR_INVALID);
    assert_string_equal(error.text, message);
    assert_memory_equal(config, before, sizeof(*before));
    free(before);
}

static void test_defaults(void **state)
{
    struct config *config = fresh(state);
    assert_int_equal(config->listen_address.count, 1);
    assert_string_equal(config->listen_address.items[0].text, "127.0.0.1:8090");
    assert_string_equal(config->redis_url.text, "embedded");
    assert_string_equal(config->redis_prefix.text, "lt:");
    assert_int_equal(config->limits_message_bytes, 1048576);
    assert_int_equal(config->limits_batch_events, 1000);
    assert_int_equal(config->limits_window_events, 8192);
    assert_int_equal(config->auth_mode, CONFIG_AUTH_AUTO);
    assert_int_equal(config_check(config, NULL), 0);
}

static void test_file(void **state)
{
    struct config *config = fresh(state);
    struct error error = {0};
    assert_int_equal(read_text(config,
                               "# a comment\r\n"
                               "; another\n"
                               "[redis]\r\n"
                               "url = redis://:pa=ss@127.0.0.1:6380/2 ; said inline\r\n"
                               "  lease_ms=20000\n"
                               "\tpoll_ms : 5\n"
                               "\n"
                               "[auth]\n"
                               "mode = none\n"
                               "[listen]\n"
                               "address = 0.0.0.0:1\n"
                               "address = [::1]:0\n"
                               "[data]\n"
                               "currency = USD",
                               &error),
                     0);
    assert_string_equal(config->redis_url.text, "redis://:pa=ss@127.0.0.1:6380/2");
    assert_int_equal(config->redis_lease_ms, 20000);
    assert_int_equal(config->redis_poll_ms, 5);
    assert_int_equal(config->auth_mode, CONFIG_AUTH_NONE);
    assert_int_equal(config->listen_address.count, 2);
    assert_string_equal(config->listen_address.items[1].text, "[::1]:0");
    assert_string_equal(config->data_currency.text, "USD");
}

static void test_file_errors(void **state)
{
    struct config *config = fresh(state);
    assert_refused(config, "[redis]\n\nulr = x\n",
                   "x.conf:3: unknown key \"ulr\" in section [redis]");
    assert_refused(config, "[reddis]\nurl = embedded\n",
                   "x.conf:2: unknown key \"url\" in section [reddis]");
    assert_refused(config, "url = embedded\n", "x.conf:1: key \"url\" stands before any [section]");
    assert_refused(
        config, "[redis]\npoll_ms = 20ms\n",
        "x.conf:2: redis.poll_ms: expected a whole number from 1 to 10000, got \"20ms\"");
    assert_refused(config, "[redis]\npoll_ms =\n",
                   "x.conf:2: redis.poll_ms: expected a whole number from 1 to 10000, got \"\"");
    assert_refused(config, "[redis]\npoll_ms = 10001\n",
                   "x.conf:2: redis.poll_ms: expected a whole number from 1 to 10000, got "
                   "\"10001\"");
    assert_refused(config, "[redis]\npoll_ms = 4294967297\n",
                   "x.conf:2: redis.poll_ms: expected a whole number from 1 to 10000, got "
                   "\"4294967297\"");
    assert_refused(config, "[redis]\npoll_ms = -1\n",
                   "x.conf:2: redis.poll_ms: expected a whole number from 1 to 10000, got \"-1\"");
    assert_refused(config, "[auth]\nmode = off\n",
                   "x.conf:2: auth.mode: expected one of auto|none, got \"off\"");
    assert_refused(config, "[auth]\nmode = none\n# hm\nmode = none\n",
                   "x.conf:4: auth.mode: already set on line 2");
    assert_refused(config, "[auth]\nmode = none\nnonsense\n[redis]\nx = 1\n",
                   "x.conf:3: expected [section] or key = value");
    assert_refused(config, "[auth]\nmode = nobody\nnonsense\n",
                   "x.conf:2: auth.mode: expected one of auto|none, got \"nobody\"");
    assert_refused(config, "[auth\nmode = none\n", "x.conf:1: expected [section] or key = value");
    assert_refused(config,
                   "[log]\nlevel = in\x01"
                   "fo\n",
                   "x.conf:2: control character in line");
    assert_refused(config, "[listen]\naddress = localhost\n",
                   "x.conf:2: listen.address: expected HOST:PORT, [IPV6]:PORT or unix:PATH, got "
                   "\"localhost\"");
}

static void test_long_lines(void **state)
{
    struct config *config = fresh(state);
    char text[2000];
    memcpy(text, "[daemon]\nstate_dir = /", 22);
    memset(text + 22, 'x', sizeof(text) - 23);
    text[sizeof(text) - 1] = '\0';
    assert_refused(config, text, "x.conf:2: line too long");
    memcpy(text, "[daemon]\n# no value  /", 22);
    assert_int_equal(read_text(config, text, NULL), 0);
}

static void test_texts(void **state)
{
    static const struct {
        const char *assignment;
        bool good;
    } cases[] = {
        {"listen.address=unix:/run/x", true},
        {"listen.address=unix:", false},
        {"listen.address=localhost:80", true},
        {"listen.address=:80", false},
        {"listen.address=::1:80", false},
        {"listen.address=[]:80", false},
        {"listen.address=a:65536", false},
        {"listen.address=a:", false},
        {"redis.url=unix:/x", true},
        {"redis.url=unix:", false},
        {"redis.url=127.0.0.1:6379", false},
        {"redis.prefix=", true},
        {"redis.prefix=shop-1:", true},
        {"redis.prefix=a{b}", false},
        {"redis.prefix=0123456789012345678901234567890", true},
        {"redis.prefix=01234567890123456789012345678901", false},
        {"redis.durability=replicas:2", true},
        {"redis.durability=replicas:0", false},
        {"redis.durability=replicas", false},
        {"data.currency=CN", false},
        {"data.currency=cny", false},
        {"data.time_zone=UTC", true},
        {"data.time_zone=-05:30", true},
        {"data.time_zone=Asia/Shanghai", false},
        {"daemon.state_dir=\"/x\"", false},
        {"log.level=", false},
        {"log.levels=info", false},
        {"log=info", false},
        {"log.level", false},
    };
    struct config *config = fresh(state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error error = {0};
        int code = config_assign(config, cases[i].assignment, &error);
        if ((code == 0) != cases[i].good)
            fail_msg("%s: %s", cases[i].assignment, code ? error.text : "taken");
        if (code)
            assert_memory_equal(error.text, "command line: ", 14);
    }
}

static void test_command_line_wins(void **state)
{
    struct config *config = fresh(state);
    assert_int_equal(read_text(config,
                               "[listen]\naddress = a:1\naddress = b:2\n"
                               "[redis]\npoll_ms = 7\nlease_ms = 30000\n",
                               NULL),
                     0);
    assert_int_equal(config_set(config, "redis.poll_ms", "8", NULL), 0);
    assert_int_equal(config_set(config, "redis.poll_ms", "9", NULL), 0);
    assert_int_equal(config_set(config, "listen.address", "c:3", NULL), 0);
    assert_int_equal(config_set(config, "listen.address", "d:4", NULL), 0);
    assert_int_equal(config->redis_poll_ms, 9);
    assert_int_equal(config->redis_lease_ms, 30000);
    assert_int_equal(config->listen_address.count, 2);
    assert_string_equal(config->listen_address.items[0].text, "c:3");
    assert_string_equal(config->listen_address.items[1].text, "d:4");
}

static void test_an_empty_item_takes_the_others_back(void **state)
{
    struct config *config = fresh(state);
    struct error error = {0};
    assert_int_equal(config->auth_keys.count, 0);
    assert_int_equal(read_text(config, "[auth]\nkeys = a\nkeys = b\n", NULL), 0);
    assert_int_equal(config->auth_keys.count, 2);
    assert_int_equal(config_set(config, "auth.keys", "", NULL), 0);
    assert_int_equal(config->auth_keys.count, 0);
    assert_int_equal(config_set(config, "auth.keys", "c", NULL), 0);
    assert_int_equal(config->auth_keys.count, 1);
    assert_string_equal(config->auth_keys.items[0].text, "c");
    assert_int_equal(config_set(config, "listen.address", "", &error), ERROR_INVALID);
}

/* Without tokens nothing is to be chosen about them. */
static void test_rules_of_tokens(void **state)
{
    struct config *config = fresh(state);
    struct error error = {0};
    assert_int_equal(config_set(config, "auth.public_topics", "total", NULL), 0);
    assert_int_equal(config_check(config, &error), ERROR_INVALID);
    assert_int_equal(config_set(config, "auth.keys", "k", NULL), 0);
    assert_int_equal(config_check(config, &error), 0);
    assert_int_equal(config_set(config, "auth.mode", "none", NULL), 0);
    assert_int_equal(config_check(config, &error), ERROR_INVALID);
    assert_int_equal(config_set(config, "auth.origins", "https://a.example:8443", NULL), 0);
    assert_int_equal(config_set(config, "auth.origins", "null", NULL), 0);
    assert_int_equal(config_set(config, "auth.origins", "https://a.example/", &error),
                     ERROR_INVALID);
    assert_int_equal(config_set(config, "auth.origins", "https://", &error), ERROR_INVALID);
    assert_int_equal(config_set(config, "auth.origins", "*", &error), ERROR_INVALID);
}

static void test_too_many_items(void **state)
{
    struct config *config = fresh(state);
    struct error error = {0};
    for (int i = 0; i < CONFIG_LIST_ITEMS; i++)
        assert_int_equal(config_set(config, "listen.address", "a:1", NULL), 0);
    assert_int_equal(config_set(config, "listen.address", "a:1", &error), ERROR_INVALID);
    assert_string_equal(error.text, "command line: listen.address: more than 16 of them");
}

static void test_rules_across_keys(void **state)
{
    static const struct {
        const char *text;
        const char *start; /* of the message */
    } cases[] = {
        {"[data]\norder_keep_days = 31\n", "default of data.generation_days: must be more than"},
        {"[data]\ngeneration_days = 30\n", "x.conf:2: data.generation_days: must be more than"},
        {"[data]\nday_keep_days = 30\n", "x.conf:2: data.day_keep_days: must be more than"},
        {"[data]\ncounty_alias_file = /x\n", "x.conf:2: data.county_alias_file: needs"},
        {"[redis]\nbackoff_max_ms = 10\n", "x.conf:2: redis.backoff_max_ms: must be at least"},
        {"[redis]\nlease_ms = 9999\n", "x.conf:2: redis.lease_ms: must be at least twice"},
        {"[redis]\npassword_file = /x\n", "x.conf:2: redis.password_file: an embedded"},
        {"[redis]\ndurability = replicas:1\n", "x.conf:2: redis.durability: an embedded"},
        {"[limits]\nwindow_events = 999\n", "x.conf:2: limits.window_events: must be at least"},
        {"[limits]\nwindow_bytes = 1024\n", "x.conf:2: limits.window_bytes: must be at least"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *config = fresh(state);
        struct error error = {0};
        assert_int_equal(read_text(config, cases[i].text, &error), 0);
        assert_int_equal(config_check(config, &error), ERROR_INVALID);
        if (strncmp(error.text, cases[i].start, strlen(cases[i].start)) != 0)
            fail_msg("expected \"%s…\", got \"%s\"", cases[i].start, error.text);
    }
}

/* The sample must be what the table says, and, uncommented, set everything to its default. */
static void test_sample(void **state)
{
    struct config *config = fresh(state);
    struct config *defaults = malloc(sizeof(*defaults));
    struct buffer made = BUFFER_INIT;
    struct buffer kept = BUFFER_INIT;
    struct buffer bare = BUFFER_INIT;
    struct error error = {0};
    assert_non_null(defaults);
    config_init(defaults);
    config_write_sample(&made);
    assert_int_equal(file_read("config/livetallyd.conf", CONFIG_FILE_BYTES, &kept, &error), 0);
    if (!slice_equal(buffer_slice(&made), buffer_slice(&kept)))
        fail_msg("config/livetallyd.conf differs from the table: run `make sample`");

    for (size_t i = 0; i < made.size; i++) {
        bool line_start = i == 0 || made.data[i - 1] == '\n';
        if (!line_start || made.data[i] != '#' || made.data[i + 1] == ' ')
            buffer_append_byte(&bare, made.data[i]);
    }
    assert_int_equal(config_read_text(config, "sample", buffer_slice(&bare), &error), 0);
    for (int i = 0; i < CONFIG_KEY_COUNT; i++)
        assert_true(config->origin[i] > 0);
    memcpy(config->origin, defaults->origin, sizeof(config->origin));
    memset(config->file, 0, sizeof(config->file));
    assert_memory_equal(config, defaults, sizeof(*config));
    buffer_done(&made);
    buffer_done(&kept);
    buffer_done(&bare);
    free(defaults);
}

static void test_missing_file(void **state)
{
    struct error error = {0};
    assert_int_equal(config_read_file(fresh(state), "/nonexistent/x.conf", &error), ERROR_IO);
    assert_string_equal(error.text, "/nonexistent/x.conf: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_errors),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_command_line_wins),
        cmocka_unit_test(test_too_many_items),
        cmocka_unit_test(test_rules_across_keys),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_an_empty_item_takes_the_others_back),
        cmocka_unit_test(test_rules_of_tokens),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
