/* Peers by handle: what JavaScript asks of a connection, and the bookkeeping of its life. */
#include <string.h>

#include "host/internal.h"
#include "enet/dispatch_queue.h"
#include "base/pool.h"
#include "wire/guard.h"
#include "wire/peer_ids.h"
#include "wire/socket.h"

/* @returns the slot of a connection, or NULL when it has ended */
static struct enetjs_slot *find(struct enetjs_host *h, double peer) {
  uint64_t number;
  struct enetjs_slot *slot;
  if (!enetjs_is_integer(peer, 0, 9007199254740991.0)) return NULL;
  number = (uint64_t)peer;
  if (number % ENETJS_PEER_SLOTS >= h->enet->peerCount) return NULL;
  slot = &h->slots[number % ENETJS_PEER_SLOTS];
  if (slot->generation != number / ENETJS_PEER_SLOTS || !(slot->connected || slot->outgoing)) return NULL;
  return slot;
}

/* Locks the host and finds the connection. @returns the slot, or NULL with the code in *error */
static struct enetjs_slot *acquire(double host, double peer, double *error) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_slot *slot;
  *error = ENETJS_ERR_CLOSED;
  if (!h) return NULL;
  *error = ENETJS_ERR_STALE;
  slot = find(h, peer);
  if (!slot) enetjs_host_release(h);
  return slot;
}

static double finish(struct enetjs_slot *slot, double result) {
  enetjs_host_release(slot->host);
  return result;
}

bool enetjs_slot_sends(const struct enetjs_slot *slot) {
  return enetjs_peer_of(slot)->state == ENET_PEER_STATE_CONNECTED && !slot->closing;
}

/*
 * How much may be unacknowledged is the sender's own business. ENet's 64 KiB make it wait for what a quick
 * receiver is still reading. Limits of bandwidth have made less of it.
 */
static void widen_window(ENetPeer *peer) {
  if (peer->windowSize == ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE) peer->windowSize = ENETJS_WINDOW_BYTES;
}

void enetjs_slot_connected(struct enetjs_slot *slot, uint32_t data) {
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
  ENetPeer *peer = enetjs_peer_of(slot);
  if (slot->outgoing) enetjs_handshake_remember(&slot->host->handshakes, &slot->handshake, peer);
  if (slot->host->shutting_down) {
    slot->closing = true;
    slot->close_data = slot->host->shutdown_data;
    enet_peer_disconnect(peer, slot->close_data);
    return;
  }
  slot->connected = true;
  widen_window(peer);
  slot->remote = enetjs_remote_of(peer);
  if (slot->outgoing) enetjs_emit_completion(slot, ENETJS_COMPLETION_CONNECTED, 0, 0);
  record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_CONNECT;
  record[ENETJS_RECORD_DATA] = data;
  record[ENETJS_RECORD_LENGTH] = (uint32_t)peer->channelCount;
  record[ENETJS_RECORD_ADDRESS] = ENET_NET_TO_HOST_32(peer->address.host);
  record[ENETJS_RECORD_EXTRA] = peer->address.port;
  enetjs_emit_event(slot->host, slot, record, NULL);
}

void enetjs_slot_end(struct enetjs_slot *slot, uint32_t reason, uint32_t data) {
  struct enetjs_host *h = slot->host;
  ENetPeer *peer = enetjs_peer_of(slot);
  enetjs_queue_clear(slot);
  memset(&slot->ping_barriers, 0, sizeof(slot->ping_barriers));
  enetjs_release_paused(slot);
  if (slot->connected) {
    uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
    record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_DISCONNECT;
    record[ENETJS_RECORD_DATA] = data;
    record[ENETJS_RECORD_EXTRA] = reason;
    enetjs_emit_event(h, slot, record, NULL);
  }
  if (slot->connected || slot->outgoing) enetjs_emit_completion(slot, ENETJS_COMPLETION_CLOSED, data, reason);
  slot->connected = slot->outgoing = slot->closing = slot->close_later = slot->above_high_water = false;
  slot->undelivered = false;
  if (++slot->generation == 0) slot->generation = 1;
  enetjs_leave_dispatch_queue(peer);
  enetjs_allowance_end(slot); /* what is still held is no longer the business of this slot */
  slot->held_bytes = slot->held_cost = 0;
  slot->stopped = slot->handshake.unconfirmed = false;
  slot->sent_reliably = slot->throttled = 0;
}

