/*
 * Watches of descriptors. The event loops of the runtimes take sockets and no pipes, so a thread waits in
 * poll() for a descriptor of JavaScript's, and tells JavaScript by one byte on a pair of sockets.
 *
 * Invariant: the thread looks at the descriptor only while the watch is armed. It disarms the watch itself
 * when the descriptor is ready, so a descriptor that stays ready costs one byte and not a loop. The thread
 * reads and writes nothing on the descriptor, and never closes it.
 *
 * Any thread may call the exported functions. They take the lock of the table, see threaded.h.
 */
#include <string.h>

#include "base/number.h"
#include "base/threaded.h"
#include "base/wake.h"
#include "enetjs.h"

#define WATCH_LIMIT 256

struct watch {
  struct enetjs_threaded threaded;
  bool armed;
  short events; /* of poll(), wanted while armed */
  short ready;  /* of poll(), found since JavaScript asked last */
  enetjs_fd fd;
  struct enetjs_wake wake;
};

static void wait_until_closed(void *object);
static void release(void *object);
static void forget(void *object);

static struct watch watches[WATCH_LIMIT];
static struct enetjs_threaded_table table = {.objects = watches,
                                             .object_bytes = sizeof(struct watch),
                                             .limit = WATCH_LIMIT,
                                             .run = wait_until_closed,
                                             .release = release,
                                             .on_owner_exit = forget,
                                             .lock = ENETJS_MUTEX_INIT};

/* ---- The thread ------------------------------------------------------------------------------ */

/* Fills in what poll() looks at. @returns the number of descriptors, or 0 when the watch is closed */
static unsigned plan(const struct watch *w, enetjs_pollfd fds[2]) {
  memset(fds, 0, 2 * sizeof(*fds));
  enetjs_mutex_lock(&table.lock);
  fds[0].fd = w->threaded.waker.read;
  fds[0].events = POLLIN;
  fds[1].fd = w->fd;
  fds[1].events = w->events;
  unsigned count = w->threaded.closing ? 0 : w->armed ? 2 : 1;
  enetjs_mutex_unlock(&table.lock);
  return count;
}

static void note(struct watch *w, short revents) {
  enetjs_mutex_lock(&table.lock);
  if (w->armed) {
    w->armed = false;
    w->ready |= revents;
    enetjs_poke(w->wake.own);
  }
  enetjs_mutex_unlock(&table.lock);
}

static void wait_until_closed(void *object) {
  struct watch *w = object;
  enetjs_pollfd fds[2];
  for (unsigned count; (count = plan(w, fds)) > 0;) {
    if (enetjs_poll(fds, count, -1) < 0) fds[1].revents = POLLERR;
    if (fds[0].revents) enetjs_waker_clear(&w->threaded.waker);
    if (count == 2 && fds[1].revents) note(w, fds[1].revents);
  }
}

/* ---- What JavaScript calls ------------------------------------------------------------------- */

static void release(void *object) {
  struct watch *w = object;
  if (w->threaded.open)
    enetjs_fd_close(w->wake.own);
  else
    enetjs_wake_cancel(&w->wake);
}

static void forget(void *object) {
  struct watch *w = object;
  enetjs_wake_forget(&w->wake, true);
}

/* What a watch is opened with. */
struct opening {
  enetjs_fd fd;
  struct enetjs_wake_place place;
};

static int start(void *object, void *context) {
  const struct opening *opening = context;
  struct watch *w = object;
  int error = enetjs_wake_open(&w->wake, opening->place);
  if (error < 0) return error;
  w->fd = opening->fd;
  w->armed = false;
  w->ready = 0;
  return 0;
}

double enetjs_watch_open(double fd, double port, const uint8_t *secret, double secretBytes) {
  if (!enetjs_is_integer(fd, 0, INT32_MAX)) return ENETJS_ERR_ARGUMENT;
  struct opening opening = {(enetjs_fd)fd, {port, secret, secretBytes}};
  return enetjs_threaded_open(&table, start, &opening);
}

double enetjs_watch_descriptor(double watch) {
  enetjs_mutex_lock(&table.lock);
  struct watch *w = enetjs_threaded_find(&table, watch);
  double result = w ? enetjs_wake_descriptor(&w->wake) : ENETJS_ERR_CLOSED;
  enetjs_mutex_unlock(&table.lock);
  return result;
}

double enetjs_watch_arm(double watch, double wanted) {
  struct watch *w;
  if (!enetjs_is_integer(wanted, 0, ENETJS_WATCH_READ | ENETJS_WATCH_WRITE)) return ENETJS_ERR_ARGUMENT;
  enetjs_mutex_lock(&table.lock);
  w = enetjs_threaded_find(&table, watch);
  if (w) {
    int bits = (int)wanted;
    w->events = (short)((bits & ENETJS_WATCH_READ ? POLLIN : 0) | (bits & ENETJS_WATCH_WRITE ? POLLOUT : 0));
    w->armed = true;
    enetjs_waker_signal(&w->threaded.waker);
  }
  enetjs_mutex_unlock(&table.lock);
  return w ? 0 : ENETJS_ERR_CLOSED;
}

double enetjs_watch_ready(double watch) {
  double result = ENETJS_ERR_CLOSED;
  enetjs_mutex_lock(&table.lock);
  struct watch *w = enetjs_threaded_find(&table, watch);
  if (w) {
    result = (w->ready & POLLIN ? ENETJS_WATCH_READ : 0) + (w->ready & POLLOUT ? ENETJS_WATCH_WRITE : 0) +
             (w->ready & (POLLERR | POLLHUP | POLLNVAL) ? ENETJS_WATCH_HANG_UP : 0);
    w->ready = 0;
  }
  enetjs_mutex_unlock(&table.lock);
  return result;
}

double enetjs_watch_close(double watch) { return enetjs_threaded_close(&table, watch); }
