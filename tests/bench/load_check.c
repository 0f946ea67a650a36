/*
 * Holds the daemons' totals against the model. See load_check.h.
 *
 * The answers are read with a JSON library that the daemon doesn't use: what writes and what reads
 * them shall not share a mistake.
 */
#include "load_check.h"

#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "livetally/mem.h"

#define TOPIC_BYTES    32
#define TOPICS_ASKED   50 /* in one request: libwebsockets hangs up at some 90 arguments */
#define HOSTS_ASKED    20000
#define PRODUCTS_ASKED 400
#define PATIENCE_MS    10000
#define ASK_AGAIN_MS   50
#define STAYS_SO_MS    250 /* a change that came twice would have come by then */
#define FAULTS_SHOWN   10

struct check_topic {
    char name[TOPIC_BYTES];
    const struct sales_sums *model;
    struct sales_sums *before; /* by server */
};

static void add_topic(struct check *check, const struct sales_sums *model, const char *prefix,
                      int digits, uint32_t id)
{
    struct check_topic *topic = &check->topics[check->topic_count++];
    topic->model = model;
    topic->before = mem_zalloc(check->server_count * sizeof *topic->before);
    snprintf(topic->name, sizeof topic->name, "%s%0*u", prefix, digits, id);
}

/* The first ones sell most; the others are spread over all there are. */
static uint32_t sample(uint32_t at, uint32_t asked, uint32_t count)
{
    uint32_t first = asked / 2;
    return asked == count || at < first
               ? at
               : first + (uint32_t)((uint64_t)(at - first) * (count - first) / (asked - first));
}

static void choose_topics(struct check *check)
{
    const struct sales *sales = check->sales;
    uint32_t all_hosts = sales->options.hosts, all_products = sales->options.products;
    uint32_t hosts = all_hosts < HOSTS_ASKED ? all_hosts : HOSTS_ASKED;
    uint32_t products = all_products < PRODUCTS_ASKED ? all_products : PRODUCTS_ASKED;
    uint32_t counties = all_products < SALES_COUNTIES ? all_products : SALES_COUNTIES;
    check->topics = mem_zalloc((1 + hosts + products + counties) * sizeof *check->topics);
    struct check_topic *total = &check->topics[check->topic_count++];
    total->model = &sales->total;
    total->before = mem_zalloc(check->server_count * sizeof *total->before);
    memcpy(total->name, "total", sizeof "total");
    for (uint32_t i = 0; i < hosts; i++) {
        uint32_t host = sample(i, hosts, all_hosts);
        add_topic(check, &sales->hosts[host], "host/host-", 5, host);
    }
    for (uint32_t i = 0; i < products; i++) {
        uint32_t product = sample(i, products, all_products);
        add_topic(check, &sales->products[product], "product/tea-", 7, product);
    }
    for (uint32_t i = 0; i < counties; i++)
        add_topic(check, &sales->counties[i], "county/", 6, sales_county_code(i));
}

/* Asks one server for a run of topics. */
static json_t *ask(const struct check *check, uint32_t server, size_t first, size_t count)
{
    struct buffer path = {0};
    json_error_t error;
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&path, i == 0 ? "/v1/totals?topic=" : "&topic=");
        buffer_append_text(&path, check->topics[first + i].name);
    }
    char *body = bench_http_get(&check->servers[server], buffer_cstr(&path));
    json_t *answer = json_loads(body, JSON_REJECT_DUPLICATES, &error);
    if (!answer)
        bench_fail("/v1/totals isn't JSON: %s", error.text);
    free(body);
    buffer_done(&path);
    return answer;
}

/* False when the answer doesn't have the topic (its cells may not be loaded yet). */
static bool read_sums(const json_t *answer, const char *topic, struct sales_sums *ret_sums)
{
    json_t *all = json_object_get(json_object_get(json_object_get(answer, "topics"), topic), "all");
    if (!all)
        return false;
    for (size_t i = 0; i < SALES_METRICS; i++) {
        json_t *value = json_object_get(all, sales_metric_names[i]);
        if (!json_is_integer(value))
            bench_fail("%s has no %s", topic, sales_metric_names[i]);
        ret_sums->metric[i] = json_integer_value(value);
    }
    json_int_t net = ret_sums->metric[SALES_GROSS] - ret_sums->metric[SALES_REFUNDED];
    if (json_integer_value(json_object_get(all, "net")) != net)
        bench_fail("%s: net isn't gross less refunded", topic);
    return true;
}

