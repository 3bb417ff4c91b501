/**
 * @file sequence.h
 * @brief Numbered messages of seeded random sizes, and whether one is the next; as tests/_sequence.ts.
 *
 * A message has the first bytes of: its number as little-endian u32, then bytes that count up from it.
 */
#ifndef ENETJS_TESTS_SEQUENCE_H
#define ENETJS_TESTS_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sequence {
  uint32_t number, state;
  uint32_t capacity;
};

/* Mostly small messages, none at times, and rarely as large as can be. */
static inline uint32_t sequence_length(struct sequence *s) {
  uint32_t kind, size;
  s->state = s->state * 1664525u + 1013904223u;
  kind = s->state >> 28;
  s->state = s->state * 1664525u + 1013904223u;
  size = s->state >> 8;
  if (kind == 0) return 0;
  if (kind == 1 && size % 64 == 0) return s->capacity;
  if (kind <= 2) return size % (s->capacity / 8 + 1);
  return size % 100 % (s->capacity + 1);
}

static inline void sequence_fill(uint32_t number, uint8_t *data, uint32_t length) {
  for (uint32_t i = 0; i < length; i++)
    data[i] = i < 4 ? (uint8_t)(number >> (8 * i)) : (uint8_t)(number + i);
}

/* Whether a message is the next one; counts it. */
static inline bool sequence_check(struct sequence *s, const uint8_t *data, size_t length) {
  uint32_t number = s->number++;
  if (length != sequence_length(s)) return false;
  for (uint32_t i = 0; i < length; i++)
    if (data[i] != (i < 4 ? (uint8_t)(number >> (8 * i)) : (uint8_t)(number + i))) return false;
  return true;
}

#endif
