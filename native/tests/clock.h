/**
 * @file clock.h
 * @brief A clock that only the test moves, where it has stopped the system's.
 *
 * The system's function is defined once more in the test program, and the ordinary lookup of symbols finds
 * this one first. On Windows a function of a system library is called through a variable, which the program
 * defines in place of the linker.
 */
#ifndef ENETJS_TESTS_CLOCK_H
#define ENETJS_TESTS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "enetjs.h"

/** Where the clock stands from the start; 0: it is the system's until it is stopped. */
#ifndef TEST_CLOCK_NS
#define TEST_CLOCK_NS 0
#endif

static struct {
  bool stopped; /**< the time is `ns`, and else the system's */
  uint64_t ns;
} test_clock = {TEST_CLOCK_NS != 0, TEST_CLOCK_NS};

#ifdef _WIN32

#include "base/net.h"

static BOOL WINAPI test_clock_counter(LARGE_INTEGER *ticks) {
  static BOOL(WINAPI * real)(LARGE_INTEGER *);
  LARGE_INTEGER per_second;
  QueryPerformanceFrequency(&per_second);
  ticks->QuadPart = (LONGLONG)(test_clock.ns / (1000000000u / (uint64_t)per_second.QuadPart));
  if (test_clock.stopped) return TRUE;
  if (!real)
    *(FARPROC *)&real = GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "QueryPerformanceCounter");
  return real(ticks);
}

extern BOOL(WINAPI *__imp_QueryPerformanceCounter)(LARGE_INTEGER *);
BOOL(WINAPI *__imp_QueryPerformanceCounter)(LARGE_INTEGER *) = test_clock_counter;

/** Stops the clock at its present time. Ticks of the system have 100 ns or less. */
static inline void test_clock_stop(void) {
  LARGE_INTEGER ticks, per_second;
  test_clock.stopped = false;
  test_clock_counter(&ticks);
  QueryPerformanceFrequency(&per_second);
  test_clock.ns = (uint64_t)ticks.QuadPart * (1000000000u / (uint64_t)per_second.QuadPart);
  test_clock.stopped = true;
}

#else

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

ENETJS_API int clock_gettime(clockid_t clock, struct timespec *time) {
  if (!test_clock.stopped) return (int)syscall(SYS_clock_gettime, clock, time);
  time->tv_sec = (time_t)(test_clock.ns / 1000000000);
  time->tv_nsec = (long)(test_clock.ns % 1000000000);
  return 0;
}

/** Stops the clock at its present time. */
static inline void test_clock_stop(void) {
  struct timespec now;
  test_clock.stopped = false;
  clock_gettime(CLOCK_MONOTONIC, &now);
  test_clock.ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  test_clock.stopped = true;
}

#endif

#endif
