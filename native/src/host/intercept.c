/*
 * ENet's intercept callback, which decides about each datagram before ENet sees it. It finds the peer that
 * the datagram is for, applies every limit on a single datagram, and reports datagrams that are not ENet's.
 * The order: the address filter; whether the peer is denied; the rates of the address; for a CONNECT the
 * memory that is left and the guard's table; for a datagram of a peer the peer's rates and memory.
 * native/README.md lists the limits with the functions that enforce them.
 *
 * Invariant: a datagram that is let through has been opened (wire/datagram.h) and carries ENet's own peer id.
 * Called within ENet's service, with the host's lock held.
 */
#include <string.h>

#include "base/pool.h"
#include "host/internal.h"
#include "wire/addresses.h"
#include "wire/answers.h"
#include "wire/command.h"
#include "wire/datagram.h"
#include "wire/filter.h"
#include "wire/guard.h"
#include "wire/limits.h"
#include "wire/peer_ids.h"
#include "wire/security/security.h"

/* Results of the intercept callback. */
#define LET_THROUGH 0
#define TAKEN 1

/* ---- ENet's own rule for what is a datagram of its protocol ---------------------------------- */

/* The live peer that an id means where ids are ENet's own. */
static const ENetPeer *peer_at(const ENetHost *enet, enet_uint16 index) {
  const ENetPeer *peer;
  if (index >= enet->peerCount) return NULL;
  peer = &enet->peers[index];
  if (!enetjs_is_live(peer)) return NULL;
  if ((enet->receivedAddress.host != peer->address.host ||
       enet->receivedAddress.port != peer->address.port) &&
      peer->address.host != ENET_HOST_BROADCAST)
    return NULL;
  return peer;
}

/*
 * From a peer of ours: the header names a live peer and the datagram comes from its address. @returns it, or
 * NULL
 */
static const ENetPeer *peer_of(const struct enetjs_host *h, const struct enetjs_datagram *datagram) {
  const ENetPeer *peer = h->peer_ids
                             ? enetjs_peer_ids_find(h->peer_ids, &h->enet->receivedAddress, datagram->peer)
                             : peer_at(h->enet, datagram->peer);
  if (!peer) return NULL;
  if (peer->outgoingPeerID < ENET_PROTOCOL_MAXIMUM_PEER_ID && datagram->session != peer->incomingSessionID)
    return NULL;
  return peer;
}

/* Of an opened datagram. */
static bool is_connect(const struct enetjs_datagram *datagram) {
  struct enetjs_command command;
  return datagram->peer == ENET_PROTOCOL_MAXIMUM_PEER_ID && enetjs_command_first(datagram, &command) &&
         command.kind == ENET_PROTOCOL_COMMAND_CONNECT;
}

/* ---- Limits ---------------------------------------------------------------------------------- */

/*
 * A peer that completes a handshake has proved its address; this host has chosen those that it connects to.
 */
static bool is_established(const ENetPeer *peer) {
  return peer && peer->state != ENET_PEER_STATE_ACKNOWLEDGING_CONNECT;
}

static bool within_limits(const struct enetjs_host *h, const struct enetjs_endpoint *from,
                          const ENetPeer *peer) {
  return !h->limits || enetjs_limits_admit_datagram(h->limits, enetjs_endpoint_network(from),
                                                    h->enet->receivedDataLength, is_established(peer));
}

/*
 * Takes a charge back: a datagram that claimed to be of a peer could not be opened, so it is forged or
 * damaged.
 */
static void refund(const struct enetjs_host *h, const struct enetjs_endpoint *from, const ENetPeer *peer) {
  if (h->limits && is_established(peer))
    enetjs_limits_refund_datagram(h->limits, enetjs_endpoint_network(from), h->enet->receivedDataLength);
}

/* ---- The callback ---------------------------------------------------------------------------- */

static void emit_datagram(struct enetjs_host *h, const struct enetjs_endpoint *from) {
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
  ENetPacket *packet;
  /* The datagram is dropped, as a full socket buffer would drop it. */
  if (h->held_datagram_bytes >= h->maximum_waiting || enetjs_host_data(h) >= enetjs_host_data_limit(h))
    return;
  enetjs_pool_charge(h->account);
  packet = enet_packet_create(h->enet->receivedData, h->enet->receivedDataLength, 0);
  enetjs_pool_charge(NULL);
  if (!packet) return;
  record[ENETJS_RECORD_LENGTH] = (uint32_t)packet->dataLength;
  record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_DATAGRAM;
  record[ENETJS_RECORD_ADDRESS] = enetjs_emit_endpoint(h, NULL, from);
  record[ENETJS_RECORD_EXTRA] = from->port;
  h->counters[ENETJS_HOST_STAT_DATAGRAMS]++;
  enetjs_emit_event(h, NULL, record, packet);
}

static bool is_of_session(const struct enetjs_host *h) {
  return h->security && ENET_NET_TO_HOST_32(h->enet->receivedAddress.host) >= ENETJS_FIRST_SESSION;
}

