/*
 * The queue of a peer: an enetjs_outgoing for each message. Messages that ENet cannot send yet wait here, in
 * a lane for each channel (lanes.c). They are fed to ENet as ENet frees earlier ones.
 *
 * ENet gets what may leave now (flow.c), and no more than FEED_BYTES for all peers in a service. So messages
 * wait here for the network, and those of a quiet channel overtake those of a busy one. For each datagram to
 * any peer, ENet walks what it can't send yet, of every peer: peers that acknowledge nothing would make it
 * walk for seconds. ENet gets a long message in pieces.
 *
 * ENet frees a reliable message when it is acknowledged, and an unreliable one when it was sent or dropped.
 * It frees all messages when the connection ends. That always happens inside a call made with the lock held,
 * so `on_free` may use the host. `on_free` must not call ENet.
 */
#include <string.h>

#include "base/clock.h"
#include "host/internal.h"
#include "enet/libenet.h"

/* No MTU is so small that ENet cuts a message of this size. */
enum { ALWAYS_WHOLE = 512 };

/* Of a long message, at a time. */
#define PIECE_BYTES 4096

/*
 * What ENet is given between the beginnings of two services, with overhead. The rest goes on in the next one.
 */
#define FEED_BYTES (2 * 1024 * 1024)

static void list_for_feeding(struct enetjs_slot *slot) {
  struct enetjs_host *h = slot->host;
  if (slot->to_feed) return;
  slot->to_feed = true;
  slot->next_to_feed = NULL;
  if (h->to_feed)
    h->last_to_feed->next_to_feed = slot;
  else
    h->to_feed = slot;
  h->last_to_feed = slot;
}

bool enetjs_queue_cut(const struct enetjs_host *h) { return h->fed >= FEED_BYTES; }

size_t enetjs_queue_counted(const struct enetjs_slot *slot) {
  size_t given = slot->inside_bytes - slot->lanes.rest_bytes;
  if (given <= ENETJS_WINDOW_MINIMUM || !slot->is_far) return slot->queued_bytes;
  return slot->queued_bytes - (given - ENETJS_WINDOW_MINIMUM);
}

void enetjs_queue_measure(struct enetjs_slot *slot) {
  size_t mark = slot->host->high_water, counted = enetjs_queue_counted(slot);
  if (!slot->above_high_water) {
    slot->above_high_water = counted > mark;
  } else if (counted <= mark / 2 && enetjs_slot_sends(slot)) {
    slot->above_high_water = false;
    enetjs_emit_completion(slot, ENETJS_COMPLETION_DRAIN, 0, 0);
  }
}

static void release_shared(struct enetjs_outgoing *out) {
  if (!out->shared) return;
  if (out->shared->external) out->slot->host->external_messages--;
  enetjs_packet_drop(out->shared);
}

void enetjs_queue_count_undelivered(struct enetjs_slot *slot, size_t messages, size_t bytes) {
  uint64_t *counters = slot->host->counters;
  if (messages == 0 || !slot->host->shutting_down) return;
  counters[ENETJS_HOST_STAT_UNDELIVERED_BYTES] += bytes;
  counters[ENETJS_HOST_STAT_UNDELIVERED_MESSAGES] += messages;
  if (!slot->undelivered) counters[ENETJS_HOST_STAT_UNDELIVERED_PEERS]++;
  slot->undelivered = true;
}

/* A message leaves the peer's queue. Tells the consumer if it waits for the queue to drain. */
static void leave(struct enetjs_outgoing *out, bool delivered) {
  struct enetjs_slot *slot = out->slot;
  slot->queued_bytes -= out->packet.dataLength;
  slot->queued_messages--;
  slot->host->queued_messages--;
  if (!delivered) enetjs_queue_count_undelivered(slot, 1, out->packet.dataLength);
  if (out->token)
    enetjs_emit_completion(slot, delivered ? ENETJS_COMPLETION_DELIVERED : ENETJS_COMPLETION_UNDELIVERED,
                           out->token, 0);
  release_shared(out);
  enetjs_queue_measure(slot);
}

