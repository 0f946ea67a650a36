/*
 * The JSON reader and writer, for everything that strangers send passes through them: any text is
 * accepted or refused as jansson does, whichever way it is walked, and any bytes are written as
 * JSON that reads back.
 */
#include "against_jansson.h"
#include "fuzz.h"

static void walk(struct json_reader *reader)
{
    struct json_string key;

    switch (json_reader_next(reader)) {
    case OUR_OBJECT:
        while (json_reader_key(reader, &key))
            walk(reader);
        break;
    case OUR_ARRAY:
        while (json_reader_element(reader))
            walk(reader);
        break;
    default:
        break;
    }
}

/* Reading every value must come to the same end, at the same byte, as passing over them all. */
static void check_walks(struct slice text)
{
    struct json_reader skipped, walked;

    json_reader_init(&skipped, text);
    json_reader_init(&walked, text);
    json_reader_skip(&skipped);
    json_reader_end(&skipped);
    walk(&walked);
    json_reader_end(&walked);
    REQUIRE(skipped.error == walked.error, "skipping says \"%s\", reading \"%s\"",
            skipped.error ? skipped.error : "fine", walked.error ? walked.error : "fine");
    REQUIRE(json_reader_offset(&skipped) == json_reader_offset(&walked), "at another byte");
}

/* What is UTF-8 comes back as it was; what isn't, comes back as something that is. */
static void check_writer(struct slice text)
{
    struct buffer out = BUFFER_INIT;
    struct json_reader reader;

    json_write_string(&out, text);
    json_reader_init(&reader, buffer_slice(&out));
    REQUIRE(json_reader_next(&reader) == OUR_STRING && json_reader_end(&reader),
            "what was written is no string: %s", reader.error ? reader.error : "another kind");
    REQUIRE(json_string_equals(reader.string, text) == utf8_ok(text), "it reads back as another");
    if (!utf8_ok(text)) {
        char *decoded = mem_alloc(out.size);
        size_t size = json_string_decode(reader.string, decoded);
        REQUIRE(utf8_ok((struct slice){decoded, size}), "it reads back as something not UTF-8");
        free(decoded);
    }
    buffer_done(&out);
}

static void check_cut(struct slice text, size_t max_bytes)
{
    size_t size = utf8_cut(text, max_bytes);

    REQUIRE(size <= max_bytes && size <= text.size, "cut to %zu of %zu", size, max_bytes);
    if (!utf8_ok(text) || size == text.size)
        return;
    REQUIRE(utf8_ok((struct slice){text.data, size}), "a character was cut at %zu", size);
    for (size_t more = size + 1; more <= max_bytes; more++)
        REQUIRE(!utf8_ok((struct slice){text.data, more}), "%zu bytes would have fit", more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = fuzz_text(data, size);
    const char *what;

    REQUIRE(jansson_compare_text(text, &what) != DIFFERENT, "%s differs from jansson's", what);
    check_walks(text);
    check_writer(text);
    for (size_t max_bytes = 0; max_bytes <= 8; max_bytes++)
        check_cut(text, max_bytes);
    return 0;
}
