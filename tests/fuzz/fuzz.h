/*
 * What the fuzz targets share: the entry point that libFuzzer calls, a way to fail that says what
 * was wrong, and the tape, which turns any input into choices, so that a target can also build
 * valid things to encode instead of hoping to meet them.
 *
 * libFuzzer hands out a copy of exactly `size` bytes, so the sanitizer sees a read past the end.
 */
#ifndef LIVETALLY_TESTS_FUZZ_H
#define LIVETALLY_TESTS_FUZZ_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "livetally/event.h"
#include "livetally/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

__attribute__((noreturn, format(printf, 3, 4))) static inline void
fuzz_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

/* Aborts, which libFuzzer reports together with the input. */
#define REQUIRE(condition, ...)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_fail(__FILE__, __LINE__, __VA_ARGS__);                                            \
    } while (0)

static inline struct slice fuzz_text(const uint8_t *data, size_t size)
{
    return (struct slice){size ? (const char *)data : "", size};
}

/* Takes what stands before the first `separator` off *rest; false when nothing is left. */
static inline bool fuzz_cut(struct slice *rest, char separator, struct slice *ret_part)
{
    const char *end = rest->size ? memchr(rest->data, separator, rest->size) : NULL;

    if (!rest->data)
        return false;
    *ret_part = (struct slice){rest->data, end ? (size_t)(end - rest->data) : rest->size};
    *rest =
        end ? (struct slice){end + 1, rest->size - ret_part->size - 1} : (struct slice){NULL, 0};
    return true;
}

/* The input as choices. When it has run out, every choice is the least. */
struct tape {
    const uint8_t *at;
    const uint8_t *end;
};

static inline uint8_t tape_byte(struct tape *tape)
{
    return tape->at < tape->end ? *tape->at++ : 0;
}

/* Both ends are as likely as all that lies between, since that is where mistakes are. */
static inline int64_t tape_between(struct tape *tape, int64_t least, int64_t most)
{
    uint64_t span = (uint64_t)most - (uint64_t)least;
    uint8_t choice = tape_byte(tape);
    uint64_t value = 0;

    if (choice < 2)
        return choice ? most : least;
    for (unsigned i = 0; i < choice % 9; i++)
        value = value << 8 | tape_byte(tape);
    return (int64_t)((uint64_t)least + (span == UINT64_MAX ? value : value % (span + 1)));
}

/* A valid id of 1 to ID_MAX_BYTES, in `out`. */
static inline struct slice tape_id(struct tape *tape, char out[ID_MAX_BYTES])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@-";
    size_t size = (size_t)tape_between(tape, 1, ID_MAX_BYTES);

    for (size_t i = 0; i < size; i++)
        out[i] = letters[tape_byte(tape) % (sizeof(letters) - 1)];
    return (struct slice){out, size};
}

static inline uint32_t tape_county(struct tape *tape)
{
    static const uint32_t provinces[] = {11, 15, 21, 37, 42, 50, 54, 65, 71, 82};
    uint32_t province = provinces[tape_byte(tape) % (sizeof(provinces) / sizeof(*provinces))];

    return province * 10000 + (uint32_t)tape_between(tape, 0, 99) * 100 +
           (uint32_t)tape_between(tape, 1, 99);
}

#endif
