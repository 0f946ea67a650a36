/* Buffers, allocation, error texts and the log port: what everything else stands on. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/buffer.h"
#include "livetally/clock.h"
#include "livetally/error.h"
#include "livetally/log.h"
#include "livetally/mem.h"

static void check(const struct buffer *buffer)
{
    assert_true(buffer->size <= buffer->capacity);
    assert_true((buffer->data == NULL) == (buffer->capacity == 0));
}

static void assert_content(const struct buffer *buffer, const char *expected)
{
    check(buffer);
    assert_int_equal(buffer->size, strlen(expected));
    assert_memory_equal(buffer_slice(buffer).data, expected, buffer->size);
}

static void test_empty(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_INIT;
    assert_int_equal(buffer_slice(&buffer).size, 0);
    assert_non_null(buffer_slice(&buffer).data);
    buffer_append(&buffer, NULL, 0);
    buffer_consume(&buffer, 5);
    buffer_reset(&buffer);
    check(&buffer);
    assert_string_equal(buffer_cstr(&buffer), "");
    buffer_done(&buffer);
    check(&buffer);
    buffer_done(&buffer);
}

static void test_append(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_INIT;
    buffer_append_text(&buffer, "ab");
    buffer_append_byte(&buffer, 'c');
    buffer_append_slice(&buffer, SLICE("de"));
    assert_content(&buffer, "abcde");
    buffer_consume(&buffer, 2);
    assert_content(&buffer, "cde");
    assert_string_equal(buffer_cstr(&buffer), "cde");
    assert_content(&buffer, "cde");
    buffer_consume(&buffer, 3);
    assert_content(&buffer, "");
    buffer_done(&buffer);
}

static void test_numbers(void **state)
{
    (void)state;
    static const int64_t values[] = {0, 1, -1, 9, 10, -10, 99, 100, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buffer buffer = BUFFER_INIT;
        char expected[32];
        buffer_append_int(&buffer, values[i]);
        snprintf(expected, sizeof expected, "%" PRId64, values[i]);
        assert_content(&buffer, expected);
        buffer_reset(&buffer);
        buffer_append_uint(&buffer, (uint64_t)values[i]);
        snprintf(expected, sizeof expected, "%" PRIu64, (uint64_t)values[i]);
        assert_content(&buffer, expected);
        buffer_done(&buffer);
    }
}

static void test_printf(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_INIT;
    buffer_printf(&buffer, "%s", "");
    assert_content(&buffer, "");
    /* Every size around the capacities that doubling passes through. */
    for (int size = 0; size < 300; size++) {
        struct buffer fresh = BUFFER_INIT;
        buffer_append_byte(&fresh, '>');
        buffer_printf(&fresh, "%0*d", size, 7);
        check(&fresh);
        assert_int_equal(fresh.size, size > 1 ? size + 1 : 2);
        assert_int_equal(fresh.data[0], '>');
        assert_int_equal(fresh.data[fresh.size - 1], '7');
        buffer_done(&fresh);
    }
    buffer_done(&buffer);
}

static void test_against_model(void **state)
{
    (void)state;
    enum { MODEL_BYTES = 1 << 16 };
    char *model = mem_alloc(MODEL_BYTES);
    size_t size = 0;
    struct buffer buffer = BUFFER_INIT;
    unsigned seed = 20260101;
    for (int step = 0; step < 20000; step++) {
        char bytes[64];
        size_t count = (size_t)rand_r(&seed) % sizeof bytes;
        memset(bytes, 'a' + step % 26, sizeof bytes);
        if (rand_r(&seed) % 3 == 0 || size + count > MODEL_BYTES) {
            size_t drop = count * 4 < size ? count * 4 : size;
            memmove(model, model + drop, size - drop);
            size -= drop;
            buffer_consume(&buffer, drop);
        } else {
            memcpy(model + size, bytes, count);
            size += count;
            buffer_append(&buffer, bytes, count);
        }
        check(&buffer);
        assert_int_equal(buffer.size, size);
        assert_memory_equal(buffer_slice(&buffer).data, model, size);
    }
    buffer_done(&buffer);
    free(model);
}

static void test_memory(void **state)
{
    (void)state;
    unsigned char *zeroed = mem_zalloc(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeroed[i], 0);
    free(zeroed);
    free(mem_alloc(0));
    char *copy = mem_strndup("county", 3);
    assert_string_equal(copy, "cou");
    free(copy);
    copy = mem_strdup("");
    assert_string_equal(copy, "");
    free(copy);
    int64_t *array = mem_resize(NULL, 3, sizeof *array);
    array[2] = 7;
    array = mem_resize(array, 1000, sizeof *array);
    assert_int_equal(array[2], 7);
    free(array);
}

static void test_error(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(error_set(NULL, ERROR_IO, "nobody reads this"), ERROR_IO);
    assert_int_equal(error_set(&error, ERROR_RANGE, "port %d", 70000), ERROR_RANGE);
    assert_int_equal(error.code, ERROR_RANGE);
    assert_string_equal(error.text, "port 70000");
    error_set(&error, ERROR_INVALID, "config: %s", error.text);
    assert_string_equal(error.text, "config: port 70000");
    assert_string_equal(error_name(ERROR_NOT_FOUND), "not found");
    assert_true(ERROR_INVALID == -1 && ERROR_SYSTEM < ERROR_INVALID);
    assert_string_equal(error_name((enum error_code) - 99), "unknown error");

    /* Cut between characters, not within one: 383 bytes hold 127 characters of three. */
    char text[1000];
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xE5\x8E\xBF", 4);
    error_set(&error, ERROR_INVALID, "%s", text);
    assert_int_equal(strlen(error.text), 381);
    error_set(&error, ERROR_INVALID, "ab%s", text);
    assert_int_equal(strlen(error.text), 383);
}

