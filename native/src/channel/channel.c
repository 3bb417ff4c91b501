/*
 * Channels to plugins: two rings in native memory that JavaScript maps, and a thread that runs a plugin at
 * the other end of them. This file is JavaScript's side: handles, and how a channel begins and ends.
 *
 * JavaScript produces into one ring and consumes from the other without any call. It calls only to wake the
 * thread. A channel ends for one of three reasons: JavaScript closes it, JavaScript's thread exits, or the
 * plugin cannot be loaded or breaks a rule. The thread shuts the plugin down in each case.
 *
 * Invariant: the memory is freed when JavaScript has closed the channel and the thread has ended. JavaScript
 * detaches its buffers before it closes.
 *
 * The exported functions take the lock of the channel, and any thread may call them.
 */
#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "base/handle.h"
#include "base/number.h"
#include "channel/channel.h"
#include "channel/internal.h"

#define CHANNEL_LIMIT 4096
#define STACK_BYTES (8 * 1024 * 1024)
#define EXIT_WAIT_MS 2000 /* how long the exit of the process waits for plugins that are at work */

atomic_uint enetjs_live_channels, enetjs_live_plugins;
atomic_size_t enetjs_channel_bytes;

static struct {
  enetjs_mutex lock;
  _Atomic(struct enetjs_channel *) items[CHANNEL_LIMIT];
  uint32_t count;
} table;
static enetjs_once table_once = ENETJS_ONCE_INIT;
static void table_initialize(void);

/* ---- Handles --------------------------------------------------------------------------------- */

static struct enetjs_channel *channel_at(uint32_t index) {
  return index < CHANNEL_LIMIT ? atomic_load(&table.items[index]) : NULL;
}

/* @returns the channel with its lock held, or NULL when the handle is stale */
static struct enetjs_channel *lock_by_handle(double channel) {
  struct enetjs_channel *c;
  struct enetjs_handle handle;
  if (!enetjs_handle_read(channel, CHANNEL_LIMIT, &handle)) return NULL;
  c = channel_at(handle.index);
  if (!c) return NULL;
  enetjs_mutex_lock(&c->lock);
  if (c->open && c->generation == handle.generation) return c;
  enetjs_mutex_unlock(&c->lock);
  return NULL;
}

static struct enetjs_channel *block_create(void) {
  struct enetjs_channel *c = calloc(1, sizeof(*c));
  if (!c) return NULL;
  enetjs_mutex_init(&c->lock);
  enetjs_cond_init(&c->changed);
  c->index = table.count;
  c->generation = 1;
  return c;
}

/* A free block, or a new one. Returned with its lock held. */
static struct enetjs_channel *block_take(void) {
  struct enetjs_channel *c = NULL;
  enetjs_once_run(&table_once, table_initialize);
  enetjs_mutex_lock(&table.lock);
  for (uint32_t index = 0; index < table.count; index++) {
    c = channel_at(index);
    enetjs_mutex_lock(&c->lock);
    if (!c->open) goto taken;
    enetjs_mutex_unlock(&c->lock);
  }
  c = table.count < CHANNEL_LIMIT ? block_create() : NULL;
  if (c) {
    enetjs_mutex_lock(&c->lock);
    atomic_store(&table.items[table.count++], c);
  }
taken:
  enetjs_mutex_unlock(&table.lock);
  return c;
}

void enetjs_channel_destroy(struct enetjs_channel *c) {
  if (c->memory_bytes) {
    if (!c->keep_memory) free(c->allocation);
    atomic_fetch_sub(&enetjs_channel_bytes, c->memory_bytes);
  }
  free(c->path);
  free(c->configuration);
  memset(&c->open, 0, sizeof(*c) - offsetof(struct enetjs_channel, open));
  c->generation++;
  atomic_fetch_sub(&enetjs_live_channels, 1);
}

/* ---- State ----------------------------------------------------------------------------------- */

