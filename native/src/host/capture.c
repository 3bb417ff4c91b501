/*
 * The calls by which the program captures what a host sends and receives; wire/capture.c writes the files.
 * Only the consumer may call, but for enetjs_capture_state, which any thread may.
 */
#include "wire/capture.h"

#include <string.h>

#include "host/internal.h"
#include "wire/open.h"
#include "wire/socket.h"

#define MAXIMUM_PATH 4095

#if defined(__linux__)

static double begin(struct enetjs_host *h, struct enetjs_capture_plan *plan) {
  struct enetjs_capture *capture;
  double result;
  if (!enetjs_socket_take_port(h->enet->socket) || !enetjs_socket_address(h->enet->socket, &plan->local))
    return ENETJS_ERR_SOCKET;
  result = enetjs_capture_begin(plan, &capture);
  if (result < 0 || enetjs_batch_add_capture(h->batch, capture)) return result;
  enetjs_capture_end(capture);
  return ENETJS_ERR_LIMIT;
}

static bool plan_valid(double pathBytes, double plain, double maximumBytes, double files) {
  return enetjs_is_integer(pathBytes, 1, MAXIMUM_PATH) && enetjs_is_integer(plain, 0, 1) &&
         enetjs_is_integer(maximumBytes, ENETJS_CAPTURE_MINIMUM, 9007199254740991.0) &&
         enetjs_is_integer(files, 1, ENETJS_CAPTURE_MAXIMUM_FILES);
}

double enetjs_host_capture(double host, const uint8_t *path, double pathBytes, double plain,
                           double maximumBytes, double files) {
  bool arrives = enetjs_batch_arrives() > 0;
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_capture_plan plan = {0};
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (path && plan_valid(pathBytes, plain, maximumBytes, files)) {
    plan.path = (const char *)path;
    plan.path_length = (size_t)pathBytes;
    plan.plain = plain == 1;
    plan.maximum_bytes = (uint64_t)maximumBytes;
    plan.files = (unsigned)files;
    result = arrives && h->batch ? begin(h, &plan) : ENETJS_ERR_UNGUARDED;
  }
  enetjs_host_release(h);
  return result;
}

double enetjs_host_end_capture(double host, double handle) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_capture *capture;
  bool found;
  if (!h) return ENETJS_ERR_CLOSED;
  capture = enetjs_capture_find(handle);
  found = capture && h->batch && enetjs_batch_end_capture(h->batch, capture);
  enetjs_host_release(h);
  return found ? 0 : ENETJS_ERR_STALE;
}

double enetjs_capture_state(double capture, uint8_t *out, double bytes) {
  double stats[ENETJS_CAPTURE_STAT_COUNT];
  if (!out || bytes != sizeof(stats)) return ENETJS_ERR_ARGUMENT;
  if (!enetjs_capture_stats(capture, stats)) return ENETJS_ERR_STALE;
  memcpy(out, stats, sizeof(stats));
  return 0;
}

#else

double enetjs_host_capture(double host, const uint8_t *path, double pathBytes, double plain,
                           double maximumBytes, double files) {
  (void)host, (void)path, (void)pathBytes, (void)plain, (void)maximumBytes, (void)files;
  return ENETJS_ERR_UNGUARDED;
}

double enetjs_host_end_capture(double host, double capture) {
  (void)host, (void)capture;
  return ENETJS_ERR_STALE;
}

double enetjs_capture_state(double capture, uint8_t *out, double bytes) {
  (void)capture, (void)out, (void)bytes;
  return ENETJS_ERR_STALE;
}

#endif
