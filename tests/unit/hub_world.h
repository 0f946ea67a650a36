/*
 * A world for tests of the hub: a real board, names, catalog and ticker, a clock that is set by
 * hand, a source of groups that loads at once, later or never, and clients that merge what they
 * are sent as PROTOCOL says. Every fact is kept, so that groups can be loaded late and totals can
 * be counted the slow way.
 */
#ifndef LIVETALLY_TESTS_HUB_WORLD_H
#define LIVETALLY_TESTS_HUB_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "image_fixture.h"
#include "livetally/hub.h"
#include "livetally/mem.h"

#define WORLD_START_MS INT64_C(1700000000000) /* 2023-11-15 06:13:20 +08:00 */
#define WORLD_WANTS    4096

enum source_mode {
    SOURCE_AT_ONCE,
    SOURCE_LATER, /* when world_load() is called */
    SOURCE_AWAY,
};

struct world {
    struct hub *hub;
    struct view view;
    struct stats stats;
    struct clock clock;
    int64_t wall_ms;
    int64_t monotonic_ms;
    enum source_mode mode;
    struct group_key wants[WORLD_WANTS];
    uint32_t want_count;
    uint32_t wanted; /* all calls ever */
    struct fact *facts;
    uint32_t fact_count;
    uint64_t lane_version;
};

/* One connection and what it has been told. */
struct client {
    struct world *world;
    struct viewer *viewer;
    uint32_t room; /* messages the socket takes before it is full */
    uint32_t snapshots, updates, heartbeats, errors;
    json_t *last;   /* message */
    json_t *topics; /* merged */
    json_t *denied; /* topics refused by the last snapshot that spoke of them */
    json_int_t ver;
    char epoch[EPOCH_BYTES];
    bool stale;
    bool partial; /* topics may be missing in a snapshot and come later */
};

static inline int64_t world_wall_ms(void *context)
{
    return ((struct world *)context)->wall_ms;
}

static inline int64_t world_monotonic_ms(void *context)
{
    return ((struct world *)context)->monotonic_ms;
}

/* What the store does: one lane's image, here of the facts since the beginning. */
static inline void world_load_group(struct world *world, struct group_key key)
{
    struct board *board = world->view.board;
    struct group *group = board_open(board, key);
    struct board_image *image;

    if (group->state == GROUP_LOADED)
        return;
    image = board_image_new(key);
    for (uint32_t i = 0; i < world->fact_count; i++)
        add_to_image(image, key, &world->view.calendar, i + 1, &world->facts[i]);
    board_load_begin(board, group);
    assert_int_equal(board_load_merge(board, group, 0, false, world->lane_version, image), 0);
    assert_true(board_load_finish(board, group));
    board_image_free(image);
}

static inline bool world_want(void *context, struct group_key key)
{
    struct world *world = context;

    world->wanted++;
    if (world->mode == SOURCE_AWAY)
        return false;
    if (world->mode == SOURCE_AT_ONCE) {
        world_load_group(world, key);
        hub_groups_changed(world->hub);
        return true;
    }
    assert_true(world->want_count < WORLD_WANTS);
    world->wants[world->want_count++] = key;
    return true;
}

static inline void world_load(struct world *world)
{
    for (uint32_t i = 0; i < world->want_count; i++)
        world_load_group(world, world->wants[i]);
    world->want_count = 0;
    hub_groups_changed(world->hub);
}

static inline struct board *world_board(const struct world *world)
{
    struct board_options options = {
        .calendar = world->view.calendar, .max_cells = 1000000, .minute_keep_ms = 48 * HOUR_MS};

    return board_new(&options);
}

static inline struct world *world_new(uint32_t push_slice)
{
    struct world *world = mem_zalloc(sizeof(*world));
    struct hub_options options = {LIVE_TOPICS_MAX, 10000, push_slice, 20};
    struct hub_source source = {world_want, world};

    world->clock = (struct clock){world_wall_ms, world_monotonic_ms, world};
    world->wall_ms = WORLD_START_MS;
    world->monotonic_ms = 1000000;
    world->view.calendar.offset_minutes = 480;
    world->view.board = world_board(world);
    world->view.board_number = 1;
    world->view.names = names_new();
    world->view.catalog = catalog_new(1000);
    world->view.ticker = ticker_new();
    world->view.today = calendar_day(&world->view.calendar, world->wall_ms);
    world->view.ready = true;
    memcpy(world->view.epoch, "0123456789abcdef", EPOCH_BYTES);
    world->hub = hub_new(&options, &world->view, &source, &world->clock, &world->stats);
    return world;
}

