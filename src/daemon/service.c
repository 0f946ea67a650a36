/*
 * Messages to systemd; see service.h. State is two timers; both are unreferenced, so that they
 * never keep the loop alive.
 */
#include "service.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#define STATUS_MS 5000

static void tell_status(struct service *service, const char *state)
{
    struct buffer text = BUFFER_INIT;
    buffer_printf(&text, "%sSTATUS=", state);
    service->describe(service->context, &text);
    (void)sd_notify(0, buffer_cstr(&text));
    buffer_done(&text);
}

static void on_status(uv_timer_t *timer)
{
    tell_status(timer->data, "");
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    (void)sd_notify(0, "WATCHDOG=1");
}

static void start_timer(struct service *service, uv_loop_t *loop, uv_timer_t *timer)
{
    (void)uv_timer_init(loop, timer);
    timer->data = service;
    uv_unref((uv_handle_t *)timer);
}

void service_start(struct service *service, uv_loop_t *loop,
                   void (*describe)(void *context, struct buffer *out), void *context)
{
    uint64_t watchdog_us = 0;
    service->describe = describe;
    service->context = context;
    start_timer(service, loop, &service->status_timer);
    start_timer(service, loop, &service->watchdog_timer);
    (void)uv_timer_start(&service->status_timer, on_status, STATUS_MS, STATUS_MS);
    if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
        uint64_t period_ms = watchdog_us / 2000 > 0 ? watchdog_us / 2000 : 1;
        (void)uv_timer_start(&service->watchdog_timer, on_watchdog, 0, period_ms);
    }
}

void service_ready(struct service *service)
{
    tell_status(service, "READY=1\n");
}

void service_reloading(struct service *service)
{
    char state[64];
    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
                   uv_hrtime() / 1000);
    tell_status(service, state);
}

void service_stopping(struct service *service)
{
    tell_status(service, "STOPPING=1\n");
}

void service_close(struct service *service)
{
    uv_close((uv_handle_t *)&service->status_timer, NULL);
    uv_close((uv_handle_t *)&service->watchdog_timer, NULL);
}
