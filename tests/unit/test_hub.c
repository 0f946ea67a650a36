/* What the hub answers: snapshots, payloads, errors, limits, queries. */
#include "hub_world.h"

static void test_snapshot_and_update(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    json_t *message;
    (void)state;

    world_sell(world, "anna", "s1", 422828, 500);
    client_subscribe(client, "\"total\",\"host/anna\",\"top/hosts?n=10\"", 0);
    world_run(world, 1);
    assert_int_equal(client->snapshots, 1);
    message = client->last;
    assert_string_equal(json_string_value(json_object_get(message, "epoch")), "0123456789abcdef");
    assert_int_equal(json_integer_value(json_object_get(message, "interval_ms")), 250);
    assert_true(json_is_false(json_object_get(message, "stale")));
    assert_null(json_object_get(message, "errors"));
    assert_int_equal(json_object_size(json_object_get(message, "topics")), 3);
    assert_int_equal(client_total(client, "total", "today", "gross"), 500);
    assert_int_equal(client_total(client, "host/anna", "all", "net"), 500);
    assert_non_null(client_topic(client, "top/hosts"));

    world_run(world, 1000);
    assert_int_equal(client->updates, 0);
    world_sell(world, "ben", "s1", 422828, 70);
    world_run(world, 250);
    assert_int_equal(client->updates, 1);
    message = json_object_get(client->last, "topics");
    assert_non_null(json_object_get(message, "total"));
    assert_null(json_object_get(message, "host/anna"));
    assert_non_null(json_object_get(message, "top/hosts"));
    assert_int_equal(client_total(client, "total", "all", "gross"), 570);
    world_run(world, 3000);
    assert_int_equal(client->updates, 1);
    client_free(client);
    assert_int_equal(hub_topic_count(world->hub), 0);
    assert_int_equal(hub_audience_count(world->hub), 0);
    world_free(world);
}

static void test_payload_bytes(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    char *text;
    (void)state;

    assert_int_equal(
        catalog_put(world->view.catalog, CATALOG_HOST, SLICE("anna"),
                    SLICE("{\"host_id\":\"anna\",\"name\":\"Anna \\\"A\\\"\",\"time\":1}")),
        0);
    assert_int_equal(catalog_put(world->view.catalog, CATALOG_SESSION, SLICE("s1"),
                                 SLICE("{\"session_id\":\"s1\",\"host_id\":\"anna\","
                                       "\"title\":\"Night\",\"goal\":900,\"time\":1}")),
                     0);
    world_sell(world, "anna", "s1", 422828, 500);
    world_fact(world, (struct fact){.kind = FACT_REFUND,
                                    .host = world_name(world, "anna"),
                                    .product = world_name(world, "p1"),
                                    .session = world_name(world, "s1"),
                                    .county = 422828,
                                    .quantity = 1,
                                    .amount = 200,
                                    .time_ms = world->wall_ms});
    client_subscribe(client,
                     "\"host/anna\",\"session/s1\",\"top/hosts?by=net&n=1\",\"province/42\","
                     "\"ticker\",\"top/provinces\",\"prefecture/4229\",\"host/nobody\","
                     "\"top/products?session=nobody\"",
                     0);
    world_run(world, 1);
    text = json_dumps(json_object_get(client->last, "topics"), JSON_COMPACT);
#define M                                                                                          \
    "{\"orders\":1,\"units\":2,\"gross\":500,\"refunds\":1,\"refunded\":200,\"returned\":1,"       \
    "\"net\":300}"
#define ZERO                                                                                       \
    "{\"orders\":0,\"units\":0,\"gross\":0,\"refunds\":0,\"refunded\":0,\"returned\":0,\"net\":0}"
    assert_string_equal(
        text,
        "{\"host/anna\":{\"today\":" M ",\"all\":" M ",\"name\":\"Anna \\\"A\\\"\"},"
        "\"session/s1\":{\"all\":" M ",\"host_id\":\"anna\",\"title\":\"Night\",\"goal\":900},"
        "\"top/hosts?by=net&n=1\":{\"by\":\"net\",\"period\":\"today\",\"of\":1,\"rows\":["
        "{\"id\":\"anna\",\"name\":\"Anna \\\"A\\\"\",\"orders\":1,\"units\":2,\"gross\":500,"
        "\"refunded\":200,\"net\":300}]},"
        "\"province/42\":{\"today\":" M ",\"all\":" M "},"
        "\"ticker\":{\"orders\":[{\"time\":1700000000000,\"host_id\":\"anna\","
        "\"county\":\"422828\",\"product_id\":\"p1\",\"quantity\":2,\"amount\":500}],\"lost\":0},"
        "\"top/provinces\":{\"by\":\"gross\",\"period\":\"today\",\"of\":1,\"rows\":["
        "{\"id\":\"42\",\"orders\":1,\"units\":2,\"gross\":500,\"refunded\":200,\"net\":300}]},"
        "\"prefecture/4229\":{\"today\":" ZERO ",\"all\":" ZERO "},"
        "\"host/nobody\":{\"today\":" ZERO ",\"all\":" ZERO "},"
        "\"top/products?session=nobody\":{\"by\":\"gross\",\"period\":\"all\",\"of\":0,"
        "\"rows\":[]}}");
    free(text);
    client_free(client);
    world_free(world);
}