void enetjs_channel_begin_closing(struct enetjs_channel *c) {
  c->closing = true;
  enetjs_cond_broadcast(&c->changed);
}

int enetjs_channel_fail(struct enetjs_channel *c, int code, const char *reason) {
  if (c->state >= 0) {
    c->state = code;
    snprintf(c->reason, sizeof(c->reason), "%s", reason);
  }
  enetjs_channel_begin_closing(c);
  if (c->running) enetjs_poke(c->wake.own);
  return ENETJS_PLUGIN_FAULT;
}

/* ---- What JavaScript calls ------------------------------------------------------------------- */

static bool copy_arguments(struct enetjs_channel *c, const uint8_t *path, size_t path_bytes,
                           const uint8_t *configuration, size_t configuration_bytes) {
  c->path = calloc(1, path_bytes + 1);
  c->configuration = calloc(1, configuration_bytes + 1);
  if (!c->path || !c->configuration) return false;
  memcpy(c->path, path, path_bytes);
  memcpy(c->configuration, configuration, configuration_bytes);
  c->configuration_bytes = configuration_bytes;
  return true;
}

double enetjs_channel_open(const uint8_t *path, double pathBytes, const uint8_t *configuration,
                           double configurationBytes, double sendBytes, double receiveBytes,
                           double updateIntervalMs) {
  const double limit = ENETJS_CHANNEL_MAXIMUM_BYTES;
  struct enetjs_channel *c;
  double result;
  if (!path || !configuration || !enetjs_is_integer(pathBytes, 1, 65536) ||
      !enetjs_is_integer(configurationBytes, 0, limit) || !enetjs_is_integer(sendBytes, 1, limit) ||
      !enetjs_is_integer(receiveBytes, 1, limit) || !enetjs_is_integer(updateIntervalMs, 0, INT32_MAX))
    return ENETJS_ERR_ARGUMENT;
  c = block_take();
  if (!c) return ENETJS_ERR_LIMIT;
  atomic_fetch_add(&enetjs_live_channels, 1);
  c->open = true;
  c->owner = enetjs_this_thread();
  c->update_interval_ms = (uint32_t)updateIntervalMs;
  result = enetjs_handle_number(c->generation, c->index, CHANNEL_LIMIT);
  if (!copy_arguments(c, path, (size_t)pathBytes, configuration, (size_t)configurationBytes) ||
      !enetjs_channel_allocate(c, (uint32_t)sendBytes, (uint32_t)receiveBytes)) {
    enetjs_channel_destroy(c);
    result = ENETJS_ERR_MEMORY;
  }
  enetjs_mutex_unlock(&c->lock);
  return result;
}

/* With the lock held. @returns 0 or an error code */
static int start(struct enetjs_channel *c, struct enetjs_wake_place place) {
  enetjs_thread thread;
  int error = enetjs_wake_open(&c->wake, place);
  if (error < 0) return error;
  c->running = true;
  atomic_fetch_add(&enetjs_live_plugins, 1);
  if (!enetjs_thread_start_sized(&thread, enetjs_channel_main, c, STACK_BYTES)) {
    c->running = false;
    atomic_fetch_sub(&enetjs_live_plugins, 1);
    enetjs_wake_cancel(&c->wake);
    return ENETJS_ERR_THREAD;
  }
  enetjs_thread_detach(thread);
  return 0;
}

double enetjs_channel_start(double channel, double port, const uint8_t *secret, double secretBytes) {
  struct enetjs_wake_place place = {port, secret, secretBytes};
  struct enetjs_channel *c = lock_by_handle(channel);
  double result;
  if (!c) return ENETJS_ERR_CLOSED;
  result = c->running || c->closing || c->released ? ENETJS_ERR_ARGUMENT : start(c, place);
  if (result == 0) result = enetjs_wake_descriptor(&c->wake);
  enetjs_mutex_unlock(&c->lock);
  return result;
}

