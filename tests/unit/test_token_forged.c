/* Tokens that somebody made up, changed or signed otherwise: none is taken, and it is said why not.
 */
#include "token_world.h"

#define GOOD   "{\"exp\":1800000100,\"scope\":\"view\"}"
#define HEADER "{\"alg\":\"HS256\",\"kid\":\"hs256\"}"

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

/* Signed with the right secret, whatever the header says. */
static void assert_header_refused(const struct token_world *world, const char *header,
                                  enum token_fault fault)
{
    assert_refused(world->keyring, forge(header, GOOD, KEY_HS256, world_secret(world, KEY_HS256)),
                   NOW_MS, fault, NULL);
}

static void assert_text_refused(const struct token_world *world, const char *text,
                                enum token_fault fault)
{
    struct buffer token = BUFFER_INIT;
    buffer_append_text(&token, text);
    assert_refused(world->keyring, token, NOW_MS, fault, NULL);
}

/* --- header ------------------------------------------------------------------------------- */

static void test_no_algorithm(void **state)
{
    const struct token_world *world = *state;
    static const char *const words[] = {"none", "None", "NONE", "nOnE", ""};
    char header[64];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"hs256\"}", words[i]);
        assert_header_refused(world, header, TOKEN_WRONG_ALGORITHM);
        struct buffer token = forge(header, GOOD, KEY_HS256, world_secret(world, KEY_HS256));
        token.size = (size_t)((char *)memrchr(token.data, '.', token.size) + 1 - token.data);
        assert_refused(world->keyring, token, NOW_MS, TOKEN_MALFORMED, NULL);
        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", words[i]);
        assert_header_refused(world, header, TOKEN_UNKNOWN_KEY);
    }
}

/* The classic: what everybody may know, the public key, taken for a secret. */
static void test_a_public_key_is_no_secret(void **state)
{
    const struct token_world *world = *state;
    static const enum key_algorithm pairs[] = {KEY_RS256, KEY_ES256};
    static const enum key_algorithm secrets[] = {KEY_HS256, KEY_HS512};
    char header[64];
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < 2; j++) {
            const char *kid = pairs[i] == KEY_RS256 ? "rs256" : "es256";
            struct slice pem = buffer_slice(&world->public[pairs[i]]);
            snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}",
                     key_algorithm_name(secrets[j]), kid);
            assert_refused(world->keyring, forge(header, GOOD, secrets[j], pem), NOW_MS,
                           TOKEN_WRONG_ALGORITHM, NULL);
            /* And as its own algorithm, but signed like that. */
            snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}",
                     key_algorithm_name(pairs[i]), kid);
            assert_refused(world->keyring, forge(header, GOOD, secrets[j], pem), NOW_MS,
                           TOKEN_BAD_SIGNATURE, NULL);
        }
    }
}

static void test_any_key_with_any_algorithm_but_its_own(void **state)
{
    const struct token_world *world = *state;
    static const char *const kids[] = {"hs256", "hs512", "rs256", "es256"};
    static const char *const names[] = {"HS256", "HS384", "HS512",  "RS256", "RS384",
                                        "RS512", "ES256", "ES384",  "ES512", "PS256",
                                        "EdDSA", "hs256", "HS256 ", "ES256K"};
    char header[64];
    for (int kid = 0; kid < KEY_ALGORITHM_COUNT; kid++) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (strcmp(names[i], key_algorithm_name((enum key_algorithm)kid)) == 0)
                continue;
            snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", names[i],
                     kids[kid]);
            assert_header_refused(world, header, TOKEN_WRONG_ALGORITHM);
        }
    }
}

