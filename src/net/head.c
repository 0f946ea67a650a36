/* The form of a request's head; see head.h. */
#include "head.h"

#include <string.h>
#include <strings.h>

#define NOT_A_NAME "a header's name has bytes that names may not have"

/* Those that a proxy in front might have read another one of than we would. */
enum { SINGLE_HOST, SINGLE_LENGTH, SINGLE_ENCODING, SINGLE_UPGRADE };
static const char *const single[] = {
    [SINGLE_HOST] = "host",
    [SINGLE_LENGTH] = "content-length",
    [SINGLE_ENCODING] = "transfer-encoding",
    [SINGLE_UPGRADE] = "upgrade",
    "content-type",
    "expect",
    "authorization",
    "origin",
    "sec-websocket-key",
    "sec-websocket-version",
};
enum { SINGLES = sizeof(single) / sizeof(single[0]) };

/* Others are none that HTTP has, or that lws knows. */
static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

static bool is_token_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

static bool is_hex(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
           (byte >= 'A' && byte <= 'F');
}

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_token_byte(text.data[i]))
            return false;
    return text.size > 0;
}

bool head_begins(char first)
{
    return is_token_byte(first);
}

size_t head_end(const char *bytes, size_t size, size_t known)
{
    size_t at = known < 3 ? 0 : known - 3;
    const char *line;

    while (at < size && (line = memchr(bytes + at, '\n', size - at))) {
        at = (size_t)(line - bytes) + 1;
        if (at < size && bytes[at] == '\n')
            return at + 1;
        if (at + 1 < size && bytes[at] == '\r' && bytes[at + 1] == '\n')
            return at + 2;
    }
    return 0;
}

/* Cuts off the part before `mark`, or all. */
static struct slice cut(struct slice *text, char mark)
{
    const char *end = memchr(text->data, mark, text->size);
    struct slice part = {text->data, end ? (size_t)(end - text->data) : text->size};
    size_t used = end ? part.size + 1 : part.size;

    *text = (struct slice){text->data + used, text->size - used};
    return part;
}

static const char *check_target(struct slice target)
{
    if (target.size == 0 || target.data[0] != '/')
        return "a request's target begins with /";
    for (size_t i = 0; i < target.size; i++) {
        char byte = target.data[i];

        if (byte <= ' ' || byte > '~' || byte == '#')
            return "a request's target is visible ASCII; write other bytes as %XX";
        if (byte != '%')
            continue;
        if (target.size - i < 3 || !is_hex(target.data[i + 1]) || !is_hex(target.data[i + 2]))
            return "% is followed by two hexadecimal digits, and itself written %25";
        if (target.data[i + 1] == '0' && target.data[i + 2] == '0')
            return "%00 has no place in a request";
    }
    return NULL;
}

static bool has_many_arguments(struct slice target)
{
    size_t count = 0;

    for (size_t i = 0; i < target.size; i++)
        if (target.data[i] == '&')
            count++;
    return count >= HEAD_ARGUMENTS;
}

static enum head_fault check_request_line(struct slice line, const char **ret_why)
{
    struct slice method = cut(&line, ' ');
    struct slice target = cut(&line, ' ');
    bool known = false;

    *ret_why = "a request begins with METHOD TARGET HTTP/1.1";
    if (!is_token(method) || line.size == 0)
        return HEAD_BAD;
    if (line.size != 8 || strncmp(line.data, "HTTP/", 5) != 0)
        return HEAD_BAD;
    if (strncmp(line.data, "HTTP/1.", 7) != 0 || (line.data[7] != '0' && line.data[7] != '1'))
        return HEAD_VERSION;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (slice_equal(method, slice_of(methods[i])))
            known = true;
    if (!known)
        return HEAD_METHOD;
    *ret_why = check_target(target);
    if (*ret_why)
        return HEAD_BAD;
    return has_many_arguments(target) ? HEAD_TOPICS : HEAD_GOOD;
}

static const char *check_value(struct slice value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.data[i];

        if ((byte < ' ' && byte != '\t') || byte == 0x7F)
            return "a header's value has control characters";
    }
    return NULL;
}

static bool is_number(struct slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = (struct slice){text.data + 1, text.size - 1};
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.size > 0 && text.size <= 18;
}

/* seen[]: the single ones that came so far. */
static const char *check_header(struct slice line, bool seen[SINGLES])
{
    struct slice value = line;
    struct slice name = cut(&value, ':');

    if (line.size > 0 && (line.data[0] == ' ' || line.data[0] == '\t'))
        return "a header's line is not continued on the next one";
    if (!is_token(name) || name.size == line.size)
        return NOT_A_NAME;
    for (size_t i = 0; i < SINGLES; i++) {
        if (name.size != strlen(single[i]) || strncasecmp(name.data, single[i], name.size) != 0)
            continue;
        if (seen[i])
            return "a header that can stand once stands twice";
        seen[i] = true;
        if (i == SINGLE_LENGTH && !is_number(value))
            return "Content-Length is a number";
    }
    return check_value(value);
}

/* Cuts off a line; false unless it ends as it should. */
static bool cut_line(struct slice *head, struct slice *ret_line)
{
    *ret_line = cut(head, '\n');
    if (ret_line->size == 0 || ret_line->data[ret_line->size - 1] != '\r')
        return false;
    ret_line->size--;
    return true;
}

enum head_fault head_check(struct slice head, bool *ret_upgrade, const char **ret_why)
{
    static const char *const bare = "lines end with CR LF";
    bool seen[SINGLES] = {false};
    struct slice line;
    bool old;

    *ret_upgrade = false;
    *ret_why = bare;
    if (!cut_line(&head, &line))
        return HEAD_BAD;
    enum head_fault fault = check_request_line(line, ret_why);
    if (fault)
        return fault;
    old = line.data[line.size - 1] == '0';
    for (int count = 0;; count++) {
        *ret_why = bare;
        if (!cut_line(&head, &line))
            return HEAD_BAD;
        if (line.size == 0)
            break;
        *ret_why = "too many headers";
        if (count == HEAD_HEADERS)
            return HEAD_LARGE;
        *ret_why = check_header(line, seen);
        if (*ret_why)
            return HEAD_BAD;
    }
    *ret_why = "a request of HTTP/1.1 has a Host";
    if (!seen[SINGLE_HOST] && !old)
        return HEAD_BAD;
    *ret_why = "Content-Length and Transfer-Encoding contradict each other";
    if (seen[SINGLE_LENGTH] && seen[SINGLE_ENCODING])
        return HEAD_BAD;
    *ret_upgrade = seen[SINGLE_UPGRADE];
    return HEAD_GOOD;
}
