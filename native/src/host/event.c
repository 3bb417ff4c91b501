/*
 * Records for JavaScript: events and completions, each in a ring of shared memory.
 *
 * Invariant: the rings are written only while `consumer` is true, which means inside a call of the consumer's
 * thread. They lie in memory that JavaScript owns, which may vanish with JavaScript's thread. A record that
 * the pump produces, or for which its ring has no room, is held in native memory. The next call of the
 * consumer moves it into the ring, in order.
 *
 * Payloads are written to the arena only inside `enetjs_host_service`. Before that call the consumer makes
 * sure that its program has not transferred the arena away.
 *
 * No record is dropped. A peer that sends faster than the program reads is stopped: once as many of its bytes
 * are held as the host lets wait, allowance.c admits no more of its messages.
 *
 * There are two rings because a program may wait for a completion while it handles an event. Events that it
 * has not read yet must not keep the completion from it.
 *
 * Call with the host's lock held.
 */
#include <string.h>

#include "host/internal.h"
#include "enet/libenet.h"
#include "wire/guard.h"
#include "wire/security/security.h"
#include "wire/socket.h"

enum { RESUME_BYTES = 1 << 20 };

static uint32_t ring_room(const struct enetjs_ring *ring) {
  uint32_t used = ring->head - atomic_load_explicit(ring->tail_word, memory_order_acquire);
  return used > ring->capacity ? 0 : ring->capacity - used;
}

static uint8_t *ring_next(const struct enetjs_ring *ring) {
  return ring->records + (size_t)(ring->head & (ring->capacity - 1)) * ENETJS_RECORD_BYTES;
}

/* Publishes the record that was written. */
static void ring_advance(struct enetjs_ring *ring) {
  atomic_store_explicit(ring->head_word, ++ring->head, memory_order_release);
}

/* Reserves contiguous bytes. @returns false when they do not fit now */
static bool arena_reserve(struct enetjs_arena *arena, uint32_t length, uint32_t *position) {
  uint32_t used = arena->head - atomic_load_explicit(arena->tail_word, memory_order_acquire);
  uint32_t offset = arena->head & (arena->size - 1);
  uint32_t padded = (length + 7) & ~7u;
  uint32_t skip = padded > arena->size - offset ? arena->size - offset : 0;
  /* An empty arena has room for whatever is no longer than itself, wherever its head stands. */
  if (used == 0 ? padded > arena->size : used > arena->size || padded + skip > arena->size - used)
    return false;
  *position = arena->head + skip;
  arena->head += skip + padded;
  atomic_store_explicit(arena->head_word, arena->head, memory_order_relaxed);
  return true;
}

static bool place_inline(struct enetjs_host *h, uint32_t *record, ENetPacket *packet) {
  uint32_t position;
  if (!arena_reserve(&h->arena, (uint32_t)packet->dataLength, &position)) return false;
  if (packet->dataLength > 0)
    memcpy(h->arena.bytes + (position & (h->arena.size - 1)), packet->data, packet->dataLength);
  enetjs_libenet_destroy(packet);
  record[ENETJS_RECORD_DATA] = position;
  return true;
}

static bool place_listed(struct enetjs_host *h, uint32_t *record, ENetPacket *packet) {
  struct enetjs_packet *p;
  if (atomic_load(&h->listed_bytes) >= ENETJS_LISTED_BYTES) return false;
  p = enetjs_packet_wrap(packet);
  if (!p) return false;
  if (!enetjs_packet_list(p, h, record[ENETJS_RECORD_PEER])) {
    enetjs_packet_unwrap(p);
    return false;
  }
  enetjs_libenet_discharge(packet); /* JavaScript may free it without the host's lock */
  record[ENETJS_RECORD_TYPE] = (record[ENETJS_RECORD_TYPE] & ~0xFFu) | ENETJS_EVENT_PACKET;
  record[ENETJS_RECORD_DATA] = p->index;
  record[ENETJS_RECORD_EXTRA] = p->generation;
  return true;
}

/* Writes a record and its payload. @returns false, with nothing changed, when there is no room */
static bool place(struct enetjs_host *h, struct enetjs_ring *ring, uint32_t *record, ENetPacket *packet) {
  if (ring_room(ring) == 0) return false;
  if (packet) {
    bool large =
        packet->dataLength > h->inline_maximum && record[ENETJS_RECORD_TYPE] != ENETJS_EVENT_DATAGRAM;
    record[ENETJS_RECORD_LENGTH] = (uint32_t)packet->dataLength;
    record[ENETJS_RECORD_TYPE] |= (packet->flags & 0xFF) << 16;
    if (large ? !place_listed(h, record, packet) : !place_inline(h, record, packet)) return false;
  }
  record[ENETJS_RECORD_ARENA_TAIL] = h->arena.head;
  memcpy(ring_next(ring), record, ENETJS_RECORD_BYTES);
  ring_advance(ring);
  return true;
}

