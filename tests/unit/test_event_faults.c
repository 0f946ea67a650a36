/* One event with a fault: each is answered with its code, its field and a sentence. */
#include "event_fixture.h"
#include "livetally/json.h"

/* Fields of a good order, each of which a case may replace. */
static void write_order(struct buffer *out, const char *field, const char *value)
{
    static const char *const fields[][2] = {
        {"type", "\"order\""},   {"order_id", "\"o1\""},    {"host_id", "\"h\""},
        {"session_id", "\"s\""}, {"product_id", "\"p\""},   {"county", "\"422828\""},
        {"platform", "\"dy\""},  {"quantity", "1"},         {"amount", "100"},
        {"currency", "\"CNY\""}, {"time", "1760000000000"},
    };
    buffer_reset(out);
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        bool replaced = strcmp(fields[i][0], field) == 0;
        if (replaced && !value)
            continue;
        json_write_key(out, fields[i][0]);
        buffer_append_text(out, replaced ? value : fields[i][1]);
    }
    buffer_append_byte(out, '}');
}

#define LONG_ID_64 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff6789"

static void test_order_faults(void **state)
{
    (void)state;
    static const struct {
        const char *field, *value; /* NULL: left out */
        enum rejection_code code;
        const char *id, *error;
    } cases[] = {
        {"type", NULL, REJECT_MISSING_FIELD, "o1", "an event needs type"},
        {"type", "\"ordr\"", REJECT_BAD_TYPE, "o1",
         "type must be \"order\", \"refund\", \"session\", \"product\" or \"host\", got \"ordr\""},
        {"type", "1", REJECT_BAD_TYPE, "o1",
         "type must be \"order\", \"refund\", \"session\", \"product\" or \"host\", got 1"},
        {"order_id", NULL, REJECT_MISSING_FIELD, "", "an order needs order_id"},
        {"order_id", "\"\"", REJECT_BAD_FIELD, "",
         "order_id must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got \"\""},
        {"order_id", "\"" LONG_ID_64 "5\"", REJECT_BAD_FIELD, LONG_ID_64,
         "order_id must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got \"" LONG_ID_64
         "…\""},
        {"order_id", "6917", REJECT_BAD_FIELD, "",
         "order_id must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got 6917"},
        {"order_id", "\"a b\"", REJECT_BAD_FIELD, "a b",
         "order_id must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got \"a b\""},
        {"order_id", "\"a\\u0000b\"", REJECT_BAD_FIELD, "", /* not "a", which is another's */
         "order_id must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got \"a\\u0000b\""},
        {"order_id", "null", REJECT_BAD_FIELD, "",
         "order_id must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got null"},
        {"host_id", "[1]", REJECT_BAD_FIELD, "o1",
         "host_id must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got an array"},
        {"session_id", "{\"a\":[]}", REJECT_BAD_FIELD, "o1",
         "session_id must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got an object"},
        {"product_id", NULL, REJECT_MISSING_FIELD, "o1", "an order needs product_id"},
        {"product_id", "true", REJECT_BAD_FIELD, "o1",
         "product_id must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got true"},
        {"platform", "\"抖音\"", REJECT_BAD_FIELD, "o1",
         "platform must be a string of 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -, got \"抖音\""},
        {"county", "\"42\"", REJECT_BAD_COUNTY, "o1",
         "county must be a 6-digit county code, got \"42\""},
        {"county", "\"42282x\"", REJECT_BAD_COUNTY, "o1",
         "county must be a 6-digit county code, got \"42282x\""},
        {"county", "422828", REJECT_BAD_COUNTY, "o1",
         "county must be a 6-digit county code in quotes, got 422828"},
        {"county", "\"992828\"", REJECT_BAD_COUNTY, "o1",
         "county must be in a known province, got \"992828\""},
        {"county", "\"422800\"", REJECT_BAD_COUNTY, "o1",
         "county must be a county, not a province or prefecture, got \"422800\""},
        {"quantity", NULL, REJECT_MISSING_FIELD, "o1", "an order needs quantity"},
        {"quantity", "0", REJECT_BAD_QUANTITY, "o1",
         "quantity must be an integer from 1 to 100000, got 0"},
        {"quantity", "100001", REJECT_BAD_QUANTITY, "o1",
         "quantity must be an integer from 1 to 100000, got 100001"},
        {"quantity", "1.0", REJECT_BAD_QUANTITY, "o1",
         "quantity must be an integer from 1 to 100000, got 1.0"},
        {"quantity", "\"1\"", REJECT_BAD_QUANTITY, "o1",
         "quantity must be an integer from 1 to 100000, got \"1\""},
        {"amount", NULL, REJECT_MISSING_FIELD, "o1", "an order needs amount"},
        {"amount", "-1", REJECT_BAD_AMOUNT, "o1",
         "amount must be an integer from 0 to 10000000000, got -1"},
        {"amount", "10000000001", REJECT_BAD_AMOUNT, "o1",
         "amount must be an integer from 0 to 10000000000, got 10000000001"},
        {"amount", "1e3", REJECT_BAD_AMOUNT, "o1",
         "amount must be an integer from 0 to 10000000000, got 1e3"},
        {"amount", "99999999999999999999", REJECT_BAD_AMOUNT, "o1",
         "amount must be an integer from 0 to 10000000000, got 99999999999999999999"},
        {"amount", "null", REJECT_BAD_AMOUNT, "o1",
         "amount must be an integer from 0 to 10000000000, got null"},
        {"currency", "\"USD\"", REJECT_CURRENCY_MISMATCH, "o1",
         "currency is USD, but everything here is counted in CNY"},
        {"currency", "\"cny\"", REJECT_BAD_FIELD, "o1",
         "currency must be an ISO 4217 code of three capital letters, got \"cny\""},
        {"currency", "156", REJECT_BAD_FIELD, "o1",
         "currency must be an ISO 4217 code of three capital letters, got 156"},
        {"time", "-1", REJECT_BAD_FIELD, "o1",
         "time must be an integer from 0 to 253402300799999, got -1"},
        {"time", "253402300800000", REJECT_BAD_FIELD, "o1",
         "time must be an integer from 0 to 253402300799999, got 253402300800000"},
        {"time", "\"2025\"", REJECT_BAD_FIELD, "o1",
         "time must be an integer from 0 to 253402300799999, got \"2025\""},
        {"time", "1760000300001", REJECT_TIME_IN_FUTURE, "o1",
         "time is 300001 ms ahead of the server, more than 300000"},
        {"time", "1757407999999", REJECT_TOO_OLD, "o1",
         "time is 2592000001 ms ago, more than 2592000000"},
    };
    struct message message;
    struct buffer text = BUFFER_INIT;
    message_init(&message);
    write_order(&text, "", NULL);
    accept(&message, buffer_cstr(&text));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_order(&text, cases[i].field, cases[i].value);
        parse(&message, buffer_cstr(&text));
        if (message.rejection_count != 1)
            fail_msg("accepted: %s", buffer_cstr(&text));
        const struct rejection *rejection = &message.rejections[0];
        assert_string_equal(rejection->error, cases[i].error);
        assert_int_equal(rejection->code, cases[i].code);
        assert_string_equal(rejection->field, cases[i].field);
        assert_string_equal(rejection->id, cases[i].id);
        assert_int_equal(rejection->index, 0);
    }
    /* Bounds that are still good. */
    static const char *const good[][2] = {
        {"order_id", "\"" LONG_ID_64 "\""},
        {"order_id", "\"AZaz09._~:@-\""},
        {"time", "1760000300000"},
        {"time", "1757408000000"},
        {"quantity", "100000"},
        {"amount", "10000000000"},
        {"amount", "-0"},
        {"county", "\"659001\""},
        {"host_id", NULL},
        {"session_id", NULL},
        {"county", NULL},
        {"platform", NULL},
        {"currency", NULL},
        {"time", NULL},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        write_order(&text, good[i][0], good[i][1]);
        accept(&message, buffer_cstr(&text));
    }
    buffer_done(&text);
    message_done(&message);
}

