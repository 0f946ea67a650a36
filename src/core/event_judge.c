/*
 * Why this exists: what PROTOCOL's tables say of each type's fields, as tables. A row says what a
 * field must look like, whether it must be there, and where in struct event it goes. The first
 * fault in the order of the rows is the one reported, whatever the order in the text.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "event_decode.h"

#define TOTAL_MAX ((INT64_C(1) << 53) - 1) /* PROTOCOL: totals never exceed it */

enum form {
    FORM_ID,
    FORM_NAME,
    FORM_COUNTY,
    FORM_CURRENCY,
    FORM_INT,
};

struct field_rule {
    enum event_field field;
    enum form form;
    bool required;
    enum rejection_code code; /* when the form is wrong */
    uint32_t stated;          /* EVENT_HAS_… bit, or 0 */
    size_t offset;            /* in struct event, of a slice or an int64_t */
    int64_t min;              /* FORM_INT */
    int64_t max;
};

#define REQUIRED   true
#define OPTIONAL   false
#define AT(member) offsetof(struct event, member)
#define ID(field, member, required)                                                                \
    {                                                                                              \
        FIELD_##field, FORM_ID, required, REJECT_BAD_FIELD, 0, AT(member), 0, 0                    \
    }
#define NAME(field, member)                                                                        \
    {                                                                                              \
        FIELD_##field, FORM_NAME, OPTIONAL, REJECT_BAD_FIELD, 0, AT(member), 0, 0                  \
    }
#define INT(field, member, required, code, min, max)                                               \
    {                                                                                              \
        FIELD_##field, FORM_INT, required, REJECT_##code, EVENT_HAS_##field, AT(member), min, max  \
    }
#define TIME(field, member) INT(field, member, OPTIONAL, BAD_FIELD, 0, TIME_MAX_MS)
#define COUNTY                                                                                     \
    {                                                                                              \
        FIELD_COUNTY, FORM_COUNTY, OPTIONAL, REJECT_BAD_COUNTY, EVENT_HAS_COUNTY, 0, 0, 0          \
    }
#define CURRENCY                                                                                   \
    {                                                                                              \
        FIELD_CURRENCY, FORM_CURRENCY, OPTIONAL, REJECT_BAD_FIELD, 0, 0, 0, 0                      \
    }

/* The host of an order is optional here because a session may stand for it: see is_needed(). */
static const struct field_rule order_rules[] = {
    ID(ORDER_ID, order_id, REQUIRED),
    ID(HOST_ID, host_id, OPTIONAL),
    ID(SESSION_ID, session_id, OPTIONAL),
    ID(PRODUCT_ID, product_id, REQUIRED),
    COUNTY,
    ID(PLATFORM, platform, OPTIONAL),
    INT(QUANTITY, quantity, REQUIRED, BAD_QUANTITY, 1, ORDER_QUANTITY_MAX),
    INT(AMOUNT, amount, REQUIRED, BAD_AMOUNT, 0, ORDER_AMOUNT_MAX),
    CURRENCY,
    TIME(TIME, time_ms),
};

static const struct field_rule refund_rules[] = {
    ID(REFUND_ID, refund_id, REQUIRED),
    ID(ORDER_ID, order_id, REQUIRED),
    INT(AMOUNT, amount, REQUIRED, BAD_AMOUNT, 1, ORDER_AMOUNT_MAX),
    INT(QUANTITY, quantity, OPTIONAL, BAD_QUANTITY, 0, ORDER_QUANTITY_MAX),
    TIME(TIME, time_ms),
    ID(HOST_ID, host_id, OPTIONAL),
};

static const struct field_rule session_rules[] = {
    ID(SESSION_ID, session_id, REQUIRED),
    ID(HOST_ID, host_id, REQUIRED),
    NAME(TITLE, name),
    ID(PLATFORM, platform, OPTIONAL),
    TIME(STARTS_AT, starts_at_ms),
    TIME(ENDS_AT, ends_at_ms),
    INT(GOAL, goal, OPTIONAL, BAD_FIELD, 0, TOTAL_MAX),
    TIME(TIME, time_ms),
};

