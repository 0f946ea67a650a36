/*
 * Exactness, without Redis: random orders, retries, conflicts and refunds before and after, on
 * several lanes at once and across midnight, through the real decoder, judge, batch, feed and
 * board, over a store that does in C what lua/commit.lua does. Every total is compared with the
 * model's after every step.
 */
#include "exact_world.h"
#include "seeds.h"

#define LEDGER_MAX 512
#define FEED_MAX   8192
#define STEPS      120

struct stored {
    char id[32];
    char bytes[4096];
    size_t size; /* 0: nothing */
};

struct memory_store {
    struct stored records[LEDGER_MAX];
    struct stored catalog[CATALOG_KIND_COUNT][16];
    struct buffer feeds[SEATS][FEED_MAX];
    uint64_t versions[SEATS];
};

static struct stored *find_in(struct stored *list, size_t count, struct slice id)
{
    for (size_t i = 0; i < count; i++) {
        if (!list[i].id[0])
            snprintf(list[i].id, sizeof list[i].id, "%.*s", SLICE_ARG(id));
        if (slice_equal(slice_of(list[i].id), id))
            return &list[i];
    }
    fail_msg("the store is full");
    return NULL;
}

static struct slice stored_slice(const struct stored *stored)
{
    return (struct slice){stored->size ? stored->bytes : NULL, stored->size};
}

static bool as_assumed(const struct stored *stored, struct slice assumed)
{
    return stored->size == assumed.size &&
           memcmp(stored->bytes, assumed.data ? assumed.data : "", assumed.size) == 0;
}

static void set(struct stored *stored, struct slice bytes)
{
    assert_true(bytes.size > 0 && bytes.size <= sizeof stored->bytes);
    memcpy(stored->bytes, bytes.data, bytes.size);
    stored->size = bytes.size;
}

static struct slice assumed_bytes(const struct touch *touch)
{
    return touch->assumed_place == PLACE_NOWHERE ? (struct slice){NULL, 0} : touch->assumed;
}

static bool learn_differences(struct memory_store *store, struct seat *seat)
{
    uint32_t count, catalog_count;
    const struct touch *touches = batch_touches(seat->batch, &count);
    const struct catalog_touch *catalog = batch_catalog(seat->batch, &catalog_count);
    bool differs = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct stored *stored = find_in(store->records, LEDGER_MAX, touches[i].id);
        if (as_assumed(stored, assumed_bytes(&touches[i])))
            continue;
        ledger_learn(seat->judge.ledger, touches[i].id,
                     stored->size ? PLACE_CURRENT : PLACE_NOWHERE, stored_slice(stored));
        differs = true;
    }
    for (uint32_t i = 0; i < catalog_count; i++) {
        struct stored *stored = find_in(store->catalog[catalog[i].kind], 16, catalog[i].id);
        if (as_assumed(stored, catalog[i].assumed))
            continue;
        assert_int_equal(0, catalog_put(seat->judge.catalog, catalog[i].kind, catalog[i].id,
                                        stored_slice(stored)));
        differs = true;
    }
    return differs;
}

static enum commit_result memory_commit(struct world *world, struct seat *seat)
{
    struct memory_store *store = world->store_context;
    uint32_t count, catalog_count;
    if (learn_differences(store, seat))
        return COMMIT_DIFFERS;
    if (!seat->entry.size)
        return COMMIT_DONE;
    const struct touch *touches = batch_touches(seat->batch, &count);
    const struct catalog_touch *catalog = batch_catalog(seat->batch, &catalog_count);
    for (uint32_t i = 0; i < count; i++)
        if (touches[i].changed)
            set(find_in(store->records, LEDGER_MAX, touches[i].id), touches[i].next);
    for (uint32_t i = 0; i < catalog_count; i++)
        if (catalog[i].changed)
            set(find_in(store->catalog[catalog[i].kind], 16, catalog[i].id), catalog[i].next);
    uint64_t version = ++store->versions[seat->lane];
    assert_true(version < FEED_MAX);
    buffer_append_slice(&store->feeds[seat->lane][version], buffer_slice(&seat->entry));
    return COMMIT_DONE;
}

static void memory_look_up(struct world *world, struct seat *seat, const struct slice *ids,
                           uint32_t count)
{
    struct memory_store *store = world->store_context;
    for (uint32_t i = 0; i < count; i++) {
        const struct stored *stored = find_in(store->records, LEDGER_MAX, ids[i]);
        ledger_learn(seat->judge.ledger, ids[i], stored->size ? PLACE_CURRENT : PLACE_NOWHERE,
                     stored_slice(stored));
    }
}

static bool memory_feed(struct world *world, uint32_t lane, uint64_t version, struct buffer *out)
{
    struct memory_store *store = world->store_context;
    if (version > store->versions[lane])
        return false;
    buffer_append_slice(out, buffer_slice(&store->feeds[lane][version]));
    return true;
}

static const struct world_store memory_store_ops = {memory_commit, memory_look_up, memory_feed,
                                                    NULL};

static void test_every_total_is_exact(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(), end = seed + 3; seed < end; seed++) {
        print_message("seed %" PRIu64 "\n", seed);
        struct memory_store *store = mem_zalloc(sizeof *store);
        struct world *world = world_new(seed, &memory_store_ops, store);
        for (int step = 0; step < STEPS; step++)
            world_step(world);
        print_message("  differed %u of %u interleaved, %u look-ups, %d orders\n", world->differs,
                      world->interleaved, world->lookups, world->model.order_count);
        assert_true(world->differs > STEPS / 10);
        assert_true(world->lookups > STEPS / 10);
        world_free(world);
        for (int lane = 0; lane < SEATS; lane++)
            for (int i = 0; i < FEED_MAX; i++)
                buffer_done(&store->feeds[lane][i]);
        free(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_total_is_exact)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
