/*
 * New keys, for `livetally token new-key`.
 */
#include "key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "base64url.h"

#define SECRET_BYTES 64 /* as long as the longest hash */

static int generate_secret(struct buffer *ret_private, struct error *error)
{
    unsigned char secret[SECRET_BYTES];
    if (RAND_bytes(secret, sizeof(secret)) != 1)
        return error_set(error, ERROR_SYSTEM, "OpenSSL has no random bytes");
    base64url_encode((struct slice){(const char *)secret, sizeof(secret)}, ret_private);
    buffer_append_byte(ret_private, '\n');
    explicit_bzero(secret, sizeof(secret));
    return 0;
}

static bool take(BIO *bio, struct buffer *out)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    if (size > 0)
        buffer_append(out, data, (size_t)size);
    return size > 0 && BIO_reset(bio) == 1;
}

int key_generate(enum key_algorithm algorithm, struct buffer *ret_private,
                 struct buffer *ret_public, struct error *error)
{
    if (key_algorithm_secret(algorithm))
        return generate_secret(ret_private, error);
    EVP_PKEY *pkey = algorithm == KEY_RS256 ? EVP_RSA_gen(KEY_RSA_BITS_NEW) : EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem());
    bool good =
        pkey && bio && PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
        take(bio, ret_private) && PEM_write_bio_PUBKEY(bio, pkey) == 1 && take(bio, ret_public);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return good ? 0 : error_set(error, ERROR_SYSTEM, "OpenSSL can't make a key");
}