/* -------------------------------------------------------------------------------- before */

static bool is_empty(const struct check *check, uint32_t server)
{
    struct sales_sums sums;
    json_t *answer = ask(check, server, 0, 1);
    if (!read_sums(answer, check->topics[0].name, &sums))
        bench_fail("/v1/totals has no total");
    json_decref(answer);
    return sums.metric[SALES_ORDERS] == 0 && sums.metric[SALES_REFUNDS] == 0;
}

static void read_before(struct check *check, uint32_t server, size_t first, size_t count)
{
    int64_t deadline_us = bench_now_us() + PATIENCE_MS * INT64_C(1000);
    for (;;) {
        json_t *answer = ask(check, server, first, count);
        size_t missing = 0;
        for (size_t i = first; i < first + count; i++)
            missing += !read_sums(answer, check->topics[i].name, &check->topics[i].before[server]);
        json_decref(answer);
        if (missing == 0)
            return;
        if (bench_now_us() > deadline_us)
            bench_fail("/v1/totals leaves out %zu topics for %d ms", missing, PATIENCE_MS);
        poll(NULL, 0, ASK_AGAIN_MS);
    }
}

static size_t run_length(const struct check *check, size_t first)
{
    size_t left = check->topic_count - first;
    return left < TOPICS_ASKED ? left : TOPICS_ASKED;
}

void check_init(struct check *check, const struct sales *sales, const struct sockaddr_in *servers,
                uint32_t server_count)
{
    *check = (struct check){.sales = sales, .servers = servers, .server_count = server_count};
    choose_topics(check);
    for (uint32_t server = 0; server < server_count; server++) {
        if (is_empty(check, server)) /* then all are zero, and nothing is loaded by asking */
            continue;
        for (size_t first = 0; first < check->topic_count; first += TOPICS_ASKED)
            read_before(check, server, first, run_length(check, first));
    }
}

void check_done(struct check *check)
{
    for (size_t i = 0; i < check->topic_count; i++)
        free(check->topics[i].before);
    free(check->topics);
}

/* -------------------------------------------------------------------------------- after */

static void show_difference(const struct check *check, uint32_t server,
                            const struct check_topic *topic, const struct sales_sums *sums)
{
    fprintf(stderr, "%s at port %u:", topic->name, ntohs(check->servers[server].sin_port));
    for (size_t i = 0; i < SALES_METRICS; i++) {
        int64_t expected = topic->before[server].metric[i] + topic->model->metric[i];
        if (sums && sums->metric[i] != expected)
            fprintf(stderr, " %s is %" PRId64 ", must be %" PRId64, sales_metric_names[i],
                    sums->metric[i], expected);
    }
    fprintf(stderr, "%s\n", sums ? "" : " is missing");
}

/* How many topics differ on this server; the first few are shown if `show`. */
static size_t count_differences(const struct check *check, uint32_t server, bool show)
{
    size_t differing = 0;
    for (size_t first = 0; first < check->topic_count; first += TOPICS_ASKED) {
        size_t count = run_length(check, first);
        json_t *answer = ask(check, server, first, count);
        for (size_t i = first; i < first + count; i++) {
            const struct check_topic *topic = &check->topics[i];
            struct sales_sums sums;
            bool there = read_sums(answer, topic->name, &sums), same = there;
            for (size_t j = 0; same && j < SALES_METRICS; j++)
                same = sums.metric[j] == topic->before[server].metric[j] + topic->model->metric[j];
            if (!same && show && differing < FAULTS_SHOWN)
                show_difference(check, server, topic, there ? &sums : NULL);
            differing += !same;
        }
        json_decref(answer);
    }
    return differing;
}

bool check_totals(struct check *check)
{
    size_t differing = 0;
    for (uint32_t server = 0; server < check->server_count; server++) {
        int64_t deadline_us = bench_now_us() + PATIENCE_MS * INT64_C(1000);
        while (count_differences(check, server, false) > 0 && bench_now_us() < deadline_us)
            poll(NULL, 0, ASK_AGAIN_MS);
    }
    poll(NULL, 0, STAYS_SO_MS);
    for (uint32_t server = 0; server < check->server_count; server++)
        differing += count_differences(check, server, true);
    if (differing > 0)
        fprintf(stderr, "%zu of %zu totals differ from the model\n", differing,
                check->topic_count * check->server_count);
    return differing == 0;
}
