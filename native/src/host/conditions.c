/*
 * The calls by which the program sets up the simulated network of a host; wire/conditions.c simulates it.
 * Only the consumer may call.
 */
#include "wire/conditions.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "host/internal.h"
#include "wire/socket.h"

#define LINK_BYTES (ENETJS_LINK_COUNT * sizeof(double))

/* Datagrams to be sent leave at the end of the section. Received ones wait for the next service. */
static void end(struct enetjs_host *h) {
  struct enetjs_conditions *conditions = enetjs_batch_conditions(h->batch);
  if (!conditions) return;
  enetjs_batch_begin(h->batch);
  enetjs_conditions_end(conditions);
  enetjs_batch_end(h->batch);
}

static double replace(struct enetjs_host *h, const double *links, size_t count, uint32_t seed) {
  struct enetjs_conditions *conditions = enetjs_batch_conditions(h->batch);
  if (conditions) return enetjs_conditions_replace(conditions, links, count, seed) ? 0 : ENETJS_ERR_MEMORY;
  conditions = enetjs_conditions_create();
  if (!conditions) return ENETJS_ERR_MEMORY;
  if (!enetjs_conditions_replace(conditions, links, count, seed)) {
    enetjs_conditions_destroy(conditions);
    return ENETJS_ERR_MEMORY;
  }
  enetjs_batch_set_conditions(h->batch, conditions);
  return 0;
}

static double set(struct enetjs_host *h, const uint8_t *bytes, size_t count, uint32_t seed) {
  double result = ENETJS_ERR_ARGUMENT, *links;
  if (count == 0) {
    end(h);
    return 0;
  }
  links = malloc(count * LINK_BYTES);
  if (!links) return ENETJS_ERR_MEMORY;
  memcpy(links, bytes, count * LINK_BYTES); /* which need not be aligned */
  if (enetjs_conditions_valid(links, count)) result = replace(h, links, count, seed);
  free(links);
  return result;
}

double enetjs_host_set_conditions(double host, const uint8_t *links, double bytes, double seed) {
  bool arrives = enetjs_batch_arrives() > 0;
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT, count = bytes / (double)LINK_BYTES;
  if (!h) return ENETJS_ERR_CLOSED;
  if (links && enetjs_is_integer(count, 0, ENETJS_MAXIMUM_LINKS) && enetjs_is_integer(seed, 0, UINT32_MAX))
    result = count > 0 && (!arrives || !h->batch) ? ENETJS_ERR_UNGUARDED
                                                  : set(h, links, (size_t)count, (uint32_t)seed);
  enetjs_pump_rearm(h);
  enetjs_host_release(h);
  return result;
}

double enetjs_host_blackout(double host, double ms) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_conditions *conditions;
  double result = 0;
  if (!h) return ENETJS_ERR_CLOSED;
  conditions = enetjs_batch_conditions(h->batch);
  if (!enetjs_is_integer(ms, 0, INT32_MAX))
    result = ENETJS_ERR_ARGUMENT;
  else if (!conditions)
    result = ENETJS_ERR_STALE;
  else
    enetjs_conditions_blackout(conditions, ms > 0 ? enetjs_clock_us() + (uint64_t)ms * 1000 : 0);
  enetjs_host_release(h);
  return result;
}

double enetjs_host_fates(double host, uint8_t *out, double bytes) {
  double fates[ENETJS_DIRECTIONS * ENETJS_FATE_COUNT], result = 0;
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_conditions *conditions;
  if (!h) return ENETJS_ERR_CLOSED;
  conditions = enetjs_batch_conditions(h->batch);
  if (!out || bytes != sizeof(fates)) {
    result = ENETJS_ERR_ARGUMENT;
  } else if (!conditions) {
    result = ENETJS_ERR_STALE;
  } else {
    enetjs_conditions_stats(conditions, fates);
    memcpy(out, fates, sizeof(fates));
  }
  enetjs_host_release(h);
  return result;
}
