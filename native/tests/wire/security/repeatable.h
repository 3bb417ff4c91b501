/**
 * @file repeatable.h
 * @brief A clock that only the test moves, and random numbers by a seed, so that a run can be repeated.
 *
 * Both are the system's own functions, defined once more in the test program.
 */
#ifndef ENETJS_TESTS_REPEATABLE_H
#define ENETJS_TESTS_REPEATABLE_H

#include <sys/types.h>
#include <time.h>

#include "../../harness.h"
#include "enetjs.h"

static uint64_t now_us = 1000000000, random_state;

ENETJS_API int clock_gettime(clockid_t clock, struct timespec *time) {
  (void)clock;
  time->tv_sec = (time_t)(now_us / 1000000);
  time->tv_nsec = (long)(now_us % 1000000 * 1000);
  return 0;
}

ENETJS_API ssize_t getrandom(void *out, size_t length, unsigned flags) {
  (void)flags;
  for (size_t i = 0; i < length; i++) ((uint8_t *)out)[i] = (uint8_t)test_random_u32(&random_state);
  return (ssize_t)length;
}

#endif