static inline void world_free(struct world *world)
{
    hub_free(world->hub);
    board_free(world->view.board);
    ticker_free(world->view.ticker);
    catalog_free(world->view.catalog);
    names_free(world->view.names);
    free(world->facts);
    free(world);
}

/* Like a resync: all is loaded anew, into another board. */
static inline void world_replace_board(struct world *world)
{
    uint64_t version = board_version(world->view.board);

    board_free(world->view.board);
    world->view.board = world_board(world);
    world->view.board_number++;
    board_continue_version(world->view.board, version + 1);
    world->want_count = 0;
    hub_groups_changed(world->hub);
}

static inline uint32_t world_name(struct world *world, const char *id)
{
    return names_intern(world->view.names, slice_of(id));
}

static inline void world_fact(struct world *world, struct fact fact)
{
    world->facts = mem_resize(world->facts, world->fact_count + 1, sizeof(*world->facts));
    world->facts[world->fact_count++] = fact;
    world->lane_version++;
    board_apply(world->view.board, 0, world->lane_version, false, &fact, 1, world->wall_ms);
    ticker_push(world->view.ticker, &fact, 1);
}

static inline void world_sell(struct world *world, const char *host, const char *session,
                              uint32_t county, int64_t amount)
{
    world_fact(world, (struct fact){.kind = FACT_ORDER,
                                    .host = world_name(world, host),
                                    .product = world_name(world, "p1"),
                                    .session = world_name(world, session),
                                    .platform = world_name(world, "douyin"),
                                    .county = county,
                                    .quantity = 2,
                                    .amount = amount,
                                    .time_ms = world->wall_ms});
}

/* Ticks as an event loop would, for that long. */
static inline void world_run(struct world *world, int64_t ms)
{
    int64_t end_ms = world->monotonic_ms + ms;

    for (;;) {
        int64_t wait_ms = hub_tick(world->hub);

        assert_true(wait_ms >= 0);
        if (world->monotonic_ms + wait_ms > end_ms)
            break;
        world->monotonic_ms += wait_ms;
        world->wall_ms += wait_ms;
    }
    world->wall_ms += end_ms - world->monotonic_ms;
    world->monotonic_ms = end_ms;
}

static inline void merge_series(json_t *have, json_t *news)
{
    static const char *const columns[] = {"orders", "gross", "refunded"};
    json_int_t start = json_integer_value(json_object_get(have, "start"));
    json_int_t from = json_integer_value(json_object_get(news, "start"));

    for (int c = 0; c < 3; c++) {
        json_t *column = json_object_get(have, columns[c]);
        json_t *value;
        size_t i;

        json_array_foreach(json_object_get(news, columns[c]), i, value)
        {
            json_int_t at = (from - start) / MINUTE_MS + (json_int_t)i;

            if (at < 0)
                continue;
            while ((json_int_t)json_array_size(column) <= at)
                json_array_append_new(column, json_integer(0));
            json_array_set(column, (size_t)at, value);
        }
    }
}

static inline void merge_ticker(json_t *have, json_t *news)
{
    json_int_t lost = json_integer_value(json_object_get(have, "lost"));

    lost += json_integer_value(json_object_get(news, "lost"));
    json_array_extend(json_object_get(have, "orders"), json_object_get(news, "orders"));
    json_object_set_new(have, "lost", json_integer(lost));
}

/* The ring of "ticker" or "ticker/session/…"; NULL: never sold. */
static inline const struct ticker_ring *world_ring(const struct world *world, const char *topic)
{
    const char *id = strrchr(topic, '/');
    uint32_t session;

    if (!id)
        return ticker_all(world->view.ticker);
    session = names_find(world->view.names, slice_of(id + 1));
    return session ? ticker_session(world->view.ticker, session) : NULL;
}

/* Remembers how many orders there had been before those of the snapshot. */
static inline void note_base(const struct client *client, const char *topic, json_t *payload)
{
    const struct ticker_ring *ring = world_ring(client->world, topic);
    json_int_t count = ring ? (json_int_t)ring->count : 0;

    count -= (json_int_t)json_array_size(json_object_get(payload, "orders"));
    json_object_set_new(payload, "base", json_integer(count));
}

static inline void client_merge(struct client *client, json_t *message, bool update)
{
    const char *name;
    json_t *payload;

    json_object_foreach(json_object_get(message, "topics"), name, payload)
    {
        json_t *have = json_object_get(client->topics, name);

        if (update && have && strncmp(name, "series", 6) == 0)
            merge_series(have, payload);
        else if (update && have && strncmp(name, "ticker", 6) == 0)
            merge_ticker(have, payload);
        else
            json_object_set_new(client->topics, name, json_deep_copy(payload));
        if (update)
            assert_true(have || client->partial);
        else if (strncmp(name, "ticker", 6) == 0)
            note_base(client, name, json_object_get(client->topics, name));
    }
}