static bool is_reliable(const struct enetjs_outgoing *out) {
  return (out->packet.flags & ENET_PACKET_FLAG_RELIABLE) != 0;
}

/* A bandwidth limit lowers ENet's throttle to packetThrottleLimit at most. */
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

static size_t fragment_length(const struct enetjs_slot *slot) {
  const ENetPeer *peer = enetjs_peer_of(slot);
  return enetjs_fragment_length(peer, enetjs_handshake_reserve(&slot->handshake, peer));
}

/* ENet sends the fragments of an unreliable message reliably, unless told otherwise. */
static bool is_sent_reliably(const struct enetjs_slot *slot, const struct enetjs_outgoing *out) {
  size_t length = out->packet.dataLength;
  return is_reliable(out) ||
         (length > ALWAYS_WHOLE && !(out->packet.flags & ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT) &&
          length > fragment_length(slot));
}

static bool may_go_inside(struct enetjs_slot *slot, const struct enetjs_outgoing *out) {
  ENetPeer *peer = enetjs_peer_of(slot);
  if (slot->inside_messages >= ENETJS_INSIDE_MESSAGES || enetjs_queue_cut(slot->host)) return false;
  if (is_sent_reliably(slot, out)) return slot->room > 0 && !enetjs_window_wraps(peer, out->channel);
  return enetjs_ping_barriers_open(&slot->ping_barriers);
}

static void count_sent_reliably(struct enetjs_slot *slot, size_t length) {
  slot->sent_reliably++;
  if (slot->host->told_reliably) return;
  slot->host->told_reliably = true;
  enetjs_emit_completion(slot, ENETJS_COMPLETION_SENT_RELIABLY, (uint32_t)length,
                         (uint32_t)fragment_length(slot));
}

/* A message costs 64 bytes more, and a fragment about as much. */
static void count_fed(struct enetjs_host *h, size_t bytes) { h->fed += bytes + bytes / 16 + 64; }

static void use_room(struct enetjs_slot *slot, size_t bytes) {
  slot->room -= enetjs_smaller(slot->room, bytes);
  count_fed(slot->host, bytes);
}

/* Its first part; its lane keeps the rest. @returns the bytes of it, or -1 on failure */
static long long give_part(struct enetjs_slot *slot, struct enetjs_outgoing *out) {
  ENetPeer *peer = enetjs_peer_of(slot);
  struct enetjs_lane *lane = enetjs_lanes_at(&slot->lanes, peer, out->channel);
  long long given =
      lane ? enetjs_lanes_cut(&slot->lanes, lane, peer, out, fragment_length(slot), slot->room) : -1;
  if (given < 0 || !lane->rest.packet) return given;
  enetjs_lanes_wait(&slot->lanes, lane);
  list_for_feeding(slot);
  return given;
}

static long long give_whole(struct enetjs_slot *slot, struct enetjs_outgoing *out) {
  if (enetjs_handshake_send(&slot->handshake, enetjs_peer_of(slot), out->channel, &out->packet) != 0)
    return -1;
  return (long long)out->packet.dataLength;
}

/*
 * Hands a message to ENet, or its first part.
 * @returns the bytes that ENet has got, or -1 on failure: then it still belongs to the caller
 */
static long long give_to_enet(struct enetjs_slot *slot, struct enetjs_outgoing *out) {
  size_t length = out->packet.dataLength;
  bool reliably = is_sent_reliably(slot, out),
       is_long = length > slot->room && length > fragment_length(slot);
  long long given = reliably && is_long ? give_part(slot, out) : give_whole(slot, out);
  if (given < 0) return -1;
  slot->inside_bytes += length;
  slot->inside_messages++;
  if (reliably) {
    use_room(slot, (size_t)given);
    enetjs_flow_begin(slot);
  } else {
    count_fed(slot->host, length);
    enetjs_ping_barriers_pass(&slot->ping_barriers, enetjs_peer_of(slot), length);
  }
  return given;
}

