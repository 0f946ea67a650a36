/*
 * Why this exists: libjwt 1.10 chooses the algorithm by the token, reads the key's PEM anew for
 * each one (most of half a millisecond of the one loop) and the claims more loosely than we do. So
 * it signs, and checking is done by libcrypto with keys that were read once.
 */
#include "signature.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define P256_NUMBER_BYTES 32 /* of each of the two numbers of a signature */
#define P256_DER_BYTES    80 /* more than both take in DER */

static bool secret_fits(const struct key *key, struct slice input, struct slice signature)
{
    unsigned char expected[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    const EVP_MD *hash = key->algorithm == KEY_HS256 ? EVP_sha256() : EVP_sha512();
    return HMAC(hash, key->bytes.data, (int)key->bytes.size, (const unsigned char *)input.data,
                input.size, expected, &size) &&
           signature.size == size && CRYPTO_memcmp(signature.data, expected, size) == 0;
}

/* From the two numbers side by side, as tokens have them, to DER; 0 when they aren't that. */
static size_t numbers_to_der(struct slice signature, unsigned char out[P256_DER_BYTES])
{
    const unsigned char *bytes = (const unsigned char *)signature.data;
    if (signature.size != 2 * P256_NUMBER_BYTES)
        return 0;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, P256_NUMBER_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(bytes + P256_NUMBER_BYTES, P256_NUMBER_BYTES, NULL);
    int size = 0;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair's now */
        size = i2d_ECDSA_SIG(pair, &out);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return size > 0 ? (size_t)size : 0;
}

static bool pair_fits(const struct key *key, struct slice input, struct slice signature)
{
    unsigned char der[P256_DER_BYTES];
    if (key->algorithm == KEY_ES256)
        signature = (struct slice){(const char *)der, numbers_to_der(signature, der)};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool fits = context && signature.size &&
                EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->public) == 1 &&
                EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.size,
                                 (const unsigned char *)input.data, input.size) == 1;
    EVP_MD_CTX_free(context);
    return fits;
}

bool signature_fits(const struct key *key, struct slice signing_input, struct slice signature)
{
    bool fits = key_algorithm_secret(key->algorithm) ? secret_fits(key, signing_input, signature)
                                                     : pair_fits(key, signing_input, signature);
    ERR_clear_error(); /* left behind, it would be taken for one of somebody's TLS connection */
    return fits;
}
