/*
 * Messages of a viewer against a slow reading of PROTOCOL: the same ones are refused, with the same
 * code; a snapshot shows the topics that were named, refuses the others, and says the interval; and
 * in the end, after a sale, the viewer is told of what it watches and of nothing else.
 * Input: messages, one a line. Each comes a second after the last, so none is answered late.
 */
#include "fuzz.h"
#include "livetally/hub.h"
#include "livetally/topic.h"
#include "slow_event.h"

#define START_MS   INT64_C(1700000000000)
#define TOPICS_MAX 4 /* of a viewer; few, so that the bound is met */
#define NAMES_MAX  1000
#define BAD_MAX    100

/* A hub, all of whose groups are empty and load at once. */
struct world {
    struct hub *hub;
    struct viewer *viewer;
    struct view view;
    struct stats stats;
    int64_t now_ms;
    json_t *answer; /* the newest message to the viewer, but for heartbeats */
    uint32_t answers;
};

/* What the viewer should be watching. */
struct slow_viewer {
    char *topics[TOPICS_MAX];
    size_t count;
    json_int_t interval_ms;
    int bad; /* messages in a row */
};

static int64_t world_now(void *context)
{
    return ((struct world *)context)->now_ms;
}

static bool world_want(void *context, struct group_key key)
{
    struct world *world = context;
    struct board *board = world->view.board;
    struct group *group = board_open(board, key);
    struct board_image *image = board_image_new(key);

    board_load_begin(board, group);
    REQUIRE(board_load_merge(board, group, 0, false, 0, image) == 0 &&
                board_load_finish(board, group),
            "an empty group does not load");
    board_image_free(image);
    hub_groups_changed(world->hub);
    return true;
}

static bool world_send(void *peer, struct frame *frame)
{
    struct world *world = peer;
    json_error_t error;
    json_t *message =
        json_loadb((const char *)frame_text(frame), frame->size, JANSSON_FLAGS, &error);

    REQUIRE(message, "sent what is not JSON: %s", error.text);
    if (strcmp(json_string_value(json_object_get(message, "type")), "heartbeat") == 0) {
        json_decref(message);
        return true;
    }
    json_decref(world->answer);
    world->answer = message;
    world->answers++;
    return true;
}

static void world_init(struct world *world)
{
    static const struct viewer_ops ops = {world_send};
    const struct hub_options options = {TOPICS_MAX, 1000, 100, 20};
    const struct board_options board = {{480}, 100000, 48 * HOUR_MS};
    const struct hub_source source = {world_want, world};
    const struct clock clock = {world_now, world_now, world};

    memset(world, 0, sizeof(*world));
    world->now_ms = START_MS;
    world->view.calendar.offset_minutes = 480;
    world->view.board = board_new(&board);
    world->view.board_number = 1;
    world->view.names = names_new();
    world->view.catalog = catalog_new(10);
    world->view.ticker = ticker_new();
    world->view.today = calendar_day(&world->view.calendar, world->now_ms);
    world->view.ready = true;
    memcpy(world->view.epoch, "0123456789abcdef", EPOCH_BYTES);
    world->hub = hub_new(&options, &world->view, &source, &clock, &world->stats);
    world->viewer = hub_join(world->hub, &ops, world);
}

static void world_done(struct world *world)
{
    hub_leave(world->viewer);
    REQUIRE(hub_topic_count(world->hub) == 0, "topics of nobody are left");
    hub_free(world->hub);
    board_free(world->view.board);
    ticker_free(world->view.ticker);
    catalog_free(world->view.catalog);
    names_free(world->view.names);
    json_decref(world->answer);
}

/* As an event loop would, for that long. */
static void world_run(struct world *world, int64_t ms)
{
    int64_t end_ms = world->now_ms + ms;

    for (;;) {
        int64_t wait_ms = hub_tick(world->hub);
        if (world->now_ms + wait_ms > end_ms)
            break;
        world->now_ms += wait_ms;
    }
    world->now_ms = end_ms;
}

