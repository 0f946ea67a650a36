/* What the hub pushes, to whom, and when. */
#include "hub_world.h"

static void test_shared_frames(void **state)
{
    struct world *world = world_new(7);
    struct client *clients[100];
    uint64_t encoded, pushed;
    (void)state;

    for (int i = 0; i < 100; i++) {
        clients[i] = client_new(world);
        client_subscribe(clients[i], i % 2 ? "\"total\",\"top/hosts\"" : "\"top/hosts\",\"total\"",
                         0);
        world_run(world, 13);
        world_sell(world, "anna", "s1", 422828, 1);
    }
    world_run(world, 1000);
    assert_int_equal(hub_audience_count(world->hub), 1);
    encoded = world->stats.frames_encoded;
    pushed = world->stats.frames_pushed;
    for (int i = 0; i < 10; i++) {
        world_sell(world, "anna", "s1", 422828, 1);
        world_run(world, 250);
    }
    assert_int_equal(world->stats.frames_encoded - encoded, 10);
    assert_int_equal(world->stats.frames_pushed - pushed, 1000);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(client_total(clients[i], "total", "all", "gross"), 110);
        client_free(clients[i]);
    }
    world_free(world);
}

/* Tickers are increments: those who are at the same point still share. */
static void test_shared_increments(void **state)
{
    struct world *world = world_new(1000);
    struct client *clients[20];
    uint64_t encoded;
    (void)state;

    for (int i = 0; i < 20; i++) {
        clients[i] = client_new(world);
        client_subscribe(clients[i], "\"ticker\",\"series/total\"", 0);
        world_run(world, 10);
    }
    for (int round = 0; round < 5; round++) {
        encoded = world->stats.frames_encoded;
        world_run(world, 700);
        world_sell(world, "anna", "s1", 422828, 1);
        world_run(world, 250);
        assert_int_equal(world->stats.frames_encoded - encoded, 1);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(
            json_array_size(json_object_get(client_topic(clients[i], "ticker"), "orders")), 5);
        client_free(clients[i]);
    }
    world_free(world);
}

/* A sale that doesn't show is not pushed. */
static void test_only_what_changed(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    world_sell(world, "big", "s1", 422828, 1000);
    world_sell(world, "small", "s1", 422828, 1);
    client_subscribe(client, "\"top/hosts?n=1\",\"host/big\"", 0);
    world_run(world, 1);
    world_sell(world, "small", "s1", 422828, 1);
    world_run(world, 1000);
    assert_int_equal(client->updates, 0);
    world_sell(world, "third", "s1", 422828, 1);
    world_run(world, 1000);
    assert_int_equal(client->updates, 1);
    assert_null(json_object_get(json_object_get(client->last, "topics"), "host/big"));
    client_free(client);
    world_free(world);
}

static void test_slow_viewer(void **state)
{
    struct world *world = world_new(1000);
    struct client *slow = client_new(world);
    struct client *fast = client_new(world);
    (void)state;

    client_subscribe(slow, "\"total\",\"ticker\",\"host/anna\"", 0);
    client_subscribe(fast, "\"total\",\"ticker\",\"host/anna\"", 0);
    world_run(world, 1);
    slow->room = 0;
    for (int i = 0; i < 30; i++) {
        world_sell(world, i < 10 ? "anna" : "ben", "s1", 422828, 1);
        world_run(world, 250);
    }
    assert_int_equal(fast->updates, 30);
    assert_int_equal(slow->updates, 0);
    assert_int_equal(world->stats.updates_conflated, 30);
    client_drain(slow, UINT32_MAX);
    assert_int_equal(slow->updates, 1);
    assert_int_equal(client_total(slow, "total", "all", "gross"), 30);
    assert_int_equal(client_total(slow, "host/anna", "all", "gross"), 10);
    assert_int_equal(json_array_size(json_object_get(client_topic(slow, "ticker"), "orders")), 20);
    assert_int_equal(json_integer_value(json_object_get(client_topic(slow, "ticker"), "lost")), 10);
    assert_int_equal(json_array_size(json_object_get(client_topic(fast, "ticker"), "orders")), 30);
    world_sell(world, "anna", "s1", 422828, 1);
    world_run(world, 500);
    assert_int_equal(slow->updates, 2);
    assert_int_equal(client_total(slow, "total", "all", "gross"), 31);
    client_free(slow);
    client_free(fast);
    world_free(world);
}

