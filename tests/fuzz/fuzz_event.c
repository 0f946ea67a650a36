/*
 * The event decoder against the slow one: for any message both must see the same events, with the
 * same values, and reject the same ones for the same reason. And whatever is answered is JSON.
 */
#include <stddef.h>

#include "fuzz.h"
#include "slow_event.h"

#define NOW_MS    INT64_C(1760000000000)
#define FUTURE_MS INT64_C(300000)
#define KEEP_MS   INT64_C(2592000000)

static const struct slow_county listed[] = {
    {"422828", "422828"}, {"422801", "422801"}, {"110101", "110101"},
    {"820101", "820101"}, {"110103", "110101"}, {NULL, NULL},
};

#define COUNTIES SLICE("code\n422828\n422801\n110101\n820101\n")
#define ALIASES  SLICE("old_code,primary_code\n110103,110101\n")

/* Where a field stands in struct event; those not listed by the event's type must be absent. */
static const struct {
    const char *name;
    size_t offset;
} slices[] = {
    {"order_id", offsetof(struct event, order_id)},
    {"refund_id", offsetof(struct event, refund_id)},
    {"host_id", offsetof(struct event, host_id)},
    {"session_id", offsetof(struct event, session_id)},
    {"product_id", offsetof(struct event, product_id)},
    {"platform", offsetof(struct event, platform)},
    {"unit", offsetof(struct event, unit)},
};

static const struct {
    const char *name;
    uint32_t stated;
    size_t offset;
} numbers[] = {
    {"quantity", EVENT_HAS_QUANTITY, offsetof(struct event, quantity)},
    {"amount", EVENT_HAS_AMOUNT, offsetof(struct event, amount)},
    {"time", EVENT_HAS_TIME, offsetof(struct event, time_ms)},
    {"starts_at", EVENT_HAS_STARTS_AT, offsetof(struct event, starts_at_ms)},
    {"ends_at", EVENT_HAS_ENDS_AT, offsetof(struct event, ends_at_ms)},
    {"goal", EVENT_HAS_GOAL, offsetof(struct event, goal)},
};

/* What the event says of a field of its type, or NULL. */
static const json_t *stated(const struct slow_verdict *verdict, const char *name)
{
    for (const struct slow_field *field = verdict->type->fields; field->name; field++)
        if (strcmp(field->name, name) == 0)
            return json_object_get(verdict->event, name);
    return NULL;
}

static void check_slice(struct slice slice, const json_t *value, const char *name)
{
    if (!value) {
        REQUIRE(!slice.data, "%s is \"%.*s\", but absent", name, SLICE_ARG(slice));
        return;
    }
    struct slice expected = {json_string_value(value), json_string_length(value)};
    REQUIRE(slice.data && slice_equal(slice, expected), "%s is \"%.*s\" instead of \"%.*s\"", name,
            SLICE_ARG(slice), SLICE_ARG(expected));
}

static void check_event(const struct event *event, const struct slow_verdict *verdict,
                        const struct slow_rules *rules)
{
    const json_t *county = stated(verdict, "county");
    const json_t *name = stated(verdict, "name");
    uint32_t bits = county ? EVENT_HAS_COUNTY : 0;

    REQUIRE(event->index == verdict->index, "event %u is number %u", verdict->index, event->index);
    REQUIRE((size_t)event->type == (size_t)(verdict->type - slow_types), "another type");
    for (size_t i = 0; i < sizeof(slices) / sizeof(*slices); i++) {
        struct slice slice;
        memcpy(&slice, (const char *)event + slices[i].offset, sizeof(slice));
        check_slice(slice, stated(verdict, slices[i].name), slices[i].name);
    }
    check_slice(event->name, name ? name : stated(verdict, "title"), "name");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        const json_t *value = stated(verdict, numbers[i].name);
        int64_t expected = value                                 ? json_integer_value(value)
                           : numbers[i].stated == EVENT_HAS_TIME ? NOW_MS
                                                                 : 0;
        int64_t number;
        memcpy(&number, (const char *)event + numbers[i].offset, sizeof(number));
        REQUIRE(number == expected, "%s is %lld instead of %lld", numbers[i].name,
                (long long)number, (long long)expected);
        bits |= value ? numbers[i].stated : 0;
    }
    REQUIRE(event->stated == bits, "states %#x instead of %#x", event->stated, bits);
    REQUIRE(event->county == (county ? (uint32_t)strtoul(slow_county(rules, county), NULL, 10) : 0),
            "counts in %u", event->county);
}