static struct enetjs_slot *slot_of(struct enetjs_host *h, const uint32_t *record) {
  struct enetjs_slot *slot = &h->slots[record[ENETJS_RECORD_PEER]];
  return slot->generation == record[ENETJS_RECORD_GENERATION] ? slot : NULL;
}

/*
 * @returns bytes at which a stopped peer is admitted again. They are close to the limit: while the peer is
 * stopped, nothing is acknowledged, and its sender could time out.
 */
static size_t resume_at(size_t limit) {
  return limit - (limit / 2 < RESUME_BYTES ? limit / 2 : RESUME_BYTES);
}

/*
 * The limit in memory. Small messages take several times their bytes; half a packet of room is for those
 * under way.
 */
static size_t cost_limit(const struct enetjs_host *h) {
  return h->maximum_waiting + h->enet->maximumPacketSize / 2;
}

/*
 * Counts a record towards its peer, and stops the peer at the limit. Only held records count, not all that
 * the account of the peer holds: messages that arrived out of order must not keep out the message that they
 * wait for.
 */
static void charge(struct enetjs_host *h, const struct enetjs_held *held) {
  struct enetjs_slot *slot = slot_of(h, held->record);
  if (!slot) return;
  slot->held_bytes += held->charge;
  slot->held_cost += held->cost;
  if (slot->held_bytes >= h->maximum_waiting || slot->held_cost >= cost_limit(h)) slot->stopped = true;
}

static void discharge(struct enetjs_host *h, const struct enetjs_held *held) {
  struct enetjs_slot *slot = slot_of(h, held->record);
  if (!slot) return;
  slot->held_bytes -= held->charge;
  slot->held_cost -= held->cost;
  if (slot->held_bytes <= resume_at(h->maximum_waiting) && slot->held_cost <= resume_at(cost_limit(h)))
    slot->stopped = false;
}

static size_t cost_of(const ENetPacket *packet) {
  return enetjs_pool_cost(sizeof(struct enetjs_held)) + enetjs_pool_cost(sizeof(*packet)) +
         (packet->dataLength > 0 ? enetjs_pool_cost(packet->dataLength) : 0);
}

/*
 * When a connection ends, all of its held messages go on to JavaScript. @returns bytes that one takes there
 * beyond `cost`
 */
static size_t reserve_of(const struct enetjs_host *h, const ENetPacket *packet, size_t cost) {
  size_t kept = ENETJS_MESSAGE_COST + packet->dataLength;
  if (packet->dataLength > h->inline_maximum) return ENETJS_MESSAGE_COST;
  return kept > cost ? kept - cost : 0;
}

static void hold(struct enetjs_host *h, struct enetjs_held_list *list, const uint32_t *record,
                 ENetPacket *packet) {
  struct enetjs_held *held = enetjs_pool_malloc(sizeof(*held));
  struct enetjs_slot *slot = slot_of(h, record);
  if (!held) {
    /* The one case in which an event is lost: memory is out. */
    if (packet) enet_packet_destroy(packet);
    return;
  }
  enetjs_pool_move(held, slot && slot->account ? slot->account : h->account);
  held->next = NULL;
  memcpy(held->record, record, sizeof(held->record));
  held->packet = packet;
  held->charge = held->reserve = 0;
  if ((record[ENETJS_RECORD_TYPE] & 0xFF) == ENETJS_EVENT_RECEIVE) {
    held->charge = packet->dataLength + ENETJS_HELD_OVERHEAD;
    held->cost = cost_of(packet);
    held->reserve = reserve_of(h, packet, held->cost);
    h->reserve += held->reserve;
    charge(h, held);
  } else if ((record[ENETJS_RECORD_TYPE] & 0xFF) == ENETJS_EVENT_DATAGRAM) {
    held->charge = packet->dataLength + ENETJS_HELD_OVERHEAD;
    h->held_datagram_bytes += held->charge;
  }
  if (list->tail)
    list->tail->next = held;
  else
    list->head = held;
  list->tail = held;
  list->count++;
}

