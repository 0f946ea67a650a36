/*
 * Payloads of scopes, boards and tickers. Boards of provinces are summed from counties into a table
 * by the two digits of the province; there are at most 72 of them, so they are sorted each time.
 */
#include "payload.h"

#include <stdlib.h>

#include "livetally/json.h"

#define PROVINCES 100

static void write_metrics(struct buffer *out, const struct metrics *metrics)
{
    buffer_append_byte(out, '{');
    for (int i = 0; i < METRIC_COUNT; i++)
        json_field_int(out, metric_names[i], metrics->v[i]);
    json_field_int(out, "net", metrics_net(metrics));
    buffer_append_byte(out, '}');
}

static void write_optional(struct buffer *out, const char *key, struct slice text)
{
    if (text.data)
        json_field_string(out, key, text);
}

static void write_session(struct buffer *out, const struct catalog_entry *session)
{
    write_optional(out, "host_id", session->host_id);
    write_optional(out, "title", session->name);
    if (session->stated & EVENT_HAS_STARTS_AT)
        json_field_int(out, "starts_at", session->starts_at_ms);
    if (session->stated & EVENT_HAS_ENDS_AT)
        json_field_int(out, "ends_at", session->ends_at_ms);
    if (session->stated & EVENT_HAS_GOAL)
        json_field_int(out, "goal", session->goal);
}

void payload_scope(struct buffer *out, const struct view *view, const struct topic *topic,
                   const struct metrics *today, const struct metrics *all)
{
    const struct catalog_entry *entry = NULL;

    buffer_append_byte(out, '{');
    if (topic->scope != SCOPE_SESSION) {
        json_write_key(out, "today");
        write_metrics(out, today);
    }
    json_write_key(out, "all");
    write_metrics(out, all);
    if (topic->scope == SCOPE_HOST)
        entry = catalog_find(view->catalog, CATALOG_HOST, topic_id(topic));
    else if (topic->scope == SCOPE_PRODUCT)
        entry = catalog_find(view->catalog, CATALOG_PRODUCT, topic_id(topic));
    else if (topic->scope == SCOPE_SESSION)
        entry = catalog_find(view->catalog, CATALOG_SESSION, topic_id(topic));
    if (entry && topic->scope == SCOPE_SESSION)
        write_session(out, entry);
    else if (entry)
        write_optional(out, "name", entry->name);
    else if (topic->scope == SCOPE_COUNTY)
        write_optional(out, "name", county_names_find(view->county_names, topic->code));
    buffer_append_byte(out, '}');
}

static void begin_board(struct buffer *out, const struct topic *topic, uint32_t of)
{
    buffer_append_byte(out, '{');
    json_field_string(out, "by", slice_of(board_by_names[topic->by]));
    json_field_string(out, "period", topic->today ? SLICE("today") : SLICE("all"));
    json_field_uint(out, "of", of);
    json_write_key(out, "rows");
    buffer_append_byte(out, '[');
}

static void write_row(struct buffer *out, struct slice id, struct slice name,
                      const struct metrics *sum)
{
    json_write_comma(out);
    buffer_append_byte(out, '{');
    json_field_string(out, "id", id);
    write_optional(out, "name", name);
    json_field_int(out, "orders", sum->v[METRIC_ORDERS]);
    json_field_int(out, "units", sum->v[METRIC_UNITS]);
    json_field_int(out, "gross", sum->v[METRIC_GROSS]);
    json_field_int(out, "refunded", sum->v[METRIC_REFUNDED]);
    json_field_int(out, "net", metrics_net(sum));
    buffer_append_byte(out, '}');
}

/* Codes have a fixed number of digits and no leading zero. */
static struct slice code_text(uint32_t code, uint32_t digits, char out[10])
{
    for (uint32_t i = digits; i > 0; i--) {
        out[i - 1] = (char)('0' + code % 10);
        code /= 10;
    }
    return (struct slice){out, digits};
}

static struct slice row_name(const struct view *view, enum board_kind board, struct slice id)
{
    const struct catalog_entry *entry = NULL;

