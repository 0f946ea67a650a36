/*
 * Live topics: topics that somebody subscribed to, each once, whoever watches it.
 *
 *   name ──▶ live_topic ── sources: the groups of the board it reads, watched
 *                        └ payload: its JSON as of the last refresh, and when that changed
 *
 * Everything is dated by `seq`, a count of observations that found the view changed (hub.c): it
 * never goes back, also when the board is replaced. A refresh brings a topic to the newest seq, if
 * anything touched it since the last (live_touch.c); `changed` is the seq of its last visible
 * change, so a reader at seq s needs the topic when changed > s. Payloads of scopes and boards are
 * compared with the one before: a sale that doesn't show (rank 5000 of a top 10) changes nothing.
 * Series and tickers are increments since what the reader has, and the last one made is kept for
 * the next reader at the same point.
 */
#ifndef LIVETALLY_CORE_LIVE_TOPIC_H
#define LIVETALLY_CORE_LIVE_TOPIC_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "area.h"
#include "livetally/hub.h"
#include "livetally/topic.h"
#include "rank.h"
#include "series.h"

/* A moment of the view. Board version and minute follow from seq; kept for series. */
struct live_point {
    uint64_t seq;
    uint64_t version; /* of the board */
    int64_t minute;   /* minutes since the epoch */
};

struct live_source {
    struct group_key key;
    struct group *group;
    struct live_topic *topic;
    struct live_source *prev, *next; /* readers of the same group; not of scopes' topics */
    int64_t asked_ms; /* monotonic, last time the source of groups was asked for it */
    struct area area; /* of a prefecture's or province's topic */
};

/* Topics that read a group as a whole. */
struct live_readers {
    UT_hash_handle hh;
    struct group_key key;
    struct live_source *first;
};

/* An id that never sold, and the topics that show it. */
struct live_awaited {
    UT_hash_handle hh;
    struct live_topic *topics;
    char id[];
};

/* How far the changes of a group were read whose cells topics show one by one. */
struct live_cells_seen {
    uint64_t board_number; /* 0: not at all */
    uint64_t version;
    uint64_t changes; /* see group_changes_mark() */
    uint32_t when;
};

struct live_topic {
    UT_hash_handle hh;  /* by name */
    char *name;         /* canonical, NUL-terminated */
    struct slice label; /* the name as it stands before the payload: `"total":` */
    struct topic topic;
    uint32_t id; /* order of creation: sets of topics are sorted by it */
    uint32_t references;
    uint64_t mark;       /* of the set it was last put into */
    uint32_t number;     /* of the topic's id in names, 0 = none or never seen */
    uint32_t names_seen; /* how many names there were when it was looked up */
    uint64_t plan;       /* live->plan for which the sources are */
    uint64_t board_number;
    struct live_source *sources;
    uint32_t source_count;
    uint32_t watched_session; /* of a session's ticker */
    struct live_topic *unready_prev, *unready_next;
    struct live_topic *await_prev, *await_next;
    bool awaits;            /* is among live->awaited */
    bool ready;             /* all sources are loaded */
    bool forced;            /* encode at the next refresh, whatever changed */
    uint64_t generation;    /* live->generation of the payload */
    uint64_t refreshed;     /* seq; 0 = has to be */
    uint64_t touched;       /* seq of the last change that it may show; tickers: for ever */
    UT_hash_handle hh_cell; /* scopes: by cell, once it is known */
    uint64_t cell;          /* kind of scope, and number or code (its leading digits); 0: unknown */
    uint64_t changed;       /* seq */
    uint64_t reset;         /* seq it became ready: readers before it need all of a series */
    struct live_point seen; /* of the refresh that last read the groups */
    uint64_t catalog_seen;
    uint64_t orders; /* ticker: count of its ring */
    struct rank *rank;
    struct buffer payload; /* scopes and boards: current; else full, made at payload_seq */
    uint64_t payload_seq;
    struct buffer increment; /* series and tickers: since increment_from, made at increment_seq */
    uint64_t increment_from; /* seq of a series, sequence number of a ticker */
    uint64_t increment_seq;
};

struct live {
    const struct view *view;
    struct hub_source source;
    struct live_topic *topics;
    struct live_point now;
    int64_t monotonic_ms;
    uint64_t plan;       /* grows when topics may need other groups */
    uint64_t generation; /* grows when board or epoch is another one: nothing shown is valid */
    struct live_topic *unready; /* topics that are not ready */
    uint64_t all_touched;       /* seq at which every topic was touched */
    uint64_t any_touched;       /* or one of them */
    struct live_readers *readers;
    struct live_awaited *awaited;
    struct live_topic *cells;            /* topics of scopes, by cell */
    uint32_t cell_readers[ROLLUP_COUNT]; /* how many of those have sources */
    struct live_cells_seen cells_seen[ROLLUP_COUNT][PERIOD_COUNT];
    uint32_t next_id;
    uint64_t marks; /* so far, for telling sets of topics apart */
    struct buffer scratch;
    struct series_bucket buckets[SERIES_MINUTES_MAX];
};

enum live_state {
    LIVE_READY,
    LIVE_WAITING,
    LIVE_UNAVAILABLE, /* the source of groups refused */
};

uint32_t live_topic_count(const struct live *live);
struct live_topic *live_topic_find(const struct live *live, struct slice name);
/* Makes it when it is new. Gives a reference. */
struct live_topic *live_topic_open(struct live *live, const struct topic *topic, struct slice name);
struct live_topic *live_topic_ref(struct live_topic *live_topic);
void live_topic_unref(struct live *live, struct live_topic *live_topic);

/* Watches the groups it needs now, and has those that aren't here loaded. Asks again for the same
 * group at once when `ask`, else once a second. */
enum live_state live_topic_prepare(struct live *live, struct live_topic *live_topic, bool ask);
/* To live->now. While a topic isn't ready it stays as it was. */
void live_topic_refresh(struct live *live, struct live_topic *live_topic);

/* live_touch.c: which topics a change may show in. Others needn't be refreshed. */
void live_touch(struct live *live, struct live_topic *live_topic);
void live_touch_all(struct live *live);
void live_touch_changed(struct live *live); /* those that show what changed on the board */
/* So that it is touched: when sources are set, before they go, when the topic's cell is known. */
void live_touch_watch(struct live *live, struct live_topic *live_topic);
void live_touch_unwatch(struct live *live, struct live_topic *live_topic);
void live_touch_set_cell(struct live *live, struct live_topic *live_topic, uint32_t code);
void live_touch_forget(struct live *live, struct live_topic *live_topic);

/* live_await.c: topics whose id has no number yet. */
void live_await(struct live *live, struct live_topic *live_topic);
void live_await_end(struct live *live, struct live_topic *live_topic);
/* Prepares those whose id is among the names since there were `names_before`. */
void live_await_look(struct live *live, uint32_t names_before);

/* The topic's ring, or NULL. */
const struct ticker_ring *live_topic_ring(const struct live *live,
                                          const struct live_topic *live_topic);
/* Current payload, whole. Valid until the next call; the topic must be ready and refreshed. */
struct slice live_topic_payload(struct live *live, struct live_topic *live_topic);
/* What a reader at `from` needs to have the current payload; for tickers `from_order` is the last
 * order it knows of. Absent: nothing. */
struct slice live_topic_increment(struct live *live, struct live_topic *live_topic,
                                  struct live_point from, uint64_t from_order);

static inline bool live_topic_is_additive(const struct live_topic *live_topic)
{
    return live_topic->topic.kind == TOPIC_SERIES || live_topic->topic.kind == TOPIC_TICKER;
}

#endif
