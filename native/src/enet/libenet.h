/**
 * @file libenet.h
 * @brief Whether libenet is this library's alone; its clock, and the memory that ENet frees.
 */
#ifndef ENETJS_LIBENET_H
#define ENETJS_LIBENET_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"

/**
 * Initializes ENet, once. Finds out whether nobody else has used libenet yet, and gives it the memory pool if
 * so. To be called before anything of ENet's is used.
 * @returns 0, or ENETJS_ERR_LIBENET when ENet cannot be initialized or has not the version of its headers
 */
int enetjs_libenet_initialize(void);

/** Whether its clock and its memory are this library's. Constant after initialization. */
extern bool enetjs_libenet_owned;

/** Memory that ENet frees, or that enetjs_libenet_give does. @returns NULL when there is none */
static inline void *enetjs_libenet_take(size_t size) {
  return enetjs_libenet_owned ? enetjs_pool_malloc(size) : enet_malloc(size);
}

static inline void enetjs_libenet_give(void *memory) {
  if (enetjs_libenet_owned)
    enetjs_pool_free(memory);
  else
    enet_free(memory);
}

/** enet_packet_destroy, without a detour through libenet for what lies in the pool. */
static inline void enetjs_libenet_destroy(ENetPacket *packet) {
  if (!enetjs_libenet_owned || packet->freeCallback) {
    enet_packet_destroy(packet);
    return;
  }
  if (!(packet->flags & ENET_PACKET_FLAG_NO_ALLOCATE)) enetjs_pool_free(packet->data);
  enetjs_pool_free(packet);
}

/** Charges nobody any more for a packet that ENet has allocated. With the lock of its host held. */
static inline void enetjs_libenet_discharge(ENetPacket *packet) {
  if (!enetjs_libenet_owned) return;
  enetjs_pool_move(packet, NULL);
  if (packet->data && !(packet->flags & ENET_PACKET_FLAG_NO_ALLOCATE)) enetjs_pool_move(packet->data, NULL);
}

#endif
