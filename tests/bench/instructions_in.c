/*
 * The way in, as partition and network take it, but for their sockets: messages are decoded, judged
 * as a batch, encoded as a feed entry and a commit, applied, learnt, acked. All steps are taken in
 * every round, and each is counted by itself.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "instructions.h"
#include "livetally/batch.h"
#include "livetally/board.h"
#include "livetally/json.h"
#include "livetally/keys.h"
#include "livetally/mem.h"
#include "net/net.h"
#include "store/commit.h"
#include "store/resp.h"

#define PRODUCTS 20000
#define HOSTS    1000
#define POSTS    64
#define RECORDS  LEDGER_RECORDS_MIN /* the cache is full, as it is after the first minute */
#define CELLS    500                /* of a script */

enum kind { KIND_NEW, KIND_RETRY, KIND_REFUND };

static const struct event_rules rules = {
    .counties = NULL, .currency = "CNY", .future_ms = 300000, .keep_ms = 30 * DAY_MS};

struct way_in {
    struct counting *counting;
    uint64_t orders; /* numbers so far */
    struct names *names;
    struct board *board;
    struct judge judge;
    struct batch *batch;
    struct parcel parcels[POSTS];
    struct keys keys;
    struct fence fence;
    struct feed_reader reader;
    struct buffer entry, command, ack, text;
};

/* A few products sell most. What an order is follows from its number, so that a retry equals it. */
static void write_order(struct buffer *out, uint64_t number)
{
    uint64_t random = number;
    uint64_t product = next_random(&random) % PRODUCTS;
    product = product * (next_random(&random) % PRODUCTS) / PRODUCTS;
    product = product * (next_random(&random) % PRODUCTS) / PRODUCTS;
    uint64_t host = product % HOSTS;
    buffer_printf(out,
                  "{\"type\":\"order\",\"order_id\":\"douyin:6917%015" PRIu64
                  "\",\"host_id\":\"host-%04" PRIu64 "\",\"session_id\":\"room-%04" PRIu64
                  "\",\"product_id\":\"tea-%" PRIu64 "\",\"county\":\"%06" PRIu64
                  "\",\"platform\":\"douyin\",\"quantity\":%" PRIu64 ",\"amount\":%" PRIu64
                  ",\"time\":%" PRId64 "}",
                  number, host, host, product, 422801 + product % 28, 1 + product % 3,
                  1000 + next_random(&random) % 20000, NOW_MS - (int64_t)(number % 1000));
}

static void write_refund(struct buffer *out, uint64_t number)
{
    buffer_printf(out,
                  "{\"type\":\"refund\",\"refund_id\":\"r%" PRIu64
                  "\",\"order_id\":\"douyin:6917%015" PRIu64
                  "\",\"amount\":100,\"quantity\":0,\"time\":%" PRId64 "}",
                  number, number, NOW_MS - (int64_t)(number % 1000));
}

static void write_message(struct buffer *out, enum kind kind, uint64_t first, uint32_t events)
{
    buffer_reset(out);
    for (uint32_t i = 0; i < events; i++) {
        if (kind == KIND_REFUND)
            write_refund(out, first + i);
        else
            write_order(out, first + i);
        buffer_append_byte(out, '\n');
    }
}

/* Every host's session is registered, as tools do before they sell. */
static void register_sessions(struct way_in *in)
{
    for (uint32_t host = 0; host < HOSTS; host++) {
        char id[16], json[96];
        snprintf(id, sizeof id, "room-%04" PRIu32, host);
        snprintf(json, sizeof json,
                 "{\"session_id\":\"%s\",\"host_id\":\"host-%04" PRIu32 "\",\"time\":1}", id, host);
        if (catalog_put(in->judge.catalog, CATALOG_SESSION, slice_of(id), slice_of(json)) != 0)
            abort();
    }
}

static void way_in_init(struct way_in *in, struct counting *counting)
{
    static const uint32_t max[DIMENSION_COUNT] = {0, 1u << 20, 1u << 20, 1u << 20, 1u << 20, 100};
    struct board_options options = {{480}, 1u << 24, 48 * HOUR_MS};
    *in = (struct way_in){.counting = counting};
    in->names = names_new();
    in->board = board_new(&options);
    load_pins(in->board);
    in->batch = batch_new(1);
    in->judge = (struct judge){.ledger = ledger_new(RECORDS, 1),
                               .catalog = catalog_new(1000),
                               .names = in->names,
                               .census = census_new(max)};
    in->judge.current = (struct known_ids){id_filter_new(0, UINT32_MAX), true};
    in->judge.previous = (struct known_ids){id_filter_new(0, UINT32_MAX), true};
    register_sessions(in);
    for (int i = 0; i < POSTS; i++)
        message_init(&in->parcels[i].post.message);
    feed_reader_init(&in->reader);
    keys_init(&in->keys, "lt:");
    in->fence = (struct fence){.lane = 0, .version = 1000, .generations = {2, 1}};
    snprintf(in->fence.owner, sizeof in->fence.owner, "0123456789abcdef:0123456789abcdef");
    snprintf(in->fence.epoch, sizeof in->fence.epoch, "0123456789abcdef");
}

