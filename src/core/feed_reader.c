/*
 * Reading feed entries: every daemon reads those of all other lanes, so what one order costs here
 * is paid once by each daemon but one.
 *
 * Each commit has one spelling only. The reader checks that what it got is that spelling: shortest
 * varints, every id used, in order of first use, none twice. So whatever decodes also encodes to
 * the same bytes.
 *
 *   texts     the entry's ids where they stand in its bytes
 *   numbers   [place]: what names calls them; [0] = 0, which is "none" on both sides
 *   seen      a bit for each number of names, to see that none comes twice; else all are 0
 */
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "feed_entry.h"
#include "livetally/catalog.h"
#include "livetally/county.h"
#include "livetally/error.h"
#include "livetally/event.h"
#include "livetally/fact.h"
#include "livetally/mem.h"
#include "varint.h"

/* Nothing that is counted is shorter than this; so counts are bounded by the bytes left. */
#define STRING_MIN_BYTES  2u
#define FACT_MIN_BYTES    11u
#define CATALOG_MIN_BYTES 5u

#define COUNTY_MAX 999999u
#define SEEN_MIN   1024u /* numbers, a power of two */

/*
 * A usual fact: kind, four places and a quantity of up to two bytes, county, amount and time of up
 * to four. Of an unusual one more bytes are looked at before it shows: nine numbers of which each
 * is found to end beyond the block, and four bytes from there on.
 */
#define USUAL_BYTES (1 + 5 * 2 + 3 * 4)
#define USUAL_BLOCK 32u
#define USUAL_ROOM  (USUAL_BLOCK + 9 + 4)

_Static_assert(USUAL_BYTES <= USUAL_BLOCK, "its numbers all end in the block");

/* What is left to decode, and how many ids were used so far. */
struct feed_input {
    const char *at;
    const char *end;
    uint32_t string_count;
    uint32_t strings_used;
};

/*
 * Numbers one after the other, without a branch for each byte. Where they end is known for a whole
 * block beforehand, so that finding the next one needn't wait for the value of this one.
 */
struct usual {
    const unsigned char *block;
    uint64_t ends;   /* a bit for each byte that is a number's last; all set beyond the block */
    uint32_t start;  /* of the next number, in the block */
    uint32_t longer; /* not 0: one was longer than usual */
};

/* A bit for each byte of a block: which have the top bit set, and which are 0. */
static inline void look_at_block(const unsigned char *block, uint32_t *ret_tops,
                                 uint32_t *ret_zeros)
{
#ifdef __SSE2__
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)block);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(block + 16));
    __m128i zero = _mm_setzero_si128();
    *ret_tops = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
    *ret_zeros = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(low, zero)) |
                 (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(high, zero)) << 16;
#else
    *ret_tops = *ret_zeros = 0;
    for (uint32_t i = 0; i < USUAL_BLOCK; i++) {
        *ret_tops |= (uint32_t)(block[i] >> 7) << i;
        *ret_zeros |= (uint32_t)(block[i] == 0) << i;
    }
#endif
}

/* Of the next number, less one. */
static inline uint32_t usual_more_bytes(struct usual *from)
{
    uint32_t end = (uint32_t)__builtin_ctzll(from->ends);
    uint32_t more = end - from->start;

    from->ends &= from->ends - 1;
    from->start = end + 1;
    return more;
}

/* One or two bytes. */
static inline uint32_t usual_short(struct usual *from)
{
    const unsigned char *at = from->block + from->start;
    uint32_t bytes = at[0] | (uint32_t)at[1] << 8;
    uint32_t more = usual_more_bytes(from);

    from->longer |= more >> 1;
    return (bytes & 0x7f) | (bytes >> 1 & 0x3f80 & -more);
}

/* Up to four. */
static inline uint32_t usual_long(struct usual *from)
{
    const unsigned char *at = from->block + from->start;
    uint32_t bytes = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    uint32_t more = usual_more_bytes(from);

    from->longer |= more >> 2;
    bytes &= UINT32_MAX >> ((24 - 8 * more) & 31);
    bytes = (bytes & 0x007f007f) | (bytes & 0x7f007f00) >> 1;
    return (bytes & 0x3fff) | (bytes & 0x3fff0000) >> 2;
}

static size_t bytes_left(const struct feed_input *in)
{
    return (size_t)(in->end - in->at);
}

static bool read_varint(struct feed_input *in, uint64_t max, uint64_t *ret_value)
{
    return varint_get(&in->at, in->end, ret_value) && *ret_value <= max;
}

static bool read_count(struct feed_input *in, size_t min_bytes, uint32_t *ret_count)
{
    uint64_t count;

    if (!read_varint(in, UINT32_MAX / IDS_PER_FACT, &count) || count > bytes_left(in) / min_bytes)
        return false;
    *ret_count = (uint32_t)count;
    return true;
}

