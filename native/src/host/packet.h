/**
 * @file packet.h
 * @brief Payloads that several queues and JavaScript refer to, with a count of references.
 *
 * A packet that JavaScript knows is listed: it has a handle, in a table for the whole process. Listing,
 * borrowing and dropping are safe from any thread. A function with a host as parameter is called with that
 * host's lock held.
 */
#ifndef ENETJS_HOST_PACKET_H
#define ENETJS_HOST_PACKET_H

#include <enet/enet.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct enetjs_host;

/** A payload that several queues and JavaScript may refer to; freed with its last reference. */
struct enetjs_packet {
  atomic_uint references;
  uint32_t index; /**< in the packet table, or ENETJS_UNLISTED */
  uint32_t generation;
  struct enetjs_host *owner_host; /**< the host that it counts towards, or NULL */
  uint32_t slot;                  /**< of the peer that has sent it */
  bool kept;                      /**< JavaScript's reference outlives that host */
  const void *owner;              /**< the thread that its listed reference was given to, or NULL */
  ENetPacket *packet;
  bool external; /**< its bytes are JavaScript's */
  bool exposed;  /**< JavaScript has its address, so only JavaScript can tell whether it is still used */
};
#define ENETJS_UNLISTED UINT32_MAX

/**
 * Takes over a packet of ENet's, with one reference. @returns NULL when there is no memory, with nothing
 * taken
 */
struct enetjs_packet *enetjs_packet_wrap(ENetPacket *packet);
/** Undoes that: the packet is the caller's again. */
void enetjs_packet_unwrap(struct enetjs_packet *p);
/** @param owner_host the host that has received it from the peer of a slot, or NULL */
bool enetjs_packet_list(struct enetjs_packet *p, struct enetjs_host *owner_host, uint32_t slot);
/** The host ends: drops the listed references to its packets, except those that JavaScript keeps. */
void enetjs_packet_release_all(struct enetjs_host *owner_host);
/** A thread exits: drops the listed references that it was given. */
void enetjs_packet_release_of_thread(const void *owner);
/** @returns the packet of a handle, with another reference, or NULL when the handle is stale */
struct enetjs_packet *enetjs_packet_borrow(double handle);
/** Drops a reference; the last one frees the packet. */
void enetjs_packet_drop(struct enetjs_packet *p);
size_t enetjs_packet_live(void); /**< @returns how many are listed */
size_t enetjs_packet_ever(void); /**< @returns how many have been listed since the beginning */

#endif