/* ---- Sending --------------------------------------------------------------------------------- */

struct message {
  uint8_t channel;
  uint32_t flags, token;
  const uint8_t *data;
  size_t length;
  struct enetjs_packet *shared;
};

static bool message_valid(struct message *m, double channel, double flags, double token) {
  if (!enetjs_is_integer(channel, 0, 254) || !enetjs_is_integer(flags, 0, ENETJS_SEND_FLAGS) ||
      !enetjs_is_integer(token, 0, UINT32_MAX))
    return false;
  m->channel = (uint8_t)channel;
  m->flags = (uint32_t)flags;
  m->token = (uint32_t)token;
  return (m->flags & ~(uint32_t)ENETJS_SEND_FLAGS) == 0;
}

static double send_message(struct enetjs_slot *slot, const struct message *m) {
  ENetPeer *peer = enetjs_peer_of(slot);
  if (!enetjs_slot_sends(slot)) return ENETJS_ERR_NOT_CONNECTED;
  if (m->channel >= peer->channelCount) return ENETJS_ERR_CHANNEL;
  if (m->length > slot->host->enet->maximumPacketSize) return ENETJS_ERR_TOO_LARGE;
  return enetjs_queue_send(slot, m->channel, m->flags, m->data, m->length, m->shared, m->token);
}

static double finish_send(struct enetjs_slot *slot, double result) {
  enetjs_service_between_sends(slot->host);
  return finish(slot, result);
}

double enetjs_peer_send(double host, double peer, double channel, double flags, double offset, double length,
                        double token) {
  double error;
  struct message m = {0};
  struct enetjs_slot *slot = acquire(host, peer, &error);
  if (!slot) return error;
  m.data = enetjs_shared_at(slot->host, offset, length);
  if (!m.data || !message_valid(&m, channel, flags, token)) return finish(slot, ENETJS_ERR_ARGUMENT);
  m.length = (size_t)length;
  return finish_send(slot, send_message(slot, &m));
}

double enetjs_peer_send_buffer(double host, double peer, double channel, double flags, const uint8_t *data,
                               double length, double token) {
  double error;
  struct message m = {0};
  struct enetjs_slot *slot = acquire(host, peer, &error);
  if (!slot) return error;
  if (!data || !enetjs_is_integer(length, 0, UINT32_MAX) || !message_valid(&m, channel, flags, token))
    return finish(slot, ENETJS_ERR_ARGUMENT);
  m.data = data;
  m.length = (size_t)length;
  return finish_send(slot, send_message(slot, &m));
}

double enetjs_peer_send_packet(double host, double peer, double channel, double flags, double packet, double token) {
  double error;
  struct message m = {0};
  struct enetjs_slot *slot = acquire(host, peer, &error);
  if (!slot) return error;
  m.shared = enetjs_packet_borrow(packet);
  if (!m.shared || !message_valid(&m, channel, flags, token)) {
    error = ENETJS_ERR_ARGUMENT;
  } else {
    m.length = m.shared->packet->dataLength;
    error = send_message(slot, &m);
  }
  if (m.shared) enetjs_packet_drop(m.shared);
  return finish_send(slot, error);
}

/* ---- Broadcasting ---------------------------------------------------------------------------- */

/* Peer ids as JavaScript gives them: the only recipients, or all but these. Some may have ended. */
struct recipients {
  const uint8_t *ids;
  size_t count;
  bool only;
};

