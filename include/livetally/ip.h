/*
 * Addresses of peers: where a connection really comes from, also behind proxies, and who is to be
 * believed about it. Plain values; no sockets, no resolver.
 *
 * IPv4 is kept as IPv4-mapped IPv6 (::ffff:a.b.c.d), so that one peer has one form whichever kind
 * of socket it came to.
 */
#ifndef LIVETALLY_IP_H
#define LIVETALLY_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/slice.h"

#define IP_BYTES      16
#define IP_TEXT_BYTES 46 /* of any address, with its NUL */

enum ip_kind {
    IP_UNKNOWN,
    IP_LOCAL, /* the other end of a Unix socket: of this machine, without an address */
    IP_INTERNET,
};

struct ip {
    uint8_t bytes[IP_BYTES]; /* of IP_INTERNET; else zeros */
    uint8_t kind;            /* enum ip_kind */
};

/* "192.0.2.1" or "2001:db8::1", nothing around it. False: neither; *ret_ip is untouched. */
bool ip_parse(struct slice text, struct ip *ret_ip);
struct ip ip_of_v4(const uint8_t bytes[4]); /* in network order, as all bytes here */
struct ip ip_of_v6(const uint8_t bytes[IP_BYTES]);
bool ip_is_v4(const struct ip *ip);
bool ip_equal(const struct ip *a, const struct ip *b);
/* IPv6 down to its /64, which is what one subscriber gets; all else as it is. */
struct ip ip_neighbourhood(const struct ip *ip);
/* NUL-terminated: the address, "unix" or "unknown". Returns out. */
const char *ip_write(const struct ip *ip, char out[IP_TEXT_BYTES]);

/* A network, or all that is of this machine. */
struct ip_net {
    struct ip base;
    uint8_t bits; /* of the 128 that have to agree */
    bool local;   /* loopback and Unix sockets; base and bits don't matter */
};

#define IP_NET_EXPECTED "expected ADDRESS, ADDRESS/BITS or local"

/* "10.0.0.0/8", "2001:db8::/32", "192.0.2.1" or "local". Bits behind the mask have to be zero. */
bool ip_net_parse(struct slice text, struct ip_net *ret_net);
bool ip_net_holds(const struct ip_net *net, const struct ip *ip);
bool ip_nets_hold(const struct ip_net *nets, uint32_t count, const struct ip *ip);

/*
 * Who is behind `peer`, by an X-Forwarded-For (all of them joined by commas): each proxy appended
 * whom it heard, so it is read from its end, for as long as those found are in `trusted`. The first
 * that isn't is the client. Where the list ends, or holds what is no address, it is the last one
 * that was found. Also understood: [IPV6], and a port behind the address.
 */
struct ip ip_behind(const struct ip *peer, struct slice forwarded, const struct ip_net *trusted,
                    uint32_t count);

#endif
