/*
 * One event, as a message that holds nothing else.
 */
#ifndef LIVETALLY_TESTS_EVENT_FIXTURE_H
#define LIVETALLY_TESTS_EVENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/event.h"

#define NOW       INT64_C(1760000000000)
#define KEEP_MS   (INT64_C(30) * 86400000)
#define FUTURE_MS INT64_C(300000)

static const struct event_rules rules = {NULL, "CNY", FUTURE_MS, KEEP_MS, 0};

static void parse(struct message *message, const char *text)
{
    message_reset(message);
    buffer_append_text(&message->text, text);
    message_parse(message, &rules, NOW);
    assert_int_equal(message->event_count + message->rejection_count, 1);
}

static const struct event *accept(struct message *message, const char *text)
{
    parse(message, text);
    if (message->rejection_count)
        fail_msg("%s\n  rejected: %s", text, message->rejections[0].error);
    assert_int_equal(message->events[0].index, 0);
    return &message->events[0];
}

#endif
