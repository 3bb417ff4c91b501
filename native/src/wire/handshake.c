/*
 * See handshake.h. What a CONNECT must hold is what enet_protocol_handle_connect in ENet's protocol.c asks of
 * it.
 */
#include "wire/handshake.h"

#include <string.h>

#include "wire/command.h"
#include "wire/mtu.h"

static bool is_acceptable(const ENetProtocolConnect *connect) {
  enet_uint32 channels = ENET_NET_TO_HOST_32(connect->channelCount);
  return channels >= ENET_PROTOCOL_MINIMUM_CHANNEL_COUNT && channels <= ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT &&
         ENET_NET_TO_HOST_16(connect->outgoingPeerID) < ENET_PROTOCOL_MAXIMUM_PEER_ID;
}

bool enetjs_handshake_read_connect(const ENetHost *enet, const struct enetjs_addresses *addresses,
                                   const struct enetjs_datagram *connect, size_t received,
                                   struct enetjs_attempt *attempt) {
  memset(attempt, 0, sizeof(*attempt));
  attempt->address = enetjs_addresses_real(addresses, &enet->receivedAddress);
  attempt->id = ENET_PROTOCOL_MAXIMUM_PEER_ID;
  attempt->received = (enet_uint32)received;
  memcpy(&attempt->connect, connect->bytes + connect->header_bytes, sizeof(attempt->connect));
  attempt->connect.mtu = enetjs_mtu_limit(enet, &attempt->address, attempt->connect.mtu);
  return is_acceptable(&attempt->connect);
}

enum enetjs_handshake_proof enetjs_handshake_proof_in(const struct enetjs_datagram *datagram,
                                                      const struct enetjs_attempt *attempt) {
  struct enetjs_command command;
  const ENetProtocolAcknowledge *acknowledge;
  if (!enetjs_command_first(datagram, &command) || command.kind != ENET_PROTOCOL_COMMAND_ACKNOWLEDGE)
    return ENETJS_HANDSHAKE_SILENT;
  acknowledge = &command.protocol->acknowledge;
  return acknowledge->header.channelID == ENETJS_PEER_CHANNEL &&
                 acknowledge->receivedReliableSequenceNumber == ENET_HOST_TO_NET_16(attempt->sequence)
             ? ENETJS_HANDSHAKE_PROVED
             : ENETJS_HANDSHAKE_WRONG;
}

bool enetjs_handshake_disconnects(const struct enetjs_datagram *datagram, bool *awaits) {
  struct enetjs_command command;
  for (size_t at = datagram->header_bytes;
       enetjs_command_read(datagram->bytes + at, datagram->length - at, &command); at += command.length) {
    if (command.kind != ENET_PROTOCOL_COMMAND_DISCONNECT) continue;
    *awaits = (datagram->bytes[at] & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE) != 0;
    return true;
  }
  return false;
}