static bool read_text(struct feed_input *in, size_t max, struct slice *ret_text)
{
    uint64_t size;

    if (!read_varint(in, max, &size) || size > bytes_left(in))
        return false;
    *ret_text = (struct slice){in->at, (size_t)size};
    in->at += size;
    return true;
}

static void make_room(struct feed_reader *reader, uint32_t count)
{
    uint32_t capacity = reader->string_capacity ? reader->string_capacity : 8;

    while (capacity < count)
        capacity *= 2;
    if (capacity == reader->string_capacity)
        return;
    reader->texts = mem_resize(reader->texts, capacity, sizeof(*reader->texts));
    reader->numbers = mem_resize(reader->numbers, (size_t)capacity + 1, sizeof(*reader->numbers));
    reader->string_capacity = capacity;
}

/* For all numbers there are. */
static void make_seen(struct feed_reader *reader, uint32_t number_max)
{
    uint32_t numbers = reader->seen_numbers ? reader->seen_numbers : SEEN_MIN;

    while (numbers <= number_max)
        numbers *= 2;
    if (numbers == reader->seen_numbers)
        return;
    free(reader->seen);
    reader->seen = mem_zalloc(numbers / 8);
    reader->seen_numbers = numbers;
}

static bool has_number_twice(struct feed_reader *reader, uint32_t count)
{
    const uint32_t *numbers = reader->numbers + 1;
    uint32_t twice = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t *seen = &reader->seen[numbers[i] / 64];
        twice |= (uint32_t)(*seen >> numbers[i] % 64) & 1;
        *seen |= UINT64_C(1) << numbers[i] % 64;
    }
    for (uint32_t i = 0; i < count; i++)
        reader->seen[numbers[i] / 64] = 0;
    return twice;
}

/* A size of at most ID_MAX_BYTES is one byte, whatever it says. */
static inline bool read_id(struct feed_input *in, struct slice *ret_id)
{
    size_t left = bytes_left(in);
    size_t size = left > 0 ? (unsigned char)*in->at : 0;

    if (size >= left)
        return false;
    *ret_id = (struct slice){in->at + 1, size};
    in->at += 1 + size;
    return true;
}

/* Names knows good ids only, so of those that it knows nothing else is to be checked. */
static bool intern(struct feed_reader *reader, struct names *names, uint32_t count)
{
    uint32_t *numbers = reader->numbers + 1;

    reader->numbers[0] = 0;
    names_find_all(names, reader->texts, count, numbers);
    for (uint32_t i = 0; i < count; i++) {
        if (numbers[i] != 0)
            continue;
        if (!id_ok(reader->texts[i]))
            return false;
        numbers[i] = names_intern(names, reader->texts[i]);
    }
    return true;
}

/* Interns the ids into reader->numbers, refusing one that stands there twice. */
static bool read_strings(struct feed_input *in, struct feed_reader *reader, struct names *names)
{
    if (!read_count(in, STRING_MIN_BYTES, &in->string_count))
        return false;
    make_room(reader, in->string_count);
    for (uint32_t i = 0; i < in->string_count; i++)
        if (!read_id(in, &reader->texts[i]))
            return false;
    if (!intern(reader, names, in->string_count))
        return false;
    make_seen(reader, names_count(names));
    return !has_number_twice(reader, in->string_count);
}

/* Ids appear in order of first use: a place is at most one beyond those seen so far. */
static bool read_place(struct feed_input *in, const uint32_t *numbers, uint32_t *ret_number)
{
    uint64_t place;

    if (!read_varint(in, in->string_count, &place) || place > in->strings_used + UINT64_C(1))
        return false;
    in->strings_used += place > in->strings_used;
    *ret_number = numbers[place];
    return true;
}

static inline bool fact_ok(const struct fact *fact)
{
    if (fact->host == 0 || fact->product == 0 || !county_form_ok(fact->county))
        return false;
    return fact->kind == FACT_ORDER ? fact->quantity > 0
                                    : fact->kind == FACT_REFUND && fact->amount > 0;
}

static bool read_fact(struct feed_input *in, const uint32_t *numbers, int64_t base_ms,
                      struct fact *fact)
{
    uint64_t county;
    uint64_t quantity;
    uint64_t amount;
    uint64_t time;
    int64_t offset_ms;

    if (in->at == in->end)
        return false;
    fact->kind = (uint8_t)*in->at++;
    if (!read_place(in, numbers, &fact->host) || !read_varint(in, COUNTY_MAX, &county) ||
        !read_place(in, numbers, &fact->product) || !read_place(in, numbers, &fact->session) ||
        !read_place(in, numbers, &fact->platform) ||
        !read_varint(in, ORDER_QUANTITY_MAX, &quantity) ||
        !read_varint(in, ORDER_AMOUNT_MAX, &amount) || !read_varint(in, UINT64_MAX, &time))
        return false;
    offset_ms = zigzag_decode(time);
    if (offset_ms < -base_ms || offset_ms > TIME_MAX_MS - base_ms)
        return false;
    fact->county = (uint32_t)county;
    fact->quantity = (int64_t)quantity;
    fact->amount = (int64_t)amount;
    fact->time_ms = base_ms + offset_ms;
    return fact_ok(fact);
}