static const struct field_rule product_rules[] = {
    ID(PRODUCT_ID, product_id, REQUIRED),
    NAME(NAME, name),
    COUNTY,
    NAME(UNIT, unit),
    TIME(TIME, time_ms),
};

static const struct field_rule host_rules[] = {
    ID(HOST_ID, host_id, REQUIRED),
    NAME(NAME, name),
    TIME(TIME, time_ms),
};

struct type_rules {
    struct slice name;
    const struct field_rule *rules;
    size_t count;
    enum event_field own_id;
    bool counts; /* into days that may be closed already */
};

#define RULES(list) (list), sizeof(list) / sizeof *(list)
static const struct type_rules types[EVENT_TYPE_COUNT] = {
    [EVENT_ORDER] = {{"order", sizeof("order") - 1}, RULES(order_rules), FIELD_ORDER_ID, true},
    [EVENT_REFUND] = {{"refund", sizeof("refund") - 1}, RULES(refund_rules), FIELD_REFUND_ID, true},
    [EVENT_SESSION] = {{"session", sizeof("session") - 1},
                       RULES(session_rules),
                       FIELD_SESSION_ID,
                       false},
    [EVENT_PRODUCT] = {{"product", sizeof("product") - 1},
                       RULES(product_rules),
                       FIELD_PRODUCT_ID,
                       false},
    [EVENT_HOST] = {{"host", sizeof("host") - 1}, RULES(host_rules), FIELD_HOST_ID, false},
};

/* Everything that judging one event needs. */
struct judging {
    const struct event_fields *fields;
    const struct event_rules *rules;
    const struct type_rules *type; /* NULL as long as it isn't known */
    struct message *message;
    uint32_t index;
    int64_t now_ms;
};

static inline bool id_byte_ok(char byte)
{
    static const bool allowed[256] = {
        ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1,
        ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1,
        ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1,
        ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1,
        ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1,
        ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1,
        ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1,
        ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['.'] = 1, ['_'] = 1,
        ['~'] = 1, [':'] = 1, ['@'] = 1, ['-'] = 1,
    };
    return allowed[(unsigned char)byte];
}

#ifdef __SSE2__
static inline __m128i bytes_within(__m128i bytes, char first, char last)
{
    return _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8((char)(first - 1))),
                         _mm_cmplt_epi8(bytes, _mm_set1_epi8((char)(last + 1))));
}

/* What id_byte_ok() says of each of 16 bytes; those that are not ASCII are negative here. */
static inline bool id_bytes_ok(__m128i bytes)
{
    __m128i ok = bytes_within(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z'); /* any case */
    ok = _mm_or_si128(ok, _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('/')),
                                           bytes_within(bytes, '-', ':')));
    ok = _mm_or_si128(ok, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('@')));
    ok = _mm_or_si128(ok, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('_')));
    ok = _mm_or_si128(ok, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('~')));
    return _mm_movemask_epi8(ok) == 0xffff;
}

static inline __m128i load_8(const char *at)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)at);
}

static inline __m128i load_4(const char *at)
{
    int32_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return _mm_cvtsi32_si128(bytes);
}

static inline __m128i load_16(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}
#endif

bool id_ok(struct slice id)
{
    if (id.size < 1 || id.size > ID_MAX_BYTES)
        return false;
    const char *at = id.data, *end = id.data + id.size;
#ifdef __SSE2__
    /* Loads overlap rather than reach beyond the id. */
    if (id.size >= 16) {
        for (; end - at > 16; at += 16)
            if (!id_bytes_ok(load_16(at)))
                return false;
        return id_bytes_ok(load_16(end - 16));
    }
    if (id.size >= 8)
        return id_bytes_ok(_mm_unpacklo_epi64(load_8(at), load_8(end - 8)));
    if (id.size >= 4) {
        __m128i both = _mm_unpacklo_epi32(load_4(at), load_4(end - 4));
        return id_bytes_ok(_mm_unpacklo_epi64(both, both));
    }
#endif
    for (; at < end; at++)
        if (!id_byte_ok(*at))
            return false;
    return true;
}

