/*
 * Which ids stand in the ledger's two live generations: a filter for each (id_filter.h), so that
 * commits look in Redis only for ids that may be there. The filter of a generation is complete when
 * it has all ids that stand in it, and some more do no harm:
 *
 *   - It is filled by an HSCAN of the generation, in slices, after every connect. Our own commits'
 *     ids are added before they are sent.
 *   - The previous generation gets no new ids, from nobody: commits are fenced by the generation.
 * So what was read whole stays complete.
 *   - The current one gets them from other lanes too, and none ever leaves it. So as long as it has
 *     as many records as we know of, it has no other ids; the commit script sees to that
 *     (lua/commit.lua). When it has more, all is looked for as ever, and the generation is read
 *     again once the other lanes have been silent for a while: a longer one each time that they
 *     broke it before all was read. (Whoever takes records away by hand while others come can make
 *     the number right and the ids wrong: nothing of ours does.)
 *   - When a generation ends, its filter goes on as that of the previous one, if no other lane has
 *     committed from before it was read until after it ended: their versions tell. Numbers don't
 *     any more, since a parked refund leaves the previous generation when its order comes.
 *   - Filters know ids, however a generation spells them (generations.h): none has one twice.
 *
 * Answers come in the order in which Redis did things, so how many of our own records it had
 * counted is always known. With the connection all of it is forgotten: of what somebody else did
 * meanwhile we know nothing.
 */
#include "commit.h"
#include "lanes.h"
#include "livetally/mem.h"
#include "livetally/order_field.h"
#include "partition_private.h"
#include "resp.h"

#include <stdlib.h>

/* HSCAN takes Redis 1 to 1.5 µs an id, since it answers records too: a slice half a millisecond,
 * all reading less than a tenth of its time, ten million ids two to three minutes. */
#define SLICE_IDS 500
#define PACE_MS   7

/* Of the silence waited for: 16 minutes, if a follower may sleep for one. */
#define SILENCE_DOUBLINGS_MAX 4

enum ids_state {
    IDS_UNKNOWN, /* to be read when it is due */
    IDS_READING,
    IDS_UNPROVEN, /* complete if no other lane committed before the generation ended */
    IDS_COMPLETE,
    IDS_TOO_MANY,
};

struct generation_ids {
    enum ids_state state;
    struct id_filter *filter; /* not while UNKNOWN or TOO_MANY */
    uint64_t records;         /* that stand there; of the previous one: at most */
    int64_t due_ms;           /* monotonic */
    uint32_t fruitless;       /* readings in a row that others' commits made worthless */
};

struct standing_ids {
    struct generation_ids generations[LEDGER_GENERATION_COUNT];
    uint64_t versions[LANE_COUNT];  /* when the current generation was begun to be read */
    struct generation_ids *reading; /* or NULL */
    uint64_t cursor;
    uint32_t answers_left; /* to what was asked for it */
    bool abandoned;        /* and these are of no use any more */
    bool due;              /* the next slice */
    uv_timer_t timer;
};

static struct generation_ids *ids_of(struct partition *partition, enum ledger_generation which)
{
    return &partition->standing->generations[which];
}

static void tell_judge(struct partition *partition)
{
    const struct generation_ids *current = ids_of(partition, LEDGER_CURRENT);
    const struct generation_ids *previous = ids_of(partition, LEDGER_PREVIOUS);
    partition->judge.current = (struct known_ids){current->filter, current->state == IDS_COMPLETE};
    partition->judge.previous =
        (struct known_ids){previous->filter, previous->state == IDS_COMPLETE};
}

static void stop_reading(struct standing_ids *standing)
{
    standing->reading = NULL;
    standing->abandoned = standing->answers_left > 0;
}

static void forget(struct partition *partition, struct generation_ids *ids, enum ids_state state,
                   int64_t due_ms)
{
    struct standing_ids *standing = partition->standing;
    if (standing->reading == ids)
        stop_reading(standing);
    id_filter_free(ids->filter);
    *ids = (struct generation_ids){.state = state, .due_ms = due_ms};
    tell_judge(partition);
    if (!standing->reading)
        standing->due = true;
}

