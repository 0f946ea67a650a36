/*
 * Why this exists: who counts as one peer, and whom to believe about who is behind a proxy, decides
 * over limits and over who may see what concerns the operator. So it stands alone, where every rule
 * of it can be tested.
 */
#include "livetally/ip.h"

#include <arpa/inet.h>
#include <string.h>

#define V4_PREFIX_BYTES 12
#define V4_PREFIX_BITS  96
#define ALL_BITS        128
#define NEIGHBOURHOOD   8 /* bytes of a /64 */
#define V4_LOOPBACK     127
#define LOCAL_WORD      "local"
#define PORT_DIGITS     5
#define BITS_DIGITS     3

static const uint8_t v4_prefix[V4_PREFIX_BYTES] = {[10] = 0xff, [11] = 0xff};

struct ip ip_of_v4(const uint8_t bytes[4])
{
    struct ip ip = {.kind = IP_INTERNET};
    memcpy(ip.bytes, v4_prefix, sizeof(v4_prefix));
    memcpy(ip.bytes + sizeof(v4_prefix), bytes, 4);
    return ip;
}

struct ip ip_of_v6(const uint8_t bytes[IP_BYTES])
{
    struct ip ip = {.kind = IP_INTERNET};
    memcpy(ip.bytes, bytes, IP_BYTES);
    return ip;
}

bool ip_parse(struct slice text, struct ip *ret_ip)
{
    char copy[IP_TEXT_BYTES];
    uint8_t bytes[IP_BYTES];
    if (text.size == 0 || text.size >= sizeof(copy) || memchr(text.data, '\0', text.size))
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1)
        *ret_ip = ip_of_v4(bytes);
    else if (inet_pton(AF_INET6, copy, bytes) == 1)
        *ret_ip = ip_of_v6(bytes);
    else
        return false;
    return true;
}

bool ip_is_v4(const struct ip *ip)
{
    return ip->kind == IP_INTERNET && memcmp(ip->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
    return a->kind == b->kind && memcmp(a->bytes, b->bytes, IP_BYTES) == 0;
}

struct ip ip_neighbourhood(const struct ip *ip)
{
    struct ip whole = *ip;
    if (ip->kind == IP_INTERNET && !ip_is_v4(ip))
        memset(whole.bytes + NEIGHBOURHOOD, 0, IP_BYTES - NEIGHBOURHOOD);
    return whole;
}

const char *ip_write(const struct ip *ip, char out[IP_TEXT_BYTES])
{
    const char *word = ip->kind == IP_LOCAL ? "unix" : "unknown";
    if (ip_is_v4(ip))
        word = inet_ntop(AF_INET, ip->bytes + V4_PREFIX_BYTES, out, IP_TEXT_BYTES);
    else if (ip->kind == IP_INTERNET)
        word = inet_ntop(AF_INET6, ip->bytes, out, IP_TEXT_BYTES);
    if (word && word != out)
        memcpy(out, word, strlen(word) + 1);
    return out;
}

/* --- networks --------------------------------------------------------------------------------- */

static bool parse_number(struct slice text, size_t digits, uint32_t most, uint32_t *ret_number)
{
    uint32_t number = 0;
    if (text.size == 0 || text.size > digits)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(text.data[i] - '0');
    }
    *ret_number = number;
    return number <= most;
}