static struct enetjs_outgoing *outgoing_create(struct enetjs_slot *slot, uint8_t channel, uint32_t flags,
                                               const uint8_t *data, size_t length,
                                               struct enetjs_packet *shared, uint32_t token) {
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
  out->number = slot->lanes.numbers++;
  out->token = token;
  out->channel = channel;
  return out;
}

static bool put_in_lane(struct enetjs_slot *slot, struct enetjs_outgoing *out) {
  struct enetjs_lane *lane = enetjs_lanes_at(&slot->lanes, enetjs_peer_of(slot), out->channel);
  if (!lane) return false;
  enetjs_lane_append(lane, out);
  enetjs_lanes_wait(&slot->lanes, lane);
  list_for_feeding(slot);
  if (is_reliable(out)) enetjs_flow_begin(slot);
  return true;
}

double enetjs_queue_send(struct enetjs_slot *slot, uint8_t channel, uint32_t flags, const uint8_t *data,
                         size_t length, struct enetjs_packet *shared, uint32_t token) {
  struct enetjs_outgoing *out = outgoing_create(slot, channel, flags, data, length, shared, token);
  bool promoted;
  if (!out) return ENETJS_ERR_MEMORY;
  promoted = !is_reliable(out) && is_sent_reliably(slot, out);
  if (!(slot->lanes.first || !may_go_inside(slot, out) ? put_in_lane(slot, out)
                                                       : give_to_enet(slot, out) >= 0)) {
    release_shared(out);
    enetjs_libenet_give(out);
    return ENETJS_ERR_MEMORY;
  }
  if (promoted) count_sent_reliably(slot, length);
  slot->queued_bytes += length;
  slot->queued_messages++;
  slot->host->queued_messages++;
  slot->host->queued_of_late += length + 64;
  enetjs_queue_measure(slot);
  slot->host->header[ENETJS_WORD_QUEUED_BYTES] =
      (uint32_t)enetjs_smaller(enetjs_queue_counted(slot), UINT32_MAX);
  return slot->above_high_water ? 1 : 0;
}

static void discard_first(struct enetjs_lane *lane) {
  struct enetjs_outgoing *out = enetjs_lane_take(lane);
  leave(out, false);
  enetjs_libenet_give(out);
}

/* Messages leave the peer's queue that ENet has not been given. */
static void leave_all(struct enetjs_slot *slot, size_t messages, size_t bytes, size_t external) {
  struct enetjs_host *h = slot->host;
  slot->queued_messages -= messages;
  slot->queued_bytes -= bytes;
  h->queued_messages -= messages;
  h->external_messages -= external;
  enetjs_queue_count_undelivered(slot, messages, bytes);
  enetjs_queue_measure(slot);
}

/* It takes no longer for many messages than for a few, except for those whose sender waits. */
void enetjs_queue_clear(struct enetjs_slot *slot) {
  struct enetjs_outgoing *all = NULL, **end = &all;
  size_t external = 0, messages, bytes;
  struct enetjs_lane *lane;
  if (!slot->lanes.first) return;
  while ((lane = slot->lanes.first) != NULL) {
    enetjs_lanes_drop_rest(&slot->lanes, lane);
    for (const struct enetjs_outgoing *out = lane->awaited; out; out = out->packet.userData)
      enetjs_emit_completion(slot, ENETJS_COMPLETION_UNDELIVERED, out->token, 0);
    external += lane->external;
    if (lane->head) {
      struct enetjs_outgoing *last = lane->tail;
      *end = enetjs_lane_take_all(lane);
      end = &last->next;
    }
    enetjs_lanes_served(&slot->lanes, lane, 0);
  }
  messages = slot->queued_messages - slot->inside_messages;
  bytes = slot->queued_bytes - slot->inside_bytes;
  leave_all(slot, messages, bytes, external);
  enetjs_discard(slot->host, all, messages);
}

/* ---- Feeding --------------------------------------------------------------------------------- */

