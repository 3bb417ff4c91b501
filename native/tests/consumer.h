/**
 * @file consumer.h
 * @brief A host and the consumer's side of its rings, for the tests.
 *
 * The shared block lies between two canaries, which are looked at after every call. Positions and
 * numbers in the rings are checked to be consecutive.
 */
#ifndef ENETJS_TESTS_CONSUMER_H
#define ENETJS_TESTS_CONSUMER_H

#include <math.h>
#include <string.h>

#include "host/internal.h"
#include "harness.h"

#define LOOPBACK 0x7F000001u
#define PATIENCE_MS 20000
#define CANARY_BYTES 256
#define CANARY 0xA5

#if defined(__SANITIZE_THREAD__)
#define SLOW 4 /* by how much to divide what is done many times */
#elif defined(__SANITIZE_ADDRESS__)
#define SLOW 2
#else
#define SLOW 1
#endif

/** Repeats the statement until the condition holds; fails when that takes too long. */
#define UNTIL(condition, statement)                                             \
  do {                                                                          \
    uint64_t until_deadline = test_deadline_ms(PATIENCE_MS);                    \
    while (!(condition)) {                                                      \
      if (test_deadline_passed(until_deadline)) CHECK(!"in time: " #condition); \
      statement;                                                                \
    }                                                                           \
  } while (0)

/* The last arguments of a broadcast to every peer. */
#define TO_ALL (const uint8_t *)"", 0, ENETJS_BROADCAST_EXCEPT

struct record {
  uint32_t type, channel, flags, index, generation, data, length, extra, address;
  double peer;
  const uint8_t *payload; /**< in the arena, until the next record is taken */
};

struct consumer {
  double host;
  double config[ENETJS_CONFIG_COUNT];
  uint8_t *memory, *block;       /**< the shared block between canaries */
  uint8_t *arena_memory, *arena; /**< the arena between canaries */
  size_t block_bytes, arena_bytes;
  _Atomic uint32_t *words;
  enetjs_fd wake;

  /* What has come. */
  void (*on_event)(struct consumer *, const struct record *);
  void (*on_completion)(struct consumer *, const struct record *);
  void *context;
  double peer; /**< of the last connect event */
  struct record last, last_completion;
  unsigned connects, disconnects, receives, datagrams, packets, clients, moves;
  struct record question; /* the last one */
  unsigned connected, closed, delivered, undelivered, drains, failures, shutdowns, sent_reliably, too_large,
      questions, unreachable, secured;
};

static inline void config_initialize(double *c) {
  memset(c, 0, ENETJS_CONFIG_COUNT * sizeof(*c));
  c[ENETJS_CONFIG_ADDRESS] = LOOPBACK;
  c[ENETJS_CONFIG_PEERS] = 8;
  c[ENETJS_CONFIG_CHANNELS] = 4;
  c[ENETJS_CONFIG_MTU] = ENET_HOST_DEFAULT_MTU;
  c[ENETJS_CONFIG_DUPLICATE_PEERS] = ENET_PROTOCOL_MAXIMUM_PEER_ID;
  c[ENETJS_CONFIG_MAXIMUM_PACKET_SIZE] = 32 << 20;
  c[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = 32 << 20;
  c[ENETJS_CONFIG_STALL_LIMIT] = 10;
  c[ENETJS_CONFIG_HIGH_WATER] = 1 << 20;
  c[ENETJS_CONFIG_EVENT_CAPACITY] = 1024;
  c[ENETJS_CONFIG_COMPLETION_CAPACITY] = 1024;
  c[ENETJS_CONFIG_ARENA_BYTES] = 1 << 18;
  c[ENETJS_CONFIG_SCRATCH_BYTES] = 65536;
#if !defined(__linux__)
  c[ENETJS_CONFIG_UNGUARDED] = 1; /* there is no guard */
#endif
}

static inline size_t config_shared_bytes(const double *c) {
  return ENETJS_HEADER_BYTES + ENETJS_STATS_COUNT * sizeof(double) + (size_t)c[ENETJS_CONFIG_SCRATCH_BYTES] +
         ENETJS_RECORD_BYTES *
             ((size_t)c[ENETJS_CONFIG_EVENT_CAPACITY] + (size_t)c[ENETJS_CONFIG_COMPLETION_CAPACITY]);
}

static inline void canaries_check(const struct consumer *c) {
  for (size_t i = 0; i < CANARY_BYTES; i++) {
    CHECK(c->memory[i] == CANARY && c->block[c->block_bytes + i] == CANARY);
    CHECK(c->arena_memory[i] == CANARY && c->arena[c->arena_bytes + i] == CANARY);
  }
}

static inline uint8_t *canaries_allocate(size_t bytes) {
  uint8_t *memory = malloc(bytes + 2 * CANARY_BYTES);
  CHECK(memory != NULL);
  memset(memory, CANARY, bytes + 2 * CANARY_BYTES);
  return memory;
}

/** Opens the host that c->config describes. */
static inline void consumer_open(struct consumer *c) {
  c->block_bytes = config_shared_bytes(c->config);
  c->arena_bytes = (size_t)c->config[ENETJS_CONFIG_ARENA_BYTES];
  c->memory = canaries_allocate(c->block_bytes);
  c->block = c->memory + CANARY_BYTES;
  c->arena_memory = canaries_allocate(c->arena_bytes);
  c->arena = c->arena_memory + CANARY_BYTES;
  c->words = (_Atomic uint32_t *)(void *)c->block;
  c->wake = ENETJS_FD_NONE;
  c->host = enetjs_host_create((uint8_t *)c->config, sizeof(c->config), c->block, (double)c->block_bytes,
                               c->arena, (double)c->arena_bytes);
  if (c->host < 0) printf("# enetjs_host_create: %g\n", c->host);
  CHECK(c->host > 0);
}

static inline void consumer_start(struct consumer *c) {
  memset(c, 0, sizeof(*c));
  config_initialize(c->config);
}

static inline void server_open(struct consumer *c) {
  consumer_start(c);
  consumer_open(c);
}

static inline void client_open(struct consumer *c) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_ADDRESS] = -1;
  consumer_open(c);
}

