/*
 * What a commit costs: the real judging, commit script, board and checkpoint script, driven over
 * one blocking connection to a redis-server of its own. Prints CPU-µs per order of Redis and of
 * this process, and bytes kept per order. Nothing is asserted: benchmarks report.
 *
 *   bench_commit SOCKET [orders] [batch] [zipf|uniform] [id bytes] [orders per checkpoint]
 *
 * New orders are known to be new, as they are to a daemon that has a data set to itself. With
 * BENCH_LOOK_UP set they are looked for in Redis, as beside other daemons. With BENCH_BARE set, the
 * same records go by bare HMGET and HSET in place of the script: the floor. BENCH_BULK_FROM says
 * from how many records on they are written natively (bulk.h).
 */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_common.h"
#include "livetally/batch.h"
#include "livetally/board.h"
#include "livetally/mem.h"
#include "lua_scripts.h"
#include "store/commit.h"
#include "store/packed.h"
#include "store/resp.h"

#define PRODUCTS_ZIPF     20000
#define PRODUCTS_UNIFORM  1000000
#define HOSTS             1000
#define SESSIONS          1000
#define CHECKPOINT_ORDERS 100000 /* about a second of a busy daemon */
#define CHUNK             500
#define TAKEN             65536
#define NOW_MS            INT64_C(1790000000000)

struct bench {
    redisContext *redis;
    struct keys keys;
    struct fence fence;
    char commit_sha[41], checkpoint_sha[41];
    uint64_t concluded; /* by the last checkpoint */
    struct names *names;
    struct board *board;
    struct judge judge;
    struct batch *batch;
    struct buffer command, entry, text;
    struct commit_commands commands;
    uint32_t bulk_from;
    uint64_t records;
    uint64_t random;
    double *zipf; /* cumulative */
    bool uniform, bare;
    uint64_t orders, cells, entry_bytes, record_bytes;
    double judge_us, apply_us;
};