/* The answer that the rejection becomes is JSON, and says the same. */
static void check_answer(const struct rejection *rejection)
{
    struct buffer out = BUFFER_INIT;
    json_error_t error;

    rejection_write(&out, 1, rejection);
    json_t *answer = json_loadb(out.data, out.size, JANSSON_FLAGS, &error);
    REQUIRE(answer, "the rejection is no JSON: %s", error.text);
    const char *code = json_string_value(json_object_get(answer, "code"));
    const char *sentence = json_string_value(json_object_get(answer, "error"));
    REQUIRE(code && strcmp(code, rejection_code_name(rejection->code)) == 0, "another code");
    REQUIRE(sentence && strcmp(sentence, rejection->error) == 0 && *sentence,
            "the sentence is not UTF-8: %s", rejection->error);
    json_decref(answer);
    buffer_done(&out);
}

static void check_rejection(const struct rejection *rejection, const struct slow_verdict *verdict)
{
    const char *code = rejection_code_name(rejection->code);
    const char *field = rejection->field ? rejection->field : "nothing";
    const char *expected_field = verdict->field ? verdict->field : "nothing";
    char id[REJECTION_ECHO_BYTES + 1] = "";

    REQUIRE(verdict->code, "event %u is rejected: %s", verdict->index, rejection->error);
    REQUIRE(rejection->index == verdict->index, "event %u is number %u", verdict->index,
            rejection->index);
    REQUIRE(strcmp(code, verdict->code) == 0 && strcmp(field, expected_field) == 0,
            "event %u is %s of %s instead of %s of %s: %s", verdict->index, code, field,
            verdict->code, expected_field, rejection->error);
    /* An id that holds NUL is none, and what stands before it may be somebody else's. */
    if (verdict->id && !memchr(verdict->id, '\0', verdict->id_size))
        rejection_echo(id, (struct slice){verdict->id, verdict->id_size});
    REQUIRE(strcmp(rejection->id, id) == 0, "the id is \"%s\" instead of \"%s\"", rejection->id,
            id);
    check_answer(rejection);
}

/* Reading stops at the array's event that is one too many, so what follows it may be anything. */
static bool stopped_early(const struct message *message, struct slice text)
{
    size_t commas = 0;

    for (size_t i = 0; i < text.size; i++)
        commas += text.data[i] == ',';
    return message->rejection_count == 1 && message->rejections[0].code == REJECT_BATCH_TOO_LARGE &&
           commas >= MESSAGE_EVENTS_MAX;
}

static void compare(struct message *message, struct slow_message *slow, struct slice text,
                    const struct slow_rules *rules)
{
    uint32_t events = 0, rejections = 0;

    slow_parse(slow, rules, text);
    if (!slow->unknown && !stopped_early(message, text)) {
        REQUIRE(slow->count == message->event_count + message->rejection_count,
                "%u events and %u rejections instead of %u in all", message->event_count,
                message->rejection_count, slow->count);
        for (uint32_t i = 0; i < slow->count; i++) {
            const struct slow_verdict *verdict = &slow->verdicts[i];
            bool good =
                events < message->event_count && message->events[events].index == verdict->index;
            if (good) {
                REQUIRE(!verdict->code, "event %u should be %s of %s", verdict->index,
                        verdict->code, verdict->field ? verdict->field : "nothing");
                check_event(&message->events[events++], verdict, rules);
            } else {
                REQUIRE(rejections < message->rejection_count, "event %u is lost", verdict->index);
                check_rejection(&message->rejections[rejections++], verdict);
            }
        }
    }
    slow_reset(slow);
}

static void check_auth(struct slice text)
{
    bool unknown = false;
    json_t *value = slow_load(text, &unknown);
    const json_t *type = json_object_get(value, "type");
    bool expected = json_is_string(type) && json_string_length(type) == 4 &&
                    strcmp(json_string_value(type), "auth") == 0;

    REQUIRE(unknown || message_is_auth(text) == expected, "auth or not?");
    json_decref(value);
}

/* The list is a quarter of a megabyte: made once. */
static const struct county_list *county_list(void)
{
    static struct county_list *list;

    REQUIRE(list || county_list_parse(COUNTIES, ALIASES, &list, NULL) == 0, "the county list");
    return list;
}

/* An odd number of bytes is judged with a list of counties, an even one without. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool with_list = size % 2;
    const struct event_rules rules = {with_list ? county_list() : NULL, "CNY", FUTURE_MS, KEEP_MS,
                                      0};
    const struct slow_rules slow_rules = {with_list ? listed : NULL, "CNY", NOW_MS, FUTURE_MS,
                                          KEEP_MS};
    struct slice text = fuzz_text(data, size);
    struct message message;
    struct slow_message *slow = mem_alloc(sizeof(*slow));

    message_init(&message);
    buffer_append_slice(&message.text, text);
    message_parse(&message, &rules, NOW_MS);
    compare(&message, slow, text, &slow_rules);
    check_auth(text);
    message_done(&message);
    free(slow);
    return 0;
}
