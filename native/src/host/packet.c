/*
 * Packets that several owners share: JavaScript, the queues of peers, and ENet. A packet that JavaScript
 * refers to is listed in a table, and JavaScript has its handle.
 *
 * Invariant: a packet is freed when its last reference is dropped, by whichever thread does that. The table
 * has a lock of its own, because a packet may travel between hosts; no other lock is taken under it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/handle.h"
#include "base/pool.h"
#include "host/internal.h"

#define PACKET_LIMIT ((uint64_t)1 << 32) /* of handles */
#define GENERATION_LIMIT (1u << 21)      /* handles stay exact in a double */

static struct {
  enetjs_mutex lock;
  struct enetjs_packet **items;
  uint32_t *generations;
  uint32_t *free_indices;
  uint32_t capacity, free_count;
} table;
static enetjs_once table_once = ENETJS_ONCE_INIT;
static atomic_size_t live, ever;

static void table_initialize(void) { enetjs_mutex_init(&table.lock); }

static void table_lock(void) {
  enetjs_once_run(&table_once, table_initialize);
  enetjs_mutex_lock(&table.lock);
}

static bool table_grow(void) {
  uint32_t capacity = table.capacity ? table.capacity * 2 : 256;
  struct enetjs_packet **items = realloc(table.items, capacity * sizeof(*items));
  uint32_t *generations, *free_indices;
  if (!items) return false;
  table.items = items;
  generations = realloc(table.generations, capacity * sizeof(*generations));
  if (!generations) return false;
  table.generations = generations;
  free_indices = realloc(table.free_indices, capacity * sizeof(*free_indices));
  if (!free_indices) return false;
  table.free_indices = free_indices;
  for (uint32_t index = capacity; index-- > table.capacity;) {
    table.items[index] = NULL;
    table.generations[index] = 1;
    table.free_indices[table.free_count++] = index;
  }
  table.capacity = capacity;
  return true;
}

struct enetjs_packet *enetjs_packet_wrap(ENetPacket *packet) {
  struct enetjs_packet *p = enetjs_pool_malloc(sizeof(*p));
  if (!p) return NULL;
  atomic_init(&p->references, 1);
  p->index = ENETJS_UNLISTED;
  p->owner_host = NULL;
  p->slot = 0;
  p->owner = NULL;
  p->packet = packet;
  p->external = p->exposed = p->kept = false;
  atomic_fetch_add(&live, 1);
  atomic_fetch_add(&ever, 1);
  return p;
}

void enetjs_packet_unwrap(struct enetjs_packet *p) {
  atomic_fetch_sub(&live, 1);
  enetjs_pool_free(p);
}

static atomic_size_t *counter_of(const struct enetjs_packet *p) {
  return p->kept ? &p->owner_host->kept_bytes : &p->owner_host->listed_bytes;
}

/* With the table locked: counts the packet towards its host and its peer. */
static void join_owner_host(struct enetjs_packet *p, struct enetjs_host *owner_host, uint32_t slot) {
  p->owner_host = owner_host;
  p->slot = slot;
  atomic_fetch_add(counter_of(p), p->packet->dataLength);
  atomic_fetch_add(&owner_host->slots[slot].listed_bytes, p->packet->dataLength);
}

/* With the table locked: counts the packet towards no host any more. */
static void leave_owner_host(struct enetjs_packet *p) {
  if (!p->owner_host) return;
  atomic_fetch_sub(counter_of(p), p->packet->dataLength);
  atomic_fetch_sub(&p->owner_host->slots[p->slot].listed_bytes, p->packet->dataLength);
  p->owner_host = NULL;
}

bool enetjs_packet_list(struct enetjs_packet *p, struct enetjs_host *owner_host, uint32_t slot) {
  bool listed = false;
  table_lock();
  if (table.free_count > 0 || table_grow()) {
    p->index = table.free_indices[--table.free_count];
    p->generation = table.generations[p->index];
    p->owner = enetjs_this_thread();
    if (owner_host) join_owner_host(p, owner_host, slot);
    table.items[p->index] = p;
    listed = true;
  }
  enetjs_mutex_unlock(&table.lock);
  return listed;
}

/* With the table locked. */
static struct enetjs_packet *find(double packet) {
  struct enetjs_handle handle;
  if (!enetjs_handle_read(packet, PACKET_LIMIT, &handle) || handle.index >= table.capacity) return NULL;
  return table.generations[handle.index] == handle.generation ? table.items[handle.index] : NULL;
}

struct enetjs_packet *enetjs_packet_borrow(double handle) {
  struct enetjs_packet *p;
  table_lock();
  p = find(handle);
  if (p) atomic_fetch_add(&p->references, 1);
  enetjs_mutex_unlock(&table.lock);
  return p;
}

void enetjs_packet_drop(struct enetjs_packet *p) {
  if (atomic_fetch_sub(&p->references, 1) != 1) return;
  enet_packet_destroy(p->packet);
  enetjs_packet_unwrap(p);
}

size_t enetjs_packet_live(void) { return atomic_load(&live); }
size_t enetjs_packet_ever(void) { return atomic_load(&ever); }

/* With the table locked. */
static void unlist(struct enetjs_packet *p) {
  leave_owner_host(p);
  table.items[p->index] = NULL;
  table.generations[p->index] = table.generations[p->index] % (GENERATION_LIMIT - 1) + 1;
  table.free_indices[table.free_count++] = p->index;
}

/* ---- Packets that JavaScript makes ---- */

