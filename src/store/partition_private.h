/*
 * A partition's parts, each in a file of its own, around one struct:
 *
 *   partition.c    life cycle, ticks, the public functions
 *   sync_claim.c   the way in after every connect: check, claim, were writes lost?
 *   sync.c         then: load, swap boards, go live
 *   loader.c       reading groups from Redis
 *   load_items.c   which of them a fact counts in
 *   pipeline.c     queue, judge, look up, commit, done
 *   standing.c     which ids stand in the ledger, to spare look-ups
 *   follow.c       other lanes' feeds, and the health of the data set
 *   lanes.c        what is asked of all lanes
 *   checkpoint.c   dirty cells into hashes, trimming the feed
 *   seal.c         closed days, packed
 *   sealed_*.c     and read again
 *   state_file.c   what outlives the process beside Redis
 *   problem.c      what stands in the way, told once
 *
 * One rule keeps it simple: when anything is not as expected, partition_resync() drops the
 * connection, and the way in starts over. All pending commands are then answered with NULL before
 * redis_link_ops.down is called, so a callback does nothing on NULL and down() cleans up once.
 *
 * Everything uses one connection, so answers arrive in the order Redis did things: what the loader
 * reads of a feed is never older than what this process has applied of it.
 */
#ifndef LIVETALLY_STORE_PARTITION_PRIVATE_H
#define LIVETALLY_STORE_PARTITION_PRIVATE_H

#include "commit.h"
#include "livetally/batch.h"
#include "livetally/keys.h"
#include "livetally/partition.h"
#include "wanted.h"

#define SCRIPTS(X)                                                                                 \
    X(COMMIT, commit)                                                                              \
    X(CHECKPOINT, checkpoint)                                                                      \
    X(RENEW, renew)                                                                                \
    X(ADVANCE, advance)                                                                            \
    X(SEAL, seal)

enum script {
#define X(name, file) SCRIPT_##name,
    SCRIPTS(X)
#undef X
        SCRIPT_COUNT
};

enum phase {
    PHASE_DOWN,    /* no connection */
    PHASE_SYNC,    /* connected, on the way in */
    PHASE_LIVE,    /* everything works */
    PHASE_STOPPED, /* the lane is released */
};

enum pipeline_state {
    PIPELINE_IDLE,
    PIPELINE_LOOKING_UP,
    PIPELINE_COMMITTING,
    PIPELINE_REPLICATING, /* committed, waiting for replicas */
};

#define PROBLEM_BYTES 512
#define TOLD_PROBLEMS 8

struct lane {
    bool exists;
    uint64_t version;    /* newest read from Redis: going below it means lost writes */
    uint64_t seen;       /* it, when we were live the last time: the measure on the way in */
    uint64_t ended;      /* with which the epoch we knew ended, when there is another */
    uint64_t cursor;     /* feed applied up to here (other lanes) */
    uint64_t checkpoint; /* its ckpt, as last read */
    uint32_t behind;     /* health checks in a row with version ahead of a cursor that rests */
};

struct pipeline {
    struct post *first, *last; /* submitted, not yet in a batch */
    uint64_t queued_events;    /* in queue and batch */
    struct batch *batch;
    enum pipeline_state state;
    struct buffer entry; /* feed entry of the commit in flight */
    bool wait_pending;
    bool in_flight;          /* a commit was sent and its outcome is not known */
    bool was_done;           /* or it was done, and the connection broke before replicas had it */
    uint64_t expect_version; /* version it makes */
    int64_t sent_ms;
    uint64_t sent_ns;
    struct buffer command;
    struct commit_commands commands; /* of the commit in flight */
    struct looks looks;              /* of the commit in flight */
};

/* One second or so of our feed, to know what may be trimmed. */
struct feed_mark {
    uint64_t version;
    int64_t monotonic_ms;
    uint64_t bytes; /* of entries, since the start of the process */
};
#define FEED_MARKS      128
#define FEED_KEEP_BYTES (UINT64_C(64) << 20)

/* Of data sets in which no day was sealed yet, of those in which one was (lua/seal.lua), and of
 * those with a packed generation (generations.h), sealed days or not: who can't read the one or the
 * other refuses them. Nothing else differs. */
#define SCHEMA_PLAIN  "1"
#define SCHEMA_SEALED "2"
#define SCHEMA_PACKED "3" /* of new data sets */

#define CHECKPOINT_CELLS 500 /* a script's share: keeps Redis's stalls short */
#define CHECKPOINT_TAKEN                                                                           \
    65536 /* taken at a time, by group, so that a hash is written in few calls */