static void test_intervals(void **state)
{
    static const int asked[] = {1, 100, 101, 250, 300, 700, 1500, 2001, 5000, 99999};
    static const int given[] = {100, 100, 250, 250, 500, 1000, 2000, 5000, 5000, 5000};
    struct world *world = world_new(1000);
    (void)state;

    for (int i = 0; i < 10; i++) {
        struct client *client = client_new(world);
        uint32_t updates;

        client_subscribe(client, "\"total\"", asked[i]);
        world_run(world, 1);
        assert_int_equal(json_integer_value(json_object_get(client->last, "interval_ms")),
                         given[i]);
        updates = client->updates;
        for (int ms = 0; ms < 10000; ms += 10) {
            world_sell(world, "anna", "s1", 422828, 1);
            world_run(world, 10);
        }
        assert_in_range(client->updates - updates, 10000 / given[i] - 1, 10000 / given[i]);
        world_run(world, given[i]);
        assert_int_equal(client_total(client, "total", "all", "gross"), 1000 * (i + 1));
        client_free(client);
    }
    world_free(world);
}

static void test_midnight(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    int64_t midnight_ms;
    (void)state;

    world->mode = SOURCE_LATER;
    midnight_ms = calendar_next_midnight_ms(&world->view.calendar, world->wall_ms);
    world->wall_ms = midnight_ms - 2000;
    world_sell(world, "anna", "s1", 422828, 500);
    client_subscribe(client, "\"total\",\"top/hosts\",\"session/s1\"", 0);
    world_load(world);
    world_run(world, 1999);
    assert_int_equal(client->updates, 0);
    assert_int_equal(client_total(client, "total", "today", "gross"), 500);
    world_run(world, 1);
    world->view.today = calendar_day(&world->view.calendar, world->wall_ms);
    hub_groups_changed(world->hub);
    world_run(world, 250);
    assert_true(world->want_count >= 2);
    assert_int_equal(client->updates, 0);
    world_load(world);
    world_run(world, 250);
    assert_int_equal(client->updates, 1);
    assert_int_equal(client_total(client, "total", "today", "gross"), 0);
    assert_int_equal(client_total(client, "total", "all", "gross"), 500);
    assert_int_equal(json_integer_value(json_object_get(client_topic(client, "top/hosts"), "of")),
                     0);
    world_sell(world, "anna", "s1", 422828, 7);
    world_run(world, 250);
    assert_int_equal(client_total(client, "total", "today", "gross"), 7);
    assert_int_equal(client_total(client, "total", "all", "gross"), 507);
    client_free(client);
    world_free(world);
}

static void test_epoch(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    struct client *slow = client_new(world);
    struct client *idle = client_new(world);
    (void)state;

    world_sell(world, "anna", "s1", 422828, 500);
    client_subscribe(client, "\"total\",\"ticker\"", 0);
    client_subscribe(slow, "\"total\"", 5000);
    world_run(world, 1);
    slow->room = 0;
    world->mode = SOURCE_LATER;
    world->fact_count = 0;
    ticker_clear(world->view.ticker);
    world_replace_board(world);
    memcpy(world->view.epoch, "fedcba9876543210", EPOCH_BYTES);
    world_run(world, 5000);
    assert_int_equal(client->snapshots, 1);
    assert_int_equal(client->updates, 0);
    world_load(world);
    world_run(world, 250);
    assert_int_equal(client->snapshots, 2);
    assert_string_equal(client->epoch, "fedcba9876543210");
    assert_int_equal(json_object_size(client->topics), 2);
    assert_int_equal(client_total(client, "total", "all", "gross"), 0);
    assert_int_equal(json_array_size(json_object_get(client_topic(client, "ticker"), "orders")), 0);
    client_drain(slow, UINT32_MAX);
    world_run(world, 5000);
    assert_int_equal(slow->snapshots, 2);
    assert_int_equal(client_total(slow, "total", "all", "gross"), 0);
    assert_int_equal(idle->snapshots + idle->updates, 0);
    world_sell(world, "anna", "s1", 422828, 3);
    world_run(world, 250);
    assert_int_equal(client_total(client, "total", "all", "gross"), 3);
    client_free(client);
    client_free(slow);
    client_free(idle);
    world_free(world);
}