static bool recipients_valid(struct recipients *r, const uint8_t *peers, double bytes, double mode) {
  if (!peers || !enetjs_is_integer(bytes, 0, UINT32_MAX) || (uint32_t)bytes % sizeof(double) != 0 ||
      !enetjs_is_integer(mode, ENETJS_BROADCAST_EXCEPT, ENETJS_BROADCAST_TO))
    return false;
  r->ids = peers;
  r->count = (size_t)bytes / sizeof(double);
  r->only = mode == ENETJS_BROADCAST_TO;
  return true;
}

static struct enetjs_slot *recipient(struct enetjs_host *h, const struct recipients *r, size_t index) {
  double id;
  memcpy(&id, r->ids + index * sizeof(id), sizeof(id)); /* a caller's buffer need not be aligned */
  return find(h, id);
}

/* Counts a peer, or leaves it out where it cannot take the message. @returns false when *sent is an error */
static bool send_one(struct enetjs_slot *slot, const struct message *m, double *sent) {
  double result = send_message(slot, m);
  if (result >= 0) {
    ++*sent;
  } else if (result != ENETJS_ERR_NOT_CONNECTED && result != ENETJS_ERR_CHANNEL) {
    *sent = result;
    return false;
  }
  return true;
}

static double send_to_these(struct enetjs_host *h, const struct message *m, const struct recipients *r) {
  double sent = 0;
  for (size_t index = 0; index < r->count; index++) {
    struct enetjs_slot *slot = recipient(h, r, index);
    if (slot && !send_one(slot, m, &sent)) break;
  }
  return sent;
}

static void leave_out(struct enetjs_host *h, const struct recipients *r, bool left_out) {
  for (size_t index = 0; index < r->count; index++) {
    struct enetjs_slot *slot = recipient(h, r, index);
    if (slot) slot->left_out = left_out;
  }
}

static double send_to_others(struct enetjs_host *h, const struct message *m, const struct recipients *r) {
  double sent = 0;
  leave_out(h, r, true);
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    struct enetjs_slot *slot = &h->slots[index];
    if (slot->connected && !slot->left_out && !send_one(slot, m, &sent)) break;
  }
  leave_out(h, r, false);
  return sent;
}

static double send_to(struct enetjs_host *h, const struct message *m, const struct recipients *r) {
  return r->only ? send_to_these(h, m, r) : send_to_others(h, m, r);
}

/* Peers share one copy of a large payload, small ones are cheaper copied. */
static double broadcast(struct enetjs_host *h, struct message *m, const struct recipients *r) {
  double result;
  ENetPacket *packet;
  if (m->length > h->enet->maximumPacketSize) return ENETJS_ERR_TOO_LARGE;
  if (m->length < ENETJS_SHARE_MINIMUM) return send_to(h, m, r);
  packet = enet_packet_create(m->data, m->length, 0);
  if (!packet) return ENETJS_ERR_MEMORY;
  m->shared = enetjs_packet_wrap(packet);
  if (!m->shared) {
    enet_packet_destroy(packet);
    return ENETJS_ERR_MEMORY;
  }
  result = send_to(h, m, r);
  enetjs_packet_drop(m->shared);
  return result;
}

double enetjs_host_broadcast(double host, double channel, double flags, double offset, double length,
                             const uint8_t *peers, double bytes, double mode) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct message m = {0};
  struct recipients r;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  m.data = enetjs_shared_at(h, offset, length);
  if (m.data && message_valid(&m, channel, flags, 0) && recipients_valid(&r, peers, bytes, mode)) {
    m.length = (size_t)length;
    result = broadcast(h, &m, &r);
  }
  enetjs_host_release(h);
  return result;
}

double enetjs_host_broadcast_buffer(double host, double channel, double flags, const uint8_t *data, double length,
                                    const uint8_t *peers, double bytes, double mode) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct message m = {0};
  struct recipients r;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (data && enetjs_is_integer(length, 0, UINT32_MAX) && message_valid(&m, channel, flags, 0) &&
      recipients_valid(&r, peers, bytes, mode)) {
    m.data = data;
    m.length = (size_t)length;
    result = broadcast(h, &m, &r);
  }
  enetjs_host_release(h);
  return result;
}

