/*
 * Tokens. Of what comes as it is none may be taken, as nobody here can sign. Of header and payload
 * (two lines) a token is made that is signed as it should be: one that is taken must read the same
 * way to jansson, and must grant that and nothing else.
 */
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <unistd.h>

#include "auth/base64url.h"
#include "fuzz.h"
#include "livetally/token.h"

#define SECRET "a-secret-of-no-consequence-and-longer-than-it-need-be"
#define NOW_S  INT64_C(1800000000)

/* The secret has to come from a file. */
static struct keyring *make_keyring(void)
{
    char folder[] = "/tmp/lt-fuzz-token-XXXXXX";
    char path[64];
    struct keyring *keyring = NULL;
    const char *paths[] = {path};
    struct error error = {.text = ""};

    REQUIRE(mkdtemp(folder), "no folder");
    snprintf(path, sizeof(path), "%s/k.hs256", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, SECRET, sizeof(SECRET) - 1) == sizeof(SECRET) - 1, "no file");
    close(fd);
    REQUIRE(keyring_load(paths, 1, &keyring, &error) == 0, "%s", error.text);
    unlink(path);
    rmdir(folder);
    return keyring;
}

static void check_base64url(struct slice text)
{
    struct buffer bytes = BUFFER_INIT, again = BUFFER_INIT, third = BUFFER_INIT;

    if (base64url_decode(text, &bytes)) {
        base64url_encode(buffer_slice(&bytes), &again);
        REQUIRE(slice_equal(buffer_slice(&again), text), "two texts for the same bytes");
    } else {
        REQUIRE(bytes.size == 0, "refused, but something is left");
    }
    buffer_reset(&again);
    base64url_encode(text, &again);
    REQUIRE(base64url_decode(buffer_slice(&again), &third) &&
                slice_equal(buffer_slice(&third), text),
            "not what was encoded");
    buffer_done(&bytes);
    buffer_done(&again);
    buffer_done(&third);
}

static void check_refused(const struct keyring *keyring, struct slice text)
{
    struct grant *grant;
    struct token_refusal refusal = {TOKEN_FAULT_COUNT, NULL};
    struct buffer out = BUFFER_INIT;

    REQUIRE(!token_verify(text, keyring, NOW_S * 1000, &grant, &refusal), "a token nobody signed");
    REQUIRE(refusal.fault < TOKEN_FAULT_COUNT, "refused for no reason");
    token_refusal_write(&refusal, &out);
    REQUIRE(out.size > 0, "refused without a word");
    buffer_done(&out);
}

static struct buffer sign(struct slice header, struct slice payload)
{
    unsigned char signature[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    struct buffer token = BUFFER_INIT;

    base64url_encode(header, &token);
    buffer_append_byte(&token, '.');
    base64url_encode(payload, &token);
    HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, (const unsigned char *)token.data, token.size,
         signature, &size);
    buffer_append_byte(&token, '.');
    base64url_encode((struct slice){(const char *)signature, size}, &token);
    return token;
}

/* NULL: jansson can't hold some number, or some key. */
static json_t *parse(struct slice text)
{
    json_error_t error;
    json_t *value =
        json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    enum json_error_code code = value ? json_error_unknown : json_error_code(&error);

    if (code == json_error_numeric_overflow || code == json_error_null_byte_in_key)
        return NULL;
    REQUIRE(json_is_object(value), "taken, but no JSON object: %s", error.text);
    return value;
}

static void check_header(struct slice text)
{
    json_t *header = parse(text);
    const char *alg = json_string_value(json_object_get(header, "alg"));
    const char *kid = json_string_value(json_object_get(header, "kid"));

    if (!header)
        return;
    REQUIRE(alg && strcmp(alg, "HS256") == 0, "taken with another algorithm");
    REQUIRE(kid && strcmp(kid, "k") == 0, "taken with another key");
    REQUIRE(!json_object_get(header, "crit"), "taken without understanding crit");
    json_decref(header);
}

