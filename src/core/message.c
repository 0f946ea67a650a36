/*
 * Why this exists: a message is one event, an array of them, or one a line; whatever is wrong with
 * one must not touch the others. A message owns its text, and events are slices of it: nothing is
 * copied but strings with escapes, which go into the scratch buffer. Events and rejections are
 * arrays of at most MESSAGE_EVENTS_MAX, kept from message to message.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "event_decode.h"
#include "json_scan.h"
#include "livetally/mem.h"

#define FIRST_EVENTS 1U /* most messages of some tools have one, and thousands may wait */

void message_init(struct message *message)
{
    *message = (struct message){.text = BUFFER_INIT, .scratch = BUFFER_INIT};
}

void message_done(struct message *message)
{
    buffer_done(&message->text);
    buffer_done(&message->scratch);
    free(message->events);
    free(message->rejections);
    message_init(message);
}

/* Forgets what was read, but not the text. */
static void message_forget(struct message *message)
{
    buffer_reset(&message->scratch);
    message->event_count = 0;
    message->rejection_count = 0;
}

void message_reset(struct message *message)
{
    buffer_reset(&message->text);
    message_forget(message);
}

void message_keep_rejections(struct message *message)
{
    struct rejection *rejections = message->rejections;
    uint32_t count = message->rejection_count;

    message->rejections = NULL;
    message_done(message);
    if (count == 0) {
        free(rejections);
        return;
    }
    message->rejections = mem_resize(rejections, count, sizeof *rejections);
    message->rejection_count = message->rejection_capacity = count;
}

/* Room for one more in an array of `count` of `capacity` elements. */
static void *array_grow(void *array, uint32_t count, uint32_t *capacity, size_t size_bytes)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : FIRST_EVENTS;
    return mem_resize(array, *capacity, size_bytes);
}

struct rejection *message_reject(struct message *message, uint32_t index)
{
    message->rejections = array_grow(message->rejections, message->rejection_count,
                                     &message->rejection_capacity, sizeof *message->rejections);
    struct rejection *rejection = &message->rejections[message->rejection_count++];
    *rejection = (struct rejection){.index = index};
    return rejection;
}

/* In place of everything read so far: the message as a whole is refused. */
static struct rejection *message_reject_whole(struct message *message)
{
    message_forget(message);
    return message_reject(message, REJECTION_WHOLE_MESSAGE);
}

/* What parsing one message needs. The reader is large and is only initialised as far as used. */
struct parsing {
    struct message *message;
    const struct event_rules *rules;
    int64_t now_ms;
    uint32_t most; /* events */
    struct json_reader reader;
    struct event_fields fields;
};

static void reject_too_large(const struct parsing *p)
{
    rejection_set(message_reject_whole(p->message), REJECT_BATCH_TOO_LARGE, NULL,
                  (struct slice){NULL, 0}, "a message holds at most %" PRIu32 " events", p->most);
}

/* The value that starts here is rejected unless it is an object, which is only opened. False on a
 * syntax error. */
static bool open_event(struct parsing *p, uint32_t index, bool *ret_opened)
{
    struct event_value value = {.kind = JSON_ERROR};
    char text[EVENT_VALUE_TEXT_BYTES];
    value.kind = json_reader_next_to(&p->reader, &value.string, &value.integer);
    *ret_opened = value.kind == JSON_OBJECT;
    if (*ret_opened)
        return true;
    if (!event_value_pass(value.kind, &p->reader))
        return false;
    event_value_describe(&value, text);
    rejection_set(message_reject(p->message, index), REJECT_BAD_TYPE, NULL, (struct slice){NULL, 0},
                  "an event must be an object, got %s", text);
    return true;
}

/* Reads the value that starts here, which should be an event. False on a syntax error. */
static bool parse_event(struct parsing *p, uint32_t index)
{
    struct message *message = p->message;
    bool opened = true;
    if (!json_pass_open(&p->reader) && !open_event(p, index, &opened))
        return false;
    if (!opened)
        return true;
    if (!event_fields_read(&p->fields, &p->reader, &message->scratch, message->text.size))
        return false;
    message->events = array_grow(message->events, message->event_count, &message->event_capacity,
                                 sizeof *message->events);
    if (event_judge(&p->fields, p->rules, p->now_ms, message, index,
                    &message->events[message->event_count]))
        message->event_count++;
    return true;
}

