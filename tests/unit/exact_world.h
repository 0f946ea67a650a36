/*
 * A small world for exactness tests: several daemons' cores (judge, batch, board), each with its
 * own lane, over one store that a test supplies, against the slow model. After every commit all
 * boards must show what the model sums up.
 */
#ifndef LIVETALLY_TESTS_EXACT_WORLD_H
#define LIVETALLY_TESTS_EXACT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "livetally/batch.h"
#include "livetally/board.h"
#include "livetally/mem.h"
#include "sale_model.h"
#include "store/commit.h"

#define SEATS           3
#define POST_EVENTS_MAX 12
#define POSTS_MAX       3
#define ORDER_IDS       40                     /* orders that events are about at a time */
#define NEW_ORDERS_STEP 2                      /* how far that window moves in a step */
#define START_MS        INT64_C(1795275000000) /* 2026-11-21 23:30 at +08:00: midnight comes soon */
#define STEP_MS         INT64_C(60000)

struct seat {
    uint32_t lane;
    struct fence fence;
    struct names *names;
    struct board *board;
    struct judge judge;
    struct batch *batch;
    struct feed_reader reader;
    uint64_t cursors[LANE_COUNT];
    struct buffer entry;
    struct model_event events[POSTS_MAX * POST_EVENTS_MAX];
    uint32_t event_count;
};

struct world {
    struct seat seats[SEATS];
    struct model model;
    struct event_rules rules;
    int64_t now_ms;
    int first_order; /* of the window of ids */
    uint32_t differs, lookups, interleaved;
    const struct world_store *store;
    void *store_context;
};

struct world_store {
    enum commit_result (*commit)(struct world *world, struct seat *seat);
    void (*look_up)(struct world *world, struct seat *seat, const struct slice *ids,
                    uint32_t count);
    /* Appends the lane's entry of that version; false: there is none. */
    bool (*feed)(struct world *world, uint32_t lane, uint64_t version, struct buffer *out);
    /* Something may go wrong between judging and committing. True: judge again. */
    bool (*disturb)(struct world *world, struct seat *seat);
};

static const struct calendar world_calendar = {480};

/* --- groups: everything the model can fill is loaded from the start ----------------------- */

static inline void world_load(struct seat *seat, enum rollup rollup, enum period period,
                              uint32_t when, uint32_t first)
{
    struct group_key key = {(uint16_t)rollup, (uint16_t)period, when, first};
    struct group *group = board_open(seat->board, key);
    board_watch(seat->board, key);
    board_load_begin(seat->board, group);
    assert_true(board_load_finish(seat->board, group));
}

static inline uint32_t world_value(struct seat *seat, enum dimension dimension, int index)
{
    static const char *const names[] = {"", "host", "", "tea", "room", "shop"};
    char text[32];
    if (dimension == DIMENSION_COUNTY)
        return (uint32_t)model_counties[index % 3];
    snprintf(text, sizeof text, "%s-%d", names[dimension], index);
    return names_intern(seat->names, slice_of(text));
}

static const int world_sizes[DIMENSION_COUNT] = {1, 4, 3, MODEL_PRODUCTS, MODEL_SESSIONS, 2};

static inline void world_load_all(struct seat *seat)
{
    for (int rollup = 0; rollup < ROLLUP_COUNT; rollup++) {
        const struct rollup_row *row = &rollup_rows[rollup];
        for (int i = 0; i < world_sizes[row->first]; i++) {
            uint32_t first = row->first ? world_value(seat, row->first, i) : 0;
            world_load(seat, (enum rollup)rollup, PERIOD_ALL, 0, first);
            for (int64_t day = -4; row->periods >> PERIOD_DAY & 1 && day <= 2; day++)
                world_load(seat, (enum rollup)rollup, PERIOD_DAY,
                           calendar_day(&world_calendar, START_MS + day * DAY_MS), first);
        }
        for (int i = 0; row->periods >> PERIOD_MINUTE & 1 && i < world_sizes[row->second]; i++)
            for (int64_t hour = -70; hour <= 24; hour++)
                world_load(seat, (enum rollup)rollup, PERIOD_MINUTE,
                           calendar_hour(&world_calendar, START_MS + hour * HOUR_MS),
                           row->second ? world_value(seat, row->second, i) : 0);
    }
}

/* --- seats -------------------------------------------------------------------------------- */

static inline void seat_init(struct seat *seat, uint32_t lane)
{
    static const uint32_t max[DIMENSION_COUNT] = {0, 100, 100, 100, 100, 100};
    struct board_options options = {world_calendar, 100000, 1000 * HOUR_MS};
    *seat = (struct seat){.lane = lane};
    seat->names = names_new();
    seat->board = board_new(&options);
    seat->batch = batch_new(lane + 1);
    seat->judge = (struct judge){.ledger = ledger_new(0, lane + 1),
                                 .catalog = catalog_new(100),
                                 .names = seat->names,
                                 .census = census_new(max)};
    feed_reader_init(&seat->reader);
    world_load_all(seat);
}

