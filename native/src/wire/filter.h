/**
 * @file filter.h
 * @brief Which source addresses may send at all, as ranges of IPv4 addresses.
 *
 * The first stage that a datagram meets. Called with the lock of the host that the filter belongs to.
 */
#ifndef ENETJS_FILTER_H
#define ENETJS_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** An inclusive range of IPv4 addresses in host byte order. */
struct enetjs_range {
  uint32_t first, last;
};

/** Sorted and disjoint. */
struct enetjs_ranges {
  struct enetjs_range *items;
  size_t count;
};

/** All zero: everybody may send. */
struct enetjs_filter {
  struct enetjs_ranges allow, deny;
};

/**
 * Puts other rules in force.
 * @param rules each of three 32-bit words in the machine's byte order: first address, last address, 1 to allow or 0
 * to deny
 * @returns 0 or an error code; then nothing has changed
 */
int enetjs_filter_replace(struct enetjs_filter *filter, const uint8_t *rules, size_t count);
void enetjs_filter_clear(struct enetjs_filter *filter);

/** For a filter with rules. */
bool enetjs_filter_finds(const struct enetjs_filter *filter, uint32_t address);

/** Whether datagrams from an address (host byte order) are to be dropped. */
static inline bool enetjs_filter_denies(const struct enetjs_filter *filter, uint32_t address) {
  return (filter->allow.count > 0 || filter->deny.count > 0) && enetjs_filter_finds(filter, address);
}

#endif