/* A listed packet over ENet's own memory, or with NO_ALLOCATE over the caller's. */
static double make(uint8_t *data, double length, enet_uint32 flags) {
  ENetPacket *packet;
  struct enetjs_packet *p;
  if (!enetjs_is_integer(length, 0, INT32_MAX)) return ENETJS_ERR_ARGUMENT;
  packet = enet_packet_create(data, (size_t)length, flags);
  if (!packet) return ENETJS_ERR_MEMORY;
  p = enetjs_packet_wrap(packet);
  if (!p) {
    enet_packet_destroy(packet);
    return ENETJS_ERR_MEMORY;
  }
  p->external = (flags & ENET_PACKET_FLAG_NO_ALLOCATE) != 0;
  if (!enetjs_packet_list(p, NULL, 0)) {
    enetjs_packet_drop(p);
    return ENETJS_ERR_MEMORY;
  }
  if (!p->external && packet->data) memset(packet->data, 0, packet->dataLength);
  return enetjs_handle_number(p->generation, p->index, PACKET_LIMIT);
}

double enetjs_packet_create(double length) { return make(NULL, length, 0); }

double enetjs_packet_share(uint8_t *data, double length) {
  return data ? make(data, length, ENET_PACKET_FLAG_NO_ALLOCATE) : ENETJS_ERR_ARGUMENT;
}

/* ---- What JavaScript asks of a packet ---- */

/*
 * With the table locked. Counts the packet's bytes as kept by JavaScript instead of in the ring, or as
 * neither.
 */
static void keep(struct enetjs_packet *p, bool counted) {
  struct enetjs_host *owner_host = p->owner_host;
  uint32_t slot = p->slot;
  if (counted && p->kept) return;
  leave_owner_host(p);
  p->kept = true;
  if (counted && owner_host) join_owner_host(p, owner_host, slot);
}

double enetjs_packet_keep(double packet, double counted) {
  struct enetjs_packet *p;
  if (!enetjs_is_integer(counted, 0, 1)) return ENETJS_ERR_ARGUMENT;
  table_lock();
  p = find(packet);
  if (p) keep(p, counted == 1);
  enetjs_mutex_unlock(&table.lock);
  return p ? 0 : ENETJS_ERR_STALE;
}

double enetjs_packet_address(double packet) {
  struct enetjs_packet *p;
  double result = ENETJS_ERR_STALE;
  table_lock();
  p = find(packet);
  if (p) {
    p->exposed = true;
    result = (double)(uintptr_t)p->packet->data;
  }
  enetjs_mutex_unlock(&table.lock);
  return result;
}

double enetjs_packet_references(double packet) {
  struct enetjs_packet *p;
  double result = ENETJS_ERR_STALE;
  table_lock();
  p = find(packet);
  if (p) result = atomic_load(&p->references);
  enetjs_mutex_unlock(&table.lock);
  return result;
}

double enetjs_packet_write(double packet, const uint8_t *data, double length) {
  struct enetjs_packet *p = enetjs_packet_borrow(packet);
  double result = ENETJS_ERR_ARGUMENT;
  if (!p) return ENETJS_ERR_STALE;
  if (data && length == (double)p->packet->dataLength) {
    if (length > 0) memcpy(p->packet->data, data, p->packet->dataLength);
    result = length;
  }
  enetjs_packet_drop(p);
  return result;
}

double enetjs_packet_read(double packet, uint8_t *out, double length) {
  struct enetjs_packet *p = enetjs_packet_borrow(packet);
  double result = ENETJS_ERR_ARGUMENT;
  if (!p) return ENETJS_ERR_STALE;
  if (out && length == (double)p->packet->dataLength) {
    if (length > 0) memcpy(out, p->packet->data, p->packet->dataLength);
    result = length;
  }
  enetjs_packet_drop(p);
  return result;
}

double enetjs_packet_release(double packet) {
  struct enetjs_packet *p;
  table_lock();
  p = find(packet);
  if (p) unlist(p);
  enetjs_mutex_unlock(&table.lock);
  if (!p) return ENETJS_ERR_STALE;
  enetjs_packet_drop(p);
  return 0;
}

static bool ends_with_host(const struct enetjs_packet *p, const void *owner_host) {
  return p->owner_host == owner_host && !p->kept;
}

static bool ends_with_thread(const struct enetjs_packet *p, const void *owner) {
  return p->owner == owner && !p->exposed;
}

static void release_where(bool (*ends)(const struct enetjs_packet *, const void *), const void *what) {
  table_lock();
  for (uint32_t index = 0; index < table.capacity; index++) {
    struct enetjs_packet *p = table.items[index];
    if (!p || !ends(p, what)) continue;
    unlist(p);
    enetjs_packet_drop(p);
  }
  enetjs_mutex_unlock(&table.lock);
}

/*
 * Drops the references of a host's consumer, except those that it keeps. Afterwards no packet refers to the
 * host.
 */
void enetjs_packet_release_all(struct enetjs_host *owner_host) {
  release_where(ends_with_host, owner_host);
  table_lock();
  for (uint32_t index = 0; index < table.capacity; index++) {
    struct enetjs_packet *p = table.items[index];
    if (p && p->owner_host == owner_host) leave_owner_host(p);
  }
  enetjs_mutex_unlock(&table.lock);
}

/* Drops the references of a thread that has exited, except those whose address another thread may have. */
void enetjs_packet_release_of_thread(const void *owner) { release_where(ends_with_thread, owner); }
