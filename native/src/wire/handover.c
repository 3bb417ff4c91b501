/*
 * See handover.h. What is done here follows protocol.c of ENet 1.3.17: enet_protocol_handle_connect takes the
 * first free peer, and enet_protocol_handle_acknowledge ignores an acknowledgement of what ENet has not sent
 * yet.
 *
 * Call with the host's lock held.
 */
#include "wire/handover.h"

#include <string.h>

#include "wire/answers.h"

#define ENETS_SEQUENCE 1 /* the sequence number of a new peer's VERIFY_CONNECT */

/* ---- CONNECT --------------------------------------------------------------------------------- */

ENetPeer *enetjs_handover_free_peer(const ENetHost *enet) {
  for (size_t i = 0; i < enet->peerCount; i++)
    if (enet->peers[i].state == ENET_PEER_STATE_DISCONNECTED) return &enet->peers[i];
  return NULL;
}

/*
 * ENet counts up the sessions that a peer had before. Where these are 0xFF, ENet counts up from the sessions
 * in the CONNECT, and so arrives at what was assigned.
 */
static void prepare_sessions(ENetPeer *peer, ENetProtocolConnect *connect,
                             const struct enetjs_attempt *attempt) {
  peer->incomingSessionID = peer->outgoingSessionID = 0xFF;
  connect->incomingSessionID = (attempt->outgoing + ENETJS_SESSIONS - 1) % ENETJS_SESSIONS;
  connect->outgoingSessionID = (attempt->incoming + ENETJS_SESSIONS - 1) % ENETJS_SESSIONS;
}

static void hand_over_connect(struct enetjs_handover *handover, ENetHost *enet,
                              const ENetProtocolConnect *connect) {
  enet_uint16 word = ENET_HOST_TO_NET_16(ENET_PROTOCOL_MAXIMUM_PEER_ID);
  struct enetjs_datagram datagram;
  size_t length = sizeof(word) + (enet->checksum ? sizeof(enet_uint32) : 0);
  memcpy(handover->connect, &word, sizeof(word));
  memcpy(handover->connect + length, connect, sizeof(*connect));
  enetjs_datagram_parse(enet, handover->connect, length + sizeof(*connect), &datagram);
  enetjs_datagram_hand_over(enet, &datagram);
}

void enetjs_handover_begin(struct enetjs_handover *handover, ENetHost *enet, struct enetjs_peer_ids *ids,
                           ENetPeer *peer, const ENetAddress *address, const struct enetjs_attempt *attempt,
                           struct enetjs_datagram *datagram) {
  ENetProtocolConnect connect = attempt->connect;
  enetjs_datagram_readdress(datagram, peer->incomingPeerID);
  handover->active = true;
  handover->peer = peer;
  handover->address = *address;
  handover->attempt = *attempt;
  handover->length = datagram->length;
  memcpy(handover->bytes, datagram->bytes, datagram->length);
  prepare_sessions(peer, &connect, attempt);
  enetjs_peer_ids_assign(ids, peer, &attempt->address, attempt->id);
  enet->receivedAddress = *address;
  hand_over_connect(handover, enet, &connect);
}

/* ---- ENet's answer to it --------------------------------------------------------------------- */

static bool is_same(const ENetAddress *a, const ENetAddress *b) {
  return a->host == b->host && a->port == b->port;
}

static bool is_accepted(const struct enetjs_handover *handover) {
  return handover->peer->state == ENET_PEER_STATE_ACKNOWLEDGING_CONNECT &&
         handover->peer->connectID == handover->attempt.connect.connectID &&
         is_same(&handover->address, &handover->peer->address);
}

/*
 * Marks the VERIFY_CONNECT as sent, because ENet ignores the acknowledgement of what it has not sent. A
 * command that ENet has sent is in the other list.
 * @returns false when ENet had no memory for the command; the peer would never be connected
 */
