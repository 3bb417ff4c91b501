/**
 * @file world.h
 * @brief The other sides of the host under test: peers that do true handshakes, and strangers.
 *
 * A reader takes what the host sends: it remembers sessions and peer ids, and what it is to acknowledge.
 * Strangers never see an answer, as if their source addresses were forged. Datagrams are composed from
 * what an endpoint really knows; the fuzzer says what is to be wrong about them.
 */
#ifndef ENETJS_TESTS_FUZZ_WORLD_H
#define ENETJS_TESTS_FUZZ_WORLD_H

#include "system.h"
#include "wire/command.h"

enum {
  WORLD_READERS = 12,
  WORLD_ENDPOINTS = 1024,
  WORLD_PENDING = 64,
  WORLD_CHANNELS = 8,
  WORLD_ADDRESS = 0x0A000000, /* of the first endpoint; two share an address, with a port each */
  WORLD_PORT = 4000
};

enum standing { STRANGE, GREETED, CALLED, JOINED };

/** A command that the host wants acknowledged. */
struct pending {
  uint16_t sequence, sent_time;
  uint8_t channel, command;
};

struct endpoint {
  enum standing standing;
  bool proved, called;      /* it has answered what the host sent to it; the host began */
  uint64_t received, sent;  /* bytes, by the host */
  uint16_t peer_id;         /* the host's name for it, */
  uint8_t session;          /* which headers carry with this session */
  uint32_t connect_id;      /* network byte order, as it stands in the commands */
  ENetProtocolConnect call; /* the host's CONNECT */
  unsigned pending;
  struct pending acknowledge[WORLD_PENDING];
  /* Of the generator: what this side has numbered last. */
  uint16_t control, group, reliable[WORLD_CHANNELS], unreliable[WORLD_CHANNELS];
  unsigned mood, mood_left;
};

static struct {
  const ENetHost *enet; /* of the host under test */
  void *coder;
  struct endpoint endpoint[WORLD_ENDPOINTS];
  uint64_t unproved_excess; /* datagrams that exceeded what their unproved address had sent */
  uint64_t guessed;         /* connections from strangers */
} world;

static uint32_t world_address(uint32_t index) { return WORLD_ADDRESS + index / 2; }
static uint16_t world_port(uint32_t index) { return (uint16_t)(WORLD_PORT + index % 2); }

/** @returns the endpoint's index, or WORLD_ENDPOINTS for none */
static uint32_t world_find(uint32_t address, uint16_t port) {
  uint32_t index = (address - WORLD_ADDRESS) * 2 + (uint32_t)(port - WORLD_PORT);
  return index < WORLD_ENDPOINTS && port >= WORLD_PORT && port < WORLD_PORT + 2 ? index : WORLD_ENDPOINTS;
}

static uint16_t world_time(void) { return (uint16_t)(enet_time_get() & 0xFFFF); }

/* ---- What the host sends --------------------------------------------------------------------- */

static void forget(struct endpoint *e) {
  e->standing = STRANGE;
  e->pending = 0;
}

static void remember(struct endpoint *e, const ENetProtocol *command, uint16_t sent_time) {
  struct pending *p = &e->acknowledge[e->pending < WORLD_PENDING ? e->pending++ : WORLD_PENDING - 1];
  p->sequence = ntohs(command->header.reliableSequenceNumber);
  p->channel = command->header.channelID;
  p->command = command->header.command & ENET_PROTOCOL_COMMAND_MASK;
  p->sent_time = sent_time;
}

static void on_verify(struct endpoint *e, const ENetProtocolVerifyConnect *verify) {
  if (e->standing != GREETED || verify->connectID != e->connect_id) return;
  e->peer_id = ntohs(verify->outgoingPeerID);
  e->session = verify->outgoingSessionID & 3;
}

static void on_call(struct endpoint *e, const ENetProtocolConnect *call) {
  e->standing = CALLED;
  e->call = *call;
  e->peer_id = ntohs(call->outgoingPeerID);
  e->session = 0;
  e->connect_id = call->connectID;
}

static void read_command(struct endpoint *e, const struct enetjs_command *command, uint16_t sent_time) {
  const ENetProtocol *protocol = command->protocol;
  bool acknowledged = (protocol->header.command & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE) != 0;
  if (command->kind == ENET_PROTOCOL_COMMAND_CONNECT) on_call(e, &protocol->connect);
  if (command->kind == ENET_PROTOCOL_COMMAND_VERIFY_CONNECT) on_verify(e, &protocol->verifyConnect);
  if (command->kind == ENET_PROTOCOL_COMMAND_DISCONNECT && !acknowledged) forget(e);
  if (command->kind != ENET_PROTOCOL_COMMAND_CONNECT && acknowledged) remember(e, protocol, sent_time);
}

static void read_commands(struct endpoint *e, const uint8_t *bytes, size_t length, uint16_t sent_time) {
  struct enetjs_command command;
  for (size_t at = 0; enetjs_command_read((uint8_t *)(uintptr_t)bytes + at, length - at, &command);
       at += command.length)
    read_command(e, &command, sent_time);
}

