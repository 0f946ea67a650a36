/*
 * See advice.h. Known by how the error begins, as Redis defines its codes; those that begin with
 * ERR have none and are known by their words.
 */
#include "advice.h"

#include <stdio.h>
#include <string.h>

static const struct advice {
    const char *begins;
    const char *what;
} advices[] = {
    {"OOM ", "redis is out of memory: raise its maxmemory"},
    {"MISCONF ", "redis can't write to its disk: make room there, or look into redis's log"},
    {"READONLY ", "this redis is a read-only replica: connect to its master, or end its "
                  "replication (replicaof no one)"},
    {"MASTERDOWN ", "this redis is a replica that has lost its master: connect to the master"},
    {"NOREPLICAS ", "redis has fewer replicas than its min-replicas-to-write: start them, or "
                    "lower it"},
    {"LOADING ", "redis is still reading its data: nothing to do but wait"},
    {"BUSY ", "redis is busy with a script of somebody else: end that by redis-cli script kill"},
    {"NOAUTH ", "redis asks for a password: set it in redis.url or redis.password_file"},
    {"WRONGPASS ", "redis refuses the password: correct redis.url or redis.password_file"},
    {"ERR AUTH <password> called without", "redis has no password, but we were given one: set its "
                                           "requirepass, or correct redis.url"},
    {"NOPERM ", "redis forbids what livetallyd needs: allow it by redis-cli acl setuser default"},
    {"ERR The user executing the script can't", "redis forbids a command that livetallyd's scripts "
                                                "need: allow it by redis-cli acl setuser default"},
    {"ERR Unknown Redis command called", "redis lacks a command that livetallyd's scripts need: it "
                                         "has to be version 7, with no command renamed"},
    {"NOSCRIPT ", "somebody flushed redis's scripts: loading them again"},
    {"WRONGTYPE ", "somebody else wrote to one of livetally's keys: restore it from a backup"},
    {"ERR The ID specified in XADD", "the feed of our lane is ahead of its version, so somebody "
                                     "changed its keys: restore redis from a backup"},
    {"ERR max number of clients reached", "redis takes no more connections: raise its maxclients"},
    {"ERR DB index is out of range", "redis has no database of that number: correct redis.url"},
    {"ERR unknown command", "redis lacks a command: it has to be version 7, with no command "
                            "renamed"},
    {"CLUSTERDOWN ", "this redis is a cluster: connect to one that isn't"},
    {"MOVED ", "this redis is a cluster: connect to one that isn't"},
};

/* Where in which script it happened helps nobody who has to mend Redis. */
static int size_without_place(const char *text)
{
    const char *place = strstr(text, " script: ");
    size_t size = place ? (size_t)(place - text) : strlen(text);
    return (int)(size < 200 ? size : 200);
}

void advice_write(const char *text, char *out, size_t size)
{
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (strncmp(text, advices[i].begins, strlen(advices[i].begins)) == 0) {
            snprintf(out, size, "%s (redis says: %.*s)", advices[i].what, size_without_place(text),
                     text);
            return;
        }
    snprintf(out, size, "%s", text);
}
