/*
 * Exactness, with the real scripts in a real Redis: several judges interleaved at random with
 * differences forced, lanes claimed by somebody else between judging and committing, answers lost,
 * and commits that reach Redis only after their lane was claimed anew. At random the judges know
 * all ids that stand in the ledger, as of a moment before, and look for no others. Whatever
 * happens, every total equals the model's after every step.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exact_world.h"
#include "livetally/order_field.h"
#include "lua_scripts.h"
#include "store/resp.h"

#define STEPS    120
#define LEASE_MS "60000"

/* What a seat knows of the ids in the ledger: what has to hold for it. */
struct knowing {
    uint64_t records, previous_records;
};

struct redis_store {
    char folder[64];
    pid_t pid;
    redisContext *redis;
    struct keys keys;
    char commit_sha[41];
    uint64_t claims;
    uint32_t bulk_from, bulks; /* bulks: commits that went with a HSET apart */
    uint32_t stolen, late, lost;
    uint32_t grown;
    uint64_t looked_for, spared;
    struct knowing knowing[SEATS];
    struct buffer command;
};

/* --- a redis-server of our own ------------------------------------------------------------ */

static int start_redis(void **state)
{
    struct redis_store *store = mem_zalloc(sizeof *store);
    char socket[96];
    snprintf(store->folder, sizeof store->folder, "/tmp/livetally-exact-XXXXXX");
    assert_non_null(mkdtemp(store->folder));
    snprintf(socket, sizeof socket, "%s/redis.sock", store->folder);
    store->pid = fork();
    assert_true(store->pid >= 0);
    if (store->pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket, "--dir",
               store->folder, "--save", "", "--appendonly", "no", (char *)NULL);
        _exit(127);
    }
    for (int tries = 0; tries < 1000 && !store->redis; tries++) {
        redisContext *redis = redisConnectUnix(socket);
        if (redis && !redis->err)
            store->redis = redis;
        else
            redisFree(redis);
        if (!store->redis)
            usleep(10000); /* until the socket is there */
    }
    assert_non_null(store->redis);
    keys_init(&store->keys, "test:");
    *state = store;
    return 0;
}

static int stop_redis(void **state)
{
    struct redis_store *store = *state;
    char socket[96];
    redisFree(store->redis);
    kill(store->pid, SIGTERM);
    waitpid(store->pid, NULL, 0);
    snprintf(socket, sizeof socket, "%s/redis.sock", store->folder);
    unlink(socket);
    rmdir(store->folder);
    buffer_done(&store->command);
    free(store);
    return 0;
}

static redisReply *answer(struct redis_store *store)
{
    redisReply *reply = NULL;
    assert_int_equal(REDIS_OK, redisGetReply(store->redis, (void **)&reply));
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("redis: %s", reply->str);
    return reply;
}

static redisReply *call(struct redis_store *store, const struct buffer *command)
{
    redisAppendFormattedCommand(store->redis, command->data, command->size);
    return answer(store);
}

/* --- claiming ----------------------------------------------------------------------------- */

/* Claims a lane as `instance`; returns its number and fills the fence. */
static void claim(struct redis_store *store, const char *instance, struct fence *fence)
{
    struct buffer *command = &store->command;
    char key[KEY_MAX_BYTES], token[24];
    snprintf(token, sizeof token, "%" PRIu64, ++store->claims);
    buffer_reset(command);
    resp_start(command, 3 + 2 + 2 * LANE_COUNT + 7 + 2);
    resp_text(command, "EVAL");
    resp_text(command, lua_claim);
    resp_uint(command, 2 + 2 * LANE_COUNT);
    key_meta(&store->keys, key);
    resp_text(command, key);
    key_generation(&store->keys, key);
    resp_text(command, key);
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        key_lane(&store->keys, lane, "owner", key);
        resp_text(command, key);
        key_lane(&store->keys, lane, "ver", key);
        resp_text(command, key);
    }
    const char *const arguments[] = {instance, token,    LEASE_MS, "0123456789abcdef", "7", "",
                                     "",       "schema", "3"};
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
        resp_text(command, arguments[i]);
    redisReply *reply = call(store, command);
    assert_true(reply_is_array(reply, 7) && reply_is_text(reply->element[0], "claimed"));
    fence->lane = (uint32_t)reply->element[1]->integer;
    assert_true(reply_uint(reply->element[2], &fence->version));
    assert_true(reply_generations(reply->element[3], &fence->generations));
    snprintf(fence->owner, sizeof fence->owner, "%s:%s", instance, token);
    snprintf(fence->epoch, sizeof fence->epoch, "%s", reply->element[4]->str);
    freeReplyObject(reply);
}

