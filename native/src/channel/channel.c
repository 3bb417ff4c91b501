/*
 * Channels to plugins: two rings in native memory that JavaScript maps, and a thread that runs a plugin
 * at the other end of them.
 *
 * JavaScript is the producer of the one ring and the consumer of the other without any call; it calls
 * only to wake the thread. The memory is freed when both sides have let go of it: JavaScript, which
 * detaches its buffers first, and the thread. A channel ends for three reasons: it is closed, its
 * JavaScript thread exits, or the plugin cannot be loaded or breaks a rule. The thread shuts the plugin
 * down in each case, so nobody waits for a plugin that takes its time.
 *
 * Control blocks are never freed, only reused under a new generation, so that a stale handle can be
 * checked safely. The lock guards everything in a block but the
 * ring from JavaScript, which is the thread's.
 */
#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "base/net.h"
#include "base/number.h"
#include "base/threads.h"
#include "channel/channel.h"
#include "channel/plugin.h"
#include "channel/ring.h"
#include "enetjs.h"

#define CHANNEL_LIMIT 4096
#define REASON_BYTES 512
#define GUARD 0xA5
#define STACK_BYTES (8 * 1024 * 1024)
#define EXIT_WAIT_MS 2000 /* for plugins that are at work when the process ends */

struct enetjs_channel {
  enetjs_mutex lock;
  enetjs_cond changed;
  uint32_t index, generation; /* of the handle */

  /* From here on everything is zero while the block is free. */
  bool open;
  bool running;        /* its thread */
  atomic_bool closing; /* the thread is to end */
  bool released;       /* JavaScript has let go */
  bool keep_memory;
  bool notified; /* JavaScript has written, or made room */
  int state;     /* ENETJS_CHANNEL_STATE_… or what ended it */
  char reason[REASON_BYTES];
  const void *owner; /* identifies JavaScript's thread, or NULL */
  enetjs_fd wake, consumer_end;
  struct enetjs_fd_identity consumer_identity;

  char *path;
  uint8_t *configuration;
  size_t configuration_bytes;
  uint32_t update_interval_ms;
  uint64_t update_at; /* UINT64_MAX for never */
  struct enetjs_channel_plugin plugin;
  char plugin_texts[2][ENETJS_CHANNEL_PLUGIN_TEXT]; /* its name and version */
  void *plugin_state;

  uint8_t *allocation, *memory; /* the latter aligned */
  size_t memory_bytes;
  struct enetjs_channel_ring in, out; /* as the plugin sees it */
  _Atomic(const char *) sender;       /* the thread that has a reservation, or NULL */
  uint32_t reserved;                  /* its bytes */
  unsigned waiting_senders;
};

atomic_uint enetjs_live_channels, enetjs_live_plugins;
atomic_size_t enetjs_channel_bytes;

static struct {
  enetjs_mutex lock;
  _Atomic(struct enetjs_channel *) items[CHANNEL_LIMIT];
  uint32_t count;
} table;
static enetjs_once table_once = ENETJS_ONCE_INIT;
static void table_initialize(void);

static ENETJS_THREAD_LOCAL char this_thread; /* its address identifies the thread */


/* ---- Handles --------------------------------------------------------------------------------- */

static double handle_of(const struct enetjs_channel *c) { return (double)c->generation * CHANNEL_LIMIT + c->index; }

static struct enetjs_channel *channel_at(uint32_t index) {
  return index < CHANNEL_LIMIT ? atomic_load(&table.items[index]) : NULL;
}

