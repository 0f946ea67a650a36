/*
 * Parcels: posts under way. A daemon at full speed needs some thousand messages a second, each
 * with buffers and an array of events, so used ones are kept, up to a bound in bytes.
 */
#include <stdlib.h>

#include "livetally/json.h"
#include "livetally/mem.h"
#include "livetally/server.h"
#include "net.h"

#define KEPT_BYTES      (16U << 20)
#define KEPT_TEXT_BYTES (256U << 10) /* of one parcel; larger ones are rare */
#define AUTH_BYTES      16384

uint64_t parcel_bytes(const struct parcel *parcel)
{
    const struct message *message = &parcel->post.message;

    return sizeof(*parcel) + message->text.capacity + message->scratch.capacity +
           message->event_capacity * sizeof(struct event) +
           message->rejection_capacity * sizeof(struct rejection);
}

struct parcel *parcel_new(struct server *server)
{
    struct parcel *parcel = server->parcels;

    if (parcel) {
        server->parcels = parcel->next;
        server->parcel_bytes -= parcel_bytes(parcel);
        message_reset(&parcel->post.message);
    } else {
        parcel = mem_zalloc(sizeof(*parcel));
        message_init(&parcel->post.message);
    }
    parcel->server = server;
    parcel->prev = NULL;
    parcel->next = NULL;
    parcel->unread_bytes = 0;
    parcel->done = false;
    return parcel;
}

static void drop(struct parcel *parcel)
{
    message_done(&parcel->post.message);
    free(parcel);
}

void parcel_free(struct parcel *parcel)
{
    struct server *server;
    uint64_t bytes;

    if (!parcel)
        return;
    server = parcel->server;
    if (parcel->post.grant) {
        grant_unref(parcel->post.grant);
        parcel->post.grant = NULL;
    }
    bytes = parcel_bytes(parcel);
    if (parcel->post.message.text.capacity > KEPT_TEXT_BYTES ||
        server->parcel_bytes + bytes > KEPT_BYTES) {
        drop(parcel);
        return;
    }
    server->parcel_bytes += bytes;
    parcel->next = server->parcels;
    server->parcels = parcel;
}

void parcel_drop_all(struct server *server)
{
    while (server->parcels) {
        struct parcel *parcel = server->parcels;

        server->parcels = parcel->next;
        drop(parcel);
    }
    server->parcel_bytes = 0;
}

static const struct arrival *arrival(struct server *server)
{
    if (!server->arrival.known)
        server->arrival =
            (struct arrival){true, clock_wall_ms(&server->clock), (int64_t)uv_hrtime()};
    return &server->arrival;
}

void parcel_parse(struct parcel *parcel)
{
    struct server *server = parcel->server;
    struct message *message = &parcel->post.message;
    uint32_t events;

    message_parse(message, server->options.rules, arrival(server)->wall_ms);
    events = message->event_count + message->rejection_count;
    parcel->events = events ? events : 1;
    parcel->bytes = message->text.size;
}

bool parcel_is_utf8(const struct parcel *parcel)
{
    const struct message *message = &parcel->post.message;

    /* The reader checks what it accepts, so only what it complained about is worth a look. */
    return message->rejection_count == 0 || utf8_ok(buffer_slice(&message->text));
}

bool parcel_is_auth(const struct parcel *parcel)
{
    const struct message *message = &parcel->post.message;
    struct json_reader reader;
    struct json_string key;
    bool auth = false;

    if (message->event_count != 0 || message->rejection_count != 1 ||
        message->rejections[0].code != REJECT_BAD_TYPE || message->text.size > AUTH_BYTES)
        return false;
    json_reader_init(&reader, buffer_slice(&message->text));
    if (json_reader_next(&reader) != JSON_OBJECT)
        return false;
    while (json_reader_key(&reader, &key)) {
        if (!json_string_equals(key, SLICE("type")))
            (void)json_reader_skip(&reader);
        else if (json_reader_next(&reader) == JSON_STRING)
            auth = json_string_equals(reader.string, SLICE("auth"));
    }
    return auth && json_reader_end(&reader);
}

void parcel_look(struct server *server)
{
    if (!server->pressed || server->waiting_bytes > server->options.waiting_bytes / 2)
        return;
    server->pressed = false;
    log_print(server->log, LOG_LEVEL_NOTICE, "tools are read from again");
    for (struct connection *at = server->connections; at; at = at->next)
        if (at->kind == KIND_INGEST && at->phase == PHASE_OPEN)
            ingest_tell_store(at); /* its turn to be flushed, and with it to be read from again */
}

void parcel_settled(struct parcel *parcel)
{
    struct server *server = parcel->server;

    server->waiting_bytes -= parcel->waiting_bytes;
    parcel->waiting_bytes = 0;
    parcel_look(server);
}

void parcel_submit(struct parcel *parcel, uint64_t number, post_done_fn *done, void *origin)
{
    struct server *server = parcel->server;
    struct post *post = &parcel->post;

    post->next = NULL;
    post->number = number;
    post->received_ns = arrival(server)->monotonic_ns;
    post->accepted = 0;
    post->duplicates = 0;
    post->parked = 0;
    post->form_rejections = post->message.rejection_count;
    post->done = done;
    post->origin = origin;
    parcel->waiting_bytes = parcel_bytes(parcel);
    server->waiting_bytes += parcel->waiting_bytes;
    if (server->waiting_bytes >= server->options.waiting_bytes && !server->pressed) {
        server->pressed = true;
        log_print(
            server->log, LOG_LEVEL_WARNING,
            "no tool is read from: what waits for Redis has reached limits.waiting_bytes=%llu",
            (unsigned long long)server->options.waiting_bytes);
    }
    server->stats->messages++;
    server->stats->message_bytes += post->message.text.size;
    server->ops.submit(server->ops.context, post);
}
