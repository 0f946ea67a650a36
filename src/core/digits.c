/*
 * What a number of so many digits takes.
 */
#include "digits.h"

const uint8_t digits_bytes[DIGITS_MAX + 1] = {0, 1, 1, 2, 2, 3, 3, 3, 4, 4,
                                              5, 5, 5, 6, 6, 7, 7, 8, 8, 8};

#define E(zeros) UINT64_C(1##zeros)
const uint64_t digits_power[DIGITS_MAX + 1] = {E(),
                                               E(0),
                                               E(00),
                                               E(000),
                                               E(0000),
                                               E(00000),
                                               E(000000),
                                               E(0000000),
                                               E(00000000),
                                               E(000000000),
                                               E(0000000000),
                                               E(00000000000),
                                               E(000000000000),
                                               E(0000000000000),
                                               E(00000000000000),
                                               E(000000000000000),
                                               E(0000000000000000),
                                               E(00000000000000000),
                                               E(000000000000000000),
                                               E(0000000000000000000)};
