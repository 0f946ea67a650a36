/*
 * What comes from a proxy: its PROXY header, and X-Forwarded-For. A header is found the same
 * however it is cut, reads nothing of what follows it, and what is no header stays none when more
 * comes. Whoever is found behind a proxy has been named by somebody who is trusted.
 */
#include "fuzz.h"
#include "livetally/proxy_header.h"

static void check_header(const uint8_t *data, size_t size)
{
    struct proxy_header whole = {.size = 0}, part = {.size = 0};
    enum proxy_verdict verdict = proxy_header_parse(data, size, &whole);

    if (verdict == PROXY_DONE)
        REQUIRE(whole.size > 0 && whole.size <= size && whole.size <= PROXY_HEADER_BYTES,
                "a header of %zu bytes in %zu", whole.size, size);
    for (size_t cut = 0; cut < size && cut < 300; cut++) {
        uint8_t *copy = malloc(cut + 1);
        enum proxy_verdict early;

        REQUIRE(copy, "no memory");
        memcpy(copy, data, cut);
        early = proxy_header_parse(copy, cut, &part);
        free(copy);
        if (early == PROXY_MORE)
            REQUIRE(verdict != PROXY_DONE || cut < whole.size, "not done at %zu", cut);
        else
            REQUIRE(early == verdict, "%d at %zu, %d in the end", early, cut, verdict);
        if (early == PROXY_DONE)
            REQUIRE(part.size == whole.size && ip_equal(&part.source, &whole.source),
                    "another header when cut at %zu", cut);
    }
}

/* Whoever is found, written and read again is the same; nobody untrusted is looked behind. */
static void check_forwarded(struct slice text)
{
    struct ip_net trusted[2];
    struct ip local = {.kind = IP_LOCAL}, again, found, stranger;
    char out[IP_TEXT_BYTES];

    REQUIRE(ip_net_parse(SLICE("local"), &trusted[0]) &&
                ip_net_parse(SLICE("10.0.0.0/8"), &trusted[1]) &&
                ip_parse(SLICE("203.0.113.1"), &stranger),
            "no networks");
    found = ip_behind(&local, text, trusted, 2);
    REQUIRE(found.kind != IP_UNKNOWN, "nobody");
    if (found.kind == IP_INTERNET)
        REQUIRE(ip_parse(slice_of(ip_write(&found, out)), &again) && ip_equal(&found, &again),
                "\"%s\" is somebody else", out);
    found = ip_behind(&stranger, text, trusted, 2);
    REQUIRE(ip_equal(&found, &stranger), "a stranger is believed");
}

static void check_net(struct slice text)
{
    struct ip_net net;

    if (!ip_net_parse(text, &net))
        return;
    REQUIRE(net.bits <= 128, "%u bits", net.bits);
    REQUIRE(net.local || ip_net_holds(&net, &net.base), "a network without its own address");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_header(data, size);
    check_forwarded(fuzz_text(data, size));
    check_net(fuzz_text(data, size));
    return 0;
}
