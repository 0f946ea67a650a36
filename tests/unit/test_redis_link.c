/*
 * A connection to a Redis that is played here, at the other end of a Unix socket in the same loop:
 * replies in any pieces, in few turns, and cut off; commands larger than the socket; and what is
 * kept in between. Nothing waits for time: a turn of the loop sees all that was written before it.
 */
#include <errno.h>
#include <fcntl.h>
#include <hiredis/sds.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "livetally/buffer.h"
#include "livetally/mem.h"
#include "store/redis_link_internal.h"

#define LONG_MS     3600000 /* no time-out ends a test */
#define TURNS_MAX   100000
#define ENTRY_BYTES 27000
#define KEEP_BYTES  524288

struct world {
    uv_loop_t loop;
    struct redis_link *link;
    struct stats *stats;
    char folder[32], path[64];
    int listener, peer;
    uint64_t random;
    bool is_up, closed;
    uint32_t downs;
    char reason[REDIS_REASON_BYTES];
    size_t entries;           /* of each array that is due */
    uint32_t answers, broken; /* broken: without a reply */
    uint32_t reset_at;        /* this answer resets the connection; 0: none */
    struct buffer heard;      /* what Redis was sent */
};

/* --- the two ends -------------------------------------------------------------------------- */

static void turn(struct world *world)
{
    uv_run(&world->loop, UV_RUN_NOWAIT);
}

/* Until all is read that lies in the socket, 16 kB a time at worst. */
static void turn_often(struct world *world)
{
    for (int i = 0; i < 100; i++)
        turn(world);
}

/* What lies in Redis's end of the socket, up to `most` bytes. */
static size_t hear(struct world *world, size_t most)
{
    char *at = buffer_reserve(&world->heard, most);
    ssize_t got = read(world->peer, at, most);
    if (got <= 0)
        return 0;
    world->heard.size += (size_t)got;
    return (size_t)got;
}

/* What fits into the socket. */
static size_t say(struct world *world, const char *bytes, size_t size)
{
    ssize_t taken = write(world->peer, bytes, size);
    if (taken < 0)
        assert_int_equal(errno, EAGAIN);
    return taken < 0 ? 0 : (size_t)taken;
}

static void say_all(struct world *world, const struct buffer *bytes)
{
    size_t at = 0;
    for (int i = 0; at < bytes->size; i++) {
        assert_true(i < TURNS_MAX);
        at += say(world, bytes->data + at, bytes->size - at);
        turn(world);
    }
}

static void on_up(void *context)
{
    struct world *world = context;
    world->is_up = true;
}

static void on_down(void *context, const char *reason)
{
    struct world *world = context;
    world->downs++;
    world->is_up = false;
    snprintf(world->reason, sizeof world->reason, "%s", reason);
}

static void on_closed(void *context)
{
    struct world *world = context;
    world->closed = true;
}

