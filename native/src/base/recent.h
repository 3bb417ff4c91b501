/**
 * @file recent.h
 * @brief The share of some events among all events of the last 5 to 10 seconds. The caller holds the owner's
 * lock.
 */
#ifndef ENETJS_RECENT_H
#define ENETJS_RECENT_H

#include <stdint.h>

#define ENETJS_RECENT_MS 5000

/** All zero at the beginning. [0] counts the current interval, [1] the one before. */
struct enetjs_recent {
  uint32_t began; /**< the current interval, in milliseconds of any clock; 0 before the first */
  uint64_t some[2], all[2];
};

static inline void enetjs_recent_pass(struct enetjs_recent *recent, uint32_t now) {
  int32_t passed = (int32_t)(now - recent->began); /* below 0 where `now` was read before `began` */
  if (recent->began != 0 && passed < ENETJS_RECENT_MS) return;
  recent->some[1] = passed < 2 * ENETJS_RECENT_MS ? recent->some[0] : 0;
  recent->all[1] = passed < 2 * ENETJS_RECENT_MS ? recent->all[0] : 0;
  recent->some[0] = recent->all[0] = 0;
  recent->began = now ? now : 1;
}

/** @param all how many there were, `some` included */
static inline void enetjs_recent_add(struct enetjs_recent *recent, uint64_t some, uint64_t all,
                                     uint32_t now) {
  enetjs_recent_pass(recent, now);
  recent->some[0] += some;
  recent->all[0] += all;
}

/** @returns 0 to 1; 0 where there was nothing */
static inline double enetjs_recent_share(struct enetjs_recent *recent, uint32_t now) {
  uint64_t all;
  enetjs_recent_pass(recent, now);
  all = recent->all[0] + recent->all[1];
  return all ? (double)(recent->some[0] + recent->some[1]) / (double)all : 0;
}

#endif
