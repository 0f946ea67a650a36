/*
 * Read, compare, and make sure that what was read had not moved meanwhile; else again.
 */
#include "livetally/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reading.h"
#include "report.h"

/* Between attempts: lets a batch of orders end, and the checkpoint that follows it. */
#define PAUSE_MS 300

enum attempt {
    ATTEMPT_STEADY, /* it was read at one state */
    ATTEMPT_MOVED,
    ATTEMPT_FAILED, /* Redis, see the error */
};

struct verification {
    const struct verify_options *options;
    struct source source;
    struct keys keys;
    struct state state;
    struct audit audit;
    bool audited;
};

static int read_everything(struct verification *v, struct reading *reading)
{
    int code = reading_find_keys(reading);
    if (!code)
        code = reading_lanes(reading);
    if (!code)
        code = reading_ledger(reading);
    if (!code)
        code = reading_catalog(reading);
    free(reading->groups);
    free(reading->sealed);
    v->audited = !code;
    return code;
}

static bool moved(const struct state *before, const struct state *after)
{
    return strcmp(before->epoch, after->epoch) != 0 ||
           !generations_equal(&before->generations, &after->generations) ||
           before->lanes != after->lanes ||
           memcmp(before->versions, after->versions, sizeof before->versions) != 0;
}

/* A checkpoint moves nothing that counts, but the ends of a feed, which are read one by one. */
static bool checkpointed(const struct state *before, const struct state *after)
{
    return memcmp(before->checkpoints, after->checkpoints, sizeof before->checkpoints) != 0;
}

static int begin(struct verification *v, struct error *error)
{
    struct data_set set = {
        .minute_keep_ms = v->options->minute_keep_hours * HOUR_MS,
        .day_keep_ms = v->options->day_keep_days * DAY_MS,
    };
    int code = reading_state(&v->source, &v->keys, &v->state, error);
    if (!code)
        code = reading_data_set(&v->source, &v->keys, &set, error);
    if (code)
        return code;
    set.generations = v->state.generations;
    if (v->audited)
        audit_done(&v->audit);
    audit_init(&v->audit, &set, v->options->findings_shown);
    audit_data_set(&v->audit);
    return 0;
}

static enum attempt attempt(struct verification *v, struct error *error)
{
    struct state after;
    if (begin(v, error))
        return ATTEMPT_FAILED;
    struct reading reading = {.source = &v->source,
                              .keys = v->keys,
                              .state = v->state,
                              .audit = &v->audit,
                              .error = error};
    if (read_everything(v, &reading)) {
        audit_done(&v->audit);
        return ATTEMPT_FAILED;
    }
    if (reading_state(&v->source, &v->keys, &after, error))
        return ATTEMPT_FAILED;
    if (reading.repeated || moved(&v->state, &after))
        return ATTEMPT_MOVED;
    audit_compare(&v->audit);
    return v->audit.findings.count && checkpointed(&v->state, &after) ? ATTEMPT_MOVED
                                                                      : ATTEMPT_STEADY;
}

static void pause_a_little(void)
{
    const struct timespec time = {0, PAUSE_MS * 1000000L};
    (void)nanosleep(&time, NULL);
}

static enum verify_outcome try_until_steady(struct verification *v, uint32_t *ret_attempts,
                                            struct error *error)
{
    enum attempt result = ATTEMPT_MOVED;
    uint32_t attempts = 0;
    while (result == ATTEMPT_MOVED && attempts < v->options->attempts) {
        if (attempts++)
            pause_a_little();
        result = attempt(v, error);
    }
    *ret_attempts = attempts;
    if (result == ATTEMPT_FAILED)
        return VERIFY_UNAVAILABLE;
    if (result == ATTEMPT_STEADY)
        return v->audit.findings.count ? VERIFY_DIFFERS : VERIFY_EXACT;
    error_set(error, ERROR_CONFLICT,
              "the data set is being written to; could not be checked (read %u times)", attempts);
    return VERIFY_BUSY;
}

static void write_report(struct verification *v, enum verify_outcome outcome, uint32_t attempts,
                         const struct error *error, struct buffer *out)
{
    bool audited = outcome == VERIFY_EXACT || outcome == VERIFY_DIFFERS;
    struct report report = {.outcome = outcome,
                            .source = v->source.name,
                            .prefix = v->keys.prefix,
                            .epoch = audited ? v->state.epoch : NULL,
                            .attempts = attempts,
                            .audit = audited ? &v->audit : NULL,
                            .problem = audited ? NULL : error->text};
    if (v->options->json)
        report_write_json(out, &report);
    else
        report_write_text(out, &report);
}

static int take_target(const struct verify_options *options, struct redis_target *target,
                       struct error *error)
{
    int code = redis_target_parse(options->redis, target, error);
    if (code)
        return code;
    size_t size = strlen(options->prefix);
    if (size == 0 || size > PREFIX_MAX_BYTES)
        return error_set(error, ERROR_INVALID, "the prefix of keys has 1 to %d bytes",
                         PREFIX_MAX_BYTES);
    if (options->password)
        snprintf(target->password, sizeof target->password, "%s", options->password);
    return 0;
}

enum verify_outcome verify_run(const struct verify_options *options, struct buffer *out,
                               struct error *error)
{
    struct verification *v = calloc(1, sizeof *v);
    struct redis_target target = {0};
    enum verify_outcome outcome = VERIFY_UNAVAILABLE;
    uint32_t attempts = 0;
    if (!v || take_target(options, &target, error)) {
        free(v);
        return VERIFY_INVALID;
    }
    v->options = options;
    keys_init(&v->keys, options->prefix);
    if (source_open(&v->source, &target, error) == 0)
        outcome = try_until_steady(v, &attempts, error);
    explicit_bzero(&target, sizeof target);
    write_report(v, outcome, attempts, error, out);
    source_close(&v->source);
    if (v->audited)
        audit_done(&v->audit);
    free(v);
    return outcome;
}
