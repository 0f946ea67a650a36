/* Key files: which are taken, which are refused and why, and how keys are changed while running. */
#include "token_world.h"

#define GOOD   "{\"exp\":1800000100,\"scope\":\"view\"}"
#define SECRET "0123456789abcdef0123456789abcdef"

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

static struct keyring *loaded(const char *path)
{
    struct error error = {.text = ""};
    struct keyring *keyring = world_load(path, &error);
    if (!keyring)
        fail_msg("%s: %s", path, error.text);
    return keyring;
}

/* What the error says, and that it names the file and nothing that stands in it. */
static void assert_not_loaded(const char *path, const char *mention)
{
    struct error error = {.text = ""};
    if (world_load(path, &error))
        fail_msg("loaded: %s", path);
    if (!strstr(error.text, mention) || strstr(error.text, SECRET))
        fail_msg("\"%s\" says \"%s\", expected it to mention \"%s\"", path, error.text, mention);
}

/* One file in the world's folder, alone. */
static void assert_bad_file(struct token_world *world, const char *name, struct slice content,
                            mode_t mode, const char *mention)
{
    world_write(world, name, content, mode);
    assert_not_loaded(world_path(world, name), mention);
    world_remove(world, name);
}

static struct buffer public_pem(EVP_PKEY *pkey)
{
    struct buffer out = BUFFER_INIT;
    char *data = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_non_null(pkey);
    assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    long size = BIO_get_mem_data(bio, &data);
    buffer_append(&out, data, (size_t)size);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return out;
}

static void test_a_folder_of_keys(void **state)
{
    struct token_world *world = *state;
    struct buffer text = BUFFER_INIT;
    world_write(world, "README", SLICE("passed over"), 0644);
    world_write(world, ".old.hs256", SLICE("short"), 0644);
    world_write(world, "k.hs256~", SLICE("short"), 0644);
    struct keyring *keyring = loaded(world->folder);
    assert_int_equal(keyring_count(keyring), 4);
    keyring_describe(keyring, &text);
    assert_string_equal(buffer_cstr(&text),
                        "es256 (ES256), hs256 (HS256), hs512 (HS512), rs256 (RS256)");
    buffer_done(&text);
    keyring_free(keyring);
    world_remove(world, "README");
    world_remove(world, ".old.hs256");
    world_remove(world, "k.hs256~");
}

static void test_files_and_beginnings_of_names(void **state)
{
    struct token_world *world = *state;
    struct buffer text = BUFFER_INIT;
    char paths[2][160];
    struct keyring *keyring = NULL;
    /* As systemd names them: LoadCredential=keys:FOLDER. */
    world_write(world, "keys_a.hs256", SLICE(SECRET "A"), 0440);
    world_write(world, "keys_b.hs256", SLICE(SECRET "B"), 0400);
    strcpy(paths[0], world_path(world, "keys_"));
    strcpy(paths[1], world_path(world, "hs256.hs256"));
    const char *list[] = {paths[0], paths[1]};
    assert_int_equal(keyring_load(list, 2, &keyring, NULL), 0);
    keyring_describe(keyring, &text);
    assert_string_equal(buffer_cstr(&text), "a (HS256), b (HS256), hs256 (HS256)");
    keyring_free(keyring);
    buffer_done(&text);
    world_remove(world, "keys_a.hs256");
    world_remove(world, "keys_b.hs256");
}

static void test_places_without_keys(void **state)
{
    struct token_world *world = *state;
    struct error error = {.text = ""};
    struct keyring *keyring = NULL;
    assert_not_loaded(world_path(world, "nothing"), "no key there");
    assert_not_loaded(world_path(world, "no/folder/here"), "No such file");
    assert_not_loaded("", "no key there");
    assert_int_equal(keyring_load(NULL, 0, &keyring, &error), ERROR_NOT_FOUND);
    assert_int_equal(mkdir(world_path(world, "empty"), 0700), 0);
    assert_not_loaded(world->path, "no key there");
    assert_int_equal(rmdir(world->path), 0);
    assert_bad_file(world, "secret.txt", SLICE(SECRET), 0600, ".hs256");
    assert_bad_file(world, "secret", SLICE(SECRET), 0600, ".hs256");
}

