/*
 * Topic names against a slow reading of PROTOCOL's table: the same names are topics, with the same
 * canonical form, and that form is a fixed point: it names the same topic and is written the same.
 */
#include "fuzz.h"
#include "livetally/topic.h"

#define PART_MAX 8

/* Names cut at '/', '?', '&' and '='. */
struct slow_topic {
    char text[TOPIC_MAX_BYTES + 1];
    const char *path[PART_MAX];
    size_t path_count;
    const char *keys[PART_MAX], *values[PART_MAX];
    size_t option_count;
};

static bool is_code(const char *text, size_t digits)
{
    static const char provinces[] =
        "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 "
        "50 51 52 53 54 61 62 63 64 65 71 81 82";
    char province[3] = {0};

    if (strlen(text) != digits || strspn(text, "0123456789") != digits)
        return false;
    memcpy(province, text, 2);
    return strstr(provinces, province) && (digits == 2 || strcmp(text + digits - 2, "00") != 0);
}

static bool is_id(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@-";
    return *text && strlen(text) <= 64 && strspn(text, allowed) == strlen(text);
}

static bool is_scope_value(const char *scope, const char *value)
{
    if (strcmp(scope, "county") == 0)
        return is_code(value, 6);
    if (strcmp(scope, "prefecture") == 0)
        return is_code(value, 4);
    if (strcmp(scope, "province") == 0)
        return is_code(value, 2);
    return is_id(value);
}

/* One of the words of a list like " a b ". */
static bool is_word(const char *words, const char *word)
{
    char between[TOPIC_MAX_BYTES + 3];

    if (!*word || strchr(word, ' '))
        return false;
    snprintf(between, sizeof(between), " %s ", word);
    return strstr(words, between);
}

static bool is_number(const char *text, int most)
{
    return *text && *text != '0' && strlen(text) <= 4 &&
           strspn(text, "0123456789") == strlen(text) && atoi(text) <= most;
}

/* False: too many parts to be a topic, or an option without a value. */
static bool split(struct slow_topic *topic, struct slice name)
{
    char *options, *next;

    memcpy(topic->text, name.data, name.size);
    topic->text[name.size] = '\0';
    topic->path_count = topic->option_count = 0;
    options = strchr(topic->text, '?');
    if (options)
        *options++ = '\0';
    for (next = topic->text; next; topic->path_count++) {
        if (topic->path_count == PART_MAX)
            return false;
        topic->path[topic->path_count] = strsep(&next, "/");
    }
    for (next = options; next; topic->option_count++) {
        char *pair = strsep(&next, "&");
        char *equals = strchr(pair, '=');
        if (topic->option_count == PART_MAX || !equals)
            return false;
        *equals = '\0';
        topic->keys[topic->option_count] = pair;
        topic->values[topic->option_count] = equals + 1;
    }
    return true;
}

/* The option's value, or NULL. *seen counts those that were asked for. */
static const char *option(const struct slow_topic *topic, const char *key, size_t *seen)
{
    for (size_t i = 0; i < topic->option_count; i++) {
        if (strcmp(topic->keys[i], key) == 0) {
            ++*seen;
            return topic->values[i];
        }
    }
    return NULL;
}

static bool slow_board(const struct slow_topic *topic, struct buffer *out)
{
    static const char *const filters[][2] = {
        {"hosts", " county "},
        {"counties", " platform province "},
        {"products", " session county host "},
        {"sessions", ""},
        {"platforms", ""},
        {"provinces", ""},
    };
    const char *allowed = NULL, *filter = NULL, *value = NULL;
    size_t seen = 0;
    char between = '?';

    for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++)
        if (strcmp(filters[i][0], topic->path[1]) == 0)
            allowed = filters[i][1];
    if (!allowed)
        return false;
    for (size_t i = 0; i < topic->option_count; i++) {
        if (!is_word(allowed, topic->keys[i]))
            continue;
        if (filter || !is_scope_value(topic->keys[i], topic->values[i]))
            return false;
        filter = topic->keys[i];
        value = topic->values[i];
        seen++;
    }
    const char *by = option(topic, "by", &seen);
    const char *period = option(topic, "period", &seen);
    const char *rows = option(topic, "n", &seen);
    bool by_session = filter && strcmp(filter, "session") == 0;
    const char *usual = by_session || strcmp(topic->path[1], "sessions") == 0 ? "all" : "today";
    if (seen != topic->option_count || (by && !is_word(" gross net orders units ", by)) ||
        (period && !is_word(" today all ", period)) || (rows && !is_number(rows, 100)) ||
        (by_session && period && strcmp(period, "all") != 0))
        return false;
    buffer_printf(out, "top/%s", topic->path[1]);
    const struct {
        const char *key, *value, *usual;
    } options[] = {
        {filter, value, NULL}, {"by", by, "gross"}, {"period", period, usual}, {"n", rows, "10"}};
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        if (!options[i].value ||
            (options[i].usual && strcmp(options[i].value, options[i].usual) == 0))
            continue;
        buffer_printf(out, "%c%s=%s", between, options[i].key, options[i].value);
        between = '&';
    }
    return true;
}

