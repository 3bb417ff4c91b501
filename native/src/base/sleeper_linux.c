/*
 * A thread's sleep on Linux.
 *
 * The socket is watched with EPOLLONESHOT, so that what comes while nobody has read the last datagram wakes
 * nobody. To watch again is one system call, which wakes the thread only if there is something to read. The
 * timer is edge-triggered: it need not be read, and setting it anew forgets what it has told. A change that
 * nothing else tells of is made by a timer that is over at once.
 */
#if defined(__linux__)

#include "base/sleeper.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum source { SOCKET, TIMER, PAIR, SOURCES };

static int control(const struct enetjs_sleeper *s, int operation, enetjs_fd fd, enum source source,
                   uint32_t events) {
  struct epoll_event event = {.events = events, .data.u32 = source};
  return epoll_ctl(s->epoll, operation, fd, &event);
}

int enetjs_sleeper_open(struct enetjs_sleeper *s, enetjs_fd socket, enetjs_fd pair) {
  int error;
  s->socket = socket;
  s->pair = pair;
  s->watching = s->has_deadline = false;
  s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  s->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (s->timer >= 0 && s->epoll >= 0 && control(s, EPOLL_CTL_ADD, s->timer, TIMER, EPOLLIN | EPOLLET) == 0 &&
      control(s, EPOLL_CTL_ADD, pair, PAIR, EPOLLIN) == 0 &&
      control(s, EPOLL_CTL_ADD, socket, SOCKET, EPOLLONESHOT) == 0)
    return 0;
  error = enetjs_socket_error_code(errno);
  enetjs_sleeper_close(s);
  return error;
}

void enetjs_sleeper_close(struct enetjs_sleeper *s) {
  if (s->epoll >= 0) close(s->epoll);
  if (s->timer >= 0) close(s->timer);
}

void enetjs_sleeper_watch(struct enetjs_sleeper *s) {
  if (s->watching) return;
  s->watching = true;
  control(s, EPOLL_CTL_MOD, s->socket, SOCKET, EPOLLIN | EPOLLONESHOT);
}

void enetjs_sleeper_unwatch(struct enetjs_sleeper *s) {
  if (!s->watching) return;
  s->watching = false;
  control(s, EPOLL_CTL_MOD, s->socket, SOCKET, EPOLLONESHOT);
}

void enetjs_sleeper_set_deadline(struct enetjs_sleeper *s, int wait) {
  struct itimerspec time = {0}; /* stops the timer */
  if (wait < 0 && !s->has_deadline) return;
  if (wait >= 0) {
    time.it_value.tv_sec = wait / 1000;
    time.it_value.tv_nsec = wait == 0 ? 1 : wait % 1000 * 1000000L;
  }
  enetjs_sleeper_note_deadline(s, wait);
  timerfd_settime(s->timer, 0, &time, NULL);
}

unsigned enetjs_sleeper_sleep(struct enetjs_sleeper *s, enetjs_mutex *lock) {
  struct epoll_event events[SOURCES];
  unsigned woken = 0;
  int count;
  enetjs_mutex_unlock(lock);
  do {
    count = epoll_wait(s->epoll, events, SOURCES, -1);
  } while (count < 0 && errno == EINTR);
  for (int i = 0; i < count; i++) {
    if (events[i].data.u32 == SOCKET) woken |= ENETJS_WOKEN_SOCKET;
    if (events[i].data.u32 == PAIR) woken |= ENETJS_WOKEN_GONE;
  }
  return woken;
}

#else

typedef int enetjs_no_linux_sleeper; /* a file of C is not empty */

#endif
