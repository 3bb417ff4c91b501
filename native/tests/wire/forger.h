/**
 * @file forger.h
 * @brief A peer that completes the handshake, and then sends datagrams that ENet never would.
 */
#ifndef ENETJS_TESTS_FORGER_H
#define ENETJS_TESTS_FORGER_H

#include "../consumer.h"

static inline void release_packet(struct consumer *c, const struct record *r) {
  (void)c;
  if (r->type == ENETJS_EVENT_PACKET) CHECK_EQ_INT(enetjs_packet_release(packet_of(r)), 0);
}

/** Starts a server with little room beside what may wait for one peer; it keeps no packet. */
static inline void tight_server_start(struct consumer *server, double maximum_waiting_data) {
  consumer_start(server);
  server->config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = maximum_waiting_data;
  server->config[ENETJS_CONFIG_MAXIMUM_PACKET_SIZE] = 1 << 20;
  server->config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  server->config[ENETJS_CONFIG_ARENA_BYTES] = 4096;
  server->on_event = release_packet;
}

struct forger {
  ENetSocket socket;
  uint16_t port, to;
  uint16_t header; /* peer id and session, with the flag for a sent time */
  uint16_t control; /* sequence of commands without a channel */
  uint32_t connect_id;
  uint8_t bytes[ENET_PROTOCOL_MAXIMUM_MTU];
  size_t length;
};

static inline void forge_begin(struct forger *f) {
  uint16_t words[2] = {ENET_HOST_TO_NET_16(f->header), ENET_HOST_TO_NET_16((uint16_t)enet_time_get())};
  memcpy(f->bytes, words, sizeof(words));
  f->length = sizeof(words);
}

static inline bool forge_fits(const struct forger *f, size_t length, size_t mtu) {
  return f->length + length <= mtu;
}

static inline void forge_put(struct forger *f, const void *command, size_t size) {
  memcpy(f->bytes + f->length, command, size);
  f->length += size;
}

static inline void forge_flush(struct forger *f) {
  CHECK(socket_send(f->socket, f->to, f->bytes, f->length) == (int)f->length);
}

static inline ENetProtocolCommandHeader forge_header(unsigned kind, unsigned flags, uint8_t channel,
                                                     uint16_t sequence) {
  ENetProtocolCommandHeader header;
  header.command = (enet_uint8)(kind | flags);
  header.channelID = channel;
  header.reliableSequenceNumber = ENET_HOST_TO_NET_16(sequence);
  return header;
}

static inline void forge_reliable(struct forger *f, uint8_t channel, uint16_t sequence, uint16_t length) {
  static const uint8_t zeroes[ENET_PROTOCOL_MAXIMUM_MTU];
  ENetProtocolSendReliable command;
  command.header = forge_header(ENET_PROTOCOL_COMMAND_SEND_RELIABLE, ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE,
                                channel, sequence);
  command.dataLength = ENET_HOST_TO_NET_16(length);
  forge_put(f, &command, sizeof(command));
  forge_put(f, zeroes, length);
}

static inline void forge_unreliable(struct forger *f, uint8_t channel, uint16_t reliable, uint16_t sequence) {
  ENetProtocolSendUnreliable command;
  command.header = forge_header(ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE, 0, channel, reliable);
  command.unreliableSequenceNumber = ENET_HOST_TO_NET_16(sequence);
  command.dataLength = 0;
  forge_put(f, &command, sizeof(command));
}

/** A fragment with the bytes and lengths that are given, whether or not they make sense. */
static inline void forge_fragment_of(struct forger *f, unsigned kind, uint8_t channel, uint16_t reliable,
                                     uint16_t start, uint32_t count, uint32_t number, uint32_t total,
                                     uint32_t offset, const void *bytes, uint16_t length) {
  bool acknowledged = kind == ENET_PROTOCOL_COMMAND_SEND_FRAGMENT;
  ENetProtocolSendFragment command;
  command.header =
      forge_header(kind, acknowledged ? ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE : 0, channel, reliable);
  command.startSequenceNumber = ENET_HOST_TO_NET_16(start);
  command.dataLength = ENET_HOST_TO_NET_16(length);
  command.fragmentCount = ENET_HOST_TO_NET_32(count);
  command.fragmentNumber = ENET_HOST_TO_NET_32(number);
  command.totalLength = ENET_HOST_TO_NET_32(total);
  command.fragmentOffset = ENET_HOST_TO_NET_32(offset);
  forge_put(f, &command, sizeof(command));
  forge_put(f, bytes, length);
}

/** A fragment of one byte. */
static inline void forge_fragment(struct forger *f, unsigned kind, uint8_t channel, uint16_t reliable,
                                  uint16_t start, uint32_t count, uint32_t number, uint32_t total,
                                  uint32_t offset) {
  forge_fragment_of(f, kind, channel, reliable, start, count, number, total, offset, "x", 1);
}