/* An id that sells for the first time while it is watched. */
static void test_new_ids(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    client_subscribe(client,
                     "\"host/new\",\"session/s9\",\"top/products?session=s9\","
                     "\"series/host/new?minutes=3\",\"ticker/session/s9\"",
                     0);
    world_run(world, 1);
    assert_int_equal(client->snapshots, 1);
    assert_int_equal(client_total(client, "host/new", "all", "orders"), 0);
    world_sell(world, "new", "s9", 422828, 5);
    world_run(world, 600);
    assert_int_equal(client_total(client, "host/new", "all", "orders"), 1);
    assert_int_equal(client_total(client, "session/s9", "all", "gross"), 5);
    assert_int_equal(
        json_integer_value(json_object_get(client_topic(client, "top/products?session=s9"), "of")),
        1);
    assert_int_equal(
        json_integer_value(json_array_get(
            json_object_get(client_topic(client, "series/host/new?minutes=3"), "orders"), 2)),
        1);
    assert_int_equal(
        json_array_size(json_object_get(client_topic(client, "ticker/session/s9"), "orders")), 1);
    client_free(client);
    world_free(world);
}

static void test_unavailable(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    json_t *error;
    (void)state;

    world->mode = SOURCE_AWAY;
    client_subscribe(client, "\"total\",\"nonsense\",\"ticker\"", 0);
    assert_int_equal(client->snapshots, 1);
    assert_int_equal(json_object_size(client->topics), 1);
    assert_non_null(client_topic(client, "ticker"));
    error = json_array_get(json_object_get(client->last, "errors"), 0);
    assert_string_equal(json_string_value(json_object_get(error, "topic")), "nonsense");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "bad_topic");
    error = json_array_get(json_object_get(client->last, "errors"), 1);
    assert_string_equal(json_string_value(json_object_get(error, "topic")), "total");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "unavailable");
    world->mode = SOURCE_AT_ONCE;
    client_subscribe(client, "\"total\"", 0);
    world_run(world, 1);
    assert_int_equal(client->snapshots, 2);
    assert_null(json_object_get(client->last, "errors"));
    assert_non_null(client_topic(client, "total"));
    client_free(client);
    world_free(world);
}

/* Snapshots come in order and after loading; a load that never ends is given up. */
static void test_late_load(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    struct client *gone = client_new(world);
    (void)state;

    world->mode = SOURCE_LATER;
    world_sell(world, "anna", "s1", 422828, 500);
    client_subscribe(client, "\"total\"", 0);
    client_subscribe(client, "\"ticker\"", 100);
    client_subscribe(gone, "\"host/x\"", 0);
    world_run(world, 2000);
    assert_int_equal(client->snapshots, 0);
    client_free(gone);
    world_sell(world, "anna", "s1", 422828, 1);
    world_load(world);
    world_run(world, 1);
    assert_int_equal(client->snapshots, 2);
    assert_int_equal(client_total(client, "total", "all", "gross"), 501);
    assert_int_equal(json_integer_value(json_object_get(client->last, "interval_ms")), 100);
    client_subscribe(client, "\"platform/x\",\"total\"", 0);
    world_run(world, 9000);
    assert_int_equal(client->snapshots, 2);
    world_run(world, 1001);
    assert_int_equal(client->snapshots, 3);
    assert_int_equal(json_object_size(json_object_get(client->last, "topics")), 1);
    assert_int_equal(json_array_size(json_object_get(client->last, "errors")), 1);
    client_free(client);
    world_free(world);
}

