/*
 * Cuts a long message into fragments, a few at a time, as they may leave.
 *
 * enet_peer_send cuts a message at once, and makes a command of each fragment: 24,000 for 32 MiB, for every
 * peer of a broadcast. While a peer acknowledges nothing, all of them stay in ENet's lists, which ENet walks.
 * When the connection ends, ENet frees them in one go.
 *
 * The commands are those of enet_peer_send (peer.c of ENet). ENet frees a message when the last fragment that
 * it has is acknowledged; a reference of our own keeps the message until ENet has all fragments.
 *
 * Invariant: the fragments of a message have consecutive sequence numbers, so nothing else is sent on their
 * channel in between. Called with the host's lock held.
 */
#include "enet/send_fragments.h"

#include "base/number.h"
#include "enet/window.h"

size_t enetjs_fragment_length(const ENetPeer *peer, size_t reserve) {
  return peer->mtu - sizeof(ENetProtocolHeader) - sizeof(ENetProtocolSendFragment) -
         (peer->host->checksum ? sizeof(enet_uint32) : 0) - reserve;
}

bool enetjs_fragments_begin(struct enetjs_fragments *fragments, const ENetPeer *peer, enet_uint8 channel,
                            ENetPacket *packet, size_t length) {
  size_t count = (packet->dataLength + length - 1) / length;
  if (count > ENET_PROTOCOL_MAXIMUM_FRAGMENT_COUNT) return false;
  fragments->packet = packet;
  fragments->number = 0;
  fragments->count = (enet_uint32)count;
  fragments->start = (enet_uint16)(peer->channels[channel].outgoingReliableSequenceNumber + 1);
  fragments->length = (enet_uint16)length;
  fragments->channel = channel;
  packet->referenceCount++;
  return true;
}

size_t enetjs_fragments_left(const struct enetjs_fragments *fragments) {
  if (!fragments->packet) return 0;
  return fragments->packet->dataLength - (size_t)fragments->number * fragments->length;
}

static bool give_one(const struct enetjs_fragments *fragments, ENetPeer *peer, size_t length) {
  enet_uint32 offset = fragments->number * fragments->length;
  ENetProtocol command;
  command.header.command = ENET_PROTOCOL_COMMAND_SEND_FRAGMENT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  command.header.channelID = fragments->channel;
  command.sendFragment.startSequenceNumber = ENET_HOST_TO_NET_16(fragments->start);
  command.sendFragment.dataLength = ENET_HOST_TO_NET_16((enet_uint16)length);
  command.sendFragment.fragmentCount = ENET_HOST_TO_NET_32(fragments->count);
  command.sendFragment.fragmentNumber = ENET_HOST_TO_NET_32(fragments->number);
  command.sendFragment.totalLength = ENET_HOST_TO_NET_32((enet_uint32)fragments->packet->dataLength);
  command.sendFragment.fragmentOffset = ENET_HOST_TO_NET_32(offset);
  return enet_peer_queue_outgoing_command(peer, &command, fragments->packet, offset, (enet_uint16)length) !=
         NULL;
}

size_t enetjs_fragments_give(struct enetjs_fragments *fragments, ENetPeer *peer, size_t room) {
  size_t given = 0;
  while (fragments->packet && given < room && !enetjs_window_wraps(peer, fragments->channel)) {
    size_t length = enetjs_smaller(enetjs_fragments_left(fragments), fragments->length);
    if (!give_one(fragments, peer, length)) break;
    given += length;
    if (++fragments->number < fragments->count) continue;
    fragments->packet->referenceCount--; /* the last fragment has a reference of its own */
    fragments->packet = NULL;
  }
  return given;
}

void enetjs_fragments_drop(struct enetjs_fragments *fragments) {
  ENetPacket *packet = fragments->packet;
  fragments->packet = NULL;
  if (packet && --packet->referenceCount == 0) enet_packet_destroy(packet);
}
