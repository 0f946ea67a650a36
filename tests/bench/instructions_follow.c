/*
 * Following other lanes, as partition does it, but for its sockets: entries are decoded, their ids
 * noted, their facts added up and shown as tickers, and spread over the cells before a checkpoint.
 * All of it is one path: what one step saves another must not pay.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "instructions.h"
#include "livetally/batch.h"
#include "livetally/board.h"
#include "livetally/mem.h"
#include "livetally/ticker.h"

#define LANES    3
#define ENTRIES  8 /* of a lane, between two spreads */
#define FACTS    900
#define HOSTS    1000
#define PRODUCTS 20000
#define SELLERS  4 /* of a product */
#define COUNTIES 28

struct following {
    struct counting *counting;
    uint64_t random;
    struct names *writer; /* of another process: ids have other numbers there */
    struct names *names;
    struct board *board;
    struct census *census;
    struct ticker *ticker;
    struct feed_reader reader;
    uint64_t versions[LANES];
    struct buffer entries[LANES * ENTRIES];
};

static void following_init(struct following *follow, struct counting *counting)
{
    static const uint32_t max[DIMENSION_COUNT] = {0, 1u << 20, 1u << 20, 1u << 20, 1u << 20, 100};
    struct board_options options = {{480}, 1u << 24, 48 * HOUR_MS};
    *follow = (struct following){.counting = counting, .random = 1};
    follow->writer = names_new();
    follow->names = names_new();
    follow->board = board_new(&options);
    follow->census = census_new(max);
    follow->ticker = ticker_new();
    feed_reader_init(&follow->reader);
    load_pins(follow->board);
}

static void following_done(struct following *follow)
{
    for (int i = 0; i < LANES * ENTRIES; i++)
        buffer_done(&follow->entries[i]);
    feed_reader_done(&follow->reader);
    ticker_free(follow->ticker);
    census_free(follow->census);
    board_free(follow->board);
    names_free(follow->names);
    names_free(follow->writer);
}

static uint32_t intern(struct following *follow, const char *kind, uint32_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%s-%06" PRIu32, kind, number);
    return names_intern(follow->writer, slice_of(text));
}

/* As by Zipf's law: of each power of two as many are sold. */
static uint32_t draw_product(struct following *follow)
{
    uint32_t product;
    do {
        uint32_t power = UINT32_C(1) << next_random(&follow->random) % 15;
        product = power - 1 + (uint32_t)(next_random(&follow->random) % power);
    } while (product >= PRODUCTS);
    return product;
}

static struct fact draw_sale(struct following *follow, uint32_t i)
{
    uint32_t product = draw_product(follow);
    uint64_t random = next_random(&follow->random);
    uint32_t host = (product + (uint32_t)random % SELLERS * (HOSTS / SELLERS)) % HOSTS;
    return (struct fact){.kind = FACT_ORDER,
                         .host = intern(follow, "host", host),
                         .product = intern(follow, "tea", product),
                         .session = intern(follow, "room", host),
                         .platform = intern(follow, "platform", host % 3),
                         .county = 422801 + product % COUNTIES,
                         .quantity = 1 + (int64_t)(random >> 8) % 3,
                         .amount = 1000 + (int64_t)(random >> 16 & 0xffffff) % 20000,
                         .time_ms = NOW_MS + i / 4};
}

static void write_entries(struct following *follow)
{
    struct fact *facts = mem_resize(NULL, FACTS, sizeof *facts);
    for (int i = 0; i < LANES * ENTRIES; i++) {
        for (uint32_t k = 0; k < FACTS; k++)
            facts[k] = draw_sale(follow, k);
        buffer_reset(&follow->entries[i]);
        feed_entry_encode(&follow->entries[i], follow->writer,
                          &(struct feed_entry){.token = 1, .facts = facts, .fact_count = FACTS});
    }
    free(facts);
}

static void apply_entry(struct following *follow, uint32_t lane)
{
    const struct feed_entry *entry = &follow->reader.entry;
    census_mark_facts(follow->census, entry->facts, entry->fact_count);
    board_apply(follow->board, lane, ++follow->versions[lane], false, entry->facts,
                entry->fact_count, NOW_MS);
    ticker_push(follow->ticker, entry->facts, entry->fact_count);
}

/* All entries, lane by lane in turn. */
static void follow_all(struct following *follow)
{
    for (uint32_t i = 0; i < LANES * ENTRIES; i++) {
        if (feed_reader_decode(&follow->reader, follow->names, buffer_slice(&follow->entries[i])) !=
            0)
            abort();
        apply_entry(follow, i % LANES);
    }
    board_spread(follow->board);
}

void count_following(struct counting *counting)
{
    static const char path[] = "follow-900";
    struct following follow;
    following_init(&follow, counting);
    for (int round = 0; round < 4; round++) {
        write_entries(&follow);
        follow_all(&follow);
    }
    counting_start(counting);
    for (int round = 0; round < 2; round++) {
        write_entries(&follow);
        counting_begin(counting, path);
        follow_all(&follow);
        counting_end(counting, path, LANES * ENTRIES * FACTS);
    }
    counting_stop(counting);
    following_done(&follow);
}
