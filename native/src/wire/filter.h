/**
 * @file filter.h
 * @brief Which source addresses may send at all, as ranges of addresses.
 *
 * The first stage that a datagram meets. Called with the lock of the host that the filter belongs to.
 */
#ifndef ENETJS_FILTER_H
#define ENETJS_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/endpoint.h"

/** An address in host byte order. */
struct enetjs_filter_address {
  uint64_t high, low;
};

/** An inclusive range of addresses. */
struct enetjs_range {
  struct enetjs_filter_address first, last;
};

/** Sorted and disjoint. */
struct enetjs_ranges {
  struct enetjs_range *items;
  size_t count;
};

/** All zero: everybody may send. A rule for one version of IP says nothing about the other one. */
struct enetjs_filter {
  struct enetjs_ranges allow[2], deny[2]; /**< for IPv4, and for IPv6 */
  bool has_rules, has_allowed;
};

/**
 * Puts other rules in force.
 * @param words as enetjs_host_set_filter takes them
 * @param count of triples of words
 * @returns 0 or an error code; then nothing has changed
 */
int enetjs_filter_replace(struct enetjs_filter *filter, const uint8_t *words, size_t count);
void enetjs_filter_clear(struct enetjs_filter *filter);

/** For a filter with rules. */
bool enetjs_filter_finds(const struct enetjs_filter *filter, const struct enetjs_endpoint *from);

/** Whether datagrams from an address are to be dropped. */
static inline bool enetjs_filter_denies(const struct enetjs_filter *filter,
                                        const struct enetjs_endpoint *from) {
  return filter->has_rules && enetjs_filter_finds(filter, from);
}

#endif
