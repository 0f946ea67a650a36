/* Which claims are good and what they grant; and tokens as we mint them. */
#include "token_world.h"

#define GOOD "{\"exp\":1800000100,\"scope\":\"view\"}"

static int make_world(void **state)
{
    *state = world_new();
    return 0;
}

static int free_world(void **state)
{
    world_free(*state);
    return 0;
}

static void assert_claims_refused(const struct token_world *world, const char *payload,
                                  enum token_fault fault, const char *claim)
{
    assert_refused(world->keyring, signed_token(world, KEY_HS256, payload), NOW_MS, fault, claim);
}

static void assert_claims_good(const struct token_world *world, const char *payload)
{
    assert_good(world->keyring, signed_token(world, KEY_HS256, payload), NOW_MS);
}

/* --- good ones ---------------------------------------------------------------------------- */

static void test_every_algorithm(void **state)
{
    const struct token_world *world = *state;
    for (int how = 0; how < KEY_ALGORITHM_COUNT; how++)
        for (int i = 0; i < 20; i++) /* signatures of ES256 differ each time, in their length too */
            assert_good(world->keyring, signed_token(world, (enum key_algorithm)how, GOOD), NOW_MS);
}

static void test_what_is_granted(void **state)
{
    const struct token_world *world = *state;
    struct buffer token =
        signed_token(world, KEY_HS256,
                     "{\"scope\":\"ingest view\",\"exp\":1800000100,\"hosts\":[\"ling\",\"w\\u0061"
                     "ng\"],\"topics\":[\"total\",\"top/*\"],\"sub\":\"tool-7\",\"iat\":1,\"x\":[{}"
                     "]}");
    struct grant *grant = verified(world->keyring, buffer_slice(&token), NOW_MS);
    assert_true(grant_may_post(grant, SLICE("ling")));
    assert_true(grant_may_post(grant, SLICE("wang")));
    assert_false(grant_may_post(grant, SLICE("zhou")));
    assert_true(grant_may_view(grant, SLICE("top/hosts")));
    assert_false(grant_may_view(grant, SLICE("ticker")));
    assert_false(grant_has(grant, GRANT_ADMIN));
    assert_string_equal(grant_subject(grant), "tool-7");
    assert_int_equal(grant_expires_ms(grant), (NOW_S + 160) * 1000);
    assert_true(keyring_holds(world->keyring, grant_key_id(grant)));
    grant_unref(grant);
    buffer_done(&token);
}

static void test_without_lists_everything_of_the_scope(void **state)
{
    const struct token_world *world = *state;
    struct buffer token =
        signed_token(world, KEY_HS256, "{\"scope\":\"ingest\",\"exp\":1800000100}");
    struct grant *grant = verified(world->keyring, buffer_slice(&token), NOW_MS);
    assert_true(grant_may_post(grant, SLICE("anybody")));
    assert_false(grant_limits_hosts(grant));
    assert_false(grant_may_view(grant, SLICE("total")));
    grant_unref(grant);
    buffer_done(&token);
}

static void test_an_empty_list_is_nobody(void **state)
{
    const struct token_world *world = *state;
    struct buffer token =
        signed_token(world, KEY_HS256,
                     "{\"scope\":\"ingest view\",\"exp\":1800000100,\"hosts\":[],\"topics\":[]}");
    struct grant *grant = verified(world->keyring, buffer_slice(&token), NOW_MS);
    assert_false(grant_may_post(grant, SLICE("ling")));
    assert_false(grant_may_view(grant, SLICE("total")));
    grant_unref(grant);
    buffer_done(&token);
}

/* Two tokens differ in their id, the same one has the same: also when it is signed again. */
static void test_its_identity(void **state)
{
    const struct token_world *world = *state;
    struct buffer token = signed_token(world, KEY_ES256, GOOD);
    struct buffer again = signed_token(world, KEY_ES256, GOOD);
    struct buffer other = signed_token(world, KEY_ES256, "{\"exp\":1800000101,\"scope\":\"view\"}");
    struct grant *a = verified(world->keyring, buffer_slice(&token), NOW_MS);
    struct grant *b = verified(world->keyring, buffer_slice(&again), NOW_MS);
    struct grant *c = verified(world->keyring, buffer_slice(&other), NOW_MS);
    assert_false(slice_equal(buffer_slice(&token), buffer_slice(&again)));
    assert_int_equal(grant_token_id(a), grant_token_id(b));
    assert_int_not_equal(grant_token_id(a), grant_token_id(c));
    grant_unref(a);
    grant_unref(b);
    grant_unref(c);
    buffer_done(&token);
    buffer_done(&again);
    buffer_done(&other);
}

/* --- times -------------------------------------------------------------------------------- */