/* A scope from the path's part number `at` on. */
static bool slow_scope(const struct slow_topic *topic, size_t at, const char *scopes,
                       struct buffer *out)
{
    if (topic->path_count == at + 1 && strcmp(topic->path[at], "total") == 0) {
        buffer_append_text(out, "total");
        return true;
    }
    if (topic->path_count != at + 2 || !is_word(scopes, topic->path[at]) ||
        !is_scope_value(topic->path[at], topic->path[at + 1]))
        return false;
    buffer_printf(out, "%s/%s", topic->path[at], topic->path[at + 1]);
    return true;
}

/* False: not a topic. Else *out is its canonical name. */
static bool slow_parse(struct slice name, struct buffer *out)
{
    static const char scopes[] = " host county prefecture province product session platform ";
    struct slow_topic topic;
    size_t seen = 0;

    if (name.size == 0 || name.size > TOPIC_MAX_BYTES || memchr(name.data, '\0', name.size) ||
        !split(&topic, name))
        return false;
    if (strcmp(topic.path[0], "top") == 0)
        return topic.path_count == 2 && slow_board(&topic, out);
    if (strcmp(topic.path[0], "series") == 0 && topic.path_count > 1) {
        const char *minutes = option(&topic, "minutes", &seen);
        buffer_append_text(out, "series/");
        if (!slow_scope(&topic, 1, " host county session ", out) || seen != topic.option_count ||
            (minutes && !is_number(minutes, 1440)))
            return false;
        if (minutes && strcmp(minutes, "120") != 0)
            buffer_printf(out, "?minutes=%s", minutes);
        return true;
    }
    if (topic.option_count > 0)
        return false;
    if (strcmp(topic.path[0], "ticker") == 0 && topic.path_count == 1) {
        buffer_append_text(out, "ticker");
        return true;
    }
    if (strcmp(topic.path[0], "ticker") == 0) {
        buffer_append_text(out, "ticker/");
        return topic.path_count == 3 && slow_scope(&topic, 1, " session ", out);
    }
    return slow_scope(&topic, 0, scopes, out);
}

static void check_fixed_point(const struct topic *topic, struct slice canonical)
{
    struct buffer again = BUFFER_INIT;
    struct error error = {.text = ""};
    struct topic reread;

    REQUIRE(topic_parse(canonical, &reread, &error) == 0, "canonical \"%.*s\" is no topic: %s",
            SLICE_ARG(canonical), error.text);
    topic_write(&again, &reread);
    REQUIRE(slice_equal(buffer_slice(&again), canonical), "\"%.*s\" is written \"%.*s\"",
            SLICE_ARG(canonical), SLICE_ARG(buffer_slice(&again)));
    REQUIRE(topic->kind == reread.kind && topic->scope == reread.scope &&
                topic->board == reread.board && topic->by == reread.by &&
                topic->today == reread.today && topic->rows == reread.rows &&
                topic->minutes == reread.minutes && topic->code == reread.code &&
                slice_equal(topic_id(topic), topic_id(&reread)),
            "\"%.*s\" names another topic", SLICE_ARG(canonical));
    buffer_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice name = fuzz_text(data, size);
    struct buffer expected = BUFFER_INIT;
    struct buffer canonical = BUFFER_INIT;
    struct error error = {.text = ""};
    struct topic topic;
    bool is_topic = slow_parse(name, &expected);
    int rc = topic_parse(name, &topic, &error);

    REQUIRE((rc == 0) == is_topic, "it is %s topic; %s", is_topic ? "a" : "no", error.text);
    if (rc == 0) {
        topic_write(&canonical, &topic);
        REQUIRE(slice_equal(buffer_slice(&canonical), buffer_slice(&expected)),
                "\"%.*s\" instead of \"%.*s\"", SLICE_ARG(buffer_slice(&canonical)),
                SLICE_ARG(buffer_slice(&expected)));
        check_fixed_point(&topic, buffer_slice(&canonical));
    } else {
        REQUIRE(rc == ERROR_INVALID && error.text[0], "refused without a word");
    }
    buffer_done(&canonical);
    buffer_done(&expected);
    return 0;
}