static void way_in_done(struct way_in *in)
{
    batch_free(in->batch);
    ledger_free(in->judge.ledger);
    id_filter_free(in->judge.current.filter);
    id_filter_free(in->judge.previous.filter);
    catalog_free(in->judge.catalog);
    census_free(in->judge.census);
    board_free(in->board);
    names_free(in->names);
    feed_reader_done(&in->reader);
    for (int i = 0; i < POSTS; i++)
        message_done(&in->parcels[i].post.message);
    buffer_done(&in->entry);
    buffer_done(&in->command);
    buffer_done(&in->ack);
    buffer_done(&in->text);
}

/* The names of a round's paths. NULL: that step isn't counted. */
struct round {
    enum kind kind;
    uint32_t posts;
    uint32_t events; /* of a post */
    const char *decode, *judge, *feed, *unfeed, *commit, *apply, *learn, *ack;
};

static void begin(struct way_in *in, const char *path)
{
    if (path)
        counting_begin(in->counting, path);
}

static void end(struct way_in *in, const char *path, uint64_t units)
{
    if (path)
        counting_end(in->counting, path, units);
}

static void decode_and_judge(struct way_in *in, const struct round *round, uint64_t first)
{
    uint32_t events = round->posts * round->events;
    for (uint32_t i = 0; i < round->posts; i++)
        write_message(&in->parcels[i].post.message.text, round->kind,
                      first + (uint64_t)i * round->events, round->events);
    begin(in, round->decode);
    for (uint32_t i = 0; i < round->posts; i++)
        message_parse(&in->parcels[i].post.message, &rules, NOW_MS);
    end(in, round->decode, events);

    for (uint32_t i = 0; i < round->posts; i++) {
        struct post *post = &in->parcels[i].post;
        if (post->message.event_count != round->events || !batch_add(in->batch, post))
            abort();
        post->form_rejections = 0;
        in->parcels[i].next = i + 1 < round->posts ? &in->parcels[i + 1] : NULL;
    }
    begin(in, round->judge);
    uint32_t needs = batch_judge(in->batch, &in->judge);
    end(in, round->judge, events);
    if (needs)
        abort();
}

static void encode(struct way_in *in, const struct round *round)
{
    uint32_t events = round->posts * round->events;
    buffer_reset(&in->entry);
    begin(in, round->feed);
    batch_feed_entry(in->batch, in->names, 1, &in->entry);
    end(in, round->feed, events);

    begin(in, round->unfeed);
    int result = feed_reader_decode(&in->reader, in->names, buffer_slice(&in->entry));
    end(in, round->unfeed, events);
    if (result != 0)
        abort();

    struct commit_commands commands;
    buffer_reset(&in->command);
    begin(in, round->commit);
    struct looks looks = batch_plan_looks(in->batch, &in->judge);
    commit_encode(&in->command,
                  &(struct commit_call){&in->keys,
                                        "0123456789012345678901234567890123456789",
                                        &in->fence,
                                        buffer_slice(&in->entry),
                                        BULK_RECORDS_MIN,
                                        {looks.current_spared > 0, looks.previous_spared > 0,
                                         in->orders, in->orders}},
                  in->batch, &commands);
    end(in, round->commit, events);
}

static void apply_and_ack(struct way_in *in, const struct round *round)
{
    uint32_t events = round->posts * round->events;
    uint32_t fact_count;
    const struct fact *facts = batch_facts(in->batch, &fact_count);
    in->fence.version++;
    begin(in, round->apply);
    board_apply(in->board, 0, in->fence.version, true, facts, fact_count, NOW_MS);
    end(in, round->apply, events);

    begin(in, round->learn);
    batch_commit_done(in->batch, &in->judge);
    const struct post *post = batch_take(in->batch);
    end(in, round->learn, events);
    for (uint64_t left = round->events; post; post = post->next)
        if (post->accepted + post->duplicates != left)
            abort();

    buffer_reset(&in->ack);
    begin(in, round->ack);
    ack_write(&in->ack, in->fence.version, &in->parcels[0], &in->parcels[round->posts - 1]);
    end(in, round->ack, events);
}

static void take_round(struct way_in *in, const struct round *round, uint64_t first)
{
    decode_and_judge(in, round, first);
    encode(in, round);
    apply_and_ack(in, round);
}

