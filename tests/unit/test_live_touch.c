/*
 * Topics are read again only when something touched them. A viewer of all scopes there are, while
 * little sells at a time, must show after each tick what counting by hand gives: a change that
 * touched nothing would stay hidden. So must the names on screens, a new day and another board.
 */
#include "hub_world.h"
#include "seeds.h"

#define IDS   70
#define AREAS 5
#define STEPS 600

/* What is counted by hand: of one scope, since ever and today. */
struct count {
    char topic[24];
    int64_t gross[2];
    int64_t orders[2];
};

enum {
    TOTAL,
    HOSTS,
    PRODUCTS = HOSTS + IDS,
    SESSIONS = PRODUCTS + IDS,
    PLATFORMS = SESSIONS + IDS
};
enum { COUNTIES = PLATFORMS + AREAS, PREFECTURES = COUNTIES + 3 * AREAS };
enum { PROVINCES = PREFECTURES + 3 * AREAS, COUNTS = PROVINCES + AREAS };

struct run {
    uint64_t state;
    struct world *world;
    struct count counts[COUNTS];
    struct client *all;   /* of all scopes; NULL: it left */
    struct client *board; /* reads some of the same groups as a whole */
    uint32_t renamed;     /* times host h0 got another name */
    uint32_t sold_by_h1;  /* orders */
};

static uint32_t roll(struct run *run, uint32_t below)
{
    run->state = run->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(run->state >> 33) % below;
}

static uint32_t county(uint32_t area)
{
    return (11 + area / 3) * 10000 + 101 + area % 3 * 100;
}

static void name_counts(struct run *run)
{
    struct count *counts = run->counts;

    strcpy(counts[TOTAL].topic, "total");
    for (unsigned i = 0; i < IDS; i++) {
        snprintf(counts[HOSTS + i].topic, 24, "host/h%u", i);
        snprintf(counts[PRODUCTS + i].topic, 24, "product/p%u", i);
        snprintf(counts[SESSIONS + i].topic, 24, "session/s%u", i);
    }
    for (unsigned i = 0; i < 3 * AREAS; i++) {
        snprintf(counts[COUNTIES + i].topic, 24, "county/%u", county(i));
        snprintf(counts[PREFECTURES + i].topic, 24, "prefecture/%u", county(i) / 100);
    }
    for (unsigned i = 0; i < AREAS; i++) {
        snprintf(counts[PLATFORMS + i].topic, 24, "platform/m%u", i);
        snprintf(counts[PROVINCES + i].topic, 24, "province/%u", 11 + i);
    }
}

static uint32_t name_of(struct run *run, char kind, uint32_t number)
{
    char id[16];

    snprintf(id, sizeof(id), "%c%u", kind, number);
    return world_name(run->world, id);
}

static void sell(struct run *run)
{
    uint32_t host = roll(run, IDS);
    uint32_t product = roll(run, IDS);
    uint32_t session = roll(run, IDS);
    uint32_t platform = roll(run, AREAS);
    uint32_t area = roll(run, 3 * AREAS);
    uint32_t sold[] = {
        TOTAL,           HOSTS + host,       PRODUCTS + product,   SESSIONS + session,
        COUNTIES + area, PREFECTURES + area, PROVINCES + area / 3, PLATFORMS + platform};
    int64_t amount = 1 + roll(run, 1000);

    for (size_t i = 0; i < sizeof(sold) / sizeof(sold[0]); i++) {
        for (int period = 0; period < 2; period++) {
            run->counts[sold[i]].gross[period] += amount;
            run->counts[sold[i]].orders[period]++;
        }
    }
    run->sold_by_h1 += host == 1;
    world_fact(run->world, (struct fact){.kind = FACT_ORDER,
                                         .host = name_of(run, 'h', host),
                                         .product = name_of(run, 'p', product),
                                         .session = name_of(run, 's', session),
                                         .platform = name_of(run, 'm', platform),
                                         .county = county(area),
                                         .quantity = 1,
                                         .amount = amount,
                                         .time_ms = run->world->wall_ms});
}