double enetjs_host_broadcast_packet(double host, double channel, double flags, double packet, const uint8_t *peers,
                                    double bytes, double mode) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct message m = {0};
  struct recipients r;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  m.shared = enetjs_packet_borrow(packet);
  if (m.shared && message_valid(&m, channel, flags, 0) && recipients_valid(&r, peers, bytes, mode)) {
    m.length = m.shared->packet->dataLength;
    result = m.length > h->enet->maximumPacketSize ? ENETJS_ERR_TOO_LARGE : send_to(h, &m, &r);
  }
  if (m.shared) enetjs_packet_drop(m.shared);
  enetjs_host_release(h);
  return result;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void disconnect_later(struct enetjs_slot *slot) {
  if (slot->pending_head)
    slot->close_later = true;
  else
    enet_peer_disconnect_later(enetjs_peer_of(slot), slot->close_data);
}

static void disconnect(struct enetjs_slot *slot) {
  slot->close_later = false;
  enetjs_queue_clear(slot);
  enet_peer_disconnect(enetjs_peer_of(slot), slot->close_data);
}

static void disconnect_now(struct enetjs_slot *slot) {
  /* ENet sends no second notice, so the first must not be left unsent. */
  if (enetjs_peer_of(slot)->state == ENET_PEER_STATE_DISCONNECTING) enetjs_flush_protocol(slot->host);
  enet_peer_disconnect_now(enetjs_peer_of(slot), slot->close_data);
}

double enetjs_peer_disconnect(double host, double peer, double data, double mode) {
  double error;
  struct enetjs_slot *slot = acquire(host, peer, &error);
  if (!slot) return error;
  if (!enetjs_is_integer(data, 0, UINT32_MAX) || !enetjs_is_integer(mode, 0, ENETJS_DISCONNECT_LATER))
    return finish(slot, ENETJS_ERR_ARGUMENT);
  slot->closing = true;
  if (enetjs_peer_of(slot)->state != ENET_PEER_STATE_DISCONNECTING) slot->close_data = (uint32_t)data;
  enetjs_batch_begin(slot->host->batch);
  enetjs_handshake_repeat(&slot->host->handshakes); /* ENet may flush */
  if (mode == ENETJS_DISCONNECT_NOW)
    disconnect_now(slot);
  else if (mode == ENETJS_DISCONNECT_LATER)
    disconnect_later(slot);
  else
    disconnect(slot);
  enetjs_batch_end(slot->host->batch);
  enetjs_reset_stuck_peers(slot->host);
  /* ENet resets a peer at once, without an event, that was not connected or need not wait. */
  if (enetjs_peer_of(slot)->state == ENET_PEER_STATE_DISCONNECTED && slot->closing)
    enetjs_slot_end(slot, ENETJS_REASON_LOCAL, slot->close_data);
  enetjs_slots_check_shutdown(slot->host);
  return finish(slot, 0);
}

/*
 * A peer that is still connecting is disconnected once it is connected (see enetjs_slot_connected): the id
 * that a server knows it by comes with the server's answer.
 */
static void shut_down(struct enetjs_slot *slot) {
  if (slot->closing || !(slot->connected || slot->outgoing)) return;
  slot->closing = true;
  slot->close_data = slot->host->shutdown_data;
  if (enetjs_peer_of(slot)->state != ENET_PEER_STATE_CONNECTING) disconnect_later(slot);
}

/* Half-open connections of others are not waited for: any stranger can begin them. */
static bool has_no_peers(const struct enetjs_host *h) {
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    ENetPeerState state = h->enet->peers[index].state;
    if (state != ENET_PEER_STATE_DISCONNECTED && state != ENET_PEER_STATE_ACKNOWLEDGING_CONNECT) return false;
  }
  return true;
}

void enetjs_slots_check_shutdown(struct enetjs_host *h) {
  if (!h->awaits_shutdown || !has_no_peers(h)) return;
  h->awaits_shutdown = false;
  enetjs_emit_shutdown(h);
}