static struct enetjs_held *unhold(struct enetjs_host *h, struct enetjs_held_list *list) {
  struct enetjs_held *held = list->head;
  list->head = held->next;
  if (!list->head) list->tail = NULL;
  list->count--;
  h->reserve -= held->reserve;
  if ((held->record[ENETJS_RECORD_TYPE] & 0xFF) == ENETJS_EVENT_DATAGRAM)
    h->held_datagram_bytes -= held->charge;
  else if (held->charge)
    discharge(h, held);
  return held;
}

static void emit(struct enetjs_host *h, struct enetjs_ring *ring, uint32_t *record, ENetPacket *packet) {
  bool may_place = packet ? h->servicing : h->consumer;
  if (may_place && !ring->held.head) {
    if (place(h, ring, record, packet)) return;
    h->counters[ENETJS_HOST_STAT_BACK_PRESSURE]++;
  }
  hold(h, &ring->held, record, packet);
}

void enetjs_emit_event(struct enetjs_host *h, struct enetjs_slot *slot, uint32_t *record,
                       ENetPacket *packet) {
  if (slot) {
    record[ENETJS_RECORD_PEER] = slot->index;
    record[ENETJS_RECORD_GENERATION] = slot->generation;
    if (slot->paused) {
      hold(h, &slot->held, record, packet);
      return;
    }
  }
  emit(h, &h->events, record, packet);
}

/* Writes a small message straight into the ring. @returns false where it is not small, or there is no room */
static bool place_message(const struct enetjs_slot *slot, uint8_t channel, ENetPacket *packet) {
  struct enetjs_host *h = slot->host;
  uint32_t *record, position;
  if (slot->paused || !h->servicing || h->events.held.head || packet->dataLength > h->inline_maximum)
    return false;
  if (ring_room(&h->events) == 0 || !arena_reserve(&h->arena, (uint32_t)packet->dataLength, &position))
    return false;
  record = (uint32_t *)(void *)ring_next(&h->events);
  record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_RECEIVE | (uint32_t)channel << 8 | (packet->flags & 0xFF) << 16;
  record[ENETJS_RECORD_PEER] = slot->index;
  record[ENETJS_RECORD_GENERATION] = slot->generation;
  record[ENETJS_RECORD_DATA] = position;
  record[ENETJS_RECORD_LENGTH] = (uint32_t)packet->dataLength;
  record[ENETJS_RECORD_EXTRA] = 0;
  record[ENETJS_RECORD_ARENA_TAIL] = h->arena.head;
  record[ENETJS_RECORD_ADDRESS] = 0;
  if (packet->dataLength > 0)
    memcpy(h->arena.bytes + (position & (h->arena.size - 1)), packet->data, packet->dataLength);
  enetjs_libenet_destroy(packet);
  ring_advance(&h->events);
  return true;
}

void enetjs_emit_message(struct enetjs_slot *slot, uint8_t channel, ENetPacket *packet) {
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
  if (place_message(slot, channel, packet)) return;
  record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_RECEIVE | (uint32_t)channel << 8;
  enetjs_emit_event(slot->host, slot, record, packet);
}

void enetjs_emit_completion(struct enetjs_slot *slot, uint32_t type, uint32_t data, uint32_t extra) {
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
  record[ENETJS_RECORD_TYPE] = type;
  record[ENETJS_RECORD_PEER] = slot->index;
  record[ENETJS_RECORD_GENERATION] = slot->generation;
  record[ENETJS_RECORD_DATA] = data;
  record[ENETJS_RECORD_EXTRA] = extra;
  record[ENETJS_RECORD_LENGTH] = (uint32_t)enetjs_peer_of(slot)->channelCount;
  emit(slot->host, &slot->host->completions, record, NULL);
}

static void emit_of_host(struct enetjs_host *h, uint32_t type, uint32_t data) {
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
  record[ENETJS_RECORD_TYPE] = type;
  record[ENETJS_RECORD_DATA] = data;
  emit(h, &h->completions, record, NULL);
}

void enetjs_emit_failure(struct enetjs_host *h, int error) {
  emit_of_host(h, ENETJS_COMPLETION_FAILED, (uint32_t)error);
}

void enetjs_emit_shutdown(struct enetjs_host *h) { emit_of_host(h, ENETJS_COMPLETION_SHUTDOWN, 0); }