static bool may_be_served(void *context, struct enetjs_lane *lane) {
  struct enetjs_slot *slot = context;
  if (!lane->rest.packet) return may_go_inside(slot, lane->head);
  return slot->room > 0 && !enetjs_queue_cut(slot->host) &&
         !enetjs_window_wraps(enetjs_peer_of(slot), lane->rest.channel);
}

static size_t give_more(struct enetjs_slot *slot, struct enetjs_lane *lane) {
  size_t bytes =
      enetjs_lanes_give(&slot->lanes, lane, enetjs_peer_of(slot), enetjs_smaller(slot->room, PIECE_BYTES));
  use_room(slot, bytes);
  return bytes;
}

/* @returns false when it is to be tried again later */
static bool serve(struct enetjs_slot *slot, struct enetjs_lane *lane) {
  long long bytes = 0;
  if (lane->rest.packet) {
    bytes = (long long)give_more(slot, lane);
    if (bytes == 0) return false; /* out of memory */
  } else {
    struct enetjs_outgoing *out = lane->head;
    bytes = give_to_enet(slot, out);
    if (bytes >= 0) {
      enetjs_lane_take(lane);
    } else {
      /* Out of memory, or the connection is ending. */
      if (enetjs_peer_of(slot)->state == ENET_PEER_STATE_CONNECTED && slot->inside_messages > 0) return false;
      discard_first(lane);
      bytes = 0;
    }
  }
  enetjs_lanes_served(&slot->lanes, lane, (size_t)bytes);
  return true;
}

static bool serve_lanes(struct enetjs_slot *slot) {
  struct enetjs_lane *lane;
  bool fed = false;
  while ((lane = enetjs_lanes_next(&slot->lanes, may_be_served, slot)) != NULL && serve(slot, lane))
    fed = true;
  return fed;
}

/* While ENet reads, nothing is done here that could end a connection. */
static bool feed_slot(struct enetjs_slot *slot, bool reading) {
  ENetPeer *peer = enetjs_peer_of(slot);
  bool fed;
  if (reading && (peer->state != ENET_PEER_STATE_CONNECTED || slot->close_later)) {
    list_for_feeding(slot);
    return false;
  }
  if (peer->state != ENET_PEER_STATE_CONNECTED) enetjs_queue_clear(slot);
  enetjs_flow_look(slot);
  fed = serve_lanes(slot);
  if (slot->close_later && !slot->lanes.first) {
    slot->close_later = false;
    enet_peer_disconnect_later(peer, slot->close_data);
    fed = true;
  }
  if (fed) enetjs_queue_measure(slot);
  if (slot->lanes.first) {
    enetjs_congestion_waits(&slot->window.congestion);
    list_for_feeding(slot);
  }
  return fed;
}

/* Those that have had their turn go to the end of the list. */
bool enetjs_queue_feed(struct enetjs_host *h, bool reading) {
  struct enetjs_slot *last = h->last_to_feed;
  bool fed = false, ends = h->to_feed == NULL;
  while (!ends && !enetjs_queue_cut(h)) {
    struct enetjs_slot *slot = h->to_feed;
    ends = slot == last;
    h->to_feed = slot->next_to_feed;
    slot->to_feed = false;
    fed |= feed_slot(slot, reading);
  }
  return fed;
}

/* Whether a lane waits only for the acknowledgement of a ping. */
static bool waits_for_barrier(const struct enetjs_slot *slot) {
  for (const struct enetjs_lane *lane = slot->lanes.first; lane; lane = lane->next)
    if (lane->head && !is_reliable(lane->head)) return true;
  return false;
}

int enetjs_queue_wait(const struct enetjs_host *h) {
  int least = -1;
  for (const struct enetjs_slot *slot = h->to_feed; slot; slot = slot->next_to_feed) {
    int wait = waits_for_barrier(slot) ? enetjs_ping_barriers_wait(&slot->ping_barriers) : -1;
    if (wait >= 0 && (least < 0 || wait < least)) least = wait;
  }
  return least;
}
