/* The form of frames: every kind of header, right and wrong, and cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/framing.h"

#define STREAM_BYTES 400000
#define ROUNDS       400

/* By the text of RFC 6455, 5.2 and 5.5, for a whole header. */
struct model {
    bool open;
};

struct frame {
    unsigned int first;
    bool masked;
    int width; /* of the long length: 0, 2 or 8 */
    uint64_t length;
};

static enum framing_fault model_judge(const struct model *model, const struct frame *frame)
{
    unsigned int opcode = frame->first & 0x0F;
    bool fin = frame->first & 0x80;
    bool control = opcode >= 8;

    if (frame->first & 0x70)
        return FRAMING_BROKEN;
    if ((opcode > 2 && opcode < 8) || opcode > 10)
        return FRAMING_BROKEN;
    if (control && !fin)
        return FRAMING_BROKEN;
    if (!control && (opcode == 0) != model->open)
        return FRAMING_BROKEN;
    if (!frame->masked)
        return FRAMING_UNMASKED;
    if (control && frame->width)
        return FRAMING_BROKEN;
    if (opcode == 8 && frame->length == 1)
        return FRAMING_BROKEN;
    if (frame->width == 2 && frame->length < 126)
        return FRAMING_BROKEN;
    if (frame->width == 8 && (frame->length < 65536 || frame->length >> 63))
        return FRAMING_BROKEN;
    return FRAMING_GOOD;
}

static size_t write_frame(unsigned char *out, const struct frame *frame, size_t content)
{
    size_t at = 0;
    unsigned int mask = frame->masked ? 0x80 : 0;

    out[at++] = (unsigned char)frame->first;
    if (frame->width == 0) {
        out[at++] = (unsigned char)(mask | frame->length);
    } else {
        out[at++] = (unsigned char)(mask | (frame->width == 2 ? 126U : 127U));
        for (int shift = 8 * (frame->width - 1); shift >= 0; shift -= 8)
            out[at++] = (unsigned char)(frame->length >> shift);
    }
    for (int i = 0; frame->masked && i < 4; i++)
        out[at++] = (unsigned char)rand();
    for (size_t i = 0; i < content; i++)
        out[at++] = (unsigned char)rand();
    return at;
}

/* Feeds the stream in pieces of at most `piece` bytes, random ones when 0. */
static size_t feed(const unsigned char *stream, size_t size, size_t piece,
                   enum framing_fault *ret_fault)
{
    struct framing framing;
    size_t at = 0;

    memset(&framing, 0, sizeof(framing));
    *ret_fault = FRAMING_GOOD;
    while (at < size) {
        size_t part = piece ? piece : 1 + (size_t)rand() % 40;
        size_t good;

        if (part > size - at)
            part = size - at;
        good = framing_check(&framing, stream + at, part, ret_fault);
        at += good;
        if (*ret_fault)
            break;
        assert_int_equal(good, part);
    }
    return at;
}

static void random_frame(struct frame *frame, bool open)
{
    static const uint64_t lengths[] = {0, 1, 2, 125, 126, 127, 300, 65535, 65536, 70000};

    if (rand() % 3)
        frame->first = (open ? 0U : 1U) | (rand() % 2 ? 0x80U : 0U);
    else
        frame->first = 0x80U | (8U + (unsigned int)rand() % 3);
    frame->masked = true;
    frame->length = frame->first & 8 ? (uint64_t)(2 + rand() % 124) : lengths[rand() % 10];
    frame->width = frame->length < 126 ? 0 : frame->length < 65536 ? 2 : 8;
    switch (rand() % 60) {
    case 0:
        frame->masked = false;
        break;
    case 1:
        frame->first ^= 1U << (rand() % 8);
        break;
    case 2:
        frame->width = 8;
        break;
    case 3:
        frame->width = frame->length < 65536 ? 2 : 8;
        break;
    case 4:
        frame->width = 8;
        frame->length = UINT64_C(1) << (rand() % 64);
        break;
    default:
        break;
    }
}

