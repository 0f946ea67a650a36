/*
 * A folder of fresh keys, and tokens of any shape: signed by libcrypto itself, so that a token may
 * say what no library would write, and so that both sides don't share a mistake.
 */
#ifndef LIVETALLY_TESTS_TOKEN_WORLD_H
#define LIVETALLY_TESTS_TOKEN_WORLD_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "auth/base64url.h"
#include "livetally/keyring.h"
#include "livetally/token.h"

#define NOW_S  INT64_C(1800000000)
#define NOW_MS (NOW_S * 1000)

struct token_world {
    char folder[64];
    char path[160];                             /* the last one asked for */
    struct buffer private[KEY_ALGORITHM_COUNT]; /* content of the files */
    struct buffer public[KEY_ALGORITHM_COUNT];
    struct keyring *keyring; /* kids hs256, hs512, rs256, es256 */
};

static inline const char *world_path(struct token_world *world, const char *name)
{
    snprintf(world->path, sizeof(world->path), "%s/%s", world->folder, name);
    return world->path;
}

static inline void world_write(struct token_world *world, const char *name, struct slice content,
                               mode_t mode)
{
    const char *path = world_path(world, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.size), content.size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static inline void world_remove(struct token_world *world, const char *name)
{
    assert_int_equal(unlink(world_path(world, name)), 0);
}

/* The folder's keys, or NULL and why. */
static inline struct keyring *world_load(const char *path, struct error *error)
{
    struct keyring *keyring = NULL;
    if (keyring_load(&path, 1, &keyring, error))
        assert_null(keyring);
    return keyring;
}

static inline struct token_world *world_new(void)
{
    static const char *const names[] = {"hs256.hs256", "hs512.hs512", "rs256.pem", "es256.pem"};
    struct token_world *world = calloc(1, sizeof(*world));
    struct error error = {.text = ""};
    assert_non_null(world);
    strcpy(world->folder, "/tmp/lt-token-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    for (int i = 0; i < KEY_ALGORITHM_COUNT; i++) {
        assert_int_equal(
            key_generate((enum key_algorithm)i, &world->private[i], &world -> public[i], &error),
            0);
        bool pair = world->public[i].size > 0;
        world_write(world, names[i], buffer_slice(pair ? &world->public[i] : &world->private[i]),
                    pair ? 0644 : 0600);
    }
    world->keyring = world_load(world->folder, &error);
    if (!world->keyring)
        fail_msg("%s", error.text);
    return world;
}

static inline void world_free(struct token_world *world)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", world->folder);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a name of our own */
    keyring_free(world->keyring);
    for (int i = 0; i < KEY_ALGORITHM_COUNT; i++) {
        buffer_done(&world->private[i]);
        buffer_done(&world->public[i]);
    }
    free(world);
}

/* A secret as it counts: without the line break at the end of its file. */
static inline struct slice world_secret(const struct token_world *world, enum key_algorithm which)
{
    return (struct slice){world->private[which].data, world->private[which].size - 1};
}

static inline EVP_PKEY *read_private(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(pkey);
    return pkey;
}

/* From DER to what tokens have: both numbers, 32 bytes each. */
static inline size_t flatten(unsigned char *signature, size_t size)
{
    const unsigned char *at = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)size);
    assert_non_null(pair);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + 32, 32), 32);
    ECDSA_SIG_free(pair);
    return 64;
}

static inline size_t sign_pair(enum key_algorithm how, struct slice pem, struct slice input,
                               unsigned char *out, size_t room)
{
    EVP_PKEY *pkey = read_private(pem);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = room;
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pkey), 1);
    assert_int_equal(
        EVP_DigestSign(context, out, &size, (const unsigned char *)input.data, input.size), 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    return how == KEY_ES256 ? flatten(out, size) : size;
}

/* Signs whatever stands in *token so far, as `how` does, and appends the signature. */
static inline void append_signature(struct buffer *token, enum key_algorithm how, struct slice key)
{
    unsigned char signature[1024];
    size_t size = 0;
    if (key_algorithm_secret(how)) {
        unsigned int length = 0;
        assert_non_null(HMAC(how == KEY_HS256 ? EVP_sha256() : EVP_sha512(), key.data,
                             (int)key.size, (const unsigned char *)token->data, token->size,
                             signature, &length));
        size = length;
    } else {
        size = sign_pair(how, key, buffer_slice(token), signature, sizeof(signature));
    }
    buffer_append_byte(token, '.');
    base64url_encode((struct slice){(const char *)signature, size}, token);
}

/* A token of this header and payload, each any text, signed with any key. */
static inline struct buffer forge(const char *header, const char *payload, enum key_algorithm how,
                                  struct slice key)
{
    struct buffer token = BUFFER_INIT;
    base64url_encode(slice_of(header), &token);
    buffer_append_byte(&token, '.');
    base64url_encode(slice_of(payload), &token);
    append_signature(&token, how, key);
    return token;
}

/* The usual one: signed as it says, with the key of that name. */
static inline struct buffer signed_token(const struct token_world *world, enum key_algorithm how,
                                         const char *payload)
{
    static const char *const kids[] = {"hs256", "hs512", "rs256", "es256"};
    char header[64];
    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", key_algorithm_name(how),
             kids[how]);
    return forge(header, payload, how,
                 key_algorithm_secret(how) ? world_secret(world, how)
                                           : buffer_slice(&world->private[how]));
}

static inline struct grant *verified(const struct keyring *keyring, struct slice token,
                                     int64_t now_ms)
{
    struct grant *grant = NULL;
    struct token_refusal refusal;
    struct buffer text = BUFFER_INIT;
    if (!token_verify(token, keyring, now_ms, &grant, &refusal)) {
        token_refusal_write(&refusal, &text);
        fail_msg("%s", buffer_cstr(&text));
    }
    return grant;
}

/* Takes the token. */
static inline void assert_good(const struct keyring *keyring, struct buffer token, int64_t now_ms)
{
    grant_unref(verified(keyring, buffer_slice(&token), now_ms));
    buffer_done(&token);
}

/* That it is refused for this reason, in a sentence that has nothing of it. Takes the token. */
static inline void assert_refused(const struct keyring *keyring, struct buffer token,
                                  int64_t now_ms, enum token_fault fault, const char *claim)
{
    struct grant *grant = NULL;
    struct token_refusal refusal = {TOKEN_FAULT_COUNT, NULL};
    struct buffer text = BUFFER_INIT;
    if (token_verify(buffer_slice(&token), keyring, now_ms, &grant, &refusal))
        fail_msg("accepted: %s", buffer_cstr(&token));
    assert_null(grant);
    token_refusal_write(&refusal, &text);
    if (refusal.fault != fault)
        fail_msg("refused because %s: %s", buffer_cstr(&text), buffer_cstr(&token));
    if (claim)
        assert_string_equal(refusal.claim, claim);
    else
        assert_null(refusal.claim);
    buffer_done(&text);
    buffer_done(&token);
}

#endif