/* --- what stands in the ledger ------------------------------------------------------------ */

static void forget_ids(struct known_ids *ids)
{
    id_filter_free(ids->filter);
    *ids = (struct known_ids){NULL, false};
}

static void learn_ids(struct redis_store *store, struct seat *seat, uint64_t generation,
                      struct known_ids *ids, uint64_t *ret_records)
{
    char key[KEY_MAX_BYTES];
    forget_ids(ids);
    key_orders(&store->keys, generation, key);
    redisReply *reply = redisCommand(store->redis, "HKEYS %s", key);
    ids->filter = id_filter_new(reply->elements, 1000000);
    ids->complete = true;
    *ret_records = reply->elements;
    for (size_t i = 0; i < reply->elements; i++) {
        char room[ORDER_FIELD_DIGITS_MAX];
        struct slice id = reply_slice(reply->element[i]);
        if (generation_is_packed(&seat->fence.generations, generation))
            assert_int_equal(0, order_field_read(id, room, &id));
        (void)id_filter_add(ids->filter, ledger_hash(seat->judge.ledger, id));
    }
    freeReplyObject(reply);
}

static void learn_all_ids(struct redis_store *store, struct seat *seat)
{
    struct knowing *knowing = &store->knowing[seat->lane];
    learn_ids(store, seat, seat->fence.generations.current, &seat->judge.current,
              &knowing->records);
    learn_ids(store, seat, seat->fence.generations.current - 1, &seat->judge.previous,
              &knowing->previous_records);
}

static struct standing standing_of(const struct redis_store *store, const struct seat *seat,
                                   const struct looks *looks)
{
    const struct knowing *knowing = &store->knowing[seat->lane];
    return (struct standing){looks->current_spared > 0, looks->previous_spared > 0,
                             knowing->records, knowing->previous_records};
}

static void claim_seat(struct redis_store *store, struct seat *seat)
{
    forget_ids(&seat->judge.current); /* as with every connection */
    forget_ids(&seat->judge.previous);
    char instance[16];
    snprintf(instance, sizeof instance, "seat%u", seat->lane);
    claim(store, instance, &seat->fence);
    assert_int_equal(seat->lane, seat->fence.lane);
}

/* Ends the lease, so that the next to claim gets this lane: the lowest that is free. */
static void end_lease(struct redis_store *store, uint32_t lane)
{
    char key[KEY_MAX_BYTES];
    key_lane(&store->keys, lane, "owner", key);
    freeReplyObject(redisCommand(store->redis, "DEL %s", key));
}

/* --- the store ---------------------------------------------------------------------------- */

static struct looks encode(struct redis_store *store, struct seat *seat, struct buffer *out,
                           struct commit_commands *commands)
{
    struct looks looks = batch_plan_looks(seat->batch, &seat->judge);
    commit_encode(out,
                  &(struct commit_call){&store->keys, store->commit_sha, &seat->fence,
                                        buffer_slice(&seat->entry), store->bulk_from,
                                        standing_of(store, seat, &looks)},
                  seat->batch, commands);
    store->bulks += commands->count > 1;
    store->looked_for += looks.current + looks.previous;
    store->spared += looks.current_spared + looks.previous_spared;
    return looks;
}

/* The answer to a commit: that to its last command. */
static redisReply *call_commit(struct redis_store *store, const struct buffer *out,
                               const struct commit_commands *commands)
{
    redisReply *reply = call(store, out);
    for (uint32_t i = 1; i < commands->count; i++) {
        freeReplyObject(reply);
        reply = answer(store);
    }
    return reply;
}

/* What it learns by it counts from the next batch on. */
static enum commit_result redis_commit(struct world *world, struct seat *seat)
{
    struct redis_store *store = world->store_context;
    struct commit_commands commands;
    buffer_reset(&store->command);
    struct looks looks = encode(store, seat, &store->command, &commands);
    redisReply *reply = call_commit(store, &store->command, &commands);
    enum commit_result result = commit_answer(reply, &commands, &seat->judge);
    freeReplyObject(reply);
    assert_int_not_equal(COMMIT_GROWN_PREVIOUS, result); /* nothing ever comes to it */
    if (result == COMMIT_GROWN_CURRENT) {
        assert_true(looks.current_spared > 0);
        store->grown++;
        forget_ids(&seat->judge.current);
        return COMMIT_DIFFERS;
    }
    if (result == COMMIT_DONE && seat->entry.size)
        store->knowing[seat->lane].records += looks.born;
    return result;
}

