/*
 * A full disk for whoever it is preloaded into: while the file named by FULL_DISK exists, files
 * named *.aof take no byte more. Unlike a small file system it needs no privilege.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_aof(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path);
    return size > 4 && memcmp(path + size - 4, ".aof", 4) == 0;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    ssize_t (*next)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    const char *flag = getenv("FULL_DISK");
    if (flag && access(flag, F_OK) == 0 && is_aof(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return next(fd, bytes, size);
}
