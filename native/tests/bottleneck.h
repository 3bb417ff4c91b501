/**
 * @file bottleneck.h
 * @brief Bulk transfers that share one link with a rate and a queue, with a clock that only the test moves.
 *
 * A sender is a host of this library or plain ENet, a receiver is plain ENet. All datagrams to receivers wait in one
 * queue, which drops what does not fit. Acknowledgements come back after the same latency, and wait for nothing. A
 * datagram takes as much of the rate as with the headers of UDP and IP.
 */
#ifndef ENETJS_TESTS_BOTTLENECK_H
#define ENETJS_TESTS_BOTTLENECK_H

#include "link.h"

enum {
  BOTTLENECK_TICK_US = 500,
  BOTTLENECK_FLOWS = 2,
  BOTTLENECK_HELD = 8192, /* datagrams under way in a direction of a flow at most */
  BOTTLENECK_HEADERS = 28,
  BOTTLENECK_MESSAGE = 16 * 1024,
  BOTTLENECK_PLAIN_QUEUE = 128 * 1024 /* that plain ENet is given ahead */
};

struct bottleneck_datagram {
  uint64_t due_us;
  uint16_t length;
  uint8_t bytes[ENET_PROTOCOL_MAXIMUM_MTU];
};

/** In the order in which they arrive. */
struct bottleneck_pipe {
  struct bottleneck_datagram *held;
  unsigned first, count;
};

struct bottleneck_flow {
  bool ours, begun;
  struct consumer host; /**< the sender, or `plain` */
  double peer;
  struct plain plain, receiver;
  size_t queued; /**< by plain ENet */
  ENetSocket front, back;
  uint16_t front_port, client_port;
  struct bottleneck_pipe pipes[2]; /**< to the receiver, and back */
  double bytes;                    /**< that have come */
  uint64_t sender_us, receiver_us; /**< when it runs next */
};

struct bottleneck {
  double rate, queue_us, idle_us; /**< bytes a second; when all that has entered is carried */
  uint64_t latency_us;
  uint64_t late_us, random; /**< by how much programs are late at most, because the machine is busy */
  double waited_us, carried, dropped;
  unsigned count;
  struct bottleneck_flow flows[BOTTLENECK_FLOWS];
};

static inline uint64_t bottleneck_now_us(void) {
  return (uint64_t)link_time.tv_sec * 1000000 + (uint64_t)link_time.tv_nsec / 1000;
}

static inline void bottleneck_tick(void) {
  link_time.tv_nsec += BOTTLENECK_TICK_US * 1000;
  if (link_time.tv_nsec < 1000000000) return;
  link_time.tv_nsec -= 1000000000;
  link_time.tv_sec++;
}

/* ---- The link -------------------------------------------------------------------------------- */

/* @returns when it arrives, or 0 where the queue is full */
static inline uint64_t bottleneck_due(struct bottleneck *b, bool to_client, size_t length) {
  uint64_t now = bottleneck_now_us();
  double start = fmax(b->idle_us, (double)now), waits = start - (double)now;
  if (to_client) return now + b->latency_us;
  if (waits > b->queue_us) {
    b->dropped++;
    return 0;
  }
  b->waited_us += waits;
  b->carried++;
  b->idle_us = start + (double)(length + BOTTLENECK_HEADERS) * 1e6 / b->rate;
  return (uint64_t)b->idle_us + b->latency_us;
}

static inline void bottleneck_enter(struct bottleneck *b, struct bottleneck_flow *flow, bool to_client) {
  struct bottleneck_pipe *pipe = &flow->pipes[to_client];
  for (;;) {
    struct bottleneck_datagram *held = &pipe->held[(pipe->first + pipe->count) % BOTTLENECK_HELD];
    uint16_t port = 0;
    int length = socket_receive(to_client ? flow->back : flow->front, &port, held->bytes, sizeof(held->bytes));
    if (length <= 0) return;
    CHECK(pipe->count < BOTTLENECK_HELD - 1);
    if (!to_client) flow->client_port = port;
    held->length = (uint16_t)length;
    held->due_us = bottleneck_due(b, to_client, (size_t)length);
    if (held->due_us != 0) pipe->count++;
  }
}

static inline void bottleneck_leave(struct bottleneck_flow *flow, bool to_client) {
  struct bottleneck_pipe *pipe = &flow->pipes[to_client];
  while (pipe->count > 0 && pipe->held[pipe->first].due_us <= bottleneck_now_us()) {
    const struct bottleneck_datagram *held = &pipe->held[pipe->first];
    CHECK(socket_send(to_client ? flow->front : flow->back,
                      to_client ? flow->client_port : flow->receiver.host->address.port, held->bytes,
                      held->length) > 0);
    pipe->first = (pipe->first + 1) % BOTTLENECK_HELD;
    pipe->count--;
  }
}

/* ---- The flows ------------------------------------------------------------------------------- */

static inline void ENET_CALLBACK bottleneck_free(ENetPacket *packet) {
  *(size_t *)packet->userData -= packet->dataLength;
}

static inline void bottleneck_send(struct bottleneck_flow *flow) {
  static const uint8_t message[BOTTLENECK_MESSAGE];
  if (!flow->begun) return;
  if (flow->ours) {
    while (!host_of(&flow->host)->slots[0].above_high_water)
      CHECK(enetjs_peer_send_buffer(flow->host.host, flow->peer, 0, 1, message, sizeof(message), 0) >= 0);
    return;
  }
  while (flow->queued < BOTTLENECK_PLAIN_QUEUE) {
    ENetPacket *packet = enet_packet_create(message, sizeof(message), ENET_PACKET_FLAG_RELIABLE);
    CHECK(packet != NULL);
    packet->userData = &flow->queued;
    packet->freeCallback = bottleneck_free;
    flow->queued += sizeof(message);
    CHECK_EQ_INT(enet_peer_send(flow->plain.peer, 0, packet), 0);
  }
}

