/*
 * Writes struct stats in Prometheus' text form. Names and help texts come from the lists in
 * stats.h, so a counter added there shows up here by itself.
 */
#include "livetally/stats.h"

#include <stddef.h>

#define PREFIX "livetally_"

static const double bounds_of[][STATS_BUCKETS] = {
    [STATS_SECONDS] = STATS_BOUNDS_SECONDS,
    [STATS_EVENTS] = STATS_BOUNDS_EVENTS,
};

void histogram_add(struct histogram *histogram, enum stats_bounds bounds, double value,
                   uint64_t times)
{
    size_t bucket = 0;

    while (bucket < STATS_BUCKETS && value > bounds_of[bounds][bucket])
        bucket++;
    histogram->counts[bucket] += times;
    histogram->sum += value * (double)times;
}

static void write_head(struct buffer *out, const char *name, const char *help, const char *type)
{
    buffer_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

static void write_counter(struct buffer *out, const char *name, const char *help, uint64_t value)
{
    write_head(out, name, help, "counter");
    buffer_printf(out, PREFIX "%s %llu\n", name, (unsigned long long)value);
}

static void write_gauge(struct buffer *out, const char *name, const char *help, int64_t value)
{
    write_head(out, name, help, "gauge");
    buffer_printf(out, PREFIX "%s %lld\n", name, (long long)value);
}

static void write_histogram(struct buffer *out, const char *name, const char *help,
                            enum stats_bounds bounds, const struct histogram *histogram)
{
    uint64_t total = 0;

    write_head(out, name, help, "histogram");
    for (size_t i = 0; i < STATS_BUCKETS; i++) {
        total += histogram->counts[i];
        buffer_printf(out, PREFIX "%s_bucket{le=\"%g\"} %llu\n", name, bounds_of[bounds][i],
                      (unsigned long long)total);
    }
    total += histogram->counts[STATS_BUCKETS];
    buffer_printf(out, PREFIX "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)total);
    buffer_printf(out, PREFIX "%s_sum %.9g\n" PREFIX "%s_count %llu\n", name, histogram->sum, name,
                  (unsigned long long)total);
}

static void write_rejections(struct buffer *out, const struct stats *stats)
{
    write_head(out, "rejections_total", "Events rejected, by code", "counter");
    for (int code = 0; code < REJECTION_CODE_COUNT; code++) {
        buffer_printf(out, PREFIX "rejections_total{code=\"%s\"} %llu\n",
                      rejection_code_name((enum rejection_code)code),
                      (unsigned long long)stats->rejections[code]);
    }
}

static void write_reasons(struct buffer *out, const char *name, const char *help,
                          const char *const labels[], const uint64_t counts[], int count)
{
    write_head(out, name, help, "counter");
    for (int i = 0; i < count; i++)
        buffer_printf(out, PREFIX "%s{reason=\"%s\"} %llu\n", name, labels[i],
                      (unsigned long long)counts[i]);
}

static void write_refusals(struct buffer *out, const struct stats *stats)
{
    static const char *const auth_labels[] = {
#define X(name, label) label,
        AUTH_REFUSALS(X)
#undef X
    };
    static const char *const labels[] = {
#define X(name, label) label,
        REFUSALS(X)
#undef X
    };

    write_reasons(out, "auth_refusals_total",
                  "Requests and connections refused for who sent them, by reason", auth_labels,
                  stats->auth_refusals, AUTH_REFUSAL_COUNT);
    write_reasons(out, "connections_refused_total",
                  "Connections not served or sent away for other reasons, by reason", labels,
                  stats->connections_refused, REFUSAL_COUNT);
}

void stats_write(struct buffer *out, const struct stats *stats)
{
#define X(field, name, help) write_counter(out, name, help, stats->field);
    STATS_COUNTERS(X)
#undef X
#define X(field, name, help) write_gauge(out, name, help, stats->field);
    STATS_GAUGES(X)
#undef X
#define X(field, name, help, bounds)                                                               \
    write_histogram(out, name, help, STATS_##bounds, &stats->field);
    STATS_HISTOGRAMS(X)
#undef X
    write_rejections(out, stats);
    write_refusals(out, stats);
}