static void test_kids_that_are_not_ours(void **state)
{
    const struct token_world *world = *state;
    assert_header_refused(world, "{\"alg\":\"HS256\"}", TOKEN_UNKNOWN_KEY);
    assert_header_refused(world, "{\"alg\":\"HS256\",\"kid\":\"\"}", TOKEN_UNKNOWN_KEY);
    assert_header_refused(world, "{\"alg\":\"HS256\",\"kid\":\"HS256\"}", TOKEN_UNKNOWN_KEY);
    assert_header_refused(world, "{\"alg\":\"HS256\",\"kid\":\"../hs256\"}", TOKEN_UNKNOWN_KEY);
    assert_header_refused(world, "{\"alg\":\"HS256\",\"kid\":\"hs25\"}", TOKEN_UNKNOWN_KEY);
    assert_header_refused(world, "{\"alg\":\"HS256\",\"kid\":\"hs256\\u0000\"}", TOKEN_BAD_HEADER);
    assert_header_refused(world, "{\"alg\":\"HS256\",\"kid\":7}", TOKEN_BAD_HEADER);
    assert_header_refused(world, "{\"alg\":\"HS256\",\"kid\":[\"hs256\"]}", TOKEN_BAD_HEADER);
    assert_header_refused(
        world,
        "{\"alg\":\"HS256\",\"kid\":\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        "kkkkkkkkk\"}",
        TOKEN_BAD_HEADER);
    /* Another key's name: good signature of the wrong key. */
    assert_header_refused(world, "{\"alg\":\"HS512\",\"kid\":\"hs512\"}", TOKEN_BAD_SIGNATURE);
}

