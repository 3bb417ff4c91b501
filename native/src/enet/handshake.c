/*
 * Repeats the last acknowledgement of a handshake in every datagram until the server has received it.
 *
 * A client is connected when it has received VERIFY_CONNECT, a server when it has received the
 * acknowledgement of that (protocol.c of ENet, enet_protocol_handle_acknowledge). Until then an ENet server
 * drops every message of the client. The client's first messages leave in later datagrams than the
 * acknowledgement. Where the acknowledgement is lost or overtaken, an unreliable message is lost, and a
 * reliable one waits for ENet's first timeout of 500 ms.
 *
 * So the acknowledgement is queued once more before each datagram; ENet puts acknowledgements first into a
 * datagram. To a server, an acknowledgement that arrives twice is a second measurement of the round trip and
 * nothing else. The first acknowledgement that comes from the server shows that the server is connected, and
 * ends the repetition. ENet sends a ping with the first datagram, so it comes within a round trip.
 *
 * Fragments fill a datagram. While the acknowledgement is repeated, messages are given to ENet with a smaller
 * MTU, so that there is room for it.
 *
 * Between the datagrams of a burst, only ENet's call of the socket gives an occasion (enetjs_handshake_sent).
 * Where these calls do not arrive in wire/socket.c, only the first datagram of a burst carries the
 * acknowledgement.
 *
 * Invariant: a handshake is in the list from enetjs_handshake_remember until the first
 * enetjs_handshake_repeat that finds it confirmed. Called with the host's lock held.
 */
#include "enet/handshake.h"

#include <enet/time.h>

#include "wire/unsent.h"

#define ACKNOWLEDGEMENT_BYTES sizeof(ENetProtocolAcknowledge)

void enetjs_handshake_remember(struct enetjs_handshakes *list, struct enetjs_handshake *handshake,
                               ENetPeer *peer) {
  ENetList *queue = &peer->acknowledgements;
  for (ENetListIterator i = enet_list_begin(queue); i != enet_list_end(queue); i = enet_list_next(i)) {
    const ENetAcknowledgement *waiting = (ENetAcknowledgement *)i;
    if ((waiting->command.header.command & ENET_PROTOCOL_COMMAND_MASK) !=
        ENET_PROTOCOL_COMMAND_VERIFY_CONNECT)
      continue;
    handshake->sequence = waiting->command.header.reliableSequenceNumber;
    handshake->sent_time = (uint16_t)waiting->sentTime;
    handshake->unconfirmed = true;
    handshake->peer = peer;
    if (handshake->listed) return;
    handshake->listed = true;
    handshake->next = list->first;
    list->first = handshake;
    return;
  }
}

/* Where another acknowledgement is queued, the server has sent something since, so it is connected. */
static void queue_again(const struct enetjs_handshake *handshake) {
  ENetPeer *peer = handshake->peer;
  ENetProtocol command;
  if (!enet_list_empty(&peer->acknowledgements)) return;
  command.header.command = ENET_PROTOCOL_COMMAND_VERIFY_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  command.header.channelID = 0xFF;
  command.header.reliableSequenceNumber = handshake->sequence;
  enet_peer_queue_acknowledgement(peer, &command, handshake->sent_time);
}

static bool is_sent_to(const ENetPeer *peer) {
  return peer->state == ENET_PEER_STATE_CONNECTED || peer->state == ENET_PEER_STATE_DISCONNECT_LATER ||
         peer->state == ENET_PEER_STATE_DISCONNECTING;
}

/* ENet sets the time with the first acknowledgement that it receives on a connection. */
static bool is_confirmed(const ENetPeer *peer) { return !is_sent_to(peer) || peer->lastReceiveTime > 0; }

static bool will_send(const ENetPeer *peer) {
  return !enetjs_unsent_none(peer) || (!enet_list_empty(&peer->sentReliableCommands) &&
                               ENET_TIME_GREATER_EQUAL(enet_time_get(), peer->nextTimeout));
}

void enetjs_handshake_repeat(struct enetjs_handshakes *list) {
  struct enetjs_handshake **link = &list->first;
  while (*link) {
    struct enetjs_handshake *handshake = *link;
    handshake->unconfirmed = handshake->unconfirmed && !is_confirmed(handshake->peer);
    if (!handshake->unconfirmed) {
      handshake->listed = false;
      *link = handshake->next;
      continue;
    }
    if (will_send(handshake->peer)) queue_again(handshake);
    link = &handshake->next;
  }
}

static bool is_in_burst(const ENetPeer *peer) {
#if ENETJS_HAS_MESSAGE_LIST
  if (!(peer->flags & ENET_PEER_FLAG_CONTINUE_SENDING)) return false;
#else
  if (!peer->host->continueSending) return false;
#endif
  return !enetjs_unsent_none(peer);
}

/* A datagram with nothing but the acknowledgement must not cause a further one: they would never end. */
void enetjs_handshake_sent(struct enetjs_handshakes *list, const ENetHost *enet, const ENetAddress *address) {
  if (enet->commandCount < 2) return;
  for (struct enetjs_handshake *handshake = list->first; handshake; handshake = handshake->next) {
    const ENetPeer *peer = handshake->peer;
    if (peer->address.host == address->host && peer->address.port == address->port &&
        handshake->unconfirmed && is_in_burst(peer))
      queue_again(handshake);
  }
}

size_t enetjs_handshake_reserve(const struct enetjs_handshake *handshake, const ENetPeer *peer) {
  return handshake->unconfirmed && !is_confirmed(peer) ? ACKNOWLEDGEMENT_BYTES : 0;
}

int enetjs_handshake_send(const struct enetjs_handshake *handshake, ENetPeer *peer, enet_uint8 channel,
                          ENetPacket *packet) {
  size_t reserve = enetjs_handshake_reserve(handshake, peer);
  int result;
  peer->mtu -= reserve;
  result = enet_peer_send(peer, channel, packet);
  peer->mtu += reserve;
  return result;
}
