/**
 * @file clock.h
 * @brief A monotonic clock in microseconds, for intervals; ENet's clock has milliseconds. Any thread may
 * call.
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
#else
#include <time.h>

static inline uint64_t enetjs_clock_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
#endif

#endif