static void listen_at(struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(world->folder, "/tmp/livetally-link-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->path, sizeof world->path, "%s/redis.sock", world->folder);
    memcpy(address.sun_path, world->path, strlen(world->path) + 1);
    world->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(world->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(world->listener, 1), 0);
}

static void widen(int socket)
{
    const int bytes = 1048576;
    assert_int_equal(setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
}

static void bring_up(struct world *world)
{
    redis_link_start(world->link);
    for (int i = 0; world->peer < 0; i++) {
        assert_true(i < TURNS_MAX);
        turn(world);
        world->peer = accept4(world->listener, NULL, NULL, SOCK_NONBLOCK);
    }
    widen(world->peer);
    for (int i = 0; world->heard.size < strlen("*1\r\n$4\r\nPING\r\n"); i++) {
        assert_true(i < TURNS_MAX);
        turn(world);
        hear(world, 64);
    }
    say(world, "+PONG\r\n", 7);
    turn(world);
    assert_true(world->is_up);
    buffer_reset(&world->heard);
}

static int setup(void **state)
{
    struct world *world = mem_zalloc(sizeof *world);
    struct redis_link_options options = {.connect_timeout_ms = LONG_MS,
                                         .reply_timeout_ms = LONG_MS,
                                         .backoff_min_ms = LONG_MS,
                                         .backoff_max_ms = LONG_MS};
    const struct redis_link_ops ops = {on_up, on_down, world};
    world->peer = -1;
    world->random = 1;
    world->stats = mem_zalloc(sizeof *world->stats);
    listen_at(world);
    snprintf(options.target.path, sizeof options.target.path, "%s", world->path);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    world->link = redis_link_new(&world->loop, &options, &ops, NULL, world->stats);
    bring_up(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    redis_link_close(world->link, on_closed, world);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_true(world->closed);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    if (world->peer >= 0)
        close(world->peer);
    close(world->listener);
    unlink(world->path);
    rmdir(world->folder);
    buffer_done(&world->heard);
    free(world->stats);
    free(world);
    return 0;
}

/* --- commands and replies ------------------------------------------------------------------ */

static void put(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

/* As a feed's: an array of large entries. */
static void put_array(struct buffer *out, size_t entries)
{
    char head[32];
    snprintf(head, sizeof head, "*%zu\r\n", entries);
    put(out, head);
    snprintf(head, sizeof head, "$%d\r\n", ENTRY_BYTES);
    for (size_t entry = 0; entry < entries; entry++) {
        put(out, head);
        for (size_t i = 0; i < ENTRY_BYTES; i++)
            buffer_append_byte(out, (char)(i * 31 + entry));
        put(out, "\r\n");
    }
}

static void note_answer(struct world *world, const redisReply *reply)
{
    world->answers++;
    world->broken += !reply;
    if (world->answers == world->reset_at)
        redis_link_reset(world->link, "wanted");
}

static void on_array(void *context, const redisReply *reply)
{
    struct world *world = context;
    if (reply) {
        assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
        assert_int_equal(reply->elements, world->entries);
        for (size_t entry = 0; entry < world->entries; entry++) {
            const redisReply *text = reply->element[entry];
            assert_int_equal(text->type, REDIS_REPLY_STRING);
            assert_int_equal(text->len, ENTRY_BYTES);
            for (size_t i = 0; i < ENTRY_BYTES; i++)
                assert_true(text->str[i] == (char)(i * 31 + entry));
        }
    }
    note_answer(world, reply);
}

static void on_number(void *context, const redisReply *reply)
{
    struct world *world = context;
    if (reply) {
        assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
        assert_int_equal(reply->integer, world->answers);
    }
    note_answer(world, reply);
}

static void ask(struct world *world, redis_reply_fn *done)
{
    assert_true(redis_link_command(world->link, done, world, "PING"));
}

static void on_text(void *context, const redisReply *reply)
{
    struct world *world = context;
    if (reply)
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
    note_answer(world, reply);
}

static size_t kept_reading(const struct world *world)
{
    return sdsalloc(world->link->redis->c.reader->buf);
}

static size_t kept_writing(const struct world *world)
{
    return sdsalloc(world->link->redis->c.obuf);
}

/* --- tests --------------------------------------------------------------------------------- */

static void test_replies_arrive_in_any_pieces(void **state)
{
    struct world *world = *state;
    struct buffer bytes = {0};
    world->entries = 20;
    for (int round = 0; round < 10; round++) {
        char number[32];
        ask(world, on_number);
        ask(world, on_array);
        ask(world, on_number);
        snprintf(number, sizeof number, ":%d\r\n", 3 * round);
        put(&bytes, number);
        put_array(&bytes, world->entries);
        snprintf(number, sizeof number, ":%d\r\n", 3 * round + 2);
        put(&bytes, number);
    }
    for (size_t at = 0; at < bytes.size;) {
        world->random = world->random * 6364136223846793005u + 1442695040888963407u;
        size_t size = 1 + (world->random >> 33) % (world->random >> 63 ? 50 : 300000);
        at += say(world, bytes.data + at, size < bytes.size - at ? size : bytes.size - at);
        turn(world);
    }
    turn(world);
    assert_int_equal(world->answers, 30);
    assert_int_equal(world->broken, 0);
    buffer_done(&bytes);
}

static void test_a_long_reply_takes_one_turn(void **state)
{
    struct world *world = *state;
    struct buffer bytes = {0};
    world->entries = 9;
    put_array(&bytes, world->entries);
    ask(world, on_array);
    assert_int_equal(say(world, bytes.data, bytes.size), bytes.size);
    turn(world);
    assert_int_equal(world->answers, 1);
    buffer_done(&bytes);
}

static void test_buffers_are_kept_up_to_their_bounds(void **state)
{
    struct world *world = *state;
    struct buffer bytes = {0};
    char *large = mem_zalloc(4 * KEEP_BYTES), head[32];
    world->entries = 4;
    put_array(&bytes, world->entries);
    ask(world, on_array);
    say_all(world, &bytes);
    size_t kept = kept_reading(world);
    assert_true(kept >= ENTRY_BYTES && kept <= KEEP_BYTES);
    ask(world, on_array);
    say_all(world, &bytes);
    assert_int_equal(kept_reading(world), kept);

    redis_link_command(world->link, on_number, world, "ECHO %b", large, (size_t)100000);
    turn(world);
    hear(world, 200000);
    assert_true(kept_writing(world) >= 100000 && kept_writing(world) <= KEEP_BYTES);
    widen(world->link->redis->c.fd);
    redis_link_command(world->link, on_number, world, "ECHO %b", large, (size_t)300000);
    assert_true(kept_writing(world) > KEEP_BYTES);
    turn(world);
    assert_true(hear(world, KEEP_BYTES) > 300000);
    assert_true(kept_writing(world) <= KEEP_BYTES);
    redis_link_command(world->link, on_text, world, "GET large");
    buffer_reset(&bytes);
    snprintf(head, sizeof head, ":2\r\n:3\r\n$%d\r\n", 4 * KEEP_BYTES);
    put(&bytes, head);
    buffer_append(&bytes, large, 4 * KEEP_BYTES);
    say_all(world, &bytes);
    turn_often(world);
    assert_int_equal(world->answers, 4);
    assert_true(kept_reading(world) > 4 * KEEP_BYTES);
    ask(world, on_number);
    buffer_reset(&bytes);
    put(&bytes, "\r\n:5\r\n");
    say(world, bytes.data, 2);
    turn(world);
    say(world, bytes.data + 2, 4);
    turn(world);
    assert_int_equal(world->answers, 6);
    assert_true(kept_reading(world) <= KEEP_BYTES);
    free(large);
    buffer_done(&bytes);
}

static void send_large(struct world *world, size_t size)
{
    static const char tail[] = "\r\n*2\r\n$4\r\nECHO\r\n$5\r\nafter\r\n";
    char *large = mem_alloc(size), head[32];
    for (size_t i = 0; i < size; i++)
        large[i] = (char)('a' + i % 23);
    buffer_reset(&world->heard);
    redis_link_command(world->link, on_number, world, "%b", large, size);
    turn(world);
    turn(world);
    redis_link_command(world->link, on_number, world, "ECHO after");
    for (int i = 0; hear(world, 10000) || i < 2; i++)
        turn(world);
    size_t head_size = (size_t)snprintf(head, sizeof head, "*1\r\n$%zu\r\n", size);
    assert_int_equal(world->heard.size, head_size + size + sizeof tail - 1);
    assert_memory_equal(world->heard.data, head, head_size);
    assert_memory_equal(world->heard.data + head_size, large, size);
    assert_memory_equal(world->heard.data + head_size + size, tail, sizeof tail - 1);
    free(large);
}

static void test_commands_larger_than_the_socket(void **state)
{
    struct world *world = *state;
    send_large(world, 250000);
    send_large(world, 3000000);
    say(world, ":0\r\n:1\r\n:2\r\n:3\r\n", 16);
    turn(world);
    assert_int_equal(world->answers, 4);
}

/* A connection that ends after so many bytes of a reply, with or without a word of ours unread. */
static void end_amid(struct world *world, size_t size, bool unread, const char *reason)
{
    struct buffer bytes = {0};
    world->entries = 9;
    put_array(&bytes, world->entries);
    ask(world, on_array);
    ask(world, on_array);
    turn(world);
    if (!unread)
        hear(world, 1000);
    assert_int_equal(say(world, bytes.data, size), size);
    close(world->peer);
    world->peer = -1;
    turn_often(world);
    assert_int_equal(world->answers, 2);
    assert_int_equal(world->broken, 2);
    assert_int_equal(world->downs, 1);
    assert_string_equal(world->reason, reason);
    buffer_done(&bytes);
}

static void test_goodbye_amid_a_reply(void **state)
{
    end_amid(*state, 70000, false, "Server closed the connection");
}

static void test_goodbye_after_what_hiredis_reads(void **state)
{
    end_amid(*state, 16384, false, "Server closed the connection");
}

static void test_an_error_amid_a_reply_is_told(void **state)
{
    end_amid(*state, 70000, true, "Connection reset by peer");
}

static void test_after_a_reset_no_reply_is_handed_out(void **state)
{
    struct world *world = *state;
    struct buffer bytes = {0};
    world->entries = 2;
    world->reset_at = 2;
    for (int i = 0; i < 3; i++) {
        ask(world, on_array);
        put_array(&bytes, world->entries);
    }
    assert_int_equal(say(world, bytes.data, bytes.size), bytes.size);
    for (int i = 0; i < 3; i++)
        turn(world);
    assert_int_equal(world->answers, 3);
    assert_int_equal(world->broken, 1);
    assert_int_equal(world->downs, 1);
    assert_string_equal(world->reason, "wanted");
    buffer_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replies_arrive_in_any_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_long_reply_takes_one_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_buffers_are_kept_up_to_their_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands_larger_than_the_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goodbye_amid_a_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goodbye_after_what_hiredis_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_error_amid_a_reply_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_after_a_reset_no_reply_is_handed_out, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