static bool agree(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
    uint32_t whole = bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> bits % 8);
    return memcmp(a, b, whole) == 0 && (bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

static bool is_clear_behind(const uint8_t *bytes, uint32_t bits)
{
    static const uint8_t zeros[IP_BYTES];
    uint8_t rest[IP_BYTES];
    memcpy(rest, bytes, sizeof(rest));
    memset(rest, 0, bits / 8);
    if (bits % 8)
        rest[bits / 8] &= (uint8_t)(0xff >> bits % 8);
    return memcmp(rest, zeros, sizeof(rest)) == 0;
}

bool ip_net_parse(struct slice text, struct ip_net *ret_net)
{
    struct ip_net net = {.bits = ALL_BITS};
    const char *slash = text.size ? memchr(text.data, '/', text.size) : NULL;
    struct slice address = {text.data, slash ? (size_t)(slash - text.data) : text.size};
    uint32_t bits = ALL_BITS;
    if (slice_equal(text, SLICE(LOCAL_WORD))) {
        net.local = true;
        *ret_net = net;
        return true;
    }
    if (!ip_parse(address, &net.base))
        return false;
    if (slash) {
        uint32_t least = ip_is_v4(&net.base) ? V4_PREFIX_BITS : 0;
        struct slice rest = {slash + 1, text.size - address.size - 1};
        if (!parse_number(rest, BITS_DIGITS, ALL_BITS - least, &bits))
            return false;
        bits += least;
    }
    if (!is_clear_behind(net.base.bytes, bits))
        return false;
    net.bits = (uint8_t)bits;
    *ret_net = net;
    return true;
}

static bool is_loopback(const struct ip *ip)
{
    static const uint8_t v6_loopback[IP_BYTES] = {[15] = 1};
    return ip_is_v4(ip) ? ip->bytes[V4_PREFIX_BYTES] == V4_LOOPBACK
                        : memcmp(ip->bytes, v6_loopback, IP_BYTES) == 0;
}

bool ip_net_holds(const struct ip_net *net, const struct ip *ip)
{
    if (ip->kind != IP_INTERNET)
        return net->local && ip->kind == IP_LOCAL;
    return net->local ? is_loopback(ip) : agree(net->base.bytes, ip->bytes, net->bits);
}

bool ip_nets_hold(const struct ip_net *nets, uint32_t count, const struct ip *ip)
{
    for (uint32_t i = 0; i < count; i++)
        if (ip_net_holds(&nets[i], ip))
            return true;
    return false;
}

/* --- X-Forwarded-For -------------------------------------------------------------------------- */

static struct slice trim(struct slice text)
{
    while (text.size && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = (struct slice){text.data + 1, text.size - 1};
    while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* ADDRESS, [IPV6], IPV4:PORT or [IPV6]:PORT. */
static bool parse_hop(struct slice text, struct ip *ret_ip)
{
    const char *end;
    uint32_t port;
    struct slice rest;
    if (ip_parse(text, ret_ip))
        return true;
    if (text.size && text.data[0] == '[') {
        end = memchr(text.data, ']', text.size);
        if (!end)
            return false;
        rest = (struct slice){end + 1, text.size - (size_t)(end - text.data) - 1};
        text = (struct slice){text.data + 1, (size_t)(end - text.data) - 1};
        if (rest.size == 0)
            return ip_parse(text, ret_ip);
    } else {
        end = text.size ? memchr(text.data, ':', text.size) : NULL;
        if (!end)
            return false;
        rest = (struct slice){end, text.size - (size_t)(end - text.data)};
        text.size = (size_t)(end - text.data);
    }
    return rest.data[0] == ':' &&
           parse_number((struct slice){rest.data + 1, rest.size - 1}, PORT_DIGITS, UINT16_MAX,
                        &port) &&
           ip_parse(text, ret_ip);
}

struct ip ip_behind(const struct ip *peer, struct slice forwarded, const struct ip_net *trusted,
                    uint32_t count)
{
    struct ip found = *peer;
    while (forwarded.size && ip_nets_hold(trusted, count, &found)) {
        const char *comma = memrchr(forwarded.data, ',', forwarded.size);
        size_t start = comma ? (size_t)(comma - forwarded.data) + 1 : 0;
        struct slice hop = {forwarded.data + start, forwarded.size - start};
        if (!parse_hop(trim(hop), &found))
            break;
        forwarded.size = comma ? start - 1 : 0;
    }
    return found;
}