static uint32_t slow_scopes(const char *words)
{
    char text[8192];
    char *rest = text;
    uint32_t scopes = 0;

    REQUIRE(words && strlen(words) < sizeof(text), "no scope");
    strcpy(text, words);
    for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
        uint32_t scope = strcmp(word, "ingest") == 0  ? GRANT_INGEST
                         : strcmp(word, "view") == 0  ? GRANT_VIEW
                         : strcmp(word, "admin") == 0 ? GRANT_ADMIN
                                                      : 0;
        REQUIRE(scope || !*word, "taken with the scope %s", word);
        scopes |= scope;
    }
    return scopes;
}

/* Every string of the list is allowed, and something that is in no list isn't. */
static void check_hosts(const json_t *hosts, const struct grant *grant, uint32_t scopes)
{
    bool may_post = scopes & GRANT_INGEST;

    REQUIRE(grant_limits_hosts(grant) == (hosts != NULL), "hosts, or not");
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const char *host = json_string_value(json_array_get(hosts, i));
        REQUIRE(host && grant_may_post(grant, slice_of(host)) == may_post, "a host of the list");
    }
    REQUIRE(!grant_may_post(grant, SLICE("no id")) || (may_post && !hosts), "any host");
}

static void check_grant(struct slice text, const struct grant *grant)
{
    json_t *claims = parse(text);

    if (!claims)
        return;
    const json_t *exp = json_object_get(claims, "exp");
    const json_t *nbf = json_object_get(claims, "nbf");
    const json_t *topics = json_object_get(claims, "topics");
    uint32_t scopes = slow_scopes(json_string_value(json_object_get(claims, "scope")));

    REQUIRE(json_is_integer(exp) && json_integer_value(exp) > NOW_S - 60, "expired");
    REQUIRE(grant_expires_ms(grant) == (json_integer_value(exp) + 60) * 1000, "another expiry");
    REQUIRE(!nbf || (json_is_integer(nbf) && json_integer_value(nbf) <= NOW_S + 60), "too early");
    REQUIRE(grant_has(grant, GRANT_INGEST) == ((scopes & GRANT_INGEST) != 0) &&
                grant_has(grant, GRANT_VIEW) == ((scopes & GRANT_VIEW) != 0) &&
                grant_has(grant, GRANT_ADMIN) == ((scopes & GRANT_ADMIN) != 0),
            "another scope");
    check_hosts(json_object_get(claims, "hosts"), grant, scopes);
    REQUIRE(!topics || json_is_array(topics), "topics of another form");
    if (json_array_size(topics) == 0)
        REQUIRE(grant_may_view(grant, SLICE("total")) == (!topics && scopes & GRANT_VIEW),
                "topics, or not");
    json_decref(claims);
}

static void check_signed(const struct keyring *keyring, struct slice header, struct slice payload)
{
    struct buffer token = sign(header, payload);
    struct grant *grant;
    struct token_refusal refusal = {TOKEN_FAULT_COUNT, NULL};

    if (token_verify(buffer_slice(&token), keyring, NOW_S * 1000, &grant, &refusal)) {
        check_header(header);
        check_grant(payload, grant);
        grant_unref(grant);
        token.data[token.size - 2] = token.data[token.size - 2] == 'A' ? 'B' : 'A';
        check_refused(keyring, buffer_slice(&token));
    } else {
        REQUIRE(refusal.fault < TOKEN_FAULT_COUNT, "refused for no reason");
    }
    buffer_done(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keyring *keyring; /* as long as the process */
    struct slice text = fuzz_text(data, size);
    struct slice rest = text, header;

    if (!keyring)
        keyring = make_keyring();
    check_base64url(text);
    check_refused(keyring, text);
    if (fuzz_cut(&rest, '\n', &header) && rest.data)
        check_signed(keyring, header, rest);
    return 0;
}
