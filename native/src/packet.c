/*
 * Shared payloads. A payload that JavaScript refers to is listed in a table under a handle
 * (generation * 2^32 + index); the table has its own lock because packets travel between hosts.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "pool.h"

#define GENERATION_LIMIT (1u << 21) /* handles stay exact in a double */

static struct {
  enetjs_mutex lock;
  struct enetjs_packet **items;
  uint32_t *generations;
  uint32_t *free_indices;
  uint32_t capacity, free_count;
} table;
static enetjs_once table_once = ENETJS_ONCE_INIT;
static atomic_size_t live;

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
  p->packet = packet;
  atomic_fetch_add(&live, 1);
  return p;
}

void enetjs_packet_unwrap(struct enetjs_packet *p) {
  atomic_fetch_sub(&live, 1);
  enetjs_pool_free(p);
}

bool enetjs_packet_list(struct enetjs_packet *p) {
  bool listed = false;
  table_lock();
  if (table.free_count > 0 || table_grow()) {
    p->index = table.free_indices[--table.free_count];
    p->generation = table.generations[p->index];
    table.items[p->index] = p;
    listed = true;
  }
  enetjs_mutex_unlock(&table.lock);
  return listed;
}

/* With the table locked. */
static struct enetjs_packet *find(double handle) {
  uint64_t number;
  uint32_t index;
  if (!enetjs_is_integer(handle, 0, 9007199254740991.0)) return NULL;
  number = (uint64_t)handle;
  index = (uint32_t)number;
  if (index >= table.capacity || table.generations[index] != number >> 32) return NULL;
  return table.items[index];
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

double enetjs_packet_read(double packet, uint8_t *out, double length) {
  struct enetjs_packet *p = enetjs_packet_borrow(packet);
  double result = ENETJS_ERR_ARGUMENT;
  if (!p) return ENETJS_ERR_STALE;
  if (out && length == (double)p->packet->dataLength) {
    memcpy(out, p->packet->data, p->packet->dataLength);
    result = length;
  }
  enetjs_packet_drop(p);
  return result;
}

double enetjs_packet_release(double packet) {
  struct enetjs_packet *p;
  table_lock();
  p = find(packet);
  if (p) {
    table.items[p->index] = NULL;
    table.generations[p->index] = table.generations[p->index] % (GENERATION_LIMIT - 1) + 1;
    table.free_indices[table.free_count++] = p->index;
  }
  enetjs_mutex_unlock(&table.lock);
  if (!p) return ENETJS_ERR_STALE;
  enetjs_packet_drop(p);
  return 0;
}
