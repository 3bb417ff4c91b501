/**
 * @file libenet.h
 * @brief Whether libenet belongs to this library alone; its clock, and memory that ENet frees. Any thread may
 * call.
 */
#ifndef ENETJS_LIBENET_H
#define ENETJS_LIBENET_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"

/**
 * Initializes ENet, once, before anything else of ENet is used. Finds out whether other code has loaded
 * libenet, and gives it the memory pool if not.
 * @returns 0, or ENETJS_ERR_LIBENET when ENet cannot be initialized, or its version is not that of the
 * headers
 */
int enetjs_libenet_initialize(void);

/** Whether libenet uses the clock and the allocator of this library. Constant after initialization. */
extern bool enetjs_libenet_owned;

/** Allocates memory that ENet or enetjs_libenet_give frees. @returns NULL when memory is out */
static inline void *enetjs_libenet_take(size_t size) {
  return enetjs_libenet_owned ? enetjs_pool_malloc(size) : enet_malloc(size);
}

static inline void enetjs_libenet_give(void *memory) {
  if (enetjs_libenet_owned)
    enetjs_pool_free(memory);
  else
    enet_free(memory);
}

/** enet_packet_destroy; a packet in the pool is freed without a call of libenet. */
static inline void enetjs_libenet_destroy(ENetPacket *packet) {
  if (!enetjs_libenet_owned || packet->freeCallback) {
    enet_packet_destroy(packet);
    return;
  }
  if (!(packet->flags & ENET_PACKET_FLAG_NO_ALLOCATE)) enetjs_pool_free(packet->data);
  enetjs_pool_free(packet);
}

/** Charges no account any more for a packet that ENet has allocated. Call with the lock of its host held. */
static inline void enetjs_libenet_discharge(ENetPacket *packet) {
  if (!enetjs_libenet_owned) return;
  enetjs_pool_move(packet, NULL);
  if (packet->data && !(packet->flags & ENET_PACKET_FLAG_NO_ALLOCATE)) enetjs_pool_move(packet->data, NULL);
}

#endif
