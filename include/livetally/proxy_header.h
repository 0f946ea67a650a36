/*
 * The PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt): a head that a proxy
 * sends before anything else on a connection, to say for whom it made it. Pure: bytes in, answer
 * out.
 */
#ifndef LIVETALLY_PROXY_HEADER_H
#define LIVETALLY_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "livetally/ip.h"

#define PROXY_HEADER_BYTES 4096 /* more than this is refused: 16, addresses, and TLVs */

enum proxy_verdict {
    PROXY_MORE, /* the beginning of a header; nothing in it is anybody else's */
    PROXY_DONE,
    PROXY_BAD,
};

struct proxy_header {
    size_t size;      /* of the header; what follows it is the client's */
    struct ip source; /* IP_UNKNOWN when it doesn't say: LOCAL, UNKNOWN, or no TCP over IP */
};

/* *ret_header is written with PROXY_DONE only. Linear time; reads nothing behind data + size. */
enum proxy_verdict proxy_header_parse(const void *data, size_t size,
                                      struct proxy_header *ret_header);

#endif