static void subscribe_all(struct run *run)
{
    struct buffer topics = BUFFER_INIT;

    run->all = client_new(run->world);
    for (int i = 0; i < COUNTS; i++)
        buffer_printf(&topics, "\"%s\",", run->counts[i].topic);
    buffer_append_text(&topics, "\"series/host/h1?minutes=1440\"");
    buffer_append_byte(&topics, '\0');
    client_subscribe(run->all, topics.data, 100);
    buffer_done(&topics);
}

static void next_day(struct run *run)
{
    struct world *world = run->world;

    world->wall_ms += DAY_MS;
    world->view.today = calendar_day(&world->view.calendar, world->wall_ms);
    for (int i = 0; i < COUNTS; i++)
        run->counts[i].gross[1] = run->counts[i].orders[1] = 0;
    run->sold_by_h1 = 0;
}

static void rename_h0(struct run *run)
{
    char json[64];

    snprintf(json, sizeof(json), "{\"host_id\":\"h0\",\"name\":\"%u\",\"time\":%u}",
             run->renamed + 1, run->renamed + 1);
    run->renamed++;
    assert_int_equal(
        catalog_put(run->world->view.catalog, CATALOG_HOST, SLICE("h0"), slice_of(json)), 0);
}

static void come_or_go(struct run *run)
{
    if (roll(run, 2)) {
        if (run->all)
            client_free(run->all);
        run->all = NULL;
    }
    if (run->board) {
        client_free(run->board);
        run->board = NULL;
    } else {
        run->board = client_new(run->world);
        client_subscribe(run->board, "\"top/hosts?period=all\",\"top/provinces\",\"ticker\"", 0);
    }
}

static void check_series(const struct run *run)
{
    json_t *orders =
        json_object_get(client_topic(run->all, "series/host/h1?minutes=1440"), "orders");
    json_int_t sum = 0;
    json_t *value;
    size_t i;

    json_array_foreach(orders, i, value) sum += json_integer_value(value);
    assert_in_range(sum, run->sold_by_h1, UINT32_MAX);
}

static void check(const struct run *run)
{
    static const char *const periods[] = {"all", "today"};

    for (int i = 0; i < COUNTS; i++) {
        const struct count *count = &run->counts[i];

        for (int period = 0; period < (i >= SESSIONS && i < PLATFORMS ? 1 : 2); period++) {
            assert_int_equal(client_total(run->all, count->topic, periods[period], "gross"),
                             count->gross[period]);
            assert_int_equal(client_total(run->all, count->topic, periods[period], "orders"),
                             count->orders[period]);
        }
    }
    if (run->renamed > 0) {
        json_t *name = json_object_get(client_topic(run->all, "host/h0"), "name");

        assert_int_equal(strtol(json_string_value(name), NULL, 10), run->renamed);
    }
    check_series(run);
}

static void step(struct run *run)
{
    for (uint32_t i = roll(run, 4); i > 0; i--)
        sell(run);
    switch (roll(run, 60)) {
    case 0:
        come_or_go(run);
        break;
    case 1:
        world_replace_board(run->world);
        break;
    case 2:
        if (roll(run, 4) == 0)
            next_day(run);
        break;
    case 3:
        rename_h0(run);
        break;
    case 4:
        for (int i = 0; i < 300; i++)
            sell(run);
        break;
    default:
        break;
    }
    if (!run->all && roll(run, 3) == 0)
        subscribe_all(run);
    world_run(run->world, 200);
    if (run->all)
        check(run);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(), end = seed + 5; seed < end; seed++) {
        struct run run = {.state = seed, .world = world_new(1000)};

        print_message("seed %llu\n", (unsigned long long)seed);
        name_counts(&run);
        subscribe_all(&run);
        for (int i = 0; i < STEPS; i++)
            step(&run);
        if (run.all)
            client_free(run.all);
        if (run.board)
            client_free(run.board);
        assert_int_equal(hub_topic_count(run.world->hub), 0);
        world_free(run.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
