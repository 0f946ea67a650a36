/*
 * Keys that tokens are signed and checked with, each by its name (`kid`) and bound to one
 * algorithm, so that a public key can never be taken for a secret, whatever a token says.
 *
 * A key is a file; its name says both:
 *
 *     KID.hs256  KID.hs512   a secret: one line of 32 (HS512: 64) or more printable characters
 *                            without blanks; only the owner and the group may read it
 *     KID.pem                a public key (BEGIN PUBLIC KEY): RSA of 2048 to 8192 bits means RS256,
 *                            P-256 means ES256
 *
 * To rotate, put the new file beside the old one and reload; sign with the new one; when the last
 * old token has expired, take the old file away and reload. A keyring never changes: a reload
 * builds another and, if that worked, puts it in the place of the old one.
 */
#ifndef LIVETALLY_KEYRING_H
#define LIVETALLY_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/error.h"
#include "livetally/slice.h"

#define KEYRING_KEYS_MAX 64
#define KEY_FILE_BYTES   16384
#define KEY_RSA_BITS_MIN 2048
#define KEY_RSA_BITS_MAX 8192
#define KEY_RSA_BITS_NEW 3072

enum key_algorithm { KEY_HS256, KEY_HS512, KEY_RS256, KEY_ES256, KEY_ALGORITHM_COUNT };

const char *key_algorithm_name(enum key_algorithm algorithm); /* as in a token: "HS256" */
/* Exactly so written. */
bool key_algorithm_parse(struct slice name, enum key_algorithm *ret_algorithm);
bool key_algorithm_secret(enum key_algorithm algorithm); /* HS…: who checks can also sign */

struct keyring;

/*
 * Each path is a file, a folder, or a folder and the beginning of file names in it, which is then
 * no part of the kid (systemd's LoadCredential=keys:FOLDER makes files named keys_KID.hs256: say
 * "…/keys_"). In a folder, files with other endings, and hidden ones, are passed over. Fails as a
 * whole, with a sentence that names the file and never its content: when one can't be read or is
 * no good, when a kid stands there twice, when a path has no key at all.
 */
int keyring_load(const char *const *paths, uint32_t count, struct keyring **ret_keyring,
                 struct error *error);
void keyring_free(struct keyring *keyring); /* wipes the secrets; NULL is fine */
uint32_t keyring_count(const struct keyring *keyring);
void keyring_describe(const struct keyring *keyring,
                      struct buffer *out); /* "a (HS256), b (ES256)" */
/* The very key that a grant was checked with is in this keyring too: name, algorithm, content. */
bool keyring_holds(const struct keyring *keyring, uint64_t key_id);

/*
 * For `livetally token`. A signing key is a secret as above, or a private key in PEM without a
 * passphrase. kid NULL: the file's name without its ending. algorithm NULL: by the file's ending
 * for secrets, by its content for PEM.
 */
struct key;
int key_load_signing(const char *path, const char *kid, const enum key_algorithm *algorithm,
                     struct key **ret_key, struct error *error);
void key_free(struct key *key); /* wipes it; NULL is fine */
const char *key_kid(const struct key *key);
enum key_algorithm key_get_algorithm(const struct key *key);
/* Content for files: what signs, and (RS256, ES256) what checks; *ret_public stays empty for HS….
 */
int key_generate(enum key_algorithm algorithm, struct buffer *ret_private,
                 struct buffer *ret_public, struct error *error);

#endif