static void test_snapshot_to_full_socket(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    client_subscribe(client, "\"total\"", 0);
    world_run(world, 1);
    client->room = 0;
    client_subscribe(client, "\"host/anna\"", 0);
    world_sell(world, "anna", "s1", 422828, 1);
    world_run(world, 1000);
    client_subscribe(client, "\"host/ben\"", 0);
    world_sell(world, "anna", "s1", 422828, 1);
    client_drain(client, 1);
    assert_int_equal(client->updates, 1);
    assert_int_equal(client_total(client, "total", "all", "gross"), 2);
    assert_int_equal(client->snapshots, 1);
    client_drain(client, UINT32_MAX);
    world_run(world, 1);
    assert_int_equal(client->snapshots, 3);
    assert_int_equal(client_total(client, "host/anna", "all", "gross"), 2);
    assert_int_equal(client_total(client, "host/ben", "all", "gross"), 0);
    client_free(client);
    world_free(world);
}

/* Topics that are there already get what they missed before the new ones' snapshot. */
static void test_subscribe_more(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    client_subscribe(client, "\"ticker\"", 0);
    world_run(world, 1);
    world_sell(world, "anna", "s1", 422828, 1);
    client_subscribe(client, "\"ticker/session/s1\"", 0);
    world_run(world, 500);
    assert_int_equal(client->snapshots, 2);
    world_sell(world, "anna", "s1", 422828, 2);
    client_subscribe(client, "\"total\"", 0);
    world_run(world, 1000);
    assert_int_equal(json_array_size(json_object_get(client_topic(client, "ticker"), "orders")), 2);
    assert_int_equal(
        json_array_size(json_object_get(client_topic(client, "ticker/session/s1"), "orders")), 2);
    assert_true(client_says(client, "{\"type\":\"unsubscribe\",\"topics\":[\"ticker\",\"x\"]}"));
    assert_int_equal(hub_topic_count(world->hub), 2);
    world_sell(world, "anna", "s1", 422828, 2);
    world_run(world, 500);
    assert_int_equal(json_array_size(json_object_get(client_topic(client, "ticker"), "orders")), 2);
    assert_int_equal(
        json_array_size(json_object_get(client_topic(client, "ticker/session/s1"), "orders")), 3);
    client_free(client);
    world_free(world);
}

static void test_topic_limits(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    char list[8192] = "\"total\"";
    (void)state;

    client_subscribe(client, "\"total\"", 0);
    world_run(world, 1);
    for (int i = 0; i < 300; i++) {
        size_t size = strlen(list);

        snprintf(list + size, sizeof(list) - size, ",\"host/h%d\"", i);
    }
    client_subscribe(client, list, 0);
    world_run(world, 1);
    assert_int_equal(json_object_size(client->topics), LIVE_TOPICS_MAX);
    assert_int_equal(json_array_size(json_object_get(client->last, "errors")), 301 - 256);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(client->last, "errors"), 0), "code")),
                        "too_many_topics");
    assert_int_equal(hub_topic_count(world->hub), LIVE_TOPICS_MAX);
    client_free(client);
    world_free(world);
}

static void expect_error(struct client *client, const char *text, const char *code)
{
    uint32_t errors = client->errors;

    assert_true(client_says(client, text));
    if (client->errors != errors + 1)
        fail_msg("no error for %s", text);
    assert_string_equal(json_string_value(json_object_get(client->last, "code")), code);
    assert_true(json_is_string(json_object_get(client->last, "error")));
}

