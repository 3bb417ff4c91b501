/*
 * Watches of descriptors: the event loops of the runtimes take sockets and no pipes. A thread waits in poll() for a
 * descriptor of JavaScript's, and tells JavaScript by one byte on a pair of sockets.
 *
 * Invariant: the thread looks at the descriptor only while the watch is armed. It disarms the watch itself when the
 * descriptor is ready, so a descriptor that stays ready costs one byte and not a loop. The thread reads and writes
 * nothing on the descriptor, and never closes it.
 *
 * The exported functions take the lock of the table, and any thread may call them. They wait for nothing but the end
 * of the thread in `enetjs_watch_close`, which comes at once: it sleeps in poll() only, and is woken.
 */
#include <string.h>

#include "base/exit.h"
#include "base/net.h"
#include "base/number.h"
#include "base/threads.h"
#include "enetjs.h"

#define WATCH_LIMIT 256

struct watch {
  uint64_t generation;
  bool open, closing, armed;
  short events; /* of poll(), wanted while armed */
  short ready;  /* of poll(), found since the last look */
  enetjs_fd fd, wake, consumer_end;
  struct enetjs_fd_identity consumer_identity;
  struct enetjs_waker waker;
  enetjs_thread thread;
  const void *owner;
};

static struct watch watches[WATCH_LIMIT];
static enetjs_mutex lock = ENETJS_MUTEX_INIT;
static enetjs_once registered = ENETJS_ONCE_INIT;

static double handle_of(const struct watch *w) { return (double)w->generation * WATCH_LIMIT + (double)(w - watches); }

/* With the lock held. @returns NULL when the handle is stale */
static struct watch *by_handle(double handle) {
  struct watch *w;
  uint64_t number;
  if (!enetjs_is_integer(handle, 0, 9007199254740991.0)) return NULL;
  number = (uint64_t)handle;
  w = &watches[number % WATCH_LIMIT];
  return w->open && !w->closing && w->generation == number / WATCH_LIMIT ? w : NULL;
}

/* ---- The thread ------------------------------------------------------------------------------ */

/* What poll() shall look at. @returns the number of descriptors, or 0 when the watch is closed */
static unsigned plan(const struct watch *w, enetjs_pollfd fds[2]) {
  memset(fds, 0, 2 * sizeof(*fds));
  enetjs_mutex_lock(&lock);
  fds[0].fd = w->waker.read;
  fds[0].events = POLLIN;
  fds[1].fd = w->fd;
  fds[1].events = w->events;
  unsigned count = w->closing ? 0 : w->armed ? 2 : 1;
  enetjs_mutex_unlock(&lock);
  return count;
}

static void note(struct watch *w, short revents) {
  enetjs_mutex_lock(&lock);
  if (w->armed) {
    w->armed = false;
    w->ready |= revents;
    enetjs_poke(w->wake);
  }
  enetjs_mutex_unlock(&lock);
}

static void wait_until_closed(void *argument) {
  struct watch *w = argument;
  enetjs_pollfd fds[2];
  for (unsigned count; (count = plan(w, fds)) > 0;) {
    if (enetjs_poll(fds, count, -1) < 0) fds[1].revents = POLLERR;
    if (fds[0].revents) enetjs_waker_clear(&w->waker);
    if (count == 2 && fds[1].revents) note(w, fds[1].revents);
  }
}

/* ---- What JavaScript calls ------------------------------------------------------------------- */

/* With the lock held: closes what a watch has opened itself. */
static void release(struct watch *w) {
  enetjs_waker_close(&w->waker);
  enetjs_fd_close(w->wake);
  w->generation++;
  w->open = false;
}

