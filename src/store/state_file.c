/*
 * Two small files in the state folder. `instance` names this daemon for ever, so that after a crash
 * it gets its lane back at once instead of waiting for the lease to run out. `high-water` notes the
 * newest version of our lane, so that a Redis that came back with less than it acknowledged is
 * found out even after a restart.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        log_print(partition->log, LOG_LEVEL_WARNING, "can't write %s", path);
}

static bool is_hex(const char *text, size_t digits)
{
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

void state_file_instance(struct partition *partition)
{
    char line[64];
    if (read_line(partition, "instance", line, sizeof line) && is_hex(line, 16)) {
        memcpy(partition->instance, line, 17);
        return;
    }
    partition_random_hex(partition->instance);
    write_line(partition, "instance", partition->instance);
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

void state_file_write(struct partition *partition)
{
    char line[128];
    const struct fence *fence = &partition->fence;
    if (partition->high_water_version == fence->version &&
        partition->high_water_lane == fence->lane &&
        strcmp(partition->high_water_epoch, fence->epoch) == 0)
        return;
    partition->high_water_lane = fence->lane;
    partition->high_water_version = fence->version;
    snprintf(partition->high_water_epoch, sizeof partition->high_water_epoch, "%.16s",
             fence->epoch);
    snprintf(line, sizeof line, "%s %" PRIu32 " %" PRIu64, fence->epoch, fence->lane,
             fence->version);
    write_line(partition, "high-water", line);
}