/*
 * Read again when the other lanes have been silent for as long as a follower may sleep, a minute:
 * else what is read is soon worth nothing. A reading takes longer than that when there is much to
 * read, and others may sell every few minutes. So each one that comes to nothing, but for the
 * first, doubles what is waited for; one that is read to its end makes it a minute again.
 */
static void wait_for_silence(struct partition *partition, struct generation_ids *ids)
{
    uint32_t fruitless = ids->fruitless;
    if (partition->standing->reading == ids && fruitless <= SILENCE_DOUBLINGS_MAX)
        fruitless++;
    int64_t silence_ms = partition->options.feed_keep_ms << (fruitless ? fruitless - 1 : 0);
    forget(partition, ids, IDS_UNKNOWN, partition_now_ms(partition) + silence_ms);
    ids->fruitless = fruitless;
}

/* --- reading ------------------------------------------------------------------------------ */

static bool is_current(struct partition *partition, const struct generation_ids *ids)
{
    return ids == ids_of(partition, LEDGER_CURRENT);
}

static uint64_t number_of(struct partition *partition, const struct generation_ids *ids)
{
    return partition->fence.generations.current - !is_current(partition, ids);
}

/* False: nobody waits for this answer any more. */
static bool take_answer(struct standing_ids *standing)
{
    standing->answers_left--;
    if (standing->abandoned)
        standing->abandoned = standing->answers_left > 0;
    else
        return true;
    return false;
}

/* Others write to it; or it can't be read, which is for the commits to tell, as they meet it too.
 */
static void give_up(struct partition *partition)
{
    wait_for_silence(partition, partition->standing->reading);
}

static void on_timer(uv_timer_t *timer)
{
    struct partition *partition = timer->data;
    partition->standing->due = true;
}

static void pace(struct standing_ids *standing)
{
    uv_timer_start(&standing->timer, on_timer, PACE_MS, 0);
}

static void reading_ended(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct standing_ids *standing = partition->standing;
    if (!reply || !take_answer(standing))
        return;
    struct generation_ids *ids = standing->reading;
    uint64_t records;
    if (!reply_uint(reply, &records) || records > ids->records ||
        (is_current(partition, ids) && records < ids->records)) {
        give_up(partition);
        return;
    }
    ids->records = records;
    ids->state = IDS_COMPLETE;
    ids->fruitless = 0;
    standing->reading = NULL;
    standing->due = true;
    tell_judge(partition);
}

static void ask_records(struct partition *partition, redis_reply_fn *done)
{
    struct standing_ids *standing = partition->standing;
    char key[KEY_MAX_BYTES];
    key_orders(&partition->keys, number_of(partition, standing->reading), key);
    standing->answers_left += redis_link_command(partition->link, done, partition, "HLEN %s", key);
}

/* What no id is spelled as in this generation is no order's. */
static void add_field(const struct partition *partition, struct id_filter *filter, bool packed,
                      struct slice field)
{
    char room[ORDER_FIELD_DIGITS_MAX];
    struct slice id = field;
    if (!packed || order_field_read(field, room, &id) == 0)
        (void)id_filter_add(filter, ledger_hash(partition->ledger, id));
}

static void slice_read(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct standing_ids *standing = partition->standing;
    if (!reply || !take_answer(standing))
        return;
    if (!reply_is_array(reply, 2) || !reply_is_array(reply->element[1], 0) ||
        !reply_uint(reply->element[0], &standing->cursor)) {
        give_up(partition);
        return;
    }
    const redisReply *fields = reply->element[1];
    struct id_filter *filter = standing->reading->filter;
    bool packed = generation_is_packed(&partition->fence.generations,
                                       number_of(partition, standing->reading));
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        add_field(partition, filter, packed, reply_slice(fields->element[i]));
    if (id_filter_is_full(filter))
        forget(partition, standing->reading, IDS_TOO_MANY, 0);
    else if (standing->cursor)
        pace(standing);
    else
        ask_records(partition, reading_ended);
}

