#include "wire/datagram.h"

#include <string.h>

#include "base/threads.h"

/* The datagram that ENet is about to verify, and has been verified. */
static ENETJS_THREAD_LOCAL struct {
  const enet_uint8 *bytes;
  enet_uint32 sum;
} verified;

bool enetjs_datagram_parse(const ENetHost *enet, enet_uint8 *bytes, size_t length,
                           struct enetjs_datagram *datagram) {
  enet_uint16 word;
  if (length < offsetof(ENetProtocolHeader, sentTime)) return false;
  memcpy(&word, bytes, sizeof(word));
  word = ENET_NET_TO_HOST_16(word);
  datagram->bytes = bytes;
  datagram->length = length;
  datagram->session =
      (enet_uint8)((word & ENET_PROTOCOL_HEADER_SESSION_MASK) >> ENET_PROTOCOL_HEADER_SESSION_SHIFT);
  datagram->flags = word & ENET_PROTOCOL_HEADER_FLAG_MASK;
  datagram->peer =
      (enet_uint16)(word & ~(ENET_PROTOCOL_HEADER_FLAG_MASK | ENET_PROTOCOL_HEADER_SESSION_MASK));
  datagram->header_bytes = datagram->flags & ENET_PROTOCOL_HEADER_FLAG_SENT_TIME
                               ? sizeof(ENetProtocolHeader)
                               : offsetof(ENetProtocolHeader, sentTime);
  if (enet->checksum) datagram->header_bytes += sizeof(enet_uint32);
  return length >= datagram->header_bytes;
}

static bool decompress(ENetHost *enet, struct enetjs_datagram *datagram, enet_uint8 *room) {
  size_t header = datagram->header_bytes, limit = ENET_PROTOCOL_MAXIMUM_MTU - header, length;
  if (!enet->compressor.context || !enet->compressor.decompress) return false;
  length = enet->compressor.decompress(enet->compressor.context, datagram->bytes + header,
                                       datagram->length - header, room + header, limit);
  if (length == 0 || length > limit) return false;
  memcpy(room, datagram->bytes, header);
  datagram->bytes = room;
  datagram->length = header + length;
  return true;
}

static bool verify(ENetHost *enet, const struct enetjs_datagram *datagram, enet_uint32 connect_id) {
  enet_uint8 *field = datagram->bytes + datagram->header_bytes - sizeof(enet_uint32);
  ENetBuffer buffer;
  enet_uint32 expected, sum;
  memcpy(&expected, field, sizeof(expected));
  memcpy(field, &connect_id, sizeof(connect_id));
  buffer.data = datagram->bytes;
  buffer.dataLength = datagram->length;
  sum = enet->checksum(&buffer, 1);
  memcpy(field, &expected, sizeof(expected));
  return sum == expected;
}

bool enetjs_datagram_open(ENetHost *enet, struct enetjs_datagram *datagram, enetjs_datagram_room room,
                          enet_uint32 connect_id) {
  if ((datagram->flags & ENET_PROTOCOL_HEADER_FLAG_COMPRESSED) && !decompress(enet, datagram, room))
    return false;
  return !enet->checksum || verify(enet, datagram, connect_id);
}

void enetjs_datagram_readdress(struct enetjs_datagram *datagram, enet_uint16 peer) {
  enet_uint16 word;
  datagram->peer = peer;
  datagram->flags &= ENET_PROTOCOL_HEADER_FLAG_SENT_TIME; /* opened, it is no longer compressed */
  word = ENET_HOST_TO_NET_16(
      (enet_uint16)(peer | datagram->flags | datagram->session << ENET_PROTOCOL_HEADER_SESSION_SHIFT));
  memcpy(datagram->bytes, &word, sizeof(word));
}

void enetjs_datagram_hand_over(ENetHost *enet, const struct enetjs_datagram *datagram) {
  if (datagram->flags & ENET_PROTOCOL_HEADER_FLAG_COMPRESSED)
    datagram->bytes[0] &= (enet_uint8)~(ENET_PROTOCOL_HEADER_FLAG_COMPRESSED >> 8);
  if (enet->checksum) {
    verified.bytes = datagram->bytes;
    memcpy(&verified.sum, datagram->bytes + datagram->header_bytes - sizeof(verified.sum),
           sizeof(verified.sum));
  }
  enet->receivedData = datagram->bytes;
  enet->receivedDataLength = datagram->length;
}

void enetjs_datagram_sign(const ENetHost *enet, enet_uint8 *bytes, size_t at, size_t length,
                          enet_uint32 connect_id) {
  ENetBuffer buffer;
  enet_uint32 sum;
  memcpy(bytes + at, &connect_id, sizeof(connect_id));
  buffer.data = bytes;
  buffer.dataLength = length;
  sum = enet->checksum(&buffer, 1);
  memcpy(bytes + at, &sum, sizeof(sum));
}

size_t enetjs_datagram_disconnect(const ENetHost *enet, enetjs_disconnect_room room, enet_uint16 word,
                                  enet_uint32 connect_id, enet_uint32 data) {
  ENetProtocolDisconnect command;
  size_t length = sizeof(word);
  word = ENET_HOST_TO_NET_16(word);
  command.header.command = ENET_PROTOCOL_COMMAND_DISCONNECT | ENET_PROTOCOL_COMMAND_FLAG_UNSEQUENCED;
  command.header.channelID = 0xFF;
  command.header.reliableSequenceNumber = 0;
  command.data = ENET_HOST_TO_NET_32(data);
  memcpy(room, &word, sizeof(word));
  if (enet->checksum) length += sizeof(enet_uint32);
  memcpy(room + length, &command, sizeof(command));
  length += sizeof(command);
  if (enet->checksum) enetjs_datagram_sign(enet, room, sizeof(word), length, connect_id);
  return length;
}

enet_uint32 ENET_CALLBACK enetjs_datagram_checksum(const ENetBuffer *buffers, size_t count) {
  if (count == 1 && verified.bytes && buffers->data == verified.bytes) {
    verified.bytes = NULL;
    return verified.sum;
  }
  return enet_crc32(buffers, count);
}
