/*
 * Why this exists: one answer, in one place, to "may they?", asked for every order of a tool that
 * is limited to hosts. Hosts are found by a hash; topics, asked only when somebody subscribes, one
 * after the other. Texts of both stand in one run of bytes.
 */
#include "livetally/grant.h"

#include <stdlib.h>

#include "id_table.h"
#include "livetally/mem.h"
#include "livetally/topic.h"

/* The ids are chosen by whoever signs tokens; nobody else can make the hash collide. */
#define HOST_SEED 0

struct span {
    uint32_t offset; /* in text */
    uint32_t size;
    bool prefix; /* of topics: whatever begins so */
};

struct grant {
    uint32_t references;
    uint32_t scopes;
    bool any_host;
    bool any_topic;
    uint32_t host_count;
    uint32_t topic_count;
    int64_t expires_ms;
    uint64_t key_id;
    uint64_t token_id;
    struct buffer text;
    struct span *hosts;
    struct span *topics;
    struct id_table host_index;
    char subject[ID_MAX_BYTES + 1];
};

const char *const grant_scope_words[GRANT_SCOPE_COUNT] = {
#define X(name, word) [GRANT_INDEX_##name] = (word),
    GRANT_SCOPES(X)
#undef X
};

bool grant_scopes_parse(struct slice words, uint32_t *ret_scopes)
{
    uint32_t scopes = 0;
    size_t at = 0;
    while (at < words.size) {
        size_t start = at;
        while (at < words.size && words.data[at] != ' ')
            at++;
        struct slice word = {words.data + start, at - start};
        uint32_t scope = 0;
        for (uint32_t i = 0; i < GRANT_SCOPE_COUNT; i++)
            if (slice_equal(word, slice_of(grant_scope_words[i])))
                scope = 1U << i;
        if (word.size && !scope)
            return false;
        scopes |= scope;
        at++;
    }
    if (!scopes)
        return false;
    *ret_scopes = scopes;
    return true;
}

static struct slice text_of(const struct grant *grant, struct span span)
{
    return (struct slice){grant->text.data + span.offset, span.size};
}

static struct slice host_at(const void *context, uint32_t place)
{
    const struct grant *grant = context;
    return text_of(grant, grant->hosts[place]);
}

static bool has_host(const struct grant *grant, uint32_t hash, struct slice host)
{
    return id_table_find(&grant->host_index, hash, host, host_at, grant) != ID_TABLE_NONE;
}

static int add_hosts(struct grant *grant, const struct grant_terms *terms, struct error *error)
{
    if (terms->host_count > GRANT_HOSTS_MAX)
        return error_set(error, ERROR_LIMIT, "more than %d hosts", GRANT_HOSTS_MAX);
    grant->hosts = mem_resize(NULL, terms->host_count + 1, sizeof(*grant->hosts));
    for (uint32_t i = 0; i < terms->host_count; i++) {
        struct slice host = terms->hosts[i];
        if (!id_ok(host))
            return error_set(error, ERROR_INVALID,
                             "a host must be 1 to 64 bytes of A-Z a-z 0-9 . _ ~ : @ -");
        uint32_t hash = id_table_hash(&grant->host_index, host);
        if (has_host(grant, hash, host))
            continue;
        grant->hosts[grant->host_count] =
            (struct span){(uint32_t)grant->text.size, (uint32_t)host.size, false};
        buffer_append_slice(&grant->text, host);
        id_table_insert(&grant->host_index, hash, grant->host_count++);
    }
    return 0;
}

/* The beginning of a name: what canonical names consist of, in any combination. */
static bool prefix_ok(struct slice prefix)
{
    if (prefix.size > TOPIC_MAX_BYTES)
        return false;
    for (size_t i = 0; i < prefix.size; i++) {
        char byte = prefix.data[i];
        if (byte <= ' ' || byte > '~' || byte == '*')
            return false;
    }
    return true;
}

/* A topic is kept by its canonical name, the one it is asked for by. */
static int add_topic(struct grant *grant, struct slice name, struct error *error)
{
    uint32_t start = (uint32_t)grant->text.size;
    bool prefix = name.size && name.data[name.size - 1] == '*';
    if (prefix) {
        name.size--;
        if (!prefix_ok(name))
            return error_set(error, ERROR_INVALID, "a prefix is at most %d bytes, then one *",
                             TOPIC_MAX_BYTES);
        buffer_append_slice(&grant->text, name);
    } else {
        struct topic topic;
        if (topic_parse(name, &topic, NULL))
            return error_set(error, ERROR_INVALID, "one of the topics is no topic's name");
        topic_write(&grant->text, &topic);
    }
    grant->topics[grant->topic_count++] =
        (struct span){start, (uint32_t)grant->text.size - start, prefix};
    return 0;
}

