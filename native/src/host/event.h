/**
 * @file event.h
 * @brief Records for JavaScript: the rings in shared memory, and the records that wait for room there.
 *
 * Call with the host's lock held. event.c tells when shared memory may be accessed.
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
  /** bytes that count towards the limit of its peer, or of datagrams; 0 for other records */
  size_t charge;
  size_t cost;        /**< bytes of memory that a message takes here */
  size_t reserve;     /**< bytes that a message will take in JavaScript beyond that */
};

struct enetjs_held_list {
  struct enetjs_held *head, *tail;
  size_t count;
};

/** The producer's end of a ring in shared memory. */
struct enetjs_ring {
  /** in shared memory; the tail is the consumer's and not trusted */
  _Atomic uint32_t *head_word, *tail_word;
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
 * To be called before an event with an address: writes a record of its own for an IPv6 address.
 * @param slot that of the event, or NULL
 * @returns the word ADDRESS of the event
 */
uint32_t enetjs_emit_endpoint(struct enetjs_host *h, struct enetjs_slot *slot,
                              const struct enetjs_endpoint *endpoint);
void enetjs_emit_message(struct enetjs_slot *slot, uint8_t channel, ENetPacket *packet);
void enetjs_emit_completion(struct enetjs_slot *slot, uint32_t type, uint32_t data, uint32_t extra);
void enetjs_emit_failure(struct enetjs_host *h, int error);
void enetjs_emit_shutdown(struct enetjs_host *h);
/** Writes the questions of the guard for which there is room in the ring of completions. */
void enetjs_emit_questions(struct enetjs_host *h);
/** Moves held records into the rings, as far as there is room. */
void enetjs_refill(struct enetjs_host *h);
/** The program reads the peer again: its records join those that wait for room in the ring. */
void enetjs_release_paused(struct enetjs_slot *slot);
/** Drops the records of a list, with their payloads. */
void enetjs_drop_held(struct enetjs_host *h, struct enetjs_held_list *list);
/** @returns how many records wait for room in the rings, or for a call of the consumer */
size_t enetjs_records_held(const struct enetjs_host *h);

#endif
