/*
 * Random sales, refunds, viewers (fast, slow, coming, going, changing their minds), late loads,
 * replaced boards, new epochs and midnights. Whenever things come to rest, what every client has
 * merged is compared with totals counted from the facts one by one.
 */
#include "hub_world.h"
#include "livetally/topic.h"
#include "seeds.h"

#define CLIENTS 8

static const char *const topic_names[] = {
    "total",
    "host/h0",
    "host/h7",
    "host/h25",
    "county/110101",
    "prefecture/1101",
    "province/13",
    "product/p3",
    "session/s1",
    "session/s9",
    "platform/m1",
    "top/hosts",
    "top/hosts?by=net&n=3",
    "top/hosts?period=all&n=5",
    "top/hosts?county=110101&n=4",
    "top/counties?by=units",
    "top/counties?province=13",
    "top/counties?platform=m1",
    "top/products?session=s1&n=5",
    "top/products?session=s9&by=orders",
    "top/products?host=h7&by=net",
    "top/products?county=130101&period=all",
    "top/sessions",
    "top/sessions?period=today",
    "top/platforms",
    "top/provinces?by=net&n=2",
    "series/total?minutes=3",
    "series/host/h7?minutes=90",
    "series/session/s9",
    "series/county/110101?minutes=30",
    "ticker",
    "ticker/session/s1",
    "ticker/session/s9",
};
#define TOPICS (sizeof(topic_names) / sizeof(topic_names[0]))

struct run {
    uint64_t seed;
    uint64_t state;
    struct world *world;
    struct client *clients[CLIENTS];
    bool wanted[CLIENTS][TOPICS];
    uint32_t ids;      /* how many hosts and so on there are; grows */
    uint32_t compared; /* topics of clients */
};

static uint32_t roll(struct run *run, uint32_t below)
{
    run->state = run->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(run->state >> 33) % below;
}

/* Id or code of a fact in a dimension, as text. */
static struct slice value_text(const struct world *world, const struct fact *fact,
                               enum scope_kind kind, char digits[8])
{
    uint32_t number = kind == SCOPE_HOST       ? fact->host
                      : kind == SCOPE_PRODUCT  ? fact->product
                      : kind == SCOPE_SESSION  ? fact->session
                      : kind == SCOPE_PLATFORM ? fact->platform
                                               : 0;

    if (kind != SCOPE_COUNTY && kind != SCOPE_PREFECTURE && kind != SCOPE_PROVINCE)
        return names_text(world->view.names, number);
    snprintf(digits, 8, "%06u", fact->county % 1000000);
    return (struct slice){digits, kind == SCOPE_COUNTY ? 6u : (kind == SCOPE_PREFECTURE ? 4u : 2u)};
}

static bool in_scope(const struct world *world, const struct fact *fact, const struct topic *topic)
{
    char digits[8];
    char code[12];

    if (topic->scope == SCOPE_TOTAL)
        return true;
    snprintf(code, sizeof(code), "%u", topic->code);
    return slice_equal(value_text(world, fact, topic->scope, digits),
                       topic->id_size ? topic_id(topic) : slice_of(code));
}

static bool is_today(const struct world *world, const struct fact *fact)
{
    return calendar_day(&world->view.calendar, fact->time_ms) == world->view.today;
}

static struct metrics slow_sum(const struct world *world, const struct topic *topic, bool today)
{
    struct metrics sum = {{0}};

    for (uint32_t i = 0; i < world->fact_count; i++) {
        struct metrics one = fact_metrics(&world->facts[i]);

        if (in_scope(world, &world->facts[i], topic) &&
            (!today || is_today(world, &world->facts[i])))
            metrics_add(&sum, &one);
    }
    return sum;
}

static json_int_t number(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void check_scope(const struct run *run, const struct topic *topic, json_t *payload)
{
    for (int today = topic->scope == SCOPE_SESSION ? 0 : 1; today >= 0; today--) {
        struct metrics sum = slow_sum(run->world, topic, today);
        json_t *shown = json_object_get(payload, today ? "today" : "all");

        for (int m = 0; m < METRIC_COUNT; m++)
            assert_int_equal(number(shown, metric_names[m]), sum.v[m]);
        assert_int_equal(number(shown, "net"), metrics_net(&sum));
    }
}

struct row {
    char id[ID_MAX_BYTES + 1];
    struct metrics sum;
    int64_t value;
};

static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;

    if (left->value != right->value)
        return left->value > right->value ? -1 : 1;
    return strcmp(left->id, right->id);
}

