/*
 * A grant: what somebody may do here, and until when. Made from a token, or from the configuration
 * for those who come without one; never changed afterwards.
 *
 * It is shared by reference count, like a frame: a connection or request holds one reference, and
 * so does each of its posts, which may be judged after the connection is gone. One thread only.
 *
 * Nothing is allowed that the terms don't say: terms of all zeros make a grant that allows nothing
 * and has run out. A scope doesn't include another.
 */
#ifndef LIVETALLY_GRANT_H
#define LIVETALLY_GRANT_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/error.h"
#include "livetally/event.h"
#include "livetally/slice.h"

#define GRANT_HOSTS_MAX  256 /* at most 64 bytes each, and 8 for the index */
#define GRANT_TOPICS_MAX 256 /* at most TOPIC_MAX_BYTES each */
#define GRANT_NEVER      INT64_MAX

/* scope, its word in a token */
#define GRANT_SCOPES(X)                                                                            \
    X(INGEST, "ingest")                                                                            \
    X(VIEW, "view")                                                                                \
    X(ADMIN, "admin")

enum grant_scope_index {
#define X(name, word) GRANT_INDEX_##name,
    GRANT_SCOPES(X)
#undef X
        GRANT_SCOPE_COUNT
};

enum grant_scope {
#define X(name, word) GRANT_##name = 1 << GRANT_INDEX_##name,
    GRANT_SCOPES(X)
#undef X
};

extern const char *const grant_scope_words[GRANT_SCOPE_COUNT]; /* by index */
/* "ingest view" to bits. False: empty, or a word that isn't known. Blanks separate words. */
bool grant_scopes_parse(struct slice words, uint32_t *ret_scopes);

/* What a grant is made from. All of it is borrowed while grant_new() runs. */
struct grant_terms {
    uint32_t scopes; /* bits of enum grant_scope */
    bool any_host;   /* hosts are not looked at */
    bool any_topic;
    uint32_t host_count;
    uint32_t topic_count;
    const struct slice *hosts;  /* ids */
    const struct slice *topics; /* names, or beginnings of canonical names that end in '*' */
    int64_t expires_ms;         /* wall time from which on it is void, or GRANT_NEVER */
    struct slice subject;       /* who, for logs: kept when it is an id, else left out */
    uint64_t key_id;            /* keyring_holds() tells whether that key is still good; 0: none */
    uint64_t token_id;          /* equal for the same token, to count its connections; 0: none */
};

/* Where a refusal's fault lies: which list, for a message. Static text. */
#define GRANT_FAULT_HOSTS  "hosts"
#define GRANT_FAULT_TOPICS "topics"

struct grant;

/*
 * With one reference. ERROR_INVALID or ERROR_LIMIT when a list is too long or holds what isn't an
 * id, a topic or a prefix; *ret_fault then is GRANT_FAULT_… (may be NULL). The error's text doesn't
 * repeat what it found.
 */
int grant_new(const struct grant_terms *terms, struct grant **ret_grant, const char **ret_fault,
              struct error *error);
struct grant *grant_ref(struct grant *grant);
void grant_unref(struct grant *grant); /* NULL is fine */

bool grant_has(const struct grant *grant, enum grant_scope scope);
bool grant_limits_hosts(const struct grant *grant);
/* Scope ingest, and this host among those allowed. One hash and one comparison. */
bool grant_may_post(const struct grant *grant, struct slice host);
/* Scope view, and this topic, by its canonical name, among those allowed. */
bool grant_may_view(const struct grant *grant, struct slice topic);
bool grant_expired(const struct grant *grant, int64_t now_ms);
int64_t grant_expires_ms(const struct grant *grant); /* GRANT_NEVER: it doesn't */
/*
 * May come in a URL, which ends up in histories and logs of others: it can do nothing but view, and
 * not for longer than `longest_ms` from now.
 */
bool grant_fits_url(const struct grant *grant, int64_t now_ms, int64_t longest_ms);

const char *grant_subject(const struct grant *grant); /* "" when unknown */
uint64_t grant_key_id(const struct grant *grant);
uint64_t grant_token_id(const struct grant *grant);

#endif
