/*
 * In which order gathered facts are spread. Those that share a group or a cell come one after the
 * other: then the group is looked up once for all of them, and the cell is added to once.
 *
 * BY_HOST is for what has no county; BY_COUNTY for the rest: facts of one county then come by host.
 * Our own lane's come first: others count in few rollups. An order is only a matter of speed, so
 * what it is sorted by may be cut to fit a word:
 *
 *   not our own (8) | host or county (24 bits) | lane and kind (8) | minute (8) | place (16)
 *
 * It is a radix sort by bytes, from the last to the first, which passes over those that are the
 * same everywhere (as minutes, lanes and kinds mostly are).
 */
#include "board_private.h"

#define MINUTE_BIT 16
#define LANE_BIT   24
#define MAJOR_BIT  32
#define OTHERS_BIT 56
#define END_BIT    64
#define WORTH_IT   16u /* fewer are spread as they came */

_Static_assert(GATHERED_MAX <= 1u << MINUTE_BIT, "places fit");

/* Stable. */
static void sort_by_byte(struct gathering *gathering, uint32_t bit)
{
    const uint64_t *from = gathering->order;
    uint64_t *to = gathering->order_room;
    uint32_t starts[256] = {0};
    uint32_t start = 0;

    for (uint32_t i = 0; i < gathering->count; i++)
        starts[from[i] >> bit & 0xff]++;
    if (starts[from[0] >> bit & 0xff] == gathering->count)
        return;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t count = starts[byte];
        starts[byte] = start;
        start += count;
    }
    for (uint32_t i = 0; i < gathering->count; i++)
        to[starts[from[i] >> bit & 0xff]++] = from[i];
    gathering->order_room = gathering->order;
    gathering->order = to;
}

static void sort(struct gathering *gathering, uint32_t first_bit)
{
    if (gathering->count < WORTH_IT)
        return;
    for (uint32_t bit = first_bit; bit < END_BIT; bit += 8)
        sort_by_byte(gathering, bit);
}

static uint64_t major(uint64_t id)
{
    return (id & 0xffffff) << MAJOR_BIT;
}

void gathering_order_by_host(struct gathering *gathering, uint32_t own_lane)
{
    for (uint32_t i = 0; i < gathering->count; i++) {
        const struct gathered *fact = &gathering->facts[i];
        uint64_t lane = fact->rest >> 8 & 0xff;
        uint64_t lane_and_kind = (lane << 1 | fact->rest >> 16) & 0xff;
        gathering->order[i] = (uint64_t)(lane != own_lane) << OTHERS_BIT |
                              major(fact->host_county >> 32) | lane_and_kind << LANE_BIT |
                              (fact->rest & 0xff) << MINUTE_BIT | i;
    }
    sort(gathering, MINUTE_BIT);
}

void gathering_order_by_county(struct gathering *gathering)
{
    for (uint32_t i = 0; i < gathering->count; i++) {
        uint32_t place = gathering_place(gathering, i);
        gathering->order[i] = gathering->order[i] >> OTHERS_BIT << OTHERS_BIT |
                              major(gathering->facts[place].host_county) | place;
    }
    sort(gathering, MAJOR_BIT);
}