struct checkpoint {
    bool running;
    uint64_t version;                        /* what it concludes */
    uint32_t cells_left;                     /* to take, of those dirty when it began */
    uint32_t taken_count;                    /* cells taken */
    uint32_t taken_at;                       /* those before it are written */
    uint32_t count;                          /* of the chunk in flight, from there on */
    uint32_t answers_left;                   /* of base look-ups */
    uint32_t base_next;                      /* first ref of the run whose base is answered next */
    struct cell_ref taken[CHECKPOINT_TAKEN]; /* in runs of one group */
    const struct cell_ref *refs;             /* the chunk: &taken[taken_at] */
    bool asks_base[CHECKPOINT_CELLS];        /* by place in the chunk: its base was asked for */
    bool run_asks[CHECKPOINT_CELLS];         /* at a run's first ref: any of its bases was */
    uint64_t concluded;                      /* version of the last one */
    uint64_t feed_bytes;                     /* partition.feed_bytes when it began */
    int64_t began_ms;
    struct feed_mark marks[FEED_MARKS]; /* ring */
    uint32_t mark_first, mark_count;
    struct buffer command;
};

struct loader;
struct seal;
struct sealed_bases;
struct standing_ids;
struct sync;

struct partition {
    uv_loop_t *loop;
    struct partition_options options;
    struct partition_ops ops;
    const struct clock *clock;
    const struct log *log;
    struct stats *stats;
    struct keys keys;
    struct redis_link *link;
    char script_sha[SCRIPT_COUNT][41];

    enum phase phase;
    bool was_ready;      /* at least once */
    bool told_available; /* what ops.available was told last */
    bool claimed;        /* the lane is ours, as far as we know */
    bool had_lane;       /* in this process, at any time */
    bool stopping, releasing;
    int64_t stop_deadline_ms;
    struct view view;
    struct census *census;
    struct ledger *ledger;
    struct judge judge;
    struct fence fence;
    bool may_multi;     /* as this user of Redis */
    uint32_t bulk_from; /* of commits: commit_call */
    bool told_without_bulk;
    char instance[17];
    char process[9]; /* of random digits: what the tokens of this process begin with */
    uint32_t claims;
    struct lane lanes[LANE_COUNT];
    uint64_t feed_bytes;

    struct pipeline pipeline;
    struct checkpoint checkpoint;
    struct seal *seal;
    struct sealed_bases *sealed_bases;
    struct standing_ids *standing;
    struct loader *loader; /* a load under way, or NULL */
    struct wanted wanted;  /* for the next one */

    /* While PHASE_SYNC: what will replace the view's. */
    struct board *next_board;
    struct catalog *next_catalog;
    struct sync *sync;
    char looked[48];              /* how far claims looked through the ledger: lua/claim.lua */
    char new_epoch[EPOCH_BYTES];  /* proposed by our claim, or made because writes were lost */
    char loss[256];               /* the last loss, for people */
    char loss_epoch[EPOCH_BYTES]; /* the epoch that ended with it */
    char problem[PROBLEM_BYTES];  /* what stands in the way of going live; "": nothing */
    uint64_t
        told_problems[TOLD_PROBLEMS]; /* hashes of those logged, so that retries don't repeat */
    uint32_t told_count;
    bool told_up;          /* since then, that there is a connection */
    bool replicas_missing; /* acks wait for them, and it was told */
    bool commit_refused;   /* by Redis, the last time: nothing gets durable */
    bool checkpoint_refused;
    int64_t live_since_ms;
    bool ended_is_noted; /* how far the lanes were when the epoch that we knew ended here */
    uint64_t high_water_version;
    uint32_t high_water_lane;
    char high_water_epoch[EPOCH_BYTES];
    int high_water_fd;    /* -1: not open */
    bool high_water_told; /* that it can't be written */

    uint64_t feed_token;
    bool poll_pending, health_pending, generation_pending, renew_pending;
    int64_t last_heard_ms; /* monotonic: we know the data set as it was then */
    int64_t poll_sent_ms, health_sent_ms;
    int64_t next_health_ms, next_renew_ms, next_sync_ms;
    int64_t next_generation_ms;
    const char *ledger_waits; /* why the next generation can't begin; NULL: it may */
    const char *schema;       /* of the data set, as far as we know: SCHEMA_… */
    uint32_t day_wanted;      /* business day being loaded to become today */
    uint32_t names_told;      /* by partition_totals_changed() */
    uint64_t catalog_told;
    struct buffer command;
    struct feed_reader reader;

    uv_prepare_t prepare;
    uv_timer_t tick;
    uv_timer_t poll;
    uv_timer_t stop_timer;
    void (*stopped)(void *context);
    void *stopped_context;
    uint32_t handles_open;
};

/* partition.c */
void partition_tell_available(struct partition *partition);
void partition_view_changed(struct partition *partition);
/* After facts and catalog changes. Who shows totals looks at them when he is due; he has to look
 * sooner only for what he may be waiting for: ids that nobody had seen, and what the catalog says
 * of one. */
void partition_totals_changed(struct partition *partition);
/* An answer about the data set. When it was asked for counts: it may have waited for us to wake. */
void partition_heard(struct partition *partition, int64_t sent_ms);
int64_t partition_now_ms(const struct partition *partition); /* monotonic */
void partition_random_hex(char out[17]);                     /* 16 random hex digits */
bool partition_send(struct partition *partition, redis_reply_fn *done, void *context);
/* Groups that are always loaded: for all time (day 0) and for today. */
extern const uint32_t partition_pin_count;
struct group_key partition_pin_key(uint32_t pin, uint32_t day);
bool partition_is_pinned(struct group_key key); /* of any day */