    if (board == BOARD_HOSTS)
        entry = catalog_find(view->catalog, CATALOG_HOST, id);
    else if (board == BOARD_PRODUCTS)
        entry = catalog_find(view->catalog, CATALOG_PRODUCT, id);
    else if (board == BOARD_SESSIONS)
        entry = catalog_find(view->catalog, CATALOG_SESSION, id);
    return entry ? entry->name : (struct slice){NULL, 0};
}

void payload_board(struct buffer *out, const struct view *view, const struct topic *topic,
                   const struct rank *rank, const struct group *group)
{
    begin_board(out, topic, group ? rank->matching : 0);
    for (uint32_t i = 0; group && i < rank->top; i++) {
        uint32_t place = rank->entries[i].place;
        const struct cell *cell = &group->cells[place];
        char digits[10];
        bool county = topic->board == BOARD_COUNTIES;
        struct slice id =
            county ? code_text(cell->key, 6, digits) : names_text(view->names, cell->key);
        struct slice name = county ? county_names_find(view->county_names, cell->key)
                                   : row_name(view, topic->board, id);

        write_row(out, id, name, &group->sums[place]);
    }
    buffer_append_text(out, "]}");
}

struct province {
    uint32_t code;
    uint32_t counties;
    int64_t value;
    struct metrics sum;
};

static int compare_provinces(const void *a, const void *b)
{
    const struct province *left = a;
    const struct province *right = b;

    if ((left->counties == 0) != (right->counties == 0))
        return left->counties == 0 ? 1 : -1;
    if (left->value != right->value)
        return left->value > right->value ? -1 : 1;
    return (left->code > right->code) - (left->code < right->code);
}

void payload_provinces(struct buffer *out, const struct topic *topic, const struct group *counties)
{
    struct province provinces[PROVINCES] = {{0}};
    uint32_t of = 0;

    for (uint32_t i = 0; i < counties->cell_count; i++) {
        const struct cell *cell = &counties->cells[i];
        struct province *province = &provinces[cell->key / 10000 % PROVINCES];

        of += province->counties++ == 0;
        metrics_add(&province->sum, &counties->sums[i]);
    }
    for (uint32_t i = 0; i < PROVINCES; i++) {
        provinces[i].code = i;
        provinces[i].value = rank_value(&provinces[i].sum, topic->by);
    }
    qsort(provinces, PROVINCES, sizeof(provinces[0]), compare_provinces);
    begin_board(out, topic, of);
    for (uint32_t i = 0; i < of && i < topic->rows; i++) {
        char digits[10];

        write_row(out, code_text(provinces[i].code, 2, digits), (struct slice){NULL, 0},
                  &provinces[i].sum);
    }
    buffer_append_text(out, "]}");
}

static void write_order(struct buffer *out, const struct names *names, const struct fact *order)
{
    char digits[10];

    json_write_comma(out);
    buffer_append_byte(out, '{');
    json_field_int(out, "time", order->time_ms);
    json_field_string(out, "host_id", names_text(names, order->host));
    json_field_string(out, "county", code_text(order->county, 6, digits));
    json_field_string(out, "product_id", names_text(names, order->product));
    json_field_int(out, "quantity", order->quantity);
    json_field_int(out, "amount", order->amount);
    buffer_append_byte(out, '}');
}

void payload_ticker(struct buffer *out, const struct names *names, const struct ticker_ring *ring,
                    uint64_t seen)
{
    uint32_t shown = 0;
    uint64_t lost = 0;

    buffer_append_text(out, "{\"orders\":[");
    if (ring) {
        uint64_t after = seen < ring->count ? seen : 0;

        shown = ticker_ring_after(ring, after);
        lost = seen < ring->count ? ring->count - seen - shown : 0;
        for (uint64_t number = ring->count - shown + 1; number <= ring->count; number++)
            write_order(out, names, ticker_ring_order(ring, number));
    }
    buffer_append_byte(out, ']');
    json_field_uint(out, "lost", lost);
    buffer_append_byte(out, '}');
}