/** One fragment of a message, as ENet divides it into fragments of `size` bytes. */
static inline void forge_part(struct forger *f, unsigned kind, uint8_t channel, uint16_t reliable,
                              uint16_t start, uint32_t total, uint16_t size, uint32_t number) {
  static const uint8_t zeroes[ENET_PROTOCOL_MAXIMUM_MTU];
  uint32_t offset = number * size, left = total - offset;
  forge_fragment_of(f, kind, channel, reliable, start, (total + size - 1) / size, number, total, offset,
                    zeroes, left < size ? (uint16_t)left : size);
}

static inline void forge_acknowledge(struct forger *f, uint8_t channel, uint16_t sequence,
                                     uint16_t sent_time) {
  ENetProtocolAcknowledge command;
  command.header = forge_header(ENET_PROTOCOL_COMMAND_ACKNOWLEDGE, 0, channel, sequence);
  command.receivedReliableSequenceNumber = ENET_HOST_TO_NET_16(sequence);
  command.receivedSentTime = sent_time;
  forge_put(f, &command, sizeof(command));
}

static inline void forge_disconnect(struct forger *f) {
  ENetProtocolDisconnect command;
  command.header =
      forge_header(ENET_PROTOCOL_COMMAND_DISCONNECT, ENET_PROTOCOL_COMMAND_FLAG_UNSEQUENCED, 0xFF, 0);
  command.data = 0;
  forge_begin(f);
  forge_put(f, &command, sizeof(command));
  forge_flush(f);
}

static inline void forge_connect_command(struct forger *f, uint32_t channels) {
  ENetProtocolConnect c;
  uint16_t words[2] = {
      ENET_HOST_TO_NET_16(ENET_PROTOCOL_MAXIMUM_PEER_ID | ENET_PROTOCOL_HEADER_FLAG_SENT_TIME), 0};
  memset(&c, 0, sizeof(c));
  c.header = forge_header(ENET_PROTOCOL_COMMAND_CONNECT, ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, 0xFF, 1);
  c.incomingSessionID = c.outgoingSessionID = 0xFF;
  c.mtu = ENET_HOST_TO_NET_32(ENETJS_DEFAULT_MTU);
  c.windowSize = ENET_HOST_TO_NET_32(65536);
  c.channelCount = ENET_HOST_TO_NET_32(channels);
  c.packetThrottleInterval = ENET_HOST_TO_NET_32(5000);
  c.connectID = f->connect_id;
  memcpy(f->bytes, words, sizeof(words));
  f->length = sizeof(words);
  forge_put(f, &c, sizeof(c));
  forge_flush(f);
}

/* @returns whether the VERIFY_CONNECT has come; acknowledges it */
static inline bool forge_verified(struct forger *f) {
  uint8_t in[ENET_PROTOCOL_MAXIMUM_MTU];
  ENetProtocolVerifyConnect v;
  uint16_t sent_time, session;
  int length = socket_receive(f->socket, NULL, in, sizeof(in));
  if (length < (int)(4 + sizeof(v))) return false;
  memcpy(&v, in + 4, sizeof(v));
  if ((v.header.command & ENET_PROTOCOL_COMMAND_MASK) != ENET_PROTOCOL_COMMAND_VERIFY_CONNECT) return false;
  memcpy(&sent_time, in + 2, sizeof(sent_time));
  session = v.outgoingSessionID;
  f->header = (uint16_t)(ENET_NET_TO_HOST_16(v.outgoingPeerID) |
                         session << ENET_PROTOCOL_HEADER_SESSION_SHIFT | ENET_PROTOCOL_HEADER_FLAG_SENT_TIME);
  forge_begin(f);
  forge_acknowledge(f, 0xFF, ENET_NET_TO_HOST_16(v.header.reliableSequenceNumber), sent_time);
  forge_flush(f);
  return true;
}

/** Connects to the server, which is serviced meanwhile but not drained. */
static inline void forger_connect(struct forger *f, struct consumer *server, uint32_t channels) {
  struct enetjs_host *h = host_of(server);
  size_t before = h->enet->connectedPeers;
  f->to = port_of(server);
  f->connect_id++;
  forge_connect_command(f, channels);
  UNTIL(forge_verified(f), CHECK(enetjs_host_service(server->host, 0) >= 0));
  UNTIL(h->enet->connectedPeers > before, CHECK(enetjs_host_service(server->host, 0) >= 0));
}

static inline void forger_open(struct forger *f) {
  memset(f, 0, sizeof(*f));
  f->socket = socket_open(&f->port);
  f->connect_id = 77;
}

/** Throws away what the server has sent. */
static inline void forger_drain(struct forger *f) {
  uint8_t in[ENET_PROTOCOL_MAXIMUM_MTU];
  while (socket_receive(f->socket, NULL, in, sizeof(in)) > 0) continue;
}

/** Sends the datagram, and services the server until it has come: a busy system delivers late. */
static inline void forger_send(struct forger *f, struct consumer *server) {
  double received = statistic(server, ENETJS_HOST_STAT_RECEIVED_PACKETS);
  forge_flush(f);
  UNTIL(statistic(server, ENETJS_HOST_STAT_RECEIVED_PACKETS) != received,
        CHECK(enetjs_host_service(server->host, 0) >= 0));
  forger_drain(f);
  forge_begin(f);
}

#endif
