/**
 * @file link.h
 * @brief Two ENet hosts with a link between them, and a clock that only the test moves: what happens does not depend on
 * how fast the machine is.
 *
 * The clock is the system's own function, defined once more in the test program, as in fuzz/system.h. One side is a host of this library, the other one plain ENet. Each datagram is lost or late as `fate` says.
 */
#ifndef ENETJS_TESTS_LINK_H
#define ENETJS_TESTS_LINK_H

#include <time.h>

#include "consumer.h"

static struct timespec link_time = {.tv_sec = 1000};

ENETJS_API int clock_gettime(clockid_t clock, struct timespec *time) {
  (void)clock;
  *time = link_time;
  return 0;
}

/** A millisecond passes. */
static inline void link_tick(void) {
  link_time.tv_nsec += 1000000;
  if (link_time.tv_nsec < 1000000000) return;
  link_time.tv_nsec -= 1000000000;
  link_time.tv_sec++;
}

#define LINK_CAPACITY 4096
#define LINK_LOST UINT32_MAX

struct link {
  ENetSocket front, back; /**< what the client sends to, and what the server gets it from */
  uint16_t front_port, client_port, server_port;
  enet_uint32 now;
  enet_uint32 latency[2]; /**< milliseconds to the server, and to the client; a shorter one reorders nothing */
  enet_uint32 latest[2];  /**< when the last one in order arrives */
  uint64_t random;
  unsigned passed[2], lost[2];
  /** @returns milliseconds by which this datagram is late and overtaken by others, or LINK_LOST; NULL: none is */
  uint32_t (*fate)(struct link *, bool to_client, const uint8_t *bytes, size_t length);
  size_t count;
  struct link_datagram {
    enet_uint32 due;
    bool to_client;
    uint16_t length;
    uint8_t bytes[ENET_PROTOCOL_MAXIMUM_MTU];
  } *held;
};

static inline void link_open(struct link *l, uint16_t server_port, enet_uint32 latency, uint64_t seed) {
  uint16_t back_port;
  memset(l, 0, sizeof(*l));
  l->front = socket_open(&l->front_port);
  l->back = socket_open(&back_port);
  l->server_port = server_port;
  l->latency[0] = l->latency[1] = latency;
  l->random = seed;
  l->now = l->latest[0] = l->latest[1] = enet_time_get();
  l->held = calloc(LINK_CAPACITY, sizeof(*l->held));
  CHECK(l->held != NULL);
}

static inline void link_close(struct link *l) {
  enet_socket_destroy(l->front);
  enet_socket_destroy(l->back);
  free(l->held);
}

static inline enet_uint32 link_due(struct link *l, bool to_client) {
  enet_uint32 due = l->now + l->latency[to_client];
  if (ENET_TIME_LESS(due, l->latest[to_client])) due = l->latest[to_client];
  return l->latest[to_client] = due;
}

static inline void link_enter(struct link *l, bool to_client) {
  uint8_t bytes[ENET_PROTOCOL_MAXIMUM_MTU];
  uint16_t port = 0;
  int length;
  while ((length = socket_receive(to_client ? l->back : l->front, &port, bytes, sizeof(bytes))) > 0) {
    uint32_t late = l->fate ? l->fate(l, to_client, bytes, (size_t)length) : 0;
    struct link_datagram *held = &l->held[l->count];
    if (!to_client) l->client_port = port;
    if (late == LINK_LOST) {
      l->lost[to_client]++;
      continue;
    }
    CHECK(l->count < LINK_CAPACITY);
    l->count++;
    l->passed[to_client]++;
    held->due = link_due(l, to_client) + late;
    held->to_client = to_client;
    held->length = (uint16_t)length;
    memcpy(held->bytes, bytes, (size_t)length);
  }
}

/** What is due arrives, in the order of its times. */
static inline void link_leave(struct link *l) {
  for (;;) {
    size_t first = l->count;
    for (size_t i = 0; i < l->count; i++)
      if (ENET_TIME_LESS_EQUAL(l->held[i].due, l->now) &&
          (first == l->count || ENET_TIME_LESS(l->held[i].due, l->held[first].due)))
        first = i;
    if (first == l->count) return;
    CHECK(socket_send(l->held[first].to_client ? l->front : l->back,
                      l->held[first].to_client ? l->client_port : l->server_port, l->held[first].bytes,
                      l->held[first].length) > 0);
    memmove(&l->held[first], &l->held[first + 1], (--l->count - first) * sizeof(*l->held));
  }
}

static inline void link_step(struct link *l) {
  link_enter(l, false);
  link_enter(l, true);
  link_tick();
  l->now = enet_time_get();
  link_leave(l);
}

/** One of so many in a thousand. */
static inline bool link_chance(struct link *l, uint32_t in_a_thousand) {
  return test_random_below(&l->random, 1000) < in_a_thousand;
}

/* ---- A host that is plain ENet --------------------------------------------------------------- */

struct plain {
  ENetHost *host;
  ENetPeer *peer;
  unsigned received;
  void (*on_packet)(struct plain *, const ENetPacket *);
  void *context;
};

static inline void plain_open(struct plain *p) {
  ENetAddress address = {0};
  memset(p, 0, sizeof(*p));
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  p->host = enet_host_create(&address, 4, 4, 0, 0);
  CHECK(p->host != NULL);
  CHECK_EQ_INT(enet_socket_get_address(p->host->socket, &p->host->address), 0);
}

static inline void plain_poll(struct plain *p) {
  ENetEvent event;
  while (enet_host_service(p->host, &event, 0) > 0) {
    if (event.type == ENET_EVENT_TYPE_CONNECT) p->peer = event.peer;
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) p->peer = NULL;
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    p->received++;
    if (p->on_packet) p->on_packet(p, event.packet);
    enet_packet_destroy(event.packet);
  }
}

static inline void plain_send(struct plain *p, enet_uint8 channel, enet_uint32 flags, const void *data, size_t length) {
  ENetPacket *packet = enet_packet_create(data, length, flags);
  CHECK(packet != NULL);
  CHECK_EQ_INT(enet_peer_send(p->peer, channel, packet), 0);
}

/* ---- Both, with the link between them --------------------------------------------------------- */

struct linked {
  struct link link;
  struct plain server;
  struct consumer client;
  double peer; /**< the client's */
};

static inline void linked_step(struct linked *l) {
  consumer_poll(&l->client);
  plain_poll(&l->server);
  link_step(&l->link);
}

/** @param client that consumer_start has been called for */
static inline void linked_open(struct linked *l, enet_uint32 latency, uint64_t seed) {
  l->client.config[ENETJS_CONFIG_ADDRESS] = -1;
  consumer_open(&l->client);
  plain_open(&l->server);
  link_open(&l->link, l->server.host->address.port, latency, seed);
  l->peer = enetjs_host_connect(l->client.host, LOOPBACK, l->link.front_port, 2, 0);
  CHECK(l->peer > 0);
  UNTIL(l->client.connects == 1 && l->server.peer, linked_step(l));
}

static inline ENetPeer *linked_peer(struct linked *l) { return &host_of(&l->client)->enet->peers[0]; }

static inline void linked_close(struct linked *l) {
  consumer_close(&l->client);
  enet_host_destroy(l->server.host);
  link_close(&l->link);
  check_nothing_left();
}

#endif
