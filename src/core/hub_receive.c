/*
 * Messages of viewers. They are handled in order: while one waits (for groups, for room in the
 * socket, or because there were too many in this second), those after it wait as text in the
 * viewer's inbox, at most INBOX_MESSAGES and INBOX_BYTES. All of that is its backlog, which most
 * viewers don't have most of the time.
 */
#include "hub_internal.h"

#include <stdlib.h>

#include "livetally/json.h"
#include "livetally/mem.h"

#define SECOND_MS       1000
#define TOPIC_RAW_BYTES (6u * TOPIC_MAX_BYTES) /* every byte escaped; longer is never a topic */

/* One message, read. Strings point into its text. */
struct request {
    struct json_string type;
    struct json_string topics[SUBSCRIBE_TOPICS];
    uint32_t topic_count;
    bool has_type;
    bool has_topics;
    bool has_interval;
    int64_t interval_ms;
    const char *code; /* of the error, or NULL */
    const char *error;
};

struct request *request_new(void)
{
    return mem_zalloc(sizeof(struct request));
}

/* The first thing that is wrong is what is said. */
static void fail(struct request *request, const char *code, const char *error)
{
    if (request->code)
        return;
    request->code = code;
    request->error = error;
}

/* Passes over a value of a wrong kind, whose beginning was read. */
static void pass(struct json_reader *reader, enum json_kind kind)
{
    if (kind == JSON_OBJECT || kind == JSON_ARRAY)
        json_reader_leave(reader);
}

static void read_topics(struct request *request, struct json_reader *reader)
{
    enum json_kind kind = json_reader_next(reader);

    request->has_topics = true;
    if (kind != JSON_ARRAY) {
        fail(request, "bad_field", "topics must be an array of strings");
        pass(reader, kind);
        return;
    }
    while (json_reader_element(reader)) {
        kind = json_reader_next(reader);
        if (kind != JSON_STRING)
            fail(request, "bad_field", "topics must be an array of strings");
        else if (request->topic_count == SUBSCRIBE_TOPICS)
            fail(request, "bad_field", "a message may name 1000 topics at most");
        else
            request->topics[request->topic_count++] = reader->string;
        pass(reader, kind);
    }
}

static void read_field(struct request *request, struct json_reader *reader, struct json_string key)
{
    enum json_kind kind;

    if (json_string_equals(key, SLICE("topics"))) {
        read_topics(request, reader);
    } else if (json_string_equals(key, SLICE("type"))) {
        kind = json_reader_next(reader);
        request->has_type = true;
        request->type = reader->string;
        if (kind != JSON_STRING)
            fail(request, "bad_type", "type must be a string");
        pass(reader, kind);
    } else if (json_string_equals(key, SLICE("interval_ms"))) {
        kind = json_reader_next(reader);
        request->has_interval = true;
        request->interval_ms = reader->integer;
        if (kind != JSON_INT || reader->integer < 1)
            fail(request, "bad_field", "interval_ms must be an integer above 0");
        pass(reader, kind);
    } else {
        json_reader_skip(reader);
    }
}

static void read_request(struct request *request, struct slice text)
{
    struct json_reader reader;
    struct json_string key;
    enum json_kind kind;

    request->topic_count = 0;
    request->has_type = request->has_topics = request->has_interval = false;
    request->code = NULL;
    json_reader_init(&reader, text);
    kind = json_reader_next(&reader);
    if (kind == JSON_OBJECT) {
        while (json_reader_key(&reader, &key))
            read_field(request, &reader, key);
    } else {
        fail(request, "bad_type", "a message must be an object");
        pass(&reader, kind);
    }
    if (!json_reader_end(&reader)) {
        request->code = "bad_json";
        request->error = reader.error ? reader.error : "something follows the message";
    } else if (!request->has_type) {
        fail(request, "missing_field", "type is missing");
    }
}

static bool waits(const struct viewer *viewer)
{
    return viewer->backlog && (viewer->backlog->subscription || viewer->backlog->inbox);
}

/* The one it has, or a new one. viewer_go_on() ends it. */
static struct backlog *open_backlog(struct viewer *viewer)
{
    struct backlog *backlog = viewer->backlog;

    if (backlog)
        return backlog;
    backlog = mem_zalloc(sizeof(*backlog));
    backlog->viewer = viewer;
    backlog->inbox_end = &backlog->inbox;
    link_init(&backlog->in_hub);
    viewer->backlog = backlog;
    return backlog;
}

static uint8_t interval_index(int64_t interval_ms)
{
    uint8_t index = 0;

    while (index < INTERVAL_COUNT - 1 && interval_ms > hub_intervals_ms[index])
        index++;
    return index;
}

