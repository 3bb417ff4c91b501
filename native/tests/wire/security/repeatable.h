/**
 * @file repeatable.h
 * @brief A clock that only the test moves, and random numbers by a seed, so that a run can be repeated.
 *
 * Both are the system's own functions, defined once more in the test program (clock.h). On Windows the random
 * numbers are the system's.
 */
#ifndef ENETJS_TESTS_REPEATABLE_H
#define ENETJS_TESTS_REPEATABLE_H

#define TEST_CLOCK_NS 1000000000000u

#include "../../clock.h"
#include "../../harness.h"

static uint64_t random_state;

#ifndef _WIN32

#include <sys/types.h>

ENETJS_API ssize_t getrandom(void *out, size_t length, unsigned flags) {
  (void)flags;
  for (size_t i = 0; i < length; i++) ((uint8_t *)out)[i] = (uint8_t)test_random_u32(&random_state);
  return (ssize_t)length;
}

#endif

#endif
