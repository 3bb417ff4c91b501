/*
 * See threaded.h.
 *
 * Invariant: tables are only ever added to the list, so that it can be walked without a lock.
 */
#include "base/threaded.h"

#include <stdatomic.h>

#include "base/exit.h"
#include "base/handle.h"
#include "enetjs.h"

static _Atomic(struct enetjs_threaded_table *) newest;
static enetjs_once registered = ENETJS_ONCE_INIT;

static struct enetjs_threaded *object_at(const struct enetjs_threaded_table *table, uint32_t index) {
  return (struct enetjs_threaded *)(void *)((uint8_t *)table->objects + index * table->object_bytes);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

/* With the lock held. The handle of the object finds nothing from now on. */
static void release(struct enetjs_threaded_table *table, struct enetjs_threaded *object) {
  table->release(object);
  enetjs_waker_close(&object->waker);
  object->generation++;
  object->open = false;
}

/* With the lock held, which is given up while the thread returns. */
static void end(struct enetjs_threaded_table *table, struct enetjs_threaded *object) {
  object->closing = true;
  enetjs_waker_signal(&object->waker);
  enetjs_mutex_unlock(&table->lock);
  enetjs_thread_join(object->thread);
  enetjs_mutex_lock(&table->lock);
  release(table, object);
}

double enetjs_threaded_close(struct enetjs_threaded_table *table, double handle) {
  enetjs_mutex_lock(&table->lock);
  struct enetjs_threaded *object = enetjs_threaded_find(table, handle);
  if (object) end(table, object);
  enetjs_mutex_unlock(&table->lock);
  return object ? 0 : ENETJS_ERR_CLOSED;
}

static void end_all_of(struct enetjs_threaded_table *table, const void *owner) {
  enetjs_mutex_lock(&table->lock);
  for (uint32_t i = 0; i < table->limit; i++) {
    struct enetjs_threaded *object = object_at(table, i);
    if (!object->open || object->closing || object->owner != owner) continue;
    if (table->on_owner_exit) table->on_owner_exit(object);
    end(table, object);
  }
  enetjs_mutex_unlock(&table->lock);
}

static void on_thread_exit(const void *thread) {
  for (struct enetjs_threaded_table *table = atomic_load(&newest); table; table = table->next)
    end_all_of(table, thread);
}

static void on_process_exit(void) {}

/* ---- Beginnings ------------------------------------------------------------------------------ */

static void register_exit(void) {
  static struct enetjs_exit_hook exit_hook = {on_thread_exit, on_process_exit, NULL};
  enetjs_exit_register(&exit_hook);
}

/* With the lock held. */
static void list(struct enetjs_threaded_table *table) {
  if (table->listed) return;
  table->listed = true;
  table->next = atomic_load(&newest);
  while (!atomic_compare_exchange_weak(&newest, &table->next, table)) continue;
}

/* With the lock held. @returns 0 or an error code */
static int begin(struct enetjs_threaded_table *table, struct enetjs_threaded *object,
                 int (*start)(void *object, void *context), void *context) {
  int error = enetjs_waker_open(&object->waker);
  if (error < 0) return error;
  error = start(object, context);
  if (error < 0) {
    enetjs_waker_close(&object->waker);
    return error;
  }
  object->closing = false;
  object->owner = enetjs_this_thread();
  if (!enetjs_thread_start(&object->thread, table->run, object)) {
    release(table, object);
    return ENETJS_ERR_THREAD;
  }
  object->open = true;
  return 0;
}

double enetjs_threaded_open(struct enetjs_threaded_table *table, int (*start)(void *object, void *context),
                            void *context) {
  double result = ENETJS_ERR_LIMIT;
  uint32_t i = 0;
  enetjs_once_run(&registered, register_exit);
  enetjs_mutex_lock(&table->lock);
  list(table);
  while (i < table->limit && object_at(table, i)->open) i++;
  if (i < table->limit) result = begin(table, object_at(table, i), start, context);
  if (result == 0) result = enetjs_handle_number(object_at(table, i)->generation, i, table->limit);
  enetjs_mutex_unlock(&table->lock);
  return result;
}

void *enetjs_threaded_find(struct enetjs_threaded_table *table, double handle) {
  struct enetjs_handle place;
  struct enetjs_threaded *object;
  if (!enetjs_handle_read(handle, table->limit, &place)) return NULL;
  object = object_at(table, place.index);
  return object->open && !object->closing && object->generation == place.generation ? object : NULL;
}
