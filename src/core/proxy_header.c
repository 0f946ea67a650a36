/*
 * Why this exists: what stands in this head decides whose address counts, and it is the first thing
 * read of a connection, before TLS and before any limit that goes by address. So it is read
 * strictly: a head that isn't exactly as described is none.
 *
 *   1: "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", or "PROXY UNKNOWN …\r\n"; <= 107 bytes
 *   2: 12 bytes of signature, version and command, family, length of the rest: addresses, TLVs
 */
#include "livetally/proxy_header.h"

#include <string.h>

#define V1_BYTES    107 /* the longest line, with its CRLF */
#define V1_WORD     "PROXY "
#define V1_UNKNOWN  "UNKNOWN"
#define V2_HEAD     16
#define V2_COMMAND  12
#define V2_FAMILY   13
#define V2_LENGTH   14
#define TLV_HEAD    3
#define PORT_DIGITS 5

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };

static const uint8_t v2_signature[V2_COMMAND] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* The sizes of the addresses and ports of each family and transport that is defined. */
static const struct {
    uint8_t family;
    uint8_t size;
} families[] = {
    {0x00, 0}, {0x11, 12}, {0x12, 12}, {0x21, 36}, {0x22, 36}, {0x31, 216}, {0x32, 216},
};

static uint32_t read_16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/* --- version 1 -------------------------------------------------------------------------------- */

/* Takes what stands before the next blank, or the end, off *rest. */
static struct slice cut_word(struct slice *rest)
{
    const char *blank = rest->size ? memchr(rest->data, ' ', rest->size) : NULL;
    struct slice word = {rest->data, blank ? (size_t)(blank - rest->data) : rest->size};
    size_t used = word.size + (blank ? 1 : 0);
    *rest = (struct slice){rest->data + used, rest->size - used};
    return word;
}

static bool is_port(struct slice word)
{
    uint32_t port = 0;
    if (word.size == 0 || word.size > PORT_DIGITS || (word.size > 1 && word.data[0] == '0'))
        return false;
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] < '0' || word.data[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(word.data[i] - '0');
    }
    return port <= UINT16_MAX;
}

/* Of "TCP4" an IPv4 address in four numbers, of "TCP6" one with colons. */
static bool parse_address(struct slice word, bool v6, struct ip *ret_ip)
{
    bool colon = word.size && memchr(word.data, ':', word.size) != NULL;
    return colon == v6 && ip_parse(word, ret_ip);
}

static bool parse_line(struct slice line, struct ip *ret_source)
{
    struct ip source, target;
    struct slice protocol = cut_word(&line);
    bool v6 = slice_equal(protocol, SLICE("TCP6"));
    if (slice_equal(protocol, SLICE(V1_UNKNOWN)))
        return true;
    if (!v6 && !slice_equal(protocol, SLICE("TCP4")))
        return false;
    if (!parse_address(cut_word(&line), v6, &source) ||
        !parse_address(cut_word(&line), v6, &target) || !is_port(cut_word(&line)) || !line.size)
        return false;
    struct slice port = cut_word(&line);
    bool ended = line.data == port.data + port.size; /* and not with a blank */
    if (!ended || !is_port(port))
        return false;
    *ret_source = source;
    return true;
}

static enum proxy_verdict parse_1(const char *data, size_t size, struct proxy_header *ret_header)
{
    size_t seen = size < V1_BYTES ? size : V1_BYTES;
    const char *feed = memchr(data, '\n', seen);
    struct proxy_header header = {.source = {.kind = IP_UNKNOWN}};
    if (!feed)
        return seen == V1_BYTES ? PROXY_BAD : PROXY_MORE;
    header.size = (size_t)(feed - data) + 1;
    if (header.size < sizeof(V1_WORD) + 1 || feed[-1] != '\r')
        return PROXY_BAD;
    struct slice line = {data + strlen(V1_WORD), header.size - strlen(V1_WORD) - 2};
    if (!parse_line(line, &header.source))
        return PROXY_BAD;
    *ret_header = header;
    return PROXY_DONE;
}

/* --- version 2 -------------------------------------------------------------------------------- */

/* We need none of them; that they fill their place exactly tells a head from noise. */
static bool tlvs_ok(const uint8_t *data, size_t size)
{
    while (size >= TLV_HEAD) {
        size_t whole = TLV_HEAD + read_16(data + 1);
        if (whole > size)
            return false;
        data += whole;
        size -= whole;
    }
    return size == 0;
}

static bool address_bytes(uint8_t family, size_t *ret_size)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (families[i].family == family) {
            *ret_size = families[i].size;
            return true;
        }
    }
    return false;
}

static enum proxy_verdict parse_2(const uint8_t *data, size_t size, struct proxy_header *ret_header)
{
    struct proxy_header header = {.source = {.kind = IP_UNKNOWN}};
    size_t addresses;
    if (size < V2_HEAD)
        return PROXY_MORE;
    uint8_t command = data[V2_COMMAND];
    uint8_t family = data[V2_FAMILY];
    size_t rest = read_16(data + V2_LENGTH);
    header.size = V2_HEAD + rest;
    if ((command != V2_LOCAL && command != V2_PROXY) || header.size > PROXY_HEADER_BYTES ||
        !address_bytes(family, &addresses))
        return PROXY_BAD;
    if (command == V2_PROXY && rest < addresses)
        return PROXY_BAD;
    if (size < header.size)
        return PROXY_MORE;
    /* LOCAL: the proxy itself; what stands there is to be passed over. */
    if (command == V2_PROXY && !tlvs_ok(data + V2_HEAD + addresses, rest - addresses))
        return PROXY_BAD;
    if (command == V2_PROXY && family == 0x11)
        header.source = ip_of_v4(data + V2_HEAD);
    else if (command == V2_PROXY && family == 0x21)
        header.source = ip_of_v6(data + V2_HEAD);
    *ret_header = header;
    return PROXY_DONE;
}

enum proxy_verdict proxy_header_parse(const void *data, size_t size,
                                      struct proxy_header *ret_header)
{
    size_t word = strlen(V1_WORD);
    if (size == 0)
        return PROXY_MORE;
    if (memcmp(data, V1_WORD, size < word ? size : word) == 0)
        return size < word ? PROXY_MORE : parse_1(data, size, ret_header);
    if (memcmp(data, v2_signature, size < V2_COMMAND ? size : V2_COMMAND) == 0)
        return parse_2(data, size, ret_header);
    return PROXY_BAD;
}
