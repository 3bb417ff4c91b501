/**
 * @file resident.h
 * @brief How much memory the process has, on systems that tell, and without sanitizers, which keep more.
 */
#ifndef ENETJS_TESTS_RESIDENT_H
#define ENETJS_TESTS_RESIDENT_H

#if defined(__linux__) && !defined(ENETJS_SYSTEM_MALLOC)
#define ENETJS_HAS_RESIDENT 1

#include <unistd.h>

#include "harness.h"

static inline size_t resident(void) {
  unsigned long pages = 0, ignored;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL);
  CHECK_EQ_INT(fscanf(file, "%lu %lu", &ignored, &pages), 2);
  fclose(file);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

#endif

#endif