static uint32_t pick_product(struct bench *bench)
{
    if (bench->uniform)
        return (uint32_t)(bench_next_random(&bench->random) % PRODUCTS_UNIFORM);
    double at = (double)(bench_next_random(&bench->random) >> 11) / 9007199254740992.0;
    uint32_t low = 0, high = PRODUCTS_ZIPF - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (bench->zipf[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static redisReply *answer(struct bench *bench)
{
    redisReply *reply = NULL;
    if (redisGetReply(bench->redis, (void **)&reply) != REDIS_OK || !reply ||
        reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "redis: %s\n", reply ? reply->str : bench->redis->errstr);
        exit(1);
    }
    return reply;
}

/* The (first) answer to the command(s). */
static redisReply *call(struct bench *bench, const struct buffer *command)
{
    if (redisAppendFormattedCommand(bench->redis, command->data, command->size) != REDIS_OK) {
        fprintf(stderr, "redis: %s\n", bench->redis->errstr);
        exit(1);
    }
    return answer(bench);
}

/* prefix, then the number with at least `digits` digits. */
static struct slice text_of(struct post *post, const char *prefix, int digits, uint64_t value)
{
    struct buffer *text = &post->message.text;
    size_t start = text->size;
    buffer_printf(text, "%s%0*" PRIu64, prefix, digits, value);
    return (struct slice){text->data + start, text->size - start};
}

static struct post *make_post(struct bench *bench, uint32_t count, int id_bytes)
{
    struct post *post = mem_zalloc(sizeof *post);
    message_init(&post->message);
    buffer_reserve(&post->message.text, (size_t)count * 256);
    post->message.events = mem_zalloc(count * sizeof *post->message.events);
    post->message.event_capacity = post->message.event_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct event *event = &post->message.events[i];
        uint32_t product = pick_product(bench), host = product % HOSTS;
        *event = (struct event){.type = EVENT_ORDER, .index = i};
        event->order_id = text_of(post, id_bytes > 11 ? "69170000" : "", 11, ++bench->orders);
        event->host_id = text_of(post, "host-", 1, host);
        event->session_id = text_of(post, "room-", 1, host % SESSIONS);
        event->product_id = text_of(post, "tea-", 1, product);
        event->platform = SLICE("douyin");
        event->county = 422800 + 1 + product % 28;
        event->stated = EVENT_HAS_COUNTY | EVENT_HAS_QUANTITY | EVENT_HAS_AMOUNT;
        event->quantity = 1 + product % 3;
        event->amount = 1000 + (int64_t)(bench_next_random(&bench->random) % 20000);
        event->time_ms = NOW_MS + (int64_t)(bench->orders / 100);
    }
    return post;
}

/* The records of the batch, looked for and written as a plain client would. */
static void write_bare(struct bench *bench)
{
    char key[KEY_MAX_BYTES];
    uint32_t count;
    const struct touch *touches = batch_touches(bench->batch, &count);
    key_orders(&bench->keys, bench->fence.generations.current, key);
    buffer_reset(&bench->command);
    resp_start(&bench->command, 2 + (size_t)count);
    resp_text(&bench->command, "HMGET");
    resp_text(&bench->command, key);
    for (uint32_t i = 0; i < count; i++)
        resp_slice(&bench->command, touches[i].field);
    freeReplyObject(call(bench, &bench->command));
    buffer_reset(&bench->command);
    resp_start(&bench->command, 2 + 2 * (size_t)count);
    resp_text(&bench->command, "HSET");
    resp_text(&bench->command, key);
    for (uint32_t i = 0; i < count; i++) {
        resp_slice(&bench->command, touches[i].field);
        resp_slice(&bench->command, touches[i].next);
    }
    freeReplyObject(call(bench, &bench->command));
}

static void run_commit(struct bench *bench)
{
    redisReply *reply = call(bench, &bench->command);
    for (uint32_t i = 1; i < bench->commands.count; i++) {
        freeReplyObject(reply);
        reply = answer(bench);
    }
    if (commit_answer(reply, &bench->commands, &bench->judge) != COMMIT_DONE) {
        fprintf(stderr, "commit refused\n");
        exit(1);
    }
    freeReplyObject(reply);
}

static void commit(struct bench *bench)
{
    uint32_t facts, touches;
    double start = bench_own_cpu_us();
    batch_judge(bench->batch, &bench->judge);
    buffer_reset(&bench->entry);
    batch_feed_entry(bench->batch, bench->names, 1, &bench->entry);
    bench->entry_bytes += bench->entry.size;
    struct looks looks = batch_plan_looks(bench->batch, &bench->judge);
    buffer_reset(&bench->command);
    commit_encode(&bench->command,
                  &(struct commit_call){
                      &bench->keys,
                      bench->commit_sha,
                      &bench->fence,
                      buffer_slice(&bench->entry),
                      bench->bulk_from,
                      {looks.current_spared > 0, looks.previous_spared > 0, bench->records, 0}},
                  bench->batch, &bench->commands);
    bench->records += looks.born;
    bench->judge_us += bench_own_cpu_us() - start;
    if (bench->bare)
        write_bare(bench);
    else
        run_commit(bench);
    const struct touch *touch = batch_touches(bench->batch, &touches);
    for (uint32_t i = 0; i < touches; i++)
        bench->record_bytes += touch[i].next.size;
    start = bench_own_cpu_us();
    const struct fact *fact = batch_facts(bench->batch, &facts);
    bench->fence.version++;
    board_apply(bench->board, 0, bench->fence.version, true, fact, facts, NOW_MS);
    batch_commit_done(bench->batch, &bench->judge);
    bench->apply_us += bench_own_cpu_us() - start;
    struct post *post = batch_take(bench->batch);
    message_done(&post->message);
    free(post);
}

static void get_bases(struct bench *bench, struct cell_ref *refs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct metrics zero = {{0}};
        if (!(cell_of(refs[i])->flags & CELL_BASE))
            board_set_base(bench->board, refs[i], &zero);
    }
}

