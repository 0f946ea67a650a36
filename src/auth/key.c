/*
 * Why this exists: whatever is wrong with a key is found when it is loaded, not when the first
 * token comes. Each key gets exactly one algorithm. PEM is read once, by OpenSSL, without ever
 * asking a terminal for a passphrase, and written anew for libjwt to sign with.
 */
#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "livetally/mem.h"

#define P256 "prime256v1"

static const struct algorithm {
    const char *name;
    const char *ending;
    jwt_alg_t jwt;
    uint32_t secret_bytes_min; /* RFC 7518: as long as the hash; 0: no secret but a pair */
} algorithms[KEY_ALGORITHM_COUNT] = {
    [KEY_HS256] = {"HS256", "hs256", JWT_ALG_HS256, 32},
    [KEY_HS512] = {"HS512", "hs512", JWT_ALG_HS512, 64},
    [KEY_RS256] = {"RS256", "pem", JWT_ALG_RS256, 0},
    [KEY_ES256] = {"ES256", "pem", JWT_ALG_ES256, 0},
};

const char *key_algorithm_name(enum key_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

bool key_algorithm_parse(struct slice name, enum key_algorithm *ret_algorithm)
{
    for (int i = 0; i < KEY_ALGORITHM_COUNT; i++) {
        if (slice_equal(name, slice_of(algorithms[i].name))) {
            *ret_algorithm = (enum key_algorithm)i;
            return true;
        }
    }
    return false;
}

bool key_algorithm_secret(enum key_algorithm algorithm)
{
    return algorithms[algorithm].secret_bytes_min > 0;
}

jwt_alg_t key_jwt_algorithm(enum key_algorithm algorithm)
{
    return algorithms[algorithm].jwt;
}

static struct slice ending_of(struct slice name)
{
    const char *dot = name.size ? memrchr(name.data, '.', name.size) : NULL;
    if (!dot)
        return (struct slice){NULL, 0};
    return (struct slice){dot + 1, name.size - (size_t)(dot + 1 - name.data)};
}

bool key_file_name(struct slice name, struct slice *ret_kid, struct slice *ret_ending)
{
    struct slice ending = ending_of(name);
    for (int i = 0; ending.data && i < KEY_ALGORITHM_COUNT; i++) {
        if (slice_equal(ending, slice_of(algorithms[i].ending))) {
            *ret_kid = (struct slice){name.data, name.size - ending.size - 1};
            *ret_ending = ending;
            return true;
        }
    }
    return false;
}

void key_free(struct key *key)
{
    if (!key)
        return;
    if (key->bytes.data)
        explicit_bzero(key->bytes.data, key->bytes.capacity);
    buffer_done(&key->bytes);
    EVP_PKEY_free(key->public);
    free(key);
}

const char *key_kid(const struct key *key)
{
    return key->kid;
}

enum key_algorithm key_get_algorithm(const struct key *key)
{
    return key->algorithm;
}

/* --- files -------------------------------------------------------------------------------- */

/* What a program may be told to read may also be a pipe, or belong to anybody. */
static int check_file(const char *path, int fd, bool secret, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set(error, ERROR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_INVALID, "%s: not a file", path);
    if (status.st_mode & S_IWOTH)
        return error_set(error, ERROR_INVALID, "%s: anybody may write it: chmod o-w", path);
    if (secret && status.st_mode & S_IROTH)
        return error_set(error, ERROR_INVALID, "%s: anybody may read this secret: chmod o-r", path);
    return 0;
}

static int read_file(const char *path, bool secret, struct buffer *out, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_set(error, ERROR_IO, "%s: %s", path, strerror(errno));
    int code = check_file(path, fd, secret, error);
    /* Room for all of it at once: growing would leave copies of a secret behind. */
    char *into = buffer_reserve(out, KEY_FILE_BYTES + 1);
    while (code == 0 && out->size <= KEY_FILE_BYTES) {
        ssize_t got = read(fd, into + out->size, KEY_FILE_BYTES + 1 - out->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            code = error_set(error, ERROR_IO, "%s: %s", path, strerror(errno));
        if (got <= 0)
            break;
        out->size += (size_t)got;
    }
    if (code == 0 && out->size > KEY_FILE_BYTES)
        code = error_set(error, ERROR_LIMIT, "%s: longer than %d bytes", path, KEY_FILE_BYTES);
    (void)close(fd);
    return code;
}

/* --- secrets ------------------------------------------------------------------------------ */

static int take_secret(const char *path, struct key *key, struct slice text, struct error *error)
{
    const struct algorithm *algorithm = &algorithms[key->algorithm];
    if (text.size && text.data[text.size - 1] == '\n')
        text.size--;
    if (text.size && text.data[text.size - 1] == '\r')
        text.size--;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return error_set(error, ERROR_INVALID,
                             "%s: a secret is one line of printable ASCII without blanks", path);
    if (text.size < algorithm->secret_bytes_min)
        return error_set(error, ERROR_INVALID, "%s: a secret for %s has %u characters or more",
                         path, algorithm->name, algorithm->secret_bytes_min);
    buffer_append_slice(&key->bytes, text);
    return 0;
}

/* --- PEM ---------------------------------------------------------------------------------- */

/* OpenSSL would ask on the terminal otherwise. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/* The one algorithm that a key of this kind is for. */
static int choose_algorithm(const char *path, const EVP_PKEY *pkey,
                            enum key_algorithm *ret_algorithm, struct error *error)
{
    char group[32] = "";
    size_t size = 0;
    int bits = EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA) {
        if (bits < KEY_RSA_BITS_MIN || bits > KEY_RSA_BITS_MAX)
            return error_set(error, ERROR_INVALID, "%s: an RSA key has %d to %d bits, this one %d",
                             path, KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX, bits);
        *ret_algorithm = KEY_RS256;
        return 0;
    }
    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC &&
        EVP_PKEY_get_group_name(pkey, group, sizeof(group), &size) == 1 &&
        strcmp(group, P256) == 0) {
        *ret_algorithm = KEY_ES256;
        return 0;
    }
    return error_set(error, ERROR_INVALID, "%s: neither an RSA key nor one of the curve P-256",
                     path);
}

