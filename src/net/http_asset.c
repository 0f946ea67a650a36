/*
 * Answers with a file of the pages: gzipped where the browser takes that, and under headers that
 * allow a page to load from, and connect to, nothing but the daemon it came from. Browsers keep a
 * copy and ask each time whether it is still good, so that a new version is never mixed with an
 * old one.
 */
#include <string.h>
#include <strings.h>

#include "http.h"

#define HEADER_BYTES 512 /* longer values are treated as absent */

#define OVERLAY_PATH "/overlay"

#define CONTENT_POLICY                                                                             \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "           \
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors %s; connect-src 'self'"

/* The pages have no use for any of these, so nothing that gets into them shall have either. */
#define OTHER_POLICIES                                                                             \
    "Referrer-Policy: no-referrer\r\n"                                                             \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                  \
    "Permissions-Policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()\r\n"

static bool has_weight(const char *at, const char *end)
{
    while (at < end && *at != '=')
        at++;
    if (at == end)
        return true;
    while (at < end && (*at < '1' || *at > '9'))
        at++;
    return at < end;
}

/* RFC 9110, 12.5.3: named, or else covered by *, and not with the weight 0. */
static bool list_takes_gzip(const char *list)
{
    bool others = false;

    while (*list) {
        const char *name = list + strspn(list, " \t");
        size_t name_size = strcspn(name, ",; \t");
        const char *end = name + name_size + strcspn(name + name_size, ",");
        bool taken = has_weight(name + name_size, end);

        if ((name_size == 4 && strncasecmp(name, "gzip", 4) == 0) ||
            (name_size == 6 && strncasecmp(name, "x-gzip", 6) == 0))
            return taken;
        if (name_size == 1 && *name == '*')
            others = taken;
        list = *end ? end + 1 : end;
    }
    return others;
}

static bool takes_gzip(struct lws *wsi)
{
    char list[HEADER_BYTES];

    return lws_hdr_copy(wsi, list, sizeof(list), WSI_TOKEN_HTTP_ACCEPT_ENCODING) > 0 &&
           list_takes_gzip(list);
}

/* A tag has no quotes within, so the quoted one can't be a part of another. */
static bool is_known(struct lws *wsi, const char *quoted_tag)
{
    char list[HEADER_BYTES];

    return lws_hdr_copy(wsi, list, sizeof(list), WSI_TOKEN_HTTP_IF_NONE_MATCH) > 0 &&
           (strcmp(list, "*") == 0 || strstr(list, quoted_tag) != NULL);
}

/*
 * That 'self' covers WebSockets of the same host is news to some browsers (Safari before 15.4), so
 * they are named, by the name the browser knows us under. What it says goes into a header of ours:
 * only what can be a name and a port does.
 */
static void allow_websockets(struct buffer *headers, struct lws *wsi)
{
    static const char allowed[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-:";
    char host[HEADER_BYTES];

    if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) > 0 &&
        host[strspn(host, allowed)] == '\0')
        buffer_printf(headers, " ws://%s wss://%s", host, host);
    buffer_append_text(headers, "\r\n");
}

/*
 * The overlay may be shown within other pages, as browser-based mixers do: nothing on it can be
 * clicked, and it has no cookie, so whoever frames it gains nothing he could not open himself.
 */
static const char *frame_ancestors(const struct asset *asset)
{
    return strcmp(asset->path, OVERLAY_PATH) == 0 ? "*" : "'none'";
}

void http_answer_asset(struct http_request *request)
{
    const struct asset *asset = request->asset;
    struct lws *wsi = request->connection->wsi;
    bool zipped = asset->zipped.size > 0 && takes_gzip(wsi);
    struct buffer headers = BUFFER_INIT;
    char tag[64];
    struct http_answer answer = {
        .status = 200,
        .type = asset->type,
        .body = zipped ? asset->zipped : asset->plain,
    };

    (void)snprintf(tag, sizeof(tag), "\"%s%s\"", asset->etag, zipped ? "-gz" : "");
    if (is_known(wsi, tag)) {
        answer.status = 304;
        answer.type = NULL;
        answer.body = SLICE("");
    } else if (zipped) {
        buffer_append_text(&headers, "Content-Encoding: gzip\r\n");
    }
    buffer_printf(&headers, "ETag: %s\r\nVary: Accept-Encoding\r\nCache-Control: no-cache\r\n",
                  tag);
    buffer_printf(&headers, CONTENT_POLICY, frame_ancestors(asset));
    allow_websockets(&headers, wsi);
    buffer_append_text(&headers, OTHER_POLICIES);
    answer.headers = buffer_cstr(&headers);
    http_answer(request, &answer);
    buffer_done(&headers);
}
