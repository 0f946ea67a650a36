/*
 * Two small files in the state folder. `instance` names this daemon for ever, so that after a crash
 * it gets its lane back at once instead of waiting for the lease to run out. `high-water` notes the
 * newest version of our lane, so that a Redis that came back with less than it acknowledged is
 * found out even after a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "partition_private.h"

static bool read_line(const struct partition *partition, const char *name, char *out, int size)
{
    char path[320];
    snprintf(path, sizeof path, "%s/%s", partition->options.state_dir, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool ok = fgets(out, size, file) != NULL;
    fclose(file);
    if (ok)
        out[strcspn(out, "\n")] = '\0';
    return ok;
}

/* Whole or not at all: a new file takes the old one's name. */
static void write_line(const struct partition *partition, const char *name, const char *line)
{
    char path[320], fresh[328];
    snprintf(path, sizeof path, "%s/%s", partition->options.state_dir, name);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "we");
    bool ok = file && fprintf(file, "%s\n", line) > 0;
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok || rename(fresh, path) != 0)
        log_print(partition->log, LOG_LEVEL_WARNING,
                  "can't write %s: %s; make the folder writable, with room on its disk", path,
                  strerror(errno));
}

static bool is_hex(const char *text, size_t digits)
{
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

void state_file_new_instance(struct partition *partition)
{
    partition_random_hex(partition->instance);
    write_line(partition, "instance", partition->instance);
}

void state_file_instance(struct partition *partition)
{
    char line[64];
    if (read_line(partition, "instance", line, sizeof line) && is_hex(line, 16)) {
        memcpy(partition->instance, line, 17);
        return;
    }
    state_file_new_instance(partition);
}

void state_file_read(struct partition *partition)
{
    char line[128], *rest = line, *end;
    if (!read_line(partition, "high-water", line, sizeof line))
        return;
    const char *epoch = strsep(&rest, " ");
    if (!is_hex(epoch, EPOCH_BYTES - 1) || !rest)
        return;
    unsigned long lane = strtoul(rest, &end, 10);
    if (lane >= LANE_COUNT || *end != ' ')
        return;
    partition->high_water_version = strtoull(end + 1, NULL, 10);
    partition->high_water_lane = (uint32_t)lane;
    memcpy(partition->high_water_epoch, epoch, EPOCH_BYTES);
}

/* In place, with one write(2) of a length that never changes: what was acked is noted even when
 * this process and Redis are killed together, for a microsecond a commit. */
void state_file_note(struct partition *partition)
{
    char path[320], line[64];
    const struct fence *fence = &partition->fence;
    if (partition->high_water_version == fence->version &&
        partition->high_water_lane == fence->lane &&
        strcmp(partition->high_water_epoch, fence->epoch) == 0)
        return;
    snprintf(path, sizeof path, "%s/high-water", partition->options.state_dir);
    if (partition->high_water_fd < 0)
        partition->high_water_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int size = snprintf(line, sizeof line, "%.16s %02" PRIu32 " %020" PRIu64 "\n", fence->epoch,
                        fence->lane, fence->version);
    if (partition->high_water_fd < 0 ||
        pwrite(partition->high_water_fd, line, (size_t)size, 0) != size) {
        if (!partition->high_water_told)
            log_print(partition->log, LOG_LEVEL_WARNING,
                      "can't write %s: %s; make the folder writable, with room on its disk: should "
                      "redis lose writes while this daemon is down, it will not be noticed",
                      path, strerror(errno));
        partition->high_water_told = true;
        return;
    }
    partition->high_water_told = false;
    partition->high_water_lane = fence->lane;
    partition->high_water_version = fence->version;
    snprintf(partition->high_water_epoch, sizeof partition->high_water_epoch, "%.16s",
             fence->epoch);
}

void state_file_done(struct partition *partition)
{
    if (partition->high_water_fd >= 0)
        close(partition->high_water_fd);
}
