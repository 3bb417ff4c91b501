/*
 * How connections begin: attempts of this host, and answers to the attempts of others. Also ends the peers
 * for which ENet had no memory while their connection began or ended.
 *
 * Invariant: while a connection begins or ends, a command or an acknowledgement is under way that moves it
 * on.
 */
#include "base/pool.h"
#include "base/random.h"
#include "enet/dispatch_queue.h"
#include "host/internal.h"
#include "wire/addresses.h"
#include "wire/guard.h"
#include "wire/mtu.h"
#include "wire/peer_ids.h"
#include "wire/socket.h"
#include "wire/unsent.h"

/* ---- Without memory -------------------------------------------------------------------------- */

static bool is_empty(ENetPeer *peer) {
  return enetjs_unsent_none(peer) && enet_list_empty(&peer->sentReliableCommands) &&
         enet_list_empty(&peer->acknowledgements);
}

/* ENet leaves these states only when it is acknowledged, or has acknowledged. */
static bool is_in_transition(const ENetPeer *peer) {
  return peer->state == ENET_PEER_STATE_CONNECTING || peer->state == ENET_PEER_STATE_ACKNOWLEDGING_CONNECT ||
         peer->state == ENET_PEER_STATE_DISCONNECTING ||
         peer->state == ENET_PEER_STATE_ACKNOWLEDGING_DISCONNECT;
}

/*
 * ENet ignores a failed allocation of a CONNECT, VERIFY_CONNECT, DISCONNECT or the acknowledgement of one.
 * Nothing is sent then, and the peer would wait for the answer until the host is closed.
 */
void enetjs_reset_stuck_peers(struct enetjs_host *h) {
  unsigned failures = enetjs_pool_failures(), in_transition = 0;
  if (failures == h->pool_failures) return;
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    ENetPeer *peer = &h->enet->peers[index];
    struct enetjs_slot *slot = &h->slots[index];
    if (!is_in_transition(peer)) continue;
    in_transition++;
    if (!is_empty(peer)) continue;
    enet_peer_reset(peer);
    enetjs_slot_end(slot, slot->closing ? ENETJS_REASON_LOCAL : ENETJS_REASON_TIMEOUT,
                    slot->closing ? slot->close_data : 0);
  }
  if (in_transition == 0) h->pool_failures = failures;
}

/* ---- Attempts of this host ------------------------------------------------------------------- */

/*
 * An ICMP message may be forged, and a server may start while ENet still tries. So the attempt goes on. The
 * consumer is told once, and names the ICMP message in the error if the attempt times out.
 */
static void on_unreachable(struct enetjs_host *h, const struct enetjs_endpoint *to, uint8_t code) {
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    struct enetjs_slot *slot = &h->slots[index];
    struct enetjs_endpoint peer;
    if (!slot->attempting || slot->unreachable) continue;
    peer = enetjs_host_real(h, &h->enet->peers[index].address);
    if (!enetjs_endpoint_same(&peer, to)) continue;
    slot->unreachable = true;
    enetjs_emit_completion(slot, ENETJS_COMPLETION_UNREACHABLE, code, 0);
  }
}

void enetjs_read_unreachable(struct enetjs_host *h) {
  struct enetjs_endpoint to;
  uint8_t code;
  while (enetjs_unreachable_next(&h->unreachable, h->enet->socket, &to, &code)) on_unreachable(h, &to, code);
}

static void attempt_begins(struct enetjs_slot *slot) {
  struct enetjs_host *h = slot->host;
  slot->outgoing = slot->attempting = true;
  slot->unreachable = false;
  h->attempts++;
  if (enetjs_batch_arrives() > 0) enetjs_unreachable_watch(&h->unreachable, h->enet->socket);
}

void enetjs_attempt_over(struct enetjs_slot *slot) {
  struct enetjs_host *h = slot->host;
  if (!slot->attempting) return;
  slot->attempting = false;
  if (--h->attempts == 0) enetjs_unreachable_end(&h->unreachable, h->enet->socket);
}

