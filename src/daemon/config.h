/*
 * The configuration: one list of keys, from which the struct, the defaults, the checks, the sample
 * file and the text of --help all follow. Adding a key is adding a row.
 *
 * Values come from an INI file, then from the command line, which wins. Each is checked as it is
 * set, what concerns several keys by config_check(), and what needs a file read or an address
 * resolved in settings.h. An error names the file and line (or the command line) that the value
 * came from.
 */
#ifndef LIVETALLY_DAEMON_CONFIG_H
#define LIVETALLY_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/error.h"
#include "livetally/slice.h"

#define CONFIG_TEXT_BYTES 256   /* of a value, with its NUL */
#define CONFIG_LIST_ITEMS 16    /* values of a repeatable key */
#define CONFIG_FILE_BYTES 65536 /* a configuration file is at most this long */

/*
 * Rows: NUMBER(section, key, default, least, most, help)
 *       TEXT(section, key, default, check, help)        check: a function of config.c, or NULL
 *       CHOICE(section, key, default, "word|word", help)
 *       LIST(section, key, default, check, help)        may be given several times; an empty value
 *                                                       takes those before it back
 */
#define CONFIG_KEYS(NUMBER, TEXT, CHOICE, LIST)                                                    \
    LIST(listen, address, "127.0.0.1:8090", check_address,                                         \
         "HOST:PORT, [IPV6]:PORT or unix:PATH; port 0 picks a free one. After it may stand the "   \
         "words tls (with TLS) and proxy (each connection begins with a PROXY header, of trusted " \
         "proxies only). May be repeated.")                                                        \
    CHOICE(listen, share, "no", "no|yes",                                                          \
           "yes: several daemons may listen on one TCP port and the kernel spreads connections.")  \
    LIST(listen, trusted_proxies, "local", check_network,                                          \
         "ADDRESS, ADDRESS/BITS or local (loopback and Unix sockets): proxies that are believed "  \
         "about who is behind them. Empty: none. May be repeated.")                                \
    TEXT(tls, certificate, "", check_path,                                                         \
         "PEM file: our certificate, then those of its chain. For addresses with the word tls. "   \
         "It and those below are loaded again when they change.")                                  \
    TEXT(tls, key, "", check_path,                                                                 \
         "PEM file of the certificate's key, not encrypted. Empty: in the certificate's file.")    \
    TEXT(tls, client_ca, "", check_path,                                                           \
         "PEM file: whoever connects by TLS needs a certificate that one of these has signed. "    \
         "Empty: needs none.")                                                                     \
    CHOICE(tls, min_version, "1.2", "1.2|1.3",                                                     \
           "Clients that only speak an older TLS are refused.")                                    \
    TEXT(redis, url, "embedded", check_redis_url,                                                  \
         "embedded, redis://[:PASSWORD@]HOST:PORT[/DB] or unix:PATH. embedded: a private server.") \
    TEXT(redis, password_file, "", NULL, "File whose first line is the password of Redis.")        \
    TEXT(redis, prefix, "lt:", check_prefix, "Put before the name of every key in Redis.")         \
    TEXT(redis, durability, "local", check_durability,                                             \
         "local, or replicas:N: an ack waits until N replicas have the data too.")                 \
    NUMBER(redis, connect_timeout_ms, 3000, 50, 60000, "Give up a connection attempt after this.") \
    NUMBER(redis, reply_timeout_ms, 5000, 50, 60000,                                               \
           "A reply that takes longer breaks the connection, which is then made anew.")            \
    NUMBER(redis, backoff_min_ms, 50, 1, 60000, "First wait before connecting again; doubles.")    \
    NUMBER(redis, backoff_max_ms, 1000, 1, 600000, "Longest wait before connecting again.")        \
    NUMBER(redis, lease_ms, 15000, 500, 600000,                                                    \
           "How long a daemon that fell silent keeps its seat in the data set.")                   \
    NUMBER(redis, poll_ms, 20, 1, 10000, "How often the changes of other daemons are read.")       \
    NUMBER(redis, checkpoint_ms, 1000, 10, 60000,                                                  \
           "How often changed totals are written to hashes.")                                      \
    NUMBER(redis, seal_after_days, 3, 0, 36500,                                                    \
           "Days that ended that long ago are packed, to a seventh of the memory. 0: never.")      \
    NUMBER(redis, feed_keep_ms, 60000, 1000, 120000,                                               \
           "A daemon that slept longer than this reads everything anew.")                          \
    TEXT(daemon, state_dir, "", check_path,                                                        \
         "Folder of our own. Empty: $STATE_DIRECTORY, $XDG_STATE_HOME/livetally or "               \
         "~/.local/state/livetally.")                                                              \
    CHOICE(log, level, "info", "error|warning|notice|info|debug", "Least severe messages shown.")  \
    CHOICE(log, format, "auto", "auto|text|journal",                                               \
           "text: time and level on each line; journal: <N> before it; auto: what stderr is.")     \
    CHOICE(auth, mode, "auto", "auto|none",                                                        \
           "none: anyone who can reach an address may post and watch, also on a network.")         \
    LIST(auth, keys, "", check_path,                                                               \
         "File or folder of keys (KID.hs256, KID.hs512, KID.pem) that tokens are checked with; "   \
         "then nobody gets in without one. Empty: no tokens. May be repeated.")                    \
    LIST(auth, public_topics, "", NULL,                                                            \
         "Topic, or beginning of topics with * at its end, to be watched without a token. May be " \
         "repeated.")                                                                              \
    LIST(auth, origins, "", check_origin,                                                          \
         "Site (https://HOST[:PORT], or null) whose pages may connect besides our own. Empty: "    \
         "none may post, and any may watch: without keys on loopback, those of this machine. May " \
         "be repeated.")                                                                           \
    NUMBER(auth, url_hours, 24, 1, 8760, "A token in a URL must not last longer than this.")       \
    TEXT(data, currency, "CNY", check_currency, "ISO 4217 code; amounts are in its minor units.")  \
    TEXT(data, time_zone, "+08:00", check_time_zone, "Offset that cuts business days, or UTC.")    \
    NUMBER(data, order_keep_days, 30, 1, 400, "Orders and refunds older than this are refused.")   \
    NUMBER(data, generation_days, 31, 2, 401,                                                      \
           "Span of a ledger generation; more than order_keep_days. Two of them are kept.")        \
    NUMBER(data, day_keep_days, 400, 2, 36500, "Totals by day are kept this long.")                \
    NUMBER(data, minute_keep_hours, 48, 25, 8760, "Totals by minute are kept this long.")          \
    TEXT(data, county_file, "", check_path,                                                        \
         "CSV with a column code: the counties there are; pages show its name_zh and name_en. "    \
         "Empty: only the form is checked.")                                                       \
    TEXT(data, county_alias_file, "", check_path,                                                  \
         "CSV with old_code and primary_code: retired codes and their successors.")                \
    NUMBER(limits, message_bytes, 1048576, 1024, 16777216, "Longest ingest message.")              \
    NUMBER(limits, batch_events, 1000, 1, 1000, "Most events in one message.")                     \
    NUMBER(limits, window_events, 8192, 1, 1000000,                                                \
           "Unacked events of a connection before it is no longer read from.")                     \
    NUMBER(limits, window_bytes, 4194304, 1024, 1073741824, "The same in bytes.")                  \
    NUMBER(limits, waiting_bytes, 268435456, 4194304, 1073741824,                                  \
           "Memory of all that waits for Redis; then no connection is read from.")                 \
    NUMBER(limits, connections, 16384, 1, 1000000, "Open connections of all kinds.")               \
    NUMBER(limits, connections_per_address, 4096, 0, 1000000,                                      \
           "The same of one IP address (of IPv6: of one /64). 0: no such limit.")                  \
    NUMBER(limits, connections_per_token, 0, 0, 1000000,                                           \
           "WebSockets, and requests under way, of one token. 0: no such limit.")                  \
    NUMBER(limits, messages_per_s, 250000, 0, 10000000,                                            \
           "Messages or requests a second from one connection; over it, reading slows. 0: no "     \
           "such limit.")                                                                          \
    NUMBER(limits, bytes_per_s, 268435456, 0, 4294967295, "The same in bytes.")                    \
    NUMBER(limits, token_messages_per_s, 1000000, 0, 10000000,                                     \
           "The same from all connections of one token.")                                          \
    NUMBER(limits, token_bytes_per_s, 1073741824, 0, 4294967295, "The same in bytes.")             \
    NUMBER(limits, burst_ms, 5000, 1, 600000,                                                      \
           "So long may be sent at once what these rates allow in that time.")                     \
    NUMBER(limits, rate_close_ms, 60000, 100, 3600000,                                             \
           "Closed when over these rates all the time for this long.")                             \
    NUMBER(limits, message_ms, 30000, 100, 3600000,                                                \
           "A message or body that is not here whole by then ends its connection.")                \
    NUMBER(limits, assembly_bytes, 268435456, 1024, 4294967295,                                    \
           "Memory of messages of which a part is here; then no more parts are read.")             \
    NUMBER(limits, send_queue_bytes, 268435456, 65536, 4294967295,                                 \
           "Memory of all that peers have yet to read; then those with most are cut off.")         \
    NUMBER(limits, topics, 100000, 1, 10000000, "Topics watched, over all viewers.")               \
    NUMBER(limits, topics_per_viewer, 256, 1, 256, "Topics watched by one viewer.")                \
    NUMBER(limits, hosts, 100000, 1, 10000000, "Host ids; more are refused with too_many_ids.")    \
    NUMBER(limits, products, 1000000, 1, 10000000, "Product ids.")                                 \
    NUMBER(limits, sessions, 200000, 1, 10000000, "Session ids.")                                  \
    NUMBER(limits, platforms, 1000, 1, 10000000, "Platform ids.")                                  \
    NUMBER(limits, counties, 10000, 1, 10000, "County codes.")                                     \
    NUMBER(limits, catalog_entries, 1000000, 1, 10000000, "Registered names of each kind.")        \
    NUMBER(limits, cells, 4000000, 1000, 100000000, "Totals in memory, about 130 bytes each.")     \
    NUMBER(limits, cached_orders, 262144, 1000, 100000000,                                         \
           "Order records kept in memory, at 256 bytes each on average.")                          \
    NUMBER(limits, known_orders, 33554432, 0, 1000000000,                                          \
           "Orders of a ledger generation, at 2 to 4 bytes each, of which is known that they are " \
           "in Redis, so that new ones need no look there. With more, all are looked up.")         \
    NUMBER(limits, ping_idle_ms, 30000, 100, 3600000, "Connections idle this long are pinged.")    \
    NUMBER(limits, ping_wait_ms, 10000, 100, 600000,                                               \
           "Dropped when silent this long after a ping.")                                          \
    NUMBER(limits, handshake_ms, 5000, 100, 600000, "Dropped when no request came by then.")       \
    NUMBER(limits, auth_ms, 5000, 100, 600000, "Closed when no token came by then.")               \
    NUMBER(limits, post_wait_ms, 10000, 100, 600000,                                               \
           "POST /v1/events answers 503 when not durable by then.")                                \
    NUMBER(limits, shutdown_ms, 8000, 1000, 600000,                                                \
           "On shutdown, time for commits, the checkpoint and goodbyes.")