static void test_bad_messages(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    expect_error(client, "", "bad_json");
    expect_error(client, "{", "bad_json");
    expect_error(client, "{\"type\":\"subscribe\",\"topics\":[\"total\"]} x", "bad_json");
    expect_error(client, "{\"type\":\"subscribe\",\"type\":\"subscribe\"}", "bad_json");
    expect_error(client, "[]", "bad_type");
    expect_error(client, "17", "bad_type");
    expect_error(client, "{\"type\":5}", "bad_type");
    expect_error(client, "{\"type\":\"shout\"}", "bad_type");
    expect_error(client, "{\"topics\":[\"total\"]}", "missing_field");
    expect_error(client, "{\"type\":\"subscribe\"}", "missing_field");
    expect_error(client, "{\"type\":\"subscribe\",\"topics\":\"total\"}", "bad_field");
    expect_error(client, "{\"type\":\"subscribe\",\"topics\":[1]}", "bad_field");
    expect_error(client, "{\"type\":\"subscribe\",\"topics\":[[\"a\"],{\"b\":1}]}", "bad_field");
    expect_error(client, "{\"type\":\"subscribe\",\"topics\":null}", "bad_field");
    expect_error(client, "{\"type\":\"subscribe\",\"topics\":[],\"interval_ms\":0}", "bad_field");
    expect_error(client, "{\"type\":\"subscribe\",\"topics\":[],\"interval_ms\":1.5}", "bad_field");
    expect_error(client, "{\"type\":\"subscribe\",\"topics\":[],\"interval_ms\":\"9\"}",
                 "bad_field");
    assert_int_equal(world->stats.bad_messages, client->errors);
    assert_true(client_says(client, "{\"type\":\"auth\",\"token\":\"x\"}"));
    assert_true(client_says(client, "{\"more\":[{}],\"topics\":[\"tot\\u0061l\"],\"type\":"
                                    "\"subscribe\"}"));
    world_run(world, 1);
    assert_int_equal(client->snapshots, 1);
    assert_non_null(client_topic(client, "total"));
    for (int i = 0; i < LIVE_BAD_MESSAGES_MAX - 1; i++)
        assert_true(client_says(client, "{"));
    assert_false(client_says(client, "{"));
    client_free(client);
    world_free(world);
}

static void test_subscribe_rate(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    for (int i = 0; i < 50; i++)
        client_subscribe(client, "\"ticker\"", 0);
    assert_true(client_says(client, "{\"type\":\"unsubscribe\",\"topics\":[\"ticker\"]}"));
    world_run(world, 900);
    assert_int_equal(client->snapshots, 20);
    assert_int_equal(hub_topic_count(world->hub), 1);
    world_run(world, 1000);
    assert_int_equal(client->snapshots, 40);
    world_run(world, 1000);
    assert_int_equal(client->snapshots, 50);
    assert_int_equal(hub_topic_count(world->hub), 0);
    world_run(world, 1000);
    for (int i = 0; i < 20 + 64; i++)
        client_subscribe(client, "\"ticker\"", 0);
    assert_int_equal(client->errors, 0);
    for (int i = 0; i < 99; i++)
        client_subscribe(client, "\"ticker\"", 0);
    assert_int_equal(client->errors, 99);
    assert_false(client_says(client, "{\"type\":\"subscribe\",\"topics\":[]}"));
    client_free(client);
    world_free(world);
}

struct answer {
    int count;
    json_t *json;
};

static void take_answer(void *context, struct slice json)
{
    struct answer *answer = context;

    answer->count++;
    json_decref(answer->json);
    answer->json = json.data ? json_loadb(json.data, json.size, 0, NULL) : NULL;
}