static uint32_t slow_rows(const struct world *world, const struct topic *topic, struct row *rows)
{
    static const enum scope_kind kinds[] = {SCOPE_HOST,    SCOPE_COUNTY,   SCOPE_PRODUCT,
                                            SCOPE_SESSION, SCOPE_PLATFORM, SCOPE_PROVINCE};
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->fact_count; i++) {
        const struct fact *fact = &world->facts[i];
        struct metrics one = fact_metrics(fact);
        char digits[8];
        struct slice id = value_text(world, fact, kinds[topic->board], digits);
        uint32_t at = 0;

        if (id.size == 0 || !in_scope(world, fact, topic) ||
            (topic->today && !is_today(world, fact)))
            continue;
        while (at < count && !slice_equal(slice_of(rows[at].id), id))
            at++;
        if (at == count) {
            memset(&rows[count], 0, sizeof(rows[count]));
            memcpy(rows[count++].id, id.data, id.size);
        }
        metrics_add(&rows[at].sum, &one);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct metrics *m = &rows[i].sum;

        rows[i].value = topic->by == BOARD_BY_NET      ? metrics_net(m)
                        : topic->by == BOARD_BY_ORDERS ? m->v[METRIC_ORDERS]
                        : topic->by == BOARD_BY_UNITS  ? m->v[METRIC_UNITS]
                                                       : m->v[METRIC_GROSS];
    }
    qsort(rows, count, sizeof(rows[0]), compare_rows);
    return count;
}

static void check_board(const struct run *run, const struct topic *topic, json_t *payload)
{
    struct row rows[300];
    uint32_t count = slow_rows(run->world, topic, rows);
    json_t *shown = json_object_get(payload, "rows");

    assert_int_equal(number(payload, "of"), count);
    assert_int_equal(json_array_size(shown), count < topic->rows ? count : topic->rows);
    for (size_t i = 0; i < json_array_size(shown); i++) {
        json_t *row = json_array_get(shown, i);

        assert_string_equal(json_string_value(json_object_get(row, "id")), rows[i].id);
        assert_int_equal(number(row, "orders"), rows[i].sum.v[METRIC_ORDERS]);
        assert_int_equal(number(row, "units"), rows[i].sum.v[METRIC_UNITS]);
        assert_int_equal(number(row, "gross"), rows[i].sum.v[METRIC_GROSS]);
        assert_int_equal(number(row, "refunded"), rows[i].sum.v[METRIC_REFUNDED]);
        assert_int_equal(number(row, "net"), metrics_net(&rows[i].sum));
    }
}

static void check_series(const struct run *run, const struct topic *topic, json_t *payload)
{
    const struct world *world = run->world;
    int64_t start = number(payload, "start") / MINUTE_MS;
    int64_t now = world->wall_ms / MINUTE_MS;

    for (int64_t minute = now - topic->minutes + 1; minute <= now; minute++) {
        struct metrics sum = {{0}};
        size_t at = (size_t)(minute - start);

        assert_true(minute >= start);
        for (uint32_t i = 0; i < world->fact_count; i++) {
            struct metrics one = fact_metrics(&world->facts[i]);

            if (world->facts[i].time_ms / MINUTE_MS == minute &&
                in_scope(world, &world->facts[i], topic))
                metrics_add(&sum, &one);
        }
        assert_int_equal(json_integer_value(json_array_get(json_object_get(payload, "orders"), at)),
                         sum.v[METRIC_ORDERS]);
        assert_int_equal(json_integer_value(json_array_get(json_object_get(payload, "gross"), at)),
                         sum.v[METRIC_GROSS]);
        assert_int_equal(
            json_integer_value(json_array_get(json_object_get(payload, "refunded"), at)),
            sum.v[METRIC_REFUNDED]);
    }
}