static void test_headers_that_are_none(void **state)
{
    const struct token_world *world = *state;
    static const char *const bad[] = {
        "[]",
        "7",
        "{",
        HEADER "x",
        "{\"alg\":\"none\",\"kid\":\"hs256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"kid\":\"hs256\",\"\\u0061lg\":\"none\"}",
        "{\"alg\":\"HS256\",\"kid\":\"other\",\"kid\":\"hs256\"}",
        "{\"alg\":256,\"kid\":\"hs256\"}",
        "{\"alg\":null,\"kid\":\"hs256\"}",
        "{\"alg\":\"HS256HS256HS256HS256\",\"kid\":\"hs256\"}",
        "{\"alg\":\"HS256\",\"kid\":\"hs256\",\"crit\":[\"exp\"],\"exp\":1}",
        "{\"alg\":\"HS256\",\"kid\":\"hs256\",\"crit\":[\"b64\"],\"b64\":false}",
        "{\"alg\":\"HS256\",\"kid\":\"hs256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"kid\":\"hs256\",\"typ\":\"JOSE\"}",
        "{\"alg\":\"HS256\",\"kid\":\"hs256\",\"typ\":7}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_header_refused(world, bad[i], TOKEN_BAD_HEADER);
    assert_good(world->keyring,
                forge("{\"typ\":\"jwt\",\"x\":{},\"kid\":\"hs256\",\"alg\":\"HS256\"}", GOOD,
                      KEY_HS256, world_secret(world, KEY_HS256)),
                NOW_MS);
}

/* --- form --------------------------------------------------------------------------------- */

static void test_texts_that_are_no_token(void **state)
{
    const struct token_world *world = *state;
    static const char *const bad[] = {
        "",          ".",    "..",   "...",         "a",    "a.b", "a.b.c",
        ".a.b",      "a..b", "a.b.", "ab.ab.ab.ab", "..ab", " ",   "Bearer ab.ab.ab",
        "ab.ab.ab\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_text_refused(world, bad[i], TOKEN_MALFORMED);
    assert_text_refused(world, "ab.ab.ag", TOKEN_MALFORMED); /* bits left over */
    assert_text_refused(world, "e30.e30.AA", TOKEN_UNKNOWN_KEY);
}

/* A good token, with something put where `place` is: 0 its start, then the end of each part. */
static struct buffer with(const struct token_world *world, enum key_algorithm how, int place,
                          const char *text)
{
    struct buffer good = signed_token(world, how, GOOD);
    struct buffer token = BUFFER_INIT;
    int dots = 0;
    if (place == 0)
        buffer_append_text(&token, text);
    for (size_t i = 0; i < good.size; i++) {
        if (good.data[i] == '.' && ++dots == place)
            buffer_append_text(&token, text);
        buffer_append_byte(&token, good.data[i]);
    }
    if (place == 3)
        buffer_append_text(&token, text);
    buffer_done(&good);
    return token;
}

static void test_nothing_may_be_added(void **state)
{
    const struct token_world *world = *state;
    static const char *const extra[] = {".",    "=", "==",       "+",     "/",  " ",   "\n",
                                        "\r\n", "%", "\xc3\xa4", ".AAAA", "-.", "\x01"};
    for (int how = 0; how < KEY_ALGORITHM_COUNT; how++)
        for (int place = 0; place <= 3; place++)
            for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++)
                assert_refused(world->keyring,
                               with(world, (enum key_algorithm)how, place, extra[i]), NOW_MS,
                               TOKEN_MALFORMED, NULL);
    struct buffer token = signed_token(world, KEY_HS256, GOOD);
    buffer_append_byte(&token, '\0');
    assert_refused(world->keyring, token, NOW_MS, TOKEN_MALFORMED, NULL);
}

static void test_its_length_is_bounded(void **state)
{
    const struct token_world *world = *state;
    struct buffer payload = BUFFER_INIT;
    size_t sizes[2] = {0, 0};
    buffer_append_text(&payload, "{\"exp\":1800000100,\"scope\":\"view\",\"x\":\"");
    for (int i = 0; i < 4480; i++)
        buffer_append_byte(&payload, 'x');
    buffer_append_text(&payload, "\"}");
    for (int i = 0; i < 2; i++) { /* the longest that fits, and one that doesn't */
        struct buffer token = signed_token(world, KEY_HS256, buffer_cstr(&payload));
        while (i == 0 && token.size + 4 <= TOKEN_BYTES_MAX) {
            payload.size -= 2;
            buffer_append_text(&payload, "xxx\"}");
            buffer_done(&token);
            token = signed_token(world, KEY_HS256, buffer_cstr(&payload));
        }
        sizes[i] = token.size;
        if (i == 0)
            assert_good(world->keyring, token, NOW_MS);
        else
            assert_refused(world->keyring, token, NOW_MS, TOKEN_TOO_LONG, NULL);
        payload.size -= 2;
        buffer_append_text(&payload, "xxx\"}");
    }
    assert_true(sizes[0] <= TOKEN_BYTES_MAX && sizes[0] + 4 > TOKEN_BYTES_MAX);
    assert_int_equal(sizes[1], sizes[0] + 4);
    struct buffer endless = BUFFER_INIT;
    memset(buffer_reserve(&endless, 1 << 20), 'A', 1 << 20);
    endless.size = 1 << 20;
    assert_refused(world->keyring, endless, NOW_MS, TOKEN_TOO_LONG, NULL);
    buffer_done(&payload);
}

/* --- signature ---------------------------------------------------------------------------- */

static void test_a_changed_payload(void **state)
{
    const struct token_world *world = *state;
    for (int how = 0; how < KEY_ALGORITHM_COUNT; how++) {
        struct buffer token = signed_token(world, (enum key_algorithm)how, GOOD);
        struct buffer other = signed_token(world, (enum key_algorithm)how,
                                           "{\"exp\":1800000100,\"scope\":\"admin\"}");
        struct buffer mixed = BUFFER_INIT; /* what other says, with the signature of token */
        const char *sign = memrchr(token.data, '.', token.size);
        const char *end = memrchr(other.data, '.', other.size);
        buffer_append(&mixed, other.data, (size_t)(end - other.data));
        buffer_append(&mixed, sign, token.size - (size_t)(sign - token.data));
        assert_refused(world->keyring, mixed, NOW_MS, TOKEN_BAD_SIGNATURE, NULL);
        buffer_done(&token);
        buffer_done(&other);
    }
}

static void test_signatures_of_the_wrong_size(void **state)
{
    const struct token_world *world = *state;
    static const char *const signatures[] = {"AA", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA"};
    for (int how = 0; how < KEY_ALGORITHM_COUNT; how++) {
        for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
            struct buffer token = signed_token(world, (enum key_algorithm)how, GOOD);
            const char *dot = memrchr(token.data, '.', token.size);
            token.size = (size_t)(dot + 1 - token.data);
            buffer_append_text(&token, signatures[i]);
            assert_refused(world->keyring, token, NOW_MS, TOKEN_BAD_SIGNATURE, NULL);
        }
        struct buffer token = signed_token(world, (enum key_algorithm)how, GOOD);
        token.size -= 4; /* not all of it */
        token.data[token.size - 1] = 'A';
        assert_refused(world->keyring, token, NOW_MS, TOKEN_BAD_SIGNATURE, NULL);
        token = with(world, (enum key_algorithm)how, 3, "AAAA");
        assert_refused(world->keyring, token, NOW_MS, TOKEN_BAD_SIGNATURE, NULL);
    }
}

/* Zero for both numbers of an ECDSA signature: the hole that CVE-2022-21449 was. */
static void test_a_signature_of_zeros(void **state)
{
    const struct token_world *world = *state;
    unsigned char zeros[64] = {0};
    struct buffer token = signed_token(world, KEY_ES256, GOOD);
    const char *dot = memrchr(token.data, '.', token.size);
    token.size = (size_t)(dot + 1 - token.data);
    base64url_encode((struct slice){(const char *)zeros, sizeof(zeros)}, &token);
    assert_refused(world->keyring, token, NOW_MS, TOKEN_BAD_SIGNATURE, NULL);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* One change that leaves it another text; false when it happens to be the same. */
static bool mutate(struct buffer *token, uint32_t *seed)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
    size_t at = next_random(seed) % token->size;
    char letter = letters[next_random(seed) % (sizeof(letters) - 1)];
    switch (next_random(seed) % 6) {
    case 0: /* another letter */
        if (token->data[at] == letter)
            return false;
        token->data[at] = letter;
        return true;
    case 1: /* one bit */
        token->data[at] = (char)(token->data[at] ^ (1 << next_random(seed) % 8));
        return true;
    case 2: /* cut off */
        token->size = at;
        return true;
    case 3: /* one less */
        memmove(token->data + at, token->data + at + 1, token->size - at - 1);
        token->size--;
        return true;
    case 4: /* one more */
        buffer_append_byte(token, 'x');
        memmove(token->data + at + 1, token->data + at, token->size - at - 1);
        token->data[at] = letter;
        return true;
    default: { /* two change places */
        size_t other = next_random(seed) % token->size;
        char swap = token->data[at];
        if (swap == token->data[other])
            return false;
        token->data[at] = token->data[other];
        token->data[other] = swap;
        return true;
    }
    }
}

static void test_ten_thousand_mutations(void **state)
{
    const struct token_world *world = *state;
    uint32_t seed = 20261122;
    int tried = 0;
    while (tried < 10000) {
        int round = tried / 100; /* mostly the fast ones */
        enum key_algorithm how = round % 10 == 0   ? KEY_ES256
                                 : round % 10 == 1 ? KEY_RS256
                                 : round % 2       ? KEY_HS512
                                                   : KEY_HS256;
        struct buffer token = signed_token(world, how, GOOD);
        for (int left = 100; left > 0 && tried < 10000; left--, tried++) {
            struct buffer copy = BUFFER_INIT;
            struct grant *grant = NULL;
            struct token_refusal refusal;
            buffer_append_slice(&copy, buffer_slice(&token));
            while (!mutate(&copy, &seed)) {
            }
            if (token_verify(buffer_slice(&copy), world->keyring, NOW_MS, &grant, &refusal))
                fail_msg("accepted after change %d: %s", tried, buffer_cstr(&copy));
            buffer_done(&copy);
        }
        buffer_done(&token);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_algorithm),
        cmocka_unit_test(test_a_public_key_is_no_secret),
        cmocka_unit_test(test_any_key_with_any_algorithm_but_its_own),
        cmocka_unit_test(test_kids_that_are_not_ours),
        cmocka_unit_test(test_headers_that_are_none),
        cmocka_unit_test(test_texts_that_are_no_token),
        cmocka_unit_test(test_nothing_may_be_added),
        cmocka_unit_test(test_its_length_is_bounded),
        cmocka_unit_test(test_a_changed_payload),
        cmocka_unit_test(test_signatures_of_the_wrong_size),
        cmocka_unit_test(test_a_signature_of_zeros),
        cmocka_unit_test(test_ten_thousand_mutations),
    };
    return cmocka_run_group_tests(tests, make_world, free_world);
}
