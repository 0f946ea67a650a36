/*
 * What stands in the way of going live, as the operator reads it: in /readyz for as long as it is
 * so, and in the log once, however often it is tried again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "partition_private.h"
#include "resp.h"

/* FNV-1a. What Redis said may differ from one command to the next; the problem doesn't. */
static uint64_t hash_of_problem(const char *text)
{
    const char *quote = strstr(text, " (redis says:");
    const char *end = quote ? quote : text + strlen(text);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; text < end; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

/* Notes what stands in the way. True when it has to be logged: once for as long as it stays, also
 * when it shows itself in different ways in turn. */
bool partition_is_new_problem(struct partition *partition, const char *text)
{
    uint64_t hash = hash_of_problem(text);
    if (text != partition->problem)
        snprintf(partition->problem, sizeof partition->problem, "%s", text);
    for (uint32_t i = 0; i < partition->told_count && i < TOLD_PROBLEMS; i++)
        if (partition->told_problems[i] == hash)
            return false;
    partition->told_problems[partition->told_count++ % TOLD_PROBLEMS] = hash;
    return true;
}

void partition_resync(struct partition *partition, const char *reason)
{
    if (partition_is_new_problem(partition, reason))
        log_print(partition->log, LOG_LEVEL_WARNING, "redis unavailable: %s", reason);
    redis_link_reset(partition->link, reason);
}

void partition_note_problem(struct partition *partition, enum log_level level, const char *text)
{
    char advice[PROBLEM_BYTES];
    advice_write(text, advice, sizeof advice);
    if (partition_is_new_problem(partition, advice))
        log_print(partition->log, level, "not ready: %s", advice);
}

void partition_resync_by(struct partition *partition, const redisReply *reply, const char *what)
{
    char text[PROBLEM_BYTES];
    bool cured = reply_is_error(reply, "NOSCRIPT"); /* by the way in */
    if (reply_is_error(reply, "WRONGTYPE"))
        snprintf(text, sizeof text, "somebody else wrote to %s: restore it from a backup", what);
    else if (reply->type == REDIS_REPLY_ERROR)
        snprintf(text, sizeof text, "%s", reply->str);
    else
        snprintf(text, sizeof text, "unexpected answer about %s", what);
    partition_note_problem(partition, cured ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, text);
    partition_resync(partition, partition->problem);
}

void partition_note_accepted(struct partition *partition, bool *refused)
{
    if (!*refused)
        return;
    *refused = false;
    if (partition->commit_refused || partition->checkpoint_refused)
        return;
    partition->problem[0] = '\0';
    log_print(partition->log, LOG_LEVEL_NOTICE, "redis accepts what is written again");
}
