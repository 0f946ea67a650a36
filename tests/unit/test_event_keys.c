/*
 * Keys of events: which of them come next is guessed, and the guesses know nothing of what the
 * others have passed. Whatever the order of keys, however they are spelt, and whatever unknown ones
 * stand between them, each value gets to its place, no key may come twice, nor more than
 * JSON_KEYS_MAX.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/event.h"
#include "livetally/json.h"

#define NOW         INT64_C(1760000000000)
#define KNOWN       9
#define KEYS        (JSON_KEYS_MAX + 3)
#define EVENTS_MOST 4

static const struct event_rules rules = {NULL, "CNY", 300000, INT64_C(2592000000), 0};

/* Those of an order; what they say is told from the event's number. */
static const char *const known[KNOWN] = {"type",       "order_id",   "host_id",
                                         "session_id", "product_id", "county",
                                         "platform",   "quantity",   "amount"};

static uint64_t random_state = 11;

static uint32_t random_below(uint32_t below)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33) % below;
}

static void append_space(struct buffer *out)
{
    if (random_below(12) == 0)
        buffer_append_text(out, random_below(2) ? " " : "\t ");
}

/* The first letter may be escaped: it is the same key then. */
static void append_key(struct buffer *out, const char *name, bool rarely)
{
    append_space(out);
    if (rarely && random_below(9) == 0)
        buffer_printf(out, "\"\\u%04x%s\"", (unsigned)name[0], name + 1);
    else
        buffer_printf(out, "\"%s\"", name);
    append_space(out);
    buffer_append_byte(out, ':');
    append_space(out);
}

static void append_value(struct buffer *out, uint32_t key, uint32_t number)
{
    switch (key) {
    case 0:
        buffer_append_text(out, "\"order\"");
        break;
    case 5:
        buffer_append_text(out, "\"422828\"");
        break;
    case 7:
    case 8:
        buffer_append_uint(out, 1 + number * 10 + key);
        break;
    default:
        buffer_printf(out, key < KNOWN ? "\"k%u-%u\"" : "[{\"type\":%u,\"k\":%u}]", key, number);
        break;
    }
}

/* An object of known and unknown keys in a random order. True: one stands twice, or there are too
 * many. Known ones stand in it all. */
static bool append_object(struct buffer *out, uint32_t number, bool usual)
{
    uint32_t unknown = usual             ? 0
                       : random_below(4) ? random_below(6)
                                         : KEYS - KNOWN - random_below(5);
    uint32_t count = KNOWN + unknown, order[KEYS + 1];
    bool twice = !usual && random_below(4) == 0;
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count - 1; i > 0 && !usual; i--) {
        uint32_t other = random_below(i + 1), held = order[i];
        order[i] = order[other];
        order[other] = held;
    }
    if (twice) {
        uint32_t place = random_below(count);
        order[count++] = order[place];
    }
    buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%u", order[i]);
        if (i > 0)
            buffer_append_byte(out, ',');
        append_key(out, order[i] < KNOWN ? known[order[i]] : name, !usual);
        append_value(out, order[i], number);
        append_space(out);
    }
    buffer_append_byte(out, '}');
    return twice || count > JSON_KEYS_MAX;
}

static void check_text(struct slice text, uint32_t key, uint32_t number)
{
    char expected[32];
    snprintf(expected, sizeof expected, "k%u-%u", key, number);
    assert_true(slice_equal(text, slice_of(expected)));
}

static void check_event(const struct event *event, uint32_t number)
{
    assert_int_equal(EVENT_ORDER, event->type);
    assert_int_equal(number, event->index);
    check_text(event->order_id, 1, number);
    check_text(event->host_id, 2, number);
    check_text(event->session_id, 3, number);
    check_text(event->product_id, 4, number);
    check_text(event->platform, 6, number);
    assert_int_equal(422828, event->county);
    assert_int_equal(1 + number * 10 + 7, event->quantity);
    assert_int_equal(1 + number * 10 + 8, event->amount);
}

static void test_random_objects(void **state)
{
    (void)state;
    struct message message;
    uint32_t good = 0, bad = 0;
    message_init(&message);
    for (int step = 0; step < 20000; step++) {
        uint32_t count = 1 + random_below(EVENTS_MOST);
        bool wrong = false;
        message_reset(&message);
        buffer_append_byte(&message.text, '[');
        for (uint32_t i = 0; i < count; i++) {
            if (i > 0)
                buffer_append_byte(&message.text, ',');
            wrong |= append_object(&message.text, i, random_below(3) == 0);
        }
        buffer_append_byte(&message.text, ']');
        message_parse(&message, &rules, NOW);
        if (wrong) {
            bad++;
            assert_int_equal(0, message.event_count);
            assert_int_equal(1, message.rejection_count);
            assert_int_equal(REJECT_BAD_JSON, message.rejections[0].code);
            continue;
        }
        good++;
        assert_int_equal(0, message.rejection_count);
        assert_int_equal(count, message.event_count);
        for (uint32_t i = 0; i < count; i++)
            check_event(&message.events[i], i);
    }
    assert_true(good > 5000 && bad > 5000);
    message_done(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_objects)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
