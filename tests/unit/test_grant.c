/* What a grant allows, and that it allows nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/grant.h"
#include "livetally/topic.h"

#define HOUR_MS INT64_C(3600000)

static struct grant *made(const struct grant_terms *terms)
{
    struct grant *grant = NULL;
    struct error error = {.text = ""};
    if (grant_new(terms, &grant, NULL, &error) != 0)
        fail_msg("%s", error.text);
    return grant;
}

static void assert_no_grant(const struct grant_terms *terms, const char *fault, const char *mention)
{
    struct grant *grant = NULL;
    const char *found = NULL;
    struct error error = {.text = ""};
    assert_int_not_equal(grant_new(terms, &grant, &found, &error), 0);
    assert_null(grant);
    assert_string_equal(found, fault);
    if (!strstr(error.text, mention))
        fail_msg("\"%s\" doesn't mention \"%s\"", error.text, mention);
}

static struct grant *viewer_of(struct slice topic)
{
    struct grant_terms terms = {
        .scopes = GRANT_VIEW, .topics = &topic, .topic_count = 1, .expires_ms = GRANT_NEVER};
    return made(&terms);
}

static void test_nothing_said_is_nothing_allowed(void **state)
{
    (void)state;
    struct grant_terms terms = {0};
    struct grant *grant = made(&terms);
    assert_false(grant_has(grant, GRANT_INGEST));
    assert_false(grant_has(grant, GRANT_VIEW));
    assert_false(grant_has(grant, GRANT_ADMIN));
    assert_false(grant_may_post(grant, SLICE("ling")));
    assert_false(grant_may_view(grant, SLICE("total")));
    assert_true(grant_limits_hosts(grant));
    assert_true(grant_expired(grant, 0));
    assert_string_equal(grant_subject(grant), "");
    grant_unref(grant);

    /* With scopes, but without hosts and topics. */
    terms.scopes = GRANT_INGEST | GRANT_VIEW | GRANT_ADMIN;
    grant = made(&terms);
    assert_false(grant_may_post(grant, SLICE("ling")));
    assert_false(grant_may_post(grant, (struct slice){NULL, 0}));
    assert_false(grant_may_view(grant, SLICE("total")));
    grant_unref(grant);
}

static void test_a_scope_includes_no_other(void **state)
{
    (void)state;
    for (uint32_t scopes = 0; scopes < 1U << GRANT_SCOPE_COUNT; scopes++) {
        struct grant_terms terms = {.scopes = scopes, .any_host = true, .any_topic = true};
        struct grant *grant = made(&terms);
        assert_int_equal(grant_has(grant, GRANT_ADMIN), (scopes & GRANT_ADMIN) != 0);
        assert_int_equal(grant_may_post(grant, SLICE("ling")), (scopes & GRANT_INGEST) != 0);
        assert_int_equal(grant_may_view(grant, SLICE("total")), (scopes & GRANT_VIEW) != 0);
        grant_unref(grant);
    }
}

static void assert_scopes(const char *words, uint32_t want)
{
    uint32_t scopes = 77;
    bool good = grant_scopes_parse(slice_of(words), &scopes);
    assert_int_equal(good, want != 0);
    assert_int_equal(scopes, want ? want : 77);
}

static void test_scopes_by_their_words(void **state)
{
    (void)state;
    assert_scopes("ingest", GRANT_INGEST);
    assert_scopes("view", GRANT_VIEW);
    assert_scopes("admin", GRANT_ADMIN);
    assert_scopes("view ingest", GRANT_INGEST | GRANT_VIEW);
    assert_scopes("  view   view ", GRANT_VIEW);
    assert_scopes("", 0);
    assert_scopes(" ", 0);
    assert_scopes("View", 0);
    assert_scopes("views", 0);
    assert_scopes("view,ingest", 0);
    assert_scopes("view\tingest", 0);
    assert_scopes("view everything", 0);
}

