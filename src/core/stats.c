/*
 * Writes struct stats in Prometheus' text form. Names and help texts come from the lists in
 * stats.h, so a counter added there shows up here by itself.
 */
#include "livetally/stats.h"

#include <stddef.h>

#include "livetally/version.h"

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

/* A metric of several samples, which one label tells apart. */
struct family {
    const char *name;
    const char *help;
    const char *type;
    const char *label;
    const char *const *values; /* of the label */
    int count;
};

static void write_family(struct buffer *out, const struct family *family, const uint64_t *samples)
{
    write_head(out, family->name, family->help, family->type);
    for (int i = 0; i < family->count; i++)
        buffer_printf(out, PREFIX "%s{%s=\"%s\"} %llu\n", family->name, family->label,
                      family->values[i], (unsigned long long)samples[i]);
}

static void write_refusals(struct buffer *out, const struct stats *stats)
{
#define X(name, label) label,
    static const char *const auth_reasons[] = {AUTH_REFUSALS(X)};
    static const char *const reasons[] = {REFUSALS(X)};
#undef X
    const char *codes[REJECTION_CODE_COUNT];

    for (int code = 0; code < REJECTION_CODE_COUNT; code++)
        codes[code] = rejection_code_name((enum rejection_code)code);
    write_family(out,
                 &(struct family){"rejections_total", "Events rejected, by code", "counter", "code",
                                  codes, REJECTION_CODE_COUNT},
                 stats->rejections);
    write_family(out,
                 &(struct family){"auth_refusals_total",
                                  "Requests and connections refused for who sent them, by reason",
                                  "counter", "reason", auth_reasons, AUTH_REFUSAL_COUNT},
                 stats->auth_refusals);
    write_family(out,
                 &(struct family){"connections_refused_total",
                                  "Connections not served or sent away for other reasons, by "
                                  "reason",
                                  "counter", "reason", reasons, REFUSAL_COUNT},
                 stats->connections_refused);
}

static void write_known_orders(struct buffer *out, const struct stats *stats)
{
    static const char *const generations[] = {"current", "previous"};
    uint64_t looked_for[LEDGER_GENERATION_COUNT], spared[LEDGER_GENERATION_COUNT],
        complete[LEDGER_GENERATION_COUNT];

    for (int g = 0; g < LEDGER_GENERATION_COUNT; g++) {
        looked_for[g] = stats->known_orders[g].looked_for;
        spared[g] = stats->known_orders[g].spared;
        complete[g] = stats->known_orders[g].complete;
    }
    write_family(out,
                 &(struct family){"order_lookups_total",
                                  "Ids of new orders that commits looked for in the ledger, by its "
                                  "generation",
                                  "counter", "generation", generations, LEDGER_GENERATION_COUNT},
                 looked_for);
    write_family(out,
                 &(struct family){"order_lookups_spared_total",
                                  "Ids that needed no look, being surely new there", "counter",
                                  "generation", generations, LEDGER_GENERATION_COUNT},
                 spared);
    write_family(out,
                 &(struct family){"known_orders_complete",
                                  "1 while all ids in that generation are known here, which is "
                                  "what spares looks",
                                  "gauge", "generation", generations, LEDGER_GENERATION_COUNT},
                 complete);
}

static void write_http(struct buffer *out, const struct stats *stats)
{
#define X(status, text) #status,
    static const char *const statuses[] = {HTTP_STATUSES(X)};
#undef X

    write_family(out,
                 &(struct family){"http_requests_total", "HTTP requests answered, by status",
                                  "counter", "code", statuses, HTTP_STATUS_COUNT},
                 stats->http_requests);
}

static void write_room(struct buffer *out, const struct stats *stats)
{
#define X(name, label) label,
    static const char *const kinds[] = {MEMORY_KINDS(X)};
    static const char *const names[] = {LIMITS(X)};
#undef X

    write_family(out,
                 &(struct family){"memory_bytes",
                                  "Resident memory by what holds it; other is the rest of it",
                                  "gauge", "kind", kinds, MEMORY_KIND_COUNT},
                 stats->memory_bytes);
    write_family(out,
                 &(struct family){"limit", "Most that there may be, by name", "gauge", "name",
                                  names, LIMIT_COUNT},
                 stats->limits);
    write_family(out,
                 &(struct family){"limit_used", "How many there are of what has a limit, by name",
                                  "gauge", "name", names, LIMIT_COUNT},
                 stats->limits_used);
}

static void write_plain(struct buffer *out, const char *name, const char *type, const char *help,
                        double value)
{
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name,
                  value);
}

static void write_process(struct buffer *out, const struct process_stats *process)
{
    write_plain(out, "process_cpu_seconds_total", "counter", "Time spent on a processor",
                process->cpu_seconds);
    write_plain(out, "process_resident_memory_bytes", "gauge", "Resident memory",
                (double)process->resident_bytes);
    write_plain(out, "process_virtual_memory_bytes", "gauge", "Virtual memory",
                (double)process->virtual_bytes);
    write_plain(out, "process_open_fds", "gauge", "Open file descriptors",
                (double)process->open_descriptors);
    write_plain(out, "process_max_fds", "gauge", "Most file descriptors that may be open",
                (double)process->max_descriptors);
    write_plain(out, "process_start_time_seconds", "gauge", "Start of the process, Unix time",
                process->start_time_seconds);
}

void stats_write(struct buffer *out, const struct stats *stats)
{
    write_head(out, "build_info", "1; the label says which version this is", "gauge");
    buffer_append_text(out, PREFIX "build_info{version=\"" LIVETALLY_VERSION "\"} 1\n");
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
    write_refusals(out, stats);
    write_known_orders(out, stats);
    write_http(out, stats);
    write_room(out, stats);
    write_process(out, &stats->process);
}
