/* What a viewer waits for: it comes in order, once, and goes with the viewer. */
#include "hub_world.h"

static void say_nonsense(struct client *client)
{
    assert_true(client_says(client, "{"));
}

static void test_an_error_waits_for_room(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    client->room = 0;
    say_nonsense(client);
    client_subscribe(client, "\"total\"", 0);
    world_run(world, 1000);
    client_drain(client, 0);
    assert_int_equal(client->errors, 0);
    client_drain(client, 1);
    assert_int_equal(client->errors, 1);
    assert_string_equal(json_string_value(json_object_get(client->last, "code")), "bad_json");
    assert_int_equal(client->snapshots, 0);
    client_drain(client, UINT32_MAX);
    world_run(world, 1);
    assert_int_equal(client->errors, 1);
    assert_int_equal(client->snapshots, 1);
    client->room = 0;
    say_nonsense(client);
    client_drain(client, UINT32_MAX);
    assert_int_equal(client->errors, 2);
    client_drain(client, UINT32_MAX);
    assert_int_equal(client->errors, 2);
    client_free(client);
    world_free(world);
}

/* LeakSanitizer looks for what they leave, and AddressSanitizer whether anybody goes on with it. */
static void test_who_leaves_waits_no_more(void **state)
{
    struct world *world = world_new(1000);
    struct client *unsent = client_new(world);
    struct client *unloaded = client_new(world);
    struct client *early = client_new(world);
    (void)state;

    world->mode = SOURCE_LATER;
    client_subscribe(unloaded, "\"total\"", 0);
    client_subscribe(unloaded, "\"ticker\"", 0);
    unsent->room = 0;
    say_nonsense(unsent);
    client_subscribe(unsent, "\"total\"", 0);
    for (int i = 0; i < 25; i++)
        client_subscribe(early, "", 0);
    world_run(world, 1);
    assert_int_equal(early->snapshots, 20);
    client_free(unsent);
    client_free(unloaded);
    client_free(early);
    world_load(world);
    world_run(world, 2000);
    world_free(world);
}

static size_t buckets_of_last(const struct client *client, const char *topic)
{
    json_t *payload = json_object_get(json_object_get(client->last, "topics"), topic);

    return json_array_size(json_object_get(payload, "gross"));
}

/* Of additive topics it is sent what it doesn't know, no matter how it came to have them. */
static void test_increments_begin_where_the_viewer_is(void **state)
{
    static const char topic[] = "series/total?minutes=90";
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    uint32_t updates;
    (void)state;

    client_subscribe(client, "\"total\"", 0);
    world_run(world, 1);
    world_sell(world, "anna", "s1", 422828, 1);
    world_run(world, 500);
    client_subscribe(client, "\"series/total?minutes=90\"", 0);
    world_run(world, 1);
    assert_int_equal(buckets_of_last(client, topic), 90);
    world_sell(world, "anna", "s1", 422828, 1);
    world_run(world, 500);
    assert_int_equal(client->updates, 2);
    assert_int_equal(buckets_of_last(client, topic), 1);
    world_run(world, 2 * MINUTE_MS);
    updates = client->updates;
    client->room = 0;
    for (int i = 0; i < 2; i++) {
        world_sell(world, "anna", "s1", 422828, 1);
        world_run(world, MINUTE_MS);
    }
    client_drain(client, UINT32_MAX);
    assert_int_equal(client->updates, updates + 1);
    assert_int_equal(buckets_of_last(client, topic), 2);
    client_free(client);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_waits_for_room),
        cmocka_unit_test(test_who_leaves_waits_no_more),
        cmocka_unit_test(test_increments_begin_where_the_viewer_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
