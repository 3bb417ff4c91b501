/*
 * A thread's sleep on systems other than Linux and Windows: it polls, and is woken to look.
 */
#if !defined(__linux__) && !defined(_WIN32)

#include "base/sleeper.h"

int enetjs_sleeper_open(struct enetjs_sleeper *s, enetjs_fd socket, enetjs_fd pair) {
  s->socket = socket;
  s->pair = pair;
  s->watching = s->has_deadline = false;
  return enetjs_waker_open(&s->waker);
}

void enetjs_sleeper_close(struct enetjs_sleeper *s) { enetjs_waker_close(&s->waker); }

void enetjs_sleeper_watch(struct enetjs_sleeper *s) {
  if (s->watching) return;
  s->watching = true;
  enetjs_waker_signal(&s->waker);
}

void enetjs_sleeper_unwatch(struct enetjs_sleeper *s) { s->watching = false; }

void enetjs_sleeper_set_deadline(struct enetjs_sleeper *s, int wait) {
  bool earlier = enetjs_sleeper_earlier(s, wait);
  enetjs_sleeper_note_deadline(s, wait);
  if (earlier) enetjs_waker_signal(&s->waker);
}

static int time_left(const struct enetjs_sleeper *s) {
  uint64_t now = enetjs_now_ms();
  if (!s->has_deadline) return -1;
  return s->until > now ? (int)(s->until - now) : 0;
}

enum source { WAKER, PAIR, SOCKET, SOURCES };

unsigned enetjs_sleeper_sleep(struct enetjs_sleeper *s, enetjs_mutex *lock) {
  enetjs_pollfd fds[SOURCES] = {{.fd = s->waker.read, .events = POLLIN},
                                {.fd = s->pair, .events = POLLIN},
                                {.fd = s->socket, .events = POLLIN}};
  unsigned sources = s->watching ? SOURCES : SOCKET, woken = 0;
  int wait = time_left(s);
  enetjs_mutex_unlock(lock);
  enetjs_poll(fds, sources, wait);
  if (fds[WAKER].revents) enetjs_waker_clear(&s->waker);
  if (fds[SOCKET].revents) woken |= ENETJS_WOKEN_SOCKET;
  if (fds[PAIR].revents) woken |= ENETJS_WOKEN_GONE;
  return woken;
}

#else

typedef int enetjs_no_poll_sleeper; /* a file of C is not empty */

#endif