/* Fills a record for an IPv6 address, or zeroes it for IPv4. @returns the word ADDRESS of the next record */
static uint32_t endpoint_record(uint32_t *record, const struct enetjs_endpoint *endpoint) {
  memset(record, 0, ENETJS_RECORD_BYTES);
  if (enetjs_endpoint_is_ipv4(endpoint)) return enetjs_endpoint_ipv4(endpoint);
  record[ENETJS_RECORD_TYPE] = ENETJS_RECORD_ENDPOINT | endpoint->scope << 8;
  record[ENETJS_RECORD_DATA] = (uint32_t)(endpoint->high >> 32);
  record[ENETJS_RECORD_LENGTH] = (uint32_t)endpoint->high;
  record[ENETJS_RECORD_EXTRA] = (uint32_t)(endpoint->low >> 32);
  record[ENETJS_RECORD_ADDRESS] = (uint32_t)endpoint->low;
  return (uint32_t)ENETJS_ADDRESS_BEFORE;
}

uint32_t enetjs_emit_endpoint(struct enetjs_host *h, struct enetjs_slot *slot,
                              const struct enetjs_endpoint *endpoint) {
  uint32_t record[ENETJS_RECORD_BYTES / 4], address = endpoint_record(record, endpoint);
  if (record[ENETJS_RECORD_TYPE] == 0) return address;
  if (slot && slot->paused)
    hold(h, &slot->held, record, NULL); /* as the record that follows */
  else
    emit(h, &h->events, record, NULL);
  return address;
}

static bool place_question(struct enetjs_host *h, const struct enetjs_guard_question *question) {
  struct enetjs_endpoint real = enetjs_security_real(h->security, &question->address);
  uint32_t record[ENETJS_RECORD_BYTES / 4], address = endpoint_record(record, &real);
  if (record[ENETJS_RECORD_TYPE] != 0) {
    if (ring_room(&h->completions) < 2) return false;
    place(h, &h->completions, record, NULL);
    memset(record, 0, sizeof(record));
  }
  record[ENETJS_RECORD_TYPE] = ENETJS_COMPLETION_QUESTION | (uint32_t)question->channels << 8;
  record[ENETJS_RECORD_GENERATION] = question->age_ms;
  record[ENETJS_RECORD_DATA] = question->data;
  record[ENETJS_RECORD_LENGTH] = real.port;
  record[ENETJS_RECORD_EXTRA] = question->number;
  record[ENETJS_RECORD_ADDRESS] = address;
  return place(h, &h->completions, record, NULL);
}

/* The guard keeps questions for which there is no room. They time out there while the consumer stalls. */
void enetjs_emit_questions(struct enetjs_host *h) {
  const struct enetjs_guard_question *question;
  if (!h->guard || !h->consumer || h->completions.held.head) return;
  while ((question = enetjs_guard_question(h->guard)) != NULL && place_question(h, question))
    enetjs_guard_asked(h->guard);
}

static void refill_ring(struct enetjs_host *h, struct enetjs_ring *ring) {
  while (ring->held.head) {
    struct enetjs_held *held = ring->held.head;
    if (!place(h, ring, held->record, held->packet)) return;
    enetjs_pool_free(unhold(h, &ring->held));
  }
}

void enetjs_refill(struct enetjs_host *h) {
  refill_ring(h, &h->completions);
  if (h->guard && enetjs_guard_unasked(h->guard) > 0) {
    enetjs_batch_begin(h->batch); /* the guard sends refusals to attempts whose time is up */
    enetjs_emit_questions(h);
    enetjs_batch_end(h->batch);
  }
  refill_ring(h, &h->events);
}

/* Moves the records of a list behind those of another one. They stay charged. */
static void append_all(struct enetjs_held_list *to, struct enetjs_held_list *from) {
  if (!from->head) return;
  if (to->tail)
    to->tail->next = from->head;
  else
    to->head = from->head;
  to->tail = from->tail;
  to->count += from->count;
  memset(from, 0, sizeof(*from));
}

void enetjs_release_paused(struct enetjs_slot *slot) {
  slot->paused = false;
  append_all(&slot->host->events.held, &slot->held);
}

void enetjs_drop_held(struct enetjs_host *h, struct enetjs_held_list *list) {
  while (list->head) {
    struct enetjs_held *held = unhold(h, list);
    if (held->packet) enet_packet_destroy(held->packet);
    enetjs_pool_free(held);
  }
}

size_t enetjs_records_held(const struct enetjs_host *h) {
  return h->events.held.count + h->completions.held.count + (h->guard ? enetjs_guard_unasked(h->guard) : 0);
}
