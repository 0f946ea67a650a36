/* The figures that the hub keeps of itself. */
#include "hub_world.h"

#include <math.h>

static uint64_t observations(const struct histogram *histogram)
{
    uint64_t count = 0;

    for (int i = 0; i <= STATS_BUCKETS; i++)
        count += histogram->counts[i];
    return count;
}

/* One a round that had something for somebody, from its oldest change on. */
static void test_delay_is_that_of_the_oldest_change(void **state)
{
    struct world *world = world_new(1000);
    struct client *quick, *slow;
    const struct histogram *delay = &world->stats.push_seconds;
    (void)state;

    world_sell(world, "anna", "s1", 422828, 1);
    hub_totals_changed(world->hub); /* nobody watches */
    quick = client_new(world);
    slow = client_new(world);
    client_subscribe(quick, "\"total\"", 250);
    client_subscribe(slow, "\"host/bea\"", 1000);
    world_run(world, 1000 - world->monotonic_ms % 1000);
    assert_int_equal(observations(delay), 0);
    for (int i = 0; i < 3; i++) {
        world_run(world, 50);
        world_sell(world, "anna", "s1", 422828, 1);
        hub_totals_changed(world->hub);
    }
    world_run(world, 850);
    assert_int_equal(quick->updates, 1);
    assert_int_equal(slow->updates, 0);
    assert_int_equal(observations(delay), 1);
    assert_true(fabs(delay->sum - 0.2) < 1e-9); /* sold at 50, 100 and 150, sent at 250 */
    world_run(world, 100);
    world_sell(world, "bea", "s1", 422828, 1);
    hub_totals_changed(world->hub);
    world_run(world, 900);
    assert_int_equal(slow->updates, 1);
    assert_int_equal(observations(delay), 3);
    assert_true(fabs(delay->sum - (0.2 + 0.15 + 0.9)) < 1e-9);
    client_free(quick);
    client_free(slow);
    world_free(world);
}

static void test_slow_viewers_are_counted(void **state)
{
    struct world *world = world_new(1000);
    struct client *clients[3];
    (void)state;

    for (int i = 0; i < 3; i++) {
        clients[i] = client_new(world);
        client_subscribe(clients[i], "\"total\"", 0);
        clients[i]->room = i == 2 ? 10 : 0;
    }
    world_run(world, 300);
    world_sell(world, "anna", "s1", 422828, 1);
    world_run(world, 1000);
    assert_int_equal(world->stats.slow_viewers, 2);
    client_drain(clients[0], 10);
    assert_int_equal(world->stats.slow_viewers, 1);
    client_free(clients[1]);
    assert_int_equal(world->stats.slow_viewers, 0);
    hub_refresh_stats(world->hub);
    assert_int_equal(world->stats.topics, 1);
    assert_true(world->stats.memory_bytes[MEMORY_TOPICS] > 500);
    client_free(clients[0]);
    client_free(clients[2]);
    hub_refresh_stats(world->hub);
    assert_int_equal(world->stats.memory_bytes[MEMORY_TOPICS], 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay_is_that_of_the_oldest_change),
        cmocka_unit_test(test_slow_viewers_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