static void checkpoint_chunk(struct bench *bench, struct cell_ref *refs, uint32_t count)
{
    uint32_t runs = 0;
    char key[KEY_MAX_BYTES];
    for (uint32_t i = 0; i < count; i++)
        runs += i == 0 || refs[i].group != refs[i - 1].group;
    buffer_reset(&bench->command);
    static const char *const parts[] = {"owner", "", "ckpt", "feed", "ver"};
    enum { FIXED_KEYS = sizeof parts / sizeof *parts };
    resp_start(&bench->command, 3 + FIXED_KEYS + runs + 6 + 2 * (size_t)runs);
    resp_text(&bench->command, "EVALSHA");
    resp_text(&bench->command, bench->checkpoint_sha);
    resp_uint(&bench->command, FIXED_KEYS + runs);
    for (int i = 0; i < FIXED_KEYS; i++) {
        if (i == 1)
            key_meta(&bench->keys, key);
        else
            key_lane(&bench->keys, 0, parts[i], key);
        resp_text(&bench->command, key);
    }
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || refs[i].group != refs[i - 1].group) {
            buffer_reset(&bench->text);
            key_group(&bench->keys, 0, bench->names, refs[i].group->key, &bench->text);
            resp_slice(&bench->command, buffer_slice(&bench->text));
        }
    resp_text(&bench->command, bench->fence.owner);
    resp_text(&bench->command, bench->fence.epoch);
    resp_uint(&bench->command, bench->fence.version);
    resp_uint(&bench->command, bench->concluded);
    resp_uint(&bench->command, bench->fence.version);
    bench->concluded = bench->fence.version;
    resp_uint(&bench->command, bench->fence.version > 256 ? bench->fence.version - 256 : 1);
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i + 1;
        while (end < count && refs[end].group == refs[i].group)
            end++;
        resp_text(&bench->command, "");
        buffer_reset(&bench->text);
        for (; i < end; i++) {
            size_t string = packed_begin(&bench->text);
            cell_field_write(&bench->text, bench->names, refs[i].group->key, cell_of(refs[i])->key);
            packed_end(&bench->text, string);
            string = packed_begin(&bench->text);
            cell_value_write(&bench->text, &cell_of(refs[i])->own, bench->fence.version);
            packed_end(&bench->text, string);
        }
        resp_slice(&bench->command, buffer_slice(&bench->text));
    }
    freeReplyObject(call(bench, &bench->command));
    for (uint32_t i = 0; i < count; i++)
        board_dirty_written(bench->board, refs[i]);
    bench->cells += count;
}

/* As the daemon does it: taken many at a time, written a few hundred a script. */
static void checkpoint(struct bench *bench)
{
    struct cell_ref *refs = mem_alloc(TAKEN * sizeof *refs);
    uint32_t left = board_dirty_count(bench->board), count;
    while (left &&
           (count = board_dirty_take(bench->board, refs, left < TAKEN ? left : TAKEN)) > 0) {
        left -= count;
        for (uint32_t at = 0; at < count; at += CHUNK) {
            uint32_t chunk = count - at < CHUNK ? count - at : CHUNK;
            get_bases(bench, refs + at, chunk);
            checkpoint_chunk(bench, refs + at, chunk);
        }
    }
    free(refs);
}

static double redis_number(struct bench *bench, const char *section, const char *name)
{
    redisReply *reply = redisCommand(bench->redis, "INFO %s", section);
    const char *at = reply ? strstr(reply->str, name) : NULL;
    double value = at ? strtod(at + strlen(name) + 1, NULL) : 0;
    freeReplyObject(reply);
    return value;
}

static double redis_cpu_us(struct bench *bench)
{
    return 1e6 * (redis_number(bench, "cpu", "used_cpu_user") +
                  redis_number(bench, "cpu", "used_cpu_sys"));
}

static void load_script(struct bench *bench, const char *text, char sha[41])
{
    redisReply *reply = redisCommand(bench->redis, "SCRIPT LOAD %s", text);
    snprintf(sha, 41, "%s", reply && reply->type == REDIS_REPLY_STRING ? reply->str : "");
    freeReplyObject(reply);
}