/* problem.c */
void partition_resync(struct partition *partition, const char *reason);
/* The same for a reply that is an error, or no answer about `what` ("XREAD", a key). */
void partition_resync_by(struct partition *partition, const redisReply *reply, const char *what);
/* Notes what stands in the way, for /readyz; and logs it, once for as long as it is the same. */
void partition_note_problem(struct partition *partition, enum log_level level, const char *text);
/* The first half of it, for who logs in other words: true when it has to be logged. */
bool partition_is_new_problem(struct partition *partition, const char *text);
/* Redis did what it had refused: commit_refused or checkpoint_refused. */
void partition_note_accepted(struct partition *partition, bool *refused);

/* sync_claim.c */
void sync_start(struct partition *partition); /* connected */
/* No longer live: how far we saw the lanes is what the next way in measures losses by. */
void sync_remember(struct partition *partition);
/* A problem that time may cure: tried again in a second. */
void sync_wait_and_retry(struct partition *partition, const char *problem);

/* sync.c */
void sync_load(struct partition *partition);  /* claimed */
void sync_abort(struct partition *partition); /* connection lost */

/* loader.c: one load at a time */
typedef void loader_done_fn(struct partition *partition);
void loader_start(struct partition *partition, struct board *board, const struct group_key *keys,
                  uint32_t count, loader_done_fn *done);
void loader_abort(struct partition *partition);
/* A lane's feed can't be read from its checkpoint to its version. */
void loader_feed_lacks(struct partition *partition, uint32_t lane);
void loader_go_on(struct partition *partition); /* feeds of other lanes were applied */

/* pipeline.c */
void pipeline_init(struct partition *partition);
void pipeline_done(struct partition *partition);
void pipeline_pump(struct partition *partition);
void pipeline_tick(struct partition *partition);
void pipeline_connection_lost(struct partition *partition);
/* After a resync: the newest entry of our feed (or absent) tells what became of the commit. */
void pipeline_resolve(struct partition *partition, uint64_t version, struct slice newest_entry);
void pipeline_give_up(struct partition *partition);
bool pipeline_empty(const struct partition *partition);

/* standing.c */
void standing_init(struct partition *partition);
void standing_close(struct partition *partition, uv_close_cb closed); /* its handle */
void standing_done(struct partition *partition);
void standing_live(struct partition *partition);
void standing_connection_lost(struct partition *partition);
/* The fence has the new generation already. */
void standing_generation_moved(struct partition *partition, const struct generations *before);
/* Another lane has a newer version than we knew. */
void standing_heard(struct partition *partition, uint32_t lane, uint64_t version);
/* A commit was refused because that generation may have ids that we don't know. */
void standing_grown(struct partition *partition, enum record_place place);
void standing_committed(struct partition *partition, const struct looks *looks);
/* What has to hold for a commit of such looks. */
struct standing standing_of(struct partition *partition, const struct looks *looks);
void standing_tick(struct partition *partition);
void standing_pump(struct partition *partition); /* after the commits of this turn of the loop */
void standing_refresh_stats(const struct partition *partition);

/* follow.c */
void follow_generation_moved(struct partition *partition, const struct generations *generations);
void follow_poll(struct partition *partition);
void follow_health(struct partition *partition);
void follow_generation(struct partition *partition);
void follow_renew(struct partition *partition);
void follow_note_version(struct partition *partition, uint32_t lane, uint64_t version);

/* checkpoint.c */
void checkpoint_tick(struct partition *partition);
void checkpoint_connection_lost(struct partition *partition);
void checkpoint_note_commit(struct partition *partition, size_t entry_bytes);
bool checkpoint_clean(const struct partition *partition); /* everything is written */

/* What the hashes did not have of the chunk may be in sealed pages: */
void checkpoint_bases_complete(struct partition *partition);

/* sealed_bases.c: the checkpoint's chunk and what its hashes did not have */
void sealed_bases_init(struct partition *partition);
void sealed_bases_done(struct partition *partition);
/* A base that the hash did not have: true when it is to be looked for in sealed pages. */
bool sealed_bases_note(struct partition *partition, uint32_t ref);
/* Looks for all that were noted; calls checkpoint_bases_complete(). False: none were. */
bool sealed_bases_ask(struct partition *partition);
void sealed_bases_reset(struct partition *partition); /* connection lost */
/* A page of our lane's day is about to be written. */
void sealed_bases_expect(struct partition *partition, uint32_t day);

/* seal.c */
void seal_init(struct partition *partition);
void seal_done(struct partition *partition);
void seal_tick(struct partition *partition);
void seal_connection_lost(struct partition *partition);

/* state_file.c */
void state_file_instance(struct partition *partition);
void state_file_new_instance(struct partition *partition);
void state_file_read(struct partition *partition);
void state_file_note(struct partition *partition); /* cheap: before every ack */
void state_file_done(struct partition *partition);

#endif
