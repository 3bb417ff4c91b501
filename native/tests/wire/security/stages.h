/**
 * @file stages.h
 * @brief For tests: two security stages, a client's and a server's, and the datagrams between them.
 *
 * Nothing is sent by itself: what a stage sends waits in its outbox until the test delivers it.
 */
#ifndef ENETJS_TESTS_STAGES_H
#define ENETJS_TESTS_STAGES_H

#include <string.h>

#include "../../harness.h"
#include "base/random.h"
#include "wire/security/security_state.h"

#define OUTBOX 16
#define DATAGRAM 1500
#define FAKE_PEERS 8

struct sent {
  struct enetjs_endpoint to;
  size_t length;
  uint8_t bytes[DATAGRAM];
};

struct side {
  ENetHost enet;
  ENetPeer peers[FAKE_PEERS];
  uint64_t counters[ENETJS_HOST_STAT_COUNT];
  struct enetjs_security *stage;
  struct enetjs_endpoint address;
  bool refuses; /* what the stage asks */
  struct sent outbox[OUTBOX];
  size_t count, bytes_sent;
  uint8_t received[ENET_PROTOCOL_MAXIMUM_MTU];
  struct enetjs_endpoint from; /* of that */
};

struct pair {
  struct side client, server;
  struct enetjs_security_server config;
  struct enetjs_security_attempt attempt;
  struct enetjs_endpoint session; /* the client's */
};

static void side_send(void *owner, const struct enetjs_endpoint *to, const uint8_t *bytes, size_t length) {
  struct side *side = owner;
  struct sent *sent = &side->outbox[side->count % OUTBOX];
  CHECK(length <= DATAGRAM);
  side->count++;
  side->bytes_sent += length;
  sent->to = *to;
  sent->length = length;
  memcpy(sent->bytes, bytes, length);
}

static bool side_admits(void *owner, const struct enetjs_endpoint *from, size_t length) {
  (void)from, (void)length;
  return !((struct side *)owner)->refuses;
}

static bool side_admits_handshake(void *owner, const struct enetjs_endpoint *from) {
  return side_admits(owner, from, 0);
}

static void side_begin(struct side *side, uint32_t ipv4, uint16_t port) {
  struct enetjs_security_parts parts = {&side->enet, side->counters,        side_send,
                                        side_admits, side_admits_handshake, side};
  side->enet.peers = side->peers;
  side->enet.peerCount = FAKE_PEERS;
  side->address = enetjs_endpoint_of_ipv4(ipv4, port);
  side->stage = enetjs_security_create(&parts);
  CHECK(side->stage != NULL);
}

static void draw_pair(struct enetjs_key_pair *pair) {
  uint8_t secret[ENETJS_KEY_BYTES];
  enetjs_random(secret, sizeof(secret));
  enetjs_key_pair_of(pair, secret);
}

/* A server, and what a client needs to connect to it. The test may change both before pair_serve. */
static void pair_begin(struct pair *pair) {
  memset(pair, 0, sizeof(*pair));
  CHECK(enetjs_sodium() != NULL);
  side_begin(&pair->client, 0x7F000001, 1000);
  side_begin(&pair->server, 0x7F000002, 2000);
  draw_pair(&pair->config.keys);
  memcpy(pair->attempt.server_key, pair->config.keys.public, ENETJS_KEY_BYTES);
}

static void pair_end(struct pair *pair) {
  enetjs_security_destroy(pair->client.stage);
  enetjs_security_destroy(pair->server.stage);
}

/* Gives a stage a datagram. @returns bytes for ENet, or 0; ENETJS_SECURITY_PLAIN */
static int side_take(struct side *side, const struct enetjs_endpoint *from, const uint8_t *bytes,
                     size_t length) {
  ENetBuffer buffer;
  buffer.data = side->received;
  buffer.dataLength = sizeof(side->received);
  side->from = *from;
  return enetjs_security_arrive(side->stage, &side->from, bytes, length, &buffer);
}

/* Has the other side take what a side has sent last. */
static int deliver(struct side *from, struct side *to) {
  const struct sent *sent = &from->outbox[(from->count - 1) % OUTBOX];
  CHECK(from->count > 0);
  return side_take(to, &from->address, sent->bytes, sent->length);
}

/* What ENet sends. @returns bytes that leave */
static size_t side_seal(struct side *side, const struct enetjs_endpoint *session, const char *text,
                        enetjs_sealed_room out) {
  struct enetjs_endpoint to = *session;
  ENetBuffer buffer;
  buffer.data = (void *)(uintptr_t)text;
  buffer.dataLength = strlen(text);
  return enetjs_security_leave(side->stage, &to, &buffer, 1, out);
}

static void pair_serve(struct pair *pair) { enetjs_security_serve(pair->server.stage, &pair->config); }

/* The client sends its HELLO, with a datagram of ENet that waits, and with a cookie of its last session. */
static void pair_hello_again(struct pair *pair) {
  enetjs_sealed_room room;
  CHECK_EQ_INT(
      enetjs_security_connect(pair->client.stage, &pair->server.address, &pair->attempt, &pair->session), 0);
  pair->client.peers[0].state = ENET_PEER_STATE_CONNECTING;
  pair->client.peers[0].address = enetjs_endpoint_plain(&pair->session);
  CHECK_EQ_INT(side_seal(&pair->client, &pair->session, "CONNECT", room), 0);
  enetjs_security_tick(pair->client.stage);
}

/* As a client that has had no session. */
static void pair_hello(struct pair *pair) {
  memset(&pair->client.stage->resumptions, 0, sizeof(pair->client.stage->resumptions));
  pair_hello_again(pair);
}

/* Up to the client's HELLO with a cookie, which has not come yet. */
static void pair_prove(struct pair *pair) {
  pair_hello(pair);
  CHECK_EQ_INT(deliver(&pair->client, &pair->server), 0);
  CHECK_EQ_INT(deliver(&pair->server, &pair->client), 0);
}

/* HELLO, RETRY, HELLO: the server has sent its REPLY, or nothing. */
static void pair_ask(struct pair *pair) {
  pair_prove(pair);
  CHECK_EQ_INT(deliver(&pair->client, &pair->server), 0);
}

/* All of it. @returns bytes of what the client had ENet's CONNECT wait for, as the server's ENet sees it */
static inline int pair_connect(struct pair *pair) {
  pair_ask(pair);
  CHECK_EQ_INT(deliver(&pair->server, &pair->client), 0);
  return deliver(&pair->client, &pair->server);
}

#endif
