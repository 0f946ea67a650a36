/*
 * Which seeds a random test takes: the same few in every run of `make unit`, so that a failure is
 * there again; as many others with LIVETALLY_SEED, of which `make unit-random` tries one after the
 * other.
 */
#ifndef LIVETALLY_TESTS_SEEDS_H
#define LIVETALLY_TESTS_SEEDS_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t first_seed(void)
{
    const char *chosen = getenv("LIVETALLY_SEED");

    return chosen ? strtoull(chosen, NULL, 10) : 1;
}

#endif