struct lines {
    int count;
    enum log_level level;
    char text[2048];
};

static void keep_line(void *context, enum log_level level, const char *text)
{
    struct lines *lines = context;
    lines->count++;
    lines->level = level;
    snprintf(lines->text, sizeof lines->text, "%s", text);
}

static void test_log(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct log log = {LOG_LEVEL_NOTICE, keep_line, &lines, NULL};
    log_print(NULL, LOG_LEVEL_ERROR, "nobody listens");
    log_print(&log, LOG_LEVEL_INFO, "dropped");
    assert_int_equal(lines.count, 0);
    log_print(&log, LOG_LEVEL_NOTICE, "listening port=%d", 8090);
    assert_int_equal(lines.count, 1);
    assert_int_equal(lines.level, LOG_LEVEL_NOTICE);
    assert_string_equal(lines.text, "listening port=8090");
    log_print(&log, LOG_LEVEL_ERROR, "a\nb\x1B\x7F%s", "c\r");
    assert_string_equal(lines.text, "a b  c ");
    log_print(&log, LOG_LEVEL_ERROR, "%01500d", 1);
    assert_int_equal(strlen(lines.text), 1024);
}

static int64_t read_ms(void *context)
{
    return *(const int64_t *)context;
}

/* A flood of one kind of line is bounded and counted, and hides no line of another kind. */
static void test_log_limiter(void **state)
{
    (void)state;
    int64_t now_ms = 5000;
    struct clock clock = {.monotonic_ms = read_ms, .context = &now_ms};
    struct log_limiter limiter = {.clock = &clock};
    struct lines lines = {0};
    struct log log = {LOG_LEVEL_NOTICE, keep_line, &lines, &limiter};
    static const char flood[] = "flood peer=%d", once[] = "something else";
    for (int i = 0; i < LOG_KIND_LINES + 30; i++)
        log_print(&log, LOG_LEVEL_NOTICE, flood, i);
    assert_int_equal(lines.count, LOG_KIND_LINES);
    assert_string_equal(lines.text, "flood peer=19");
    log_print(&log, LOG_LEVEL_NOTICE, once);
    assert_string_equal(lines.text, "something else");
    log_tell_left_out(&log); /* not before its time is over */
    now_ms += LOG_KIND_MS;
    log_print(&log, LOG_LEVEL_NOTICE, flood, 50); /* nor before what was left out is told */
    assert_int_equal(lines.count, LOG_KIND_LINES + 1);
    log_tell_left_out(&log);
    assert_int_equal(lines.count, LOG_KIND_LINES + 2);
    assert_string_equal(lines.text, "left out lines=31 seconds=10 like: flood peer=%d");
    log_tell_left_out(&log);
    assert_int_equal(lines.count, LOG_KIND_LINES + 2);
    log_print(&log, LOG_LEVEL_NOTICE, flood, 51);
    assert_string_equal(lines.text, "flood peer=51");
    for (int i = 0; i < 10; i++) { /* as many as may be, for ever */
        now_ms += LOG_KIND_MS;
        for (int line = 0; line < LOG_KIND_LINES; line++)
            log_print(&log, LOG_LEVEL_NOTICE, flood, i);
    }
    assert_int_equal(lines.count, LOG_KIND_LINES + 3 + 10 * LOG_KIND_LINES);
    log_tell_left_out(&log);
    assert_int_equal(lines.count, LOG_KIND_LINES + 3 + 10 * LOG_KIND_LINES);
}

/* More kinds than there are places for share the last place: bounded all the same. */
static void test_log_limiter_full(void **state)
{
    (void)state;
    int64_t now_ms = 5000;
    struct clock clock = {.monotonic_ms = read_ms, .context = &now_ms};
    struct log_limiter limiter = {.clock = &clock};
    struct lines lines = {0};
    struct log log = {LOG_LEVEL_NOTICE, keep_line, &lines, &limiter};
    static const char formats[LOG_KINDS + 10][2] = {{0}};
    void (*print)(const struct log *log, enum log_level level, const char *format, ...) = log_print;
    for (int i = 0; i < LOG_KINDS + 10; i++)
        for (int line = 0; line < 30; line++)
            print(&log, LOG_LEVEL_NOTICE, formats[i]);
    assert_int_equal(lines.count, LOG_KINDS * LOG_KIND_LINES);
}

static void test_clock(void **state)
{
    (void)state;
    int64_t wall = clock_wall_ms(&clock_system);
    int64_t first = clock_monotonic_ms(&clock_system);
    int64_t second = clock_monotonic_ms(&clock_system);
    assert_true(wall > INT64_C(1577836800000)); /* 2020 */
    assert_true(second >= first && first >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_log_limiter),
        cmocka_unit_test(test_log_limiter_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
