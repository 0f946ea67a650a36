/*
 * How many instructions the hot paths cost: exact and repeatable where CPU time is neither. Run
 * under callgrind, which counts only while it is told to; by itself it does all the same,
 * uncounted.
 *
 *   instructions [--full] [--only PATH]
 *
 * Prints "PATH UNITS" for every piece counted, in the order of callgrind's dumps, which bear the
 * same names: instructions.sh brings the two together. With --only nothing is dumped until the end,
 * so that callgrind_annotate finds that path alone, to be read as a profile.
 */
#include "instructions.h"

#include <gnu/libc-version.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <valgrind/callgrind.h>

void load_pins(struct board *board)
{
    static const enum rollup pins[] = {ROLLUP_TOTAL,   ROLLUP_HOST,    ROLLUP_COUNTY,
                                       ROLLUP_PRODUCT, ROLLUP_SESSION, ROLLUP_PLATFORM};
    struct calendar calendar = {480};
    for (size_t i = 0; i < sizeof pins / sizeof *pins; i++)
        for (int period = PERIOD_ALL; period <= PERIOD_DAY; period++) {
            uint32_t when = period == PERIOD_DAY ? calendar_day(&calendar, NOW_MS) : 0;
            struct group_key key = {(uint16_t)pins[i], (uint16_t)period, when, 0};
            board_watch(board, key);
            board_load_begin(board, board_find(board, key));
            board_load_finish(board, board_find(board, key));
        }
}

void counting_start(struct counting *counting)
{
    counting->active = true;
    CALLGRIND_START_INSTRUMENTATION;
}

void counting_stop(struct counting *counting)
{
    counting->active = false;
    CALLGRIND_STOP_INSTRUMENTATION;
}

void counting_begin(struct counting *counting, const char *path)
{
    counting->on = counting->active && (!counting->only || strcmp(counting->only, path) == 0);
    if (counting->on)
        CALLGRIND_TOGGLE_COLLECT;
}

void counting_end(struct counting *counting, const char *path, uint64_t units)
{
    if (!counting->on)
        return;
    CALLGRIND_TOGGLE_COLLECT;
    printf("%s %" PRIu64 "\n", path, units);
    if (!counting->only)
        CALLGRIND_DUMP_STATS_AT(path);
}

int main(int argc, char **argv)
{
    struct counting counting = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--full") == 0) {
            counting.full = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            counting.only = argv[++i];
        } else {
            fprintf(stderr, "usage: instructions [--full] [--only PATH]\n");
            return 2;
        }
    }
    printf("# %s, glibc %s\n", __VERSION__, gnu_get_libc_version());
    count_way_in(&counting);
    count_boards(&counting);
    count_following(&counting);
    count_audiences(&counting);
    return 0;
}
