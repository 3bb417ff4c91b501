/**
 * @file ring.h
 * @brief One end of a channel's ring; see "Memory of a channel" in enetjs_layout.h for the protocol.
 *
 * The other end is not trusted: positions and lengths that it has written are checked, so that no access
 * leaves the ring. Each end belongs to one thread at a time.
 */
#ifndef ENETJS_CHANNEL_RING_H
#define ENETJS_CHANNEL_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct enetjs_channel_ring {
  _Atomic uint32_t *words; /**< of the direction, in shared memory */
  uint8_t *bytes;
  uint32_t size, capacity;
  uint32_t count;   /**< our HEAD or TAIL */
  uint32_t at;      /**< its offset in the ring */
  uint32_t skipped; /**< a producer's reservation: bytes to be skipped before it */
};

enum enetjs_channel_ring_result {
  ENETJS_CHANNEL_RING_NONE,
  ENETJS_CHANNEL_RING_OK,
  ENETJS_CHANNEL_RING_BROKEN
};

/** @returns the size of a ring for messages of up to `capacity` bytes */
uint32_t enetjs_channel_ring_bytes(uint32_t capacity);

/** Takes an end of a fresh ring. @param bytes of the ring, zero, aligned to ENETJS_CHANNEL_UNIT_BYTES */
void enetjs_channel_ring_attach(struct enetjs_channel_ring *ring, _Atomic uint32_t *words, uint8_t *bytes,
                                uint32_t capacity);

/**
 * Producer: finds room for a message of `length`, at most the capacity. @returns NONE when there is none now
 */
enum enetjs_channel_ring_result enetjs_channel_ring_reserve(struct enetjs_channel_ring *ring, uint32_t length,
                                                            uint8_t **data);

/** Producer: publishes what was reserved last. @returns whether the consumer must be woken */
bool enetjs_channel_ring_commit(struct enetjs_channel_ring *ring, uint32_t length);

/**
 * Producer: asks to be woken when half of the ring is free, or all of it where half was not enough; look
 * again afterwards, before sleeping.
 */
void enetjs_channel_ring_want_room(struct enetjs_channel_ring *ring);

/** Consumer: the next message. @param wake is set when the producer must be woken */
enum enetjs_channel_ring_result enetjs_channel_ring_peek(struct enetjs_channel_ring *ring, uint8_t **data,
                                                         uint32_t *length, bool *wake);

/** Consumer: frees the message that was peeked. @returns whether the producer must be woken */
bool enetjs_channel_ring_release(struct enetjs_channel_ring *ring, uint32_t length);

/** Consumer: asks, or no longer asks, to be woken by a message; look again afterwards, before sleeping. */
void enetjs_channel_ring_want_message(struct enetjs_channel_ring *ring, bool wanted);

#endif
