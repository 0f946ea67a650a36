/*
 * One set of columns for everything that has metrics, so that the whole screen lines up:
 *
 *     label ......................  orders  units  gross  refunded  net
 *
 * On a narrow terminal units go first, then refunded, then gross. Columns are as wide as the
 * longest figure needs: one that is cut is a wrong one. Scopes stand at the top, as one table; then
 * boards, series and tickers in the order they were asked for. Topics that are not of now are dim.
 */
#include "screen.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "livetally/calendar.h"
#include "money.h"
#include "text.h"

#define LABEL_MIN    22
#define LABEL_MAX    44
#define COUNT_MIN    12
#define MONEY_MIN    18
#define SALE_MIN     13
#define COLUMN_GAP   2
#define PERIOD_WIDTH 6
#define ROWS_MIN     3
#define BOLD         "\033[1m"
#define DIM          "\033[2m"
#define PLAIN        "\033[0m"

struct columns {
    uint32_t label;
    uint32_t count;
    uint32_t money;
    bool units;
    bool gross;
    bool refunded;
};

struct drawing {
    struct buffer *out;
    const struct model *model;
    const struct screen_options *options;
    struct columns columns;
    uint32_t rows; /* of a board or ticker */
};

/* The largest figures there are. */
struct largest {
    int64_t count;
    int64_t amount;
};

static void raise_largest(struct largest *largest, const struct model_metrics *metrics)
{
    int64_t count = metrics->orders > metrics->units ? metrics->orders : metrics->units;
    int64_t amount = metrics->gross > metrics->refunded ? metrics->gross : metrics->refunded;
    largest->count = count > largest->count ? count : largest->count;
    largest->amount = amount > largest->amount ? amount : largest->amount;
}

static struct largest find_largest(const struct model *model)
{
    struct largest largest = {0, 0};
    for (uint32_t i = 0; i < model->topic_count; i++) {
        const struct model_topic *topic = model->topics[i];
        raise_largest(&largest, &topic->today);
        raise_largest(&largest, &topic->all);
        for (uint32_t j = 0; j < topic->row_count; j++) {
            raise_largest(&largest, &topic->rows[j].metrics);
        }
    }
    return largest;
}

/* Of a column whose figures are no longer than `figure`. */
static uint32_t column_width(struct buffer *figure, uint32_t least)
{
    uint32_t width = text_width(buffer_slice(figure)) + COLUMN_GAP;
    buffer_done(figure);
    return width > least ? width : least;
}

static uint32_t money_width(const struct model *model, int64_t amount, uint32_t least)
{
    struct buffer figure = BUFFER_INIT;
    money_append(&figure, amount, model->currency);
    return column_width(&figure, least);
}

static struct columns choose_columns(const struct model *model, uint32_t width)
{
    struct columns columns = {.units = true, .gross = true, .refunded = true};
    struct largest largest = find_largest(model);
    struct buffer figure = BUFFER_INIT;
    text_append_count(&figure, largest.count);
    columns.count = column_width(&figure, COUNT_MIN);
    columns.money = money_width(model, -largest.amount, MONEY_MIN); /* net may be below zero */
    uint32_t rest = columns.count + columns.money + PERIOD_WIDTH;   /* orders and net always */
    uint32_t need = LABEL_MIN + rest + columns.count + 2 * columns.money;
    if (need > width) {
        columns.units = false;
        need -= columns.count;
    }
    if (need > width) {
        columns.refunded = false;
        need -= columns.money;
    }
    if (need > width) {
        columns.gross = false;
        need -= columns.money;
    }
    uint32_t label = width > need ? LABEL_MIN + (width - need) : LABEL_MIN;
    columns.label = label < LABEL_MAX ? label : LABEL_MAX;
    return columns;
}

static void style(const struct drawing *drawing, const char *code)
{
    if (drawing->options->color && !drawing->options->grey) {
        buffer_append_text(drawing->out, code);
    }
}

static void append_cell(const struct drawing *drawing, struct buffer *cell, uint32_t width)
{
    text_append_right(drawing->out, buffer_slice(cell), width);
    buffer_done(cell);
}

static void append_count(const struct drawing *drawing, int64_t count)
{
    struct buffer cell = BUFFER_INIT;
    text_append_count(&cell, count);
    append_cell(drawing, &cell, drawing->columns.count);
}

static void append_money(const struct drawing *drawing, int64_t minor)
{
    struct buffer cell = BUFFER_INIT;
    money_append(&cell, minor, drawing->model->currency);
    append_cell(drawing, &cell, drawing->columns.money);
}

static void append_metrics(const struct drawing *drawing, const struct model_metrics *metrics)
{
    append_count(drawing, metrics->orders);
    if (drawing->columns.units) {
        append_count(drawing, metrics->units);
    }
    if (drawing->columns.gross) {
        append_money(drawing, metrics->gross);
    }
    if (drawing->columns.refunded) {
        append_money(drawing, metrics->refunded);
    }
    style(drawing, BOLD);
    append_money(drawing, metrics->net);
    style(drawing, PLAIN);
    buffer_append_byte(drawing->out, '\n');
}