static inline void consumer_start_pump(struct consumer *c) {
  double fd = enetjs_host_start(c->host, 0, NULL, 0);
  CHECK(fd >= 0);
  c->wake = (enetjs_fd)fd;
}

static inline void consumer_free(struct consumer *c) {
  canaries_check(c);
  if (c->wake != ENETJS_FD_NONE) enetjs_fd_close(c->wake);
  free(c->memory);
  free(c->arena_memory);
  c->memory = c->arena_memory = NULL;
}

static inline void consumer_close(struct consumer *c) {
  CHECK_EQ_INT(enetjs_host_close(c->host), 0);
  CHECK_EQ_INT(enetjs_host_close(c->host), ENETJS_ERR_CLOSED);
  consumer_free(c);
}

static inline uint16_t port_of(const struct consumer *c) {
  return (uint16_t)fmod(enetjs_host_address(c->host), 65536);
}

static inline struct enetjs_host *host_of(const struct consumer *c) {
  return enetjs_host_at((uint32_t)fmod(c->host, 4096));
}

/** Reads the record at the tail of a ring without taking it. @returns false when the ring is empty */
static inline bool ring_peek(const struct consumer *c, unsigned head_word, unsigned offset_word,
                             unsigned capacity, struct record *r) {
  uint32_t tail = c->words[head_word + 1], words[ENETJS_RECORD_BYTES / 4];
  if (c->words[head_word] == tail) return false;
  CHECK(c->words[head_word] - tail <= (uint32_t)c->config[capacity]);
  memcpy(
      words,
      c->block + c->words[offset_word] + (tail & ((uint32_t)c->config[capacity] - 1)) * ENETJS_RECORD_BYTES,
      sizeof(words));
  r->type = words[ENETJS_RECORD_TYPE] & 0xFF;
  r->channel = words[ENETJS_RECORD_TYPE] >> 8 & 0xFF;
  r->flags = words[ENETJS_RECORD_TYPE] >> 16;
  r->index = words[ENETJS_RECORD_PEER];
  r->generation = words[ENETJS_RECORD_GENERATION];
  r->peer = (double)r->generation * ENETJS_PEER_SLOTS + r->index;
  r->data = words[ENETJS_RECORD_DATA];
  r->length = words[ENETJS_RECORD_LENGTH];
  r->extra = words[ENETJS_RECORD_EXTRA];
  r->address = words[ENETJS_RECORD_ADDRESS];
  r->payload = c->arena + (r->data & ((uint32_t)c->arena_bytes - 1));
  return true;
}