/* The code of the error that answers it, or NULL. */
static const char *slow_fault(const json_t *message)
{
    const json_t *type = json_object_get(message, "type");
    const char *key;
    json_t *value, *topic;
    size_t i;

    if (!message)
        return "bad_json";
    if (!json_is_object(message))
        return "bad_type";
    json_object_foreach((json_t *)(uintptr_t)message, key, value)
    {
        if (strcmp(key, "type") == 0 && !json_is_string(value))
            return "bad_type";
        if (strcmp(key, "interval_ms") == 0 &&
            (!json_is_integer(value) || json_integer_value(value) < 1))
            return "bad_field";
        if (strcmp(key, "topics") != 0)
            continue;
        if (!json_is_array(value) || json_array_size(value) > NAMES_MAX)
            return "bad_field";
        json_array_foreach(value, i, topic)
        {
            if (!json_is_string(topic))
                return "bad_field";
        }
    }
    if (!type)
        return "missing_field";
    if (strcmp(json_string_value(type), "subscribe") != 0 &&
        strcmp(json_string_value(type), "unsubscribe") != 0)
        return strcmp(json_string_value(type), "auth") == 0 ? NULL : "bad_type";
    return json_object_get(message, "topics") ? NULL : "missing_field";
}

static size_t slow_find(const struct slow_viewer *slow, const char *name)
{
    size_t i = 0;

    while (i < slow->count && strcmp(slow->topics[i], name) != 0)
        i++;
    return i;
}

/* The canonical name, to be freed, or NULL. Names are compared with a slow reading elsewhere. */
static char *canonical(const json_t *name)
{
    struct slice text = {json_string_value(name), json_string_length(name)};
    struct buffer out = BUFFER_INIT;
    struct topic topic;

    if (topic_parse(text, &topic, NULL))
        return NULL;
    topic_write(&out, &topic);
    char *copy = mem_strdup(buffer_cstr(&out));
    buffer_done(&out);
    return copy;
}

/* Takes the next error of the snapshot, which should have that code. */
static void expect_error(const json_t *snapshot, size_t *errors, const char *code)
{
    const json_t *error = json_array_get(json_object_get(snapshot, "errors"), (*errors)++);
    const char *got = json_string_value(json_object_get(error, "code"));

    REQUIRE(got && strcmp(got, code) == 0, "%s instead of %s", got ? got : "nothing", code);
}

static void slow_subscribe(struct slow_viewer *slow, const json_t *message, const json_t *snapshot)
{
    static const json_int_t intervals[] = {100, 250, 500, 1000, 2000, 5000};
    const json_t *interval = json_object_get(message, "interval_ms");
    const json_t *shown = json_object_get(snapshot, "topics");
    json_t *named = json_object();
    json_t *name;
    size_t i, errors = 0;

    json_array_foreach(json_object_get(message, "topics"), i, name)
    {
        char *topic = canonical(name);
        if (!topic) {
            expect_error(snapshot, &errors, "bad_topic");
            continue;
        }
        if (slow_find(slow, topic) == slow->count && slow->count == TOPICS_MAX) {
            expect_error(snapshot, &errors, "too_many_topics");
        } else {
            REQUIRE(json_object_get(shown, topic), "%s is not in the snapshot", topic);
            json_object_set_new(named, topic, json_true());
            if (slow_find(slow, topic) == slow->count)
                slow->topics[slow->count++] = mem_strdup(topic);
        }
        free(topic);
    }
    for (i = 0; interval && i < 6; i++) {
        slow->interval_ms = intervals[i];
        if (json_integer_value(interval) <= intervals[i])
            break;
    }
    REQUIRE(json_object_size(shown) == json_object_size(named), "%zu topics instead of %zu",
            json_object_size(shown), json_object_size(named));
    REQUIRE(json_array_size(json_object_get(snapshot, "errors")) == errors, "too many errors");
    REQUIRE(json_integer_value(json_object_get(snapshot, "interval_ms")) == slow->interval_ms,
            "another interval than %lld", (long long)slow->interval_ms);
    json_decref(named);
}

