/*
 * See report.h. The sentence that counts comes last, where a terminal shows it.
 */
#include "report.h"

#include <inttypes.h>

#include "livetally/json.h"

static const char *outcome_name(enum verify_outcome outcome)
{
    static const char *const names[] = {
        [VERIFY_EXACT] = "exact",     [VERIFY_DIFFERS] = "differs",
        [VERIFY_BUSY] = "busy",       [VERIFY_UNAVAILABLE] = "unavailable",
        [VERIFY_INVALID] = "invalid",
    };
    return names[outcome];
}

/* --- for people --------------------------------------------------------------------------- */

static void write_checked(struct buffer *out, const struct audit *audit)
{
    const struct audit_counts *c = &audit->counts;
    buffer_printf(out,
                  "checked      %" PRIu64 " orders, %" PRIu64 " refunds (%" PRIu64
                  " more wait for their orders, %" PRIu64 " are void), %" PRIu64
                  " catalog entries\n",
                  c->orders, c->refunds, c->refunds_parked, c->refunds_void, c->catalog);
    buffer_printf(out,
                  "             %" PRIu64 " lanes: %" PRIu64 " cells in %" PRIu64
                  " hashes, %" PRIu64 " feed entries (%" PRIu64 " facts after the checkpoints)\n",
                  c->lanes, c->lane_cells, c->hashes, c->entries, c->facts_pending);
    buffer_printf(out,
                  "             %" PRIu64 " totals against the ledger, %" PRIu64
                  " against sums of others; %" PRIu64 " days exactly, %" PRIu64
                  " but for refunds, %" PRIu64 " at least\n",
                  c->cells, c->sums, c->days_exact, c->days_partly, c->days_older);
    for (uint32_t i = 0; i < audit->findings.unchecked_count; i++)
        buffer_printf(out, "not checked  %s\n", audit->findings.unchecked[i]);
}

static void write_findings(struct buffer *out, const struct findings *findings)
{
    buffer_printf(out, "%" PRIu64 " %s", findings->count,
                  findings->count == 1 ? "difference" : "differences");
    if (findings->kept < findings->count)
        buffer_printf(out, ", of which the first %" PRIu32, findings->kept);
    buffer_append_text(out, ":\n");
    for (uint32_t i = 0; i < findings->kept; i++) {
        const struct finding *finding = &findings->list[i];
        buffer_printf(out, "  %s%s%s: %s\n", finding->key, finding->field[0] ? " " : "",
                      finding->field, finding->text);
    }
}

void report_write_text(struct buffer *out, const struct report *report)
{
    if (report->problem) {
        buffer_printf(out, "%s\n", report->problem);
        return;
    }
    buffer_printf(out, "data set     %s* of %s, epoch %s, generation %" PRIu64 "\n", report->prefix,
                  report->source, report->epoch, report->audit->set.generations.current);
    write_checked(out, report->audit);
    if (report->outcome == VERIFY_DIFFERS)
        write_findings(out, &report->audit->findings);
    else
        buffer_append_text(out, "exact\n");
}

/* --- for programs ------------------------------------------------------------------------- */

static void write_counts(struct buffer *out, const struct audit_counts *counts)
{
    const struct {
        const char *key;
        uint64_t value;
    } rows[] = {
        {"orders", counts->orders},
        {"stubs", counts->stubs},
        {"refunds", counts->refunds},
        {"refunds_parked", counts->refunds_parked},
        {"refunds_void", counts->refunds_void},
        {"catalog", counts->catalog},
        {"lanes", counts->lanes},
        {"hashes", counts->hashes},
        {"lane_cells", counts->lane_cells},
        {"feed_entries", counts->entries},
        {"facts_after_checkpoints", counts->facts_pending},
        {"totals", counts->cells},
        {"sums", counts->sums},
        {"days_exact", counts->days_exact},
        {"days_but_for_refunds", counts->days_partly},
        {"days_at_least", counts->days_older},
        {"days_expired", counts->days_gone},
    };
    json_write_key(out, "checked");
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        json_field_uint(out, rows[i].key, rows[i].value);
    buffer_append_byte(out, '}');
}

static void write_finding(struct buffer *out, const struct finding *finding)
{
    json_write_comma(out);
    buffer_append_byte(out, '{');
    json_field_string(out, "check", slice_of(finding->check));
    json_field_string(out, "key", slice_of(finding->key));
    json_field_string(out, "field", slice_of(finding->field));
    json_field_string(out, "text", slice_of(finding->text));
    if (finding->metric) {
        json_field_string(out, "metric", slice_of(finding->metric));
        json_field_int(out, "expected", finding->want);
        json_field_int(out, "lanes", finding->have);
    }
    buffer_append_byte(out, '}');
}

static void write_audit(struct buffer *out, const struct audit *audit)
{
    json_field_uint(out, "generation", audit->set.generations.current);
    if (audit->set.born_known)
        json_field_uint(out, "born_generation", audit->set.born_generation);
    write_counts(out, &audit->counts);
    json_write_key(out, "unchecked");
    buffer_append_byte(out, '[');
    for (uint32_t i = 0; i < audit->findings.unchecked_count; i++) {
        json_write_comma(out);
        json_write_string(out, slice_of(audit->findings.unchecked[i]));
    }
    buffer_append_byte(out, ']');
    json_field_uint(out, "differences", audit->findings.count);
    json_write_key(out, "findings");
    buffer_append_byte(out, '[');
    for (uint32_t i = 0; i < audit->findings.kept; i++)
        write_finding(out, &audit->findings.list[i]);
    buffer_append_byte(out, ']');
}

void report_write_json(struct buffer *out, const struct report *report)
{
    buffer_append_byte(out, '{');
    json_field_string(out, "outcome", slice_of(outcome_name(report->outcome)));
    if (report->source)
        json_field_string(out, "redis", slice_of(report->source));
    if (report->epoch)
        json_field_string(out, "epoch", slice_of(report->epoch));
    json_field_uint(out, "attempts", report->attempts);
    if (report->problem)
        json_field_string(out, "problem", slice_of(report->problem));
    else
        write_audit(out, report->audit);
    buffer_append_text(out, "}\n");
}
