/*
 * The address filter: sorted, disjoint ranges, looked up by halving. A denied range comes before an allowed one;
 * where any range is allowed, all other addresses are denied.
 */
#include "wire/filter.h"

#include <stdlib.h>
#include <string.h>

#include "enetjs.h"

static int compare_ranges(const void *a, const void *b) {
  uint32_t x = ((const struct enetjs_range *)a)->first, y = ((const struct enetjs_range *)b)->first;
  return x < y ? -1 : x > y;
}

static void merge_ranges(struct enetjs_ranges *ranges) {
  size_t kept = 0;
  if (ranges->count == 0) return;
  qsort(ranges->items, ranges->count, sizeof(*ranges->items), compare_ranges);
  for (size_t i = 1; i < ranges->count; i++) {
    struct enetjs_range *last = &ranges->items[kept];
    if (ranges->items[i].first > last->last)
      ranges->items[++kept] = ranges->items[i];
    else if (ranges->items[i].last > last->last)
      last->last = ranges->items[i].last;
  }
  ranges->count = kept + 1;
}

static bool ranges_contain(const struct enetjs_ranges *ranges, uint32_t address) {
  size_t low = 0, high = ranges->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (address > ranges->items[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  return low < ranges->count && ranges->items[low].first <= address;
}

static bool collect_ranges(struct enetjs_ranges *ranges, const uint8_t *rules, size_t count, uint32_t kind) {
  ranges->items = count ? malloc(count * sizeof(*ranges->items)) : NULL;
  ranges->count = 0;
  if (count && !ranges->items) return false;
  for (size_t i = 0; i < count; i++) {
    uint32_t rule[3];
    memcpy(rule, rules + i * sizeof(rule), sizeof(rule));
    if (rule[2] != kind) continue;
    ranges->items[ranges->count].first = rule[0];
    ranges->items[ranges->count++].last = rule[1];
  }
  merge_ranges(ranges);
  return true;
}

void enetjs_filter_clear(struct enetjs_filter *filter) {
  free(filter->allow.items);
  free(filter->deny.items);
  memset(filter, 0, sizeof(*filter));
}

static bool rules_valid(const uint8_t *rules, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t rule[3];
    memcpy(rule, rules + i * sizeof(rule), sizeof(rule));
    if (rule[0] > rule[1] || rule[2] > 1) return false;
  }
  return true;
}

int enetjs_filter_replace(struct enetjs_filter *filter, const uint8_t *rules, size_t count) {
  struct enetjs_ranges allow, deny;
  if (!rules_valid(rules, count)) return ENETJS_ERR_ARGUMENT;
  if (!collect_ranges(&allow, rules, count, 1)) return ENETJS_ERR_MEMORY;
  if (!collect_ranges(&deny, rules, count, 0)) {
    free(allow.items);
    return ENETJS_ERR_MEMORY;
  }
  enetjs_filter_clear(filter);
  filter->allow = allow;
  filter->deny = deny;
  return 0;
}

bool enetjs_filter_finds(const struct enetjs_filter *filter, uint32_t address) {
  if (ranges_contain(&filter->deny, address)) return true;
  return filter->allow.count > 0 && !ranges_contain(&filter->allow, address);
}
