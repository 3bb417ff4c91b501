/*
 * See answers.h. The fields follow enet_protocol_handle_connect in ENet's protocol.c, so a stock client
 * cannot tell this answer from ENet's own. The answer is compressed where ENet would compress it, because
 * hosts whose settings differ must not connect.
 *
 * Call with the host's lock held.
 */
#include "wire/answers.h"

#include <string.h>

#include "wire/datagram.h"

#define ANSWER_BYTES (sizeof(ENetProtocolHeader) + sizeof(enet_uint32) + sizeof(ENetProtocolVerifyConnect))

static void send_datagram(ENetHost *enet, struct enetjs_addresses *map, struct enetjs_attempt *attempt,
                          enet_uint8 *bytes, size_t length) {
  ENetBuffer buffer;
  int sent;
  attempt->sent += (enet_uint32)length;
  buffer.data = bytes;
  buffer.dataLength = length;
  sent = enetjs_addresses_send(map, enet, &attempt->address, &buffer);
  if (sent <= 0) return;
  enet->totalSentData += (enet_uint32)sent;
  enet->totalSentPackets++;
}

enet_uint16 enetjs_answer_header(const struct enetjs_attempt *attempt) {
  return (enet_uint16)(ENET_NET_TO_HOST_16(attempt->connect.outgoingPeerID) |
                       attempt->outgoing << ENET_PROTOCOL_HEADER_SESSION_SHIFT);
}

/* ---- VERIFY_CONNECT -------------------------------------------------------------------------- */

static enet_uint32 limit(enet_uint32 value, enet_uint32 least, enet_uint32 most) {
  return value < least ? least : value > most ? most : value;
}

enet_uint32 enetjs_answer_channels(const ENetHost *enet, const struct enetjs_attempt *attempt) {
  return limit(ENET_NET_TO_HOST_32(attempt->connect.channelCount), 1, (enet_uint32)enet->channelLimit);
}

static enet_uint32 window_of(const ENetHost *enet, const ENetProtocolConnect *connect) {
  enet_uint32 ours = enet->incomingBandwidth == 0 ? ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE
                                                  : enet->incomingBandwidth / ENET_PEER_WINDOW_SIZE_SCALE *
                                                        ENET_PROTOCOL_MINIMUM_WINDOW_SIZE;
  enet_uint32 theirs = ENET_NET_TO_HOST_32(connect->windowSize);
  return limit(ours < theirs ? ours : theirs, ENET_PROTOCOL_MINIMUM_WINDOW_SIZE,
               ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE);
}

static void put_assigned(const ENetHost *enet, const struct enetjs_attempt *attempt,
                         ENetProtocolVerifyConnect *verify) {
  const ENetProtocolConnect *connect = &attempt->connect;
  verify->header.command = ENET_PROTOCOL_COMMAND_VERIFY_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  verify->header.channelID = 0xFF;
  verify->header.reliableSequenceNumber = ENET_HOST_TO_NET_16(attempt->sequence);
  verify->outgoingPeerID = ENET_HOST_TO_NET_16(attempt->id);
  verify->incomingSessionID = attempt->outgoing;
  verify->outgoingSessionID = attempt->incoming;
  verify->mtu = ENET_HOST_TO_NET_32(
      limit(ENET_NET_TO_HOST_32(connect->mtu), ENET_PROTOCOL_MINIMUM_MTU, ENET_PROTOCOL_MAXIMUM_MTU) |
      (attempt->promised ? 0 : ENETJS_TENTATIVE));
  verify->windowSize = ENET_HOST_TO_NET_32(window_of(enet, connect));
  verify->channelCount = ENET_HOST_TO_NET_32(enetjs_answer_channels(enet, attempt));
  verify->incomingBandwidth = ENET_HOST_TO_NET_32(enet->incomingBandwidth);
  verify->outgoingBandwidth = ENET_HOST_TO_NET_32(enet->outgoingBandwidth);
  verify->packetThrottleInterval = connect->packetThrottleInterval;
  verify->packetThrottleAcceleration = connect->packetThrottleAcceleration;
  verify->packetThrottleDeceleration = connect->packetThrottleDeceleration;
  verify->connectID = connect->connectID;
}

/* @returns the compressed length, or 0 when compression does not make it shorter */
static size_t compress(const ENetHost *enet, const ENetProtocolVerifyConnect *verify, enet_uint8 *out) {
  const ENetCompressor *compressor = &enet->compressor;
  const size_t length = sizeof(*verify);
  ENetBuffer buffer;
  size_t compressed;
  if (!compressor->context || !compressor->compress) return 0;
  buffer.data = (void *)(uintptr_t)verify;
  buffer.dataLength = length;
  compressed = compressor->compress(compressor->context, &buffer, 1, length, out, length);
  return compressed < length ? compressed : 0;
}

/* The checksum is that of the commands before compression, below a header that says they are compressed. */
static size_t write_answer(const ENetHost *enet, const struct enetjs_attempt *attempt, enet_uint8 *bytes) {
  ENetProtocolVerifyConnect verify;
  ENetProtocolHeader header;
  enet_uint8 small[sizeof(verify)];
  size_t commands = sizeof(header) + (enet->checksum ? sizeof(enet_uint32) : 0), compressed;
  enet_uint16 flags = ENET_PROTOCOL_HEADER_FLAG_SENT_TIME;
  put_assigned(enet, attempt, &verify);
  compressed = compress(enet, &verify, small);
  if (compressed > 0) flags |= ENET_PROTOCOL_HEADER_FLAG_COMPRESSED;
  header.peerID = ENET_HOST_TO_NET_16((enet_uint16)(enetjs_answer_header(attempt) | flags));
  header.sentTime = ENET_HOST_TO_NET_16((enet_uint16)enet->serviceTime);
  memcpy(bytes, &header, sizeof(header));
  memcpy(bytes + commands, &verify, sizeof(verify));
  if (enet->checksum)
    enetjs_datagram_sign(enet, bytes, sizeof(header), commands + sizeof(verify), attempt->connect.connectID);
  if (compressed == 0) return commands + sizeof(verify);
  memcpy(bytes + commands, small, compressed);
  return commands + compressed;
}

static void send_answer(ENetHost *enet, struct enetjs_addresses *map, struct enetjs_attempt *attempt,
                        enet_uint8 *bytes, size_t length) {
  attempt->answered = enet->serviceTime;
  send_datagram(enet, map, attempt, bytes, length);
}

bool enetjs_answer_within_credit(ENetHost *enet, struct enetjs_addresses *map,
                                 struct enetjs_attempt *attempt) {
  enet_uint8 bytes[ANSWER_BYTES];
  size_t length = write_answer(enet, attempt, bytes);
  if (attempt->sent + length > attempt->received) return false;
  send_answer(enet, map, attempt, bytes, length);
  return true;
}

void enetjs_answer_again(ENetHost *enet, struct enetjs_addresses *map, struct enetjs_attempt *attempt) {
  enet_uint8 bytes[ANSWER_BYTES];
  send_answer(enet, map, attempt, bytes, write_answer(enet, attempt, bytes));
}

/* ---- Refusal --------------------------------------------------------------------------------- */

bool enetjs_answer_refusal(ENetHost *enet, struct enetjs_addresses *map, struct enetjs_attempt *attempt) {
  enetjs_disconnect_room datagram;
  size_t length = enetjs_datagram_disconnect(enet, datagram, enetjs_answer_header(attempt),
                                             attempt->connect.connectID, attempt->refusal);
  if (!attempt->proved && attempt->sent + length > attempt->received) return false;
  send_datagram(enet, map, attempt, datagram, length);
  return true;
}