static void test_expiry_and_its_leeway(void **state)
{
    const struct token_world *world = *state;
    int64_t end_ms = (NOW_S + 100) * 1000 + 60000;
    assert_good(world->keyring, signed_token(world, KEY_HS256, GOOD), end_ms - 1);
    assert_refused(world->keyring, signed_token(world, KEY_HS256, GOOD), end_ms, TOKEN_EXPIRED,
                   NULL);
    assert_refused(world->keyring, signed_token(world, KEY_HS256, GOOD), INT64_MAX, TOKEN_EXPIRED,
                   NULL);
    assert_claims_refused(world, "{\"exp\":0,\"scope\":\"view\"}", TOKEN_EXPIRED, NULL);
    assert_claims_good(world, "{\"exp\":253402300799,\"scope\":\"view\"}");
}

static void test_its_beginning_and_its_leeway(void **state)
{
    const struct token_world *world = *state;
    const char *later = "{\"exp\":1800009999,\"nbf\":1800000100,\"scope\":\"view\"}";
    int64_t start_ms = (NOW_S + 100) * 1000 - 60000;
    assert_refused(world->keyring, signed_token(world, KEY_HS256, later), start_ms - 1,
                   TOKEN_NOT_YET_VALID, NULL);
    assert_good(world->keyring, signed_token(world, KEY_HS256, later), start_ms);
    assert_claims_good(world, "{\"exp\":1800000100,\"nbf\":0,\"scope\":\"view\"}");
}

/* --- claims ------------------------------------------------------------------------------- */

static void test_what_is_missing(void **state)
{
    const struct token_world *world = *state;
    assert_claims_refused(world, "{\"scope\":\"view\"}", TOKEN_MISSING_CLAIM, "exp");
    assert_claims_refused(world, "{\"scope\":\"view\",\"nbf\":1,\"iat\":2}", TOKEN_MISSING_CLAIM,
                          "exp");
    assert_claims_refused(world, "{\"exp\":1800000100}", TOKEN_MISSING_CLAIM, "scope");
    assert_claims_refused(world, "{}", TOKEN_MISSING_CLAIM, "exp");
}

static void test_times_that_are_none(void **state)
{
    const struct token_world *world = *state;
    static const char *const bad[] = {
        "-1",
        "\"1800000100\"",
        "1800000100.0",
        "1800000100.5",
        "1.8e9",
        "18e8",
        "null",
        "253402300800",
        "true",
        "[1800000100]",
        "{}",
        "9223372036854775807",
        "1e99",
        "18446744073709551616",
        "-9223372036854775808",
    };
    char payload[128];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(payload, sizeof(payload), "{\"exp\":%s,\"scope\":\"view\"}", bad[i]);
        assert_claims_refused(world, payload, TOKEN_BAD_CLAIM, "exp");
        snprintf(payload, sizeof(payload), "{\"exp\":1800000100,\"nbf\":%s,\"scope\":\"view\"}",
                 bad[i]);
        assert_claims_refused(world, payload, TOKEN_BAD_CLAIM, "nbf");
    }
}

static void test_claims_of_the_wrong_form(void **state)
{
    const struct token_world *world = *state;
    static const struct {
        const char *text;
        const char *claim;
    } bad[] = {
        {"\"scope\":\"\"", "scope"},
        {"\"scope\":\"everything\"", "scope"},
        {"\"scope\":\"view everything\"", "scope"},
        {"\"scope\":[\"view\"]", "scope"},
        {"\"scope\":null", "scope"},
        {"\"scope\":\"view\",\"hosts\":\"ling\"", "hosts"},
        {"\"scope\":\"view\",\"hosts\":null", "hosts"},
        {"\"scope\":\"view\",\"hosts\":{}", "hosts"},
        {"\"scope\":\"view\",\"hosts\":[[\"ling\"]]", "hosts"},
        {"\"scope\":\"view\",\"hosts\":[\"ling\",7]", "hosts"},
        {"\"scope\":\"view\",\"hosts\":[\"*\"]", "hosts"},
        {"\"scope\":\"view\",\"hosts\":[\"\"]", "hosts"},
        {"\"scope\":\"view\",\"topics\":\"total\"", "topics"},
        {"\"scope\":\"view\",\"topics\":[[[\"total\"]]]", "topics"},
        {"\"scope\":\"view\",\"topics\":[null]", "topics"},
        {"\"scope\":\"view\",\"topics\":[\"totals\"]", "topics"},
        {"\"scope\":\"view\",\"topics\":[\"to*al\"]", "topics"},
        {"\"scope\":\"view\",\"sub\":7", "sub"},
        {"\"scope\":\"view\",\"aud\":\"other\"", "aud"},
        {"\"scope\":\"view\",\"aud\":[]", "aud"},
        {"\"scope\":\"view\",\"aud\":[\"other\"]", "aud"},
        {"\"scope\":\"view\",\"aud\":[\"livetally\",7]", "aud"},
        {"\"scope\":\"view\",\"aud\":null", "aud"},
    };
    char payload[256];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(payload, sizeof(payload), "{\"exp\":1800000100,%s}", bad[i].text);
        assert_claims_refused(world, payload, TOKEN_BAD_CLAIM, bad[i].claim);
    }
    assert_claims_good(world,
                       "{\"exp\":1800000100,\"scope\":\"view\",\"aud\":[\"x\",\"livetally\"]}");
    assert_claims_good(world, "{\"exp\":1800000100,\"scope\":\"view\",\"aud\":\"livetally\"}");
    assert_claims_good(world, "{\"exp\":1800000100,\"scope\":\"view\",\"sub\":\"any one\"}");
}

