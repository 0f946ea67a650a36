/*
 * A connection that is always on its way back.
 *
 *   IDLE ─start─▶ RESOLVING ─▶ CONNECTING ─▶ HANDSHAKE ─▶ UP
 *                    ▲            (AUTH, SELECT, PING)      │ error, time-out, reset
 *                    └──── BACKOFF ◀─ down() ◀─ BREAKING ◀──┘          any ─close─▶ CLOSING
 *
 * hiredis decides when its context dies: after a failed connect or a broken connection it frees
 * itself, running the pending callbacks with NULL. We free it ourselves only from the timer, where
 * no hiredis frame is on the stack; that is what BREAKING is for: it says "finished" to everybody
 * at once (send fails, replies still in hiredis's buffer turn into NULL), and the timer, set to 0,
 * does the rest. So no callback ever runs inside a call of ours.
 *
 * hiredis answers strictly in order, so what to do with a reply stands in a ring of our own beside
 * it, with the time of sending; the head is the oldest command, the one the reply time-out is
 * about. One timer serves all states: each has at most one thing to wait for.
 *
 * A loop that was busy for long sees its timers before its sockets. So a time-out that fires gets a
 * short second chance: one more turn, in which a reply that already lies in the socket is read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advice.h"
#include "livetally/mem.h"
#include "redis_link_internal.h"
#include "redis_uv.h"

#define SECOND_CHANCE_MS   20
#define PENDING_MAX        65536 /* commands without an answer */
#define PENDING_INITIAL    64    /* a power of two */
#define BACKOFF_SHIFTS_MAX 16
#define SHIFTS_SOON_MAX    2 /* Redis is there, and may be ready at any moment */

static void on_timer(uv_timer_t *timer);

void redis_link_set_timer(struct redis_link *link, uint64_t delay_ms)
{
    uv_timer_start(&link->timer, on_timer, delay_ms, 0);
}

void redis_link_break(struct redis_link *link, const char *reason)
{
    snprintf(link->reason, sizeof(link->reason), "%s", reason);
    link->state = STATE_BREAKING;
    redis_link_set_timer(link, 0);
}

void redis_link_break_by(struct redis_link *link, const redisReply *error)
{
    char reason[REDIS_REASON_BYTES];
    advice_write(error->str, reason, sizeof(reason));
    redis_link_break(link, reason);
}

static bool is_live(const struct redis_link *link)
{
    return link->state == STATE_HANDSHAKE || link->state == STATE_UP;
}

/* ------------------------------------------------------------------------- pending commands */

static void ring_push(struct redis_link *link, redis_reply_fn *done, void *context,
                      bool group_goes_on)
{
    if (link->ring_count == link->ring_size) {
        uint32_t size = link->ring_size ? link->ring_size * 2 : PENDING_INITIAL;
        struct pending *ring = mem_resize(NULL, size, sizeof(*ring));
        for (uint32_t i = 0; i < link->ring_count; i++) {
            ring[i] = link->ring[(link->ring_head + i) & (link->ring_size - 1)];
        }
        free(link->ring);
        link->ring = ring;
        link->ring_size = size;
        link->ring_head = 0;
    }
    uint32_t tail = (link->ring_head + link->ring_count) & (link->ring_size - 1);
    link->ring[tail] =
        (struct pending){done, context, uv_now(link->loop), uv_hrtime(), group_goes_on};
    link->ring_count++;
}

static struct pending ring_pop(struct redis_link *link)
{
    struct pending pending = link->ring[link->ring_head];
    link->ring_head = (link->ring_head + 1) & (link->ring_size - 1);
    link->ring_count--;
    return pending;
}

