/*
 * Addresses as operators and users type them. What is understood is written back, for messages and
 * logs, in a form that means the same; and no password is ever in it.
 */
#include <netdb.h>

#include "cli/url.h"
#include "fuzz.h"
#include "livetally/mem.h"
#include "livetally/redis_link.h"
#include "net/net.h"

#define TEXT_BYTES 1024 /* more than any description takes */

/* Not a macro: it is wanted where the list it is made from is being expanded. */
enum { WORDS_BYTES = sizeof(LISTEN_WORDS_TEXT) };

/*
 * Any host is taken for one, for the resolver to refuse; one with a bracket in it reads otherwise
 * when it is described. So does a path with ?db= in it.
 */
static bool is_host(const char *host)
{
    return !strpbrk(host, "[]");
}

static void check_redis(const char *text)
{
    struct redis_target target = {.port = 0}, again = {.port = 0};
    struct error error = {.text = ""};
    char described[TEXT_BYTES];

    if (redis_target_parse(text, &target, &error) < 0) {
        REQUIRE(error.text[0], "refused without a word");
        return;
    }
    REQUIRE((target.host[0] != '\0') != (target.path[0] != '\0'), "two places, or none");
    if (strchr(target.path, '?') || !is_host(target.host))
        return;
    redis_target_describe(&target, described, sizeof(described));
    REQUIRE(redis_target_parse(described, &again, &error) == 0, "described as \"%s\": %s",
            described, error.text);
    REQUIRE(again.password[0] == '\0', "a password in \"%s\"", described);
    memset(target.password, 0, sizeof(target.password));
    REQUIRE(strcmp(again.host, target.host) == 0 && again.port == target.port &&
                strcmp(again.path, target.path) == 0 && again.database == target.database,
            "\"%s\" is another place", described);
}

static void check_url(const char *text)
{
    struct url url = {.port = 0}, again = {.port = 0};
    struct error error = {.text = ""};
    char described[TEXT_BYTES];

    (void)url_looks_like(text);
    if (url_parse(text, &url, &error) < 0) {
        REQUIRE(error.text[0], "refused without a word");
        return;
    }
    if (!is_host(url.host))
        return;
    url_describe(&url, described, sizeof(described));
    REQUIRE(url_parse(described, &again, &error) == 0, "described as \"%s\": %s", described,
            error.text);
    /* Not the base: of a path like /v1/live/v1/live the end is dropped each time. */
    REQUIRE(strcmp(again.host, url.host) == 0 && again.port == url.port && again.tls == url.tls &&
                strcmp(again.socket, url.socket) == 0,
            "\"%s\" is another place", described);
}

static void write_words(uint32_t traits, char out[WORDS_BYTES])
{
    size_t size = 0;

    out[0] = '\0';
#define X(name, bit, word)                                                                         \
    if (traits & LISTEN_##name)                                                                    \
        size += (size_t)snprintf(out + size, WORDS_BYTES - size, " " word);
    LISTEN_WORDS(X)
#undef X
}

static void check_listen(const char *text)
{
    struct address_parts parts, again;
    struct error error = {.text = ""};
    char described[TEXT_BYTES];
    char words[WORDS_BYTES];

    if (address_split(text, &parts, &error) != 0) {
        REQUIRE(error.text[0], "refused without a word");
        return;
    }
    write_words(parts.traits, words);
    if (parts.unix_socket)
        snprintf(described, sizeof(described), "unix:%s%s", parts.path, words);
    else
        snprintf(described, sizeof(described), "[%s]:%s%s", parts.host, parts.port, words);
    REQUIRE(address_split(described, &again, &error) == 0, "\"%s\" is none: %s", described,
            error.text);
    REQUIRE(memcmp(&parts, &again, sizeof(parts)) == 0, "\"%s\" is another place", described);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup(size ? (const char *)data : "", size);

    check_redis(text);
    check_url(text);
    check_listen(text);
    free(text);
    return 0;
}