/* With the lock held. @returns 0 or an error code */
static int start(struct watch *w, enetjs_fd fd) {
  enetjs_fd ends[2];
  int error = enetjs_waker_open(&w->waker);
  if (error < 0) return error;
  error = enetjs_pair(ends);
  if (error < 0) {
    enetjs_waker_close(&w->waker);
    return error;
  }
  w->wake = ends[0];
  w->consumer_end = ends[1];
  w->consumer_identity = enetjs_fd_identify(ends[1]);
  w->fd = fd;
  w->open = true;
  w->closing = w->armed = false;
  w->ready = 0;
  w->owner = enetjs_this_thread();
  if (enetjs_thread_start(&w->thread, wait_until_closed, w)) return 0;
  enetjs_fd_close(ends[1]);
  release(w);
  return ENETJS_ERR_THREAD;
}

static void close_of_thread(const void *owner);

/* At the exit of the process a thread in poll() does no harm. */
static void leave(void) {}

static void register_exit(void) {
  static struct enetjs_exit_hook exit_hook = {close_of_thread, leave, NULL};
  enetjs_exit_register(&exit_hook);
}

double enetjs_watch_open(double fd) {
  struct watch *w = watches;
  double result;
  if (!enetjs_is_integer(fd, 0, INT32_MAX)) return ENETJS_ERR_ARGUMENT;
  enetjs_once_run(&registered, register_exit);
  enetjs_mutex_lock(&lock);
  while (w < watches + WATCH_LIMIT && w->open) w++;
  result = w < watches + WATCH_LIMIT ? start(w, (enetjs_fd)fd) : ENETJS_ERR_LIMIT;
  if (result == 0) result = handle_of(w);
  enetjs_mutex_unlock(&lock);
  return result;
}

double enetjs_watch_descriptor(double watch) {
  enetjs_mutex_lock(&lock);
  struct watch *w = by_handle(watch);
  double result = w ? (double)w->consumer_end : ENETJS_ERR_CLOSED;
  enetjs_mutex_unlock(&lock);
  return result;
}

double enetjs_watch_arm(double watch, double wanted) {
  struct watch *w;
  if (!enetjs_is_integer(wanted, 0, ENETJS_WATCH_READ | ENETJS_WATCH_WRITE)) return ENETJS_ERR_ARGUMENT;
  enetjs_mutex_lock(&lock);
  w = by_handle(watch);
  if (w) {
    int bits = (int)wanted;
    w->events = (short)((bits & ENETJS_WATCH_READ ? POLLIN : 0) | (bits & ENETJS_WATCH_WRITE ? POLLOUT : 0));
    w->armed = true;
    enetjs_waker_signal(&w->waker);
  }
  enetjs_mutex_unlock(&lock);
  return w ? 0 : ENETJS_ERR_CLOSED;
}

double enetjs_watch_ready(double watch) {
  double result = ENETJS_ERR_CLOSED;
  enetjs_mutex_lock(&lock);
  struct watch *w = by_handle(watch);
  if (w) {
    result = (w->ready & POLLIN ? ENETJS_WATCH_READ : 0) + (w->ready & POLLOUT ? ENETJS_WATCH_WRITE : 0) +
             (w->ready & (POLLERR | POLLHUP | POLLNVAL) ? ENETJS_WATCH_HANG_UP : 0);
    w->ready = 0;
  }
  enetjs_mutex_unlock(&lock);
  return result;
}

/* With the lock held, which is given up while the thread ends. */
static void end(struct watch *w) {
  enetjs_thread thread = w->thread;
  w->closing = true;
  enetjs_waker_signal(&w->waker);
  enetjs_mutex_unlock(&lock);
  enetjs_thread_join(thread);
  enetjs_mutex_lock(&lock);
  release(w);
}

double enetjs_watch_close(double watch) {
  enetjs_mutex_lock(&lock);
  struct watch *w = by_handle(watch);
  if (w) end(w);
  enetjs_mutex_unlock(&lock);
  return w ? 0 : ENETJS_ERR_CLOSED;
}

static void close_of_thread(const void *owner) {
  enetjs_mutex_lock(&lock);
  for (struct watch *w = watches; w < watches + WATCH_LIMIT; w++) {
    if (!w->open || w->closing || w->owner != owner) continue;
    enetjs_fd_close_forgotten(w->consumer_end, w->consumer_identity, w->wake);
    end(w);
  }
  enetjs_mutex_unlock(&lock);
}