static void test_hosts(void **state)
{
    (void)state;
    struct slice hosts[] = {SLICE("ling"), SLICE("wang"), SLICE("ling")};
    struct grant_terms terms = {
        .scopes = GRANT_INGEST, .hosts = hosts, .host_count = 3, .expires_ms = GRANT_NEVER};
    struct grant *grant = made(&terms);
    assert_true(grant_limits_hosts(grant));
    assert_true(grant_may_post(grant, SLICE("ling")));
    assert_true(grant_may_post(grant, SLICE("wang")));
    assert_false(grant_may_post(grant, SLICE("lin")));
    assert_false(grant_may_post(grant, SLICE("lingg")));
    assert_false(grant_may_post(grant, SLICE("LING")));
    assert_false(grant_may_post(grant, SLICE("")));
    assert_false(grant_may_post(grant, (struct slice){NULL, 0}));
    grant_unref(grant);

    terms.any_host = true; /* then the list says nothing */
    grant = made(&terms);
    assert_false(grant_limits_hosts(grant));
    assert_true(grant_may_post(grant, SLICE("anybody")));
    grant_unref(grant);
}

static void test_many_hosts(void **state)
{
    (void)state;
    static char names[GRANT_HOSTS_MAX + 1][24];
    struct slice hosts[GRANT_HOSTS_MAX + 1];
    for (int i = 0; i <= GRANT_HOSTS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "host-%04d", i);
        hosts[i] = slice_of(names[i]);
    }
    struct grant_terms terms = {
        .scopes = GRANT_INGEST, .hosts = hosts, .host_count = GRANT_HOSTS_MAX};
    struct grant *grant = made(&terms);
    memset(names[0], 'x', 4); /* its own copy counts */
    assert_true(grant_may_post(grant, SLICE("host-0000")));
    for (int i = 1; i < GRANT_HOSTS_MAX; i++)
        assert_true(grant_may_post(grant, hosts[i]));
    assert_false(grant_may_post(grant, hosts[GRANT_HOSTS_MAX]));
    grant_unref(grant);

    terms.host_count = GRANT_HOSTS_MAX + 1;
    assert_no_grant(&terms, GRANT_FAULT_HOSTS, "256");
}

static void test_what_is_no_host(void **state)
{
    (void)state;
    static char longest[ID_MAX_BYTES + 2];
    memset(longest, 'h', ID_MAX_BYTES + 1);
    const char *bad[] = {"", "li ng", "ling/wang", "*", "ling*", longest};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct slice hosts[] = {SLICE("good"), slice_of(bad[i])};
        struct grant_terms terms = {.hosts = hosts, .host_count = 2, .any_topic = true};
        assert_no_grant(&terms, GRANT_FAULT_HOSTS, "A-Z");
    }
}

static void assert_views(const char *allowed, const char *topic, bool want)
{
    struct grant *grant = viewer_of(slice_of(allowed));
    if (grant_may_view(grant, slice_of(topic)) != want)
        fail_msg("\"%s\" %s \"%s\"", allowed, want ? "forbids" : "allows", topic);
    grant_unref(grant);
}

static void test_topics(void **state)
{
    (void)state;
    assert_views("total", "total", true);
    assert_views("total", "totals", false);
    assert_views("total", "tota", false);
    assert_views("total", "series/total", false);
    assert_views("host/ling", "host/ling", true);
    assert_views("host/ling", "host/ling2", false);
    assert_views("host/ling*", "host/ling2", true);
    assert_views("host/ling*", "host/ling", true);
    assert_views("host/ling*", "host/lin", false);
    assert_views("host/*", "series/host/ling", false);
    assert_views("top/*", "top/hosts?county=422828", true);
    assert_views("top/hosts", "top/hosts?n=20", false);
    assert_views("top/hosts?*", "top/hosts?n=20", true);
    assert_views("top/hosts?*", "top/hosts", false);
    assert_views("*", "total", true);
    assert_views("*", "ticker/session/room-9", true);
}

static void test_a_topic_is_known_by_its_canonical_name(void **state)
{
    (void)state;
    assert_views("top/hosts?n=10&by=gross", "top/hosts", true);
    assert_views("top/products?n=5&session=room-9", "top/products?session=room-9&n=5", true);
}

