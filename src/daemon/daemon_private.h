/*
 * The state of the process, shared by the files of the life cycle: daemon.c (start and stop),
 * ports.c (what the parts call), listeners.c (addresses).
 */
#ifndef LIVETALLY_DAEMON_DAEMON_PRIVATE_H
#define LIVETALLY_DAEMON_DAEMON_PRIVATE_H

#include <uv.h>

#include "daemon.h"
#include "livetally/embedded_redis.h"
#include "livetally/hub.h"
#include "livetally/log.h"
#include "livetally/partition.h"
#include "livetally/server.h"
#include "livetally/stats.h"
#include "log_sink.h"
#include "monitor.h"
#include "service.h"
#include "settings.h"
#include "state_dir.h"

enum phase {
    PHASE_STARTING, /* waiting for Redis */
    PHASE_SERVING,
    PHASE_STOPPING,
};

enum { SIGNAL_COUNT = 3 };

struct daemon {
    struct config *config; /* in force: what a reload can't change is as at the start */
    int argc;              /* the command line, for reloading */
    char **argv;
    struct settings settings;
    struct file_mark seen_marks[CERTIFICATE_FILES]; /* of its certificate, at the last look */
    struct log_sink sink;
    struct log log;
    struct state_dir state;
    struct stats stats;
    struct service service;
    struct monitor monitor;
    enum phase phase;
    int exit_code;
    bool signalled;
    int handed_sockets; /* by systemd; negative: it is not there or broken */
    char **handed_names;
    int64_t started_ms; /* monotonic */
    struct {
        uint64_t orders;
        int64_t at_ms; /* monotonic */
    } reported;        /* in the last line of figures, for its rate */

    uv_loop_t loop;
    uv_signal_t signals[SIGNAL_COUNT];
    bool terminal; /* started in one: SIGHUP says that it was closed, else it asks to reload */
    uv_timer_t deadline;          /* of the shutdown */
    uv_timer_t begin;             /* waits for the socket of the embedded Redis */
    uv_timer_t certificate_timer; /* looks at its files */
    uv_timer_t soon; /* stops from the loop what must not be stopped from a part's callback */

    /* Each NULL until made, in this order. */
    struct embedded_redis *redis;
    struct partition *partition;
    struct hub *hub;
    struct server *server;
};

/* Asks for the shutdown; safe from any callback. The first exit code counts. */
void daemon_stop(struct daemon *daemon, int exit_code);

extern const struct server_ops server_ports; /* context: to be filled in with the daemon */
void daemon_describe(void *context, struct buffer *out); /* the line of figures */

/* The sockets that systemd hands over: early, so that children don't inherit them. */
void listeners_take_handed(struct daemon *daemon);
void listeners_forget_handed(struct daemon *daemon);
/* Listens on all addresses, tells them on stdout and in the state folder. */
int listeners_open(struct daemon *daemon, struct error *error);

#endif