/* Errors that mean "not this Redis, or not now": nothing was done, and a new connection is due. */
static bool is_not_ready(const redisReply *reply)
{
    static const char *const prefixes[] = {"LOADING ", "MASTERDOWN ", "READONLY "};
    if (reply->type != REDIS_REPLY_ERROR) {
        return false;
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(reply->str, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void note_group_error(struct redis_link *link, const redisReply *reply)
{
    if (reply && reply->type == REDIS_REPLY_ERROR && !link->group_error[0])
        snprintf(link->group_error, sizeof(link->group_error), "%s", reply->str);
}

/*
 * The last reply of a group; or, in `error`, what Redis said before it, or why it discarded it all,
 * in the words that a command alone would be refused with.
 */
static const redisReply *end_group(struct redis_link *link, const redisReply *reply,
                                   redisReply *error, char text[GROUP_ERROR_BYTES])
{
    static const char discarded[] = "EXECABORT Transaction discarded because of: ";
    bool failed_before = link->group_error[0] != '\0';
    bool is_discarded = reply && reply->type == REDIS_REPLY_ERROR &&
                        strncmp(reply->str, discarded, sizeof(discarded) - 1) == 0;
    if (!reply || (!failed_before && !is_discarded)) {
        link->group_error[0] = '\0';
        return reply;
    }
    snprintf(text, GROUP_ERROR_BYTES, "%s",
             failed_before ? link->group_error : reply->str + sizeof(discarded) - 1);
    link->group_error[0] = '\0';
    *error = (redisReply){.type = REDIS_REPLY_ERROR, .str = text, .len = strlen(text)};
    return error;
}

static void on_reply(redisAsyncContext *redis, void *reply_memory, void *private)
{
    struct redis_link *link = private;
    const redisReply *reply = reply_memory;
    struct pending pending = ring_pop(link);
    redisReply group_error;
    char group_error_text[GROUP_ERROR_BYTES];
    (void)redis;
    link->second_chance = false;
    if (pending.group_goes_on) {
        note_group_error(link, reply);
        return;
    }
    reply = end_group(link, reply, &group_error, group_error_text);
    if (reply && is_live(link) && is_not_ready(reply)) {
        link->retry_soon = true;
        redis_link_break_by(link, reply);
    }
    if (!reply && is_live(link)) {
        link->state = STATE_BREAKING; /* hiredis is tearing down; on_disconnect follows */
        link->reason[0] = '\0';
    }
    if (reply)
        histogram_add(&link->stats->redis_seconds, STATS_SECONDS,
                      (double)(uv_hrtime() - pending.sent_ns) / 1e9, 1);
    if (pending.done) {
        pending.done(pending.context, is_live(link) ? reply : NULL);
    }
}

static bool send_command(struct redis_link *link, struct slice resp, redis_reply_fn *done,
                         void *context, bool group_goes_on)
{
    if (link->ring_count >= PENDING_MAX) {
        redis_link_break(link, "too many commands without an answer");
        return false;
    }
    if (redisAsyncFormattedCommand(link->redis, on_reply, link, resp.data, resp.size) != REDIS_OK) {
        return false;
    }
    ring_push(link, done, context, group_goes_on);
    if (link->state == STATE_UP && !uv_is_active((const uv_handle_t *)&link->timer)) {
        redis_link_set_timer(link, link->options.reply_timeout_ms);
    }
    return true;
}

bool redis_link_send_format(struct redis_link *link, redis_reply_fn *done, void *context,
                            const char *format, va_list args)
{
    char *resp = NULL;
    int size = redisvFormatCommand(&resp, format, args);
    if (size < 0) {
        return false;
    }
    bool sent = send_command(link, (struct slice){resp, (size_t)size}, done, context, false);
    redisFreeCommand(resp);
    return sent;
}

/* ------------------------------------------------------------------------------ going down */

static uint64_t next_random(struct redis_link *link)
{
    link->random ^= link->random << 13;
    link->random ^= link->random >> 7;
    link->random ^= link->random << 17;
    return link->random;
}

/* Between half and all of min * 2^failures, so that many daemons don't return as one. */
static uint64_t next_backoff_ms(struct redis_link *link)
{
    uint32_t most = link->retry_soon ? SHIFTS_SOON_MAX : BACKOFF_SHIFTS_MAX;
    uint32_t shift = link->failures < most ? link->failures : most;
    uint64_t delay_ms = (uint64_t)link->options.backoff_min_ms << shift;
    if (delay_ms > link->options.backoff_max_ms) {
        delay_ms = link->options.backoff_max_ms;
    }
    link->failures++;
    return delay_ms / 2 + next_random(link) % (delay_ms / 2 + 1);
}

void redis_link_fail(struct redis_link *link)
{
    char reason[REDIS_REASON_BYTES];
    memcpy(reason, link->reason, sizeof(reason));
    if (link->up_since_ms != 0 &&
        uv_now(link->loop) - link->up_since_ms >= link->options.backoff_max_ms) {
        link->failures = 0;
    }
    link->up_since_ms = 0;
    link->state = STATE_BACKOFF;
    link->second_chance = false;
    redis_link_set_timer(link, next_backoff_ms(link));
    link->stats->redis_failures++;
    link->ops.down(link->ops.context, reason);
}

void redis_link_drop(struct redis_link *link)
{
    redisAsyncContext *redis = link->redis;
    link->redis = NULL;
    if (redis) {
        redisAsyncFree(redis);
    }
}

static void free_link(struct redis_link *link)
{
    void (*closed)(void *context) = link->closed;
    void *context = link->closed_context;
    explicit_bzero(link->options.target.password, sizeof(link->options.target.password));
    free(link->ring);
    redis_replies_done(&link->replies);
    free(link);
    closed(context);
}

void redis_link_handle_closed(struct redis_link *link)
{
    link->open_handles--;
    if (link->open_handles == 0) {
        free_link(link); /* the timer is a handle too, closed last by finish_close() */
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    redis_link_handle_closed(handle->data);
}

static void finish_close(struct redis_link *link)
{
    redis_link_drop(link);
    if (link->resolving) {
        uv_cancel((uv_req_t *)&link->resolve);
        return; /* on_resolved() starts the timer again */
    }
    uv_close((uv_handle_t *)&link->timer, on_timer_closed);
}

/* A wait is over. True when it shall have one more turn of the loop first. */
static bool give_second_chance(struct redis_link *link)
{
    if (link->second_chance) {
        return false;
    }
    link->second_chance = true;
    redis_link_set_timer(link, SECOND_CHANCE_MS);
    return true;
}

static void check_reply_timeout(struct redis_link *link)
{
    if (link->ring_count == 0) {
        return;
    }
    uint64_t age_ms = uv_now(link->loop) - link->ring[link->ring_head].sent_ms;
    if (age_ms < link->options.reply_timeout_ms) {
        link->second_chance = false;
        redis_link_set_timer(link, link->options.reply_timeout_ms - age_ms);
    } else if (!give_second_chance(link)) {
        char reason[REDIS_REASON_BYTES];
        snprintf(reason, sizeof(reason), "no reply within %u ms", link->options.reply_timeout_ms);
        redis_link_break(link, reason);
    }
}

static void check_connect_timeout(struct redis_link *link)
{
    if (give_second_chance(link)) {
        return;
    }
    enum state state = link->state;
    char reason[REDIS_REASON_BYTES];
    snprintf(reason, sizeof(reason), "%s took over %u ms",
             state == STATE_RESOLVING    ? "resolving the host"
             : state == STATE_CONNECTING ? "connecting"
                                         : "the first reply",
             link->options.connect_timeout_ms);
    redis_link_break(link, reason);
    if (state == STATE_RESOLVING) {
        uv_cancel((uv_req_t *)&link->resolve);
    }
    if (state == STATE_CONNECTING && link->address_next < link->address_count) {
        redis_link_drop(link);
        redis_connect_next(link);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct redis_link *link = timer->data;
    switch (link->state) {
    case STATE_UP:
        check_reply_timeout(link);
        break;
    case STATE_RESOLVING:
    case STATE_CONNECTING:
    case STATE_HANDSHAKE:
        check_connect_timeout(link);
        break;
    case STATE_BREAKING:
        redis_link_drop(link);
        if (link->state == STATE_BREAKING) {
            redis_link_fail(link);
        }
        break;
    case STATE_BACKOFF:
        redis_connect_start(link);
        break;
    case STATE_CLOSING:
        finish_close(link);
        break;
    case STATE_IDLE:
        break;
    }
}

/* ----------------------------------------------------------------------------------- public */

struct redis_link *redis_link_new(uv_loop_t *loop, const struct redis_link_options *options,
                                  const struct redis_link_ops *ops, const struct log *log,
                                  struct stats *stats)
{
    struct redis_link *link = mem_zalloc(sizeof(*link));
    link->loop = loop;
    link->options = *options;
    link->ops = *ops;
    link->log = log;
    link->stats = stats;
    link->state = STATE_IDLE;
    redis_replies_init(&link->replies);
    redis_target_describe(&options->target, link->where, sizeof(link->where));
    uv_timer_init(loop, &link->timer);
    link->timer.data = link;
    link->open_handles = 1;
    if (uv_random(NULL, NULL, &link->random, sizeof(link->random), 0, NULL) < 0 ||
        link->random == 0) {
        link->random = uv_hrtime() | 1;
    }
    return link;
}

void redis_link_start(struct redis_link *link)
{
    if (link->state == STATE_IDLE) {
        link->state = STATE_BACKOFF;
        redis_link_set_timer(link, 0);
    }
}

bool redis_link_send(struct redis_link *link, struct slice resp, redis_reply_fn *done,
                     void *context)
{
    return link->state == STATE_UP && send_command(link, resp, done, context, false);
}

bool redis_link_send_group(struct redis_link *link, const char *commands, const size_t *ends,
                           uint32_t count, redis_reply_fn *done, void *context)
{
    size_t start = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct slice command = {commands + start, ends[i] - start};
        bool last = i + 1 == count;
        if (link->state != STATE_UP || !send_command(link, command, done, context, !last)) {
            redis_link_reset(link, "a request could not be sent whole");
            return false;
        }
        start = ends[i];
    }
    return true;
}

bool redis_link_command(struct redis_link *link, redis_reply_fn *done, void *context,
                        const char *format, ...)
{
    va_list args;
    if (link->state != STATE_UP) {
        return false;
    }
    va_start(args, format);
    bool sent = redis_link_send_format(link, done, context, format, args);
    va_end(args);
    return sent;
}

void redis_link_flush(struct redis_link *link)
{
    if (link->redis) {
        redis_uv_flush(link->redis);
    }
}

const char *redis_link_where(const struct redis_link *link)
{
    return link->where;
}

bool redis_link_is_up(const struct redis_link *link)
{
    return link->state == STATE_UP;
}

void redis_link_reset(struct redis_link *link, const char *reason)
{
    if (link->state == STATE_RESOLVING || link->state == STATE_CONNECTING || is_live(link)) {
        redis_link_break(link, reason);
    }
}

void redis_link_close(struct redis_link *link, void (*closed)(void *context), void *context)
{
    link->closed = closed;
    link->closed_context = context;
    link->state = STATE_CLOSING;
    redis_link_set_timer(link, 0);
}