/* The newest orders are in the cache, so that retries and refunds of them need no look-up. */
static void take_rounds(struct way_in *in, const struct round *round, uint32_t count)
{
    uint32_t events = round->posts * round->events;
    uint64_t first = round->kind == KIND_NEW ? in->orders : in->orders - (uint64_t)count * events;
    for (uint32_t i = 0; i < count; i++)
        take_round(in, round, first + (uint64_t)i * events);
    if (round->kind == KIND_NEW)
        in->orders += (uint64_t)count * events;
}

/* Counting the orders of some rounds in all their cells: the more there are, the more of them
 * are alike. */
static void count_spread(struct way_in *in, const char *path, uint32_t orders)
{
    static const struct round round = {.kind = KIND_NEW, .posts = 16, .events = 64};
    board_spread(in->board);
    for (uint32_t i = 0; i < orders; i += BATCH_EVENTS_MAX) {
        take_round(in, &round, in->orders);
        in->orders += BATCH_EVENTS_MAX;
    }
    counting_begin(in->counting, path);
    board_spread(in->board);
    counting_end(in->counting, path, orders);
}

/* A checkpoint's scripts, as checkpoint.c writes them. */
static void count_checkpoint(struct way_in *in)
{
    static const char path[] = "checkpoint-cell";
    struct cell_ref refs[CELLS];
    struct metrics zero = {{0}};
    uint32_t count = board_dirty_take(in->board, refs, CELLS);
    for (uint32_t i = 0; i < count; i++)
        board_set_base(in->board, refs[i], &zero);
    buffer_reset(&in->command);
    counting_begin(in->counting, path);
    for (uint32_t i = 0; i < count; i++) {
        const struct cell *cell = cell_of(refs[i]);
        buffer_reset(&in->text);
        cell_field_write(&in->text, in->names, refs[i].group->key, cell->key);
        resp_slice(&in->command, buffer_slice(&in->text));
        buffer_reset(&in->text);
        cell_value_write(&in->text, &cell->own, in->fence.version);
        resp_slice(&in->command, buffer_slice(&in->text));
    }
    counting_end(in->counting, path, count);
    for (uint32_t i = 0; i < count; i++)
        board_dirty_written(in->board, refs[i]);
}

/* Per kB of orders in one array, every value read and forgotten. */
static void count_json_reader(struct way_in *in)
{
    static const char path[] = "json-reader-kB";
    struct json_reader reader;
    buffer_reset(&in->text);
    for (uint32_t i = 0; i < 64; i++) {
        buffer_append_byte(&in->text, i ? ',' : '[');
        write_order(&in->text, i);
    }
    buffer_append_byte(&in->text, ']');
    counting_begin(in->counting, path);
    json_reader_init(&reader, buffer_slice(&in->text));
    bool ok = json_reader_skip(&reader) && json_reader_end(&reader);
    counting_end(in->counting, path, (in->text.size + 500) / 1000);
    if (!ok)
        abort();
}

void count_way_in(struct counting *counting)
{
    static const struct round rounds[] = {
        {KIND_NEW, 4, 64, "decode-64", NULL, NULL, NULL, NULL, NULL, NULL, NULL},
        {KIND_NEW, 1, 64, NULL, "judge-new-64", "feed-encode-64", "feed-decode-64",
         "commit-encode-64", "apply-64", "learn-64", "ack-64"},
        {KIND_NEW, 16, 64, NULL, "judge-new-1024", "feed-encode-1024", "feed-decode-1024",
         "commit-encode-1024", "apply-1024", "learn-1024", "ack-1024"},
        {KIND_NEW, 64, 1, "decode-1", NULL, NULL, NULL, NULL, NULL, NULL, "ack-1"},
        {KIND_RETRY, 1, 64, NULL, "judge-retry-64", NULL, NULL, NULL, NULL, NULL, NULL},
        {KIND_REFUND, 1, 64, "decode-refund-64", "judge-refund-64", NULL, NULL, "commit-refund-64",
         "apply-refund-64", "learn-refund-64", NULL},
    };
    static const struct round warm_up = {.kind = KIND_NEW, .posts = 16, .events = 64};
    struct way_in in;
    way_in_init(&in, counting);
    take_rounds(&in, &warm_up, 2 * RECORDS / BATCH_EVENTS_MAX);
    counting_start(counting);
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
        uint32_t events = rounds[i].posts * rounds[i].events;
        take_rounds(&in, &rounds[i], events < BATCH_EVENTS_MAX ? BATCH_EVENTS_MAX / events / 2 : 1);
    }
    count_spread(&in, "spread-1024", 1024);
    count_spread(&in, "spread-16384", 16384);
    count_checkpoint(&in);
    count_json_reader(&in);
    counting_stop(counting);
    way_in_done(&in);
}
