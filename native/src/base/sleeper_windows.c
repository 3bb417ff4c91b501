/*
 * A thread's sleep on Windows: it waits for three objects, an event of the socket, a timer, and an event of
 * the pair.
 *
 * WSAEventSelect sets the socket's event at once when there is something to read, and then after the next
 * read only. So what comes while nobody has read the last datagram wakes nobody, and to watch again wakes the
 * thread only if there is something to read. Setting the timer anew forgets what it has told. A change that
 * nothing else tells of is made by a timer that is over at once.
 */
#if defined(_WIN32)

#include "base/sleeper.h"

#include "enetjs.h"

#ifndef CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 2
#endif

enum source { SOCKET_EVENT, TIMER, PAIR_EVENT };

/* To the millisecond where the system has such timers: Windows 10 (version 1803) and newer. */
static HANDLE create_timer(void) {
  HANDLE timer =
      CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS);
  return timer ? timer : CreateWaitableTimerW(NULL, FALSE, NULL);
}

int enetjs_sleeper_open(struct enetjs_sleeper *s, enetjs_fd socket, enetjs_fd pair) {
  s->socket = socket;
  s->pair = pair;
  s->watching = s->has_deadline = false;
  s->events[SOCKET_EVENT] = CreateEventW(NULL, FALSE, FALSE, NULL);
  s->events[TIMER] = create_timer();
  s->events[PAIR_EVENT] = CreateEventW(NULL, FALSE, FALSE, NULL);
  if (s->events[SOCKET_EVENT] && s->events[TIMER] && s->events[PAIR_EVENT] &&
      WSAEventSelect(pair, s->events[PAIR_EVENT], FD_READ | FD_CLOSE) == 0)
    return 0;
  enetjs_sleeper_close(s);
  return ENETJS_ERR_LIMIT;
}

void enetjs_sleeper_close(struct enetjs_sleeper *s) {
  WSAEventSelect(s->socket, NULL, 0);
  for (unsigned i = 0; i < ENETJS_SLEEPER_EVENTS; i++)
    if (s->events[i]) CloseHandle(s->events[i]);
}

void enetjs_sleeper_watch(struct enetjs_sleeper *s) {
  if (s->watching) return;
  s->watching = true;
  WSAEventSelect(s->socket, s->events[SOCKET_EVENT], FD_READ);
}

void enetjs_sleeper_unwatch(struct enetjs_sleeper *s) {
  if (!s->watching) return;
  s->watching = false;
  WSAEventSelect(s->socket, NULL, 0);
  ResetEvent(s->events[SOCKET_EVENT]);
}

void enetjs_sleeper_set_deadline(struct enetjs_sleeper *s, int wait) {
  LARGE_INTEGER time; /* from now, in units of 100 ns; negative numbers are relative */
  if (wait < 0 && !s->has_deadline) return;
  enetjs_sleeper_note_deadline(s, wait);
  if (wait < 0) {
    CancelWaitableTimer(s->events[TIMER]);
    return;
  }
  time.QuadPart = wait == 0 ? -1 : wait * -10000LL;
  SetWaitableTimer(s->events[TIMER], &time, 0, NULL, NULL, FALSE);
}

unsigned enetjs_sleeper_sleep(struct enetjs_sleeper *s, enetjs_mutex *lock) {
  unsigned woken = 0;
  DWORD first;
  enetjs_mutex_unlock(lock);
  first = WaitForMultipleObjects(ENETJS_SLEEPER_EVENTS, s->events, FALSE, INFINITE) - WAIT_OBJECT_0;
  if (first == SOCKET_EVENT) woken |= ENETJS_WOKEN_SOCKET;
  if (first == PAIR_EVENT || WaitForSingleObject(s->events[PAIR_EVENT], 0) == WAIT_OBJECT_0)
    woken |= ENETJS_WOKEN_GONE;
  return woken;
}

#else

typedef int enetjs_no_windows_sleeper; /* a file of C is not empty */

#endif