/* title is put over the label column */
static void append_heading(const struct drawing *drawing, struct slice title, const char *period)
{
    style(drawing, DIM);
    text_append_left(drawing->out, title, drawing->columns.label);
    text_append_left(drawing->out, slice_of(period), PERIOD_WIDTH);
    text_append_right(drawing->out, SLICE("orders"), drawing->columns.count);
    if (drawing->columns.units) {
        text_append_right(drawing->out, SLICE("units"), drawing->columns.count);
    }
    if (drawing->columns.gross) {
        text_append_right(drawing->out, SLICE("gross"), drawing->columns.money);
    }
    if (drawing->columns.refunded) {
        text_append_right(drawing->out, SLICE("refunded"), drawing->columns.money);
    }
    text_append_right(drawing->out, SLICE("net"), drawing->columns.money);
    style(drawing, PLAIN);
    buffer_append_byte(drawing->out, '\n');
}

/* A name with its id, as far as there is one. */
static void append_label(const struct drawing *drawing, const char *id, const char *name,
                         uint32_t width)
{
    struct buffer label = BUFFER_INIT;
    buffer_append_text(&label, name[0] ? name : id);
    if (name[0] && text_width(slice_of(name)) + 2 + strlen(id) < width) {
        buffer_append_text(&label, "  ");
        buffer_append_text(&label, id);
    }
    text_append_left(drawing->out, buffer_slice(&label), width);
    buffer_done(&label);
}

static void draw_goal(const struct drawing *drawing, const struct model_topic *topic)
{
    buffer_append_text(drawing->out, "  goal ");
    money_append(drawing->out, topic->goal, drawing->model->currency);
    buffer_append_text(drawing->out, ", reached ");
    text_append_count(drawing->out, topic->all.gross * 100 / topic->goal);
    buffer_append_text(drawing->out, " %\n");
}

static void draw_scope(const struct drawing *drawing, const struct model_topic *topic)
{
    append_label(drawing, topic->name, topic->label, drawing->columns.label);
    if (topic->has_today) {
        text_append_left(drawing->out, SLICE("today"), PERIOD_WIDTH);
        append_metrics(drawing, &topic->today);
        text_append_left(drawing->out, SLICE(""), drawing->columns.label);
    }
    text_append_left(drawing->out, SLICE("all"), PERIOD_WIDTH);
    append_metrics(drawing, &topic->all);
    if (topic->goal > 0) {
        draw_goal(drawing, topic);
    }
}

static void draw_board(const struct drawing *drawing, const struct model_topic *topic)
{
    struct buffer title = BUFFER_INIT;
    uint32_t rows = topic->row_count < drawing->rows ? topic->row_count : drawing->rows;
    buffer_append_text(&title, topic->name);
    buffer_append_text(&title, " (of ");
    text_append_count(&title, topic->of);
    buffer_append_text(&title, ")");
    append_heading(drawing, buffer_slice(&title), topic->period);
    buffer_done(&title);
    for (uint32_t i = 0; i < rows; i++) {
        const struct model_row *row = &topic->rows[i];
        char rank[16];
        snprintf(rank, sizeof(rank), "%3u  ", i + 1);
        buffer_append_text(drawing->out, rank);
        append_label(drawing, row->id, row->name, drawing->columns.label - 5 + PERIOD_WIDTH);
        append_metrics(drawing, &row->metrics);
    }
}

static void draw_series(const struct drawing *drawing, const struct model_topic *topic)
{
    static const char *const bars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    uint32_t room = drawing->options->width > 2 ? drawing->options->width - 2 : 1;
    uint32_t first = topic->minute_count > room ? topic->minute_count - room : 0;
    int64_t highest = 1;
    for (uint32_t i = first; i < topic->minute_count; i++) {
        highest = topic->minute_gross[i] > highest ? topic->minute_gross[i] : highest;
    }
    style(drawing, DIM);
    struct buffer title = BUFFER_INIT;
    buffer_append_text(&title, topic->name);
    buffer_append_text(&title, "  gross a minute, up to ");
    money_append(&title, highest, drawing->model->currency);
    buffer_append_slice(drawing->out, text_cut(buffer_slice(&title), drawing->options->width));
    buffer_done(&title);
    style(drawing, PLAIN);
    buffer_append_text(drawing->out, "\n  ");
    for (uint32_t i = first; i < topic->minute_count; i++) {
        int64_t gross = topic->minute_gross[i] > 0 ? topic->minute_gross[i] : 0;
        buffer_append_text(drawing->out, bars[gross == 0 ? 0 : 1 + gross / (highest / 7 + 1)]);
    }
    buffer_append_byte(drawing->out, '\n');
}

void screen_format_clock(const struct model *model, int64_t time_ms, char out[9])
{
    time_t seconds = (time_t)(time_ms / 1000 + model->offset_minutes * 60);
    struct tm there;
    if (!gmtime_r(&seconds, &there) || strftime(out, 9, "%H:%M:%S", &there) == 0) {
        memcpy(out, "--:--:--", 9);
    }
}

