/**
 * @file number.h
 * @brief Numbers as JavaScript passes them. Any thread.
 */
#ifndef ENETJS_NUMBER_H
#define ENETJS_NUMBER_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/** Whether a number is an integer in a range, both ends included. */
static inline bool enetjs_is_integer(double value, double minimum, double maximum) {
  return value >= minimum && value <= maximum && value == floor(value);
}

static inline size_t enetjs_smaller(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t enetjs_larger(size_t a, size_t b) { return a > b ? a : b; }

#endif