enum config_key {
#define X(section, key, ...) CONFIG_KEY_##section##_##key,
    CONFIG_KEYS(X, X, X, X)
#undef X
        CONFIG_KEY_COUNT
};

/* Words of the CHOICE rows, in their order. */
enum { CONFIG_SHARE_NO, CONFIG_SHARE_YES };
enum { CONFIG_TLS_12, CONFIG_TLS_13 };
enum { CONFIG_LOG_AUTO, CONFIG_LOG_TEXT, CONFIG_LOG_JOURNAL };
enum { CONFIG_AUTH_AUTO, CONFIG_AUTH_NONE };

struct config_text {
    char text[CONFIG_TEXT_BYTES];
};

struct config_list {
    uint32_t count;
    struct config_text items[CONFIG_LIST_ITEMS];
};

enum {
    CONFIG_FROM_DEFAULT = 0,
    CONFIG_FROM_COMMAND_LINE = -1, /* a positive origin is a line of the file */
};

/* A plain value: parse into a fresh one, then swap. */
struct config {
#define NUMBER(section, key, ...) uint32_t section##_##key;
#define TEXT(section, key, ...)   struct config_text section##_##key;
#define CHOICE(section, key, ...) uint32_t section##_##key;
#define LIST(section, key, ...)   struct config_list section##_##key;
    CONFIG_KEYS(NUMBER, TEXT, CHOICE, LIST)
#undef NUMBER
#undef TEXT
#undef CHOICE
#undef LIST
    int32_t origin[CONFIG_KEY_COUNT];
    char file[CONFIG_TEXT_BYTES]; /* name shown in errors; "" = none was read */
};

void config_init(struct config *config); /* everything at its default */

/* At most once, before values from the command line. Nothing is changed when it fails. */
int config_read_file(struct config *config, const char *path, struct error *error);
int config_read_text(struct config *config, const char *name, struct slice text,
                     struct error *error);

/*
 * From the command line: "section.key=value", or name and value apart. The last one wins; values
 * of a repeatable key add up, and replace those of the file.
 */
int config_assign(struct config *config, const char *assignment, struct error *error);
int config_set(struct config *config, const char *name, const char *value, struct error *error);

/* "livetallyd.conf:12: redis.url: …": an error in a value, found later. Returns ERROR_INVALID. */
int config_fault(const struct config *config, enum config_key key, struct error *error,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What concerns several keys; call it once all values are set. */
int config_check(const struct config *config, struct error *error);

void config_write_sample(struct buffer *out); /* a file with every key at its default */
void config_write_keys(struct buffer *out);   /* for --help: one line a key */

/* "replicas:N"; 0 for "local". ERROR_INVALID for anything else. */
int config_parse_durability(const char *text, uint32_t *ret_replicas);

#endif
