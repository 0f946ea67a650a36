/*
 * A slice compared with text, so that a failure shows both. NULL: the slice has to be absent.
 */
#ifndef LIVETALLY_TESTS_ASSERT_SLICE_H
#define LIVETALLY_TESTS_ASSERT_SLICE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "livetally/slice.h"

static void assert_slice(struct slice slice, const char *expected)
{
    if (!expected) {
        assert_null(slice.data);
        return;
    }
    assert_non_null(slice.data);
    if (!slice_equal(slice, slice_of(expected)))
        fail_msg("\"%.*s\" where \"%s\" is due", SLICE_ARG(slice), expected);
}

#endif