static void test_who_may_read_and_write(void **state)
{
    struct token_world *world = *state;
    struct slice pem = buffer_slice(&world->public[KEY_RS256]);
    static const mode_t good[] = {0400, 0600, 0440, 0640, 0660};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        world_write(world, "k.hs256", SLICE(SECRET), good[i]);
        keyring_free(loaded(world_path(world, "k.hs256")));
    }
    world_remove(world, "k.hs256");
    assert_bad_file(world, "k.hs256", SLICE(SECRET), 0604, "chmod o-r");
    assert_bad_file(world, "k.hs256", SLICE(SECRET), 0644, "chmod o-r");
    assert_bad_file(world, "k.hs256", SLICE(SECRET), 0602, "chmod o-w");
    assert_bad_file(world, "k.pem", pem, 0666, "chmod o-w");
    world_write(world, "k.pem", pem, 0644);
    keyring_free(loaded(world_path(world, "k.pem")));
    world_remove(world, "k.pem");
}

static void test_things_that_are_no_files(void **state)
{
    struct token_world *world = *state;
    assert_int_equal(mkfifo(world_path(world, "pipe.hs256"), 0600), 0);
    assert_not_loaded(world->path, "not a file"); /* and doesn't wait for a writer */
    world_remove(world, "pipe.hs256");
    assert_int_equal(mkdir(world_path(world, "folder.hs256"), 0700), 0);
    assert_not_loaded(world->folder, "folder.hs256");
    assert_int_equal(rmdir(world_path(world, "folder.hs256")), 0);
    assert_int_equal(symlink("gone", world_path(world, "link.hs256")), 0);
    assert_not_loaded(world->folder, "link.hs256");
    world_remove(world, "link.hs256");
}

static void test_secrets(void **state)
{
    struct token_world *world = *state;
    struct buffer huge = BUFFER_INIT;
    static const char *const good[] = {SECRET, SECRET "\n", SECRET "\r\n", SECRET SECRET "+/=!"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        world_write(world, "k.hs256", slice_of(good[i]), 0600);
        keyring_free(loaded(world_path(world, "k.hs256")));
    }
    world_remove(world, "k.hs256");
    assert_bad_file(world, "k.hs256", SLICE(""), 0600, "32 characters");
    assert_bad_file(world, "k.hs256", SLICE("0123456789abcdef0123456789abcde\n"), 0600,
                    "32 characters");
    assert_bad_file(world, "k.hs512", SLICE(SECRET "0123456789abcdef0123456789abcde\n"), 0600,
                    "64 characters");
    assert_bad_file(world, "k.hs256", SLICE(SECRET "\n\n"), 0600, "one line");
    assert_bad_file(world, "k.hs256", SLICE(SECRET " " SECRET), 0600, "one line");
    assert_bad_file(world, "k.hs256", SLICE(SECRET "\0" SECRET), 0600, "one line");
    assert_bad_file(world, "k.hs256", SLICE(SECRET "\xc3\xa4"), 0600, "one line");
    assert_bad_file(world, "k.hs256", buffer_slice(&world->public[KEY_RS256]), 0600, "one line");
    memset(buffer_reserve(&huge, KEY_FILE_BYTES + 1), 'x', KEY_FILE_BYTES + 1);
    huge.size = KEY_FILE_BYTES;
    world_write(world, "k.hs256", buffer_slice(&huge), 0600);
    keyring_free(loaded(world_path(world, "k.hs256")));
    huge.size++;
    assert_bad_file(world, "k.hs256", buffer_slice(&huge), 0600, "longer than");
    buffer_done(&huge);
}

