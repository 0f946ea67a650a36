/* Addresses: one form for each peer, networks, and who is believed about who is behind a proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "livetally/ip.h"

static struct ip ip(const char *text)
{
    struct ip found;
    if (!ip_parse(slice_of(text), &found))
        fail_msg("%s is no address", text);
    return found;
}

static struct ip_net net(const char *text)
{
    struct ip_net found;
    if (!ip_net_parse(slice_of(text), &found))
        fail_msg("%s is no network", text);
    return found;
}

static const char *written(const struct ip *address)
{
    static char out[IP_TEXT_BYTES];
    return ip_write(address, out);
}

static void test_reading_and_writing(void **state)
{
    (void)state;
    static const char *const same[] = {"192.0.2.1", "2001:db8::1", "::1", "127.0.0.1", "::"};
    static const char *const bad[] = {
        "",          "1.2.3",          "1.2.3.4.5",
        "256.1.1.1", "01.2.3.4x",      "1.2.3.4 ",
        ":::",       "fe80::1%eth0",   "[::1]",
        "localhost", "2001:db8::1::2", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        struct ip found = ip(same[i]);
        assert_string_equal(written(&found), same[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct ip found = {.kind = IP_LOCAL};
        assert_false(ip_parse(slice_of(bad[i]), &found));
        assert_int_equal(found.kind, IP_LOCAL);
    }
    struct ip mapped = ip("::ffff:192.0.2.1"), plain = ip("192.0.2.1");
    assert_true(ip_equal(&mapped, &plain) && ip_is_v4(&mapped));
    struct ip unix_peer = {.kind = IP_LOCAL}, nobody = {.kind = IP_UNKNOWN};
    assert_string_equal(written(&unix_peer), "unix");
    assert_string_equal(written(&nobody), "unknown");
}

static void test_a_neighbourhood_is_an_address_or_a_64(void **state)
{
    (void)state;
    struct ip a = ip("2001:db8:1:2:3:4:5:6"), b = ip("2001:db8:1:2::"), c = ip("2001:db8:1:3::");
    struct ip of_a = ip_neighbourhood(&a), of_b = ip_neighbourhood(&b), of_c = ip_neighbourhood(&c);
    assert_true(ip_equal(&of_a, &of_b));
    assert_false(ip_equal(&of_a, &of_c));
    struct ip v4 = ip("192.0.2.1"), other = ip("192.0.2.2");
    struct ip of_v4 = ip_neighbourhood(&v4), of_other = ip_neighbourhood(&other);
    assert_true(ip_equal(&v4, &of_v4));
    assert_false(ip_equal(&of_v4, &of_other));
}

static bool holds(const char *network, const char *address)
{
    struct ip_net in = net(network);
    struct ip found = ip(address);
    return ip_net_holds(&in, &found);
}

static void test_networks(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "10.0.0.0/33",
                                      "10.0.0.0/",
                                      "10.0.0.1/8",
                                      "::/129",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/8 ",
                                      "localhost",
                                      "2001:db8::1/64",
                                      "0.0.0.0/0x",
                                      "local/8",
                                      "/8"};
    struct ip_net untouched = {.bits = 77};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(ip_net_parse(slice_of(bad[i]), &untouched));
    assert_int_equal(untouched.bits, 77);
    assert_true(holds("10.0.0.0/8", "10.255.0.1"));
    assert_false(holds("10.0.0.0/8", "11.0.0.1"));
    assert_true(holds("10.128.0.0/9", "10.200.0.1"));
    assert_false(holds("10.128.0.0/9", "10.100.0.1"));
    assert_true(holds("192.0.2.1", "192.0.2.1"));
    assert_true(holds("192.0.2.1/32", "::ffff:192.0.2.1"));
    assert_false(holds("192.0.2.1", "192.0.2.3"));
    assert_true(holds("0.0.0.0/0", "203.0.113.9"));
    assert_false(holds("0.0.0.0/0", "2001:db8::1"));
    assert_true(holds("::/0", "2001:db8::1"));
    assert_true(holds("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(holds("2001:db8::/33", "2001:db8:8000::1"));
}

static void test_local_is_this_machine_and_nothing_else(void **state)
{
    (void)state;
    struct ip_net local = net("local"), all_v4 = net("0.0.0.0/0"), all = net("::/0");
    struct ip unix_peer = {.kind = IP_LOCAL}, nobody = {.kind = IP_UNKNOWN};
    assert_true(holds("local", "127.0.0.1") && holds("local", "127.255.0.9"));
    assert_true(holds("local", "::1") && holds("local", "::ffff:127.0.0.1"));
    assert_false(holds("local", "128.0.0.1") || holds("local", "::2") || holds("local", "0.0.0.0"));
    assert_true(ip_net_holds(&local, &unix_peer));
    assert_false(ip_net_holds(&local, &nobody));
    assert_false(ip_net_holds(&all, &unix_peer) || ip_net_holds(&all_v4, &nobody));
}

static void assert_behind(const char *peer, const char *forwarded, const char *client)
{
    struct ip_net trusted[] = {net("local"), net("10.0.0.0/8"), net("2001:db8::/32")};
    struct ip from = ip(peer);
    struct ip found = ip_behind(&from, slice_of(forwarded), trusted, 3);
    assert_string_equal(written(&found), client);
}

static void test_who_is_behind_a_proxy(void **state)
{
    (void)state;
    assert_behind("127.0.0.1", "203.0.113.7", "203.0.113.7");
    assert_behind("127.0.0.1", "", "127.0.0.1");
    /* Who isn't trusted may say what he likes. */
    assert_behind("198.51.100.1", "203.0.113.7", "198.51.100.1");
    /* What the client itself put in front is not looked at. */
    assert_behind("127.0.0.1", "127.0.0.1, 203.0.113.7", "203.0.113.7");
    assert_behind("127.0.0.1", "10.0.0.1,198.51.100.5 ,\t203.0.113.7", "203.0.113.7");
    /* A chain of trusted ones is followed; one that consists of them is a client of the first. */
    assert_behind("127.0.0.1", "203.0.113.7, 10.1.2.3, 2001:db8::5", "203.0.113.7");
    assert_behind("127.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9");
    /* Rubbish hides nobody: then it is the one who passed it on. */
    assert_behind("127.0.0.1", "unknown", "127.0.0.1");
    assert_behind("127.0.0.1", "203.0.113.7, unknown, 10.1.2.3", "10.1.2.3");
    assert_behind("127.0.0.1", "203.0.113.7,", "127.0.0.1");
    assert_behind("127.0.0.1", ",", "127.0.0.1");
}

static void test_addresses_with_a_port(void **state)
{
    (void)state;
    assert_behind("127.0.0.1", "203.0.113.7:4711", "203.0.113.7");
    assert_behind("127.0.0.1", "[2001:470::7]:4711", "2001:470::7");
    assert_behind("127.0.0.1", "[2001:470::7]", "2001:470::7");
    assert_behind("127.0.0.1", "2001:470::7", "2001:470::7");
    static const char *const bad[] = {"203.0.113.7:",
                                      "203.0.113.7:70000",
                                      "203.0.113.7:1x",
                                      "[2001:470::7",
                                      "[2001:470::7]4711",
                                      "[203.0.113.7]x:1",
                                      "2001:470::7]:1",
                                      "[]",
                                      "[]:1",
                                      ":1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_behind("127.0.0.1", bad[i], "127.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_and_writing),
        cmocka_unit_test(test_a_neighbourhood_is_an_address_or_a_64),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_local_is_this_machine_and_nothing_else),
        cmocka_unit_test(test_who_is_behind_a_proxy),
        cmocka_unit_test(test_addresses_with_a_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
