/**
 * @file clock.h
 * @brief A monotonic clock in microseconds, for intervals, and the wall clock. ENet's clock has milliseconds.
 * Any thread may call.
 */
#ifndef ENETJS_CLOCK_H
#define ENETJS_CLOCK_H

#include <stdint.h>

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

static inline uint64_t enetjs_clock_us(void) {
  LARGE_INTEGER ticks, per_second;
  QueryPerformanceCounter(&ticks);
  QueryPerformanceFrequency(&per_second);
  return (uint64_t)ticks.QuadPart / (uint64_t)per_second.QuadPart * 1000000 +
         (uint64_t)ticks.QuadPart % (uint64_t)per_second.QuadPart * 1000000 / (uint64_t)per_second.QuadPart;
}

/* Milliseconds since 1970. */
static inline uint64_t enetjs_wall_clock_ms(void) {
  FILETIME time; /* in 100 ns since 1601 */
  GetSystemTimeAsFileTime(&time);
  return ((uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime) / 10000 - 11644473600000u;
}
#else
#include <sys/time.h>
#include <time.h>

static inline uint64_t enetjs_clock_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Milliseconds since 1970. */
static inline uint64_t enetjs_wall_clock_ms(void) {
  struct timeval now;
  gettimeofday(&now, NULL);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}
#endif

#endif