/*
 * Nobody has port 0, but a datagram can claim it. A program that answers would be told that there is no such
 * port.
 */
static int not_enets(struct enetjs_host *h, const struct enetjs_endpoint *from) {
  if (h->datagrams && from->port != 0 && !is_of_session(h)) emit_datagram(h, from);
  return TAKEN;
}

/*
 * Whether an opened datagram answers another CONNECT than this peer's. The answer may be late, to an attempt
 * that was given up, or forged. ENet would take it for a refusal.
 */
static bool answers_another(const ENetPeer *peer, const struct enetjs_datagram *datagram) {
  struct enetjs_command command;
  return peer->state == ENET_PEER_STATE_CONNECTING && enetjs_command_first(datagram, &command) &&
         command.kind == ENET_PROTOCOL_COMMAND_VERIFY_CONNECT &&
         command.protocol->verifyConnect.connectID != peer->connectID;
}

/*
 * Of this host's attempts. After a tentative answer the server's guard sends only a refusal, or the answer
 * again. Any other datagram shows that the server has accepted.
 */
static void note_answer(struct enetjs_slot *slot, const struct enetjs_datagram *datagram) {
  struct enetjs_command command;
  if (!slot->outgoing || slot->connected || !enetjs_command_first(datagram, &command)) return;
  if (enetjs_peer_of(slot)->state == ENET_PEER_STATE_CONNECTING)
    slot->tentative = command.kind == ENET_PROTOCOL_COMMAND_VERIFY_CONNECT &&
                      (ENET_NET_TO_HOST_32(command.protocol->verifyConnect.mtu) & ENETJS_TENTATIVE) != 0;
  else if (command.kind != ENET_PROTOCOL_COMMAND_VERIFY_CONNECT &&
           command.kind != ENET_PROTOCOL_COMMAND_DISCONNECT)
    enetjs_slot_confirm(slot);
}

/* Of an opened datagram with ENet's own peer id. */
static int allow(struct enetjs_host *h, struct enetjs_datagram *datagram, const ENetPeer *peer) {
  struct enetjs_slot *slot = &h->slots[peer->incomingPeerID];
  size_t length = datagram->length;
  bool admitted =
      (!h->limits || enetjs_limits_admit_messages(h->limits, datagram, peer)) && enetjs_allow(slot, datagram);
  if (!admitted || datagram->length < length) slot->quality.refused_datagrams++;
  if (!admitted) return TAKEN;
  slot->quality.received.datagrams++;
  slot->quality.received.bytes += h->enet->receivedDataLength;
  enetjs_commands_note(slot, datagram);
  h->read_from = slot;
  enetjs_datagram_hand_over(h->enet, datagram);
  return LET_THROUGH;
}

static int from_peer(struct enetjs_host *h, struct enetjs_datagram *datagram,
                     const struct enetjs_endpoint *from, const ENetPeer *peer) {
  if (!enetjs_datagram_open(h->enet, datagram, h->datagram_room, peer->connectID)) {
    refund(h, from, peer);
    return TAKEN;
  }
  if (answers_another(peer, datagram)) return TAKEN;
  note_answer(&h->slots[peer->incomingPeerID], datagram);
  enetjs_flow_measured(&h->slots[peer->incomingPeerID], datagram);
  if (h->peer_ids) enetjs_datagram_readdress(datagram, peer->incomingPeerID);
  return allow(h, datagram, peer);
}

static void refuse(const struct enetjs_host *h, const struct enetjs_datagram *connect,
                   enum enetjs_refusal cause, enet_uint32 number) {
  enetjs_guard_refuse(h->guard, connect, h->enet->receivedDataLength, cause, number);
}

/* @returns what the callback returns */
static int conclude(struct enetjs_host *h, const struct enetjs_endpoint *from,
                    enum enetjs_guard_verdict verdict) {
  switch (verdict) {
    case ENETJS_GUARD_HANDED_OVER: return LET_THROUGH;
    case ENETJS_GUARD_ASKS: enetjs_emit_questions(h); return TAKEN;
    case ENETJS_GUARD_TAKEN: return TAKEN;
    default: return not_enets(h, from);
  }
}

/* Of a plain CONNECT. */
static bool refuses_plain(struct enetjs_host *h) {
  if (!enetjs_security_required(h->security)) return false;
  h->counters[ENETJS_HOST_STAT_SECURITY_PLAIN_REFUSED]++;
  return true;
}

/* Of a CONNECT of a session. */
static bool is_another_connect(const struct enetjs_host *h, const struct enetjs_datagram *datagram) {
  struct enetjs_endpoint session = enetjs_endpoint_of(&h->enet->receivedAddress);
  struct enetjs_command command;
  return enetjs_command_first(datagram, &command) &&
         !enetjs_security_takes_connect(h->security, &session, command.protocol->connect.connectID);
}