static void test_too_many_hosts(void **state)
{
    const struct token_world *world = *state;
    struct buffer payload = BUFFER_INIT;
    buffer_append_text(&payload, "{\"exp\":1800000100,\"scope\":\"ingest\",\"hosts\":[\"h0\"");
    for (int i = 1; i < GRANT_HOSTS_MAX; i++)
        buffer_printf(&payload, ",\"h%d\"", i);
    buffer_append_text(&payload, "]}");
    assert_claims_good(world, buffer_cstr(&payload));
    payload.size -= 2;
    buffer_append_text(&payload, ",\"more\"]}");
    assert_claims_refused(world, buffer_cstr(&payload), TOKEN_BAD_CLAIM, "hosts");
    buffer_done(&payload);
}

static void test_payloads_that_are_none(void **state)
{
    const struct token_world *world = *state;
    static const char *const bad[] = {
        "[]",
        "7",
        "null",
        "\"exp\"",
        " ",
        "{",
        GOOD GOOD,
        GOOD "x",
        "{\"exp\":1800000100,\"scope\":\"view\",\"exp\":1900000000}",
        "{\"exp\":1800000100,\"scope\":\"view\",\"scope\":\"admin\"}",
        "{\"exp\":1800000100,\"scope\":\"view\",\"\\u0065xp\":1900000000}",
        "{\"exp\":1800000100,\"scope\":\"view\",\"x\":1,\"x\":1}",
        "{\"exp\":1800000100,\"scope\":\"view\",\"x\":\xff}",
        "{\"exp\":1800000100,\"scope\":\"view\",\"x\":\"\xff\"}",
        "{\"exp\":1800000100,\"scope\":\"view\",\"x\":[[[[[[[[[[]]]]]]]]]]}",
        "{\"exp\":01800000100,\"scope\":\"view\"}",
        "{\"exp\":1800000100,\"scope\":\"view\",}",
        "{\"exp\":1800000100,\"scope\":\"view\",\"hosts\":[\"ling\"}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_claims_refused(world, bad[i], TOKEN_BAD_PAYLOAD, NULL);
    /* Whatever stands in claims that nobody asks for. */
    assert_claims_good(world, "{\"exp\":1800000100,\"scope\":\"view\",\"x\":\"\\u0000\"}");
    assert_claims_good(world, "{\"exp\":1800000100,\"scope\":\"view\",\"x\":1e999}");
}

/* --- minting ------------------------------------------------------------------------------ */

static struct buffer minted(struct token_world *world, const char *name,
                            const struct grant_terms *terms)
{
    struct key *key = NULL;
    struct buffer token = BUFFER_INIT;
    struct error error = {.text = ""};
    if (key_load_signing(world_path(world, name), NULL, NULL, &key, &error) ||
        token_mint(key, terms, NOW_MS, &token, &error))
        fail_msg("%s: %s", name, error.text);
    key_free(key);
    return token;
}

static void test_what_is_minted_is_good(void **state)
{
    struct token_world *world = *state;
    static const char *const names[] = {"hs256.hs256", "hs512.hs512", "rs256.key", "es256.key"};
    struct slice hosts[] = {SLICE("ling"), SLICE("wang")};
    struct slice topics[] = {SLICE("total"), SLICE("host/ling*")};
    struct grant_terms terms = {.scopes = GRANT_INGEST | GRANT_VIEW,
                                .hosts = hosts,
                                .host_count = 2,
                                .topics = topics,
                                .topic_count = 2,
                                .subject = SLICE("tool-7"),
                                .expires_ms = NOW_MS + 100999};
    world_write(world, "rs256.key", buffer_slice(&world->private[KEY_RS256]), 0600);
    world_write(world, "es256.key", buffer_slice(&world->private[KEY_ES256]), 0600);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct buffer token = minted(world, names[i], &terms);
        struct grant *grant = verified(world->keyring, buffer_slice(&token), NOW_MS);
        assert_true(grant_may_post(grant, SLICE("wang")));
        assert_false(grant_may_post(grant, SLICE("zhou")));
        assert_true(grant_may_view(grant, SLICE("host/ling?")));
        assert_false(grant_may_view(grant, SLICE("ticker")));
        assert_string_equal(grant_subject(grant), "tool-7");
        assert_int_equal(grant_expires_ms(grant), NOW_MS + 100000 + TOKEN_LEEWAY_MS);
        grant_unref(grant);
        buffer_done(&token);
    }
}

