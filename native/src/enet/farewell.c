/*
 * The notices that ENet fails to give: one unsequenced DISCONNECT in a datagram of its own, put
 * together by hand. Sending one reads no payload of ENet's queues, so it is allowed where memory of
 * JavaScript may be gone, as at the exit of the process. It never blocks. Called with the host's lock
 * held, on any thread.
 *
 * When both sides disconnect at once, the other side's DISCONNECT makes ENet drop our own before it
 * has left, and the acknowledgement of theirs with it. They would then wait until they time out. So
 * once more, by enetjs_farewell_send. Where theirs has been settled already, the notice names a peer
 * that is gone, or another session, and is ignored.
 *
 * When a host is destroyed, ENet tells nobody. So enetjs_farewell_all does, whoever destroys it.
 */
#include "host/internal.h"
#include "wire/guard.h"

#define ANSWER_ROUNDS 16 /* of ENet's service, while answers to our own attempts are looked for */
#define NEVER_MS 60000

struct notice {
  enet_uint16 remote_id;
  enet_uint32 connect_id, data;
};

static void send_notice(ENetHost *enet, const ENetPeer *peer, const struct notice *notice) {
  enet_uint16 word = (enet_uint16)(notice->remote_id | peer->outgoingSessionID << ENET_PROTOCOL_HEADER_SESSION_SHIFT);
  enetjs_disconnect_room datagram;
  ENetBuffer buffer;
  buffer.data = datagram;
  buffer.dataLength = enetjs_datagram_disconnect(enet, datagram, word, notice->connect_id, notice->data);
  enet_socket_send(enet->socket, &peer->address, &buffer, 1);
}

/* ---- After a connection ---------------------------------------------------------------------- */

void enetjs_farewell_remember(struct enetjs_slot *slot) {
  const ENetPeer *peer = &slot->host->enet->peers[slot->index];
  slot->remote_id = peer->outgoingPeerID;
  slot->connect_id = peer->connectID;
}

void enetjs_farewell_send(const struct enetjs_slot *slot) {
  struct notice notice = {slot->remote_id, slot->connect_id, slot->close_data};
  send_notice(slot->host->enet, &slot->host->enet->peers[slot->index], &notice);
}

/* ---- At the end of a host -------------------------------------------------------------------- */

/* Whether a DISCONNECT has left. It is then the only command of the peer that ENet still keeps. */
static bool is_told(ENetPeer *peer) {
  const ENetOutgoingCommand *first;
  if (peer->state != ENET_PEER_STATE_DISCONNECTING) return false;
  if (enet_list_empty(&peer->outgoingCommands)) return true;
  first = (ENetOutgoingCommand *)enet_list_front(&peer->outgoingCommands);
  return first->sendAttempts > 0;
}

static void tell(struct enetjs_host *h, ENetPeer *peer) {
  const struct enetjs_slot *slot = &h->slots[peer->incomingPeerID];
  struct notice notice = {peer->outgoingPeerID, peer->connectID, slot->closing ? slot->close_data : 0};
  if (!is_told(peer)) send_notice(h->enet, peer, &notice);
}

static bool is_there(const ENetPeer *peer) {
  return peer->state != ENET_PEER_STATE_DISCONNECTED && peer->state != ENET_PEER_STATE_ZOMBIE;
}

/* Whether the CONNECT has left, so that the server may have answered; it is then not retransmitted any more. */
static bool awaits_answer(ENetPeer *peer) {
  if (!enet_list_empty(&peer->outgoingCommands)) return false;
  peer->nextTimeout = enet_time_get() + NEVER_MS;
  return true;
}

/*
 * A server that we have asked to connect can be told only by the id that comes with its answer, and a client
 * that the guard has answered only once it has acknowledged that. Either may have arrived and not been read, so
 * ENet reads once more. All other peers have been reset, so that it has nothing to send.
 */
static void tell_who_has_answered(struct enetjs_host *h) {
  ENetEvent event;
  for (unsigned round = 0; round < ANSWER_ROUNDS; round++) {
    if (enet_host_service(h->enet, &event, 0) <= 0) {
      if (!h->guard || !enetjs_guard_pending(h->guard)) return;
      continue;
    }
    if (event.type == ENET_EVENT_TYPE_RECEIVE) enet_packet_destroy(event.packet);
    if (event.type != ENET_EVENT_TYPE_CONNECT) continue;
    tell(h, event.peer);
    enet_peer_reset(event.peer);
  }
}

void enetjs_farewell_all(struct enetjs_host *h) {
  bool answers = h->guard && enetjs_guard_stats(h->guard).half_open > 0;
  if (h->failed) return;
  enetjs_batch_begin(h);
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    ENetPeer *peer = &h->enet->peers[index];
    if (!is_there(peer)) continue;
    if (peer->state != ENET_PEER_STATE_CONNECTING) {
      tell(h, peer);
    } else if (awaits_answer(peer)) {
      answers = true;
      continue;
    }
    enet_peer_reset(peer);
  }
  if (answers) tell_who_has_answered(h);
  enetjs_batch_end(h);
}