static void answer_error(struct viewer *viewer, const char *code, const char *text)
{
    struct buffer *out = &viewer->hub->text;
    struct frame *frame;

    viewer->hub->stats->bad_messages++;
    if (viewer->bad_count < LIVE_BAD_MESSAGES_MAX)
        viewer->bad_count++;
    if (viewer->blocked)
        return;
    buffer_reset(out);
    buffer_append_byte(out, '{');
    json_field_string(out, "type", SLICE("error"));
    json_field_string(out, "code", slice_of(code));
    json_field_string(out, "error", slice_of(text));
    buffer_append_byte(out, '}');
    frame = frame_new(buffer_slice(out));
    if (hub_send(viewer, frame))
        frame_unref(frame);
    else
        open_backlog(viewer)->unsent = frame;
}

/* Absent when it is too long for a topic. */
static struct slice decode_name(struct json_string string, char out[TOPIC_RAW_BYTES])
{
    if (!string.escaped)
        return string.raw;
    if (string.raw.size > TOPIC_RAW_BYTES)
        return (struct slice){NULL, 0};
    return (struct slice){out, json_string_decode(string, out)};
}

static void start_subscription(struct viewer *viewer, const struct request *request)
{
    struct hub *hub = viewer->hub;
    struct subscription *subscription = mem_alloc(sizeof(*subscription));
    char name[TOPIC_RAW_BYTES];

    hub->stats->subscribes++;
    subscription_init(subscription,
                      request->has_interval ? interval_index(request->interval_ms)
                                            : viewer->interval,
                      hub->live.monotonic_ms + LOAD_WAIT_MS);
    for (uint32_t i = 0; i < request->topic_count; i++) {
        struct slice decoded = decode_name(request->topics[i], name);

        subscription_add(hub, subscription, decoded.data ? decoded : request->topics[i].raw,
                         viewer->grant, viewer->audience);
    }
    open_backlog(viewer)->subscription = subscription;
}

static void unsubscribe(struct viewer *viewer, const struct request *request)
{
    struct hub *hub = viewer->hub;
    struct live_topic **topics =
        mem_resize(NULL, request->topic_count, sizeof(struct live_topic *));
    char name[TOPIC_RAW_BYTES];
    uint32_t count = 0;

    for (uint32_t i = 0; i < request->topic_count; i++) {
        struct live_topic *live_topic;
        struct topic topic;

        if (topic_parse(decode_name(request->topics[i], name), &topic, NULL))
            continue;
        buffer_reset(&hub->text);
        topic_write(&hub->text, &topic);
        live_topic = live_topic_find(&hub->live, buffer_slice(&hub->text));
        if (live_topic)
            topics[count++] = live_topic;
    }
    viewer_unsubscribe(viewer, topics, count);
    free(topics);
}

/* False: it came too early in this second, and is to be handled later. */
static bool take_turn(struct viewer *viewer)
{
    const struct hub *hub = viewer->hub;

    if (hub->live.monotonic_ms - viewer->window_ms >= SECOND_MS) {
        viewer->window_ms = hub->live.monotonic_ms;
        viewer->window_count = 0;
    }
    if (viewer->window_count >= hub->options.subscribes_per_second)
        return false;
    viewer->window_count++;
    return true;
}

/* False: not now. */
static bool handle(struct viewer *viewer, struct slice text)
{
    struct request *request = viewer->hub->request;
    bool subscribes;

    read_request(request, text);
    if (request->code) {
        answer_error(viewer, request->code, request->error);
        return true;
    }
    subscribes = json_string_equals(request->type, SLICE("subscribe"));
    if (!subscribes && !json_string_equals(request->type, SLICE("unsubscribe"))) {
        /* An open daemon ignores tokens; else the server has read the auth message before. */
        if (!json_string_equals(request->type, SLICE("auth")))
            answer_error(viewer, "bad_type", "type must be subscribe or unsubscribe");
        return true;
    }
    if (!request->has_topics) {
        answer_error(viewer, "missing_field", "topics is missing");
        return true;
    }
    if (subscribes && !take_turn(viewer))
        return false;
    viewer->bad_count = 0;
    if (subscribes)
        start_subscription(viewer, request);
    else
        unsubscribe(viewer, request);
    return true;
}

static void enqueue(struct viewer *viewer, struct slice text)
{
    struct backlog *backlog = open_backlog(viewer);
    struct inbox_message *message;

    if (backlog->inbox_count >= INBOX_MESSAGES || backlog->inbox_bytes + text.size > INBOX_BYTES) {
        answer_error(viewer, "too_many_messages", "more messages are waiting than may");
        return;
    }
    message = mem_alloc(sizeof(*message) + text.size);
    message->next = NULL;
    message->size = text.size;
    if (text.size)
        memcpy(message->text, text.data, text.size);
    *backlog->inbox_end = message;
    backlog->inbox_end = &message->next;
    backlog->inbox_count++;
    backlog->inbox_bytes += (uint32_t)text.size;
}

