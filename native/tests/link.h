/**
 * @file link.h
 * @brief Two ENet hosts with a link between them, and a clock that only the test moves: what happens does not
 * depend on how fast the machine is.
 *
 * UNTIL waits by that clock, too (clock.h), and its statement must move it. One side is a host of this
 * library, the other one plain ENet. Each datagram is lost or late as `fate` says.
 */
#ifndef ENETJS_TESTS_LINK_H
#define ENETJS_TESTS_LINK_H

#define TEST_CLOCK_NS 1000000000000u

#include "clock.h"
#include "consumer.h"

/** A millisecond passes. */
static inline void link_tick(void) { test_clock.ns += 1000000; }

#define LINK_LOST UINT32_MAX

struct link_datagram {
  struct link_datagram *next;
  enet_uint32 due;
  size_t length;
  uint8_t bytes[];
};

/** What is under way in a direction, in the order in which it arrives. */
struct link_queue {
  struct link_datagram *first, *last;
};

struct link {
  ENetSocket front, back; /**< what the client sends to, and what the server gets it from */
  uint16_t front_port, client_port, server_port;
  enet_uint32 now;
  /** milliseconds to the server, and to the client; a shorter one reorders nothing */
  enet_uint32 latency[2];
  enet_uint32 latest[2];  /**< when the last one in order arrives */
  uint64_t random;
  unsigned passed[2], lost[2];
  /**
   * @returns milliseconds by which this datagram is late and overtaken by others, or LINK_LOST; NULL: none is
   */
  uint32_t (*fate)(struct link *, bool to_client, const uint8_t *bytes, size_t length);
  void *context; /**< for `fate` */
  struct link_queue held[2];
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
}

static inline struct link_datagram *link_take(struct link_queue *queue) {
  struct link_datagram *first = queue->first;
  queue->first = first->next;
  if (!first->next) queue->last = NULL;
  return first;
}

static inline void link_close(struct link *l) {
  for (unsigned i = 0; i < 2; i++)
    while (l->held[i].first) free(link_take(&l->held[i]));
  enet_socket_destroy(l->front);
  enet_socket_destroy(l->back);
}

/** After all that arrives no later. */
static inline void link_hold(struct link_queue *queue, const uint8_t *bytes, size_t length, enet_uint32 due) {
  struct link_datagram *datagram = malloc(sizeof(*datagram) + length), **at = &queue->first;
  CHECK(datagram != NULL);
  if (queue->last && !ENET_TIME_LESS(due, queue->last->due)) at = &queue->last->next;
  while (*at && !ENET_TIME_LESS(due, (*at)->due)) at = &(*at)->next;
  datagram->next = *at;
  datagram->due = due;
  datagram->length = length;
  memcpy(datagram->bytes, bytes, length);
  *at = datagram;
  if (!datagram->next) queue->last = datagram;
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
  l->now = enet_time_get();
  while ((length = socket_receive(to_client ? l->back : l->front, &port, bytes, sizeof(bytes))) > 0) {
    uint32_t late = l->fate ? l->fate(l, to_client, bytes, (size_t)length) : 0;
    if (!to_client) l->client_port = port;
    if (late == LINK_LOST) {
      l->lost[to_client]++;
      continue;
    }
    l->passed[to_client]++;
    link_hold(&l->held[to_client], bytes, (size_t)length, link_due(l, to_client) + late);
  }
}

/** What is due arrives. */
static inline void link_leave(struct link *l, bool to_client) {
  struct link_queue *queue = &l->held[to_client];
  l->now = enet_time_get();
  while (queue->first && ENET_TIME_LESS_EQUAL(queue->first->due, l->now)) {
    struct link_datagram *datagram = link_take(queue);
    CHECK(socket_send(to_client ? l->front : l->back, to_client ? l->client_port : l->server_port,
                      datagram->bytes, datagram->length) > 0);
    free(datagram);
  }
}

static inline void link_step(struct link *l) {
  for (unsigned i = 0; i < 2; i++) link_enter(l, i);
  link_tick();
  for (unsigned i = 0; i < 2; i++) link_leave(l, i);
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

static inline void plain_send(struct plain *p, enet_uint8 channel, enet_uint32 flags, const void *data,
                              size_t length) {
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
