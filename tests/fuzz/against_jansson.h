/*
 * Our JSON reader against jansson: both must accept the same texts and read the same values. Where
 * they differ by intent, the difference is named below. For the unit test, which mutates a corpus
 * by a fixed plan, and for fuzzing.
 */
#ifndef LIVETALLY_TESTS_AGAINST_JANSSON_H
#define LIVETALLY_TESTS_AGAINST_JANSSON_H

#include <stdlib.h>
#include <string.h>

/* Both libraries name their kinds of values JSON_OBJECT and so on. */
#define JSON_OBJECT OUR_OBJECT
#define JSON_ARRAY  OUR_ARRAY
#define JSON_STRING OUR_STRING
#define JSON_TRUE   OUR_TRUE
#define JSON_FALSE  OUR_FALSE
#define JSON_NULL   OUR_NULL
#include "livetally/json.h"
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL
#include <jansson.h>

#include "livetally/mem.h"

/* How PROTOCOL wants jansson to read. */
#define JANSSON_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

static inline bool jansson_same_text(struct json_string ours, const char *data, size_t size)
{
    if (!json_string_equals(ours, (struct slice){data, size}))
        return false;
    char *decoded = mem_alloc(ours.raw.size + 1);
    size_t decoded_size = json_string_decode(ours, decoded);
    bool same = decoded_size == size && memcmp(decoded, data, size) == 0;
    free(decoded);
    return same;
}

static inline const char *jansson_compare_value(struct json_reader *reader, const json_t *theirs);

static inline const char *jansson_compare_object(struct json_reader *reader, const json_t *theirs)
{
    struct json_string key;
    size_t count = 0;
    if (!json_is_object(theirs))
        return "not an object";
    while (json_reader_key(reader, &key)) {
        char *name = mem_alloc(key.raw.size + 1);
        name[json_string_decode(key, name)] = '\0';
        const json_t *member = json_object_get(theirs, name);
        bool same = member && jansson_same_text(key, name, strlen(name));
        free(name);
        if (!same)
            return "another key";
        const char *difference = jansson_compare_value(reader, member);
        if (difference)
            return difference;
        count++;
    }
    return count == json_object_size(theirs) ? NULL : "another number of keys";
}

static inline const char *jansson_compare_array(struct json_reader *reader, const json_t *theirs)
{
    size_t count = 0;
    if (!json_is_array(theirs))
        return "not an array";
    while (json_reader_element(reader)) {
        const char *difference = jansson_compare_value(reader, json_array_get(theirs, count++));
        if (difference)
            return difference;
    }
    return count == json_array_size(theirs) ? NULL : "another number of elements";
}

/* NULL when the value that the reader reads next is theirs, else what differs. */
static inline const char *jansson_compare_value(struct json_reader *reader, const json_t *theirs)
{
    bool same = false;
    switch (json_reader_next(reader)) {
    case JSON_ERROR:
        return NULL; /* the verdicts are compared by the caller */
    case OUR_OBJECT:
        return jansson_compare_object(reader, theirs);
    case OUR_ARRAY:
        return jansson_compare_array(reader, theirs);
    case OUR_STRING:
        same =
            json_is_string(theirs) && jansson_same_text(reader->string, json_string_value(theirs),
                                                        json_string_length(theirs));
        break;
    case JSON_INT:
        same = json_is_integer(theirs) && json_integer_value(theirs) == reader->integer;
        break;
    case JSON_NUMBER:
        same = json_is_real(theirs);
        break;
    case OUR_TRUE:
        same = json_is_true(theirs);
        break;
    case OUR_FALSE:
        same = json_is_false(theirs);
        break;
    case OUR_NULL:
        same = json_is_null(theirs);
        break;
    }
    return same ? NULL : "another value";
}

enum jansson_outcome {
    BOTH_ACCEPT,
    BOTH_REFUSE,
    INTENDED, /* they differ, as we want */
    DIFFERENT,
    JANSSON_OUTCOME_COUNT
};

/* jansson loses a NUL byte that follows a number or a word. */
static inline bool jansson_passed_nul(struct slice text, const struct json_reader *reader)
{
    size_t at = json_reader_offset(reader);
    return at > 0 && at < text.size && text.data[at] == '\0';
}

static inline enum jansson_outcome jansson_compare_text(struct slice text, const char **ret_what)
{
    json_error_t error;
    struct json_reader reader;
    enum jansson_outcome outcome;
    json_t *theirs = json_loadb(text.data, text.size, JANSSON_FLAGS, &error);

    json_reader_init(&reader, text);
    bool ours = json_reader_skip(&reader) && json_reader_end(&reader);
    *ret_what = "the verdict";
    if (ours && theirs) {
        json_reader_init(&reader, text);
        *ret_what = jansson_compare_value(&reader, theirs);
        if (!*ret_what && !json_reader_end(&reader))
            *ret_what = "the verdict when values are read";
        outcome = *ret_what ? DIFFERENT : BOTH_ACCEPT;
    } else if (!ours && !theirs) {
        outcome = BOTH_REFUSE;
    } else if (ours) {
        /* jansson turns numbers into C numbers, and keys into C strings. */
        enum json_error_code code = json_error_code(&error);
        outcome = code == json_error_numeric_overflow || code == json_error_null_byte_in_key
                      ? INTENDED
                      : DIFFERENT;
    } else {
        outcome = strcmp(reader.error, "nested too deep") == 0 ||
                          strcmp(reader.error, "too many keys in one object") == 0 ||
                          jansson_passed_nul(text, &reader)
                      ? INTENDED
                      : DIFFERENT;
    }
    json_decref(theirs);
    return outcome;
}

#endif