/* Streams of random frames: the same verdict at the same frame, however they are cut. */
static void agrees_with_the_model_however_it_is_cut(void **state)
{
    (void)state;
    unsigned char *stream = malloc(STREAM_BYTES);
    int faults[3] = {0};

    assert_non_null(stream);
    srand(6455);
    for (int round = 0; round < ROUNDS; round++) {
        struct model model = {.open = false};
        enum framing_fault want = FRAMING_GOOD;
        size_t size = 0, good = 0;

        for (int n = 0; n < 12 && !want && size < STREAM_BYTES - 80000; n++) {
            struct frame frame;

            random_frame(&frame, model.open);
            want = model_judge(&model, &frame);
            good = size;
            size += write_frame(stream + size, &frame, want ? 0 : (size_t)(frame.length % 80000));
            if (!want && frame.length > 80000)
                break; /* its content never ends here */
            if (!(frame.first & 8))
                model.open = !(frame.first & 0x80);
        }
        faults[want]++;
        for (int way = 0; way < 4; way++) {
            enum framing_fault fault;
            size_t piece = (const size_t[]){size, 1, 0, 16384}[way];
            size_t at = feed(stream, size, piece, &fault);

            assert_int_equal(fault, want);
            if (want == FRAMING_GOOD)
                assert_int_equal(at, size);
            else
                assert_in_range(at, good, size - 1); /* in the header that is wrong */
        }
    }
    assert_true(faults[FRAMING_GOOD] > 50 && faults[FRAMING_UNMASKED] > 5 &&
                faults[FRAMING_BROKEN] > 20);
    free(stream);
}

struct example {
    const char *bytes;
    size_t size;
    size_t seen_at; /* the byte that shows it */
    enum framing_fault fault;
};

#define EXAMPLE(text, at, fault)                                                                   \
    {                                                                                              \
        text, sizeof(text) - 1, at, fault                                                          \
    }

/* A fault is told at the very byte that shows it: what follows may never come. */
static void a_fault_is_told_at_the_byte_that_shows_it(void **state)
{
    static const struct example examples[] = {
        EXAMPLE("\x81\x02hi", 1, FRAMING_UNMASKED),
        EXAMPLE("\x81\x00", 1, FRAMING_UNMASKED),
        EXAMPLE("\x89\x00", 1, FRAMING_UNMASKED),
        EXAMPLE("\x81\x7e\x01\x00", 1, FRAMING_UNMASKED),
        EXAMPLE("\xc1\x80", 0, FRAMING_BROKEN), /* compressed */
        EXAMPLE("\xa1\x80", 0, FRAMING_BROKEN), /* reserved bits */
        EXAMPLE("\x83\x80", 0, FRAMING_BROKEN), /* reserved opcodes */
        EXAMPLE("\x8b\x80", 0, FRAMING_BROKEN),
        EXAMPLE("\x80\x80", 0, FRAMING_BROKEN),                 /* nothing to continue */
        EXAMPLE("\x09\x80", 0, FRAMING_BROKEN),                 /* a ping in fragments */
        EXAMPLE("\x89\xfe\x00\x7e", 1, FRAMING_BROKEN),         /* a long ping */
        EXAMPLE("\x88\x81", 1, FRAMING_BROKEN),                 /* half of a close code */
        EXAMPLE("\x81\xfe\x00\x7d", 3, FRAMING_BROKEN),         /* 125 in two bytes */
        EXAMPLE("\x81\xff\x80\x00\x00\x00", 2, FRAMING_BROKEN), /* 2^63 */
        EXAMPLE("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", 9, FRAMING_BROKEN),
        EXAMPLE("\x01\x80\0\0\0\0\x81\x80", 6, FRAMING_BROKEN), /* a message within another */
        EXAMPLE("\x01\x80\0\0\0\0\x89\x80\0\0\0\0\x80\x80\0\0\0\0\x80", 18, FRAMING_BROKEN),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        const struct example *example = &examples[i];
        enum framing_fault fault;
        size_t at = feed((const unsigned char *)example->bytes, example->size, 1, &fault);

        if (at != example->seen_at || fault != example->fault)
            fail_msg("example %zu: fault %d at %zu", i, fault, at);
    }
}

/* What framing_is_over() says is forgotten, so the next message has to be judged alike. */
static void it_is_over_between_messages_only(void **state)
{
    static const unsigned char stream[] = "\x01\x82\0\0\0\0ab"        /* begins one */
                                          "\x89\x81\0\0\0\0p"         /* a ping within */
                                          "\x80\x81\0\0\0\0c"         /* its end: 22 */
                                          "\x81\xfe\x00\x7e\0\0\0\0"; /* a long one */
    struct framing framing;
    enum framing_fault fault;

    (void)state;
    memset(&framing, 0, sizeof(framing));
    assert_true(framing_is_over(&framing));
    for (size_t at = 0; at < sizeof(stream) - 1; at++) {
        assert_int_equal(framing_check(&framing, stream + at, 1, &fault), 1);
        assert_int_equal(framing_is_over(&framing), at + 1 == 22);
    }
    for (size_t left = 126; left > 0; left--) {
        assert_false(framing_is_over(&framing));
        (void)framing_check(&framing, (const unsigned char *)"x", 1, &fault);
    }
    assert_true(framing_is_over(&framing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_model_however_it_is_cut),
        cmocka_unit_test(a_fault_is_told_at_the_byte_that_shows_it),
        cmocka_unit_test(it_is_over_between_messages_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