static bool write_pem(const EVP_PKEY *pkey, bool private, struct buffer *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    bool good = bio && (private ? PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
                                : PEM_write_bio_PUBKEY(bio, pkey)) == 1;
    long size = good ? BIO_get_mem_data(bio, &data) : 0;
    if (size > 0) {
        buffer_append(out, data, (size_t)size);
        OPENSSL_cleanse(data, (size_t)size);
    }
    BIO_free(bio);
    return size > 0;
}

static int take_pem(const char *path, struct key *key, struct slice text, bool private,
                    struct error *error)
{
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.size);
    EVP_PKEY *pkey = NULL;
    int code = 0;
    if (bio)
        pkey = private ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                       : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    if (!pkey)
        code = error_set(error, ERROR_INVALID,
                         private ? "%s: not a private key in PEM without a passphrase"
                                 : "%s: not a public key in PEM (BEGIN PUBLIC KEY)",
                         path);
    if (code == 0)
        code = choose_algorithm(path, pkey, &key->algorithm, error);
    if (code == 0 && !write_pem(pkey, private, &key->bytes))
        code = error_set(error, ERROR_SYSTEM, "%s: OpenSSL can't write this key", path);
    if (private)
        EVP_PKEY_free(pkey);
    else
        key->public = pkey;
    BIO_free(bio);
    ERR_clear_error(); /* left behind, it would be taken for one of somebody's TLS connection */
    return code;
}

/* --- keys --------------------------------------------------------------------------------- */

static uint64_t fingerprint(const struct key *key)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    uint64_t id = 0;
    struct buffer all = BUFFER_INIT;
    (void)buffer_reserve(&all, key->bytes.size + sizeof(key->kid) + 1);
    buffer_append(&all, key->kid, sizeof(key->kid));
    buffer_append_byte(&all, (char)key->algorithm);
    buffer_append_slice(&all, buffer_slice(&key->bytes));
    (void)EVP_Digest(all.data, all.size, digest, NULL, EVP_sha256(), NULL);
    memcpy(&id, digest, sizeof(id));
    explicit_bzero(all.data, all.capacity);
    buffer_done(&all);
    return id ? id : 1; /* 0 means no key */
}

/* kid, and algorithm if it is a secret, are set already. */
static int fill(const char *path, struct key *key, bool private, struct error *error)
{
    bool secret = key_algorithm_secret(key->algorithm);
    struct buffer text = BUFFER_INIT;
    int code = read_file(path, secret || private, &text, error);
    if (code == 0)
        code = secret ? take_secret(path, key, buffer_slice(&text), error)
                      : take_pem(path, key, buffer_slice(&text), private, error);
    if (code == 0)
        key->id = fingerprint(key);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    buffer_done(&text);
    return code;
}

static int set_kid(const char *path, struct key *key, struct slice kid, struct error *error)
{
    if (!id_ok(kid))
        return error_set(error, ERROR_INVALID,
                         "%s: a kid is 1 to 64 bytes of A-Z a-z 0-9 . _ ~ : @ -", path);
    memcpy(key->kid, kid.data, kid.size);
    return 0;
}

int key_load_checking(const char *path, struct slice kid, struct slice ending, struct key **ret_key,
                      struct error *error)
{
    struct key *key = mem_zalloc(sizeof(*key));
    int algorithm = 0;
    while (!slice_equal(ending, slice_of(algorithms[algorithm].ending)))
        algorithm++;
    key->algorithm = (enum key_algorithm)algorithm;
    int code = set_kid(path, key, kid, error);
    if (code == 0)
        code = fill(path, key, false, error);
    if (code) {
        key_free(key);
        return code;
    }
    *ret_key = key;
    return 0;
}

int key_load_signing(const char *path, const char *kid, const enum key_algorithm *algorithm,
                     struct key **ret_key, struct error *error)
{
    struct key *key = mem_zalloc(sizeof(*key));
    struct slice name = slice_of(basename(path));
    struct slice stem = name;
    struct slice ending = ending_of(name);
    if (ending.data)
        stem.size = name.size - ending.size - 1;
    /* A pair of some kind, unless the name or the caller says that it is a secret. */
    key->algorithm = algorithm ? *algorithm : KEY_RS256;
    for (int i = 0; i < KEY_ALGORITHM_COUNT; i++)
        if (slice_equal(ending, slice_of(algorithms[i].ending)) && algorithms[i].secret_bytes_min)
            key->algorithm = (enum key_algorithm)i;
    int code = set_kid(path, key, kid ? slice_of(kid) : stem, error);
    if (code == 0)
        code = fill(path, key, true, error);
    if (code == 0 && algorithm && key->algorithm != *algorithm)
        code = error_set(error, ERROR_INVALID, "%s: this key is for %s, not %s", path,
                         algorithms[key->algorithm].name, algorithms[*algorithm].name);
    if (code) {
        key_free(key);
        return code;
    }
    *ret_key = key;
    return 0;
}