static void test_other_faults(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum rejection_code code;
        const char *field, *id, *error;
    } cases[] = {
        {"{}", REJECT_MISSING_FIELD, "type", "", "an event needs type"},
        {"{\"type\":\"order\",\"order_id\":\"1\",\"product_id\":\"p\",\"quantity\":1,\"amount\":1}",
         REJECT_MISSING_FIELD, "host_id", "1",
         "an order needs host_id, or the session_id of a known session"},
        {"{\"type\":\"auth\",\"token\":\"x\"}", REJECT_BAD_TYPE, "type", "",
         "type must be \"order\", \"refund\", \"session\", \"product\" or \"host\", got \"auth\""},
        {"{\"type\":\"refunds\",\"refund_id\":\"r\",\"order_id\":\"o\"}", REJECT_BAD_TYPE, "type",
         "r",
         "type must be \"order\", \"refund\", \"session\", \"product\" or \"host\", got "
         "\"refunds\""},
        {"{\"type\":\"refund\",\"refund_id\":\"r\",\"order_id\":\"o\"}", REJECT_MISSING_FIELD,
         "amount", "r", "a refund needs amount"},
        {"{\"type\":\"refund\",\"order_id\":\"o\",\"amount\":1}", REJECT_MISSING_FIELD, "refund_id",
         "", "a refund needs refund_id"},
        {"{\"type\":\"refund\",\"refund_id\":\"r\",\"amount\":1}", REJECT_MISSING_FIELD, "order_id",
         "r", "a refund needs order_id"},
        {"{\"type\":\"refund\",\"refund_id\":\"r\",\"order_id\":\"o\",\"amount\":0}",
         REJECT_BAD_AMOUNT, "amount", "r",
         "amount must be an integer from 1 to 10000000000, got 0"},
        {"{\"type\":\"refund\",\"refund_id\":\"r\",\"order_id\":\"o\",\"amount\":10000000001}",
         REJECT_BAD_AMOUNT, "amount", "r",
         "amount must be an integer from 1 to 10000000000, got 10000000001"},
        {"{\"type\":\"refund\",\"refund_id\":\"r\",\"order_id\":\"o\",\"amount\":1,\"quantity\":-"
         "1}",
         REJECT_BAD_QUANTITY, "quantity", "r",
         "quantity must be an integer from 0 to 100000, got -1"},
        {"{\"type\":\"refund\",\"refund_id\":\"r\",\"order_id\":\"o\",\"amount\":1,\"time\":0}",
         REJECT_TOO_OLD, "time", "r", "time is 1760000000000 ms ago, more than 2592000000"},
        {"{\"type\":\"session\",\"session_id\":\"s\"}", REJECT_MISSING_FIELD, "host_id", "s",
         "a session needs host_id"},
        {"{\"type\":\"session\",\"host_id\":\"h\"}", REJECT_MISSING_FIELD, "session_id", "",
         "a session needs session_id"},
        {"{\"type\":\"session\",\"session_id\":\"s\",\"host_id\":\"h\",\"goal\":9007199254740992}",
         REJECT_BAD_FIELD, "goal", "s",
         "goal must be an integer from 0 to 9007199254740991, got 9007199254740992"},
        {"{\"type\":\"session\",\"session_id\":\"s\",\"host_id\":\"h\",\"starts_at\":-1}",
         REJECT_BAD_FIELD, "starts_at", "s",
         "starts_at must be an integer from 0 to 253402300799999, got -1"},
        {"{\"type\":\"session\",\"session_id\":\"s\",\"host_id\":\"h\",\"title\":\"a\\tb\"}",
         REJECT_BAD_FIELD, "title", "s",
         "title must be text of at most 128 bytes without control characters, got \"a\\tb\""},
        {"{\"type\":\"session\",\"session_id\":\"s\",\"host_id\":\"h\",\"time\":1760000300001}",
         REJECT_TIME_IN_FUTURE, "time", "s",
         "time is 300001 ms ahead of the server, more than 300000"},
        {"{\"type\":\"product\",\"name\":\"tea\"}", REJECT_MISSING_FIELD, "product_id", "",
         "a product needs product_id"},
        {"{\"type\":\"product\",\"product_id\":\"p\",\"county\":\"1\"}", REJECT_BAD_COUNTY,
         "county", "p", "county must be a 6-digit county code, got \"1\""},
        {"{\"type\":\"product\",\"product_id\":\"p\",\"unit\":null}", REJECT_BAD_FIELD, "unit", "p",
         "unit must be text of at most 128 bytes without control characters, got null"},
        {"{\"type\":\"host\",\"name\":\"x\"}", REJECT_MISSING_FIELD, "host_id", "",
         "a host needs host_id"},
        {"{\"type\":\"host\",\"host_id\":\"h\",\"name\":7}", REJECT_BAD_FIELD, "name", "h",
         "name must be text of at most 128 bytes without control characters, got 7"},
        /* Several faults: the table's order decides, a form before a lack, a lack before time. */
        {"{\"amount\":-1,\"quantity\":0,\"time\":0,\"type\":\"order\",\"order_id\":\"1\"}",
         REJECT_BAD_QUANTITY, "quantity", "1",
         "quantity must be an integer from 1 to 100000, got 0"},
        {"{\"type\":\"order\",\"order_id\":\"1\",\"time\":0}", REJECT_MISSING_FIELD, "host_id", "1",
         "an order needs host_id, or the session_id of a known session"},
        {"{\"type\":\"order\",\"currency\":\"USD\"}", REJECT_CURRENCY_MISMATCH, "currency", "",
         "currency is USD, but everything here is counted in CNY"},
    };
    struct message message;
    message_init(&message);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parse(&message, cases[i].text);
        if (message.rejection_count != 1)
            fail_msg("accepted: %s", cases[i].text);
        const struct rejection *rejection = &message.rejections[0];
        assert_string_equal(rejection->error, cases[i].error);
        assert_int_equal(rejection->code, cases[i].code);
        assert_string_equal(rejection->field, cases[i].field);
        assert_string_equal(rejection->id, cases[i].id);
    }
    message_done(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_faults),
        cmocka_unit_test(test_other_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