static void read_slice(struct partition *partition)
{
    struct standing_ids *standing = partition->standing;
    char key[KEY_MAX_BYTES];
    key_orders(&partition->keys, number_of(partition, standing->reading), key);
    standing->answers_left +=
        redis_link_command(partition->link, slice_read, partition, "HSCAN %s %llu COUNT %d", key,
                           (unsigned long long)standing->cursor, SLICE_IDS);
}

/* A new generation will be as large as the last one, and one that grows needs some room. */
static void records_counted(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    struct standing_ids *standing = partition->standing;
    uint64_t max = partition->options.known_orders;
    if (!reply || !take_answer(standing))
        return;
    struct generation_ids *ids = standing->reading;
    if (!reply_uint(reply, &ids->records)) {
        give_up(partition);
        return;
    }
    if (ids->records > max || !max) {
        forget(partition, ids, IDS_TOO_MANY, 0);
        return;
    }
    uint64_t expected = ids->records;
    if (is_current(partition, ids)) {
        uint64_t last = ids_of(partition, LEDGER_PREVIOUS)->records;
        expected += expected / 2;
        expected = expected > last ? expected : last;
    }
    ids->filter = id_filter_new(expected < max ? expected : max, max);
    ids->state = IDS_READING;
    standing->cursor = 0;
    tell_judge(partition);
    read_slice(partition);
}

/* --- beginning ---------------------------------------------------------------------------- */

static void take_versions(struct partition *partition, const uint64_t versions[LANE_COUNT])
{
    struct standing_ids *standing = partition->standing;
    struct generation_ids *previous = ids_of(partition, LEDGER_PREVIOUS);
    uint32_t own = partition->fence.lane;
    bool same = true;
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        same = same && (lane == own || versions[lane] == standing->versions[lane]);
    memcpy(standing->versions, versions, sizeof standing->versions);
    if (previous->state != IDS_UNPROVEN)
        return;
    if (same) {
        previous->state = IDS_COMPLETE;
        tell_judge(partition);
    } else {
        forget(partition, previous, IDS_UNKNOWN, 0);
    }
}

static void versions_noted(void *context, const redisReply *reply)
{
    struct partition *partition = context;
    uint64_t versions[LANE_COUNT] = {0};
    if (!reply || !take_answer(partition->standing))
        return;
    bool readable = reply_is_array(reply, LANE_COUNT);
    for (uint32_t lane = 0; readable && lane < LANE_COUNT; lane++)
        readable = reply->element[lane]->type == REDIS_REPLY_NIL ||
                   reply_uint(reply->element[lane], &versions[lane]);
    if (!readable) {
        give_up(partition);
        return;
    }
    take_versions(partition, versions);
}

static void begin(struct partition *partition, struct generation_ids *ids)
{
    struct standing_ids *standing = partition->standing;
    struct buffer *command = &partition->command;
    standing->reading = ids;
    if (is_current(partition, ids)) {
        buffer_reset(command);
        resp_start(command, 1 + LANE_COUNT);
        resp_text(command, "MGET");
        lanes_put_keys(command, &partition->keys, "ver");
        standing->answers_left += partition_send(partition, versions_noted, partition);
    }
    ask_records(partition, records_counted);
}

static bool is_due(const struct partition *partition, const struct generation_ids *ids)
{
    return ids->state == IDS_UNKNOWN && partition_now_ms(partition) >= ids->due_ms;
}

void standing_pump(struct partition *partition)
{
    struct standing_ids *standing = partition->standing;
    if (!standing->due || standing->answers_left || partition->phase != PHASE_LIVE)
        return;
    standing->due = false;
    if (standing->reading) {
        read_slice(partition);
        return;
    }
    for (int g = 0; g < LEDGER_GENERATION_COUNT && !standing->reading; g++)
        if (is_due(partition, &standing->generations[g]))
            begin(partition, &standing->generations[g]);
}

void standing_tick(struct partition *partition)
{
    if (!partition->standing->reading)
        partition->standing->due = true;
}

/* --- what happens meanwhile --------------------------------------------------------------- */

void standing_live(struct partition *partition)
{
    partition->standing->due = true;
}

