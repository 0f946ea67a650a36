/*
 * The lanes' side. A lane is what its hashes say, and on top of each cell the facts of later feed
 * entries. The feed is applied from the checkpoint on only: what a checkpoint has concluded must
 * stand in the hashes, and an older entry may not make up for a cell that is missing there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit.h"
#include "livetally/county.h"
#include "livetally/event.h"

static const char *const period_names[PERIOD_COUNT] = {"all", "day", "minute"};
static const uint32_t when_digits[PERIOD_COUNT] = {0, 8, 10};

/* --- keys --------------------------------------------------------------------------------- */

/* Takes what stands before the next colon, and the colon. False: there is none. */
static bool take_part(struct slice *text, struct slice *ret_part)
{
    const char *colon = text->size ? memchr(text->data, ':', text->size) : NULL;
    if (!colon)
        return false;
    *ret_part = (struct slice){text->data, (size_t)(colon - text->data)};
    *text = (struct slice){colon + 1, text->size - ret_part->size - 1};
    return true;
}

static bool read_period(struct slice part, struct group_key *group)
{
    for (uint32_t period = 0; period < PERIOD_COUNT; period++)
        if (slice_equal(part, slice_of(period_names[period]))) {
            group->period = (uint16_t)period;
            return true;
        }
    return false;
}

static bool read_when(struct slice part, struct group_key *group)
{
    uint64_t when = 0;
    if (part.size != when_digits[group->period])
        return false;
    for (size_t i = 0; i < part.size; i++) {
        if (part.data[i] < '0' || part.data[i] > '9')
            return false;
        when = when * 10 + (uint64_t)(part.data[i] - '0');
    }
    if (when > UINT32_MAX)
        return false;
    const struct calendar utc = {0};
    group->when = (uint32_t)when;
    if (group->period == PERIOD_DAY)
        return calendar_day(&utc, calendar_day_start_ms(&utc, group->when)) == group->when;
    return calendar_hour(&utc, calendar_hour_start_ms(&utc, group->when)) == group->when;
}

static bool read_rollup(struct slice part, struct group_key *group)
{
    for (uint32_t rollup = 0; rollup < ROLLUP_COUNT; rollup++)
        if (slice_equal(part, slice_of(rollup_rows[rollup].name))) {
            group->rollup = (uint16_t)rollup;
            return rollup_rows[rollup].periods >> group->period & 1;
        }
    return false;
}

static bool read_first(struct names *names, struct slice text, struct group_key *group)
{
    if (group_first_dimension(*group) == DIMENSION_COUNTY)
        return county_read_digits(text, &group->first) && county_form_ok(group->first);
    if (!id_ok(text))
        return false;
    group->first = names_intern(names, text);
    return true;
}

bool audit_group_read(struct names *names, struct slice text, struct group_key *ret_group)
{
    struct group_key group = {0};
    struct slice part;
    if (!take_part(&text, &part) || !read_period(part, &group))
        return false;
    if (group.period != PERIOD_ALL && (!take_part(&text, &part) || !read_when(part, &group)))
        return false;
    bool has_first = take_part(&text, &part);
    if (!read_rollup(has_first ? part : text, &group) ||
        has_first != (group_first_dimension(group) != DIMENSION_NONE) ||
        (has_first && !read_first(names, text, &group)))
        return false;
    *ret_group = group;
    return true;
}

/* --- findings ----------------------------------------------------------------------------- */

static struct slice lane_key(struct audit *audit, const char *part)
{
    buffer_reset(&audit->key);
    buffer_printf(&audit->key, "lane:%" PRIu32 ":%s", audit->lane.number, part);
    return buffer_slice(&audit->key);
}

static struct slice group_text(struct audit *audit, struct group_key group)
{
    (void)lane_key(audit, "");
    group_key_write(&audit->key, audit->names, group);
    return buffer_slice(&audit->key);
}

/* --- hashes ------------------------------------------------------------------------------- */

void audit_lane_begin(struct audit *audit, uint32_t lane, uint64_t version, uint64_t checkpoint)
{
    audit->counts.lanes++;
    audit->lane = (struct audit_lane){.number = lane, .version = version, .checkpoint = checkpoint};
    if (checkpoint > version)
        findings_add(&audit->findings, "lane", lane_key(audit, "ckpt"), SLICE(""),
                     "the checkpoint is at version %" PRIu64 ", the lane at %" PRIu64, checkpoint,
                     version);
}

