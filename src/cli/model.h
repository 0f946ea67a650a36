/*
 * What a viewer knows: the latest payload of each topic, as the messages of /v1/live bring them.
 * Values are absolute, so a message simply replaces what was there; only tickers and series add up.
 */
#ifndef LIVETALLY_CLI_MODEL_H
#define LIVETALLY_CLI_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/event.h"
#include "livetally/slice.h"
#include "livetally/topic.h"

#define MODEL_TOPICS_MAX  60 /* what the JSON reader takes as keys of one object, and some room */
#define MODEL_ROWS_MAX    100
#define MODEL_TICKER_MAX  20
#define MODEL_MINUTES_MAX 1440

struct model_metrics {
    int64_t orders;
    int64_t units;
    int64_t gross;
    int64_t refunds;
    int64_t refunded;
    int64_t net;
};

struct model_row {
    char id[ID_MAX_BYTES + 1];
    char name[NAME_MAX_BYTES + 1];
    struct model_metrics metrics;
};

struct model_sale {
    int64_t time_ms;
    char host_id[ID_MAX_BYTES + 1];
    char county[8];
    char product_id[ID_MAX_BYTES + 1];
    int64_t quantity;
    int64_t amount;
};

struct model_topic {
    char name[TOPIC_MAX_BYTES + 1];
    enum topic_kind kind;
    bool held; /* the server has no answer to it at the moment: what is here is of the past */
    /* scope */
    bool has_today; /* a session has not */
    struct model_metrics today;
    struct model_metrics all;
    char label[NAME_MAX_BYTES + 1]; /* name or title */
    int64_t goal;                   /* 0: none */
    /* board */
    char by[8];
    char period[8];
    int64_t of;
    uint32_t row_count;
    struct model_row rows[MODEL_ROWS_MAX];
    /* ticker: oldest first */
    uint32_t sale_count;
    struct model_sale sales[MODEL_TICKER_MAX];
    /* series: minute i begins at start_ms + i * step_ms */
    int64_t step_ms;
    int64_t start_ms;
    uint32_t minute_count;
    int64_t minute_gross[MODEL_MINUTES_MAX];
};

enum model_change {
    MODEL_NOTHING, /* hello, heartbeat, something unknown */
    MODEL_SNAPSHOT,
    MODEL_UPDATE,
    MODEL_GOODBYE,     /* retry_after_ms says when to come back */
    MODEL_UNAVAILABLE, /* a snapshot that lacks topics for now: subscribe again later */
    MODEL_BAD,         /* not a message of this protocol */
};

struct model {
    struct model_topic *topics[MODEL_TOPICS_MAX];
    uint32_t topic_count;
    char epoch[ID_MAX_BYTES + 1];
    char currency[4];       /* of all amounts, ISO 4217; as the server says, else the default */
    int32_t offset_minutes; /* what its clocks are ahead of UTC, likewise */
    int64_t time_ms;        /* of the last message */
    bool stale;
    int64_t retry_after_ms;
    char problem[512]; /* what the server said last against a topic or a message, until all are well
                        */
    uint32_t error_count; /* topics refused in the last snapshot */
};

void model_init(struct model *model);
void model_done(struct model *model);
/* Takes in one message of the server. */
enum model_change model_apply(struct model *model, struct slice message);
/* The name that goes with a host's or product's id, as far as a board on the screen tells; or the
 * id itself. */
const char *model_find_name(const struct model *model, const char *id);

#endif