static void test_public_keys(void **state)
{
    struct token_world *world = *state;
    static const char *const kinds[] = {"neither", "neither", "2048 to 8192"};
    struct buffer pems[] = {
        public_pem(EVP_EC_gen("P-384")),
        public_pem(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")),
        public_pem(EVP_RSA_gen(1024)),
    };
    for (size_t i = 0; i < 3; i++) {
        assert_bad_file(world, "k.pem", buffer_slice(&pems[i]), 0644, kinds[i]);
        buffer_done(&pems[i]);
    }
    assert_bad_file(world, "k.pem", SLICE(""), 0644, "not a public key");
    assert_bad_file(world, "k.pem", SLICE("-----BEGIN PUBLIC KEY-----\nAAAA\n"), 0644,
                    "not a public key");
    /* Nobody should have that on a server. */
    assert_bad_file(world, "k.pem", buffer_slice(&world->private[KEY_ES256]), 0644,
                    "not a public key");
    assert_bad_file(world, "k.pem", SLICE(SECRET), 0600, "not a public key");
}

static void test_names(void **state)
{
    struct token_world *world = *state;
    assert_bad_file(world, "a b.hs256", SLICE(SECRET), 0600, "kid");
    assert_bad_file(world, ".hs256", SLICE(SECRET), 0600, "kid");
    assert_bad_file(world,
                    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk.hs256",
                    SLICE(SECRET), 0600, "kid");
    world_write(world, "rs256.hs256", SLICE(SECRET), 0600); /* there is rs256.pem too */
    assert_not_loaded(world->folder, "another key with the kid rs256");
    world_remove(world, "rs256.hs256");
}

static void test_too_many_keys(void **state)
{
    struct token_world *world = *state;
    char name[32];
    for (int i = 0; i < KEYRING_KEYS_MAX + 1; i++) {
        snprintf(name, sizeof(name), "many-%d.hs256", i);
        world_write(world, name, SLICE(SECRET), 0600);
    }
    assert_not_loaded(world_path(world, "many-"), "more than 64");
    world_remove(world, "many-0.hs256");
    struct keyring *keyring = loaded(world_path(world, "many-"));
    assert_int_equal(keyring_count(keyring), KEYRING_KEYS_MAX);
    keyring_free(keyring);
    for (int i = 1; i < KEYRING_KEYS_MAX + 1; i++) {
        snprintf(name, sizeof(name), "many-%d.hs256", i);
        world_remove(world, name);
    }
}

/* Old and new side by side; then the old one goes, and what it signed is void. */
static void test_rotation(void **state)
{
    struct token_world *world = *state;
    struct slice old_secret = SLICE(SECRET "old"), new_secret = SLICE(SECRET "new");
    struct buffer old_token =
        forge("{\"alg\":\"HS256\",\"kid\":\"r1\"}", GOOD, KEY_HS256, old_secret);
    struct buffer new_token =
        forge("{\"alg\":\"HS256\",\"kid\":\"r2\"}", GOOD, KEY_HS256, new_secret);
    struct buffer mixed = forge("{\"alg\":\"HS256\",\"kid\":\"r2\"}", GOOD, KEY_HS256, old_secret);
    world_write(world, "r1.hs256", old_secret, 0600);
    struct keyring *before = loaded(world->folder);
    world_write(world, "r2.hs256", new_secret, 0600);
    struct keyring *both = loaded(world->folder);
    world_remove(world, "r1.hs256");
    struct keyring *after = loaded(world->folder);

    struct grant *old_grant = verified(both, buffer_slice(&old_token), NOW_MS);
    struct grant *new_grant = verified(both, buffer_slice(&new_token), NOW_MS);
    assert_true(keyring_holds(before, grant_key_id(old_grant)));
    assert_false(keyring_holds(before, grant_key_id(new_grant)));
    assert_true(keyring_holds(both, grant_key_id(old_grant)));
    assert_false(keyring_holds(after, grant_key_id(old_grant)));
    assert_true(keyring_holds(after, grant_key_id(new_grant)));
    assert_false(keyring_holds(after, 0));
    grant_unref(old_grant);
    grant_unref(new_grant);
    assert_refused(both, mixed, NOW_MS, TOKEN_BAD_SIGNATURE, NULL);
    assert_refused(after, old_token, NOW_MS, TOKEN_UNKNOWN_KEY, NULL);
    assert_refused(before, new_token, NOW_MS, TOKEN_UNKNOWN_KEY, NULL);
    keyring_free(before);
    keyring_free(both);
    keyring_free(after);
    world_remove(world, "r2.hs256");
}

/* The same name with another content is another key; the same content is the same. */
static void test_reload(void **state)
{
    struct token_world *world = *state;
    world_write(world, "r.hs256", SLICE(SECRET "1"), 0600);
    struct keyring *running = loaded(world_path(world, "r.hs256"));
    struct keyring *same = loaded(world_path(world, "r.hs256"));
    struct buffer token =
        forge("{\"alg\":\"HS256\",\"kid\":\"r\"}", GOOD, KEY_HS256, SLICE(SECRET "1"));
    struct grant *grant = verified(running, buffer_slice(&token), NOW_MS);
    assert_true(keyring_holds(same, grant_key_id(grant)));

    world_write(world, "r.hs256", SLICE("tooshort"), 0600);
    assert_not_loaded(world_path(world, "r.hs256"), "32 characters");
    grant_unref(verified(running, buffer_slice(&token), NOW_MS)); /* the old one goes on */

    world_write(world, "r.hs256", SLICE(SECRET "2"), 0600);
    struct keyring *other = loaded(world_path(world, "r.hs256"));
    assert_false(keyring_holds(other, grant_key_id(grant)));
    assert_refused(other, token, NOW_MS, TOKEN_BAD_SIGNATURE, NULL);
    grant_unref(grant);
    keyring_free(running);
    keyring_free(same);
    keyring_free(other);
    world_remove(world, "r.hs256");
}

static void assert_signing(const char *path, const char *kid, const enum key_algorithm *algorithm,
                           enum key_algorithm want)
{
    struct key *key = NULL;
    struct error error = {.text = ""};
    if (key_load_signing(path, kid, algorithm, &key, &error))
        fail_msg("%s", error.text);
    assert_string_equal(key_kid(key), "k");
    assert_int_equal(key_get_algorithm(key), want);
    key_free(key);
}

static void assert_not_signing(const char *path, const enum key_algorithm *algorithm,
                               const char *mention)
{
    struct key *key = NULL;
    struct error error = {.text = ""};
    assert_int_not_equal(key_load_signing(path, NULL, algorithm, &key, &error), 0);
    assert_null(key);
    if (!strstr(error.text, mention))
        fail_msg("\"%s\" doesn't mention \"%s\"", error.text, mention);
}

static void test_keys_to_sign_with(void **state)
{
    struct token_world *world = *state;
    enum key_algorithm hs256 = KEY_HS256, es256 = KEY_ES256, rs256 = KEY_RS256;
    world_write(world, "k.hs256", SLICE(SECRET), 0600);
    world_write(world, "secret.txt", SLICE(SECRET), 0600);
    world_write(world, "k.key", buffer_slice(&world->private[KEY_ES256]), 0600);
    assert_signing(world_path(world, "k.hs256"), NULL, NULL, KEY_HS256);
    assert_signing(world_path(world, "secret.txt"), "k", &hs256, KEY_HS256);
    assert_signing(world_path(world, "k.key"), NULL, NULL, KEY_ES256);
    assert_signing(world_path(world, "k.key"), NULL, &es256, KEY_ES256);
    assert_not_signing(world_path(world, "k.key"), &rs256, "for ES256, not RS256");
    assert_not_signing(world_path(world, "k.key"), &hs256, "one line");
    assert_not_signing(world_path(world, "k.hs256"), &es256, "for HS256, not ES256");
    assert_not_signing(world_path(world, "secret.txt"), NULL, "not a private key");
    assert_not_signing(world_path(world, "es256.pem"), NULL, "chmod o-r");
    assert_not_signing(world_path(world, "gone.key"), NULL, "No such file");
    world_write(world, "k.key", buffer_slice(&world->private[KEY_ES256]), 0644);
    assert_not_signing(world_path(world, "k.key"), NULL, "chmod o-r");
    world_remove(world, "k.hs256");
    world_remove(world, "k.key");
    world_remove(world, "secret.txt");
}

/* Without asking anybody for it: a server, or a script, has nobody there. */
static void test_a_passphrase(void **state)
{
    struct token_world *world = *state;
    char *data = NULL;
    struct buffer pem = BUFFER_INIT;
    char passphrase[] = "passphrase";
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PrivateKey(bio, pkey, EVP_aes_128_cbc(), NULL, 0, NULL, passphrase), 1);
    long size = BIO_get_mem_data(bio, &data);
    buffer_append(&pem, data, (size_t)size);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    world_write(world, "k.key", buffer_slice(&pem), 0600);
    assert_not_signing(world_path(world, "k.key"), NULL, "without a passphrase");
    world_remove(world, "k.key");
    buffer_done(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_folder_of_keys),
        cmocka_unit_test(test_files_and_beginnings_of_names),
        cmocka_unit_test(test_places_without_keys),
        cmocka_unit_test(test_who_may_read_and_write),
        cmocka_unit_test(test_things_that_are_no_files),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_public_keys),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_too_many_keys),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_keys_to_sign_with),
        cmocka_unit_test(test_a_passphrase),
    };
    return cmocka_run_group_tests(tests, make_world, free_world);
}
