/*
 * What JavaScript sends: to one connection, or to many at once.
 *
 * A message is checked here, and queued by queue.c. Its bytes come from shared memory, from a buffer, or from
 * a packet that many queues refer to. A broadcast leaves out peers that cannot take the message, and fails
 * only when there is no memory.
 *
 * Each function takes the lock of its host. Only the consumer may call.
 */
#include <string.h>

#include "host/internal.h"

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
  return enetjs_slot_finish(slot, result);
}

double enetjs_peer_send(double host, double peer, double channel, double flags, double offset, double length,
                        double token) {
  double error;
  struct message m = {0};
  struct enetjs_slot *slot = enetjs_slot_acquire(host, peer, &error);
  if (!slot) return error;
  m.data = enetjs_shared_at(slot->host, offset, length);
  if (!m.data || !message_valid(&m, channel, flags, token))
    return enetjs_slot_finish(slot, ENETJS_ERR_ARGUMENT);
  m.length = (size_t)length;
  return finish_send(slot, send_message(slot, &m));
}

double enetjs_peer_send_buffer(double host, double peer, double channel, double flags, const uint8_t *data,
                               double length, double token) {
  double error;
  struct message m = {0};
  struct enetjs_slot *slot = enetjs_slot_acquire(host, peer, &error);
  if (!slot) return error;
  if (!data || !enetjs_is_integer(length, 0, UINT32_MAX) || !message_valid(&m, channel, flags, token))
    return enetjs_slot_finish(slot, ENETJS_ERR_ARGUMENT);
  m.data = data;
  m.length = (size_t)length;
  return finish_send(slot, send_message(slot, &m));
}

double enetjs_peer_send_packet(double host, double peer, double channel, double flags, double packet,
                               double token) {
  double error;
  struct message m = {0};
  struct enetjs_slot *slot = enetjs_slot_acquire(host, peer, &error);
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

/*
 * Peer ids as JavaScript gives them: the only recipients, or all but these. Some connections may have ended.
 */
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
  return enetjs_slot_find(h, id);
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

/* Peers share one copy of a large payload. A small payload is cheaper to copy for each. */
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

/* Broadcasts a payload; `m` has its bytes, or NULL where the program has named none. */
static double broadcast_bytes(struct enetjs_host *h, struct message *m, double channel, double flags,
                              const uint8_t *peers, double bytes, double mode) {
  struct recipients r;
  if (!m->data || !message_valid(m, channel, flags, 0) || !recipients_valid(&r, peers, bytes, mode))
    return ENETJS_ERR_ARGUMENT;
  return broadcast(h, m, &r);
}

double enetjs_host_broadcast(double host, double channel, double flags, double offset, double length,
                             const uint8_t *peers, double bytes, double mode) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct message m = {0};
  double result;
  if (!h) return ENETJS_ERR_CLOSED;
  m.data = enetjs_shared_at(h, offset, length);
  if (m.data) m.length = (size_t)length;
  result = broadcast_bytes(h, &m, channel, flags, peers, bytes, mode);
  enetjs_host_release(h);
  return result;
}

double enetjs_host_broadcast_buffer(double host, double channel, double flags, const uint8_t *data,
                                    double length, const uint8_t *peers, double bytes, double mode) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct message m = {0};
  double result;
  if (!h) return ENETJS_ERR_CLOSED;
  if (data && enetjs_is_integer(length, 0, UINT32_MAX)) {
    m.data = data;
    m.length = (size_t)length;
  }
  result = broadcast_bytes(h, &m, channel, flags, peers, bytes, mode);
  enetjs_host_release(h);
  return result;
}

double enetjs_host_broadcast_packet(double host, double channel, double flags, double packet,
                                    const uint8_t *peers, double bytes, double mode) {
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
