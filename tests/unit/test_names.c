/*
 * Ids as numbers: stable numbers, texts that never move, and agreement with a plain list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/mem.h"
#include "livetally/names.h"

#define ID_TEXT_BYTES 40

static void none_is_zero(void **state)
{
    (void)state;
    struct names *names = names_new();

    assert_int_equal(names_intern(names, SLICE("")), 0);
    assert_int_equal(names_intern(names, (struct slice){NULL, 0}), 0);
    assert_int_equal(names_find(names, SLICE("")), 0);
    assert_int_equal(names_find(names, SLICE("room-9")), 0);
    assert_int_equal(names_text(names, 0).size, 0);
    assert_int_equal(names_text(names, 7).size, 0);
    assert_non_null(names_text(names, 7).data);
    names_prefetch_number(names, 7); /* looks for nothing that isn't there */
    names_prefetch_number(names, UINT32_MAX);
    assert_int_equal(names_count(names), 0);
    names_free(names);
    names_free(NULL);
}

static void numbers_count_from_one(void **state)
{
    (void)state;
    struct names *names = names_new();

    assert_int_equal(names_intern(names, SLICE("a")), 1);
    assert_int_equal(names_intern(names, SLICE("b")), 2);
    assert_int_equal(names_intern(names, SLICE("a")), 1);
    assert_int_equal(names_find(names, SLICE("b")), 2);
    assert_int_equal(names_count(names), 2);
    assert_true(slice_equal(names_text(names, 2), SLICE("b")));
    names_free(names);
}

/* Every size takes its own way through the hash; ids that differ in one byte must stay apart. */
static void every_size_and_byte_counts(void **state)
{
    (void)state;
    struct names *names = names_new();
    char id[300];
    uint32_t expected = 0;

    for (size_t size = 1; size <= sizeof(id); size++) {
        memset(id, 'a', size);
        assert_int_equal(names_intern(names, (struct slice){id, size}), ++expected);
        for (size_t i = 0; i < size; i++) {
            id[i] = 'b';
            assert_int_equal(names_intern(names, (struct slice){id, size}), ++expected);
            id[i] = 'a';
        }
    }
    for (size_t size = 1, number = 1; size <= sizeof(id); number += ++size) {
        memset(id, 'a', size);
        assert_int_equal(names_find(names, (struct slice){id, size}), number);
    }
    names_free(names);
}

static struct slice numbered(char out[ID_TEXT_BYTES], uint32_t n)
{
    int size = snprintf(out, ID_TEXT_BYTES, "douyin:%u-%u", n * 2654435761u, n);
    return (struct slice){out, (size_t)size};
}

static void many_ids_keep_numbers_and_texts(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    struct names *names = names_new();
    const char **texts = mem_alloc(sizeof(*texts) * (COUNT + 1));
    char id[ID_TEXT_BYTES];

    for (uint32_t n = 1; n <= COUNT; n++) {
        assert_int_equal(names_find(names, numbered(id, n)), 0);
        assert_int_equal(names_intern(names, numbered(id, n)), n);
        texts[n] = names_text(names, n).data;
    }
    for (uint32_t n = 1; n <= COUNT; n++) {
        struct slice plain = numbered(id, n);
        assert_int_equal(names_find(names, plain), n);
        assert_true(slice_equal(names_text(names, n), plain));
        assert_ptr_equal(names_text(names, n).data, texts[n]);
    }
    assert_int_equal(names_count(names), COUNT);
    assert_true(names_memory_bytes(names) > (size_t)COUNT * 20);
    assert_true(names_memory_bytes(names) < (size_t)COUNT * 120);
    free(texts);
    names_free(names);
}

/* Hashing ahead, at whatever moment, finds what hashing in between finds. */
static void ahead_is_the_same(void **state)
{
    (void)state;
    enum { COUNT = 5000, AHEAD = 700 };
    struct names *names = names_new();
    uint64_t *hashes = mem_alloc(sizeof(*hashes) * (COUNT + 1));
    char id[ID_TEXT_BYTES];

    names_prefetch_text(names, names_prefetch(names, SLICE("")));
    for (uint32_t n = 1; n <= COUNT + AHEAD; n++) {
        if (n <= COUNT)
            hashes[n] = names_prefetch(names, numbered(id, n));
        if (n <= AHEAD)
            continue;
        names_prefetch_text(names, hashes[n - AHEAD]);
        struct slice old = numbered(id, n - AHEAD);
        if (n % 2)
            assert_int_equal(names_intern(names, old), n - AHEAD);
        assert_int_equal(names_intern_hashed(names, hashes[n - AHEAD], old), n - AHEAD);
        assert_int_equal(names_find(names, old), n - AHEAD);
    }
    assert_int_equal(names_intern_hashed(names, hashes[1], SLICE("")), 0);
    assert_int_equal(names_count(names), COUNT);
    free(hashes);
    names_free(names);
}

/* More than a block, known ids and others, in one call. */
static void many_are_found_as_each(void **state)
{
    (void)state;
    enum { KNOWN = 300, COUNT = 1001 };
    struct names *names = names_new();
    static char texts[COUNT][ID_TEXT_BYTES];
    struct slice ids[COUNT];
    uint32_t numbers[COUNT];

    names_find_all(names, ids, 0, numbers);
    for (uint32_t n = 0; n < KNOWN; n++)
        names_intern(names, numbered(texts[0], n * 3));
    for (uint32_t i = 0; i < COUNT; i++)
        ids[i] = i % 100 == 0 ? SLICE("") : numbered(texts[i], i);
    names_find_all(names, ids, COUNT, numbers);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(numbers[i], names_find(names, ids[i]));
        assert_int_equal(numbers[i] != 0, i % 3 == 0 && i / 3 < KNOWN && i % 100 != 0);
    }
    assert_int_equal(names_count(names), KNOWN);
    names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_zero),
        cmocka_unit_test(numbers_count_from_one),
        cmocka_unit_test(every_size_and_byte_counts),
        cmocka_unit_test(many_ids_keep_numbers_and_texts),
        cmocka_unit_test(ahead_is_the_same),
        cmocka_unit_test(many_are_found_as_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
