/*
 * Looks at what peers send before libwebsockets reads it.
 *
 * lws 4.1.6 takes frames that aren't masked and tells nobody, leaves a connection open after a
 * frame that breaks the rules, and reads heads of requests that no two programs would read alike.
 * It has no hook in front of its parsers. But it reads a socket by recv(), or SSL_read(), in one
 * place, and a program may define functions of these names, which a shared library then calls in
 * place of libc's or OpenSSL's. So do the two at the end of this file. They concern themselves with
 * sockets given to inbound_watch() only, and pass all others on untouched.
 *
 *   HEAD ─ a request's head is here whole, and fine ─▶ PLAIN: its body
 *     ▲ └─ it is not fine ─▶ DISCARD                     │
 *     └────────────────── answered ──────────────────────┤
 *   FRAMES ◀────────────── became a WebSocket ───────────┘
 *     └─ a header breaks the rules ─▶ DISCARD
 *
 * A head is kept from lws until all of it is here, at most HEAD_BYTES and one read more; frames are
 * passed on as they come, up to one that is wrong. Nothing else reaches lws after that. Nothing is
 * answered here, in the middle of lws: inbound_tell_faults() does so when the loop is about to
 * sleep.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "head.h"
#include "http.h"
#include "livetally/mem.h"

#define DISCARDS_PER_TURN 64 /* reads of one peer, so that none can keep us busy */

enum inbound_mode { INBOUND_PLAIN, INBOUND_HEAD, INBOUND_FRAMES, INBOUND_DISCARD };

enum inbound_fault {
    FAULT_NONE,
    FAULT_HEAD,
    FAULT_HEAD_LARGE,
    FAULT_HEAD_METHOD,
    FAULT_HEAD_VERSION,
    FAULT_HEAD_TOPICS,
    FAULT_UNMASKED,
    FAULT_FRAMING,
};

/*
 * Connections by descriptor. The one state of this program that isn't handed down: recv() has no
 * place for an argument of ours.
 */
static struct {
    struct connection **by_fd;
    size_t size;
} watched;

/* Where bytes come from. */
struct source {
    SSL *ssl; /* NULL: plain */
    int fd;
};

static ssize_t read_plain(int fd, void *bytes, size_t size)
{
    return recvfrom(fd, bytes, size, 0, NULL, NULL); /* all that recv() is */
}

static int read_tls(SSL *ssl, void *bytes, size_t size)
{
    size_t got;

    /* All that SSL_read() is; SSL_get_error() takes 0 and -1 alike. */
    return SSL_read_ex(ssl, bytes, size, &got) ? (int)got : -1;
}

static ssize_t read_source(const struct source *source, void *bytes, size_t size)
{
    return source->ssl ? read_tls(source->ssl, bytes, size) : read_plain(source->fd, bytes, size);
}

static struct connection *find(int fd)
{
    return fd >= 0 && (size_t)fd < watched.size ? watched.by_fd[fd] : NULL;
}

void inbound_watch(struct connection *connection, int fd)
{
    size_t needed = (size_t)fd + 1;

    if (needed > watched.size) {
        size_t size = watched.size * 2 > needed ? watched.size * 2 : needed;

        watched.by_fd = mem_resize(watched.by_fd, size, sizeof(*watched.by_fd));
        memset(watched.by_fd + watched.size, 0,
               (size - watched.size) * sizeof(struct connection *));
        watched.size = size;
    }
    watched.by_fd[fd] = connection;
    connection->fd = fd;
    inbound_expect_head(connection);
}

static void forget_head(struct connection *connection)
{
    if (connection->expected == INBOUND_HEAD) {
        struct buffer *head = &activity_begin(connection)->inbound.head;

        connection->server->head_bytes -= head->capacity;
        buffer_done(head);
    }
    connection->expected = INBOUND_PLAIN;
}

void inbound_forget(struct connection *connection)
{
    struct connection **link = &connection->server->faulty;

    /* By our own note: lws may have closed it already, and forgotten its number. */
    if (find(connection->fd) == connection)
        watched.by_fd[connection->fd] = NULL;
    forget_head(connection);
    if (!activity_of(connection)->inbound.fault)
        return;
    while (*link && *link != connection)
        link = &(*link)->activity->inbound.next;
    if (*link)
        *link = connection->activity->inbound.next;
}