void audit_cell(struct audit *audit, struct group_key group, struct slice field, struct slice value)
{
    struct metrics metrics;
    uint64_t version;
    struct tally_key key = {.group = group};
    audit->counts.lane_cells++;
    if (cell_field_read(audit->names, group, field, &key.cell) != 0) {
        findings_add(&audit->findings, "cell", group_text(audit, group), field,
                     "this is no cell of such a hash");
        return;
    }
    if (cell_value_read(value, &metrics, &version) != 0) {
        findings_add(&audit->findings, "cell", group_text(audit, group), field,
                     "the cell is unreadable");
        return;
    }
    if (version > audit->lane.version)
        findings_add(&audit->findings, "cell", group_text(audit, group), field,
                     "counts up to version %" PRIu64 ", the lane is at %" PRIu64, version,
                     audit->lane.version);
    struct tally_cell *cell = tally_open(&audit->tally, key);
    if (cell->lane_plus_1 == audit->lane.number + 1)
        return;
    cell->lane_plus_1 = audit->lane.number + 1;
    cell->version = version;
    tally_add(&cell->have, &metrics);
}

/* --- feed --------------------------------------------------------------------------------- */

/* "<version>-0" */
static bool read_stream_id(struct slice text, uint64_t *ret_version)
{
    char digits[24], *end;
    if (text.size < 3 || text.size >= sizeof digits || text.data[0] < '1' || text.data[0] > '9')
        return false;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    *ret_version = strtoull(digits, &end, 10);
    return strcmp(end, "-0") == 0;
}

static void apply_fact(struct audit *audit, uint64_t version, const struct fact *fact)
{
    struct tally_key keys[AUDIT_CELLS_MAX];
    uint32_t count = audit_cells_of(audit, fact, keys);
    struct metrics metrics = audit_metrics_of(fact);
    audit->counts.facts_pending++;
    for (uint32_t i = 0; i < count; i++) {
        struct tally_cell *cell = tally_open(&audit->tally, keys[i]);
        if (cell->lane_plus_1 == audit->lane.number + 1 && version <= cell->version)
            continue;
        tally_add(&cell->have, &metrics);
    }
}

void audit_entry(struct audit *audit, struct slice stream_id, struct slice bytes)
{
    struct audit_lane *lane = &audit->lane;
    uint64_t version;
    audit->counts.entries++;
    if (!read_stream_id(stream_id, &version)) {
        findings_add(&audit->findings, "feed", lane_key(audit, "feed"), stream_id,
                     "this is no version of the lane");
        return;
    }
    if (!lane->first_entry)
        lane->first_entry = version;
    else if (version != lane->last_entry + 1)
        findings_add(&audit->findings, "feed", lane_key(audit, "feed"), stream_id,
                     "comes after %" PRIu64 "-0: there is a gap", lane->last_entry);
    lane->last_entry = version;
    if (feed_reader_decode(&audit->reader, audit->names, bytes) != 0) {
        findings_add(&audit->findings, "feed", lane_key(audit, "feed"), stream_id,
                     "the entry is unreadable");
        return;
    }
    if (version <= lane->checkpoint)
        return;
    for (uint32_t i = 0; i < audit->reader.entry.fact_count; i++)
        apply_fact(audit, version, &audit->reader.entry.facts[i]);
}

void audit_lane_end(struct audit *audit)
{
    const struct audit_lane *lane = &audit->lane;
    if (lane->last_entry != lane->version)
        findings_add(&audit->findings, "feed", lane_key(audit, "feed"), SLICE(""),
                     "ends at version %" PRIu64 ", the lane is at %" PRIu64, lane->last_entry,
                     lane->version);
    if (lane->version > lane->checkpoint && lane->first_entry > lane->checkpoint + 1)
        findings_add(&audit->findings, "feed", lane_key(audit, "feed"), SLICE(""),
                     "begins at version %" PRIu64 ", but the checkpoint ends at %" PRIu64,
                     lane->first_entry, lane->checkpoint);
}
