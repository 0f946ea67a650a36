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
 *   slots     a small hash table of these numbers, to see that none comes twice
 */
#include <stdlib.h>

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

#define INTERN_BLOCK 32u
#define COUNTY_MAX   999999u

/* Kind, four places and a quantity of up to two bytes, a county of three, two numbers of up to
 * seven. */
#define USUAL_BYTES (1 + 5 * 2 + 3 + 2 * 7)

/* What is left to decode, and how many ids were used so far. */
struct feed_input {
    const char *at;
    const char *end;
    uint32_t string_count;
    uint32_t strings_used;
};

/* Numbers one after the other; ok: all so far were of a usual size, and in their shortest spelling.
 */
struct varints {
    const char *at;
    bool ok;
};

/* One or two bytes. */
static inline uint32_t varints_short(struct varints *from)
{
    uint32_t low = (unsigned char)from->at[0];
    uint32_t high = (unsigned char)from->at[1];
    uint32_t more = low >> 7;

    from->at += 1 + more;
    from->ok &= !more | (high - 1 < 0x7f);
    return (low & 0x7f) | ((high << 7) & -more);
}

/* Three bytes, as all codes of counties. */
static inline uint32_t varints_county(struct varints *from)
{
    uint32_t low = (unsigned char)from->at[0];
    uint32_t middle = (unsigned char)from->at[1];
    uint32_t high = (unsigned char)from->at[2];

    from->at += 3;
    from->ok &= (low & middle & 0x80) != 0 && high - 1 < 0x7f;
    return (low & 0x7f) | (middle & 0x7f) << 7 | high << 14;
}

/* Up to seven bytes. */
static inline uint64_t varints_long(struct varints *from)
{
    uint64_t value = 0;
    uint32_t byte;
    uint32_t shift = 0;

    do {
        byte = (unsigned char)*from->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte >= 0x80 && shift < 7 * 7);
    from->ok &= byte < 0x80 && (byte != 0 || shift == 7);
    return value;
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

/* Room for so many ids, and a table for them at most half full. */
static void make_room(struct feed_reader *reader, uint32_t count)
{
    uint32_t capacity = reader->string_capacity ? reader->string_capacity : 8;

    while (capacity < count)
        capacity *= 2;
    if (capacity == reader->string_capacity)
        return;
    reader->texts = mem_resize(reader->texts, capacity, sizeof(*reader->texts));
    reader->numbers = mem_resize(reader->numbers, (size_t)capacity + 1, sizeof(*reader->numbers));
    reader->slots = mem_resize(reader->slots, (size_t)capacity * 2, sizeof(*reader->slots));
    reader->string_capacity = capacity;
}

static bool has_number_twice(struct feed_reader *reader, uint32_t count)
{
    uint32_t mask = 15;

    while (mask + 1 < count * 2)
        mask = mask * 2 + 1;
    memset(reader->slots, 0, ((size_t)mask + 1) * sizeof(*reader->slots));
    for (uint32_t place = 1; place <= count; place++) {
        uint32_t number = reader->numbers[place];
        uint32_t at = (number * UINT32_C(0x9e3779b1) >> 7) & mask;
        while (reader->slots[at] != 0) {
            if (reader->slots[at] == number)
                return true;
            at = (at + 1) & mask;
        }
        reader->slots[at] = number;
    }
    return false;
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
    return id_ok(*ret_id);
}

/* In blocks, of which each round fetches what the next one reads. */
static void intern(struct feed_reader *reader, struct names *names, uint32_t count)
{
    uint64_t hashes[INTERN_BLOCK];

    reader->numbers[0] = 0;
    for (uint32_t first = 0; first < count; first += INTERN_BLOCK) {
        const struct slice *texts = reader->texts + first;
        uint32_t *numbers = reader->numbers + 1 + first;
        uint32_t taken = count - first < INTERN_BLOCK ? count - first : INTERN_BLOCK;
        for (uint32_t i = 0; i < taken; i++)
            hashes[i] = names_prefetch(names, texts[i]);
        for (uint32_t i = 0; i < taken; i++)
            names_prefetch_text(names, hashes[i]);
        for (uint32_t i = 0; i < taken; i++)
            numbers[i] = names_intern_hashed(names, hashes[i], texts[i]);
    }
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
    intern(reader, names, in->string_count);
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

static bool fact_ok(const struct fact *fact)
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
    struct varints from = {in->at, true};
    uint32_t used = in->strings_used;
    uint32_t count = in->string_count;
    uint32_t places[IDS_PER_FACT];
    uint64_t time;

    fact->kind = (uint8_t)*from.at++;
    places[0] = varints_short(&from);
    fact->county = varints_county(&from);
    for (uint32_t i = 1; i < IDS_PER_FACT; i++)
        places[i] = varints_short(&from);
    for (uint32_t i = 0; i < IDS_PER_FACT; i++) {
        used += places[i] == used + 1;
        from.ok &= places[i] <= used;
    }
    fact->quantity = varints_short(&from);
    fact->amount = (int64_t)varints_long(&from);
    time = varints_long(&from);
    if (!from.ok || used > count)
        return false;
    fact->host = numbers[places[0]];
    fact->product = numbers[places[1]];
    fact->session = numbers[places[2]];
    fact->platform = numbers[places[3]];
    fact->time_ms = base_ms + zigzag_decode(time);
    if (fact->amount > ORDER_AMOUNT_MAX || fact->time_ms < 0 || fact->time_ms > TIME_MAX_MS ||
        !fact_ok(fact))
        return false;
    in->at = from.at;
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
        if (!(bytes_left(&in) >= USUAL_BYTES &&
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
    free(reader->slots);
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