static void draw_sale(const struct drawing *drawing, const struct model_sale *sale, uint32_t money)
{
    struct buffer line = BUFFER_INIT;
    struct buffer amount = BUFFER_INIT;
    char clock[9];
    screen_format_clock(drawing->model, sale->time_ms, clock);
    money_append(&amount, sale->amount, drawing->model->currency);
    buffer_printf(&line, "  %s ", clock);
    text_append_right(&line, buffer_slice(&amount), money);
    buffer_printf(&line, "  ×%-4lld ", (long long)sale->quantity);
    text_append_left(&line, slice_of(model_find_name(drawing->model, sale->product_id)), 30);
    buffer_printf(&line, "  %-6s  %s", sale->county,
                  model_find_name(drawing->model, sale->host_id));
    buffer_append_slice(drawing->out, text_cut(buffer_slice(&line), drawing->options->width));
    buffer_append_byte(drawing->out, '\n');
    buffer_done(&line);
    buffer_done(&amount);
}

/* Newest first. */
static void draw_ticker(const struct drawing *drawing, const struct model_topic *topic)
{
    style(drawing, DIM);
    buffer_append_slice(drawing->out, text_cut(slice_of(topic->name), drawing->options->width));
    style(drawing, PLAIN);
    buffer_append_byte(drawing->out, '\n');
    int64_t largest = 0;
    for (uint32_t i = 0; i < topic->sale_count; i++) {
        largest = topic->sales[i].amount > largest ? topic->sales[i].amount : largest;
    }
    uint32_t money = money_width(drawing->model, largest, SALE_MIN + COLUMN_GAP) - COLUMN_GAP;
    for (uint32_t i = 0; i < topic->sale_count && i < drawing->rows; i++) {
        draw_sale(drawing, &topic->sales[topic->sale_count - 1 - i], money);
    }
}

/* Shares what the height leaves among the topics that can be long. */
static uint32_t share_rows(const struct model *model, uint32_t height)
{
    uint32_t fixed = 1;
    uint32_t flexible = 0;
    for (uint32_t i = 0; i < model->topic_count; i++) {
        const struct model_topic *topic = model->topics[i];
        bool scope = topic->kind == TOPIC_SCOPE;
        fixed += scope ? 1U + topic->has_today + (topic->goal > 0) : 2;
        fixed += topic->kind == TOPIC_SERIES;
        flexible += topic->kind == TOPIC_BOARD || topic->kind == TOPIC_TICKER;
    }
    if (height == 0 || flexible == 0) {
        return MODEL_ROWS_MAX;
    }
    uint32_t rows = height > fixed ? (height - fixed) / flexible : 0;
    return rows > ROWS_MIN ? rows : ROWS_MIN;
}

static void draw_topic(const struct drawing *drawing, const struct model_topic *topic)
{
    if (topic->kind == TOPIC_SCOPE) {
        draw_scope(drawing, topic);
    } else if (topic->kind == TOPIC_BOARD) {
        draw_board(drawing, topic);
    } else if (topic->kind == TOPIC_SERIES) {
        draw_series(drawing, topic);
    } else {
        draw_ticker(drawing, topic);
    }
}

/* Each line of it dim. */
static void draw_held(const struct drawing *drawing, const struct model_topic *topic)
{
    struct screen_options options = *drawing->options;
    struct buffer lines = BUFFER_INIT;
    struct drawing plain = *drawing;
    options.grey = true;
    plain.options = &options;
    plain.out = &lines;
    draw_topic(&plain, topic);
    const char *end = lines.data + lines.size;
    for (const char *at = lines.data; at < end;) {
        size_t size = (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at);
        style(drawing, DIM);
        buffer_append(drawing->out, at, size);
        style(drawing, PLAIN);
        buffer_append_byte(drawing->out, '\n');
        at += size + 1;
    }
    buffer_done(&lines);
}

void screen_draw(struct buffer *out, const struct model *model,
                 const struct screen_options *options)
{
    struct drawing drawing = {
        .out = out,
        .model = model,
        .options = options,
        .columns = choose_columns(model, options->width),
        .rows = share_rows(model, options->height),
    };
    bool heading = false;
    for (uint32_t i = 0; i < model->topic_count; i++) {
        const struct model_topic *topic = model->topics[i];
        if (topic->kind == TOPIC_SCOPE) {
            if (!heading) {
                append_heading(&drawing, SLICE(""), "");
                heading = true;
            }
            (topic->held ? draw_held : draw_topic)(&drawing, topic);
        }
    }
    for (uint32_t i = 0; i < model->topic_count; i++) {
        const struct model_topic *topic = model->topics[i];
        if (topic->kind != TOPIC_SCOPE) {
            buffer_append_byte(out, '\n');
            (topic->held ? draw_held : draw_topic)(&drawing, topic);
        }
    }
}
