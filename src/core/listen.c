/*
 * Words of addresses to listen on; see listen.h.
 */
#include "livetally/listen.h"

#include <stdbool.h>
#include <string.h>

#include "livetally/slice.h"

#define BLANKS " \t"

static const struct {
    const char *word;
    uint32_t bit;
} words[] = {
#define X(name, bit, word) {word, bit},
    LISTEN_WORDS(X)
#undef X
};

static uint32_t find_word(struct slice text)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (slice_equal(text, slice_of(words[i].word)))
            return words[i].bit;
    return 0;
}

/* Takes the next run of bytes none of which is in `between`; false when there is none. */
static bool next_word(const char **at, const char *between, struct slice *ret_word)
{
    const char *start = *at + strspn(*at, between);
    *ret_word = (struct slice){start, strcspn(start, between)};
    *at = start + ret_word->size;
    return ret_word->size > 0;
}

int listen_split(const char *text, char *address, size_t size, uint32_t *ret_traits,
                 struct error *error)
{
    const char *at = text;
    struct slice where, word;
    uint32_t traits = 0;

    if (!next_word(&at, BLANKS, &where))
        return error_set(error, ERROR_INVALID, "an address is missing");
    if (where.size >= size)
        return error_set(error, ERROR_LIMIT, "the address is longer than %zu bytes", size - 1);
    while (next_word(&at, BLANKS, &word)) {
        uint32_t bit = find_word(word);

        if (!bit)
            return error_set(error, ERROR_INVALID,
                             "\"%.*s\" is not a word for an address; known:" LISTEN_WORDS_TEXT,
                             SLICE_ARG(word));
        if (traits & bit)
            return error_set(error, ERROR_INVALID, "\"%.*s\" stands twice", SLICE_ARG(word));
        traits |= bit;
    }
    memcpy(address, where.data, where.size);
    address[where.size] = '\0';
    *ret_traits = traits;
    return 0;
}

static bool given_by_systemd(const char *name)
{
    static const char unit[] = ".socket";
    size_t size = strlen(name);

    return size == 0 || strcmp(name, "unknown") == 0 ||
           (size > sizeof(unit) - 1 && strcmp(name + size - (sizeof(unit) - 1), unit) == 0);
}

int listen_parse_name(const char *name, uint32_t *ret_traits, struct error *error)
{
    const char *at = name;
    struct slice word;
    uint32_t traits = 0;

    if (!given_by_systemd(name)) {
        while (next_word(&at, "-", &word)) {
            uint32_t bit = find_word(word);

            if (!bit)
                return error_set(error, ERROR_INVALID,
                                 "FileDescriptorName=%s: \"%.*s\" is not known; it is made "
                                 "of these words, joined by -:" LISTEN_WORDS_TEXT,
                                 name, SLICE_ARG(word));
            traits |= bit;
        }
    }
    *ret_traits = traits;
    return 0;
}