/*
 * The event's own id as far as it can be told, for the tool to find it again. Of one that holds a
 * NUL only the part before it could be told, which may be the id of another event: then none is.
 */
static struct slice own_id(const struct judging *j)
{
    static const enum event_field guesses[] = {FIELD_REFUND_ID, FIELD_ORDER_ID};
    size_t count = j->type ? 1 : sizeof guesses / sizeof *guesses;
    for (size_t i = 0; i < count; i++) {
        enum event_field field = j->type ? j->type->own_id : guesses[i];
        if (!event_fields_have(j->fields, field) || j->fields->values[field].kind != JSON_STRING)
            continue;
        struct slice id = event_value_text(&j->fields->values[field]);
        return memchr(id.data, '\0', id.size) ? (struct slice){NULL, 0} : id;
    }
    return (struct slice){NULL, 0};
}

/* A rejection of what a field holds: "<field> must be <expected>, got <value>". */
static bool reject_value(const struct judging *j, enum rejection_code code, enum event_field field,
                         const char *expected)
{
    char value[EVENT_VALUE_TEXT_BYTES];
    const char *name = event_field_names[field].data;
    event_value_describe(&j->fields->values[field], value);
    rejection_set(message_reject(j->message, j->index), code, name, own_id(j),
                  "%s must be %s, got %s", name, expected, value);
    return false;
}

static bool check_county(const struct judging *j, uint32_t *ret_county)
{
    const struct event_value *value = &j->fields->values[FIELD_COUNTY];
    struct slice text = event_value_text(value);
    uint32_t code;
    if (!county_read_digits(text, &code))
        return reject_value(j, REJECT_BAD_COUNTY, FIELD_COUNTY,
                            value->kind == JSON_INT ? "a 6-digit county code in quotes"
                                                    : "a 6-digit county code");
    uint32_t county = county_resolve(j->rules->counties, code);
    if (county == 0) {
        const char *expected = !county_province_known(code / 10000) ? "in a known province"
                               : code % 100 == 0 ? "a county, not a province or prefecture"
                                                 : "in the list of counties";
        return reject_value(j, REJECT_BAD_COUNTY, FIELD_COUNTY, expected);
    }
    *ret_county = county;
    return true;
}

static bool check_currency(const struct judging *j)
{
    const struct event_value *value = &j->fields->values[FIELD_CURRENCY];
    struct slice text = event_value_text(value);
    bool form = value->kind == JSON_STRING && text.size == 3;
    for (size_t i = 0; form && i < 3; i++)
        form = text.data[i] >= 'A' && text.data[i] <= 'Z';
    if (!form)
        return reject_value(j, REJECT_BAD_FIELD, FIELD_CURRENCY,
                            "an ISO 4217 code of three capital letters");
    if (slice_equal(text, slice_of(j->rules->currency)))
        return true;
    rejection_set(message_reject(j->message, j->index), REJECT_CURRENCY_MISMATCH, "currency",
                  own_id(j), "currency is %.*s, but everything here is counted in %s",
                  SLICE_ARG(text), j->rules->currency);
    return false;
}

static bool check_int(const struct judging *j, const struct field_rule *rule, int64_t *ret_value)
{
    const struct event_value *value = &j->fields->values[rule->field];
    if (value->kind != JSON_INT || value->integer < rule->min || value->integer > rule->max) {
        char expected[80];
        snprintf(expected, sizeof expected, "an integer from %" PRId64 " to %" PRId64, rule->min,
                 rule->max);
        return reject_value(j, rule->code, rule->field, expected);
    }
    *ret_value = value->integer;
    return true;
}