double enetjs_host_shutdown(double host, double data) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  bool waits;
  if (!h) return ENETJS_ERR_CLOSED;
  if (!enetjs_is_integer(data, 0, UINT32_MAX)) {
    enetjs_host_release(h);
    return ENETJS_ERR_ARGUMENT;
  }
  h->shutting_down = true;
  enetjs_batch_begin(h->batch);
  if (h->guard) enetjs_guard_close(h->guard);
  enetjs_batch_end(h->batch);
  h->shutdown_data = (uint32_t)data;
  for (size_t index = 0; index < h->enet->peerCount; index++) shut_down(&h->slots[index]);
  enetjs_flush_protocol(h);
  waits = !has_no_peers(h);
  h->awaits_shutdown = waits;
  enetjs_pump_rearm(h);
  enetjs_host_release(h);
  return waits;
}

double enetjs_peer_reset(double host, double peer) {
  double error;
  struct enetjs_slot *slot = acquire(host, peer, &error);
  if (!slot) return error;
  enet_peer_reset(enetjs_peer_of(slot));
  enetjs_slot_end(slot, ENETJS_REASON_RESET, 0);
  enetjs_slots_check_shutdown(slot->host);
  return finish(slot, 0);
}

double enetjs_peer_ping(double host, double peer) {
  double error;
  struct enetjs_slot *slot = acquire(host, peer, &error);
  if (!slot) return error;
  if (!enetjs_slot_sends(slot)) return finish(slot, ENETJS_ERR_NOT_CONNECTED);
  enet_peer_ping(enetjs_peer_of(slot));
  return finish(slot, 0);
}

