/*
 * What Redis can't do for less: look up the ids of a batch, and write their records, in one pair of
 * commands. Nothing is fenced, fed or summed. Fields and records have the size that bench_load's
 * orders have, and one batch is under way at a time, as a daemon has it. The hash is removed
 * afterwards.
 */
#include "floor_redis.h"

#include <getopt.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench_common.h"
#include "livetally/order_field.h"
#include "livetally/record.h"
#include "load_sales.h"
#include "store/resp.h"

#define KEY       "bench:{0}:orders"
#define BATCH_MAX 4000
#define HOSTS     1000
#define PRODUCTS  20000

struct floor {
    redisContext *redis;
    struct sales sales;
    struct buffer command;
    uint64_t orders;
    uint32_t batch;
};

static redisReply *next_reply(struct floor *floor)
{
    redisReply *reply = NULL;
    if (redisGetReply(floor->redis, (void **)&reply) != REDIS_OK)
        bench_fail("redis: %s", floor->redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        bench_fail("redis: %s", reply->str);
    return reply;
}

/* The record that the daemon keeps of the order: see livetally/record.h. */
static size_t record_of(const struct sales_order *order, int64_t time_ms, char *out)
{
    char host[16], session[16], product[16];
    struct record record = {
        .has_order = true,
        .county = sales_county_code(order->product % SALES_COUNTIES),
        .quantity = order->quantity,
        .amount = order->amount_fen,
        .time_ms = time_ms,
        .platform = SLICE("douyin"),
    };
    record.host.size = (size_t)snprintf(host, sizeof host, "host-%05u", order->host);
    record.session.size = (size_t)snprintf(session, sizeof session, "room-%05u", order->host);
    record.product.size = (size_t)snprintf(product, sizeof product, "tea-%07u", order->product);
    record.host.data = host;
    record.session.data = session;
    record.product.data = product;
    return record_encode(&record, out);
}

/* The field that a packed generation has of the order. */
static void put_id(struct floor *floor, uint64_t number)
{
    char id[24], room[ORDER_FIELD_MAX_BYTES];
    int size = snprintf(id, sizeof id, "69170000%011" PRIu64, number);
    resp_slice(&floor->command, order_field_of((struct slice){id, (size_t)size}, room));
}

static void put_batch(struct floor *floor, uint64_t first, uint32_t count)
{
    char record[RECORD_MAX_BYTES];
    buffer_reset(&floor->command);
    resp_start(&floor->command, 2 + (size_t)count);
    resp_text(&floor->command, "HMGET");
    resp_text(&floor->command, KEY);
    for (uint64_t i = first; i < first + count; i++)
        put_id(floor, i);
    resp_start(&floor->command, 2 + 2 * (size_t)count);
    resp_text(&floor->command, "HSET");
    resp_text(&floor->command, KEY);
    for (uint64_t i = first; i < first + count; i++) {
        struct sales_order order = sales_order(&floor->sales, i);
        put_id(floor, i);
        size_t size = record_of(&order, floor->sales.start_ms + (int64_t)i, record);
        resp_slice(&floor->command, (struct slice){record, size});
    }
}

/* Each batch is looked up and found new, then written. */
static void do_batch(struct floor *floor, uint64_t first, uint32_t count)
{
    put_batch(floor, first, count);
    if (redisAppendFormattedCommand(floor->redis, floor->command.data, floor->command.size))
        bench_fail("redis: %s", floor->redis->errstr);
    redisReply *found = next_reply(floor);
    if (!reply_is_array(found, count) || found->element[0]->type != REDIS_REPLY_NIL)
        bench_fail("HMGET answered something else than nothing");
    freeReplyObject(found);
    redisReply *written = next_reply(floor);
    if (written->type != REDIS_REPLY_INTEGER || written->integer != count)
        bench_fail("HSET didn't write what it was given");
    freeReplyObject(written);
}

static pid_t redis_pid(struct floor *floor)
{
    redisReply *reply = redisCommand(floor->redis, "INFO server");
    const char *at =
        reply && reply->type == REDIS_REPLY_STRING ? strstr(reply->str, "process_id:") : NULL;
    long pid = at ? strtol(at + strlen("process_id:"), NULL, 10) : 0;
    if (pid <= 0)
        bench_fail("INFO names no process");
    freeReplyObject(reply);
    return (pid_t)pid;
}

static void remove_key(struct floor *floor)
{
    freeReplyObject(redisCommand(floor->redis, "UNLINK %s", KEY));
}

static const char *read_arguments(struct floor *floor, int argc, char **argv)
{
    static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                            {"orders", required_argument, NULL, 'o'},
                                            {"batch", required_argument, NULL, 'b'},
                                            {NULL, 0, NULL, 0}};
    const char *socket = NULL;
    int option;
    floor->orders = 100000;
    floor->batch = 256;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            socket = optarg;
        else if (option == 'o')
            floor->orders = (uint64_t)bench_number("--orders", optarg, 1, SALES_ORDERS_MAX);
        else if (option == 'b')
            floor->batch = (uint32_t)bench_number("--batch", optarg, 1, BATCH_MAX);
        else
            exit(2);
    }
    if (!socket || optind < argc)
        bench_fail("bench_floor redis --socket PATH [--orders N] [--batch B]");
    return socket;
}

int floor_redis(int argc, char **argv)
{
    struct floor floor = {0};
    struct timeval patience = {.tv_sec = BENCH_STALL_MS / 1000};
    const char *socket = read_arguments(&floor, argc, argv);
    struct sales_options options = {
        .orders = floor.orders, .hosts = HOSTS, .products = PRODUCTS, .zipf = true};
    sales_init(&floor.sales, &options);
    floor.redis = redisConnectUnix(socket);
    if (!floor.redis || floor.redis->err)
        bench_fail("redis: %s", floor.redis ? floor.redis->errstr : "out of memory");
    redisSetTimeout(floor.redis, patience);
    pid_t pid = redis_pid(&floor);
    remove_key(&floor);
    int64_t start_us = bench_cpu_us(pid);
    for (uint64_t at = 0; at < floor.orders; at += floor.batch) {
        uint64_t left = floor.orders - at;
        do_batch(&floor, at, left < floor.batch ? (uint32_t)left : floor.batch);
    }
    int64_t used_us = bench_cpu_us(pid) - start_us;
    remove_key(&floor);
    printf("{\"orders\":%" PRIu64 ",\"batch\":%u,\"redis_cpu_us\":%" PRId64 "}\n", floor.orders,
           floor.batch, used_us);
    redisFree(floor.redis);
    buffer_done(&floor.command);
    sales_done(&floor.sales);
    return 0;
}
