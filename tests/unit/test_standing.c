/*
 * What is read of the ledger's generations, over a Redis that is played here: whatever happens to
 * an answer, reading goes on after the next connect until both generations are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/partition_private.h"

#define REQUESTS_MAX 8
#define OTHER_LANE   1u

struct request {
    redis_reply_fn *done;
    char text[128]; /* "": the lanes' versions are asked for */
};

/* An empty ledger. */
struct played {
    struct partition partition;
    struct stats stats;
    struct request requests[REQUESTS_MAX]; /* without an answer */
    uint32_t request_count;
    long long other_version;
    int64_t now_ms;
};

static struct played *played_by(void *context)
{
    return (struct played *)((char *)context - offsetof(struct played, partition));
}

static bool note(void *context, redis_reply_fn *done, const char *text)
{
    struct played *played = played_by(context);
    assert_true(played->request_count < REQUESTS_MAX);
    struct request *request = &played->requests[played->request_count++];
    request->done = done;
    snprintf(request->text, sizeof request->text, "%s", text);
    return true;
}

int64_t partition_now_ms(const struct partition *partition)
{
    return ((const struct played *)((const char *)partition - offsetof(struct played, partition)))
        ->now_ms;
}

bool partition_send(struct partition *partition, redis_reply_fn *done, void *context)
{
    (void)partition;
    return note(context, done, "");
}

__attribute__((format(printf, 4, 5))) bool redis_link_command(struct redis_link *link,
                                                              redis_reply_fn *done, void *context,
                                                              const char *format, ...)
{
    char text[128];
    va_list arguments;
    (void)link;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return note(context, done, text);
}

static void answer_versions(struct played *played, redis_reply_fn *done)
{
    redisReply lanes[LANE_COUNT], *elements[LANE_COUNT];
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        lanes[lane] = (redisReply){.type = REDIS_REPLY_INTEGER,
                                   .integer = lane == OTHER_LANE ? played->other_version : 0};
        elements[lane] = &lanes[lane];
    }
    redisReply all = {.type = REDIS_REPLY_ARRAY, .elements = LANE_COUNT, .element = elements};
    done(&played->partition, &all);
}

static void answer_scan(struct played *played, redis_reply_fn *done)
{
    char zero[] = "0";
    redisReply cursor = {.type = REDIS_REPLY_STRING, .str = zero, .len = 1};
    redisReply fields = {.type = REDIS_REPLY_ARRAY};
    redisReply *elements[] = {&cursor, &fields};
    redisReply slice = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = elements};
    done(&played->partition, &slice);
}

/* The oldest request. */
static void answer(struct played *played)
{
    struct request request = played->requests[0];
    redisReply none = {.type = REDIS_REPLY_INTEGER, .integer = 0};
    played->request_count--;
    memmove(played->requests, played->requests + 1,
            played->request_count * sizeof *played->requests);
    if (!request.text[0])
        answer_versions(played, request.done);
    else if (strncmp(request.text, "HSCAN", 5) == 0)
        answer_scan(played, request.done);
    else
        request.done(&played->partition, &none);
}

/* Turns of the loop, each half a minute on; every request is answered. */
static void go_on(struct played *played)
{
    for (int turn = 0; turn < 20; turn++) {
        played->now_ms += 30000;
        standing_tick(&played->partition);
        standing_pump(&played->partition);
        while (played->request_count)
            answer(played);
    }
}

static bool knows_all(const struct played *played)
{
    const struct judge *judge = &played->partition.judge;
    return judge->current.complete && judge->previous.complete;
}

static void connect_again(struct played *played)
{
    played->request_count = 0;
    standing_connection_lost(&played->partition);
    assert_false(knows_all(played));
    standing_live(&played->partition);
}

/* Until a slice of the ledger is asked for. */
static void begin_reading(struct played *played)
{
    standing_pump(&played->partition);
    while (strncmp(played->requests[0].text, "HSCAN", 5) != 0)
        answer(played);
}

static int setup(void **state)
{
    static struct played played;
    played = (struct played){.other_version = 7, .now_ms = 1000};
    struct partition *partition = &played.partition;
    partition->loop = uv_default_loop();
    partition->stats = &played.stats;
    partition->phase = PHASE_LIVE;
    partition->options.known_orders = 1000;
    partition->options.feed_keep_ms = 60000;
    partition->fence.generations = (struct generations){.current = 5, .packed_from = 4};
    partition->ledger = ledger_new(1000, 1);
    keys_init(&partition->keys, "lt:");
    standing_init(partition);
    standing_live(partition);
    *state = &played;
    return 0;
}

static int teardown(void **state)
{
    struct played *played = *state;
    standing_close(&played->partition, NULL);
    uv_run(played->partition.loop, UV_RUN_DEFAULT);
    standing_done(&played->partition);
    buffer_done(&played->partition.command);
    ledger_free(played->partition.ledger);
    return uv_loop_close(played->partition.loop);
}

static void test_all_is_read(void **state)
{
    struct played *played = *state;
    assert_false(knows_all(played));
    go_on(played);
    assert_true(knows_all(played));
}

static void test_the_connection_is_lost_while_it_reads(void **state)
{
    struct played *played = *state;
    begin_reading(played);
    connect_again(played);
    go_on(played);
    assert_true(knows_all(played));
}

static void test_the_connection_is_lost_with_an_answer_nobody_waits_for(void **state)
{
    struct played *played = *state;
    begin_reading(played);
    played->other_version++;
    standing_heard(&played->partition, OTHER_LANE, (uint64_t)played->other_version);
    connect_again(played);
    go_on(played);
    assert_true(knows_all(played));
}

static void other_lane_commits(struct played *played)
{
    played->other_version++;
    standing_heard(&played->partition, OTHER_LANE, (uint64_t)played->other_version);
    while (played->request_count)
        answer(played);
}

/* How long the other lane has to be silent until the current generation is asked for, to 10 s. */
static int64_t silence_ms(struct played *played)
{
    int64_t since_ms = played->now_ms;
    while (!played->request_count) {
        assert_true(played->now_ms - since_ms < 3600000);
        played->now_ms += 10000;
        standing_tick(&played->partition);
        standing_pump(&played->partition);
    }
    return played->now_ms - since_ms;
}

/* It commits twice each time the generation is being read. */
static void assert_silence(struct played *played, int64_t expected_ms)
{
    assert_int_equal(silence_ms(played), expected_ms);
    begin_reading(played);
    other_lane_commits(played);
    played->now_ms += 1000;
    other_lane_commits(played);
}

static void test_a_longer_silence_is_waited_for_after_each_reading_in_vain(void **state)
{
    struct played *played = *state;
    go_on(played);
    other_lane_commits(played);
    assert_silence(played, 60000);
    for (int minutes = 1; minutes <= 16; minutes *= 2)
        assert_silence(played, minutes * 60000);
    assert_silence(played, 16 * 60000);
    assert_int_equal(silence_ms(played), 16 * 60000);
    go_on(played);
    assert_true(knows_all(played));
    other_lane_commits(played);
    assert_silence(played, 60000);
    assert_silence(played, 60000);
    assert_silence(played, 120000);
    connect_again(played);
    go_on(played);
    other_lane_commits(played);
    assert_silence(played, 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_connection_is_lost_while_it_reads, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_connection_is_lost_with_an_answer_nobody_waits_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_longer_silence_is_waited_for_after_each_reading_in_vain, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
