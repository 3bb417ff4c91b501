/*
 * Slots: finding the connection of a handle, and what is done when a connection begins and ends.
 *
 * A handle is an index and a generation. A slot is used again for other connections, each with a generation
 * of its own, so the handle of an ended connection finds nothing.
 *
 * Invariant: a slot is `connected` from its connect event to its disconnect event, and `outgoing` from
 * enetjs_host_connect until either of them. ENet's peer may be connected while its slot is neither: until
 * ENet has reported it, and after enetjs_slot_end. It may also be connected while its slot is `tentative`.
 * Then the connect event waits until the server confirms it, and a disconnect that comes first is a refusal.
 *
 * Call with the host's lock held; enetjs_slot_acquire takes it.
 */
#include <string.h>

#include "base/handle.h"
#include "enet/dispatch_queue.h"
#include "host/internal.h"
#include "wire/addresses.h"
#include "wire/security/security.h"

/* ---- Handles --------------------------------------------------------------------------------- */

struct enetjs_slot *enetjs_slot_find(struct enetjs_host *h, double peer) {
  struct enetjs_handle handle;
  struct enetjs_slot *slot;
  if (!enetjs_handle_read(peer, ENETJS_PEER_SLOTS, &handle) || handle.index >= h->enet->peerCount)
    return NULL;
  slot = &h->slots[handle.index];
  if (slot->generation != handle.generation || !(slot->connected || slot->outgoing)) return NULL;
  return slot;
}

struct enetjs_slot *enetjs_slot_acquire(double host, double peer, double *error) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_slot *slot;
  *error = ENETJS_ERR_CLOSED;
  if (!h) return NULL;
  *error = ENETJS_ERR_STALE;
  slot = enetjs_slot_find(h, peer);
  if (!slot) enetjs_host_release(h);
  return slot;
}

double enetjs_slot_finish(struct enetjs_slot *slot, double result) {
  enetjs_host_release(slot->host);
  return result;
}

/* ---- Life ------------------------------------------------------------------------------------ */

bool enetjs_slot_sends(const struct enetjs_slot *slot) {
  return enetjs_peer_of(slot)->state == ENET_PEER_STATE_CONNECTED && !slot->closing;
}

static void establish(struct enetjs_slot *slot, uint32_t data) {
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
  ENetPeer *peer = enetjs_peer_of(slot);
  struct enetjs_endpoint address = enetjs_host_real(slot->host, &peer->address);
  slot->connected = true;
  enetjs_flow_connected(slot);
  enetjs_throttle_begin(&slot->throttle, peer, slot->host->throttle_off, slot->host->asks_throttle_off);
  slot->remote = enetjs_remote_of(peer);
  if (slot->outgoing) enetjs_emit_completion(slot, ENETJS_COMPLETION_CONNECTED, 0, 0);
  if (slot->host->security) enetjs_security_emit_client(slot);
  record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_CONNECT;
  record[ENETJS_RECORD_DATA] = data;
  record[ENETJS_RECORD_LENGTH] = (uint32_t)peer->channelCount;
  record[ENETJS_RECORD_ADDRESS] = enetjs_emit_endpoint(slot->host, slot, &address);
  record[ENETJS_RECORD_EXTRA] = address.port;
  enetjs_emit_event(slot->host, slot, record, NULL);
}

void enetjs_slot_connected(struct enetjs_slot *slot, uint32_t data) {
  ENetPeer *peer = enetjs_peer_of(slot);
  enetjs_attempt_over(slot);
  if (slot->outgoing) enetjs_handshake_remember(&slot->host->handshakes, &slot->handshake, peer);
  if (slot->host->shutting_down && !slot->closing) {
    slot->closing = true;
    slot->close_data = slot->host->shutdown_data;
  }
  if (slot->closing) {
    enet_peer_disconnect(peer, slot->close_data);
    return;
  }
  if (!slot->tentative) establish(slot, data);
}

void enetjs_slot_confirm(struct enetjs_slot *slot) {
  if (!slot->tentative || !enetjs_slot_sends(slot)) return;
  slot->tentative = false;
  establish(slot, enetjs_peer_of(slot)->eventData);
}

static void tell_security(const struct enetjs_slot *slot) {
  struct enetjs_endpoint session = enetjs_endpoint_of(&enetjs_peer_of(slot)->address);
  enetjs_security_peer_gone(slot->host->security, &session);
}

void enetjs_slot_end(struct enetjs_slot *slot, uint32_t reason, uint32_t data) {
  struct enetjs_host *h = slot->host;
  ENetPeer *peer = enetjs_peer_of(slot);
  if (h->security) tell_security(slot);
  enetjs_queue_clear(slot);
  enetjs_lanes_end(&slot->lanes);
  enetjs_flow_ended(slot);
  memset(&slot->ping_barriers, 0, sizeof(slot->ping_barriers));
  enetjs_release_paused(slot);
  enetjs_attempt_over(slot);
  if (slot->connected) {
    uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
    record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_DISCONNECT;
    record[ENETJS_RECORD_DATA] = data;
    record[ENETJS_RECORD_EXTRA] = reason;
    enetjs_emit_event(h, slot, record, NULL);
  }
  if (slot->connected || slot->outgoing) enetjs_emit_completion(slot, ENETJS_COMPLETION_CLOSED, data, reason);
  slot->connected = slot->outgoing = slot->closing = slot->close_later = slot->above_high_water = false;
  slot->undelivered = slot->denied = slot->abandoned = slot->tentative = false;
  if (++slot->generation == 0) slot->generation = 1;
  enetjs_leave_dispatch_queue(peer);
  enetjs_allowance_end(slot); /* what is still held becomes a debt of the address */
  slot->held_bytes = slot->held_cost = 0;
  slot->stopped = slot->handshake.unconfirmed = false;
  slot->sent_reliably = 0;
  memset(&slot->quality, 0, sizeof(slot->quality));
  memset(&slot->fast, 0, sizeof(slot->fast));
  slot->told_too_large = false;
}