static void redis_look_up(struct world *world, struct seat *seat, const struct slice *ids,
                          uint32_t count)
{
    struct redis_store *store = world->store_context;
    for (int place = PLACE_CURRENT; place <= PLACE_PREVIOUS; place++) {
        buffer_reset(&store->command);
        lookup_encode(&store->command, &store->keys, &seat->fence.generations,
                      (enum record_place)place, ids, count);
        redisReply *reply = call(store, &store->command);
        assert_true(lookup_answer(reply, (enum record_place)place, ids, count, &seat->judge));
        freeReplyObject(reply);
    }
}

static bool redis_feed(struct world *world, uint32_t lane, uint64_t version, struct buffer *out)
{
    struct redis_store *store = world->store_context;
    char key[KEY_MAX_BYTES];
    key_lane(&store->keys, lane, "feed", key);
    redisReply *reply = redisCommand(store->redis, "XRANGE %s %llu-0 %llu-0", key,
                                     (unsigned long long)version, (unsigned long long)version);
    bool found = reply_is_array(reply, 1);
    if (found)
        buffer_append_slice(out, reply_slice(reply->element[0]->element[1]->element[1]));
    freeReplyObject(reply);
    return found;
}

/* Another daemon gets the lane between judging and committing: the commit must be refused. */
static void steal(struct world *world, struct seat *seat)
{
    struct redis_store *store = world->store_context;
    struct fence thief;
    end_lease(store, seat->lane);
    claim(store, "thief", &thief);
    assert_int_equal(seat->lane, thief.lane);
    assert_int_equal(COMMIT_FENCED, redis_commit(world, seat));
    end_lease(store, seat->lane);
    claim_seat(store, seat);
    store->stolen++;
}

/* The commit is still on its way while the daemon reconnects and claims: it must come to nothing.
 */
static void deliver_late(struct world *world, struct seat *seat)
{
    struct redis_store *store = world->store_context;
    struct buffer old = BUFFER_INIT;
    uint64_t version = seat->fence.version;
    struct commit_commands commands;
    (void)encode(store, seat, &old, &commands);
    claim_seat(store, seat);
    assert_int_equal(version, seat->fence.version);
    redisReply *reply = call_commit(store, &old, &commands);
    assert_int_equal(COMMIT_FENCED, commit_answer(reply, &commands, &seat->judge));
    freeReplyObject(reply);
    buffer_done(&old);
    store->late++;
}

/* Redis did the commit, but its answer never came. Judged again, all of it is known: what was
 * accepted is a duplicate now, so the outcome is told from the feed, as the daemon does. True: the
 * batch is done. */
static bool lose_answer(struct world *world, struct seat *seat)
{
    struct redis_store *store = world->store_context;
    uint64_t version = seat->fence.version;
    struct buffer newest = BUFFER_INIT;
    bool was_done = redis_commit(world, seat) == COMMIT_DONE && seat->entry.size;
    claim_seat(store, seat);
    assert_int_equal(version + was_done, seat->fence.version);
    if (was_done) {
        assert_true(redis_feed(world, seat->lane, version + 1, &newest));
        assert_true(slice_equal(buffer_slice(&newest), buffer_slice(&seat->entry)));
        seat->fence.version = version;
    }
    buffer_done(&newest);
    store->lost++;
    return was_done;
}

static bool disturb(struct world *world, struct seat *seat)
{
    switch (model_random(&world->model, 8)) {
    case 0:
        steal(world, seat);
        return true;
    case 1:
        deliver_late(world, seat);
        return true;
    case 2:
    case 3:
    case 4:
        learn_all_ids(world->store_context, seat);
        return true;
    default:
        return false;
    }
}

static enum commit_result commit_or_lose(struct world *world, struct seat *seat)
{
    if (model_random(&world->model, 8) == 0)
        return lose_answer(world, seat) ? COMMIT_DONE : COMMIT_DIFFERS;
    return redis_commit(world, seat);
}

/* The ledger's generations before and after it moves on, by who made the data set; and how commits
 * write to it. Each with random events of its own. */
static const struct passage {
    const char *name;
    const char *before;
    const char *after;
    uint32_t bulk_from; /* 0: all in the script; else by HSET, from so many records on */
} passages[] = {
    {"packed from its birth, small commits by the script", "7:7", "8:7", 2},
    {"not packed yet, all by the script", "7", "8", 0},
    {"packed from the next generation on, all by the script", "7", "8:8", 0},
    {"packed from the next generation on, all by HSET", "7", "8:8", 1},
};

static void set_generation(struct redis_store *store, const char *text)
{
    char key[KEY_MAX_BYTES];
    key_generation(&store->keys, key);
    freeReplyObject(redisCommand(store->redis, "SET %s %s", key, text));
}

/* The ledger begins its next generation: all there was is in the previous one now, and the seats
 * know nothing of it, but for one that knew all of what ended. */
