/*
 * The page and what it loads, embedded at build time and served from memory: the daemon needs no
 * folder of its own, and no path from outside ever reaches the file system.
 */
#include <string.h>

#include "assets.h"
#include "net.h"

static const struct asset assets[] = {
#define X(path, type, etag, data) {path, type, etag, data, sizeof(data)},
    ASSETS(X)
#undef X
};

const struct asset *asset_find(const char *path)
{
    for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++)
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    return NULL;
}