/* Form and range of one stated field; fills its place in the event. */
static bool check_field(const struct judging *j, const struct field_rule *rule, struct event *event)
{
    const struct event_value *value = &j->fields->values[rule->field];
    void *place = (char *)event + rule->offset;
    struct slice text = {NULL, 0};
    if (value->kind == JSON_STRING)
        text = event_value_text(value);

    switch (rule->form) {
    case FORM_ID:
        if (!id_ok(text))
            return reject_value(j, rule->code, rule->field,
                                "a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -");
        *(struct slice *)place = text;
        break;
    case FORM_NAME:
        if (!text.data || text.size > NAME_MAX_BYTES || !utf8_no_controls(text))
            return reject_value(j, rule->code, rule->field,
                                "text of at most 128 bytes without control characters");
        *(struct slice *)place = text;
        break;
    case FORM_COUNTY:
        if (!check_county(j, &event->county))
            return false;
        break;
    case FORM_CURRENCY:
        if (!check_currency(j))
            return false;
        break;
    case FORM_INT:
        if (!check_int(j, rule, place))
            return false;
        break;
    }
    event->stated |= rule->stated;
    return true;
}

static bool reject_missing(const struct judging *j, enum event_field field, const char *besides)
{
    const char *name = event_field_names[field].data;
    const char *article = j->type == &types[EVENT_ORDER] ? "an" : "a";
    rejection_set(message_reject(j->message, j->index), REJECT_MISSING_FIELD, name, own_id(j),
                  "%s %s needs %s%s", article, j->type->name.data, name, besides);
    return false;
}

/* An order's host may be left out when its session says it. */
static inline bool is_needed(const struct judging *j, const struct field_rule *rule)
{
    return rule->required || (rule->field == FIELD_HOST_ID && j->type == &types[EVENT_ORDER] &&
                              !event_fields_have(j->fields, FIELD_SESSION_ID));
}

/* Of a field that is_needed(). */
static bool reject_needed(const struct judging *j, const struct field_rule *rule)
{
    return reject_missing(j, rule->field,
                          rule->required ? "" : ", or the session_id of a known session");
}

static bool check_time(const struct judging *j, int64_t time_ms)
{
    if (time_ms > j->now_ms + j->rules->future_ms) {
        rejection_set(message_reject(j->message, j->index), REJECT_TIME_IN_FUTURE, "time",
                      own_id(j), "time is %" PRId64 " ms ahead of the server, more than %" PRId64,
                      time_ms - j->now_ms, j->rules->future_ms);
        return false;
    }
    if (j->type->counts && time_ms < j->now_ms - j->rules->keep_ms) {
        rejection_set(message_reject(j->message, j->index), REJECT_TOO_OLD, "time", own_id(j),
                      "time is %" PRId64 " ms ago, more than %" PRId64, j->now_ms - time_ms,
                      j->rules->keep_ms);
        return false;
    }
    return true;
}

static bool find_type(struct judging *j, enum event_type *ret_type)
{
    const struct event_value *value = &j->fields->values[FIELD_TYPE];
    if (!event_fields_have(j->fields, FIELD_TYPE)) {
        rejection_set(message_reject(j->message, j->index), REJECT_MISSING_FIELD, "type", own_id(j),
                      "an event needs type");
        return false;
    }
    for (int type = 0; value->kind == JSON_STRING && type < EVENT_TYPE_COUNT; type++) {
        if (!slice_equal(event_value_text(value), types[type].name))
            continue;
        j->type = &types[type];
        *ret_type = (enum event_type)type;
        return true;
    }
    return reject_value(j, REJECT_BAD_TYPE, FIELD_TYPE,
                        "\"order\", \"refund\", \"session\", \"product\" or \"host\"");
}

bool event_judge(const struct event_fields *fields, const struct event_rules *rules, int64_t now_ms,
                 struct message *message, uint32_t index, struct event *ret_event)
{
    struct judging j = {
        .fields = fields, .rules = rules, .message = message, .index = index, .now_ms = now_ms};
    *ret_event = (struct event){.index = index, .time_ms = now_ms};

    if (!find_type(&j, &ret_event->type))
        return false;
    const struct field_rule *missing = NULL;
    for (size_t i = 0; i < j.type->count; i++) {
        const struct field_rule *rule = &j.type->rules[i];
        if (!event_fields_have(fields, rule->field)) {
            if (!missing && is_needed(&j, rule))
                missing = rule;
        } else if (!check_field(&j, rule, ret_event)) {
            return false;
        }
    }
    if (missing)
        return reject_needed(&j, missing);
    return check_time(&j, ret_event->time_ms);
}