static inline void seat_done(struct seat *seat)
{
    batch_free(seat->batch);
    board_free(seat->board);
    names_free(seat->names);
    ledger_free(seat->judge.ledger);
    catalog_free(seat->judge.catalog);
    census_free(seat->judge.census);
    feed_reader_done(&seat->reader);
    buffer_done(&seat->entry);
}

/* Applies what other lanes have committed, as far as it is. */
static inline void seat_follow(struct world *world, struct seat *seat)
{
    struct buffer bytes = BUFFER_INIT;
    for (uint32_t lane = 0; lane < SEATS; lane++)
        while (lane != seat->lane) {
            buffer_reset(&bytes);
            if (!world->store->feed(world, lane, seat->cursors[lane] + 1, &bytes))
                break;
            assert_int_equal(0,
                             feed_reader_decode(&seat->reader, seat->names, buffer_slice(&bytes)));
            const struct feed_entry *entry = &seat->reader.entry;
            for (uint32_t i = 0; i < entry->catalog_count; i++)
                assert_int_equal(0, catalog_put(seat->judge.catalog, entry->catalog[i].kind,
                                                entry->catalog[i].id, entry->catalog[i].json));
            board_apply(seat->board, lane, ++seat->cursors[lane], false, entry->facts,
                        entry->fact_count, world->now_ms);
        }
    buffer_done(&bytes);
}

/* --- posts -------------------------------------------------------------------------------- */

static inline void post_not_done(struct post *post)
{
    (void)post;
}

static inline void seat_add_post(struct world *world, struct seat *seat)
{
    struct post *post = mem_zalloc(sizeof *post);
    uint32_t count = 1 + model_random(&world->model, POST_EVENTS_MAX);
    message_init(&post->message);
    post->done = post_not_done;
    for (uint32_t i = 0; i < count; i++) {
        struct model_event *event = &seat->events[seat->event_count++];
        *event =
            model_random(&world->model, 50) == 0
                ? model_make_session((int)model_random(&world->model, MODEL_SESSIONS))
            : model_random(&world->model, 50) == 0
                ? model_make_product((int)model_random(&world->model, MODEL_PRODUCTS))
                : model_make_event(&world->model, world->first_order, ORDER_IDS, world->now_ms);
        model_write_event(&post->message.text, event);
    }
    message_parse(&post->message, &world->rules, world->now_ms);
    assert_int_equal(0, post->message.rejection_count);
    assert_int_equal(count, post->message.event_count);
    assert_true(batch_add(seat->batch, post));
}

static inline void check_post(struct world *world, const struct post *post,
                              const struct model_event *events)
{
    uint32_t counts[4] = {0}, rejected = 0;
    for (uint32_t i = 0; i < post->message.event_count; i++) {
        struct model_verdict expected = model_judge(&world->model, &events[i]);
        counts[expected.verdict]++;
        if (expected.verdict != VERDICT_REJECTED)
            continue;
        assert_true(rejected < post->message.rejection_count);
        assert_int_equal(post->message.rejections[rejected].index, i);
        assert_string_equal(rejection_code_name(post->message.rejections[rejected].code),
                            rejection_code_name(expected.code));
        rejected++;
    }
    assert_int_equal(counts[VERDICT_ACCEPTED], post->accepted);
    assert_int_equal(counts[VERDICT_DUPLICATE], post->duplicates);
    assert_int_equal(counts[VERDICT_PARKED], post->parked);
    assert_int_equal(rejected, post->message.rejection_count);
}

/* --- a commit ----------------------------------------------------------------------------- */

static inline void seat_judge(struct world *world, struct seat *seat)
{
    while (batch_judge(seat->batch, &seat->judge)) {
        uint32_t count;
        const struct slice *ids = batch_needs(seat->batch, &count);
        world->store->look_up(world, seat, ids, count);
        world->lookups++;
    }
    buffer_reset(&seat->entry);
    if (batch_changes(seat->batch))
        batch_feed_entry(seat->batch, seat->names, 7, &seat->entry);
}

static inline void seat_committed(struct world *world, struct seat *seat)
{
    uint32_t count;
    const struct fact *facts = batch_facts(seat->batch, &count);
    if (seat->entry.size) {
        seat->fence.version++;
        board_apply(seat->board, seat->lane, seat->fence.version, true, facts, count,
                    world->now_ms);
        metrics_add(&seat->judge.lane_total, batch_metrics(seat->batch));
        batch_commit_done(seat->batch, &seat->judge);
    }
    const struct model_event *events = seat->events;
    for (struct post *post = batch_take(seat->batch), *next; post; post = next) {
        next = post->next;
        check_post(world, post, events);
        events += post->message.event_count;
        message_done(&post->message);
        free(post);
    }
    seat->event_count = 0;
}

