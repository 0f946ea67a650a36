/*
 * What the files of the configuration share: the rows made from CONFIG_KEYS.
 */
#ifndef LIVETALLY_DAEMON_CONFIG_TABLE_H
#define LIVETALLY_DAEMON_CONFIG_TABLE_H

#include <stddef.h>

#include "config.h"

enum config_kind {
    CONFIG_NUMBER, /* uint32_t within bounds */
    CONFIG_TEXT,   /* struct config_text */
    CONFIG_CHOICE, /* uint32_t, place among the words */
    CONFIG_LIST,   /* struct config_list */
};

struct config_row {
    const char *section;
    const char *name;
    enum config_kind kind;
    size_t offset;                      /* of the field in struct config */
    const char *initial;                /* the default, as one would write it */
    uint32_t least, most;               /* NUMBER */
    const char *words;                  /* CHOICE, "a|b|c" */
    const char *(*check)(const char *); /* TEXT and LIST: NULL, or what was expected */
    const char *help;
};

extern const struct config_row config_rows[CONFIG_KEY_COUNT];

bool config_find(struct slice section, struct slice name, enum config_key *ret_key);
/* Sets one value that came from `origin` (a line, or CONFIG_FROM_…). */
int config_put(struct config *config, enum config_key key, int32_t origin, const char *value,
               struct error *error);

#endif
