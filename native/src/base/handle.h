/**
 * @file handle.h
 * @brief Handles of objects in tables, as JavaScript holds them. Any thread may call.
 *
 * A handle is one number, exact as a double: an index and a generation. A place in a table is used again
 * under the next generation, so the handle of an object that has ended finds nothing.
 */
#ifndef ENETJS_HANDLE_H
#define ENETJS_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/number.h"

#define ENETJS_HANDLE_MAXIMUM 9007199254740991.0 /* 2^53 - 1 */

struct enetjs_handle {
  uint64_t generation;
  uint32_t index; /**< below the limit of the table */
};

/** @param limit how many places the table has at most, a constant @returns the number that JavaScript gets */
static inline double enetjs_handle_number(uint64_t generation, uint32_t index, uint64_t limit) {
  return (double)generation * (double)limit + index;
}

/** Takes apart what JavaScript passes. @returns false when that is no handle */
static inline bool enetjs_handle_read(double number, uint64_t limit, struct enetjs_handle *handle) {
  if (!enetjs_is_integer(number, 0, ENETJS_HANDLE_MAXIMUM)) return false;
  handle->generation = (uint64_t)number / limit;
  handle->index = (uint32_t)((uint64_t)number % limit);
  return true;
}

#endif