/* The same data in another board: no snapshot, and what was sold meanwhile shows. */
static void test_board_replaced(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    json_int_t ver;
    (void)state;

    world_sell(world, "anna", "s1", 422828, 500);
    client_subscribe(client, "\"total\",\"top/hosts\",\"series/total?minutes=5\"", 0);
    world_run(world, 1);
    ver = client->ver;
    world_replace_board(world);
    world_sell(world, "anna", "s1", 422828, 20);
    world_run(world, 500);
    assert_int_equal(client->snapshots, 1);
    assert_true(client->ver > ver);
    assert_int_equal(client_total(client, "total", "all", "gross"), 520);
    assert_int_equal(
        json_integer_value(json_array_get(
            json_object_get(client_topic(client, "series/total?minutes=5"), "gross"), 4)),
        520);
    world_sell(world, "anna", "s1", 422828, 1);
    world_run(world, 500);
    assert_int_equal(client_total(client, "total", "all", "gross"), 521);
    client_free(client);
    world_free(world);
}

static void test_stale(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    struct client *idle = client_new(world);
    (void)state;

    client_subscribe(client, "\"total\"", 0);
    world_run(world, 1);
    world->view.stale = true;
    world_run(world, 250);
    assert_int_equal(client->updates, 1);
    assert_true(client->stale);
    assert_int_equal(json_object_size(json_object_get(client->last, "topics")), 0);
    world_run(world, 2000);
    assert_int_equal(client->updates, 1);
    world->view.stale = false;
    world_run(world, 250);
    assert_int_equal(client->updates, 2);
    assert_false(client->stale);
    assert_int_equal(idle->updates, 0);
    client_free(client);
    client_free(idle);
    world_free(world);
}

/* Slices: a tick serves only so many, and wants to be called again at once. */
static void test_push_slice(void **state)
{
    struct world *world = world_new(10);
    struct client *clients[100];
    int ticks = 0;
    (void)state;

    for (int i = 0; i < 100; i++) {
        clients[i] = client_new(world);
        client_subscribe(clients[i], "\"total\"", 0);
    }
    world_run(world, 1000);
    world_sell(world, "anna", "s1", 422828, 500);
    world->monotonic_ms += 250;
    world->wall_ms += 250;
    while (hub_tick(world->hub) == 0) {
        uint32_t updated = 0;

        for (int i = 0; i < 100; i++)
            updated += clients[i] && clients[i]->updates;
        ticks++;
        assert_true(updated <= (uint32_t)(10 * ticks));
        if (ticks == 3) {
            client_free(clients[5]);
            client_free(clients[29]);
            client_free(clients[30]);
            client_free(clients[99]);
            clients[5] = clients[29] = clients[30] = clients[99] = NULL;
        }
    }
    assert_in_range(ticks, 9, 11);
    for (int i = 0; i < 100; i++) {
        if (!clients[i])
            continue;
        assert_int_equal(clients[i]->updates, 1);
        client_free(clients[i]);
    }
    world_free(world);
}

/* Moving to an audience that the round has passed must not lose what the round brought. */
static void test_move_during_round(void **state)
{
    struct world *world = world_new(1);
    struct client *first = client_new(world);
    struct client *second = client_new(world);
    (void)state;

    client_subscribe(first, "\"total\"", 0);
    client_subscribe(second, "\"total\",\"host/x\"", 0);
    world_run(world, 1000);
    world_sell(world, "anna", "s1", 422828, 500);
    world->monotonic_ms += 250;
    world->wall_ms += 250;
    while (first->updates == 0)
        assert_int_equal(hub_tick(world->hub), 0);
    assert_int_equal(second->updates, 0);
    assert_true(client_says(second, "{\"type\":\"unsubscribe\",\"topics\":[\"host/x\"]}"));
    world_run(world, 600);
    assert_int_equal(hub_audience_count(world->hub), 1);
    assert_int_equal(second->updates, 1);
    assert_int_equal(client_total(second, "total", "all", "gross"), 500);
    client_free(first);
    client_free(second);
    world_free(world);
}

/* Frames made late in a round, after somebody else has seen newer orders, hold those too. */
static void test_refresh_during_round(void **state)
{
    struct world *world = world_new(1);
    struct client *clients[6];
    (void)state;

    for (int i = 0; i < 6; i++) {
        clients[i] = client_new(world);
        client_subscribe(clients[i], "\"ticker\",\"total\"", 0);
        world_run(world, 20);
        world_sell(world, "anna", "s1", 422828, i);
    }
    world->monotonic_ms += 250;
    world->wall_ms += 250;
    while (clients[0]->updates == 0)
        assert_int_equal(hub_tick(world->hub), 0);
    world_sell(world, "anna", "s1", 422828, 70);
    clients[5]->room = 0;
    client_subscribe(clients[5], "\"host/anna\"", 0);
    client_drain(clients[5], UINT32_MAX);
    world_run(world, 600);
    for (int i = 0; i < 6; i++) {
        json_t *orders = json_object_get(client_topic(clients[i], "ticker"), "orders");

        assert_int_equal(json_array_size(orders), 7);
        client_free(clients[i]);
    }
    world_free(world);
}