void inbound_done(void)
{
    free(watched.by_fd);
    watched.by_fd = NULL;
    watched.size = 0;
}

void inbound_expect_head(struct connection *connection)
{
    if (connection->expected == INBOUND_PLAIN)
        connection->expected = INBOUND_HEAD;
}

void inbound_expect_frames(struct connection *connection)
{
    forget_head(connection);
    connection->expected = INBOUND_FRAMES;
}

bool inbound_is_over(const struct connection *connection)
{
    return connection->expected == INBOUND_FRAMES &&
           framing_is_over(&activity_of(connection)->inbound.framing);
}

/* --- what is wrong ---------------------------------------------------------------------------- */

static void blame(struct connection *connection, enum inbound_fault fault, const char *why)
{
    struct inbound *inbound = &activity_begin(connection)->inbound;
    struct server *server = connection->server;

    forget_head(connection);
    connection->expected = INBOUND_DISCARD;
    inbound->fault = (uint8_t)fault;
    inbound->why = why;
    inbound->next = server->faulty;
    server->faulty = connection;
}

static void tell(struct connection *connection)
{
    static const enum http_problem problems[] = {
        [FAULT_HEAD] = PROBLEM_HEAD,
        [FAULT_HEAD_LARGE] = PROBLEM_HEAD_LARGE,
        [FAULT_HEAD_METHOD] = PROBLEM_HEAD_METHOD,
        [FAULT_HEAD_VERSION] = PROBLEM_HEAD_VERSION,
        [FAULT_HEAD_TOPICS] = PROBLEM_TOPICS,
    };

    const struct inbound *inbound = &connection->activity->inbound;

    switch (inbound->fault) {
    case FAULT_UNMASKED:
        connection_say_goodbye(connection, GOODBYE_UNMASKED);
        break;
    case FAULT_FRAMING:
        connection_say_goodbye(connection, GOODBYE_FRAMING);
        break;
    default:
        http_reject(connection, problems[inbound->fault], inbound->why);
        break;
    }
}

void inbound_tell_faults(struct server *server)
{
    while (server->faulty) {
        struct connection *connection = server->faulty;

        server->faulty = connection->activity->inbound.next;
        tell(connection);
        connection->activity->inbound.fault = FAULT_NONE;
    }
}

/* --- what is right ---------------------------------------------------------------------------- */

static enum inbound_fault fault_of_head(struct slice head, size_t behind, const char **ret_why)
{
    bool upgrade;

    switch (head_check(head, &upgrade, ret_why)) {
    case HEAD_GOOD:
        break;
    case HEAD_LARGE:
        return FAULT_HEAD_LARGE;
    case HEAD_METHOD:
        return FAULT_HEAD_METHOD;
    case HEAD_VERSION:
        return FAULT_HEAD_VERSION;
    case HEAD_TOPICS:
        return FAULT_HEAD_TOPICS;
    default:
        return FAULT_HEAD;
    }
    /* What follows hasn't been looked at as frames, and must wait for the answer (RFC 6455, 4.1).
     */
    *ret_why = "nothing is sent behind a handshake before its answer";
    return upgrade && behind > 0 ? FAULT_HEAD : FAULT_NONE;
}

/*
 * A name that begins like one that lws knows, and ends before that does ("Content", "X-Auth"): lws
 * overlooks the colon, and takes what follows, up to the next one, for more of the name. The next
 * header is lost in it, be it Content-Length, or lws waits for an end that has passed.
 */
static bool lws_misreads(struct slice name)
{
    const char *known;
    bool begins = false;

    for (int i = 0; (known = (const char *)lws_token_to_string((enum lws_token_indexes)i)); i++) {
        if (strncasecmp(known, name.data, name.size) != 0)
            continue;
        if (known[name.size] == ':')
            return false;
        begins = true;
    }
    return begins;
}

/* Takes the headers out that lws would stumble over: none of them is of use here. Returns the size
 * of the head then. */
