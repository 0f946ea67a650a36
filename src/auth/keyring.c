/*
 * Why this exists: from paths in the configuration to keys by name. All or nothing, so that a
 * reload with a bad file changes nothing.
 */
#include "keyring.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "livetally/mem.h"

struct keyring {
    struct key *keys[KEYRING_KEYS_MAX];
    uint32_t count;
};

const struct key *keyring_find(const struct keyring *keyring, struct slice kid)
{
    for (uint32_t i = 0; i < keyring->count; i++)
        if (slice_equal(slice_of(keyring->keys[i]->kid), kid))
            return keyring->keys[i];
    return NULL;
}

/* One file. `skip` bytes of its name are no part of the kid. */
static int add_file(struct keyring *keyring, const char *path, size_t skip, struct error *error)
{
    struct slice name = slice_of(basename(path));
    struct slice kid, ending;
    if (!key_file_name(name, &kid, &ending))
        return error_set(error, ERROR_INVALID,
                         "%s: a key's file ends in .hs256, .hs512 or .pem (a public key)", path);
    kid = (struct slice){kid.data + skip, kid.size > skip ? kid.size - skip : 0};
    if (keyring->count == KEYRING_KEYS_MAX)
        return error_set(error, ERROR_LIMIT, "%s: more than %d keys", path, KEYRING_KEYS_MAX);
    if (keyring_find(keyring, kid))
        return error_set(error, ERROR_CONFLICT, "%s: there is another key with the kid %.*s", path,
                         SLICE_ARG(kid));
    int code = key_load_checking(path, kid, ending, &keyring->keys[keyring->count], error);
    if (code == 0)
        keyring->count++;
    return code;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int add_folder(struct keyring *keyring, const char *folder, const char *prefix,
                      struct error *error)
{
    struct dirent **entries = NULL;
    size_t skip = strlen(prefix);
    int code = 0;
    int count = scandir(folder, &entries, is_visible, alphasort);
    if (count < 0)
        return error_set(error, ERROR_IO, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        struct slice kid, ending;
        if (code == 0 && strncmp(name, prefix, skip) == 0 &&
            key_file_name(slice_of(name), &kid, &ending)) {
            struct buffer path = BUFFER_INIT;
            buffer_printf(&path, "%s%s%s", folder, basename(folder)[0] ? "/" : "", name);
            code = add_file(keyring, buffer_cstr(&path), skip, error);
            buffer_done(&path);
        }
        free(entries[i]);
    }
    free(entries);
    return code;
}

static int add_path(struct keyring *keyring, const char *path, struct error *error)
{
    uint32_t before = keyring->count;
    struct stat status;
    bool exists = stat(path, &status) == 0;
    int code;
    if (exists && S_ISDIR(status.st_mode)) {
        code = add_folder(keyring, path, "", error);
    } else if (exists) {
        code = add_file(keyring, path, 0, error);
    } else if (errno != ENOENT) {
        code = error_set(error, ERROR_IO, "%s: %s", path, strerror(errno));
    } else {
        const char *prefix = basename(path);
        char *folder =
            prefix == path ? mem_strdup(".") : mem_strndup(path, (size_t)(prefix - path));
        code = add_folder(keyring, folder, prefix, error);
        free(folder);
    }
    if (code == 0 && keyring->count == before)
        return error_set(error, ERROR_NOT_FOUND,
                         "%s: no key there: no file named KID.hs256, KID.hs512 or KID.pem", path);
    return code;
}

int keyring_load(const char *const *paths, uint32_t count, struct keyring **ret_keyring,
                 struct error *error)
{
    struct keyring *keyring = mem_zalloc(sizeof(*keyring));
    int code = count ? 0 : error_set(error, ERROR_NOT_FOUND, "no path of a key is given");
    for (uint32_t i = 0; code == 0 && i < count; i++)
        code = add_path(keyring, paths[i], error);
    if (code) {
        keyring_free(keyring);
        return code;
    }
    *ret_keyring = keyring;
    return 0;
}

void keyring_free(struct keyring *keyring)
{
    for (uint32_t i = 0; keyring && i < keyring->count; i++)
        key_free(keyring->keys[i]);
    free(keyring);
}

uint32_t keyring_count(const struct keyring *keyring)
{
    return keyring->count;
}

void keyring_describe(const struct keyring *keyring, struct buffer *out)
{
    for (uint32_t i = 0; i < keyring->count; i++)
        buffer_printf(out, "%s%s (%s)", i ? ", " : "", keyring->keys[i]->kid,
                      key_algorithm_name(keyring->keys[i]->algorithm));
}

bool keyring_holds(const struct keyring *keyring, uint64_t key_id)
{
    for (uint32_t i = 0; i < keyring->count; i++)
        if (keyring->keys[i]->id == key_id)
            return true;
    return false;
}