/* An abandoned attempt only waits to tell the other side, which finds out by itself, too. */
static bool end_abandoned(struct enetjs_host *h) {
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    struct enetjs_slot *slot = &h->slots[index];
    if (!slot->abandoned) continue;
    enet_peer_reset(enetjs_peer_of(slot));
    enetjs_slot_end(slot, ENETJS_REASON_LOCAL, slot->close_data);
    return true;
  }
  return false;
}

static bool has_free_peer(const ENetHost *enet) {
  for (size_t index = 0; index < enet->peerCount; index++)
    if (enet->peers[index].state == ENET_PEER_STATE_DISCONNECTED) return true;
  return false;
}

/* Of an attempt that has just begun, in its CONNECT, too. */
static void limit_mtu(const struct enetjs_host *h, ENetPeer *peer, const struct enetjs_endpoint *to) {
  enet_uint32 most = enetjs_mtu_of(h->enet, to);
  ENetProtocolConnect *connect;
  if (peer->mtu > most) peer->mtu = most;
  if (enet_list_empty(&peer->outgoingCommands)) return;
  connect = &((ENetOutgoingCommand *)enet_list_front(&peer->outgoingCommands))->command.connect;
  connect->mtu = enetjs_mtu_limit(h->enet, to, connect->mtu);
}

double enetjs_host_connect_to(struct enetjs_host *h, const struct enetjs_endpoint *to, size_t channels,
                              enet_uint32 data) {
  ENetAddress address;
  ENetPeer *peer;
  struct enetjs_slot *slot;
  unsigned failures;
  if (!has_free_peer(h->enet) && !end_abandoned(h)) return ENETJS_ERR_PEERS_EXHAUSTED;
  address = enetjs_addresses_give(h->addresses, to);
  enetjs_random(&h->enet->randomSeed, sizeof(h->enet->randomSeed)); /* of which ENet makes the connect id */
  failures = enetjs_pool_failures();
  peer = enet_host_connect(h->enet, &address, channels, data);
  if (enetjs_pool_failures() != failures && peer && is_empty(peer)) {
    enet_peer_reset(peer);
    peer = NULL;
  }
  if (!peer) return ENETJS_ERR_MEMORY;
  enetjs_leave_dispatch_queue(peer);
  limit_mtu(h, peer, to);
  if (h->peer_ids) enetjs_peer_ids_of_connecting(h->peer_ids, peer);
  slot = &h->slots[peer->incomingPeerID];
  attempt_begins(slot);
  return (double)slot->generation * ENETJS_PEER_SLOTS + slot->index;
}

double enetjs_host_connect(double host, double address, double port, double channels, double data) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_endpoint to;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (enetjs_is_integer(channels, 1, ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT) &&
      enetjs_is_integer(data, 0, UINT32_MAX))
    result = enetjs_host_endpoint(h, address, port, &to);
  if (result == 0) result = enetjs_host_connect_to(h, &to, (size_t)channels, (enet_uint32)data);
  enetjs_host_release(h);
  return result;
}

/* ---- Attempts of others ---------------------------------------------------------------------- */

/* A proved attempt goes on at once. Records that result from that are held until the next service. */
static double answer(struct enetjs_host *h, uint32_t question, double verdict) {
  enum enetjs_refusal cause =
      verdict == ENETJS_CODE_UNDECIDED ? ENETJS_REFUSAL_UNDECIDED : ENETJS_REFUSAL_ACCEPT;
  bool asked;
  enetjs_batch_begin(h->batch);
  asked = h->guard && (verdict == ENETJS_ACCEPT
                           ? enetjs_guard_accept(h->guard, question)
                           : enetjs_guard_decline(h->guard, question, cause, (enet_uint32)verdict));
  enetjs_batch_end(h->batch);
  if (!asked) return ENETJS_ERR_STALE;
  if (enetjs_guard_admits(h->guard)) enetjs_service_protocol(h);
  if (h->pump_running && enetjs_records_held(h) > 0) enetjs_pump_call(h);
  return 0;
}

double enetjs_host_answer(double host, double question, double verdict) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (enetjs_is_integer(question, 0, UINT32_MAX) && enetjs_is_integer(verdict, ENETJS_ACCEPT, UINT32_MAX))
    result = answer(h, (uint32_t)question, verdict);
  enetjs_host_release(h);
  return result;
}
