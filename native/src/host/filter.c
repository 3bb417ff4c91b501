/*
 * The program's rules for the address filter, which wire/filter.c applies. Called by the consumer's thread.
 */
#include "wire/filter.h"

#include "host/internal.h"

double enetjs_host_set_filter(double host, const uint8_t *rules, double bytes) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (rules && enetjs_is_integer(bytes / 12, 0, ENETJS_MAXIMUM_FILTER_RULES))
    result = enetjs_filter_replace(&h->filter, rules, (size_t)(bytes / 12));
  enetjs_host_release(h);
  return result;
}
