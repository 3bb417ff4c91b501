/*
 * Links of a simulated network on their own, without a host: for the datagrams of any program, which the
 * caller sends and receives. wire/conditions.c simulates them.
 *
 * JavaScript holds a link by a handle. A link ends when it is closed, or with the thread that opened it. Any
 * thread may call; one lock guards all links, and is held for a copy at most.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/handle.h"
#include "base/threads.h"
#include "enetjs.h"
#include "wire/conditions.h"

#define LINK_LIMIT 4096

struct slot {
  uint64_t generation;
  const void *owner;                    /* names the thread that has opened it, or NULL */
  struct enetjs_conditions *conditions; /* or NULL while it is free */
};

static struct {
  enetjs_mutex lock;
  struct slot slots[LINK_LIMIT];
} table = {.lock = ENETJS_MUTEX_INIT};

static void release(struct slot *slot) {
  enetjs_conditions_destroy(slot->conditions);
  slot->conditions = NULL;
  slot->generation++;
}

static void close_of_thread(const void *owner) {
  enetjs_mutex_lock(&table.lock);
  for (size_t i = 0; i < LINK_LIMIT; i++)
    if (table.slots[i].conditions && table.slots[i].owner == owner) release(&table.slots[i]);
  enetjs_mutex_unlock(&table.lock);
}

static void nothing(void) {}

static void listen_to_exits(void) {
  static struct enetjs_exit_hook hook = {close_of_thread, nothing, NULL};
  enetjs_exit_register(&hook);
}

/* With the lock held. @returns NULL when the link is closed */
static struct slot *find(double link) {
  struct enetjs_handle handle;
  struct slot *slot;
  if (!enetjs_handle_read(link, LINK_LIMIT, &handle)) return NULL;
  slot = &table.slots[handle.index];
  return slot->conditions && slot->generation == handle.generation ? slot : NULL;
}

/* @returns NULL when there is no memory */
static struct enetjs_conditions *conditions_of(const double *link, uint32_t seed) {
  struct enetjs_conditions *conditions = enetjs_conditions_create();
  if (!conditions || enetjs_conditions_replace(conditions, link, 1, seed)) return conditions;
  enetjs_conditions_destroy(conditions);
  return NULL;
}

static double open_link(struct enetjs_conditions *conditions) {
  for (uint32_t i = 0; i < LINK_LIMIT; i++) {
    struct slot *slot = &table.slots[i];
    if (slot->conditions) continue;
    if (slot->generation == 0) slot->generation = 1;
    slot->conditions = conditions;
    slot->owner = enetjs_this_thread();
    return enetjs_handle_number(slot->generation, i, LINK_LIMIT);
  }
  enetjs_conditions_destroy(conditions);
  return ENETJS_ERR_LIMIT;
}

double enetjs_link_open(const uint8_t *link, double bytes, double seed) {
  static enetjs_once once = ENETJS_ONCE_INIT;
  double copy[ENETJS_LINK_COUNT], result; /* aligned */
  struct enetjs_conditions *conditions;
  if (!link || bytes != sizeof(copy) || !enetjs_is_integer(seed, 0, UINT32_MAX)) return ENETJS_ERR_ARGUMENT;
  memcpy(copy, link, sizeof(copy));
  if (!enetjs_conditions_valid(copy, 1)) return ENETJS_ERR_ARGUMENT;
  enetjs_once_run(&once, listen_to_exits);
  conditions = conditions_of(copy, (uint32_t)seed);
  if (!conditions) return ENETJS_ERR_MEMORY;
  enetjs_mutex_lock(&table.lock);
  result = open_link(conditions);
  enetjs_mutex_unlock(&table.lock);
  return result;
}

static bool is_direction(double direction) {
  return direction == ENETJS_SENT || direction == ENETJS_RECEIVED;
}

double enetjs_link_enter(double link, double direction, const uint8_t *data, double length) {
  static const struct enetjs_endpoint anywhere; /* there is one link, for all addresses */
  struct slot *slot;
  ENetBuffer buffer;
  if (!data || !is_direction(direction) || !enetjs_is_integer(length, 0, 65535)) return ENETJS_ERR_ARGUMENT;
  buffer.data = (void *)(uintptr_t)data;
  buffer.dataLength = (size_t)length;
  enetjs_mutex_lock(&table.lock);
  slot = find(link);
  if (slot)
    enetjs_conditions_enter(slot->conditions, (enum enetjs_direction)direction, &anywhere, &buffer, 1,
                            enetjs_clock_us());
  enetjs_mutex_unlock(&table.lock);
  return slot ? 0 : ENETJS_ERR_CLOSED;
}

/* @returns as enetjs_link_take */
static double take(struct slot *slot, enum enetjs_direction direction, uint8_t *out, double capacity) {
  const struct enetjs_passed *passed = enetjs_conditions_due(slot->conditions, direction, enetjs_clock_us());
  double length;
  if (!passed) return 0;
  length = (double)passed->length;
  if (length > capacity) return ENETJS_ERR_TOO_LARGE;
  memcpy(out, passed->bytes, passed->length);
  enetjs_conditions_release(slot->conditions, direction);
  return length + 1;
}

double enetjs_link_take(double link, double direction, uint8_t *out, double capacity) {
  struct slot *slot;
  double result = ENETJS_ERR_CLOSED;
  if (!out || !is_direction(direction) || !(capacity >= 0)) return ENETJS_ERR_ARGUMENT;
  enetjs_mutex_lock(&table.lock);
  slot = find(link);
  if (slot) result = take(slot, (enum enetjs_direction)direction, out, capacity);
  enetjs_mutex_unlock(&table.lock);
  return result;
}

double enetjs_link_wait(double link) {
  struct slot *slot;
  double result = ENETJS_ERR_CLOSED;
  enetjs_mutex_lock(&table.lock);
  slot = find(link);
  if (slot) {
    int wait = enetjs_conditions_wait(slot->conditions, enetjs_clock_us());
    result = wait < 0 ? ENETJS_NOTHING_HELD : wait;
  }
  enetjs_mutex_unlock(&table.lock);
  return result;
}

double enetjs_link_fates(double link, uint8_t *out, double bytes) {
  double fates[ENETJS_DIRECTIONS * ENETJS_FATE_COUNT];
  struct slot *slot;
  if (!out || bytes != sizeof(fates)) return ENETJS_ERR_ARGUMENT;
  enetjs_mutex_lock(&table.lock);
  slot = find(link);
  if (slot) {
    enetjs_conditions_stats(slot->conditions, fates);
    memcpy(out, fates, sizeof(fates));
  }
  enetjs_mutex_unlock(&table.lock);
  return slot ? 0 : ENETJS_ERR_CLOSED;
}

double enetjs_link_close(double link) {
  struct slot *slot;
  enetjs_mutex_lock(&table.lock);
  slot = find(link);
  if (slot) release(slot);
  enetjs_mutex_unlock(&table.lock);
  return slot ? 0 : ENETJS_ERR_CLOSED;
}