/*
 * The same for nearly all facts, without a look at every byte: those followed by enough other
 * bytes, and with numbers of usual sizes. False, and nothing is read: it takes read_fact() to tell.
 */
static inline bool read_usual_fact(struct feed_input *in, const uint32_t *numbers, int64_t base_ms,
                                   struct fact *fact)
{
    struct usual from = {.block = (const unsigned char *)in->at, .start = 1};
    uint32_t used = in->strings_used, beyond = 0, tops, zeros;
    uint32_t places[IDS_PER_FACT];

    look_at_block(from.block, &tops, &zeros);
    from.ends = ~(uint64_t)tops & ~UINT64_C(1);
    places[0] = usual_short(&from);
    fact->county = usual_long(&from);
    for (uint32_t i = 1; i < IDS_PER_FACT; i++)
        places[i] = usual_short(&from);
    for (uint32_t i = 0; i < IDS_PER_FACT; i++) {
        used += places[i] > used;
        beyond |= used - places[i];
    }
    fact->quantity = usual_short(&from);
    fact->amount = usual_long(&from);
    fact->time_ms = base_ms + zigzag_decode(usual_long(&from));
    /* A last byte of 0, after others, is one too many. */
    zeros &= tops << 1 & (uint32_t)((UINT64_C(1) << from.start) - 1);
    if ((from.longer | zeros | beyond >> 31) != 0 || used > in->string_count)
        return false;
    fact->kind = *from.block;
    fact->host = numbers[places[0]];
    fact->product = numbers[places[1]];
    fact->session = numbers[places[2]];
    fact->platform = numbers[places[3]];
    if (fact->time_ms < 0 || fact->time_ms > TIME_MAX_MS || !fact_ok(fact))
        return false;
    in->at += from.start;
    in->strings_used = used;
    return true;
}

static bool read_facts(struct feed_input *from, struct feed_reader *reader, int64_t base_ms)
{
    struct feed_input in = *from; /* in registers: nobody else points to it */
    const uint32_t *numbers = reader->numbers;
    uint32_t count;

    if (!read_count(&in, FACT_MIN_BYTES, &count))
        return false;
    if (reader->fact_capacity < count) {
        reader->facts = mem_resize(reader->facts, count, sizeof(*reader->facts));
        reader->fact_capacity = count;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!(bytes_left(&in) >= USUAL_ROOM &&
              read_usual_fact(&in, numbers, base_ms, &reader->facts[i])) &&
            !read_fact(&in, numbers, base_ms, &reader->facts[i]))
            return false;
    if ((count > 0 ? reader->facts[0].time_ms : 0) != base_ms)
        return false;
    reader->entry.fact_count = count;
    *from = in;
    return in.strings_used == in.string_count;
}

static bool read_catalog(struct feed_input *in, struct feed_reader *reader)
{
    uint32_t count;

    if (!read_count(in, CATALOG_MIN_BYTES, &count))
        return false;
    if (reader->catalog_capacity < count) {
        reader->catalog = mem_resize(reader->catalog, count, sizeof(*reader->catalog));
        reader->catalog_capacity = count;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct fact_catalog *change = &reader->catalog[i];
        if (in->at == in->end)
            return false;
        change->kind = (uint8_t)*in->at++;
        if (change->kind >= CATALOG_KIND_COUNT || !read_text(in, ID_MAX_BYTES, &change->id) ||
            !id_ok(change->id) || !read_text(in, CATALOG_JSON_MAX_BYTES, &change->json) ||
            change->json.size == 0)
            return false;
    }
    reader->entry.catalog_count = count;
    return true;
}

void feed_reader_init(struct feed_reader *reader)
{
    *reader = (struct feed_reader){0};
}

void feed_reader_done(struct feed_reader *reader)
{
    free(reader->facts);
    free(reader->catalog);
    free(reader->texts);
    free(reader->numbers);
    free(reader->seen);
    feed_reader_init(reader);
}

int feed_reader_decode(struct feed_reader *reader, struct names *names, struct slice bytes)
{
    struct feed_input in = {.at = bytes.data, .end = NULL};
    uint64_t base_ms;

    reader->entry = (struct feed_entry){0};
    if (bytes.size == 0 || *bytes.data != FEED_VERSION)
        return ERROR_CORRUPT;
    in.at = bytes.data + 1;
    in.end = bytes.data + bytes.size;
    if (!read_varint(&in, UINT64_MAX, &reader->entry.token) ||
        !read_varint(&in, TIME_MAX_MS, &base_ms) || !read_strings(&in, reader, names) ||
        !read_facts(&in, reader, (int64_t)base_ms) || !read_catalog(&in, reader) ||
        in.at != in.end) {
        reader->entry = (struct feed_entry){0};
        return ERROR_CORRUPT;
    }
    reader->entry.facts = reader->facts;
    reader->entry.catalog = reader->catalog;
    return 0;
}
