/*
 * Replies in memory of our own, beside hiredis's own of the same bytes: random replies, fed in
 * random pieces, come out equal; and no more is kept than is promised.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "livetally/buffer.h"
#include "store/redis_replies.h"

struct pair {
    struct redis_replies replies;
    redisReader *ours, *theirs;
    uint64_t random;
};

static uint32_t random_below(struct pair *pair, uint32_t end)
{
    pair->random = pair->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(pair->random >> 33) % end;
}

static int setup(void **state)
{
    static struct pair pair;
    redis_replies_init(&pair.replies);
    pair.ours = redisReaderCreate();
    redis_replies_attach(&pair.replies, pair.ours);
    pair.theirs = redisReaderCreate();
    pair.random = 1;
    *state = &pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    redisReaderFree(pair->ours);
    redisReaderFree(pair->theirs);
    redis_replies_done(&pair->replies);
    assert_int_equal(pair->replies.size_bytes, 0);
    return 0;
}

/* --- what Redis might say ------------------------------------------------------------------ */

static void put(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

static void put_bulk(struct buffer *out, size_t size)
{
    char head[32];
    snprintf(head, sizeof head, "$%zu\r\n", size);
    put(out, head);
    for (size_t i = 0; i < size; i++)
        buffer_append_byte(out, (char)(i * 7 + size));
    put(out, "\r\n");
}

static void put_random(struct pair *pair, struct buffer *out, int depth)
{
    static const char *const plain[] = {"+OK\r\n",         "-ERR no\r\n", ":-42\r\n",
                                        ":9000000000\r\n", "$-1\r\n",     "*-1\r\n",
                                        "*0\r\n",          "$0\r\n\r\n",  "+QUEUED\r\n"};
    char head[32];
    uint32_t what = random_below(pair, depth < 6 ? 16 : 12);
    if (what < 9) {
        put(out, plain[what]);
    } else if (what < 12) {
        put_bulk(out, random_below(pair, what == 9 ? 30000 : 40));
    } else {
        uint32_t count = random_below(pair, depth ? 6 : 40);
        snprintf(head, sizeof head, "*%u\r\n", (unsigned)count);
        put(out, head);
        for (uint32_t i = 0; i < count; i++)
            put_random(pair, out, depth + 1);
    }
}

/* --- comparing ----------------------------------------------------------------------------- */

static void assert_same(const redisReply *ours, const redisReply *theirs)
{
    assert_int_equal(ours->type, theirs->type);
    assert_int_equal(ours->integer, theirs->integer);
    assert_int_equal(ours->len, theirs->len);
    if (theirs->str) {
        assert_memory_equal(ours->str, theirs->str, theirs->len + 1);
    } else {
        assert_null(ours->str);
    }
    assert_int_equal(ours->elements, theirs->elements);
    for (size_t i = 0; i < theirs->elements; i++)
        assert_same(ours->element[i], theirs->element[i]);
}

/* How many replies are whole now. */
static uint32_t take_replies(struct pair *pair)
{
    for (uint32_t count = 0;; count++) {
        void *ours, *theirs;
        assert_int_equal(redisReaderGetReply(pair->ours, &ours), REDIS_OK);
        assert_int_equal(redisReaderGetReply(pair->theirs, &theirs), REDIS_OK);
        assert_true(!ours == !theirs);
        if (!theirs)
            return count;
        assert_same(ours, theirs);
        pair->ours->fn->freeObject(ours);
        freeReplyObject(theirs);
        assert_true(pair->replies.size_bytes <= REDIS_REPLIES_KEEP_BYTES);
    }
}

static void feed(struct pair *pair, const char *bytes, size_t size)
{
    assert_int_equal(redisReaderFeed(pair->ours, bytes, size), REDIS_OK);
    assert_int_equal(redisReaderFeed(pair->theirs, bytes, size), REDIS_OK);
}

/* --- tests --------------------------------------------------------------------------------- */

static void test_random_replies_in_random_pieces(void **state)
{
    struct pair *pair = *state;
    struct buffer bytes = {0};
    uint32_t taken = 0;
    for (int i = 0; i < 400; i++)
        put_random(pair, &bytes, 0);
    for (size_t at = 0; at < bytes.size;) {
        size_t size = 1 + random_below(pair, random_below(pair, 4) ? 300 : 70000);
        if (size > bytes.size - at)
            size = bytes.size - at;
        feed(pair, bytes.data + at, size);
        taken += take_replies(pair);
        at += size;
    }
    assert_int_equal(taken, 400);
    buffer_done(&bytes);
}

static void test_a_large_reply_is_given_back(void **state)
{
    struct pair *pair = *state;
    struct buffer bytes = {0};
    put(&bytes, "*301\r\n");
    for (int i = 0; i < 300; i++)
        put_bulk(&bytes, 20000);
    feed(pair, bytes.data, bytes.size);
    assert_int_equal(take_replies(pair), 0);
    assert_true(pair->replies.size_bytes > 300 * 20000);
    size_t fed = bytes.size;
    put_bulk(&bytes, REDIS_REPLIES_KEEP_BYTES + 1); /* a block that is too large alone */
    feed(pair, bytes.data + fed, bytes.size - fed);
    assert_int_equal(take_replies(pair), 1);
    assert_int_equal(pair->replies.size_bytes, 0);
    buffer_done(&bytes);
}

static void test_replies_of_one_size_share_one_block(void **state)
{
    struct pair *pair = *state;
    struct buffer bytes = {0};
    put(&bytes, "*40\r\n");
    for (int i = 0; i < 40; i++)
        put_bulk(&bytes, 5000);
    feed(pair, bytes.data, bytes.size);
    assert_int_equal(take_replies(pair), 1);
    feed(pair, bytes.data, bytes.size);
    assert_int_equal(take_replies(pair), 1);
    const void *block = pair->replies.newest;
    for (int i = 0; i < 20; i++) {
        feed(pair, bytes.data, bytes.size);
        assert_int_equal(take_replies(pair), 1);
        assert_ptr_equal(pair->replies.newest, block);
    }
    buffer_done(&bytes);
}

static void test_nonsense_frees_what_is_unfinished(void **state)
{
    struct pair *pair = *state;
    struct buffer bytes = {0};
    void *reply;
    put(&bytes, "*3\r\n");
    put_bulk(&bytes, 3 * REDIS_REPLIES_KEEP_BYTES);
    put(&bytes, "?");
    assert_int_equal(redisReaderFeed(pair->ours, bytes.data, bytes.size), REDIS_OK);
    assert_int_equal(redisReaderGetReply(pair->ours, &reply), REDIS_ERR);
    assert_null(reply);
    assert_int_equal(pair->replies.size_bytes, 0);
    buffer_done(&bytes);
}

static void test_the_next_reader_goes_on_with_it(void **state)
{
    struct pair *pair = *state;
    static const char half[] = "*2\r\n+half\r\n";
    static const char whole[] = "*2\r\n+a\r\n:1\r\n";
    feed(pair, half, sizeof half - 1);
    assert_int_equal(take_replies(pair), 0);
    redisReaderFree(pair->ours);
    redisReaderFree(pair->theirs);
    pair->ours = redisReaderCreate();
    redis_replies_attach(&pair->replies, pair->ours);
    pair->theirs = redisReaderCreate();
    feed(pair, whole, sizeof whole - 1);
    assert_int_equal(take_replies(pair), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_replies_in_random_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_large_reply_is_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replies_of_one_size_share_one_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense_frees_what_is_unfinished, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_next_reader_goes_on_with_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
