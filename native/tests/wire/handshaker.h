/**
 * @file handshaker.h
 * @brief Clients that shake hands with a guarded host: a plain socket that writes ENet's protocol itself, and
 * stock ENet.
 */
#ifndef ENETJS_TESTS_HANDSHAKER_H
#define ENETJS_TESTS_HANDSHAKER_H

#include "../consumer.h"

#define LIFETIME_MS 3000

/* The clock of all hosts goes on. */
static inline void skip(uint32_t ms) { enet_time_set(enet_time_get() + ms); }

/* ---- A forged client ------------------------------------------------------------------------- */

struct wire {
  bool compressed, checksum;
  void *coder; /* where compressed */
};

struct forger {
  struct wire wire;
  ENetSocket socket;
  uint16_t port, to;
  ENetProtocolConnect connect;
  size_t sent, received; /* bytes */
  unsigned answers;
  uint32_t mtu;                /* of the last answer, as what follows */
  uint16_t id, sequence, time; /* and its sessions */
  uint8_t incoming, outgoing;
  uint32_t refusal; /* the data of the last DISCONNECT */
};

/* As random as those of ENet, so that it compresses as little. */
static inline uint32_t next_connect_id(void) {
  static uint64_t random = 1;
  return test_random_u32(&random);
}

static inline void forger_open_at(struct forger *f, const struct consumer *server, uint32_t host) {
  ENetAddress address;
  memset(f, 0, sizeof(*f));
  f->to = port_of(server);
  f->socket = enet_socket_create(ENET_SOCKET_TYPE_DATAGRAM);
  address.host = ENET_HOST_TO_NET_32(host);
  address.port = 0;
  CHECK_EQ_INT(enet_socket_bind(f->socket, &address), 0);
  CHECK_EQ_INT(enet_socket_get_address(f->socket, &address), 0);
  enet_socket_set_option(f->socket, ENET_SOCKOPT_NONBLOCK, 1);
  f->port = address.port;
  f->connect.header.command = ENET_PROTOCOL_COMMAND_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  f->connect.header.channelID = 0xFF;
  f->connect.header.reliableSequenceNumber = ENET_HOST_TO_NET_16(1);
  f->connect.outgoingPeerID = ENET_HOST_TO_NET_16(5);
  f->connect.incomingSessionID = f->connect.outgoingSessionID = 0xFF;
  f->connect.mtu = ENET_HOST_TO_NET_32(1400);
  f->connect.windowSize = ENET_HOST_TO_NET_32(65536);
  f->connect.channelCount = ENET_HOST_TO_NET_32(2);
  f->connect.packetThrottleInterval = ENET_HOST_TO_NET_32(5000);
  f->connect.packetThrottleAcceleration = f->connect.packetThrottleDeceleration = ENET_HOST_TO_NET_32(2);
  f->connect.connectID = next_connect_id();
}

static inline void forger_open(struct forger *f, const struct consumer *server) {
  forger_open_at(f, server, LOOPBACK);
}

static inline void forger_close(struct forger *f) { enet_socket_destroy(f->socket); }

static inline void forger_send(struct forger *f, uint16_t word, const void *commands, size_t length) {
  uint8_t bytes[256];
  size_t at = 2;
  bool to_peer = (word & 0xFFF) != ENET_PROTOCOL_MAXIMUM_PEER_ID;
  uint32_t sum = to_peer ? f->connect.connectID : 0;
  ENetBuffer buffer = {.data = bytes}, source = {.data = (void *)(uintptr_t)commands, .dataLength = length};
  if (f->wire.compressed) word |= ENET_PROTOCOL_HEADER_FLAG_COMPRESSED;
  word = ENET_HOST_TO_NET_16(word);
  memcpy(bytes, &word, 2);
  if (ENET_NET_TO_HOST_16(word) & ENET_PROTOCOL_HEADER_FLAG_SENT_TIME) {
    memset(bytes + at, 0, 2);
    at += 2;
  }
  if (f->wire.checksum) {
    memcpy(bytes + at, &sum, 4);
    at += 4;
  }
  memcpy(bytes + at, commands, length);
  if (f->wire.checksum) {
    buffer.dataLength = at + length;
    sum = enet_crc32(&buffer, 1);
    memcpy(bytes + at - 4, &sum, 4);
  }
  if (f->wire.compressed)
    length = enet_range_coder_compress(f->wire.coder, &source, 1, length, bytes + at, sizeof(bytes) - at);
  CHECK(length > 0);
  CHECK_EQ_INT(socket_send(f->socket, f->to, bytes, at + length), (int)(at + length));
  f->sent += at + length;
}

static inline void forger_connect(struct forger *f) {
  forger_send(f, ENET_PROTOCOL_MAXIMUM_PEER_ID | ENET_PROTOCOL_HEADER_FLAG_SENT_TIME, &f->connect,
              sizeof(f->connect));
}

static inline void acknowledge(struct forger *f, uint16_t id, uint8_t session, uint16_t sequence,
                               uint16_t time) {
  ENetProtocolAcknowledge command;
  command.header.command = ENET_PROTOCOL_COMMAND_ACKNOWLEDGE;
  command.header.channelID = 0xFF;
  command.header.reliableSequenceNumber = command.receivedReliableSequenceNumber =
      ENET_HOST_TO_NET_16(sequence);
  command.receivedSentTime = ENET_HOST_TO_NET_16(time);
  forger_send(f, (uint16_t)(id | session << ENET_PROTOCOL_HEADER_SESSION_SHIFT), &command, sizeof(command));
}

static inline void forger_acknowledge(struct forger *f) {
  acknowledge(f, f->id, f->outgoing, f->sequence, f->time);
}