static void check_ticker(const struct run *run, const char *name, json_t *payload)
{
    const struct ticker_ring *ring = world_ring(run->world, name);
    json_t *orders = json_object_get(payload, "orders");
    uint64_t count = ring ? ring->count : 0;
    uint32_t there = ring ? ticker_ring_after(ring, 0) : 0;
    size_t size = json_array_size(orders);

    assert_int_equal(number(payload, "base") + (json_int_t)size + number(payload, "lost"), count);
    for (size_t i = 0; i < size && i < there; i++) {
        const struct fact *order = ticker_ring_order(ring, count - i);
        json_t *shown = json_array_get(orders, size - 1 - i);

        assert_int_equal(number(shown, "amount"), order->amount);
        assert_int_equal(number(shown, "time"), order->time_ms);
    }
}

static uint32_t check_clients(struct run *run)
{
    uint32_t compared = 0;

    for (int c = 0; c < CLIENTS; c++) {
        for (size_t t = 0; t < TOPICS; t++) {
            struct topic topic;
            json_t *payload;

            /* A load that took too long is answered `unavailable`. */
            if (!run->clients[c] || !run->wanted[c][t] ||
                json_object_get(run->clients[c]->denied, topic_names[t]))
                continue;
            compared++;
            assert_false(run->clients[c]->stale);
            payload = client_topic(run->clients[c], topic_names[t]);
            assert_int_equal(topic_parse(slice_of(topic_names[t]), &topic, NULL), 0);
            if (topic.kind == TOPIC_SCOPE)
                check_scope(run, &topic, payload);
            else if (topic.kind == TOPIC_BOARD)
                check_board(run, &topic, payload);
            else if (topic.kind == TOPIC_SERIES)
                check_series(run, &topic, payload);
            else
                check_ticker(run, topic_names[t], payload);
        }
    }
    return compared;
}

static void sell_something(struct run *run)
{
    struct world *world = run->world;
    struct fact fact = {.kind = roll(run, 5) ? FACT_ORDER : FACT_REFUND};
    char id[16];

    if (run->ids < 40 && roll(run, 20) == 0)
        run->ids++;
    snprintf(id, sizeof(id), "h%u", roll(run, run->ids));
    fact.host = world_name(world, id);
    snprintf(id, sizeof(id), "p%u", roll(run, run->ids));
    fact.product = world_name(world, id);
    snprintf(id, sizeof(id), "s%u", roll(run, run->ids));
    fact.session = roll(run, 4) ? world_name(world, id) : 0;
    snprintf(id, sizeof(id), "m%u", roll(run, 3));
    fact.platform = roll(run, 4) ? world_name(world, id) : 0;
    fact.county = (11 + roll(run, 5)) * 10000 + 101 + roll(run, 3) * 100;
    fact.quantity = 1 + roll(run, 3);
    fact.amount = roll(run, 50);
    fact.time_ms = world->wall_ms;
    if (roll(run, 6) == 0)
        fact.time_ms -= roll(run, 30 * 60 * 60) * 1000;
    else if (roll(run, 6) == 0)
        fact.time_ms += roll(run, 300000);
    world_fact(world, fact);
}

static void talk(struct run *run, int c)
{
    bool subscribe = roll(run, 3) > 0;
    struct buffer text = BUFFER_INIT;
    static const int intervals[] = {100, 250, 250, 1000};

    buffer_printf(&text, "{\"type\":\"%s\",\"topics\":[", subscribe ? "subscribe" : "unsubscribe");
    for (uint32_t i = 0, count = 1 + roll(run, 6); i < count; i++) {
        uint32_t t = roll(run, TOPICS);

        buffer_printf(&text, "%s\"%s\"", i ? "," : "", topic_names[t]);
        run->wanted[c][t] = subscribe;
    }
    buffer_append_byte(&text, ']');
    if (subscribe && roll(run, 3) == 0)
        buffer_printf(&text, ",\"interval_ms\":%d", intervals[roll(run, 4)]);
    buffer_append_byte(&text, '}');
    assert_true(hub_receive(run->clients[c]->viewer, buffer_slice(&text)));
    buffer_done(&text);
}

