/*
 * The table of hosts: handles, and the lock that each call of the border takes. create.c creates a host, and
 * close.c ends it.
 *
 * Invariant: a control block is never freed, so that any handle can be checked: its lock is taken first, and
 * then its generation compared. Any thread may call; enetjs_host_acquire is for the thread that created the
 * host, its consumer.
 */
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/handle.h"
#include "enet/libenet.h"
#include "host/internal.h"
#include "wire/socket.h"

#define HOST_LIMIT 4096

static struct {
  enetjs_mutex lock;
  _Atomic(struct enetjs_host *) items[HOST_LIMIT];
  uint32_t count;
} table;

atomic_uint enetjs_live_hosts;

/* ---- Initialization -------------------------------------------------------------------------- */

static enetjs_once initialized = ENETJS_ONCE_INIT;
static int initialize_result;

static void initialize(void) {
  static struct enetjs_exit_hook exit_hook = {enetjs_hosts_on_thread_exit, enetjs_hosts_on_process_exit,
                                              NULL};
  initialize_result = enetjs_libenet_initialize();
  if (initialize_result < 0) return;
  enetjs_mutex_init(&table.lock);
  enetjs_exit_register(&exit_hook);
}

int enetjs_host_initialize(void) {
  enetjs_once_run(&initialized, initialize);
  return initialize_result;
}

double enetjs_datagrams_batched(void) { return enetjs_host_initialize() == 0 && enetjs_batch_arrives() > 0; }

/* ---- Handles --------------------------------------------------------------------------------- */

struct enetjs_host *enetjs_host_at(uint32_t index) {
  return index < HOST_LIMIT ? atomic_load(&table.items[index]) : NULL;
}

struct enetjs_host *enetjs_host_lock(double host) {
  struct enetjs_host *h;
  struct enetjs_handle handle;
  if (!enetjs_handle_read(host, HOST_LIMIT, &handle)) return NULL;
  h = enetjs_host_at(handle.index);
  if (!h) return NULL;
  enetjs_mutex_lock(&h->lock);
  if (h->open && !h->closing && h->generation == handle.generation) return h;
  enetjs_mutex_unlock(&h->lock);
  return NULL;
}

struct enetjs_host *enetjs_host_acquire(double host) {
  struct enetjs_host *h = enetjs_host_lock(host);
  if (!h) return NULL;
  h->consumer = true;
  h->consumer_bytes = atomic_load_explicit(&h->header[ENETJS_WORD_KEPT], memory_order_relaxed);
  if (h->header[ENETJS_WORD_OUTBOX_FILLED] > 0) enetjs_outbox_take(h);
  return h;
}

void enetjs_host_release(struct enetjs_host *h) {
  if (h->header)
    atomic_store_explicit(&h->header[ENETJS_WORD_HELD], (uint32_t)enetjs_records_held(h),
                          memory_order_relaxed);
  h->consumer = false;
  enetjs_mutex_unlock(&h->lock);
}

double enetjs_host_handle(const struct enetjs_host *h) {
  return enetjs_handle_number(h->generation, h->index, HOST_LIMIT);
}

/* With the table's lock held. @returns a free control block, or a new one, with its lock held, or NULL */
static struct enetjs_host *block_find(void) {
  struct enetjs_host *h;
  for (uint32_t index = 0; index < table.count; index++) {
    h = atomic_load(&table.items[index]);
    if (!enetjs_mutex_trylock(&h->lock)) continue;
    if (!h->open) return h;
    enetjs_mutex_unlock(&h->lock);
  }
  if (table.count == HOST_LIMIT) return NULL;
  h = calloc(1, sizeof(*h));
  if (!h) return NULL;
  enetjs_mutex_init(&h->lock);
  enetjs_mutex_lock(&h->lock);
  h->index = table.count;
  h->generation = 1;
  atomic_store(&table.items[table.count++], h);
  return h;
}

struct enetjs_host *enetjs_host_block_take(void) {
  enetjs_mutex_lock(&table.lock);
  struct enetjs_host *h = block_find();
  enetjs_mutex_unlock(&table.lock);
  return h;
}

void enetjs_host_block_clear(struct enetjs_host *h) {
  memset(&h->open, 0, sizeof(*h) - offsetof(struct enetjs_host, open));
}

double enetjs_host_start(double host, double port, const uint8_t *secret, double secretBytes) {
  struct enetjs_wake_place place = {port, secret, secretBytes};
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result;
  if (!h) return ENETJS_ERR_CLOSED;
  result = h->pump_configured && !h->pump_running ? enetjs_pump_start(h, place) : ENETJS_ERR_ARGUMENT;
  if (result == 0) result = enetjs_wake_descriptor(&h->wake);
  enetjs_host_release(h);
  return result;
}

/* ---- Shared memory ----------------------------------------------------------------------------- */

const uint8_t *enetjs_shared_at(struct enetjs_host *h, double offset, double length) {
  const double shared = (double)h->shared_bytes, arena = h->arena.size;
  if (enetjs_is_integer(offset, 0, shared) && enetjs_is_integer(length, 0, shared - offset))
    return h->shared + (size_t)offset;
  offset -= shared;
  if (enetjs_is_integer(offset, 0, arena) && enetjs_is_integer(length, 0, arena - offset))
    return h->arena.bytes + (size_t)offset;
  return NULL;
}

double enetjs_host_set_arena(double host, uint8_t *arena, double arenaBytes) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (enetjs_host_aligned(arena) && arenaBytes == h->arena.size) {
    h->arena.bytes = arena;
    result = 0;
  }
  enetjs_host_release(h);
  return result;
}