static inline void forger_ping(struct forger *f, uint8_t session) {
  ENetProtocolPing command;
  command.header.command = ENET_PROTOCOL_COMMAND_PING | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  command.header.channelID = 0xFF;
  command.header.reliableSequenceNumber = ENET_HOST_TO_NET_16(2);
  forger_send(
      f,
      (uint16_t)(f->id | session << ENET_PROTOCOL_HEADER_SESSION_SHIFT | ENET_PROTOCOL_HEADER_FLAG_SENT_TIME),
      &command, sizeof(command));
}

static inline void note_answer(struct forger *f, const uint8_t *commands, uint16_t time) {
  ENetProtocolVerifyConnect verify;
  ENetProtocolDisconnect disconnect;
  switch (commands[0] & ENET_PROTOCOL_COMMAND_MASK) {
    case ENET_PROTOCOL_COMMAND_VERIFY_CONNECT:
      memcpy(&verify, commands, sizeof(verify));
      CHECK(verify.connectID == f->connect.connectID);
      f->answers++;
      f->mtu = ENET_NET_TO_HOST_32(verify.mtu);
      f->id = ENET_NET_TO_HOST_16(verify.outgoingPeerID);
      f->sequence = ENET_NET_TO_HOST_16(verify.header.reliableSequenceNumber);
      f->time = time;
      f->incoming = verify.incomingSessionID;
      f->outgoing = verify.outgoingSessionID;
      break;
    case ENET_PROTOCOL_COMMAND_DISCONNECT:
      memcpy(&disconnect, commands, sizeof(disconnect));
      f->refusal = ENET_NET_TO_HOST_32(disconnect.data);
      break;
    default: break;
  }
}

/* @returns the length of the datagram that has come, or 0 */
static inline int forger_receive(struct forger *f) {
  uint8_t bytes[4096], plain[4096];
  const uint8_t *commands = bytes + 2;
  uint16_t word, time = 0;
  int length = socket_receive(f->socket, NULL, bytes, sizeof(bytes));
  if (length <= 0) return 0;
  f->received += (size_t)length;
  word = (uint16_t)(bytes[0] << 8 | bytes[1]);
  CHECK_EQ_INT(word & 0xFFF, ENET_NET_TO_HOST_16(f->connect.outgoingPeerID));
  if (word & ENET_PROTOCOL_HEADER_FLAG_SENT_TIME) {
    time = (uint16_t)(commands[0] << 8 | commands[1]);
    commands += 2;
  }
  if (f->wire.checksum) commands += 4;
  if (word & ENET_PROTOCOL_HEADER_FLAG_COMPRESSED) {
    CHECK(enet_range_coder_decompress(f->wire.coder, commands, (size_t)(bytes + length - commands), plain,
                                      sizeof(plain)) > 0);
    commands = plain;
  }
  note_answer(f, commands, time);
  return length;
}

/* Services until the host has read all that was sent before, which another datagram behind it shows. */
static inline void settle(struct consumer *server) {
  uint16_t port;
  ENetSocket last = socket_open(&port);
  unsigned before = server->datagrams;
  CHECK_EQ_INT(socket_send(last, port_of(server), "!", 1), 1);
  UNTIL(server->datagrams > before, consumer_poll(server));
  consumer_poll(server);
  enet_socket_destroy(last);
}

static inline void guarded_open(struct consumer *server) {
  consumer_start(server);
  server->config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(server);
}

static inline void close_both(struct forger *f, struct consumer *server) {
  forger_close(f);
  consumer_close(server);
}

/* Opens a client whose attempt the host has answered. */
static inline void forger_open_answered(struct forger *f, struct consumer *server) {
  forger_open(f, server);
  forger_connect(f);
  settle(server);
  CHECK(forger_receive(f) > 0);
}

static inline bool has_guard(void) { return enetjs_datagrams_batched() > 0; }

/* ---- A stock client, and what may happen to its datagrams ------------------------------------- */

struct client {
  ENetHost *host;
  ENetPeer *peer;
  unsigned connects, disconnects, receives;
  uint32_t data;
};

static inline void client_begin(struct client *c, struct wire wire, uint16_t port) {
  ENetAddress address;
  memset(c, 0, sizeof(*c));
  c->host = enet_host_create(NULL, 64, 4, 0, 0);
  CHECK(c->host != NULL);
  if (wire.compressed) CHECK_EQ_INT(enet_host_compress_with_range_coder(c->host), 0);
  if (wire.checksum) c->host->checksum = enet_crc32;
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  address.port = port;
  c->peer = enet_host_connect(c->host, &address, 3, 7);
  CHECK(c->peer != NULL);
}

static inline void client_poll(struct client *c) {
  ENetEvent event;
  while (enet_host_service(c->host, &event, 0) > 0) {
    c->connects += event.type == ENET_EVENT_TYPE_CONNECT;
    c->disconnects += event.type == ENET_EVENT_TYPE_DISCONNECT;
    c->data = event.data;
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    c->receives++;
    enet_packet_destroy(event.packet);
  }
}

static inline void poll_with(struct client *c, struct consumer *server) {
  client_poll(c);
  consumer_poll(server);
}

static inline void client_send(struct client *c, const char *text) {
  CHECK_EQ_INT(enet_peer_send(c->peer, 0, enet_packet_create(text, strlen(text), ENET_PACKET_FLAG_RELIABLE)),
               0);
}

static inline void client_exchange(struct client *c, struct consumer *server) {
  unsigned receives = c->receives, served = server->receives;
  client_send(c, "there");
  CHECK(send_text(server, server->peer, 1, "and back", 0) >= 0);
  UNTIL(c->receives > receives && server->receives > served, poll_with(c, server));
}

static inline void client_end(struct client *c) { enet_host_destroy(c->host); }

#endif
