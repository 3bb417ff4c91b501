/*
 * The way out: one enetjs_outgoing per message and peer. ENet gets at most ENETJS_INSIDE_BYTES and
 * _MESSAGES of a peer's queue (it walks its list for every datagram once the reliable window is
 * full); the rest waits here in order and is fed on as ENet lets go of what it has.
 *
 * ENet frees a message when it is acknowledged, when an unreliable one has been sent or dropped, or
 * when the connection ends, always inside a call that we make with the lock held, so `on_free` may
 * touch the host. It must not call back into ENet.
 */
#include <string.h>

#include "host/internal.h"
#include "enet/libenet.h"

/* No MTU is so small that ENet cuts a message of this size. */
enum { ALWAYS_WHOLE = 512 };

static void list_for_feeding(struct enetjs_slot *slot) {
  if (slot->to_feed) return;
  slot->to_feed = true;
  slot->next_to_feed = slot->host->to_feed;
  slot->host->to_feed = slot;
}

void enetjs_queue_measure(struct enetjs_slot *slot) {
  size_t mark = slot->host->high_water;
  if (!slot->above_high_water) {
    slot->above_high_water = slot->queued_bytes > mark;
  } else if (slot->queued_bytes <= mark / 2 && enetjs_slot_sends(slot)) {
    slot->above_high_water = false;
    enetjs_emit_completion(slot, ENETJS_COMPLETION_DRAIN, 0, 0);
  }
}

static void release_shared(struct enetjs_outgoing *out) {
  if (!out->shared) return;
  if (out->shared->external) out->slot->host->external_messages--;
  enetjs_packet_drop(out->shared);
}

static void count_undelivered(struct enetjs_slot *slot, size_t bytes) {
  uint64_t *counters = slot->host->counters;
  counters[ENETJS_HOST_STAT_UNDELIVERED_BYTES] += bytes;
  counters[ENETJS_HOST_STAT_UNDELIVERED_MESSAGES]++;
  if (!slot->undelivered) counters[ENETJS_HOST_STAT_UNDELIVERED_PEERS]++;
  slot->undelivered = true;
}

/* A message leaves the peer's queue: tells the consumer, where it waits for that. */
static void leave(struct enetjs_outgoing *out, bool delivered) {
  struct enetjs_slot *slot = out->slot;
  slot->queued_bytes -= out->packet.dataLength;
  slot->queued_messages--;
  slot->host->queued_messages--;
  if (!delivered && slot->host->shutting_down) count_undelivered(slot, out->packet.dataLength);
  if (out->token)
    enetjs_emit_completion(slot, delivered ? ENETJS_COMPLETION_DELIVERED : ENETJS_COMPLETION_UNDELIVERED, out->token,
                           0);
  release_shared(out);
  enetjs_queue_measure(slot);
}

static bool is_reliable(const struct enetjs_outgoing *out) {
  return (out->packet.flags & ENET_PACKET_FLAG_RELIABLE) != 0;
}

/* A bandwidth limit lowers the throttle no further than to its own limit. */
static void count_throttled(struct enetjs_slot *slot) {
  const ENetPeer *peer = enetjs_peer_of(slot);
  slot->quality.throttled++;
  if (peer->packetThrottle < peer->packetThrottleLimit) slot->quality.throttled_for_delay++;
}

/*
 * ENet's free callback; ENet itself frees the block afterwards, for the packet is its head. While a
 * connection lasts, only the throttle frees what has not been sent (protocol.c,
 * enet_protocol_check_outgoing_commands).
 */
static void ENET_CALLBACK on_free(ENetPacket *packet) {
  struct enetjs_outgoing *out = (struct enetjs_outgoing *)packet;
  struct enetjs_slot *slot = out->slot;
  bool sent = (packet->flags & ENET_PACKET_FLAG_SENT) != 0;
  slot->inside_bytes -= packet->dataLength;
  slot->inside_messages--;
  if (sent && is_reliable(out)) slot->silence.acknowledged = true;
  if (!sent && !is_reliable(out) && enetjs_slot_sends(slot)) count_throttled(slot);
  leave(out, sent);
}

static bool may_go_inside(struct enetjs_slot *slot, const struct enetjs_outgoing *out) {
  return slot->inside_bytes < ENETJS_INSIDE_BYTES && slot->inside_messages < ENETJS_INSIDE_MESSAGES &&
         (is_reliable(out) || enetjs_ping_barriers_open(&slot->ping_barriers, enetjs_peer_of(slot)));
}

/* The largest message that ENet does not cut into fragments now (peer.c, enet_peer_send). */
static size_t largest_whole(const struct enetjs_slot *slot) {
  const ENetPeer *peer = enetjs_peer_of(slot);
  return peer->mtu - sizeof(ENetProtocolHeader) - sizeof(ENetProtocolSendFragment) -
         (slot->host->enet->checksum ? sizeof(enet_uint32) : 0) - enetjs_handshake_reserve(&slot->handshake, peer);
}

/* ENet sends the fragments of an unreliable message reliably, unless told otherwise. */
static void count_sent_reliably(struct enetjs_slot *slot, const struct enetjs_outgoing *out) {
  size_t length = out->packet.dataLength, largest;
  if (length <= ALWAYS_WHOLE || (out->packet.flags & ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT)) return;
  largest = largest_whole(slot);
  if (length <= largest) return;
  slot->sent_reliably++;
  if (slot->host->told_reliably) return;
  slot->host->told_reliably = true;
  enetjs_emit_completion(slot, ENETJS_COMPLETION_SENT_RELIABLY, (uint32_t)length, (uint32_t)largest);
}

