/*
 * Asks every daemon for the totals, before and after, and holds the difference against the model.
 */
#ifndef LOAD_CHECK_H
#define LOAD_CHECK_H

#include "bench_common.h"
#include "load_sales.h"

struct check {
    const struct sales *sales;
    const struct sockaddr_in *servers;
    uint32_t server_count;
    struct check_topic *topics;
    size_t topic_count;
};

/* Call it before anything is posted: it reads what the data set holds already. */
void check_init(struct check *check, const struct sales *sales, const struct sockaddr_in *servers,
                uint32_t server_count);
void check_done(struct check *check);

/*
 * Whether every daemon shows exactly what it showed before, plus the model. Daemons hear of each
 * other's commits with a delay, so they get some seconds; then it has to stay so. The first
 * differences go to stderr.
 */
bool check_totals(struct check *check);

#endif