double enetjs_peer_set(double host, double peer, double option, double a, double b, double c) {
  double error;
  struct enetjs_slot *slot = acquire(host, peer, &error);
  uint32_t x, y, z;
  if (!slot) return error;
  if (!enetjs_is_integer(a, 0, UINT32_MAX) || !enetjs_is_integer(b, 0, UINT32_MAX) ||
      !enetjs_is_integer(c, 0, UINT32_MAX))
    return finish(slot, ENETJS_ERR_ARGUMENT);
  x = (uint32_t)a;
  y = (uint32_t)b;
  z = (uint32_t)c;
  if (option == ENETJS_PEER_PING_INTERVAL) {
    enet_peer_ping_interval(enetjs_peer_of(slot), x);
  } else if (option == ENETJS_PEER_TIMEOUT) {
    enet_peer_timeout(enetjs_peer_of(slot), x, y, z);
  } else if (option == ENETJS_PEER_THROTTLE) {
    /* It tells the other side, and a handshake under way compares the values. */
    if (!enetjs_slot_sends(slot)) return finish(slot, ENETJS_ERR_NOT_CONNECTED);
    enet_peer_throttle_configure(enetjs_peer_of(slot), x, y, z);
  } else if (option == ENETJS_PEER_PAUSED) {
    if (x)
      slot->paused = true;
    else
      enetjs_release_paused(slot);
  } else {
    return finish(slot, ENETJS_ERR_ARGUMENT);
  }
  return finish(slot, 0);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static uint32_t state_of(const struct enetjs_slot *slot) {
  return slot->close_later ? ENET_PEER_STATE_DISCONNECT_LATER : (uint32_t)enetjs_peer_of(slot)->state;
}

double enetjs_peer_state(double host, double peer) {
  double error;
  struct enetjs_slot *slot = acquire(host, peer, &error);
  if (!slot) return error;
  return finish(slot, state_of(slot));
}

static double since(enet_uint32 time) { return time ? (double)ENET_TIME_DIFFERENCE(enet_time_get(), time) : -1; }

double enetjs_peer_stats(double host, double peer) {
  double error, *stats;
  struct enetjs_slot *slot = acquire(host, peer, &error);
  const ENetPeer *p;
  if (!slot) return error;
  p = enetjs_peer_of(slot);
  stats = slot->host->stats;
  stats[ENETJS_PEER_STAT_STATE] = state_of(slot);
  stats[ENETJS_PEER_STAT_CHANNEL_COUNT] = (double)p->channelCount;
  stats[ENETJS_PEER_STAT_CONNECT_ID] = p->connectID;
  stats[ENETJS_PEER_STAT_INCOMING_PEER_ID] =
      slot->host->peer_ids ? enetjs_peer_ids_of(slot->host->peer_ids, p) : p->incomingPeerID;
  stats[ENETJS_PEER_STAT_OUTGOING_PEER_ID] = p->outgoingPeerID;
  stats[ENETJS_PEER_STAT_INCOMING_BANDWIDTH] = p->incomingBandwidth;
  stats[ENETJS_PEER_STAT_OUTGOING_BANDWIDTH] = p->outgoingBandwidth;
  stats[ENETJS_PEER_STAT_INCOMING_DATA_TOTAL] = p->incomingDataTotal;
  stats[ENETJS_PEER_STAT_OUTGOING_DATA_TOTAL] = p->outgoingDataTotal;
  stats[ENETJS_PEER_STAT_SINCE_LAST_SEND] = since(p->lastSendTime);
  stats[ENETJS_PEER_STAT_SINCE_LAST_RECEIVE] = since(p->lastReceiveTime);
  stats[ENETJS_PEER_STAT_PACKETS_SENT] = p->packetsSent;
  stats[ENETJS_PEER_STAT_PACKETS_LOST] = p->packetsLost;
  stats[ENETJS_PEER_STAT_PACKET_LOSS] = p->packetLoss;
  stats[ENETJS_PEER_STAT_PACKET_LOSS_VARIANCE] = p->packetLossVariance;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE] = p->packetThrottle;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_LIMIT] = p->packetThrottleLimit;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_COUNTER] = p->packetThrottleCounter;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_ACCELERATION] = p->packetThrottleAcceleration;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_DECELERATION] = p->packetThrottleDeceleration;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_INTERVAL] = p->packetThrottleInterval;
  stats[ENETJS_PEER_STAT_PING_INTERVAL] = p->pingInterval;
  stats[ENETJS_PEER_STAT_TIMEOUT_LIMIT] = p->timeoutLimit;
  stats[ENETJS_PEER_STAT_TIMEOUT_MINIMUM] = p->timeoutMinimum;
  stats[ENETJS_PEER_STAT_TIMEOUT_MAXIMUM] = p->timeoutMaximum;
  stats[ENETJS_PEER_STAT_LAST_ROUND_TRIP_TIME] = p->lastRoundTripTime;
  stats[ENETJS_PEER_STAT_LOWEST_ROUND_TRIP_TIME] = p->lowestRoundTripTime;
  stats[ENETJS_PEER_STAT_LAST_ROUND_TRIP_TIME_VARIANCE] = p->lastRoundTripTimeVariance;
  stats[ENETJS_PEER_STAT_HIGHEST_ROUND_TRIP_TIME_VARIANCE] = p->highestRoundTripTimeVariance;
  stats[ENETJS_PEER_STAT_ROUND_TRIP_TIME] = p->roundTripTime;
  stats[ENETJS_PEER_STAT_ROUND_TRIP_TIME_VARIANCE] = p->roundTripTimeVariance;
  stats[ENETJS_PEER_STAT_MTU] = p->mtu;
  stats[ENETJS_PEER_STAT_WINDOW_SIZE] = p->windowSize;
  stats[ENETJS_PEER_STAT_RELIABLE_DATA_IN_TRANSIT] = p->reliableDataInTransit;
  stats[ENETJS_PEER_STAT_TOTAL_WAITING_DATA] = slot->account ? (double)slot->account->bytes : 0;
  stats[ENETJS_PEER_STAT_QUEUED_BYTES] = (double)slot->queued_bytes;
  stats[ENETJS_PEER_STAT_QUEUED_MESSAGES] = (double)slot->queued_messages;
  stats[ENETJS_PEER_STAT_SENT_RELIABLY] = (double)slot->sent_reliably;
  stats[ENETJS_PEER_STAT_THROTTLED] = (double)slot->throttled;
  return finish(slot, 0);
}