static int add_topics(struct grant *grant, const struct grant_terms *terms, struct error *error)
{
    int code = 0;
    if (terms->topic_count > GRANT_TOPICS_MAX)
        return error_set(error, ERROR_LIMIT, "more than %d topics", GRANT_TOPICS_MAX);
    grant->topics = mem_resize(NULL, terms->topic_count + 1, sizeof(*grant->topics));
    for (uint32_t i = 0; code == 0 && i < terms->topic_count; i++)
        code = add_topic(grant, terms->topics[i], error);
    return code;
}

int grant_new(const struct grant_terms *terms, struct grant **ret_grant, const char **ret_fault,
              struct error *error)
{
    struct grant *grant = mem_zalloc(sizeof(*grant));
    const char *fault = GRANT_FAULT_HOSTS;
    grant->references = 1;
    grant->scopes = terms->scopes;
    grant->any_host = terms->any_host;
    grant->any_topic = terms->any_topic;
    grant->expires_ms = terms->expires_ms;
    grant->key_id = terms->key_id;
    grant->token_id = terms->token_id;
    if (id_ok(terms->subject))
        memcpy(grant->subject, terms->subject.data, terms->subject.size);
    id_table_init(&grant->host_index, HOST_SEED);
    (void)buffer_reserve(&grant->text, 1); /* spans of it may be empty, but not of nothing */

    int code = terms->any_host ? 0 : add_hosts(grant, terms, error);
    if (code == 0 && !terms->any_topic) {
        fault = GRANT_FAULT_TOPICS;
        code = add_topics(grant, terms, error);
    }
    if (code) {
        grant_unref(grant);
        if (ret_fault)
            *ret_fault = fault;
        return code;
    }
    *ret_grant = grant;
    return 0;
}

struct grant *grant_ref(struct grant *grant)
{
    grant->references++;
    return grant;
}

void grant_unref(struct grant *grant)
{
    if (!grant || --grant->references > 0)
        return;
    id_table_done(&grant->host_index);
    buffer_done(&grant->text);
    free(grant->hosts);
    free(grant->topics);
    free(grant);
}

bool grant_has(const struct grant *grant, enum grant_scope scope)
{
    return (grant->scopes & (uint32_t)scope) != 0;
}

bool grant_limits_hosts(const struct grant *grant)
{
    return !grant->any_host;
}

bool grant_may_post(const struct grant *grant, struct slice host)
{
    if (!grant_has(grant, GRANT_INGEST))
        return false;
    return grant->any_host ||
           (grant->host_count && has_host(grant, id_table_hash(&grant->host_index, host), host));
}

bool grant_may_view(const struct grant *grant, struct slice topic)
{
    if (!grant_has(grant, GRANT_VIEW))
        return false;
    bool found = grant->any_topic;
    for (uint32_t i = 0; !found && i < grant->topic_count; i++) {
        struct slice allowed = text_of(grant, grant->topics[i]);
        struct slice head = topic;
        if (grant->topics[i].prefix && head.size > allowed.size)
            head.size = allowed.size;
        found = slice_equal(head, allowed);
    }
    return found;
}

bool grant_expired(const struct grant *grant, int64_t now_ms)
{
    return grant->expires_ms != GRANT_NEVER && now_ms >= grant->expires_ms;
}

int64_t grant_expires_ms(const struct grant *grant)
{
    return grant->expires_ms;
}

bool grant_fits_url(const struct grant *grant, int64_t now_ms, int64_t longest_ms)
{
    return grant->scopes == GRANT_VIEW && grant->expires_ms != GRANT_NEVER &&
           grant->expires_ms - longest_ms <= now_ms;
}

const char *grant_subject(const struct grant *grant)
{
    return grant->subject;
}

uint64_t grant_key_id(const struct grant *grant)
{
    return grant->key_id;
}

uint64_t grant_token_id(const struct grant *grant)
{
    return grant->token_id;
}
