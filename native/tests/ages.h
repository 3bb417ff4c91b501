/**
 * @file ages.h
 * @brief How old messages are when they arrive, which carry the time of their sending in their first bytes.
 */
#ifndef ENETJS_TESTS_AGES_H
#define ENETJS_TESTS_AGES_H

#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define AGES_MAXIMUM 4096

struct ages {
  const uint32_t *now; /**< in milliseconds, as is what messages carry */
  size_t count;
  int age[AGES_MAXIMUM];
};

static inline void ages_note(struct ages *ages, const uint8_t *message) {
  uint32_t sent;
  memcpy(&sent, message, sizeof(sent));
  CHECK(ages->count < AGES_MAXIMUM);
  ages->age[ages->count++] = (int)(*ages->now - sent);
}

static inline int ages_compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/** @returns what so many of a thousand are no older than, or all where it is 1000 */
static inline int ages_percentile(struct ages *ages, unsigned of_thousand) {
  size_t at = ages->count * of_thousand / 1000;
  CHECK(ages->count > 0);
  qsort(ages->age, ages->count, sizeof(*ages->age), ages_compare);
  return ages->age[at < ages->count ? at : ages->count - 1];
}

#endif