static void come_or_go(struct run *run, int c)
{
    memset(run->wanted[c], 0, sizeof(run->wanted[c]));
    if (run->clients[c]) {
        client_free(run->clients[c]);
        run->clients[c] = NULL;
    } else {
        run->clients[c] = client_new(run->world);
    }
}

static void let_through(struct run *run, int c, uint32_t room)
{
    bool was_full = run->clients[c]->room == 0;

    run->clients[c]->room = room;
    if (was_full && room)
        hub_drained(run->clients[c]->viewer);
}

static void pass_time(struct run *run, int64_t ms)
{
    struct world *world = run->world;

    while (ms > 0) {
        int64_t step_ms = ms < 60000 ? ms : 60000;

        world_run(world, step_ms);
        ms -= step_ms;
        if (world->view.today != calendar_day(&world->view.calendar, world->wall_ms)) {
            world->view.today = calendar_day(&world->view.calendar, world->wall_ms);
            hub_groups_changed(world->hub);
        }
    }
}

/* Everything is loaded, every socket drained, and an interval passes. */
static void come_to_rest(struct run *run)
{
    run->world->mode = SOURCE_AT_ONCE;
    world_load(run->world);
    run->world->view.stale = false;
    for (int c = 0; c < CLIENTS; c++) {
        if (run->clients[c])
            let_through(run, c, UINT32_MAX);
    }
    pass_time(run, 4000);
    run->compared += check_clients(run);
}

static void something_rare(struct run *run)
{
    struct world *world = run->world;

    switch (roll(run, 5)) {
    case 0:
        world_replace_board(world);
        break;
    case 1:
        world->fact_count = 0;
        world->lane_version = 0;
        ticker_clear(world->view.ticker);
        world_replace_board(world);
        world->view.epoch[0] = (char)('a' + roll(run, 26));
        world->view.epoch[1] = (char)('a' + roll(run, 26));
        /* Topics that aren't loaded within 10 s come after the snapshot. */
        for (int c = 0; c < CLIENTS; c++) {
            if (run->clients[c])
                run->clients[c]->partial = true;
        }
        break;
    case 2:
        world->view.stale = !world->view.stale;
        break;
    case 3:
        come_to_rest(run);
        pass_time(run, roll(run, 10 * 60 * 60) * (int64_t)1000);
        break;
    default:
        come_to_rest(run);
        break;
    }
}

static void step(struct run *run)
{
    int c = (int)roll(run, CLIENTS);

    switch (roll(run, 12)) {
    case 0:
        run->world->mode = roll(run, 2) ? SOURCE_LATER : SOURCE_AT_ONCE;
        break;
    case 1:
    case 2:
        world_load(run->world);
        break;
    case 3:
        if (roll(run, 8) == 0 || !run->clients[c])
            come_or_go(run, c);
        break;
    case 4:
    case 5:
        if (run->clients[c])
            talk(run, c);
        break;
    case 6:
    case 7:
        if (run->clients[c])
            let_through(run, c, roll(run, 3) ? roll(run, 4) : UINT32_MAX);
        break;
    case 8:
        if (roll(run, 6) == 0)
            something_rare(run);
        break;
    case 9:
        run->world->wall_ms += 100;
        run->world->monotonic_ms += 100;
        hub_tick(run->world->hub);
        break;
    default:
        pass_time(run, roll(run, 10) ? roll(run, 300) : roll(run, 3000));
        break;
    }
    for (uint32_t i = roll(run, 8); i > 0; i--)
        sell_something(run);
}

static void run_seed(uint64_t seed)
{
    struct run run = {.seed = seed, .state = seed, .world = world_new(1 + (uint32_t)seed % 20)};

    run.ids = 4;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 700; i++)
        step(&run);
    come_to_rest(&run);
    assert_true(run.compared > 0);
    for (int c = 0; c < CLIENTS; c++) {
        if (run.clients[c])
            come_or_go(&run, c);
    }
    assert_int_equal(hub_topic_count(run.world->hub), 0);
    assert_int_equal(hub_audience_count(run.world->hub), 0);
    assert_int_equal(hub_viewer_count(run.world->hub), 0);
    world_free(run.world);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(), end = seed + 40; seed < end; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