/* Everybody's view of all time and of days; minutes by sample, they are many. */
static inline void check_group(void *context, struct group *group)
{
    struct world *world = ((void **)context)[0];
    struct seat *seat = ((void **)context)[1];
    struct buffer key = BUFFER_INIT, field = BUFFER_INIT;
    if (group->key.period == PERIOD_MINUTE && model_random(&world->model, 8))
        return;
    group_key_write(&key, seat->names, group->key);
    assert_int_equal(GROUP_LOADED, group->state);
    for (uint32_t i = 0; i < group->cell_count; i++) {
        buffer_reset(&field);
        cell_field_write(&field, seat->names, group->key, group->cells[i].key);
        struct metrics expected = model_cell(&world->model, buffer_cstr(&key), buffer_cstr(&field));
        if (memcmp(&expected, &group->sums[i], sizeof expected) != 0)
            fail_msg("lane %u: %s %s differs", seat->lane, buffer_cstr(&key), buffer_cstr(&field));
    }
    buffer_done(&key);
    buffer_done(&field);
}

/* No cell may be missing: the sum over a rollup's cells is the total, for those all orders have. */
static inline void check_complete(struct world *world, struct seat *seat)
{
    static const enum rollup whole[] = {ROLLUP_TOTAL, ROLLUP_HOST, ROLLUP_COUNTY, ROLLUP_PRODUCT};
    struct metrics total = model_cell(&world->model, "all:total", "total");
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        struct metrics sum = {{0}};
        const struct group *group = board_find(
            seat->board, (struct group_key){.rollup = (uint16_t)whole[i], .period = PERIOD_ALL});
        for (uint32_t c = 0; c < group->cell_count; c++)
            metrics_add(&sum, &group->sums[c]);
        assert_memory_equal(&sum, &total, sizeof sum);
    }
}

static inline void world_check(struct world *world)
{
    for (int i = 0; i < SEATS; i++) {
        void *context[] = {world, &world->seats[i]};
        seat_follow(world, &world->seats[i]);
        board_each(world->seats[i].board, check_group, context);
        check_complete(world, &world->seats[i]);
    }
}

static inline void seat_commit(struct world *world, struct seat *seat)
{
    for (;;) {
        seat_judge(world, seat);
        if (world->store->disturb && world->store->disturb(world, seat))
            continue;
        enum commit_result result = world->store->commit(world, seat);
        if (result == COMMIT_DONE)
            break;
        assert_int_equal(COMMIT_DIFFERS, result);
        world->differs++;
    }
    seat_committed(world, seat);
}

/* One batch of a random seat. In half of the steps another seat commits between its judging and its
 * committing, with the same few order ids, so that assumptions fail. */
static inline void world_step(struct world *world)
{
    struct model *model = &world->model;
    struct seat *seat = &world->seats[model_random(model, SEATS)];
    struct seat *other = &world->seats[(seat->lane + 1 + model_random(model, SEATS - 1)) % SEATS];
    uint32_t posts = 1 + model_random(model, POSTS_MAX);
    world->first_order += NEW_ORDERS_STEP;
    world->now_ms += (int64_t)model_random(model, (uint32_t)STEP_MS);
    for (uint32_t i = 0; i < posts; i++)
        seat_add_post(world, seat);
    bool interleave = model_random(model, 2);
    if (interleave) {
        seat_judge(world, seat);
        seat_add_post(world, other);
        seat_commit(world, other);
        world->interleaved++;
        if (model_random(model, 4) == 0)
            seat_follow(world, seat);
    }
    enum commit_result result = interleave ? world->store->commit(world, seat) : COMMIT_DIFFERS;
    if (result == COMMIT_DONE) {
        seat_committed(world, seat);
    } else {
        assert_int_equal(COMMIT_DIFFERS, result);
        world->differs += interleave;
        seat_commit(world, seat);
    }
    world_check(world);
}

static inline struct world *world_new(uint64_t seed, const struct world_store *store, void *context)
{
    struct world *world = mem_zalloc(sizeof *world);
    model_init(&world->model, seed);
    world->store = store;
    world->store_context = context;
    world->now_ms = START_MS;
    world->rules = (struct event_rules){NULL, "CNY", 5 * MINUTE_MS, 30 * DAY_MS, 0};
    for (uint32_t i = 0; i < SEATS; i++)
        seat_init(&world->seats[i], i);
    return world;
}

static inline void world_free(struct world *world)
{
    for (int i = 0; i < SEATS; i++)
        seat_done(&world->seats[i]);
    free(world);
}

#endif