static void set_up(struct bench *bench)
{
    static const uint32_t max[DIMENSION_COUNT] = {0, 1u << 21, 1u << 21, 1u << 21, 1u << 21, 1000};
    struct board_options options = {{480}, 1u << 26, 48 * HOUR_MS};
    char key[KEY_MAX_BYTES];
    keys_init(&bench->keys, "lt:");
    load_script(bench, lua_commit, bench->commit_sha);
    load_script(bench, lua_checkpoint, bench->checkpoint_sha);
    bench->fence = (struct fence){.lane = 0, .version = 0, .generations = {2, 1}};
    snprintf(bench->fence.owner, sizeof bench->fence.owner, "bench:1");
    snprintf(bench->fence.epoch, sizeof bench->fence.epoch, "0123456789abcdef");
    freeReplyObject(redisCommand(bench->redis, "FLUSHALL"));
    key_lane(&bench->keys, 0, "owner", key);
    freeReplyObject(redisCommand(bench->redis, "SET %s bench:1", key));
    key_lane(&bench->keys, 0, "ver", key);
    freeReplyObject(redisCommand(bench->redis, "SET %s 0", key));
    key_generation(&bench->keys, key);
    freeReplyObject(redisCommand(bench->redis, "SET %s 2:1", key));
    key_meta(&bench->keys, key);
    freeReplyObject(redisCommand(bench->redis, "HSET %s epoch 0123456789abcdef", key));
    bench->names = names_new();
    bench->board = board_new(&options);
    bench->batch = batch_new(1);
    bench->judge = (struct judge){.ledger = ledger_new(65536, 1),
                                  .catalog = catalog_new(1000),
                                  .names = bench->names,
                                  .census = census_new(max)};
    if (!getenv("BENCH_LOOK_UP")) {
        bench->judge.current = (struct known_ids){id_filter_new(0, UINT32_MAX), true};
        bench->judge.previous = (struct known_ids){id_filter_new(0, UINT32_MAX), true};
    }
    bench->random = 88172645463325252ULL;
    bench->zipf = mem_alloc(PRODUCTS_ZIPF * sizeof *bench->zipf);
    double sum = 0;
    for (int i = 0; i < PRODUCTS_ZIPF; i++)
        bench->zipf[i] = sum += 1.0 / pow(i + 1, 1.0);
    for (int i = 0; i < PRODUCTS_ZIPF; i++)
        bench->zipf[i] /= sum;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    uint64_t orders = argc > 2 ? strtoull(argv[2], NULL, 10) : 500000;
    uint32_t batch = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 256;
    bench.bare = getenv("BENCH_BARE") != NULL;
    bench.bulk_from = getenv("BENCH_BULK_FROM")
                          ? (uint32_t)strtoul(getenv("BENCH_BULK_FROM"), NULL, 10)
                          : BULK_RECORDS_MIN;
    bench.uniform = argc > 4 && strcmp(argv[4], "uniform") == 0;
    int id_bytes = argc > 5 ? (int)strtol(argv[5], NULL, 10) : 19;
    bench.redis = argc > 1 ? redisConnectUnix(argv[1]) : NULL;
    if (!bench.redis || bench.redis->err) {
        fprintf(stderr, "usage: bench_commit SOCKET [orders] [batch] [zipf|uniform] [id bytes] "
                        "[orders per checkpoint]\n");
        return 2;
    }
    set_up(&bench);
    double memory = redis_number(&bench, "memory", "used_memory");
    double redis_before = redis_cpu_us(&bench), own_before = bench_own_cpu_us(), redis_ckpt = 0;
    uint64_t every = argc > 6 ? strtoull(argv[6], NULL, 10) : CHECKPOINT_ORDERS, last = 0;
    while (bench.orders < orders) {
        batch_add(bench.batch, make_post(&bench, batch, id_bytes));
        commit(&bench);
        if (bench.orders - last < every)
            continue;
        last = bench.orders;
        double before = redis_cpu_us(&bench);
        checkpoint(&bench);
        redis_ckpt += redis_cpu_us(&bench) - before;
    }
    double count = (double)bench.orders;
    printf("%s batch=%u orders=%.0f redis_us=%.2f (checkpoint %.2f) judge+encode_us=%.2f "
           "apply_us=%.2f process_us=%.2f cells/order=%.2f entry_bytes=%.1f record_bytes=%.1f\n",
           bench.uniform ? "uniform" : "zipf", batch, count,
           (redis_cpu_us(&bench) - redis_before) / count, redis_ckpt / count,
           bench.judge_us / count, bench.apply_us / count,
           (bench_own_cpu_us() - own_before) / count, (double)bench.cells / count,
           (double)bench.entry_bytes / count, (double)bench.record_bytes / count);
    char orders_key[KEY_MAX_BYTES];
    key_orders(&bench.keys, 2, orders_key);
    redisReply *usage = redisCommand(bench.redis, "MEMORY USAGE %s SAMPLES 0", orders_key);
    printf("redis_bytes/order: all %.0f, ledger %.0f, aof %.0f; daemon cells %u groups %u\n",
           (redis_number(&bench, "memory", "used_memory") - memory) / count,
           usage ? (double)usage->integer / count : 0.0,
           redis_number(&bench, "persistence", "aof_current_size") / count,
           board_cell_count(bench.board), board_group_count(bench.board));
    freeReplyObject(usage);
    redisFree(bench.redis);
    return 0;
}
