/* What an id may consist of (PROTOCOL, "Identifiers"): by byte, by size, and wherever it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "livetally/event.h"

static void test_id(void **state)
{
    (void)state;
    static const char good[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@-";
    for (int byte = 0; byte < 256; byte++) {
        char text[3] = {'a', (char)byte, 'z'};
        bool expected = byte != 0 && strchr(good, byte) != NULL;
        assert_int_equal(id_ok((struct slice){text, 3}), expected);
        assert_int_equal(id_ok((struct slice){text + 1, 1}), expected);
    }
    assert_false(id_ok((struct slice){NULL, 0}));
    assert_false(id_ok(SLICE("")));
    assert_true(id_ok((struct slice){good, 64}));
    assert_false(id_ok((struct slice){good, 65}));
}

/* Ids are checked many bytes at a time: each byte counts, wherever it stands. */
static void test_id_at_every_place(void **state)
{
    (void)state;
    static const char good[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@-";
    for (size_t size = 1; size <= ID_MAX_BYTES; size++) {
        char *id = malloc(size); /* so that a sanitizer sees a load beyond it */
        assert_non_null(id);
        memcpy(id, good, size);
        for (size_t place = 0; place < size; place++) {
            for (int byte = 0; byte < 256; byte++) {
                id[place] = (char)byte;
                if (id_ok((struct slice){id, size}) != (byte && strchr(good, byte)))
                    fail_msg("byte %d at %zu of %zu", byte, place, size);
            }
            id[place] = good[place];
        }
        free(id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_id_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
