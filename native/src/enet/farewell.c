/*
 * The notice that ENet fails to give.
 *
 * When both sides disconnect at once, the other side's DISCONNECT makes ENet drop our own before it
 * has left, and the acknowledgement of theirs with it. They would then wait until they time out. So
 * once more, by hand: one unsequenced DISCONNECT in a datagram of its own. Where theirs has been
 * settled already, it names a peer that is gone, or another session, and is ignored.
 */
#include <string.h>

#include "host/internal.h"

void enetjs_farewell_remember(struct enetjs_slot *slot) {
  const ENetPeer *peer = &slot->host->enet->peers[slot->index];
  slot->remote_id = peer->outgoingPeerID;
  slot->connect_id = peer->connectID;
}

void enetjs_farewell_send(const struct enetjs_slot *slot) {
  ENetHost *enet = slot->host->enet;
  const ENetPeer *peer = &enet->peers[slot->index];
  ENetProtocolDisconnect command;
  enet_uint8 datagram[2 + sizeof(enet_uint32) + sizeof(command)];
  enet_uint16 header = ENET_HOST_TO_NET_16(
      (enet_uint16)(slot->remote_id | peer->outgoingSessionID << ENET_PROTOCOL_HEADER_SESSION_SHIFT));
  size_t length = sizeof(header), checksum_at = length;
  ENetBuffer buffer;
  command.header.command = ENET_PROTOCOL_COMMAND_DISCONNECT | ENET_PROTOCOL_COMMAND_FLAG_UNSEQUENCED;
  command.header.channelID = 0xFF;
  command.header.reliableSequenceNumber = 0;
  command.data = ENET_HOST_TO_NET_32(slot->close_data);
  memcpy(datagram, &header, sizeof(header));
  if (enet->checksum) {
    memcpy(datagram + checksum_at, &slot->connect_id, sizeof(slot->connect_id));
    length += sizeof(slot->connect_id);
  }
  memcpy(datagram + length, &command, sizeof(command));
  length += sizeof(command);
  buffer.data = datagram;
  buffer.dataLength = length;
  if (enet->checksum) {
    enet_uint32 sum = enet->checksum(&buffer, 1);
    memcpy(datagram + checksum_at, &sum, sizeof(sum));
  }
  enet_socket_send(enet->socket, &peer->address, &buffer, 1);
}
