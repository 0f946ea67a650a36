/*
 * The section LOG of livetallyd(8): the lines that are worth an operator's minute, by how they
 * begin, and what to do. A test looks for each of them in the sources.
 */
#include "livetally/roff.h"
#include "options.h"

static const struct {
    const char *begins;
    const char *advice;
} lines[] = {
    {"no connection to Redis at",
     "Redis is away; the line says why. Tools wait and lose nothing, viewers are told that totals "
     "are stale. It is tried again, and \"connected to Redis at\" follows."},
    {"not ready:", "Redis is there, but not as it has to be: the line says what to change."},
    {"redis unavailable:", "What Redis holds or answers can't be, so all of it is read anew."},
    {"redis lost writes:",
     "Redis came back with less than it had acknowledged: the line says how much. Have the tools "
     "post the events of that time again; then look at appendfsync, or at the replica."},
    {"acks wait:", "Too few replicas have the newest commit: start the missing ones."},
    {"redis may evict keys when memory is full", "Set maxmemory-policy noeviction in Redis."},
    {"redis keeps no append-only file", "Set appendonly yes in Redis."},
    {"embedded redis-server", "Why the private Redis ended. It is started again by itself."},
    {"can't write", "The state folder can't be written: make room, or mend its permissions."},
    {"another livetallyd has taken our lane",
     "Two daemons run on copies of one state folder: give each its own."},
    {"the clock here and redis's are more than an hour apart", "Mend the clock that is wrong."},
    {"no tool is read from:",
     "More comes in than Redis takes. Nothing is lost; \"tools are read from again\" follows."},
    {"connections refused reason=",
     "count= connections since the last such line, of which there is one a minute for each reason. "
     "total: limits.connections is reached; descriptors: raise LimitNOFILE; proxy: no PROXY header "
     "where one is due; upgrade: no WebSocket handshake of ours."},
    {"refused:", "One address or token is over its limit of connections or its rate."},
    {"connections that read too slowly were cut off",
     "limits.send_queue_bytes was reached; they may reconnect."},
    {"not let in reason=",
     "count= requests and connections since the last such line. missing: without a token; bad: it "
     "isn't one, or not of our keys; expired; url: not fit for a URL; scope: not for this; late: "
     "no "
     "token in time; revoked: its key is gone; origin: a page of another site."},
    {"stood still for ms=",
     "Nothing was served for that long: the process was stopped, or the machine is overloaded."},
    {"not reloaded, nothing has changed:", "What is wrong with the new configuration."},
    {"changed, but only a restart applies it:", "Keys that a reload can't apply."},
    {"the TLS certificate", "It can't be used, has expired or isn't valid yet: renew it."},
    {"open file limit", "Fewer connections than configured: raise LimitNOFILE."},
    {"left out lines=",
     "So many lines like the one named came within a few seconds and were not written: of each "
     "kind at most 20 are in 10 s."},
    {"shutdown takes too long",
     "It exited without finishing. What was not acknowledged is sent again by the tools."},
};

void man_write_log(struct buffer *out)
{
    roff_section(out, "LOG");
    roff_text(out, SLICE("To stderr, one line an event. Under systemd each has its priority: "
                         "journalctl -u livetallyd -p warning shows those that somebody should "
                         "look at. Figures stand as key=value. No token and no password is ever "
                         "written. Lines worth knowing, by how they begin:"));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        roff_item(out, slice_of(lines[i].begins));
        roff_text(out, slice_of(lines[i].advice));
    }
}
