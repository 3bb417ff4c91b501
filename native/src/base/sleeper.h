/**
 * @file sleeper.h
 * @brief Where a thread sleeps until a socket is readable, a time is over, or the other end of a pair is
 * gone.
 *
 * What it waits for can be changed by other threads while it sleeps. On Linux and Windows that wakes nobody:
 * an epoll instance or a set of events watches the socket and a timer, and both are set where they are.
 * Elsewhere the thread polls, and is woken to look.
 */
#ifndef ENETJS_SLEEPER_H
#define ENETJS_SLEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "base/threads.h"

#define ENETJS_SLEEPER_EVENTS 3 /* that Windows waits for */

struct enetjs_sleeper {
#if defined(__linux__)
  int epoll, timer;
#elif defined(_WIN32)
  HANDLE events[ENETJS_SLEEPER_EVENTS];
#else
  struct enetjs_waker waker;
#endif
  enetjs_fd socket, pair;
  bool watching;     /**< the socket, until it has been readable once */
  bool has_deadline; /**< else the thread sleeps until something else wakes it, and `until` says nothing */
  uint64_t until;    /**< by enetjs_now_ms */
};

/** What has woken the thread. */
enum enetjs_woken { ENETJS_WOKEN_SOCKET = 1, ENETJS_WOKEN_GONE = 2 };

/**
 * @param socket is watched when enetjs_sleeper_watch says so
 * @param pair whose other end is watched always: nothing is sent from there, so what can be read is its end
 * @returns 0, or a negative ENETJS_ERR_… code
 */
int enetjs_sleeper_open(struct enetjs_sleeper *s, enetjs_fd socket, enetjs_fd pair);

/** Closes what was opened, not the socket and the pair. After the thread has ended. */
void enetjs_sleeper_close(struct enetjs_sleeper *s);

/** Watches the socket until it is readable once. With the owner's lock held, as the two below. */
void enetjs_sleeper_watch(struct enetjs_sleeper *s);

/** Stops watching. A thread that sleeps may be woken once more. */
void enetjs_sleeper_unwatch(struct enetjs_sleeper *s);

/** @param wait milliseconds from now, or -1 */
void enetjs_sleeper_set_deadline(struct enetjs_sleeper *s, int wait);

/** Whether a deadline in so many milliseconds, or -1, is earlier than the one that is set. */
bool enetjs_sleeper_earlier(const struct enetjs_sleeper *s, int wait);

/** Notes what has been set. For the files that implement this. */
void enetjs_sleeper_note_deadline(struct enetjs_sleeper *s, int wait);

/**
 * Sleeps. The owner's lock is held at the call, and is not held when it returns: then `watching` is to be
 * cleared with the lock where ENETJS_WOKEN_SOCKET is returned.
 * @returns a sum of ENETJS_WOKEN_…; 0 when the time is over, or something has changed
 */
unsigned enetjs_sleeper_sleep(struct enetjs_sleeper *s, enetjs_mutex *lock);

#endif
