/* The text of GET /metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "livetally/stats.h"
#include "livetally/version.h"

static void has(struct buffer *text, const char *line)
{
    if (!strstr(buffer_cstr(text), line))
        fail_msg("missing: %s\nin:\n%s", line, buffer_cstr(text));
}

static void test_values(void **state)
{
    struct stats stats;
    struct buffer text = BUFFER_INIT;
    (void)state;

    memset(&stats, 0, sizeof(stats));
    stats.orders = UINT64_MAX;
    stats.lane = -1;
    stats.rejections[REJECT_BAD_COUNTY] = 7;
    stats.connections_refused[REFUSAL_DESCRIPTORS] = 3;
    stats.http_requests[HTTP_STATUS_503] = 5;
    stats.limits[LIMIT_CELLS] = 4000000;
    stats.limits_used[LIMIT_CELLS] = 2;
    stats.memory_bytes[MEMORY_ORDERS] = 1234;
    stats.process.start_time_seconds = 1795312800.125;
    stats_write(&text, &stats);
    has(&text, "\nlivetally_build_info{version=\"" LIVETALLY_VERSION "\"} 1\n");
    has(&text, "\nlivetally_connections_refused_total{reason=\"descriptors\"} 3\n");
    has(&text, "\nlivetally_http_requests_total{code=\"503\"} 5\n");
    has(&text, "\nlivetally_limit{name=\"cells\"} 4000000\n");
    has(&text, "\nlivetally_limit_used{name=\"cells\"} 2\n");
    has(&text, "\nlivetally_memory_bytes{kind=\"cached_orders\"} 1234\n");
    has(&text, "# TYPE process_start_time_seconds gauge\n"
               "process_start_time_seconds 1795312800.125\n");
    has(&text, "# HELP livetally_orders_total Orders accepted and durable\n"
               "# TYPE livetally_orders_total counter\n"
               "livetally_orders_total 18446744073709551615\n");
    has(&text, "# TYPE livetally_lane gauge\nlivetally_lane -1\n");
    has(&text, "# TYPE livetally_rejections_total counter\n");
    has(&text, "\nlivetally_rejections_total{code=\"bad_county\"} 7\n");
    has(&text, "\nlivetally_rejections_total{code=\"forbidden_host\"} 0\n");
    buffer_done(&text);
}

static void test_histogram(void **state)
{
    struct stats stats;
    struct buffer text = BUFFER_INIT;
    (void)state;

    memset(&stats, 0, sizeof(stats));
    histogram_add(&stats.batch_events, STATS_EVENTS, 1, 3);
    histogram_add(&stats.batch_events, STATS_EVENTS, 2, 1);
    histogram_add(&stats.batch_events, STATS_EVENTS, 3, 1);
    histogram_add(&stats.batch_events, STATS_EVENTS, 1024, 1);
    histogram_add(&stats.batch_events, STATS_EVENTS, 1025, 2);
    histogram_add(&stats.ack_seconds, STATS_SECONDS, 0.0002, 5);
    stats_write(&text, &stats);
    has(&text, "# TYPE livetally_batch_events histogram\n"
               "livetally_batch_events_bucket{le=\"1\"} 3\n"
               "livetally_batch_events_bucket{le=\"2\"} 4\n"
               "livetally_batch_events_bucket{le=\"4\"} 5\n");
    has(&text, "livetally_batch_events_bucket{le=\"768\"} 5\n"
               "livetally_batch_events_bucket{le=\"1024\"} 6\n"
               "livetally_batch_events_bucket{le=\"+Inf\"} 8\n"
               "livetally_batch_events_sum 3082\n"
               "livetally_batch_events_count 8\n");
    has(&text, "livetally_ack_seconds_bucket{le=\"0.0001\"} 0\n"
               "livetally_ack_seconds_bucket{le=\"0.00025\"} 5\n");
    has(&text, "livetally_ack_seconds_sum 0.001\nlivetally_ack_seconds_count 5\n");
    buffer_done(&text);
}

/* Every line is a comment or "name value" / "name{label} value", and every name has a TYPE. */
static void test_form(void **state)
{
    struct stats stats;
    struct buffer text = BUFFER_INIT;
    char type[128] = "";
    char *copy, *line, *rest;
    (void)state;

    memset(&stats, 0, sizeof(stats));
    stats_write(&text, &stats);
    copy = strdup(buffer_cstr(&text));
    for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            size_t size = strcspn(line + 7, " ");

            assert_true(size < sizeof(type));
            memcpy(type, line + 7, size);
            type[size] = '\0';
        } else if (line[0] != '#') {
            assert_true(strncmp(line, type, strlen(type)) == 0);
            assert_non_null(strrchr(line, ' '));
            assert_true(strspn(strrchr(line, ' ') + 1, "-+.e0123456789") > 0);
        }
    }
    free(copy);
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