static size_t drop_misread(char *head, size_t size)
{
    char *end = head + size;
    char *line = (char *)memchr(head, '\n', size) + 1;
    char *kept = line;

    while (line < end) {
        char *next = (char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        const char *colon = memchr(line, ':', (size_t)(next - line));
        size_t length = (size_t)(next - line);

        if (!colon || !lws_misreads((struct slice){line, (size_t)(colon - line)})) {
            memmove(kept, line, length);
            kept += length;
        }
        line = next;
    }
    return (size_t)(kept - head);
}

/* Of `got` bytes further: 0, or how many lws may have, which are then all so far, but for what it
 * would misread. */
static size_t inspect_head(struct connection *connection, char *bytes, size_t got)
{
    struct buffer *head = &activity_begin(connection)->inbound.head;
    size_t known = head->size;
    size_t held = head->capacity;
    enum inbound_fault fault;
    const char *why = "this is not HTTP";
    size_t size, end, kept;

    buffer_append(head, bytes, got);
    connection->server->head_bytes += head->capacity - held;
    size = head->size;
    end = head_end(head->data, size, known);
    if (!head_begins(head->data[0]))
        fault = FAULT_HEAD;
    else if (end > HEAD_BYTES || (!end && size > HEAD_BYTES))
        fault = FAULT_HEAD_LARGE;
    else if (!end)
        return 0;
    else
        fault = fault_of_head((struct slice){head->data, end}, size - end, &why);
    if (fault) {
        blame(connection, fault, why);
        return 0;
    }
    kept = drop_misread(head->data, end);
    memcpy(bytes, head->data, kept);
    memcpy(bytes + kept, head->data + end, size - end);
    forget_head(connection);
    return kept + size - end;
}

static size_t inspect_frames(struct connection *connection, const char *bytes, size_t got)
{
    struct framing framing = activity_of(connection)->inbound.framing;
    enum framing_fault fault;
    size_t good = framing_check(&framing, (const unsigned char *)bytes, got, &fault);

    if (connection->activity || !framing_is_over(&framing))
        activity_begin(connection)->inbound.framing = framing;
    if (fault)
        blame(connection, fault == FRAMING_UNMASKED ? FAULT_UNMASKED : FAULT_FRAMING, NULL);
    return good;
}

static size_t inspect(struct connection *connection, char *bytes, size_t got)
{
    switch (connection->expected) {
    case INBOUND_FRAMES:
        return inspect_frames(connection, bytes, got);
    case INBOUND_HEAD:
        return inspect_head(connection, bytes, got);
    case INBOUND_DISCARD:
        return 0;
    default:
        return got;
    }
}

/*
 * As recv() returns: what lws may have, or else why there is nothing. It is asked again until there
 * really is nothing: "nothing yet" can't be feigned to lws, which asks OpenSSL why.
 */
static ssize_t read_inspected(struct connection *connection, const struct source *source,
                              void *bytes, size_t size)
{
    if (connection->sending && !source->ssl) {
        errno = EAGAIN; /* lws would end the answer under way for what comes behind a body */
        return -1;
    }
    for (int discarded = 0; discarded < DISCARDS_PER_TURN;) {
        size_t kept = activity_of(connection)->inbound.head.size;
        ssize_t got;
        size_t good;

        if (kept >= size) /* lws reads more than that at once */
            break;
        got = read_source(source, bytes, size - kept);
        if (got <= 0)
            return got;
        connection->server->arrival.known = false;
        good = inspect(connection, bytes, (size_t)got);
        if (good > 0)
            return (ssize_t)good;
        if (connection->expected == INBOUND_DISCARD)
            discarded++;
    }
    errno = EAGAIN;
    return -1; /* with TLS lws takes it for an error, and closes */
}

/* --- in place of libc's and OpenSSL's --------------------------------------------------------- */

/* By this name for the linker only: libc's headers may define recv() as an inline function. */
ssize_t inbound_recv(int fd, void *bytes, size_t size, int flags) __asm__("recv");

ssize_t inbound_recv(int fd, void *bytes, size_t size, int flags)
{
    struct connection *connection = flags ? NULL : find(fd);
    struct source source = {.fd = fd};

    if (!connection)
        return recvfrom(fd, bytes, size, flags, NULL, NULL);
    return read_inspected(connection, &source, bytes, size);
}

int SSL_read(SSL *ssl, void *bytes, int size)
{
    struct connection *connection = find(SSL_get_fd(ssl));
    struct source source = {.ssl = ssl};

    if (size <= 0)
        return -1;
    if (!connection)
        return read_tls(ssl, bytes, (size_t)size);
    return (int)read_inspected(connection, &source, bytes, (size_t)size);
}
