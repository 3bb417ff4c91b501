/*
 * The last acknowledgement of a handshake is repeated in every datagram until the server has it.
 * Called with the host's lock held.
 *
 * A client is connected when VERIFY_CONNECT has come, a server when the acknowledgement of it has
 * (protocol.c, enet_protocol_handle_acknowledge). Until then an ENet server drops every message of the
 * client. The client's first messages leave in later datagrams than the acknowledgement. When one
 * overtakes it, or the acknowledgement is lost, the message is retransmitted after ENet's first timeout
 * of 500 ms; an unreliable message is lost.
 *
 * ENet puts acknowledgements first into a datagram. An acknowledgement that arrives twice is a second
 * measurement of the round trip to it and nothing else. So the acknowledgement is queued once more
 * before each datagram. The first acknowledgement that comes from the server shows that the server is
 * connected, and ends the repetition; ENet has sent a ping with the first datagram, so it comes within
 * a round trip.
 *
 * Fragments fill a datagram. To leave room for the acknowledgement, ENet is given messages with a
 * smaller MTU while it is repeated.
 *
 * ENet gives no chance between the datagrams of a burst except when it hands one to the socket
 * (enetjs_handshake_sent). Where its calls do not arrive here (see socket.c), the first datagram of a
 * burst alone carries the acknowledgement.
 */
#include "host/internal.h"

#define ACKNOWLEDGEMENT_BYTES sizeof(ENetProtocolAcknowledge)

static ENetPeer *peer_of(const struct enetjs_slot *slot) { return &slot->host->enet->peers[slot->index]; }

void enetjs_handshake_remember(struct enetjs_slot *slot) {
  ENetList *list = &peer_of(slot)->acknowledgements;
  for (ENetListIterator i = enet_list_begin(list); i != enet_list_end(list); i = enet_list_next(i)) {
    const ENetAcknowledgement *waiting = (ENetAcknowledgement *)i;
    if ((waiting->command.header.command & ENET_PROTOCOL_COMMAND_MASK) != ENET_PROTOCOL_COMMAND_VERIFY_CONNECT)
      continue;
    slot->handshake.sequence = waiting->command.header.reliableSequenceNumber;
    slot->handshake.sent_time = (uint16_t)waiting->sentTime;
    slot->handshake.unconfirmed = true;
    if (slot->handshake.listed) return;
    slot->handshake.listed = true;
    slot->handshake.next = slot->host->unconfirmed;
    slot->host->unconfirmed = slot;
    return;
  }
}

static bool has_to_send(const ENetPeer *peer) {
#if ENET_VERSION >= ENET_VERSION_CREATE(1, 3, 18)
  if (!enet_list_empty(&peer->outgoingSendReliableCommands)) return true;
#endif
  return !enet_list_empty(&peer->outgoingCommands);
}

/* Where another acknowledgement waits, the server has sent something since, so it is connected. */
static void queue_again(struct enetjs_slot *slot) {
  ENetPeer *peer = peer_of(slot);
  ENetProtocol command;
  if (!enet_list_empty(&peer->acknowledgements)) return;
  command.header.command = ENET_PROTOCOL_COMMAND_VERIFY_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  command.header.channelID = 0xFF;
  command.header.reliableSequenceNumber = slot->handshake.sequence;
  enet_peer_queue_acknowledgement(peer, &command, slot->handshake.sent_time);
}

static bool is_sent_to(const ENetPeer *peer) {
  return peer->state == ENET_PEER_STATE_CONNECTED || peer->state == ENET_PEER_STATE_DISCONNECT_LATER ||
         peer->state == ENET_PEER_STATE_DISCONNECTING;
}

/* ENet sets the time with the first acknowledgement that it receives on a connection. */
static bool is_confirmed(const ENetPeer *peer) { return !is_sent_to(peer) || peer->lastReceiveTime > 0; }

static bool will_send(const ENetPeer *peer) {
  return has_to_send(peer) || (!enet_list_empty(&peer->sentReliableCommands) &&
                               ENET_TIME_GREATER_EQUAL(enet_time_get(), peer->nextTimeout));
}

void enetjs_handshake_repeat(struct enetjs_host *h) {
  struct enetjs_slot **link = &h->unconfirmed;
  while (*link) {
    struct enetjs_slot *slot = *link;
    struct enetjs_handshake *handshake = &slot->handshake;
    handshake->unconfirmed = handshake->unconfirmed && !is_confirmed(peer_of(slot));
    if (!handshake->unconfirmed) {
      handshake->listed = false;
      *link = handshake->next;
      continue;
    }
    if (will_send(peer_of(slot))) queue_again(slot);
    link = &handshake->next;
  }
}

static bool is_in_burst(const ENetPeer *peer) {
#if ENET_VERSION >= ENET_VERSION_CREATE(1, 3, 18)
  if (!(peer->flags & ENET_PEER_FLAG_CONTINUE_SENDING)) return false;
#else
  if (!peer->host->continueSending) return false;
#endif
  return has_to_send(peer);
}

/* A datagram with the acknowledgement alone calls for no further one, or there would be no end of them. */
void enetjs_handshake_sent(const ENetHost *enet, const ENetAddress *address) {
  const struct enetjs_host *h = enet->peers[0].data;
  if (enet->commandCount < 2) return;
  for (struct enetjs_slot *slot = h->unconfirmed; slot; slot = slot->handshake.next) {
    ENetPeer *peer = peer_of(slot);
    if (peer->address.host == address->host && peer->address.port == address->port && slot->handshake.unconfirmed &&
        is_in_burst(peer))
      queue_again(slot);
  }
}

size_t enetjs_handshake_reserve(const struct enetjs_slot *slot) {
  return slot->handshake.unconfirmed && !is_confirmed(peer_of(slot)) ? ACKNOWLEDGEMENT_BYTES : 0;
}

int enetjs_handshake_send(struct enetjs_slot *slot, enet_uint8 channel, ENetPacket *packet) {
  ENetPeer *peer = peer_of(slot);
  size_t reserve = enetjs_handshake_reserve(slot);
  int result;
  peer->mtu -= reserve;
  result = enet_peer_send(peer, channel, packet);
  peer->mtu += reserve;
  return result;
}
