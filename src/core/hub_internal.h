/*
 * What the parts of the hub share.
 *
 *   hub ── classes (one per interval) ── audiences ── viewers
 *     └── live topics ◀── an audience's topics
 *
 * Ticks. All viewers of an interval are served together, at multiples of the interval of the
 * monotonic clock, so that they share encoding and 500 ms coincides with every second 250 ms. A
 * round visits the class's audiences once. It starts only when something was observed to change
 * (or somebody joined) since the last one, and may be cut into slices by push_slice.
 *
 * Dates. hub_observe() compares the view with what it was; when anything is different, live.now.seq
 * grows. Every viewer has the point up to which it knows its topics, every audience the point up to
 * which its topics were refreshed, and frames lead from the one to the other.
 *
 * A viewer whose socket is full is `blocked`: rounds pass it by, its messages wait. When it drains
 * it gets what it missed as one update, made then.
 */
#ifndef LIVETALLY_CORE_HUB_INTERNAL_H
#define LIVETALLY_CORE_HUB_INTERNAL_H

#include <assert.h>

#include "live_topic.h"
#include "livetally/buffer.h"
#include "livetally/hub.h"

#define INTERVAL_COUNT   6
#define INTERVAL_DEFAULT 1 /* 250 ms */
#define AUDIENCE_FRAMES  4 /* distinct starting points of one audience whose frames are kept */
#define INBOX_MESSAGES   64
#define INBOX_BYTES      (256u * 1024u)
#define SUBSCRIBE_TOPICS 1000  /* in one message */
#define LOAD_WAIT_MS     10000 /* for groups, before a topic is unavailable */

extern const uint32_t hub_intervals_ms[INTERVAL_COUNT];

/* Circular, with a sentinel; a node that is in no list points to itself. */
struct link {
    struct link *prev, *next;
};

static inline void link_init(struct link *link)
{
    link->prev = link->next = link;
}

static inline bool link_alone(const struct link *link)
{
    return link->next == link;
}

static inline void link_remove(struct link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link_init(link);
}

