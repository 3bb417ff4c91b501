/*
 * The address filter: sorted, disjoint ranges, looked up by halving. A denied range comes before an allowed
 * one; where any range is allowed, of either version of IP, all other addresses are denied.
 */
#include "wire/filter.h"

#include <stdlib.h>
#include <string.h>

#include "enetjs.h"

#define WORDS 3 /* of a rule for IPv4, and of each half of one for IPv6 */

/* ---- Ranges ---------------------------------------------------------------------------------- */

static int compare(const struct enetjs_filter_address *a, const struct enetjs_filter_address *b) {
  if (a->high != b->high) return a->high < b->high ? -1 : 1;
  return a->low < b->low ? -1 : a->low > b->low;
}

static int compare_ranges(const void *a, const void *b) {
  return compare(&((const struct enetjs_range *)a)->first, &((const struct enetjs_range *)b)->first);
}

static void merge_ranges(struct enetjs_ranges *ranges) {
  size_t kept = 0;
  if (ranges->count == 0) return;
  qsort(ranges->items, ranges->count, sizeof(*ranges->items), compare_ranges);
  for (size_t i = 1; i < ranges->count; i++) {
    struct enetjs_range *last = &ranges->items[kept];
    if (compare(&ranges->items[i].first, &last->last) > 0)
      ranges->items[++kept] = ranges->items[i];
    else if (compare(&ranges->items[i].last, &last->last) > 0)
      last->last = ranges->items[i].last;
  }
  ranges->count = kept + 1;
}

static bool ranges_contain(const struct enetjs_ranges *ranges, const struct enetjs_filter_address *address) {
  size_t low = 0, high = ranges->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(address, &ranges->items[middle].last) > 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < ranges->count && compare(&ranges->items[low].first, address) <= 0;
}

/* ---- Rules ----------------------------------------------------------------------------------- */

static void read_words(const uint8_t *rules, size_t index, uint32_t *words) {
  memcpy(words, rules + index * WORDS * sizeof(*words), WORDS * sizeof(*words));
}

/* The bits of a half of an address that a prefix leaves open. @param before bits in front of that half */
static uint64_t open_bits(uint32_t prefix, uint32_t before) {
  if (prefix <= before) return UINT64_MAX;
  return prefix - before >= 64 ? 0 : UINT64_MAX >> (prefix - before);
}

static struct enetjs_range range_of_prefix(const uint32_t *first, const uint32_t *second) {
  uint64_t high = (uint64_t)first[0] << 32 | first[1], low = (uint64_t)second[0] << 32 | second[1];
  uint64_t open_high = open_bits(second[2], 0), open_low = open_bits(second[2], 64);
  struct enetjs_range range = {{high & ~open_high, low & ~open_low}, {high | open_high, low | open_low}};
  return range;
}

struct rule {
  struct enetjs_range range;
  bool allows, ipv6;
};

/* @returns how many triples the rule at an index takes, 0 for one that is none */
static size_t read_rule(const uint8_t *rules, size_t index, size_t count, struct rule *rule) {
  struct enetjs_range *range = &rule->range;
  uint32_t words[WORDS], rest[WORDS];
  read_words(rules, index, words);
  rule->allows = (words[2] & ENETJS_FILTER_ALLOW) != 0;
  rule->ipv6 = (words[2] & ENETJS_FILTER_IPV6) != 0;
  if (words[2] <= ENETJS_FILTER_ALLOW) {
    range->first = (struct enetjs_filter_address){0, ENETJS_MAPPED_PREFIX | words[0]};
    range->last = (struct enetjs_filter_address){0, ENETJS_MAPPED_PREFIX | words[1]};
    return words[0] <= words[1];
  }
  if (words[2] > (ENETJS_FILTER_IPV6 | ENETJS_FILTER_ALLOW) || index + 1 == count) return 0;
  read_words(rules, index + 1, rest);
  *range = range_of_prefix(words, rest);
  return rest[2] <= 128 ? 2 : 0;
}

static bool rules_valid(const uint8_t *rules, size_t count) {
  for (size_t i = 0; i < count;) {
    struct rule rule;
    size_t taken = read_rule(rules, i, count, &rule);
    if (taken == 0) return false;
    i += taken;
  }
  return true;
}

static bool collect_ranges(struct enetjs_ranges *ranges, const uint8_t *rules, size_t count, bool allowed,
                           bool ipv6) {
  struct rule rule;
  size_t found = 0;
  for (size_t i = 0; i < count;) {
    i += read_rule(rules, i, count, &rule);
    found += rule.allows == allowed && rule.ipv6 == ipv6;
  }
  if (found == 0) return true;
  ranges->items = malloc(found * sizeof(*ranges->items));
  if (!ranges->items) return false;
  for (size_t i = 0; i < count;) {
    i += read_rule(rules, i, count, &rule);
    if (rule.allows == allowed && rule.ipv6 == ipv6) ranges->items[ranges->count++] = rule.range;
  }
  merge_ranges(ranges);
  return true;
}

void enetjs_filter_clear(struct enetjs_filter *filter) {
  for (int ipv6 = 0; ipv6 < 2; ipv6++) {
    free(filter->allow[ipv6].items);
    free(filter->deny[ipv6].items);
  }
  memset(filter, 0, sizeof(*filter));
}

int enetjs_filter_replace(struct enetjs_filter *filter, const uint8_t *words, size_t count) {
  struct enetjs_filter replacement = {0};
  if (!rules_valid(words, count)) return ENETJS_ERR_ARGUMENT;
  for (int ipv6 = 0; ipv6 < 2; ipv6++)
    if (!collect_ranges(&replacement.allow[ipv6], words, count, true, ipv6) ||
        !collect_ranges(&replacement.deny[ipv6], words, count, false, ipv6)) {
      enetjs_filter_clear(&replacement);
      return ENETJS_ERR_MEMORY;
    }
  replacement.has_rules = count > 0;
  replacement.has_allowed = replacement.allow[0].count + replacement.allow[1].count > 0;
  enetjs_filter_clear(filter);
  *filter = replacement;
  return 0;
}

bool enetjs_filter_finds(const struct enetjs_filter *filter, const struct enetjs_endpoint *from) {
  struct enetjs_filter_address address = {from->high, from->low};
  bool ipv6 = !enetjs_endpoint_is_ipv4(from);
  if (ranges_contain(&filter->deny[ipv6], &address)) return true;
  return filter->has_allowed && !ranges_contain(&filter->allow[ipv6], &address);
}