/* The message as one value. False: it isn't JSON. */
static bool parse_value(struct parsing *p, struct slice text, char first)
{
    uint32_t index = 0;
    json_reader_init(&p->reader, text);
    if (first != '[')
        return parse_event(p, 0) && json_reader_end(&p->reader);
    json_reader_next(&p->reader);
    while (json_reader_element(&p->reader)) {
        if (index == p->most) {
            reject_too_large(p);
            return true;
        }
        if (!parse_event(p, index++))
            return false;
    }
    return json_reader_end(&p->reader);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_space(text.data[i]))
            return false;
    return true;
}

/* Takes the first line off *rest, without its newline. False when nothing is left. */
static bool next_line(struct slice *rest, struct slice *ret_line)
{
    if (rest->size == 0)
        return false;
    const char *newline = memchr(rest->data, '\n', rest->size);
    size_t size = newline ? (size_t)(newline - rest->data) : rest->size;
    *ret_line = (struct slice){rest->data, size};
    size += newline ? 1 : 0;
    *rest = (struct slice){rest->data + size, rest->size - size};
    return true;
}

static bool several_lines(struct slice text)
{
    struct slice line;
    int lines = 0;
    while (lines < 2 && next_line(&text, &line))
        lines += !is_blank(line);
    return lines == 2;
}

static void parse_lines(struct parsing *p, struct slice text)
{
    struct slice line;
    uint32_t events = 0;
    for (uint32_t index = 0; next_line(&text, &line); index++) {
        if (is_blank(line))
            continue;
        if (events++ == p->most) {
            reject_too_large(p);
            return;
        }
        uint32_t events_before = p->message->event_count;
        uint32_t rejections_before = p->message->rejection_count;
        json_reader_init(&p->reader, line);
        if (parse_event(p, index) && json_reader_end(&p->reader))
            continue;
        /* A good object may have been followed by something else. */
        p->message->event_count = events_before;
        p->message->rejection_count = rejections_before;
        rejection_set(message_reject(p->message, index), REJECT_BAD_JSON, NULL,
                      (struct slice){NULL, 0}, "not JSON at byte %zu of the line: %s",
                      json_reader_offset(&p->reader), p->reader.error);
    }
}

void message_parse(struct message *message, const struct event_rules *rules, int64_t now_ms)
{
    struct slice text = buffer_slice(&message->text);
    struct parsing p;
    size_t start = 0;

    message_forget(message);
    while (start < text.size && is_space(text.data[start]))
        start++;
    if (start == text.size)
        return;
    p.message = message;
    p.rules = rules;
    p.now_ms = now_ms;
    p.most = rules->message_events ? rules->message_events : MESSAGE_EVENTS_MAX;
    event_fields_init(&p.fields);
    char first = text.data[start];
    if (parse_value(&p, text, first))
        return;
    message_forget(message);
    if (first != '[' && several_lines(text)) {
        parse_lines(&p, text);
        return;
    }
    rejection_set(message_reject_whole(message), REJECT_BAD_JSON, NULL, (struct slice){NULL, 0},
                  "not JSON at byte %zu: %s", json_reader_offset(&p.reader), p.reader.error);
}

bool message_is_auth(struct slice text)
{
    struct json_reader reader;
    struct json_string key;
    json_reader_init(&reader, text);
    if (json_reader_next(&reader) != JSON_OBJECT)
        return false;
    while (json_reader_key(&reader, &key)) {
        if (!json_string_equals(key, SLICE("type"))) {
            json_reader_skip(&reader);
            continue;
        }
        /* Nearly every message ends here, at its first key. */
        if (json_reader_next(&reader) != JSON_STRING ||
            !json_string_equals(reader.string, SLICE("auth")))
            return false;
        return json_reader_leave(&reader) && json_reader_end(&reader);
    }
    return false;
}