static inline double packet_of(const struct record *r) { return (double)r->extra * 4294967296.0 + r->data; }

static inline void count_event(struct consumer *c, const struct record *r) {
  switch (r->type) {
    case ENETJS_EVENT_CONNECT:
      c->connects++;
      c->peer = r->peer;
      break;
    case ENETJS_EVENT_DISCONNECT: c->disconnects++; break;
    case ENETJS_EVENT_RECEIVE: c->receives++; break;
    case ENETJS_EVENT_PACKET: c->packets++; break;
    case ENETJS_EVENT_DATAGRAM: c->datagrams++; break;
    case ENETJS_EVENT_CLIENT: c->clients++; break;
    case ENETJS_EVENT_MOVED: c->moves++; break;
    case ENETJS_RECORD_ENDPOINT: break;
    default: CHECK(!"a known event");
  }
}

static inline void count_completion(struct consumer *c, const struct record *r) {
  switch (r->type) {
    case ENETJS_COMPLETION_CONNECTED: c->connected++; break;
    case ENETJS_COMPLETION_CLOSED: c->closed++; break;
    case ENETJS_COMPLETION_DELIVERED: c->delivered++; break;
    case ENETJS_COMPLETION_UNDELIVERED: c->undelivered++; break;
    case ENETJS_COMPLETION_DRAIN: c->drains++; break;
    case ENETJS_COMPLETION_FAILED: c->failures++; break;
    case ENETJS_COMPLETION_SHUTDOWN: c->shutdowns++; break;
    case ENETJS_COMPLETION_SENT_RELIABLY: c->sent_reliably++; break;
    case ENETJS_COMPLETION_TOO_LARGE: c->too_large++; break;
    case ENETJS_COMPLETION_UNREACHABLE: c->unreachable++; break;
    case ENETJS_COMPLETION_SECURED: c->secured++; break;
    case ENETJS_COMPLETION_QUESTION:
      c->questions++;
      c->question = *r;
      break;
    case ENETJS_RECORD_ENDPOINT: break;
    default: CHECK(!"a known completion");
  }
}

/** Takes one event: counts it, hands it to on_event, gives its place back. @returns false if there is none */
static inline bool event_take(struct consumer *c) {
  struct record r;
  uint32_t tail = c->words[ENETJS_WORD_EVENT_TAIL];
  const uint8_t *bytes;
  uint32_t arena_tail;
  if (!ring_peek(c, ENETJS_WORD_EVENT_HEAD, ENETJS_WORD_EVENT_OFFSET, ENETJS_CONFIG_EVENT_CAPACITY, &r))
    return false;
  count_event(c, &r);
  c->last = r;
  if (c->on_event) c->on_event(c, &r);
  bytes = c->block + c->words[ENETJS_WORD_EVENT_OFFSET] +
          (tail & ((uint32_t)c->config[ENETJS_CONFIG_EVENT_CAPACITY] - 1)) * ENETJS_RECORD_BYTES;
  memcpy(&arena_tail, bytes + 4 * ENETJS_RECORD_ARENA_TAIL, sizeof(arena_tail));
  c->words[ENETJS_WORD_ARENA_TAIL] = arena_tail;
  c->words[ENETJS_WORD_EVENT_TAIL] = tail + 1;
  return true;
}

static inline bool completion_take(struct consumer *c) {
  struct record r;
  if (!ring_peek(c, ENETJS_WORD_COMPLETION_HEAD, ENETJS_WORD_COMPLETION_OFFSET,
                 ENETJS_CONFIG_COMPLETION_CAPACITY, &r))
    return false;
  count_completion(c, &r);
  c->last_completion = r;
  if (c->on_completion) c->on_completion(c, &r);
  c->words[ENETJS_WORD_COMPLETION_TAIL] = c->words[ENETJS_WORD_COMPLETION_TAIL] + 1;
  return true;
}

/** Takes all there is in both rings, what is held included. */
static inline void consumer_drain(struct consumer *c) {
  for (;;) {
    bool some = false;
    while (completion_take(c)) some = true;
    while (event_take(c)) some = true;
    if (c->words[ENETJS_WORD_HELD] == 0 && !some) return;
    CHECK(enetjs_host_service(c->host, 0) >= 0);
  }
}

