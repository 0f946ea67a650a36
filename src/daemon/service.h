/*
 * What we tell the service manager: ready, reloading, stopping, a line of live figures, and that
 * the loop still turns (the watchdog is fed by a timer on it). Without systemd nothing of this does
 * anything.
 */
#ifndef LIVETALLY_DAEMON_SERVICE_H
#define LIVETALLY_DAEMON_SERVICE_H

#include <uv.h>

#include "livetally/buffer.h"

struct service {
    uv_timer_t status_timer;
    uv_timer_t watchdog_timer;
    void (*describe)(void *context, struct buffer *out); /* appends the line of figures */
    void *context;
};

void service_start(struct service *service, uv_loop_t *loop,
                   void (*describe)(void *context, struct buffer *out), void *context);
void service_ready(struct service *service);
void service_reloading(struct service *service); /* service_ready() follows */
void service_stopping(struct service *service);
void service_close(struct service *service); /* the loop must still run once */

#endif
