/*
 * A borrowed run of bytes. It never owns: whoever made it says how long the bytes live.
 * An absent slice has data == NULL; an empty one has data != NULL and size == 0.
 */
#ifndef LIVETALLY_SLICE_H
#define LIVETALLY_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t size;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

/* For printf("%.*s", SLICE_ARG(s)); only for slices below 2 GiB, which all of ours are. */
#define SLICE_ARG(slice) (int)(slice).size, (slice).data ? (slice).data : ""

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Order by bytes, then by length: the order used wherever equal values rank by id. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

#endif