static inline bool bottleneck_runs(struct bottleneck *b, uint64_t *next_us) {
  uint64_t now = bottleneck_now_us();
  if (now < *next_us) return false;
  if (b->late_us > 0) *next_us = now + test_random_below(&b->random, (uint32_t)b->late_us);
  return true;
}

static inline void bottleneck_step(struct bottleneck *b) {
  for (unsigned i = 0; i < b->count; i++) {
    struct bottleneck_flow *flow = &b->flows[i];
    if (bottleneck_runs(b, &flow->sender_us)) {
      bottleneck_send(flow);
      if (flow->ours)
        consumer_poll(&flow->host);
      else
        plain_poll(&flow->plain);
    }
    if (bottleneck_runs(b, &flow->receiver_us)) plain_poll(&flow->receiver);
    bottleneck_enter(b, flow, false);
    bottleneck_enter(b, flow, true);
  }
  bottleneck_tick();
  for (unsigned i = 0; i < b->count; i++) {
    bottleneck_leave(&b->flows[i], false);
    bottleneck_leave(&b->flows[i], true);
  }
}

static inline void bottleneck_run(struct bottleneck *b, unsigned ms) {
  for (uint64_t until = bottleneck_now_us() + ms * UINT64_C(1000); bottleneck_now_us() < until;) bottleneck_step(b);
}

static inline void bottleneck_received(struct plain *receiver, const ENetPacket *packet) {
  ((struct bottleneck_flow *)receiver->context)->bytes += (double)packet->dataLength;
}

static inline void bottleneck_connect_plain(struct bottleneck_flow *flow) {
  ENetAddress address;
  memset(&flow->plain, 0, sizeof(flow->plain));
  flow->plain.host = enet_host_create(NULL, 1, 2, 0, 0);
  CHECK(flow->plain.host != NULL);
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  address.port = flow->front_port;
  CHECK(enet_host_connect(flow->plain.host, &address, 2, 0) != NULL);
}

static inline void bottleneck_connect_ours(struct bottleneck_flow *flow) {
  client_open(&flow->host);
  flow->peer = enetjs_host_connect(flow->host.host, LOOPBACK, flow->front_port, 2, 0);
  CHECK(flow->peer > 0);
}

static inline bool bottleneck_connected(const struct bottleneck_flow *flow) {
  return flow->receiver.peer && (flow->ours ? flow->host.connects == 1 : flow->plain.peer != NULL);
}

/** Adds a flow, connected. It sends from when `begun` is set. */
static inline struct bottleneck_flow *bottleneck_add(struct bottleneck *b, bool ours) {
  struct bottleneck_flow *flow = &b->flows[b->count++];
  uint16_t back_port;
  memset(flow, 0, sizeof(*flow));
  flow->ours = ours;
  flow->front = socket_open(&flow->front_port);
  flow->back = socket_open(&back_port);
  for (unsigned i = 0; i < 2; i++) {
    flow->pipes[i].held = calloc(BOTTLENECK_HELD, sizeof(*flow->pipes[i].held));
    CHECK(flow->pipes[i].held != NULL);
  }
  enet_socket_set_option(flow->front, ENET_SOCKOPT_RCVBUF, 1 << 20);
  plain_open(&flow->receiver);
  flow->receiver.on_packet = bottleneck_received;
  flow->receiver.context = flow;
  if (ours)
    bottleneck_connect_ours(flow);
  else
    bottleneck_connect_plain(flow);
  UNTIL(bottleneck_connected(flow), bottleneck_step(b));
  return flow;
}

static inline void bottleneck_open(struct bottleneck *b, double mbit, uint64_t rtt_ms) {
  memset(b, 0, sizeof(*b));
  b->rate = mbit * 1e6 / 8;
  b->queue_us = 100000;
  b->latency_us = rtt_ms * 1000 / 2;
  b->random = 1;
}

static inline void bottleneck_close(struct bottleneck *b) {
  for (unsigned i = 0; i < b->count; i++) {
    struct bottleneck_flow *flow = &b->flows[i];
    if (flow->ours)
      consumer_close(&flow->host);
    else
      enet_host_destroy(flow->plain.host);
    enet_host_destroy(flow->receiver.host);
    enet_socket_destroy(flow->front);
    enet_socket_destroy(flow->back);
    for (unsigned k = 0; k < 2; k++) free(flow->pipes[k].held);
  }
  check_nothing_left();
}

/** What a flow brings, as a share of the link, over some time. */
static inline void bottleneck_measure(struct bottleneck *b, unsigned ms, double *shares) {
  double before[BOTTLENECK_FLOWS];
  b->waited_us = b->carried = b->dropped = 0;
  for (unsigned i = 0; i < b->count; i++) before[i] = b->flows[i].bytes;
  bottleneck_run(b, ms);
  for (unsigned i = 0; i < b->count; i++) shares[i] = (b->flows[i].bytes - before[i]) * 1000 / ms / b->rate;
}

static inline double bottleneck_mean_wait_ms(const struct bottleneck *b) {
  return b->carried > 0 ? b->waited_us / b->carried / 1000 : 0;
}

#endif