static inline void client_note_errors(struct client *client, json_t *message)
{
    const char *name;
    json_t *value;
    size_t i;

    json_object_foreach(json_object_get(message, "topics"), name, value)
        json_object_del(client->denied, name);
    json_array_foreach(json_object_get(message, "errors"), i, value) json_object_set_new(
        client->denied, json_string_value(json_object_get(value, "topic")), json_true());
}

/* The rules that hold for every message of a connection. */
static inline void client_check_head(struct client *client, json_t *message)
{
    const char *epoch = json_string_value(json_object_get(message, "epoch"));
    json_int_t ver = json_integer_value(json_object_get(message, "ver"));

    assert_non_null(epoch);
    /* A frame may have been made for somebody else a little earlier, but after the last change. */
    assert_in_range(json_integer_value(json_object_get(message, "time")),
                    client->world->wall_ms - MINUTE_MS, client->world->wall_ms);
    if (strcmp(epoch, client->epoch) != 0) {
        json_object_clear(client->topics);
        memcpy(client->epoch, epoch, EPOCH_BYTES);
    }
    assert_true(ver >= client->ver);
    client->ver = ver;
    client->stale = json_is_true(json_object_get(message, "stale"));
}

static inline bool client_send(void *peer, struct frame *frame)
{
    struct client *client = peer;
    const char *type;
    json_error_t error;

    if (client->room == 0)
        return false;
    client->room--;
    json_decref(client->last);
    client->last = json_loadb((const char *)frame_text(frame), frame->size, 0, &error);
    if (!client->last)
        fail_msg("not JSON: %s\n%.*s", error.text, (int)frame->size, frame_text(frame));
    type = json_string_value(json_object_get(client->last, "type"));
    assert_non_null(type);
    if (strcmp(type, "snapshot") == 0) {
        client->snapshots++;
        client_check_head(client, client->last);
        client_merge(client, client->last, false);
        client_note_errors(client, client->last);
    } else if (strcmp(type, "update") == 0) {
        client->updates++;
        client_check_head(client, client->last);
        client_merge(client, client->last, true);
    } else if (strcmp(type, "heartbeat") == 0) {
        client->heartbeats++;
        assert_true(json_integer_value(json_object_get(client->last, "ver")) >= client->ver);
        client->ver = json_integer_value(json_object_get(client->last, "ver"));
    } else {
        assert_string_equal(type, "error");
        client->errors++;
    }
    return true;
}

static inline struct client *client_new(struct world *world)
{
    static const struct viewer_ops ops = {client_send};
    struct client *client = mem_zalloc(sizeof(*client));

    client->world = world;
    client->room = UINT32_MAX;
    client->topics = json_object();
    client->denied = json_object();
    client->viewer = hub_join(world->hub, &ops, client);
    return client;
}

static inline void client_free(struct client *client)
{
    hub_leave(client->viewer);
    json_decref(client->last);
    json_decref(client->topics);
    json_decref(client->denied);
    free(client);
}

static inline bool client_says(struct client *client, const char *text)
{
    return hub_receive(client->viewer, slice_of(text));
}

/* topics: JSON strings, comma separated. */
static inline void client_subscribe(struct client *client, const char *topics, int interval_ms)
{
    struct buffer text = BUFFER_INIT;

    buffer_printf(&text, "{\"type\":\"subscribe\",\"topics\":[%s]", topics);
    if (interval_ms)
        buffer_printf(&text, ",\"interval_ms\":%d", interval_ms);
    buffer_append_byte(&text, '}');
    assert_true(hub_receive(client->viewer, buffer_slice(&text)));
    buffer_done(&text);
}

static inline json_t *client_topic(struct client *client, const char *name)
{
    json_t *payload = json_object_get(client->topics, name);

    if (!payload)
        fail_msg("no topic %s", name);
    return payload;
}

/* A number somewhere in a scope's payload. */
static inline json_int_t client_total(struct client *client, const char *topic, const char *period,
                                      const char *metric)
{
    json_t *metrics = json_object_get(client_topic(client, topic), period);

    assert_non_null(json_object_get(metrics, metric));
    return json_integer_value(json_object_get(metrics, metric));
}

/* Tells the client's socket has room again. */
static inline void client_drain(struct client *client, uint32_t room)
{
    client->room = room;
    hub_drained(client->viewer);
}

#endif