void standing_connection_lost(struct partition *partition)
{
    struct standing_ids *standing = partition->standing;
    standing->answers_left = 0;
    standing->abandoned = false;
    for (int g = 0; g < LEDGER_GENERATION_COUNT; g++)
        forget(partition, &standing->generations[g], IDS_UNKNOWN, 0);
    memset(standing->versions, 0, sizeof standing->versions);
    uv_timer_stop(&standing->timer);
}

void standing_generation_moved(struct partition *partition, const struct generations *before)
{
    struct standing_ids *standing = partition->standing;
    const struct generations *now = &partition->fence.generations;
    struct generation_ids *current = ids_of(partition, LEDGER_CURRENT);
    struct generation_ids *previous = ids_of(partition, LEDGER_PREVIOUS);
    if (standing->reading)
        stop_reading(standing);
    forget(partition, previous, IDS_UNKNOWN, 0);
    if (current->state == IDS_COMPLETE && now->current == before->current + 1) {
        *previous = *current;
        previous->state = IDS_UNPROVEN;
        current->filter = NULL;
    }
    forget(partition, current, IDS_UNKNOWN, 0);
}

void standing_heard(struct partition *partition, uint32_t lane, uint64_t version)
{
    struct standing_ids *standing = partition->standing;
    struct generation_ids *current = ids_of(partition, LEDGER_CURRENT);
    struct generation_ids *previous = ids_of(partition, LEDGER_PREVIOUS);
    if (version <= standing->versions[lane])
        return;
    if (current->state != IDS_TOO_MANY)
        wait_for_silence(partition, current);
    if (previous->state == IDS_UNPROVEN)
        forget(partition, previous, IDS_UNKNOWN, 0);
}

void standing_grown(struct partition *partition, enum record_place place)
{
    enum ledger_generation which = place == PLACE_CURRENT ? LEDGER_CURRENT : LEDGER_PREVIOUS;
    wait_for_silence(partition, ids_of(partition, which));
}

void standing_committed(struct partition *partition, const struct looks *looks)
{
    struct generation_ids *current = ids_of(partition, LEDGER_CURRENT);
    current->records += looks->born;
    if (current->filter && id_filter_is_full(current->filter))
        forget(partition, current, IDS_TOO_MANY, 0);
}

struct standing standing_of(struct partition *partition, const struct looks *looks)
{
    struct id_stats *stats = partition->stats->known_orders;
    stats[LEDGER_CURRENT].looked_for += looks->current;
    stats[LEDGER_CURRENT].spared += looks->current_spared;
    stats[LEDGER_PREVIOUS].looked_for += looks->previous;
    stats[LEDGER_PREVIOUS].spared += looks->previous_spared;
    return (struct standing){.has_current = looks->current_spared > 0,
                             .has_previous = looks->previous_spared > 0,
                             .current = ids_of(partition, LEDGER_CURRENT)->records,
                             .previous = ids_of(partition, LEDGER_PREVIOUS)->records};
}

/* --- life --------------------------------------------------------------------------------- */

void standing_init(struct partition *partition)
{
    struct standing_ids *standing = partition->standing = mem_zalloc(sizeof *standing);
    uv_timer_init(partition->loop, &standing->timer);
    standing->timer.data = partition;
}

void standing_close(struct partition *partition, uv_close_cb closed)
{
    uv_close((uv_handle_t *)&partition->standing->timer, closed);
}

void standing_done(struct partition *partition)
{
    struct standing_ids *standing = partition->standing;
    for (int g = 0; g < LEDGER_GENERATION_COUNT; g++)
        id_filter_free(standing->generations[g].filter);
    free(standing);
}

void standing_refresh_stats(const struct partition *partition)
{
    struct stats *stats = partition->stats;
    stats->memory_bytes[MEMORY_KNOWN_ORDERS] = sizeof *partition->standing;
    for (int g = 0; g < LEDGER_GENERATION_COUNT; g++) {
        const struct generation_ids *ids = &partition->standing->generations[g];
        stats->known_orders[g].complete = ids->state == IDS_COMPLETE;
        if (ids->filter)
            stats->memory_bytes[MEMORY_KNOWN_ORDERS] += id_filter_memory_bytes(ids->filter);
    }
}
