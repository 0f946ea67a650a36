/*
 * Where a ledger stands, as text and back; and which of two such states can have come after the
 * other, for every course that the scripts can give a data set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "livetally/generations.h"

static struct generations at(uint64_t current, uint64_t packed_from)
{
    return (struct generations){current, packed_from};
}

static void assert_text(const char *text, uint64_t current, uint64_t packed_from)
{
    struct generations generations = at(0, 0), expected = at(current, packed_from);
    char back[GENERATIONS_TEXT_MAX];
    assert_true(generations_read(slice_of(text), &generations));
    assert_true(generations_equal(&generations, &expected));
    generations_write(&expected, back);
    assert_string_equal(back, text);
}

static void test_texts(void **state)
{
    (void)state;
    assert_text("1", 1, 0);
    assert_text("690", 690, 0);
    assert_text("690:690", 690, 690);
    assert_text("695:691", 695, 691);
    assert_text("9999999999999999999:1", UINT64_C(9999999999999999999), 1);
    /* The key was deleted, and made anew by a clock that still shows the generation before. */
    assert_text("690:691", 690, 691);
}

static void test_the_longest_text_has_room(void **state)
{
    (void)state;
    struct generations most = at(UINT64_MAX, UINT64_MAX);
    char text[GENERATIONS_TEXT_MAX];
    generations_write(&most, text);
    assert_int_equal(strlen(text), sizeof text - 1);
    assert_string_equal(text, "18446744073709551615:18446744073709551615");
}

static void test_what_is_no_such_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",        "0",       "0690",    "-690",    "+690",     " 690",     "690 ",
        "690\n",   "x",       "690x",    "6x0",     "1e3",      "690.0",    ":",
        ":690",    "690:",    "690:0",   "690:069", "690:690:", "690:6:90", "690::690",
        "690: 69", "690 :69", "690:-69", "690:x",   "0:690",    "open 690", "open 690:690 0 1 2 x",
    };
    static const char *const too_large[] = {"10000000000000000000", "690:10000000000000000000",
                                            "99999999999999999999999999"};
    struct generations generations = at(7, 5);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (generations_read(slice_of(texts[i]), &generations))
            fail_msg("read \"%s\"", texts[i]);
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++)
        assert_false(generations_read(slice_of(too_large[i]), &generations));
    assert_false(generations_read((struct slice){"690\0", 4}, &generations));
    assert_false(generations_read((struct slice){NULL, 0}, &generations));
    assert_true(generations_read((struct slice){"690:69", 3}, &generations)); /* its size counts */
    assert_int_equal(generations.current, 690);
    assert_int_equal(generations.packed_from, 0);
}

static void test_what_is_not_read_changes_nothing(void **state)
{
    (void)state;
    struct generations generations = at(7, 5), before = generations;
    assert_false(generations_read(SLICE("690:x"), &generations));
    assert_true(generations_equal(&generations, &before));
}

static void test_packed_from_then_on(void **state)
{
    (void)state;
    struct generations none = at(690, 0), some = at(690, 689);
    assert_false(generation_is_packed(&none, 0));
    assert_false(generation_is_packed(&none, 690));
    assert_false(generation_is_packed(&some, 688));
    assert_true(generation_is_packed(&some, 689));
    assert_true(generation_is_packed(&some, 690));
    assert_true(generation_is_packed(&some, 691));
}

static void assert_follows(struct generations before, struct generations now, bool expected)
{
    if (generations_follow(&before, &now) != expected)
        fail_msg("%d:%d, then %d:%d", (int)before.current, (int)before.packed_from,
                 (int)now.current, (int)now.packed_from);
}

/* Nobody ran for some generations, or slept; what is packed meanwhile was begun after ours. */
static void test_several_generations_at_once(void **state)
{
    (void)state;
    assert_follows(at(690, 0), at(695, 0), true);
    assert_follows(at(690, 0), at(695, 691), true);
    assert_follows(at(690, 0), at(695, 695), true);
    assert_follows(at(690, 690), at(695, 690), true);
    assert_follows(at(690, 600), at(695, 600), true);
    assert_follows(at(690, 0), at(695, 690), false); /* we spell 690 otherwise */
    assert_follows(at(690, 0), at(695, 1), false);
    assert_follows(at(690, 689), at(695, 0), false);
    assert_follows(at(690, 689), at(695, 690), false);
    assert_follows(at(690, 689), at(695, 688), false);
}

static void test_the_same_generation(void **state)
{
    (void)state;
    assert_follows(at(690, 0), at(690, 0), true);
    assert_follows(at(690, 600), at(690, 600), true);
    assert_follows(at(690, 0), at(690, 690), false);
    assert_follows(at(690, 690), at(690, 0), false);
}

static void test_none_goes_back(void **state)
{
    (void)state;
    assert_follows(at(690, 0), at(689, 0), false);
    assert_follows(at(690, 600), at(689, 600), false);
    assert_follows(at(690, 0), at(689, 691), false);
    assert_follows(at(UINT64_MAX, 0), at(1, 0), false);
}

/*
 * All courses from generation 1 to LAST: born packed, or packed from some later one on, or never;
 * with every generation met or skipped. Of two states of one course the later follows, and only it.
 */
static void test_every_course(void **state)
{
    (void)state;
    enum { LAST = 7 };
    for (unsigned met = 0; met < 1u << LAST; met++)
        for (uint64_t packed_from = 0; packed_from <= LAST; packed_from++) {
            struct generations course[LAST];
            size_t count = 0;
            if (packed_from && !(met >> (packed_from - 1) & 1))
                continue; /* it is the one that a script moves to */
            for (uint64_t g = 1; g <= LAST; g++)
                if (met >> (g - 1) & 1)
                    course[count++] = at(g, packed_from <= g ? packed_from : 0);
            for (size_t i = 0; i < count; i++)
                for (size_t k = 0; k < count; k++)
                    assert_follows(course[i], course[k], i <= k);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_the_longest_text_has_room),
        cmocka_unit_test(test_what_is_no_such_text),
        cmocka_unit_test(test_what_is_not_read_changes_nothing),
        cmocka_unit_test(test_packed_from_then_on),
        cmocka_unit_test(test_several_generations_at_once),
        cmocka_unit_test(test_the_same_generation),
        cmocka_unit_test(test_none_goes_back),
        cmocka_unit_test(test_every_course),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