static void slow_unsubscribe(struct slow_viewer *slow, const json_t *message)
{
    json_t *name;
    size_t i;

    json_array_foreach(json_object_get(message, "topics"), i, name)
    {
        char *topic = canonical(name);
        size_t at = topic ? slow_find(slow, topic) : slow->count;
        free(topic);
        if (at == slow->count)
            continue;
        free(slow->topics[at]);
        slow->topics[at] = slow->topics[--slow->count];
    }
}

/* Compares what came of one message. False: the connection is to be closed. */
static bool check_message(struct world *world, struct slow_viewer *slow, struct slice text,
                          const json_t *message)
{
    uint32_t answers = world->answers;
    bool open = hub_receive(world->viewer, text);

    while (hub_tick(world->hub) == 0) /* which looks at the groups that were loaded for it */
        ;
    const char *fault = slow_fault(message);
    const char *type = json_string_value(json_object_get(message, "type"));
    const char *got = json_string_value(json_object_get(world->answer, "type"));
    bool subscribes = !fault && strcmp(type, "subscribe") == 0;

    REQUIRE(world->answers - answers == (fault || subscribes), "%u answers",
            world->answers - answers);
    if (fault) {
        const char *code = json_string_value(json_object_get(world->answer, "code"));
        REQUIRE(strcmp(got, "error") == 0 && strcmp(code, fault) == 0, "%s %s instead of %s", got,
                code ? code : "", fault);
        slow->bad++;
    } else if (subscribes) {
        REQUIRE(strcmp(got, "snapshot") == 0, "a subscribe is answered with %s", got);
        slow_subscribe(slow, message, world->answer);
        slow->bad = 0;
    } else if (strcmp(type, "unsubscribe") == 0) {
        slow_unsubscribe(slow, message);
        slow->bad = 0;
    }
    REQUIRE(hub_topic_count(world->hub) == slow->count, "%u topics instead of %zu",
            hub_topic_count(world->hub), slow->count);
    REQUIRE(open == (slow->bad < BAD_MAX), "open or not, after %d bad ones?", slow->bad);
    return open;
}

/* Every total the order is in says one order now, and what is pushed is watched. */
static void check_sale(struct world *world, const struct slow_viewer *slow)
{
    static const char *const affected[] = {"total", "host/h", "county/422828", "province/42"};
    struct names *names = world->view.names;
    const struct fact fact = {.kind = FACT_ORDER,
                              .host = names_intern(names, SLICE("h")),
                              .product = names_intern(names, SLICE("p")),
                              .county = 422828,
                              .quantity = 1,
                              .amount = 1,
                              .time_ms = world->now_ms};
    const char *name;
    json_t *payload;

    world_run(world, 6000);
    json_decref(world->answer);
    world->answer = NULL;
    board_apply(world->view.board, 0, 1, false, &fact, 1, world->now_ms);
    ticker_push(world->view.ticker, &fact, 1);
    world_run(world, 6000);
    const json_t *topics = json_object_get(world->answer, "topics");
    json_object_foreach((json_t *)(uintptr_t)topics, name, payload)
        REQUIRE(slow_find(slow, name) < slow->count, "%s is pushed", name);
    for (size_t i = 0; i < sizeof(affected) / sizeof(*affected); i++) {
        const json_t *all = json_object_get(json_object_get(topics, affected[i]), "all");
        REQUIRE(slow_find(slow, affected[i]) == slow->count ||
                    json_integer_value(json_object_get(all, "orders")) == 1,
                "%s was not pushed", affected[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = fuzz_text(data, size), line;
    struct slow_viewer slow = {.count = 0, .interval_ms = 250};
    struct world world;
    bool open = true, unknown = false;

    world_init(&world);
    while (open && fuzz_cut(&text, '\n', &line)) {
        json_t *message = slow_load(line, &unknown);
        if (unknown)
            break;
        open = check_message(&world, &slow, line, message);
        json_decref(message);
        world.now_ms += 1000;
    }
    if (open && !unknown)
        check_sale(&world, &slow);
    while (slow.count > 0)
        free(slow.topics[--slow.count]);
    world_done(&world);
    return 0;
}