static inline void consumer_poll(struct consumer *c) {
  CHECK(enetjs_host_service(c->host, 0) >= 0);
  consumer_drain(c);
  canaries_check(c);
  test_yield();
}

static inline void poll_both(struct consumer *a, struct consumer *b) {
  consumer_poll(a);
  consumer_poll(b);
}

/** Connects the client to the server; both have the connection then. @returns the client's peer */
static inline double connect_pair_of(struct consumer *client, struct consumer *server) {
  unsigned clients = client->connects, servers = server->connects;
  double peer = enetjs_host_connect(client->host, LOOPBACK, port_of(server), 2, 7);
  CHECK(peer > 0);
  UNTIL(client->connects > clients && server->connects > servers, poll_both(client, server));
  return peer;
}

static inline double statistic(struct consumer *c, unsigned index) {
  double value;
  CHECK_EQ_INT(enetjs_host_stats(c->host), 0);
  memcpy(&value, c->block + c->words[ENETJS_WORD_STATS_OFFSET] + index * sizeof(value), sizeof(value));
  return value;
}

static inline double peer_statistic(struct consumer *c, double peer, unsigned index) {
  double value;
  CHECK_EQ_INT(enetjs_peer_stats(c->host, peer), 0);
  memcpy(&value, c->block + c->words[ENETJS_WORD_STATS_OFFSET] + index * sizeof(value), sizeof(value));
  return value;
}

static inline double diagnostic(unsigned index) {
  double values[ENETJS_DIAGNOSTIC_COUNT];
  CHECK_EQ_INT(enetjs_diagnostics((uint8_t *)values, sizeof(values)), ENETJS_DIAGNOSTIC_COUNT);
  return values[index];
}

/** That nothing is left of what the tests have used, once the background has freed it. */
static inline void check_nothing_left(void) {
  UNTIL(diagnostic(ENETJS_DIAGNOSTIC_ALLOCATIONS) == 0 && diagnostic(ENETJS_DIAGNOSTIC_ALLOCATED_BYTES) == 0,
        test_yield());
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_HOSTS), 0);
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PUMPS), 0);
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PACKETS), 0);
}

/** Fills a payload that follows from its seed and length. */
static inline void payload_fill(uint8_t *bytes, size_t length, uint32_t seed) {
  for (size_t i = 0; i < length; i++) {
    seed = seed * 1664525u + 1013904223u;
    bytes[i] = (uint8_t)(seed >> 24);
  }
}

static inline bool payload_is(const uint8_t *bytes, size_t length, uint32_t seed) {
  for (size_t i = 0; i < length; i++) {
    seed = seed * 1664525u + 1013904223u;
    if (bytes[i] != (uint8_t)(seed >> 24)) return false;
  }
  return true;
}

static inline double send_text(struct consumer *c, double peer, double flags, const char *text,
                               double token) {
  return enetjs_peer_send_buffer(c->host, peer, 0, flags, (const uint8_t *)text, (double)strlen(text), token);
}

/* ---- A socket of its own, for datagrams ------------------------------------------------------ */

static inline ENetSocket socket_open(uint16_t *port) {
  ENetAddress address;
  ENetSocket s = enet_socket_create(ENET_SOCKET_TYPE_DATAGRAM);
  CHECK(s != ENET_SOCKET_NULL);
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  address.port = 0;
  CHECK_EQ_INT(enet_socket_bind(s, &address), 0);
  CHECK_EQ_INT(enet_socket_get_address(s, &address), 0);
  enet_socket_set_option(s, ENET_SOCKOPT_NONBLOCK, 1);
  *port = address.port;
  return s;
}

static inline int socket_send(ENetSocket s, uint16_t port, const void *data, size_t length) {
  ENetAddress address;
  ENetBuffer buffer;
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  address.port = port;
  buffer.data = (void *)(uintptr_t)data;
  buffer.dataLength = length;
  return enet_socket_send(s, &address, &buffer, 1);
}

/** @returns the length of a datagram, or 0 when there is none */
static inline int socket_receive(ENetSocket s, uint16_t *port, void *data, size_t capacity) {
  ENetAddress address;
  ENetBuffer buffer;
  int length;
  buffer.data = data;
  buffer.dataLength = capacity;
  length = enet_socket_receive(s, &address, &buffer, 1);
  if (length > 0 && port) *port = address.port;
  return length;
}

#endif