static int from_nobody(struct enetjs_host *h, struct enetjs_datagram *datagram,
                       const struct enetjs_endpoint *from) {
  uint64_t network = enetjs_endpoint_network(from);
  bool has_memory;
  if (!enetjs_datagram_open(h->enet, datagram, h->datagram_room, 0) || !is_connect(datagram))
    return not_enets(h, from);
  if (!h->bound || (h->security && !is_of_session(h) && refuses_plain(h))) return TAKEN;
  if (is_of_session(h) && is_another_connect(h, datagram)) return TAKEN;
  /* The handshake of a session has been charged. */
  if (h->limits && !is_of_session(h) && !enetjs_limits_admit_connect(h->limits, network)) return TAKEN;
  has_memory = enetjs_allow_connect(h, network);
  if (!has_memory) h->counters[ENETJS_HOST_STAT_OVER_BUDGET]++;
  if (h->guard) {
    bool asks = enetjs_guard_connect(h->guard, datagram, h->enet->receivedDataLength, has_memory);
    return conclude(h, from, asks ? ENETJS_GUARD_ASKS : ENETJS_GUARD_TAKEN);
  }
  if (!has_memory) return TAKEN;
  if (h->limits) enetjs_limits_charge_connect(h->limits, network);
  enetjs_datagram_hand_over(h->enet, datagram);
  return LET_THROUGH;
}

static int from_stranger(struct enetjs_host *h, struct enetjs_datagram *datagram,
                         const struct enetjs_endpoint *from) {
  if (datagram->peer == ENET_PROTOCOL_MAXIMUM_PEER_ID) return from_nobody(h, datagram, from);
  if (!h->guard) return not_enets(h, from);
  return conclude(
      h, from, enetjs_guard_prove(h->guard, datagram, h->datagram_room, is_of_session(h) ? NULL : h->limits));
}

/*
 * Drops a datagram of a denied address. A CONNECT is refused where ENETJS_CONFIG_FILTER_REFUSES asks for it.
 */
static int denied(struct enetjs_host *h, const struct enetjs_endpoint *from) {
  struct enetjs_datagram datagram;
  h->counters[ENETJS_HOST_STAT_FILTERED]++;
  if (h->security && !is_of_session(h) && enetjs_security_required(h->security)) return TAKEN;
  if (!h->filter_refuses || !h->guard || !within_limits(h, from, NULL)) return TAKEN;
  if (enetjs_datagram_parse(h->enet, h->enet->receivedData, h->enet->receivedDataLength, &datagram) &&
      datagram.peer == ENET_PROTOCOL_MAXIMUM_PEER_ID &&
      enetjs_datagram_open(h->enet, &datagram, h->datagram_room, 0) && is_connect(&datagram))
    refuse(h, &datagram, ENETJS_REFUSAL_FILTER, ENETJS_CODE_DENIED);
  return TAKEN;
}

/* A datagram that the guard made ENet receive has passed the limits before, when it arrived. */
static bool from_guard(struct enetjs_host *h, const struct enetjs_endpoint *from, int *result) {
  struct enetjs_datagram datagram;
  enum enetjs_guard_verdict verdict;
  if (!h->guard) return false;
  if (enetjs_guard_returns(h->guard, &datagram)) {
    *result = allow(h, &datagram, &h->enet->peers[datagram.peer]);
    return true;
  }
  verdict = enetjs_guard_resume(h->guard);
  if (verdict == ENETJS_GUARD_STRANGER) return false;
  *result = conclude(h, from, verdict);
  return true;
}

static int ENET_CALLBACK intercept(ENetHost *enet, ENetEvent *event) {
  struct enetjs_host *h = enet->peers[0].data;
  struct enetjs_endpoint from = enetjs_addresses_real(h->addresses, &enet->receivedAddress);
  struct enetjs_datagram datagram;
  const ENetPeer *peer = NULL;
  bool parsed;
  int result;
  (void)event;
  /* the datagram before is done; ours in socket.c has said so, but not libenet's own */
  enetjs_pool_charge(NULL);
  enetjs_commands_handled(h);
  enetjs_messages_of_datagram(h);
  if (h->security) from = enetjs_security_real(h->security, &from);
  if (from_guard(h, &from, &result)) return result;
  if (enetjs_filter_denies(&h->filter, &from)) return denied(h, &from);
  parsed = enetjs_datagram_parse(enet, enet->receivedData, enet->receivedDataLength, &datagram);
  if (parsed) peer = peer_of(h, &datagram);
  if (peer && h->slots[peer->incomingPeerID].denied) {
    h->counters[ENETJS_HOST_STAT_FILTERED]++;
    return TAKEN;
  }
  if (!within_limits(h, &from, peer)) return TAKEN;
  if (!parsed) return not_enets(h, &from);
  return peer ? from_peer(h, &datagram, &from, peer) : from_stranger(h, &datagram, &from);
}

void enetjs_intercept_install(struct enetjs_host *h) { h->enet->intercept = intercept; }