/* Hands a message to ENet. On failure it still belongs to the caller. */
static bool give_to_enet(struct enetjs_slot *slot, struct enetjs_outgoing *out) {
  if (enetjs_handshake_send(&slot->handshake, enetjs_peer_of(slot), out->channel, &out->packet) != 0) return false;
  slot->inside_bytes += out->packet.dataLength;
  slot->inside_messages++;
  if (!is_reliable(out)) {
    enetjs_ping_barriers_pass(&slot->ping_barriers, enetjs_peer_of(slot), out->packet.dataLength);
    count_sent_reliably(slot, out);
  }
  return true;
}

static struct enetjs_outgoing *outgoing_create(struct enetjs_slot *slot, uint8_t channel, uint32_t flags,
                                               const uint8_t *data, size_t length, struct enetjs_packet *shared,
                                               uint32_t token) {
  struct enetjs_outgoing *out = enetjs_libenet_take(sizeof(*out) + (shared ? 0 : length));
  if (!out) return NULL;
  memset(out, 0, sizeof(*out));
  if (shared) {
    atomic_fetch_add(&shared->references, 1);
    out->shared = shared;
    if (shared->external) slot->host->external_messages++;
    out->packet.data = shared->packet->data;
  } else {
    out->packet.data = (enet_uint8 *)(out + 1);
    if (length > 0) memcpy(out->packet.data, data, length);
  }
  out->packet.dataLength = length;
  out->packet.flags = flags | ENET_PACKET_FLAG_NO_ALLOCATE;
  out->packet.freeCallback = on_free;
  out->slot = slot;
  out->token = token;
  out->channel = channel;
  return out;
}

double enetjs_queue_send(struct enetjs_slot *slot, uint8_t channel, uint32_t flags, const uint8_t *data, size_t length,
                         struct enetjs_packet *shared, uint32_t token) {
  struct enetjs_outgoing *out = outgoing_create(slot, channel, flags, data, length, shared, token);
  if (!out) return ENETJS_ERR_MEMORY;
  if (slot->pending_head || !may_go_inside(slot, out)) {
    list_for_feeding(slot);
    if (slot->pending_tail)
      slot->pending_tail->next = out;
    else
      slot->pending_head = out;
    slot->pending_tail = out;
  } else if (!give_to_enet(slot, out)) {
    release_shared(out);
    enetjs_libenet_give(out);
    return ENETJS_ERR_MEMORY;
  }
  slot->queued_bytes += length;
  slot->queued_messages++;
  slot->host->queued_messages++;
  slot->host->queued_of_late += length + 64;
  enetjs_queue_measure(slot);
  slot->host->header[ENETJS_WORD_QUEUED_BYTES] =
      slot->queued_bytes < UINT32_MAX ? (uint32_t)slot->queued_bytes : UINT32_MAX;
  return slot->above_high_water ? 1 : 0;
}

static struct enetjs_outgoing *take_pending(struct enetjs_slot *slot) {
  struct enetjs_outgoing *out = slot->pending_head;
  slot->pending_head = out->next;
  if (!slot->pending_head) slot->pending_tail = NULL;
  return out;
}

static void discard_first(struct enetjs_slot *slot) {
  struct enetjs_outgoing *out = take_pending(slot);
  leave(out, false);
  enetjs_libenet_give(out);
}

void enetjs_queue_clear(struct enetjs_slot *slot) {
  while (slot->pending_head) discard_first(slot);
}

static bool feed_slot(struct enetjs_slot *slot) {
  ENetPeer *peer = enetjs_peer_of(slot);
  bool fed = false;
  while (slot->pending_head && may_go_inside(slot, slot->pending_head)) {
    if (!give_to_enet(slot, slot->pending_head)) {
      /* Out of memory, or the connection is ending: try again later. */
      if (peer->state == ENET_PEER_STATE_CONNECTED && slot->inside_messages > 0) break;
      discard_first(slot);
      continue;
    }
    take_pending(slot);
    fed = true;
  }
  if (slot->close_later && !slot->pending_head) {
    slot->close_later = false;
    enet_peer_disconnect_later(peer, slot->close_data);
    fed = true;
  }
  if (slot->pending_head) list_for_feeding(slot);
  return fed;
}

bool enetjs_queue_feed(struct enetjs_host *h) {
  bool fed = false;
  struct enetjs_slot *slot = h->to_feed;
  h->to_feed = NULL;
  while (slot) {
    struct enetjs_slot *next = slot->next_to_feed;
    slot->to_feed = false;
    fed |= feed_slot(slot);
    slot = next;
  }
  return fed;
}

int enetjs_queue_wait(const struct enetjs_host *h) {
  int least = -1;
  for (const struct enetjs_slot *slot = h->to_feed; slot; slot = slot->next_to_feed) {
    bool unreliable = slot->pending_head && !is_reliable(slot->pending_head);
    int wait = unreliable ? enetjs_ping_barriers_wait(&slot->ping_barriers) : -1;
    if (wait >= 0 && (least < 0 || wait < least)) least = wait;
  }
  return least;
}