static void pop(struct backlog *backlog)
{
    struct inbox_message *message = backlog->inbox;

    backlog->inbox = message->next;
    if (!backlog->inbox)
        backlog->inbox_end = &backlog->inbox;
    backlog->inbox_count--;
    backlog->inbox_bytes -= (uint32_t)message->size;
    free(message);
}

static void end_subscription(struct backlog *backlog)
{
    if (!backlog->subscription)
        return;
    subscription_done(backlog->viewer->hub, backlog->subscription);
    free(backlog->subscription);
    backlog->subscription = NULL;
}

static void stop_waiting(struct backlog *backlog)
{
    struct hub *hub = backlog->viewer->hub;

    if (link_alone(&backlog->in_hub))
        return;
    link_remove(&backlog->in_hub);
    hub->waiting_count--;
    if (hub->waiting_left > hub->waiting_count)
        hub->waiting_left = hub->waiting_count;
}

/* A viewer whose socket is full is woken by that; others stand in the hub's list. */
static void start_waiting(struct backlog *backlog)
{
    const struct viewer *viewer = backlog->viewer;
    struct hub *hub = viewer->hub;
    int64_t due_ms =
        backlog->subscription ? backlog->subscription->deadline_ms : viewer->window_ms + SECOND_MS;

    if (due_ms <= hub->live.monotonic_ms)
        due_ms = hub->live.monotonic_ms + SECOND_MS;
    if (due_ms < hub->waiting_due_ms)
        hub->waiting_due_ms = due_ms;
    if (!link_alone(&backlog->in_hub))
        return;
    link_append(&hub->waiting, &backlog->in_hub);
    hub->waiting_count++;
}

/* Ends it when nothing waits any more. */
static void close_backlog(struct viewer *viewer)
{
    struct backlog *backlog = viewer->backlog;

    if (!viewer->blocked && waits(viewer))
        start_waiting(backlog);
    else
        stop_waiting(backlog);
    if (waits(viewer) || backlog->unsent)
        return;
    free(backlog);
    viewer->backlog = NULL;
}

void viewer_go_on(struct viewer *viewer)
{
    struct backlog *backlog = viewer->backlog;

    if (!backlog)
        return;
    while (!viewer->blocked) {
        if (backlog->subscription) {
            if (!viewer_subscribe(viewer, backlog->subscription))
                break;
            end_subscription(backlog);
        } else if (!backlog->inbox ||
                   !handle(viewer, (struct slice){backlog->inbox->text, backlog->inbox->size})) {
            break;
        } else {
            pop(backlog);
        }
    }
    close_backlog(viewer);
}

bool viewer_send_rest(struct viewer *viewer)
{
    struct backlog *backlog = viewer->backlog;

    if (!backlog || !backlog->unsent)
        return true;
    if (!hub_send(viewer, backlog->unsent))
        return false;
    frame_unref(backlog->unsent);
    backlog->unsent = NULL;
    return true;
}

void viewer_forget(struct viewer *viewer)
{
    struct backlog *backlog = viewer->backlog;

    if (!backlog)
        return;
    end_subscription(backlog);
    while (backlog->inbox)
        pop(backlog);
    frame_unref(backlog->unsent);
    backlog->unsent = NULL;
    close_backlog(viewer);
}

bool hub_receive(struct viewer *viewer, struct slice text)
{
    hub_observe(viewer->hub);
    if (viewer->blocked || waits(viewer) || !handle(viewer, text))
        enqueue(viewer, text);
    viewer_go_on(viewer);
    return viewer->bad_count < LIVE_BAD_MESSAGES_MAX;
}

/* One pass over the waiting starts at every change, and when time alone lets one of them go on. */
bool hub_go_on(struct hub *hub, uint32_t *budget)
{
    if (hub->waiting_left == 0) {
        if (hub->waiting_count == 0 ||
            (hub->waiting_seq == hub->live.now.seq && hub->live.monotonic_ms < hub->waiting_due_ms))
            return true;
        hub->waiting_left = hub->waiting_count;
        hub->waiting_seq = hub->live.now.seq;
        hub->waiting_due_ms = INT64_MAX;
    }
    while (hub->waiting_left > 0 && *budget > 0) {
        struct backlog *backlog = LINK_OWNER(hub->waiting.next, struct backlog, in_hub);

        --*budget;
        hub->waiting_left--;
        link_remove(&backlog->in_hub);
        link_append(&hub->waiting, &backlog->in_hub);
        viewer_go_on(backlog->viewer);
    }
    return hub->waiting_left == 0;
}