static void move_generation(struct redis_store *store, struct world *world, const char *text)
{
    learn_all_ids(store, &world->seats[0]);
    set_generation(store, text);
    for (int i = 0; i < SEATS; i++) {
        struct seat *seat = &world->seats[i];
        struct known_ids ended = seat->judge.current;
        seat->judge.current = (struct known_ids){NULL, false};
        ledger_clear(seat->judge.ledger);
        claim_seat(store, seat);
        if (i > 0) {
            forget_ids(&ended);
            continue;
        }
        seat->judge.previous = ended;
        store->knowing[i].previous_records = store->knowing[i].records;
    }
}

static long long record_count(struct redis_store *store, uint64_t generation)
{
    char key[KEY_MAX_BYTES];
    key_orders(&store->keys, generation, key);
    redisReply *reply = redisCommand(store->redis, "HLEN %s", key);
    long long count = reply->integer;
    freeReplyObject(reply);
    return count;
}

/* Every field is spelled as its generation spells, and there are ids of both kinds. */
static void assert_spelling(struct redis_store *store, const struct generations *generations,
                            uint64_t generation)
{
    char key[KEY_MAX_BYTES], room[ORDER_FIELD_DIGITS_MAX];
    bool packed = generation_is_packed(generations, generation);
    uint32_t numbers = 0, others = 0;
    key_orders(&store->keys, generation, key);
    redisReply *reply = redisCommand(store->redis, "HKEYS %s", key);
    for (size_t i = 0; i < reply->elements; i++) {
        struct slice field = reply_slice(reply->element[i]), id = field;
        uint64_t number;
        if (packed)
            assert_int_equal(0, order_field_read(field, room, &id));
        assert_true(id_ok(id));
        if (order_field_number(id, &number))
            numbers++;
        else
            others++;
    }
    freeReplyObject(reply);
    assert_true(numbers > 10 && others > 5);
}

static const struct world_store redis_store_ops = {commit_or_lose, redis_look_up, redis_feed,
                                                   disturb};

static void test_every_total_is_exact(void **state)
{
    struct redis_store *store = *state;
    for (size_t p = 0; p < sizeof passages / sizeof *passages; p++) {
        const struct passage *passage = &passages[p];
        uint64_t seed = 11 + p;
        freeReplyObject(redisCommand(store->redis, "FLUSHALL"));
        set_generation(store, passage->before);
        redisReply *reply = redisCommand(store->redis, "SCRIPT LOAD %s", lua_commit);
        snprintf(store->commit_sha, sizeof store->commit_sha, "%s", reply->str);
        freeReplyObject(reply);
        store->stolen = store->late = store->lost = store->bulks = store->grown = 0;
        store->looked_for = store->spared = 0;
        store->bulk_from = passage->bulk_from;
        struct world *world = world_new(seed, &redis_store_ops, store);
        for (int i = 0; i < SEATS; i++)
            claim_seat(store, &world->seats[i]);
        for (int step = 0; step < STEPS / 2; step++)
            world_step(world);
        uint64_t generation = world->seats[0].fence.generations.current;
        assert_spelling(store, &world->seats[0].fence.generations, generation);
        long long closed = record_count(store, generation);
        move_generation(store, world, passage->after);
        for (int step = 0; step < STEPS / 2; step++)
            world_step(world);
        assert_int_equal(generation + 1, world->seats[0].fence.generations.current);
        for (uint64_t g = generation; g <= generation + 1; g++)
            assert_spelling(store, &world->seats[0].fence.generations, g);
        assert_true(record_count(store, generation) < closed); /* stubs left, nothing came */
        print_message("seed %" PRIu64
                      ", %s: %d orders, differed %u of %u interleaved, %u look-ups, "
                      "%u lanes stolen, %u commits late, %u answers lost, %u bulks, %" PRIu64
                      " looks, %" PRIu64 " spared, %u refused because others had committed\n",
                      seed, passage->name, world->model.order_count, world->differs,
                      world->interleaved, world->lookups, store->stolen, store->late, store->lost,
                      store->bulks, store->looked_for, store->spared, store->grown);
        assert_true(world->differs > STEPS / 3);
        assert_true(store->stolen > 5 && store->late > 5 && store->lost > 5);
        assert_true(store->spared > 100 && store->grown > 5);
        assert_int_equal(store->bulk_from > 0, store->bulks > STEPS);
        for (int i = 0; i < SEATS; i++) {
            forget_ids(&world->seats[i].judge.current);
            forget_ids(&world->seats[i].judge.previous);
        }
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_total_is_exact)};
    return cmocka_run_group_tests(tests, start_redis, stop_redis);
}
