/*
 * JavaScript's calls for one connection, apart from sending: ending it, its settings, its state. Also the
 * shutdown of a host, which ends all of its connections.
 *
 * Each function takes the lock of its host. Only the consumer may call.
 */
#include "host/internal.h"
#include "wire/guard.h"
#include "wire/security/security.h"
#include "wire/socket.h"

#define ABANDONED_MS 3000

/* ---- Life ------------------------------------------------------------------------------------ */

static void disconnect_later(struct enetjs_slot *slot) {
  if (slot->lanes.first)
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

/* Whether the CONNECT of an attempt has left: in a session it waits for the REPLY. */
static bool has_asked(const struct enetjs_slot *slot) {
  struct enetjs_endpoint endpoint = enetjs_endpoint_of(&enetjs_peer_of(slot)->address);
  struct enetjs_security_facts facts;
  return !enetjs_security_facts(slot->host->security, &endpoint, &facts) || facts.open;
}

/*
 * The other side may have taken a place for an attempt that is still under way. Its answer brings the id that
 * a disconnect has to carry (see enetjs_slot_connected), so that answer is waited for, but not long.
 */
static void abandon(struct enetjs_slot *slot) {
  ENetPeer *peer = enetjs_peer_of(slot);
  slot->abandoned = true;
  if (peer->state == ENET_PEER_STATE_CONNECTING && has_asked(slot))
    enet_peer_timeout(peer, 0, ABANDONED_MS, ABANDONED_MS);
  else
    disconnect_now(slot);
}

double enetjs_peer_disconnect(double host, double peer, double data, double mode) {
  double error;
  struct enetjs_slot *slot = enetjs_slot_acquire(host, peer, &error);
  if (!slot) return error;
  if (!enetjs_is_integer(data, 0, UINT32_MAX) || !enetjs_is_integer(mode, 0, ENETJS_DISCONNECT_ABANDON))
    return enetjs_slot_finish(slot, ENETJS_ERR_ARGUMENT);
  slot->closing = true;
  if (enetjs_peer_of(slot)->state != ENET_PEER_STATE_DISCONNECTING) slot->close_data = (uint32_t)data;
  enetjs_batch_begin(slot->host->batch);
  enetjs_handshake_repeat(&slot->host->handshakes); /* before ENet flushes */
  if (mode == ENETJS_DISCONNECT_NOW)
    disconnect_now(slot);
  else if (mode == ENETJS_DISCONNECT_ABANDON)
    abandon(slot);
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
  return enetjs_slot_finish(slot, 0);
}

/*
 * A peer that is still connecting is disconnected as soon as it is connected (see enetjs_slot_connected). The
 * server's answer brings the id by which the server knows this host, and a disconnect has to carry that id.
 */
static void shut_down(struct enetjs_slot *slot) {
  if (slot->closing || !(slot->connected || slot->outgoing)) return;
  slot->closing = true;
  slot->close_data = slot->host->shutdown_data;
  if (enetjs_peer_of(slot)->state != ENET_PEER_STATE_CONNECTING) disconnect_later(slot);
}

/*
 * A shutdown does not wait for half-open connections of others, because any stranger can begin one, nor for
 * abandoned attempts.
 */
static bool has_no_peers(const struct enetjs_host *h) {
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    ENetPeerState state = h->enet->peers[index].state;
    if (state == ENET_PEER_STATE_CONNECTING && h->slots[index].abandoned) continue;
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

/* An attempt is given up that the server may have accepted already. */
static void withdraw(struct enetjs_slot *slot) {
  enetjs_batch_begin(slot->host->batch);
  enet_peer_disconnect_now(enetjs_peer_of(slot), 0);
  enetjs_batch_end(slot->host->batch);
}

double enetjs_peer_reset(double host, double peer) {
  double error;
  struct enetjs_slot *slot = enetjs_slot_acquire(host, peer, &error);
  if (!slot) return error;
  if (slot->tentative) withdraw(slot);
  enet_peer_reset(enetjs_peer_of(slot));
  enetjs_slot_end(slot, ENETJS_REASON_RESET, 0);
  enetjs_slots_check_shutdown(slot->host);
  return enetjs_slot_finish(slot, 0);
}

double enetjs_peer_ping(double host, double peer) {
  double error;
  struct enetjs_slot *slot = enetjs_slot_acquire(host, peer, &error);
  if (!slot) return error;
  if (!enetjs_slot_sends(slot)) return enetjs_slot_finish(slot, ENETJS_ERR_NOT_CONNECTED);
  enet_peer_ping(enetjs_peer_of(slot));
  return enetjs_slot_finish(slot, 0);
}

static double set_priority(struct enetjs_slot *slot, uint32_t channel, uint32_t priority) {
  struct enetjs_lane *lane;
  if (priority < 1 || priority > ENETJS_PRIORITY_MAXIMUM) return ENETJS_ERR_ARGUMENT;
  if (!enetjs_slot_sends(slot)) return ENETJS_ERR_NOT_CONNECTED;
  if (channel >= enetjs_peer_of(slot)->channelCount) return ENETJS_ERR_CHANNEL;
  lane = enetjs_lanes_at(&slot->lanes, enetjs_peer_of(slot), channel);
  if (!lane) return ENETJS_ERR_MEMORY;
  lane->weight = (uint16_t)priority;
  return 0;
}

double enetjs_peer_set(double host, double peer, double option, double a, double b, double c) {
  double error;
  struct enetjs_slot *slot = enetjs_slot_acquire(host, peer, &error);
  uint32_t x, y, z;
  if (!slot) return error;
  if (!enetjs_is_integer(a, 0, UINT32_MAX) || !enetjs_is_integer(b, 0, UINT32_MAX) ||
      !enetjs_is_integer(c, 0, UINT32_MAX))
    return enetjs_slot_finish(slot, ENETJS_ERR_ARGUMENT);
  x = (uint32_t)a;
  y = (uint32_t)b;
  z = (uint32_t)c;
  if (option == ENETJS_PEER_PING_INTERVAL) {
    enet_peer_ping_interval(enetjs_peer_of(slot), x);
  } else if (option == ENETJS_PEER_TIMEOUT) {
    enet_peer_timeout(enetjs_peer_of(slot), x, y, z);
  } else if (option == ENETJS_PEER_THROTTLE) {
    /* ENet tells the other side, and during a handshake it compares the values. */
    if (!enetjs_slot_sends(slot)) return enetjs_slot_finish(slot, ENETJS_ERR_NOT_CONNECTED);
    enet_peer_throttle_configure(enetjs_peer_of(slot), x, y, z);
  } else if (option == ENETJS_PEER_PAUSED) {
    if (x)
      slot->paused = true;
    else
      enetjs_release_paused(slot);
  } else if (option == ENETJS_PEER_DENIED) {
    slot->denied = x != 0;
  } else if (option == ENETJS_PEER_PRIORITY) {
    return enetjs_slot_finish(slot, set_priority(slot, x, y));
  } else {
    return enetjs_slot_finish(slot, ENETJS_ERR_ARGUMENT);
  }
  return enetjs_slot_finish(slot, 0);
}

/* ---- State ----------------------------------------------------------------------------------- */

uint32_t enetjs_slot_state(const struct enetjs_slot *slot) {
  return slot->close_later ? ENET_PEER_STATE_DISCONNECT_LATER : (uint32_t)enetjs_peer_of(slot)->state;
}

double enetjs_peer_state(double host, double peer) {
  double error;
  struct enetjs_slot *slot = enetjs_slot_acquire(host, peer, &error);
  if (!slot) return error;
  return enetjs_slot_finish(slot, enetjs_slot_state(slot));
}