static bool mark_as_sent(ENetPeer *peer) {
  if (enet_list_empty(&peer->outgoingCommands)) return !enet_list_empty(&peer->sentReliableCommands);
  ((ENetOutgoingCommand *)enet_list_front(&peer->outgoingCommands))->sendAttempts = 1;
  return true;
}

bool enetjs_handover_end(struct enetjs_handover *handover) {
  handover->active = false;
  if (!is_accepted(handover)) return false;
  if (mark_as_sent(handover->peer)) return true;
  enet_peer_reset(handover->peer);
  return false;
}

bool enetjs_handover_swallows(const struct enetjs_handover *handover, const ENetAddress *to,
                              const ENetBuffer *datagram) {
  enet_uint16 word;
  if (!handover->active || !is_same(&handover->address, to)) return false;
  memcpy(&word, datagram->data, sizeof(word));
  return (ENET_NET_TO_HOST_16(word) & (enet_uint16)~ENET_PROTOCOL_HEADER_FLAG_MASK) ==
         enetjs_answer_header(&handover->attempt);
}

/* ---- What ENet receives after it ------------------------------------------------------------- */

/* The datagram was counted when it came, so it is not to be counted again. */
static size_t receive_again(ENetHost *enet, const enet_uint8 *bytes, size_t length, ENetBuffer *buffer) {
  enet->totalReceivedData -= (enet_uint32)length;
  enet->totalReceivedPackets--;
  memcpy(buffer->data, bytes, length);
  return length;
}

size_t enetjs_handover_follow(struct enetjs_handover *handover, ENetHost *enet, ENetAddress *address,
                              ENetBuffer *buffer) {
  handover->returns = true;
  if (address) *address = handover->address;
  return receive_again(enet, handover->bytes, handover->length, buffer);
}

void enetjs_handover_put_acknowledgement(const ENetHost *enet, const struct enetjs_attempt *attempt,
                                         struct enetjs_datagram *datagram) {
  enet_uint8 *first = datagram->bytes + datagram->header_bytes;
  enet_uint32 now = enet->serviceTime;
  ENetProtocolAcknowledge command;
  memcpy(&command, first, sizeof(command));
  command.receivedReliableSequenceNumber = ENET_HOST_TO_NET_16(ENETS_SEQUENCE);
  /* A sent time from before the attempt is not one of ours. */
  if ((enet_uint16)(now - ENET_NET_TO_HOST_16(command.receivedSentTime)) > now - attempt->began)
    command.receivedSentTime = ENET_HOST_TO_NET_16((enet_uint16)attempt->answered);
  memcpy(first, &command, sizeof(command));
}

static size_t write_acknowledgement(const ENetHost *enet, const struct enetjs_attempt *attempt,
                                    enet_uint8 *bytes) {
  enet_uint16 word = ENET_HOST_TO_NET_16(
      (enet_uint16)(attempt->id | attempt->incoming << ENET_PROTOCOL_HEADER_SESSION_SHIFT));
  size_t header = sizeof(word) + (enet->checksum ? sizeof(enet_uint32) : 0);
  ENetProtocolAcknowledge command;
  command.header.command = ENET_PROTOCOL_COMMAND_ACKNOWLEDGE;
  command.header.channelID = 0xFF;
  command.header.reliableSequenceNumber = command.receivedReliableSequenceNumber =
      ENET_HOST_TO_NET_16(ENETS_SEQUENCE);
  command.receivedSentTime = ENET_HOST_TO_NET_16(attempt->acknowledged);
  memset(bytes, 0, header);
  memcpy(bytes, &word, sizeof(word));
  memcpy(bytes + header, &command, sizeof(command));
  return header + sizeof(command);
}

size_t enetjs_handover_acknowledge(ENetHost *enet, const struct enetjs_attempt *attempt, ENetBuffer *buffer) {
  enet_uint8 bytes[sizeof(enet_uint16) + sizeof(enet_uint32) + sizeof(ENetProtocolAcknowledge)];
  size_t length = write_acknowledgement(enet, attempt, bytes);
  return receive_again(enet, bytes, length, buffer);
}
