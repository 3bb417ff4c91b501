/* See wake.h. Nothing here has state of its own, so any thread may call. */
#include "base/wake.h"

#include "base/number.h"
#include "enetjs.h"

#define SECRET_BYTES_MAXIMUM 64

static bool is_valid(struct enetjs_wake_place place) {
  return enetjs_is_integer(place.port, 1, UINT16_MAX) && place.secret &&
         enetjs_is_integer(place.secret_bytes, 1, SECRET_BYTES_MAXIMUM);
}

static int open_pair(struct enetjs_wake *wake) {
  enetjs_fd ends[2];
  int error = enetjs_pair(ends);
  if (error < 0) return error;
  wake->own = ends[0];
  wake->consumer = ends[1];
  wake->identity = enetjs_fd_identify(ends[1]);
  return 0;
}

int enetjs_wake_open(struct enetjs_wake *wake, struct enetjs_wake_place place) {
  if (place.port == 0) return open_pair(wake);
  if (!is_valid(place)) return ENETJS_ERR_ARGUMENT;
  wake->consumer = ENETJS_FD_NONE;
  return enetjs_connect_loopback(&wake->own, (uint16_t)place.port, place.secret, (int)place.secret_bytes);
}

double enetjs_wake_descriptor(const struct enetjs_wake *wake) {
  return wake->consumer == ENETJS_FD_NONE ? 0 : (double)wake->consumer;
}

void enetjs_wake_cancel(const struct enetjs_wake *wake) {
  enetjs_fd_close(wake->own);
  if (wake->consumer != ENETJS_FD_NONE) enetjs_fd_close(wake->consumer);
}

void enetjs_wake_forget(const struct enetjs_wake *wake, bool is_open) {
  if (wake->consumer == ENETJS_FD_NONE) return; /* a socket of the runtime's own, which that closes */
  enetjs_fd_close_forgotten(wake->consumer, wake->identity, is_open ? wake->own : ENETJS_FD_NONE);
}