static void test_what_is_no_topic(void **state)
{
    (void)state;
    static char longest[TOPIC_MAX_BYTES + 3];
    memset(longest, 't', TOPIC_MAX_BYTES + 1);
    longest[TOPIC_MAX_BYTES + 1] = '*';
    const char *bad[] = {"",       "totals", "host/",   "host/a b", "top/hosts?n=0", "host/\xe4*",
                         "ho*t/*", "**",     "host/ *", "total\n",  longest};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct slice topics[] = {SLICE("total"), slice_of(bad[i])};
        struct grant_terms terms = {.topics = topics, .topic_count = 2, .any_host = true};
        assert_no_grant(&terms, GRANT_FAULT_TOPICS, "");
    }
    struct slice many[GRANT_TOPICS_MAX + 1];
    for (int i = 0; i <= GRANT_TOPICS_MAX; i++)
        many[i] = SLICE("total");
    struct grant_terms terms = {.topics = many, .topic_count = GRANT_TOPICS_MAX + 1};
    assert_no_grant(&terms, GRANT_FAULT_TOPICS, "256");
}

static void test_expiry(void **state)
{
    (void)state;
    struct grant_terms terms = {.scopes = GRANT_VIEW, .any_topic = true, .expires_ms = 1000};
    struct grant *grant = made(&terms);
    assert_false(grant_expired(grant, 999));
    assert_true(grant_expired(grant, 1000));
    assert_true(grant_expired(grant, INT64_MAX));
    assert_int_equal(grant_expires_ms(grant), 1000);
    grant_unref(grant);

    terms.expires_ms = GRANT_NEVER;
    grant = made(&terms);
    assert_false(grant_expired(grant, INT64_MAX));
    grant_unref(grant);
}

static bool fits_url(uint32_t scopes, int64_t expires_ms)
{
    struct grant_terms terms = {
        .scopes = scopes, .any_host = true, .any_topic = true, .expires_ms = expires_ms};
    struct grant *grant = made(&terms);
    bool fits = grant_fits_url(grant, HOUR_MS, 24 * HOUR_MS);
    grant_unref(grant);
    return fits;
}

static void test_in_a_url_only_what_views_for_a_short_time(void **state)
{
    (void)state;
    assert_true(fits_url(GRANT_VIEW, 2 * HOUR_MS));
    assert_true(fits_url(GRANT_VIEW, 25 * HOUR_MS));
    assert_false(fits_url(GRANT_VIEW, 25 * HOUR_MS + 1));
    assert_false(fits_url(GRANT_VIEW, GRANT_NEVER));
    assert_false(fits_url(GRANT_VIEW | GRANT_INGEST, 2 * HOUR_MS));
    assert_false(fits_url(GRANT_VIEW | GRANT_ADMIN, 2 * HOUR_MS));
    assert_false(fits_url(GRANT_INGEST, 2 * HOUR_MS));
    assert_false(fits_url(0, 2 * HOUR_MS));
}

static void test_who_and_with_which_key(void **state)
{
    (void)state;
    struct grant_terms terms = {.subject = SLICE("tool-7"), .key_id = 5, .token_id = 9};
    struct grant *grant = made(&terms);
    assert_string_equal(grant_subject(grant), "tool-7");
    assert_int_equal(grant_key_id(grant), 5);
    assert_int_equal(grant_token_id(grant), 9);
    grant_unref(grant);

    terms.subject = SLICE("not\nan id"); /* it goes into logs */
    grant = made(&terms);
    assert_string_equal(grant_subject(grant), "");
    grant_unref(grant);
}

static void test_it_lives_as_long_as_anybody_holds_it(void **state)
{
    (void)state;
    struct grant *grant = viewer_of(SLICE("total"));
    struct grant *held = grant_ref(grant);
    grant_unref(grant);
    assert_true(grant_may_view(held, SLICE("total")));
    grant_unref(held);
    grant_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_said_is_nothing_allowed),
        cmocka_unit_test(test_a_scope_includes_no_other),
        cmocka_unit_test(test_scopes_by_their_words),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_many_hosts),
        cmocka_unit_test(test_what_is_no_host),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_a_topic_is_known_by_its_canonical_name),
        cmocka_unit_test(test_what_is_no_topic),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_in_a_url_only_what_views_for_a_short_time),
        cmocka_unit_test(test_who_and_with_which_key),
        cmocka_unit_test(test_it_lives_as_long_as_anybody_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
