/*
 * The pages and what they load, embedded at build time and served from memory: the daemon needs no
 * folder of its own, and no path from outside ever reaches the file system.
 */
#include <string.h>

#include "assets.h"
#include "net.h"

#define BYTES(array)                                                                               \
    {                                                                                              \
        (const char *)(array), sizeof(array)                                                       \
    }

static const struct asset assets[] = {
#define X(path, type, etag, data) {path, type, etag, BYTES(data), BYTES(data##_gz)},
    ASSETS(X)
#undef X
};

const struct asset *asset_find(const struct server *server, const char *path)
{
    const struct asset *counties = server->options.counties;

    for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++)
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    return strcmp(counties->path, path) == 0 ? counties : NULL;
}