double enetjs_channel_address(double channel) {
  struct enetjs_channel *c = lock_by_handle(channel);
  double address;
  if (!c) return ENETJS_ERR_CLOSED;
  address = c->released ? ENETJS_ERR_CLOSED : (double)(uintptr_t)c->memory;
  enetjs_mutex_unlock(&c->lock);
  return address;
}

double enetjs_channel_notify(double channel) {
  struct enetjs_channel *c = lock_by_handle(channel);
  if (!c) return ENETJS_ERR_CLOSED;
  c->notified = true;
  enetjs_cond_broadcast(&c->changed);
  enetjs_mutex_unlock(&c->lock);
  return 0;
}

double enetjs_channel_state(double channel) {
  struct enetjs_channel *c = lock_by_handle(channel);
  double state;
  if (!c) return ENETJS_ERR_CLOSED;
  state = c->state;
  enetjs_mutex_unlock(&c->lock);
  return state;
}

double enetjs_channel_text(double channel, double which, uint8_t *out, double capacity) {
  struct enetjs_channel *c;
  const char *text;
  size_t length;
  if (!out || !(capacity >= 0) || !(which >= 0 && which <= ENETJS_CHANNEL_TEXT_VERSION))
    return ENETJS_ERR_ARGUMENT;
  c = lock_by_handle(channel);
  if (!c) return ENETJS_ERR_CLOSED;
  text = which == ENETJS_CHANNEL_TEXT_ERROR ? c->reason : c->plugin_texts[which != ENETJS_CHANNEL_TEXT_NAME];
  length = strlen(text);
  if ((double)length > capacity) length = (size_t)capacity;
  memcpy(out, text, length);
  enetjs_mutex_unlock(&c->lock);
  return (double)length;
}

/* With the lock held: JavaScript uses the memory no more. @returns whether the thread has yet to end */
static bool release(struct enetjs_channel *c, bool keep_memory) {
  c->released = true;
  c->keep_memory |= keep_memory;
  enetjs_channel_begin_closing(c);
  if (c->running) return true;
  enetjs_channel_destroy(c);
  return false;
}

double enetjs_channel_close(double channel, double keepMemory) {
  struct enetjs_channel *c = lock_by_handle(channel);
  double result;
  if (!c) return ENETJS_ERR_CLOSED;
  result = c->released ? ENETJS_ERR_CLOSED : release(c, keepMemory != 0);
  enetjs_mutex_unlock(&c->lock);
  return result;
}

static void close_of_thread(const void *owner) {
  struct enetjs_channel *c;
  for (uint32_t index = 0; (c = channel_at(index)) != NULL; index++) {
    enetjs_mutex_lock(&c->lock);
    if (c->open && !c->released && c->owner == owner) {
      enetjs_wake_forget(&c->wake, c->running);
      release(c, false);
    }
    enetjs_mutex_unlock(&c->lock);
  }
}

/* At the exit of the process no plugin should run on while it is taken down. Memory is left to the system. */
static void stop_all(void) {
  uint64_t deadline = enetjs_now_ms() + EXIT_WAIT_MS;
  struct enetjs_channel *c;
  for (uint32_t index = 0; (c = channel_at(index)) != NULL; index++) {
    enetjs_mutex_lock(&c->lock);
    if (c->open) c->keep_memory = true;
    if (c->running) enetjs_channel_begin_closing(c);
    enetjs_mutex_unlock(&c->lock);
  }
  for (uint32_t index = 0; (c = channel_at(index)) != NULL; index++) {
    enetjs_mutex_lock(&c->lock);
    while (c->running && enetjs_now_ms() < deadline) enetjs_cond_wait(&c->changed, &c->lock, deadline);
    enetjs_mutex_unlock(&c->lock);
  }
}

static void table_initialize(void) {
  static struct enetjs_exit_hook exit_hook = {close_of_thread, stop_all, NULL};
  enetjs_mutex_init(&table.lock);
  enetjs_exit_register(&exit_hook);
}