static void test_query(void **state)
{
    struct world *world = world_new(1000);
    struct slice topics[] = {SLICE("total"), SLICE("host/anna"), SLICE("nothing")};
    struct answer answer = {0, NULL};
    struct hub_query *query;
    (void)state;

    world->mode = SOURCE_LATER;
    world_sell(world, "anna", "s1", 422828, 500);
    query = hub_query(world->hub, NULL, topics, 3, take_answer, &answer);
    assert_non_null(query);
    world_run(world, 100);
    assert_int_equal(answer.count, 0);
    world_load(world);
    world_run(world, 1);
    assert_int_equal(answer.count, 1);
    assert_string_equal(json_string_value(json_object_get(answer.json, "type")), "snapshot");
    assert_int_equal(json_object_size(json_object_get(answer.json, "topics")), 2);
    assert_int_equal(json_array_size(json_object_get(answer.json, "errors")), 1);
    assert_int_equal(hub_topic_count(world->hub), 0);
    assert_null(hub_query(world->hub, NULL, topics, 1, take_answer, &answer));
    assert_int_equal(answer.count, 2);
    assert_non_null(answer.json);

    topics[0] = SLICE("platform/x");
    query = hub_query(world->hub, NULL, topics, 1, take_answer, &answer);
    assert_non_null(query);
    hub_query_cancel(query);
    world->mode = SOURCE_AWAY;
    topics[0] = SLICE("session/x");
    assert_null(hub_query(world->hub, NULL, topics, 1, take_answer, &answer));
    assert_int_equal(answer.count, 3);
    assert_null(answer.json);
    world_run(world, 1000);
    assert_int_equal(answer.count, 3);
    assert_int_equal(hub_topic_count(world->hub), 0);
    world_free(world);
}

static void test_a_grant_limits_topics(void **state)
{
    struct world *world = world_new(1000);
    struct slice allowed[] = {SLICE("host/anna"), SLICE("top/*")};
    struct slice topics[] = {SLICE("host/anna"), SLICE("total"), SLICE("top/hosts?n=3")};
    struct grant_terms terms = {
        .scopes = GRANT_VIEW, .topics = allowed, .topic_count = 2, .expires_ms = GRANT_NEVER};
    struct answer answer = {0, NULL};
    struct grant *grant;
    const json_t *error;
    (void)state;

    assert_int_equal(grant_new(&terms, &grant, NULL, NULL), 0);
    world_sell(world, "anna", "s1", 422828, 500);
    (void)hub_query(world->hub, grant, topics, 3, take_answer, &answer);
    world_run(world, 100);
    assert_int_equal(answer.count, 1);
    assert_int_equal(json_object_size(json_object_get(answer.json, "topics")), 2);
    error = json_array_get(json_object_get(answer.json, "errors"), 0);
    assert_string_equal(json_string_value(json_object_get(error, "topic")), "total");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "forbidden_topic");
    json_decref(answer.json);
    assert_int_equal(hub_topic_count(world->hub), 0);
    grant_unref(grant);
    world_free(world);
}

/* Before the first load nothing is known, not even what needs no group. */
static void test_before_first_load(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    world->view.epoch[0] = '\0';
    world->view.ready = false;
    client_subscribe(client, "\"ticker\",\"total\"", 0);
    assert_int_equal(client->snapshots, 1);
    assert_int_equal(json_array_size(json_object_get(client->last, "errors")), 2);
    assert_int_equal(hub_topic_count(world->hub), 0);
    client_free(client);
    world_free(world);
}

static void test_heartbeat(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    struct client *full = client_new(world);
    (void)state;

    world_run(world, HEARTBEAT_MS - 1);
    assert_int_equal(client->heartbeats, 0);
    world_run(world, 1);
    assert_int_equal(client->heartbeats, 1);
    assert_int_equal(json_integer_value(json_object_get(client->last, "time")), world->wall_ms);
    client_subscribe(client, "\"total\"", 0);
    world_run(world, HEARTBEAT_MS - 10);
    assert_int_equal(client->heartbeats, 1);
    world_sell(world, "anna", "s1", 422828, 20);
    world_run(world, 250);
    assert_int_equal(client->updates, 1);
    world_run(world, HEARTBEAT_MS - 500);
    assert_int_equal(client->heartbeats, 1);
    full->room = 0;
    world_run(world, 10 * HEARTBEAT_MS);
    assert_in_range(client->heartbeats, 10, 11);
    client_free(client);
    client_free(full);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_and_update),
        cmocka_unit_test(test_payload_bytes),
        cmocka_unit_test(test_new_ids),
        cmocka_unit_test(test_unavailable),
        cmocka_unit_test(test_late_load),
        cmocka_unit_test(test_snapshot_to_full_socket),
        cmocka_unit_test(test_subscribe_more),
        cmocka_unit_test(test_topic_limits),
        cmocka_unit_test(test_bad_messages),
        cmocka_unit_test(test_subscribe_rate),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_a_grant_limits_topics),
        cmocka_unit_test(test_before_first_load),
        cmocka_unit_test(test_heartbeat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