/* @returns the channel with its lock held, or NULL when the handle is stale */
static struct enetjs_channel *lock_by_handle(double handle) {
  struct enetjs_channel *c;
  uint64_t number;
  if (!enetjs_is_integer(handle, 0, 9007199254740991.0)) return NULL;
  number = (uint64_t)handle;
  c = channel_at((uint32_t)(number % CHANNEL_LIMIT));
  if (!c) return NULL;
  enetjs_mutex_lock(&c->lock);
  if (c->open && c->generation == number / CHANNEL_LIMIT) return c;
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

/* Frees what a channel has, and its block. */
static void channel_destroy(struct enetjs_channel *c) {
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

/* ---- Memory ---------------------------------------------------------------------------------- */

static _Atomic uint32_t *words_of(const struct enetjs_channel *c, unsigned direction) {
  return (_Atomic uint32_t *)(void *)(c->memory + (size_t)direction * ENETJS_CHANNEL_DIRECTION_BYTES);
}

/* Places a direction's ring, behind a guard. @returns the offset behind it */
static size_t place(struct enetjs_channel *c, struct enetjs_channel_ring *ring, unsigned direction, size_t offset,
                    uint32_t capacity) {
  _Atomic uint32_t *words = words_of(c, direction);
  memset(c->memory + offset, GUARD, ENETJS_CHANNEL_GUARD_BYTES);
  offset += ENETJS_CHANNEL_GUARD_BYTES;
  enetjs_channel_ring_attach(ring, words, c->memory + offset, capacity);
  words[ENETJS_CHANNEL_WORD_OFFSET] = (uint32_t)offset;
  words[ENETJS_CHANNEL_WORD_RING_BYTES] = ring->size;
  words[ENETJS_CHANNEL_WORD_CAPACITY] = capacity;
  return offset + ring->size;
}

static bool allocate(struct enetjs_channel *c, uint32_t send, uint32_t receive) {
  size_t offset = 2 * ENETJS_CHANNEL_DIRECTION_BYTES;
  size_t bytes = offset + 3 * (size_t)ENETJS_CHANNEL_GUARD_BYTES + enetjs_channel_ring_bytes(send) +
                 enetjs_channel_ring_bytes(receive);
  c->allocation = calloc(1, bytes + ENETJS_CHANNEL_RING_ALIGNMENT);
  if (!c->allocation) return false;
  c->memory = c->allocation + ENETJS_CHANNEL_RING_ALIGNMENT - (uintptr_t)c->allocation % ENETJS_CHANNEL_RING_ALIGNMENT;
  c->memory_bytes = bytes;
  atomic_fetch_add(&enetjs_channel_bytes, bytes);
  offset = place(c, &c->in, 0, offset, send);
  offset = place(c, &c->out, 1, offset, receive);
  memset(c->memory + offset, GUARD, ENETJS_CHANNEL_GUARD_BYTES);
  return true;
}

static bool guard_intact(const uint8_t *guard) {
  for (unsigned i = 0; i < ENETJS_CHANNEL_GUARD_BYTES; i++)
    if (guard[i] != GUARD) return false;
  return true;
}

/* Whether nobody has written before or behind the plugin's ring, and before the other. */
static bool guards_intact(const struct enetjs_channel *c) {
  return guard_intact(c->in.bytes - ENETJS_CHANNEL_GUARD_BYTES) &&
         guard_intact(c->out.bytes - ENETJS_CHANNEL_GUARD_BYTES) && guard_intact(c->out.bytes + c->out.size);
}

/* ---- State ----------------------------------------------------------------------------------- */

/* With the lock held: has the thread end. */
static void begin_closing(struct enetjs_channel *c) {
  c->closing = true;
  enetjs_cond_broadcast(&c->changed);
}

/* With the lock held: ends the channel for a reason; the first one counts. */
static int fail(struct enetjs_channel *c, int code, const char *reason) {
  if (c->state >= 0) {
    c->state = code;
    snprintf(c->reason, sizeof(c->reason), "%s", reason);
  }
  begin_closing(c);
  if (c->running) enetjs_poke(c->wake);
  return ENETJS_PLUGIN_FAULT;
}

/* ---- What a plugin calls --------------------------------------------------------------------- */

static uint64_t deadline_of(int timeout_ms) {
  return timeout_ms < 0 ? UINT64_MAX : enetjs_now_ms() + (uint64_t)timeout_ms;
}

static size_t plugin_capacity(struct enetjs_channel *c) { return c->out.capacity; }

/* With the lock held: whether this thread can reserve now. A wish for room is left where there is none. */
static enum enetjs_channel_ring_result try_reserve(struct enetjs_channel *c, uint32_t length, uint8_t **data) {
  enum enetjs_channel_ring_result result;
  if (c->sender) return ENETJS_CHANNEL_RING_NONE;
  result = enetjs_channel_ring_reserve(&c->out, length, data);
  if (result != ENETJS_CHANNEL_RING_NONE) return result;
  enetjs_channel_ring_want_room(&c->out);
  return enetjs_channel_ring_reserve(&c->out, length, data);
}

static int reserve_locked(struct enetjs_channel *c, uint32_t length, int timeout_ms, uint8_t **data) {
  uint64_t deadline = deadline_of(timeout_ms);
  if (c->sender == &this_thread) return fail(c, ENETJS_ERR_FAULT, "a second reserve before commit or abort");
  for (;;) {
    if (c->closing) return ENETJS_PLUGIN_CLOSED;
    switch (try_reserve(c, length, data)) {
      case ENETJS_CHANNEL_RING_BROKEN:
        return fail(c, ENETJS_ERR_FAULT, "the positions of the ring to JavaScript are wrong");
      case ENETJS_CHANNEL_RING_OK:
        c->sender = &this_thread;
        c->reserved = length;
        return ENETJS_PLUGIN_OK;
      case ENETJS_CHANNEL_RING_NONE: break;
    }
    if (enetjs_now_ms() >= deadline) return ENETJS_PLUGIN_TIMEOUT;
    c->waiting_senders++;
    enetjs_cond_wait(&c->changed, &c->lock, deadline);
    c->waiting_senders--;
  }
}

static int plugin_reserve(struct enetjs_channel *c, size_t length, int timeout_ms, uint8_t **data) {
  int result;
  if (length > c->out.capacity) return ENETJS_PLUGIN_TOO_LARGE;
  enetjs_mutex_lock(&c->lock);
  result = reserve_locked(c, (uint32_t)length, timeout_ms, data);
  enetjs_mutex_unlock(&c->lock);
  return result;
}

static void end_reservation(struct enetjs_channel *c) {
  c->sender = NULL;
  if (c->waiting_senders) enetjs_cond_broadcast(&c->changed);
}

static int commit_locked(struct enetjs_channel *c, int64_t length) {
  char reason[128];
  if (c->sender != &this_thread) return fail(c, ENETJS_ERR_FAULT, "a commit without a reservation of this thread");
  end_reservation(c);
  if (c->closing) return ENETJS_PLUGIN_CLOSED;
  if (length < 0 || length > (int64_t)c->reserved) {
    snprintf(reason, sizeof(reason), "a commit of %lld bytes where %u were reserved", (long long)length,
             (unsigned)c->reserved);
    return fail(c, ENETJS_ERR_FAULT, reason);
  }
  if (!guards_intact(c)) return fail(c, ENETJS_ERR_FAULT, "a write beyond the memory of a reservation");
  if (enetjs_channel_ring_commit(&c->out, (uint32_t)length)) enetjs_poke(c->wake);
  return ENETJS_PLUGIN_OK;
}

static int plugin_commit(struct enetjs_channel *c, int64_t length) {
  int result;
  enetjs_mutex_lock(&c->lock);
  result = commit_locked(c, length);
  enetjs_mutex_unlock(&c->lock);
  return result;
}

static int plugin_abort(struct enetjs_channel *c) {
  int result = ENETJS_PLUGIN_OK;
  enetjs_mutex_lock(&c->lock);
  if (c->sender == &this_thread)
    end_reservation(c);
  else
    result = fail(c, ENETJS_ERR_FAULT, "an abort without a reservation of this thread");
  enetjs_mutex_unlock(&c->lock);
  return result;
}

static int plugin_send(struct enetjs_channel *c, const void *data, size_t length, int timeout_ms) {
  uint8_t *place;
  int result = plugin_reserve(c, length, timeout_ms, &place);
  if (result != ENETJS_PLUGIN_OK) return result;
  if (length > 0) memcpy(place, data, length);
  return plugin_commit(c, (int64_t)length);
}

static void plugin_explain(struct enetjs_channel *c, const char *text) {
  enetjs_mutex_lock(&c->lock);
  if (c->state == ENETJS_CHANNEL_STATE_LOADING) snprintf(c->reason, sizeof(c->reason), "%s", text);
  enetjs_mutex_unlock(&c->lock);
}

static const struct enetjs_plugin_library plugin_library = {
    ENETJS_PLUGIN_ABI_VERSION,
    plugin_capacity,
    plugin_reserve,
    plugin_commit,
    plugin_abort,
    plugin_send,
    plugin_explain,
};

/* ---- The thread ------------------------------------------------------------------------------ */

/* After a function of the plugin has returned. */
static void check_returned(struct enetjs_channel *c, const char *function) {
  char reason[64];
  if (c->sender != &this_thread) return;
  enetjs_mutex_lock(&c->lock);
  snprintf(reason, sizeof(reason), "a reservation kept when %s returned", function);
  end_reservation(c);
  fail(c, ENETJS_ERR_FAULT, reason);
  enetjs_mutex_unlock(&c->lock);
}

static int initialize(struct enetjs_channel *c) {
  char refusal[REASON_BYTES];
  int result =
      c->plugin.functions->initialize(&plugin_library, c, c->configuration, c->configuration_bytes, &c->plugin_state);
  if (result == 0) {
    check_returned(c, "initialize");
    return 0;
  }
  enetjs_mutex_lock(&c->lock);
  c->sender = NULL;
  snprintf(refusal, sizeof(refusal), "initialize returned %d%s%.400s", result, c->reason[0] ? ": " : "", c->reason);
  fail(c, ENETJS_ERR_PLUGIN_INITIALIZE, refusal);
  enetjs_mutex_unlock(&c->lock);
  enetjs_channel_plugin_unload(&c->plugin);
  return ENETJS_ERR_PLUGIN_INITIALIZE;
}

static int load(struct enetjs_channel *c) {
  char reason[REASON_BYTES] = "";
  int result = enetjs_channel_plugin_load(&c->plugin, c->path, reason, sizeof(reason));
  if (result == 0) {
    enetjs_mutex_lock(&c->lock);
    for (int i = 0; i < 2; i++) enetjs_channel_plugin_text(&c->plugin, i, c->plugin_texts[i]);
    enetjs_mutex_unlock(&c->lock);
    return initialize(c);
  }
  enetjs_mutex_lock(&c->lock);
  fail(c, result, reason);
  enetjs_mutex_unlock(&c->lock);
  return result;
}

static void update_if_due(struct enetjs_channel *c) {
  uint64_t now;
  if (c->update_at == UINT64_MAX) return;
  now = enetjs_now_ms();
  if (now < c->update_at) return;
  c->plugin.functions->update(c->plugin_state);
  check_returned(c, "update");
  c->update_at += c->update_interval_ms;
  now = enetjs_now_ms();
  if (c->update_at < now) c->update_at = now; /* late calls are not made up for */
}

/* @returns whether there was a message */
static bool process_one(struct enetjs_channel *c) {
  uint8_t *data;
  uint32_t length;
  bool wake = false;
  switch (enetjs_channel_ring_peek(&c->in, &data, &length, &wake)) {
    case ENETJS_CHANNEL_RING_BROKEN:
      enetjs_mutex_lock(&c->lock);
      fail(c, ENETJS_ERR_FAULT, "the ring from JavaScript is damaged");
      enetjs_mutex_unlock(&c->lock);
      return false;
    case ENETJS_CHANNEL_RING_OK:
      if (wake) enetjs_poke(c->wake);
      c->plugin.functions->process_message(c->plugin_state, data, length);
      check_returned(c, "process_message");
      if (enetjs_channel_ring_release(&c->in, length)) enetjs_poke(c->wake);
      return true;
    case ENETJS_CHANNEL_RING_NONE: break;
  }
  if (wake) enetjs_poke(c->wake);
  return false;
}

static void sleep_until_notified(struct enetjs_channel *c) {
  enetjs_mutex_lock(&c->lock);
  if (!c->notified && !c->closing) enetjs_cond_wait(&c->changed, &c->lock, c->update_at);
  c->notified = false;
  enetjs_mutex_unlock(&c->lock);
}

static void serve(struct enetjs_channel *c) {
  const struct enetjs_plugin *functions = c->plugin.functions;
  if (!c->update_interval_ms) c->update_interval_ms = functions->update_interval_ms;
  c->update_at = functions->update && c->update_interval_ms ? enetjs_now_ms() + c->update_interval_ms : UINT64_MAX;
  while (!c->closing) {
    update_if_due(c);
    if (process_one(c)) continue;
    enetjs_channel_ring_want_message(&c->in, true);
    if (!process_one(c)) sleep_until_notified(c);
    enetjs_channel_ring_want_message(&c->in, false);
  }
  if (functions->shutdown) functions->shutdown(c->plugin_state);
  enetjs_channel_plugin_unload(&c->plugin);
}

/* The end of the thread: JavaScript learns of it, and what nobody uses any more is freed. */
static void finish(struct enetjs_channel *c) {
  enetjs_mutex_lock(&c->lock);
  c->running = false;
  enetjs_cond_broadcast(&c->changed);
  enetjs_poke(c->wake);
  enetjs_fd_close(c->wake);
  if (c->released) channel_destroy(c);
  atomic_fetch_sub(&enetjs_live_plugins, 1);
  enetjs_mutex_unlock(&c->lock);
}

static void channel_main(void *argument) {
  struct enetjs_channel *c = argument;
  if (load(c) == 0) {
    enetjs_mutex_lock(&c->lock);
    if (c->state == ENETJS_CHANNEL_STATE_LOADING) c->state = ENETJS_CHANNEL_STATE_RUNNING;
    enetjs_poke(c->wake);
    enetjs_mutex_unlock(&c->lock);
    serve(c);
  }
  finish(c);
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
                           double configurationBytes, double sendBytes, double receiveBytes, double updateIntervalMs) {
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
  result = handle_of(c);
  if (!copy_arguments(c, path, (size_t)pathBytes, configuration, (size_t)configurationBytes) ||
      !allocate(c, (uint32_t)sendBytes, (uint32_t)receiveBytes)) {
    channel_destroy(c);
    result = ENETJS_ERR_MEMORY;
  }
  enetjs_mutex_unlock(&c->lock);
  return result;
}

/* With the lock held. @returns 0 or an error code */
static int start(struct enetjs_channel *c) {
  enetjs_fd wake[2];
  enetjs_thread thread;
  int error = enetjs_pair(wake);
  if (error < 0) return error;
  c->wake = wake[0];
  c->running = true;
  atomic_fetch_add(&enetjs_live_plugins, 1);
  if (!enetjs_thread_start_sized(&thread, channel_main, c, STACK_BYTES)) {
    c->running = false;
    atomic_fetch_sub(&enetjs_live_plugins, 1);
    enetjs_fd_close(wake[0]);
    enetjs_fd_close(wake[1]);
    return ENETJS_ERR_THREAD;
  }
  enetjs_thread_detach(thread);
  c->consumer_end = wake[1];
  c->consumer_identity = enetjs_fd_identify(wake[1]);
  return 0;
}

double enetjs_channel_start(double channel) {
  struct enetjs_channel *c = lock_by_handle(channel);
  double result;
  if (!c) return ENETJS_ERR_CLOSED;
  result = c->running || c->closing || c->released ? ENETJS_ERR_ARGUMENT : start(c);
  if (result == 0) result = (double)c->consumer_end;
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
  if (!out || !(capacity >= 0) || !(which >= 0 && which <= ENETJS_CHANNEL_TEXT_VERSION)) return ENETJS_ERR_ARGUMENT;
  c = lock_by_handle(channel);
  if (!c) return ENETJS_ERR_CLOSED;
  text = which == ENETJS_CHANNEL_TEXT_ERROR ? c->reason : c->plugin_texts[which != ENETJS_CHANNEL_TEXT_NAME];
  length = strlen(text);
  if ((double)length > capacity) length = (size_t)capacity;
  memcpy(out, text, length);
  enetjs_mutex_unlock(&c->lock);
  return (double)length;
}

/* With the lock held: JavaScript's side lets go. @returns whether the thread has yet to end */
static bool release(struct enetjs_channel *c, bool keep_memory) {
  c->released = true;
  c->keep_memory |= keep_memory;
  begin_closing(c);
  if (c->running) return true;
  channel_destroy(c);
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
      enetjs_fd_close_forgotten(c->consumer_end, c->consumer_identity, c->running ? c->wake : ENETJS_FD_NONE);
      release(c, false);
    }
    enetjs_mutex_unlock(&c->lock);
  }
}

/* At exit: no plugin should run on while the process is taken down. Memory is left to the system. */
static void stop_all(void) {
  uint64_t deadline = enetjs_now_ms() + EXIT_WAIT_MS;
  struct enetjs_channel *c;
  for (uint32_t index = 0; (c = channel_at(index)) != NULL; index++) {
    enetjs_mutex_lock(&c->lock);
    if (c->open) c->keep_memory = true;
    if (c->running) begin_closing(c);
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