static void read_datagram(struct endpoint *e, const uint8_t *bytes, size_t length) {
  static uint8_t plain[SYSTEM_DATAGRAM];
  size_t header = bytes[0] & 0x80 ? 4 : 2; /* ENET_PROTOCOL_HEADER_FLAG_SENT_TIME */
  uint16_t sent_time = header == 4 && length >= 4 ? (uint16_t)(bytes[2] << 8 | bytes[3]) : 0;
  if (world.enet->checksum) header += 4;
  if (length < header) return;
  if (bytes[0] & 0x40) { /* ENET_PROTOCOL_HEADER_FLAG_COMPRESSED */
    length = enet_range_coder_decompress(world.coder, bytes + header, length - header, plain, sizeof(plain));
    read_commands(e, plain, length, sent_time);
  } else {
    read_commands(e, bytes + header, length - header, sent_time);
  }
}

static void world_deliver(uint32_t address, uint16_t port, uint8_t *bytes, size_t length) {
  uint32_t index = world_find(address, port);
  struct endpoint *e = &world.endpoint[index];
  if (index == WORLD_ENDPOINTS) return;
  e->sent += length;
  if (!e->proved && !e->called && e->sent > e->received) world.unproved_excess++;
  if (index < WORLD_READERS && length >= 2) read_datagram(e, bytes, length);
}

/* ---- What it receives ------------------------------------------------------------------------ */

enum compose_flags {
  COMPOSE_HOLD = 1, /* not yet: together with the next one */
  COMPOSE_RAW = 2,  /* the bytes are the whole datagram */
  COMPOSE_BAD_CHECKSUM = 4,
  COMPOSE_COMPRESS = 8,
  COMPOSE_AS_SHIFT =
      8 /* with the header of this endpoint; 0 for its own, otherwise one more than its index */
};

static bool named(const struct endpoint *e) { return e->standing == JOINED || e->standing == CALLED; }

static uint16_t header_word(const struct endpoint *e) {
  uint16_t word = named(e) ? (uint16_t)(e->peer_id | e->session << ENET_PROTOCOL_HEADER_SESSION_SHIFT)
                           : (uint16_t)ENET_PROTOCOL_MAXIMUM_PEER_ID;
  return word | ENET_PROTOCOL_HEADER_FLAG_SENT_TIME;
}

static size_t compressed(uint8_t *out, const uint8_t *body, size_t length) {
  ENetBuffer buffer = {.data = (void *)(uintptr_t)body, .dataLength = length};
  size_t result = length > 0 ? enet_range_coder_compress(world.coder, &buffer, 1, length, out, length) : 0;
  return result < length ? result : 0;
}

static void put_checksum(const struct endpoint *e, uint8_t *bytes, size_t at, size_t length,
                         uint32_t damage) {
  uint32_t sum = named(e) ? e->connect_id : 0;
  ENetBuffer buffer = {.data = bytes, .dataLength = length};
  memcpy(bytes + at, &sum, sizeof(sum));
  sum = enet_crc32(&buffer, 1) ^ damage;
  memcpy(bytes + at, &sum, sizeof(sum));
}

/**
 * Composes a datagram with the header of an endpoint.
 * @param change what is flipped in the header's first word
 * @param age how long ago it claims to have been sent, ms
 */
static size_t world_compose(uint8_t *out, const struct endpoint *e, uint32_t change, uint32_t age,
                            uint32_t flags, const uint8_t *body, size_t length) {
  static uint8_t small[SYSTEM_DATAGRAM];
  size_t packed = flags & COMPOSE_COMPRESS ? compressed(small, body, length) : 0;
  uint16_t word = (uint16_t)(header_word(e) ^ change), time = (uint16_t)(world_time() - age);
  size_t at = word & ENET_PROTOCOL_HEADER_FLAG_SENT_TIME ? 4 : 2,
         header = at + (world.enet->checksum ? 4 : 0);
  if (packed > 0) word |= ENET_PROTOCOL_HEADER_FLAG_COMPRESSED;
  if (length > SYSTEM_DATAGRAM - header) length = SYSTEM_DATAGRAM - header;
  out[0] = (uint8_t)(word >> 8);
  out[1] = (uint8_t)word;
  out[2] = (uint8_t)(time >> 8);
  out[3] = (uint8_t)time;
  if (length > 0) memcpy(out + header, body, length);
  /* Of the header as it leaves, and the plain bytes. */
  if (world.enet->checksum) put_checksum(e, out, at, header + length, flags & COMPOSE_BAD_CHECKSUM ? 1 : 0);
  if (packed == 0) return header + length;
  memcpy(out + header, small, packed);
  return header + packed;
}

static void world_reset(const ENetHost *enet) {
  void *coder = world.coder ? world.coder : enet_range_coder_create();
  uint64_t excess = world.unproved_excess, guessed = world.guessed;
  memset(&world, 0, sizeof(world));
  world.enet = enet;
  world.coder = coder;
  world.unproved_excess = excess;
  world.guessed = guessed;
}

#endif
