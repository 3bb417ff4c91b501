/**
 * @file threaded.h
 * @brief Tables of objects that have a thread each, such as watches and shared ports.
 *
 * JavaScript holds an object by a handle. The thread of the object sleeps in poll() and in nothing else; the
 * object's waker is among what it polls. An object ends when its handle is closed, or when the thread that
 * opened it exits. At the exit of the process nothing is done, because a thread in poll() does no harm.
 *
 * Invariant: the thread of an object has returned before the object is released.
 *
 * The lock of a table guards its objects. Any thread may call.
 */
#ifndef ENETJS_THREADED_H
#define ENETJS_THREADED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "base/threads.h"

/** The first member of each object. */
struct enetjs_threaded {
  uint64_t generation;
  bool open;
  bool closing; /**< the thread is to return */
  struct enetjs_waker waker;
  enetjs_thread thread;
  const void *owner; /**< names the thread that opened the object, or NULL */
};

/**
 * A static variable, of which the first members are given. The functions get an object, with the lock held
 * but for `run`.
 */
struct enetjs_threaded_table {
  void *objects; /**< an array, all zero at first */
  size_t object_bytes;
  uint32_t limit;             /**< objects of the array */
  void (*run)(void *object);  /**< the object's thread: returns when the object is closing */
  /** Closes what the object has opened; `open` is false where its thread could not be started. */
  void (*release)(void *object);
  /** Before an object is closed because its owner exits; or NULL. */
  void (*on_owner_exit)(void *object);

  enetjs_mutex lock; /**< ENETJS_MUTEX_INIT */
  bool listed;
  struct enetjs_threaded_table *next;
};

/**
 * Opens an object and starts its thread. Takes the lock.
 * @param start opens what the object needs; on an error it leaves nothing open. @returns 0 or an error code
 * @returns a handle, or an error code
 */
double enetjs_threaded_open(struct enetjs_threaded_table *table, int (*start)(void *object, void *context),
                            void *context);

/** With the lock held. @returns the object of a handle, or NULL when it is closed */
void *enetjs_threaded_find(struct enetjs_threaded_table *table, double handle);

/**
 * Ends an object. Takes the lock, and gives it up while the thread returns. @returns 0 or ENETJS_ERR_CLOSED
 */
double enetjs_threaded_close(struct enetjs_threaded_table *table, double handle);

#endif
