/*
 * From configuration to what each part is made with: names resolved, files read, units converted.
 * Everything that can be wrong with a configuration is found here, so --check-config ends here.
 */
#ifndef LIVETALLY_DAEMON_SETTINGS_H
#define LIVETALLY_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "certificate.h"
#include "config.h"
#include "county_page.h"
#include "gate.h"
#include "livetally/county.h"
#include "livetally/event.h"
#include "livetally/hub.h"
#include "livetally/partition.h"
#include "livetally/server.h"

/* Must not move once made: server.rules points into it. */
struct settings {
    const struct config *config;        /* outlives the settings */
    struct partition_options partition; /* state_dir, and the target when embedded: see daemon.c */
    struct server_options server;
    struct hub_options hub;
    struct gate gate;
    struct event_rules rules;
    struct county_list *counties;      /* NULL: only the form of codes is checked */
    struct county_names *county_names; /* NULL: the list has none, or there is no list */
    struct county_page county_page;
    struct certificate certificate;
    bool embedded_redis;
};

/* On failure nothing is left to be done with; `certificate` says whether its files were refused. */
int settings_init(struct settings *settings, const struct config *config, struct error *error);
void settings_done(struct settings *settings);

#endif
