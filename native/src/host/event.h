/**
 * @file event.h
 * @brief Records for JavaScript: the rings in shared memory, and the records that wait for room there.
 *
 * Call with the host's lock held. See event.c for when shared memory may be touched.
 */
#ifndef ENETJS_HOST_EVENT_H
#define ENETJS_HOST_EVENT_H

#include <enet/enet.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "enetjs.h"
#include "wire/endpoint.h"

struct enetjs_host;
struct enetjs_slot;

/** A record that waits for room in a ring, with its payload. */
struct enetjs_held {
  struct enetjs_held *next;
  uint32_t record[ENETJS_RECORD_BYTES / 4];
  ENetPacket *packet; /**< payload of a message or datagram, or NULL */
  size_t charge;      /**< what it counts towards the limit, 0 for what is no message */
  size_t cost;        /**< the memory that it takes */
  size_t reserve;     /**< how much more it will take in JavaScript */
};

struct enetjs_held_list {
  struct enetjs_held *head, *tail;
  size_t count;
};

/** The producer's end of a ring in shared memory. */
struct enetjs_ring {
  _Atomic uint32_t *head_word, *tail_word; /**< in shared memory; the tail is the consumer's and not trusted */
  uint8_t *records;
  uint32_t head, capacity;
  struct enetjs_held_list held;
};

struct enetjs_arena {
  _Atomic uint32_t *head_word, *tail_word;
  uint8_t *bytes;
  uint32_t head, size;
};

void enetjs_emit_event(struct enetjs_host *h, struct enetjs_slot *slot, uint32_t *record, ENetPacket *packet);
/**
 * Before an event with an address: tells an IPv6 address.
 * @param slot that of the event, or NULL
 * @returns the word ADDRESS of the event
 */
uint32_t enetjs_emit_endpoint(struct enetjs_host *h, struct enetjs_slot *slot, const struct enetjs_endpoint *endpoint);
void enetjs_emit_message(struct enetjs_slot *slot, uint8_t channel, ENetPacket *packet);
void enetjs_emit_completion(struct enetjs_slot *slot, uint32_t type, uint32_t data, uint32_t extra);
void enetjs_emit_failure(struct enetjs_host *h, int error);
void enetjs_emit_shutdown(struct enetjs_host *h);
void enetjs_emit_questions(struct enetjs_host *h); /**< those of the guard that there is room for */
void enetjs_refill(struct enetjs_host *h);
void enetjs_release_paused(struct enetjs_slot *slot);
void enetjs_drop_held(struct enetjs_host *h, struct enetjs_held_list *list);
size_t enetjs_records_held(
    const struct enetjs_host *h); /**< that the consumer has no room for, or has not been called for */

#endif