static inline void link_append(struct link *list, struct link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

#define LINK_OWNER(pointer, type, member)                                                          \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

enum frame_kind {
    FRAME_NONE, /* slot is free */
    FRAME_UPDATE,
    FRAME_SNAPSHOT,
    FRAME_BARE, /* an update of no topics: only `stale` changed */
};

/* A frame of an audience's present state; frame NULL: there is nothing to send from there. */
struct audience_frame {
    enum frame_kind kind;
    uint64_t from; /* seq of updates */
    struct frame *frame;
};

struct audience {
    UT_hash_handle hh;          /* by key */
    uint32_t *key;              /* class, then ids of topics */
    struct live_topic **topics; /* by ascending id; never empty */
    uint32_t topic_count;
    uint32_t ticker_count; /* of those */
    bool additive;         /* has series or tickers */
    struct interval_class *class;
    struct link in_class;
    struct link viewers;
    uint32_t viewer_count;
    struct live_point refreshed; /* topics and orders are of then */
    struct live_point before; /* the refresh before: nothing changed between changed_before … */
    uint64_t changed;         /* seq of the last change up to `refreshed`, of topics or stale */
    uint64_t changed_before;  /* … and `before` */
    uint64_t settled;         /* viewers have got all up to this seq, or will when they drain */
    uint64_t *orders;         /* ticker_count: last order of each ticker */
    struct audience_frame frames[AUDIENCE_FRAMES];
    uint32_t frame_next; /* slot to use next */
};

struct interval_class {
    uint32_t interval_ms;
    int64_t due_ms; /* monotonic, start of the next round */
    bool in_round;
    uint64_t round_seq; /* seq when the last round started; 0: start the next one anyway */
    struct link audiences;
    struct link *next_audience; /* of the round */
    struct link *next_viewer;   /* of the audience before it; NULL: begin with next_audience */
    uint32_t viewer_count;
    int64_t changed_ms;       /* monotonic, oldest change that no round began after; 0: none */
    int64_t round_changed_ms; /* the same when the round began */
    bool round_pushed;        /* it had something for somebody */
};

struct inbox_message {
    struct inbox_message *next;
    size_t size;
    char text[];
};

/* A subscribe that is being answered: waits for groups, then for room in the socket. */
struct subscription {
    struct live_topic **topics; /* each once, with a reference */
    uint32_t topic_count;
    uint32_t new_count;   /* topics that the viewer doesn't have already */
    uint32_t interval;    /* index in hub_intervals_ms */
    uint64_t mark;        /* that its topics got when they were added */
    struct buffer errors; /* elements of the array "errors" */
    int64_t deadline_ms;
    bool asked;       /* the source was asked for its groups */
    bool unavailable; /* a topic was */
};

/* What a viewer waits for, and what waits behind that. */
struct backlog {
    struct viewer *viewer;
    struct link in_hub; /* hub->waiting, when messages wait for more than the socket */
    struct subscription *subscription;
    struct inbox_message *inbox, **inbox_end;
    struct frame *unsent; /* an error message that found the socket full */
    uint32_t inbox_count;
    uint32_t inbox_bytes;
};

/* What of additive topics a viewer has. */
struct increments {
    struct live_point point;
    uint64_t orders[]; /* per ticker of the audience: last order known */
};

struct viewer {
    struct hub *hub;
    const struct viewer_ops *ops;
    void *peer;
    const struct grant *grant; /* NULL: no limits */
    struct audience *audience; /* NULL: no topics */
    struct link in_audience;
    struct link by_silence;        /* in hub->viewers, longest without a message first */
    uint64_t seq;                  /* of the point up to which it knows its topics */
    struct increments *increments; /* of that point; NULL: its audience is not additive */
    int64_t sent_ms;
    int64_t window_ms;       /* start of the second in which subscribes are counted */
    struct backlog *backlog; /* NULL: nothing waits */
    uint32_t epoch;          /* hub->epochs at its last snapshot */
    uint16_t window_count : 15;
    bool missed : 1; /* a round passed it by */
    uint8_t bad_count : 7;
    bool blocked : 1;
    uint8_t interval; /* index in hub_intervals_ms */
};

#if UINTPTR_MAX == UINT64_MAX
/* Each of many takes it, in steps of 16 bytes with malloc's own 8. */
static_assert(sizeof(struct viewer) <= 120, "an idle viewer takes more memory");
#endif
static_assert(LIVE_BAD_MESSAGES_MAX < 128, "bad_count has 7 bits");

struct hub_query {
    struct hub *hub;
    struct link in_hub;
    struct subscription subscription;
    hub_query_fn *done;
    void *context;
};

/* The view as last observed. */
struct observed {
    uint64_t board_number;
    uint64_t catalog_changes;
    uint64_t orders;
    uint32_t names;
    uint32_t today;
    uint32_t hour;
    bool stale;
    char epoch[EPOCH_BYTES];
};

struct request;

struct hub {
    struct hub_options options;
    struct live live;
    struct clock clock;
    struct stats *stats;
    struct observed observed;
    int64_t wall_ms;        /* when it was */
    bool groups_changed;    /* hub_groups_changed() since the last observation */
    uint64_t stale_changed; /* seq */
    uint32_t epochs;        /* counts epochs */
    int64_t epoch_ms;       /* monotonic, when the present one was first seen */
    int64_t retry_ms;       /* monotonic, when topics that aren't ready are looked at again */
    int64_t names_ms;       /* monotonic, when ids that never sold may be looked up again */
    uint32_t names_seen;    /* how many names there were when they were */
    struct audience *audiences;
    struct interval_class classes[INTERVAL_COUNT];
    struct link viewers;
    struct link waiting; /* backlogs */
    struct link queries;
    uint32_t viewer_count;
    uint32_t waiting_count;
    uint32_t waiting_left;   /* of the pass over them that is under way */
    uint64_t waiting_seq;    /* when it began */
    int64_t waiting_due_ms;  /* when one of them can go on without a change */
    struct request *request; /* the message being handled */
    struct buffer text;      /* for encoding */
    struct buffer head;      /* of updates, up to their topics, as of: */
    uint64_t head_seq;
    int64_t head_ms;
};

/* hub.c */
void hub_observe(struct hub *hub); /* first thing in everything that reads the view */
bool hub_send(struct viewer *viewer, struct frame *frame); /* false: blocked now */

/* hub_audience.c */
/* The audience of these topics (any order, each once), made when it is new; NULL for no topics. */
struct audience *audience_open(struct hub *hub, struct live_topic *const *topics, uint32_t count,
                               uint32_t interval);
void audience_attach(struct audience *audience, struct viewer *viewer);
void audience_detach(struct viewer *viewer); /* frees the audience with its last viewer */
bool audience_has(const struct audience *audience, const struct live_topic *topic);
void audience_refresh(struct hub *hub, struct audience *audience); /* to now */
/* Borrowed frames, of the audience's last refresh; NULL: nothing to send. */
struct frame *audience_update(struct hub *hub, struct audience *audience,
                              const struct viewer *viewer);
struct frame *audience_snapshot(struct hub *hub, struct audience *audience);
struct frame *audience_bare(struct hub *hub, struct audience *audience);

/* hub_frame.c */
void frame_begin(struct hub *hub, bool snapshot, uint32_t interval);
void frame_topic(struct hub *hub, const struct live_topic *topic, struct slice payload);
/* errors may be absent. */
struct frame *frame_end(struct hub *hub, struct slice errors);

/* hub_push.c */
/* Sends what the viewer needs to be up to date with its audience's last refresh. */
void hub_serve(struct viewer *viewer);
/* The same after bringing the audience up to now. True when there is nothing left to send. */
bool hub_catch_up(struct viewer *viewer);
/* Serves classes that are due, at most *budget viewers. False: there is more to do. */
bool hub_push(struct hub *hub, uint32_t *budget);
/* A class without viewers has got one. */
void hub_push_begin(struct hub *hub, struct interval_class *class);
int64_t hub_push_due_ms(const struct hub *hub); /* when the next round is, or INT64_MAX */

/* hub_subscribe.c */
void subscription_init(struct subscription *subscription, uint32_t interval, int64_t deadline_ms);
void subscription_done(struct hub *hub, struct subscription *subscription);
/* Adds a topic by name, or an error. grant: who asks; NULL: no limits. held: what the viewer has
 * already; may be NULL. */
void subscription_add(struct hub *hub, struct subscription *subscription, struct slice name,
                      const struct grant *grant, const struct audience *held);
/* True when every topic is ready or has become an error. */
bool subscription_settle(struct hub *hub, struct subscription *subscription);
struct frame *subscription_snapshot(struct hub *hub, struct subscription *subscription);
/* Goes on with this subscription of it. False: it has to wait, for groups or for the socket. */
bool viewer_subscribe(struct viewer *viewer, struct subscription *subscription);
void viewer_unsubscribe(struct viewer *viewer, struct live_topic *const *topics, uint32_t count);

/* hub_receive.c */
struct request *request_new(void);
void viewer_go_on(struct viewer *viewer); /* with its backlog, as far as it can */
/* With the message that found the socket full. False: it does so again. */
bool viewer_send_rest(struct viewer *viewer);
void viewer_forget(struct viewer *viewer); /* frees what waits */
/* Lets waiting viewers go on. False: there is more to do. */
bool hub_go_on(struct hub *hub, uint32_t *budget);

/* hub_query.c */
void hub_answer_queries(struct hub *hub);
int64_t hub_queries_due_ms(const struct hub *hub);

#endif