static void test_what_is_not_minted(void **state)
{
    struct token_world *world = *state;
    static char names[GRANT_HOSTS_MAX][ID_MAX_BYTES + 1];
    struct slice hosts[GRANT_HOSTS_MAX];
    struct slice bad = SLICE("not a host");
    struct grant_terms base = {
        .scopes = GRANT_VIEW, .any_host = true, .any_topic = true, .expires_ms = NOW_MS};
    struct grant_terms terms[6] = {base, base, base, base, base, base};
    static const char *const mentions[] = {"scope", "hosts", "year", "sub", "longer", "year"};
    for (int i = 0; i < GRANT_HOSTS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "%064d", i);
        hosts[i] = slice_of(names[i]);
    }
    terms[0].scopes = 0;
    terms[1].any_host = false;
    terms[1].hosts = &bad;
    terms[1].host_count = 1;
    terms[2].expires_ms = GRANT_NEVER;
    terms[3].subject = SLICE("a b");
    terms[4].any_host = false;
    terms[4].hosts = hosts;
    terms[4].host_count = GRANT_HOSTS_MAX;
    terms[5].expires_ms = -1;
    struct key *key = NULL;
    assert_int_equal(key_load_signing(world_path(world, "hs256.hs256"), NULL, NULL, &key, NULL), 0);
    for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
        struct buffer token = BUFFER_INIT;
        struct error error = {.text = ""};
        assert_int_not_equal(token_mint(key, &terms[i], NOW_MS, &token, &error), 0);
        assert_int_equal(token.size, 0);
        if (!strstr(error.text, mentions[i]))
            fail_msg("%zu: %s", i, error.text);
    }
    key_free(key);
}

static void test_open_shows_what_it_doesn_t_believe(void **state)
{
    const struct token_world *world = *state;
    struct buffer header = BUFFER_INIT, payload = BUFFER_INIT;
    struct token_refusal refusal;
    struct buffer token =
        forge("{\"alg\":\"none\"}", "{\"exp\":\"soon\"}", KEY_HS256, SLICE("whatever"));
    (void)world;
    assert_true(token_open(buffer_slice(&token), &header, &payload, &refusal));
    assert_string_equal(buffer_cstr(&header), "{\"alg\":\"none\"}");
    assert_string_equal(buffer_cstr(&payload), "{\"exp\":\"soon\"}");
    buffer_done(&token);
    buffer_reset(&header);
    token = forge("[]", "{}", KEY_HS256, SLICE("whatever"));
    assert_false(token_open(buffer_slice(&token), &header, &payload, &refusal));
    assert_int_equal(refusal.fault, TOKEN_BAD_HEADER);
    assert_int_equal(header.size, 0);
    buffer_done(&token);
    token = forge("{}", "{]", KEY_HS256, SLICE("whatever"));
    assert_false(token_open(buffer_slice(&token), &header, &payload, &refusal));
    assert_int_equal(refusal.fault, TOKEN_BAD_PAYLOAD);
    buffer_done(&token);
    buffer_done(&header);
    buffer_done(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_algorithm),
        cmocka_unit_test(test_what_is_granted),
        cmocka_unit_test(test_without_lists_everything_of_the_scope),
        cmocka_unit_test(test_an_empty_list_is_nobody),
        cmocka_unit_test(test_its_identity),
        cmocka_unit_test(test_expiry_and_its_leeway),
        cmocka_unit_test(test_its_beginning_and_its_leeway),
        cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_times_that_are_none),
        cmocka_unit_test(test_claims_of_the_wrong_form),
        cmocka_unit_test(test_too_many_hosts),
        cmocka_unit_test(test_payloads_that_are_none),
        cmocka_unit_test(test_what_is_minted_is_good),
        cmocka_unit_test(test_what_is_not_minted),
        cmocka_unit_test(test_open_shows_what_it_doesn_t_believe),
    };
    return cmocka_run_group_tests(tests, make_world, free_world);
}
