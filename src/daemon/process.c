/*
 * Figures of the process; see process.h. Nothing here needs more of /proc than a unit with
 * ProcSubset=pid leaves.
 */
#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS "/proc/self/fd"

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* "TOTAL RESIDENT …", in pages */
static void read_memory(struct process_stats *stats)
{
    FILE *file = fopen("/proc/self/statm", "re");
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    char line[128];
    if (!file)
        return;
    if (fgets(line, sizeof(line), file)) {
        char *resident;
        stats->virtual_bytes = strtoull(line, &resident, 10) * page_bytes;
        stats->resident_bytes = strtoull(resident, NULL, 10) * page_bytes;
    }
    (void)fclose(file);
}

/* Newer kernels (6.2) say how many there are; else they are counted, a microsecond each. */
static void count_descriptors(struct process_stats *stats)
{
    struct stat status;
    uint64_t count = 0;
    DIR *folder;
    if (stat(DESCRIPTORS, &status) == 0 && status.st_size > 0) {
        stats->open_descriptors = (uint64_t)status.st_size;
        return;
    }
    folder = opendir(DESCRIPTORS);
    if (!folder)
        return;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    stats->open_descriptors = count - 1; /* without the one it is read by */
}

void process_refresh_stats(struct process_stats *stats)
{
    struct rusage usage;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        stats->cpu_seconds = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        stats->max_descriptors = limit.rlim_cur;
    read_memory(stats);
    count_descriptors(stats);
}