/* After a new epoch nobody waits for ever for a topic that can't be loaded. */
static void test_epoch_without_load(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    client_subscribe(client, "\"total\",\"ticker\"", 0);
    world_run(world, 1);
    world->mode = SOURCE_LATER;
    world_replace_board(world);
    memcpy(world->view.epoch, "fedcba9876543210", EPOCH_BYTES);
    world_run(world, 1000);
    world->view.stale = true;
    world_run(world, 1000);
    assert_true(client->stale);
    assert_int_equal(client->updates, 1);
    assert_int_equal(client->snapshots, 1);
    world_run(world, 9000);
    assert_int_equal(client->snapshots, 2);
    assert_int_equal(json_object_size(client->topics), 1);
    client->partial = true;
    world_load(world);
    world_run(world, 500);
    assert_int_equal(client->snapshots, 2);
    assert_int_equal(client_total(client, "total", "all", "gross"), 0);
    client_free(client);
    world_free(world);
}

/* A series that has to wait for its new hour keeps what it missed meanwhile for later. */
static void test_full_hour(void **state)
{
    struct world *world = world_new(1000);
    struct client *fast = client_new(world);
    struct client *slow = client_new(world);
    const char *topic = "series/total?minutes=90";
    json_t *gross;
    (void)state;

    world->wall_ms += HOUR_MS - world->wall_ms % HOUR_MS - 950;
    world->monotonic_ms -= world->monotonic_ms % 1000;
    client_subscribe(fast, "\"series/total?minutes=90\",\"total\"", 100);
    client_subscribe(slow, "\"series/total?minutes=90\",\"total\"", 1000);
    world_run(world, 100);
    assert_int_equal(fast->snapshots + slow->snapshots, 2);
    world->mode = SOURCE_LATER;
    world_sell(world, "anna", "s1", 422828, 40);
    world_run(world, 800);
    assert_int_equal(fast->updates, 1);
    world_run(world, 150);
    assert_int_equal(world->want_count, 1);
    assert_int_equal(slow->updates, 1);
    assert_int_equal(client_total(slow, "total", "all", "gross"), 40);
    world_sell(world, "anna", "s1", 422828, 2);
    world_run(world, 1000);
    world_load(world);
    world_run(world, 1000);
    for (int i = 0; i < 2; i++) {
        gross = json_object_get(client_topic(i ? slow : fast, topic), "gross");
        assert_int_equal(json_array_size(gross), 91);
        assert_int_equal(json_integer_value(json_array_get(gross, 89)), 40);
        assert_int_equal(json_integer_value(json_array_get(gross, 90)), 2);
    }
    client_free(fast);
    client_free(slow);
    world_free(world);
}

/* When a round came late, the one after it keeps its distance. */
static void test_late_round(void **state)
{
    struct world *world = world_new(1000);
    struct client *client = client_new(world);
    (void)state;

    world->monotonic_ms -= world->monotonic_ms % 250;
    client_subscribe(client, "\"total\"", 0);
    world_run(world, 10);
    world_sell(world, "anna", "s1", 422828, 1);
    world->monotonic_ms += 450;
    world->wall_ms += 450;
    hub_tick(world->hub);
    assert_int_equal(client->updates, 1);
    world_sell(world, "anna", "s1", 422828, 1);
    world_run(world, 120);
    assert_int_equal(client->updates, 1);
    world_run(world, 250);
    assert_int_equal(client->updates, 2);
    world_sell(world, "anna", "s1", 422828, 1);
    world_run(world, 250);
    assert_int_equal(client->updates, 3);
    client_free(client);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_frames),
        cmocka_unit_test(test_shared_increments),
        cmocka_unit_test(test_only_what_changed),
        cmocka_unit_test(test_slow_viewer),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_midnight),
        cmocka_unit_test(test_epoch),
        cmocka_unit_test(test_board_replaced),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_push_slice),
        cmocka_unit_test(test_move_during_round),
        cmocka_unit_test(test_refresh_during_round),
        cmocka_unit_test(test_epoch_without_load),
        cmocka_unit_test(test_full_hour),
        cmocka_unit_test(test_late_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
