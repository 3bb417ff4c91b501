/*
 * One sender, one receiver, as many messages a second as they can.
 *
 *   bench_stream receive                            prints `port N`, then how it went
 *   bench_stream send PORT SIZE COUNT WARMUP FLAGS  sends WARMUP messages, then COUNT that are measured
 *
 * A reliable message of one byte stands before and behind the measured ones. Both ends print `seconds`,
 * `user` and `system` for what is between; the receiver prints `messages` too.
 */
#include "common.h"

/* What waits in ENet at once: its queue is walked for each datagram, so a short one is the fastest. */
#define QUEUED_BYTES (128 * 1024)

/*
 * How often the receiver looks at the clock, for messages that are small: in a lossy run the last one
 * that arrives is not known before.
 */
#define CLOCK_MASK 63
#define SMALL 1024

static size_t queued;

static void on_free(ENetPacket *packet) {
  queued -= packet->dataLength;
}

static void receive(void) {
  ENetHost *host = open_server(1);
  ENetEvent event;
  Usage usage = {0, 0};
  double start = 0, last = 0, messages = 0, sum = 0;
  int marks = 0;
  for (;;) {
    if (!next_event(host, &event, 1000)) continue;
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) break;
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    if (event.packet->dataLength > 1) {
      sum += event.packet->data[0];
      if (((int)++messages & CLOCK_MASK) == 0 || event.packet->dataLength > SMALL) last = now();
    } else if (++marks == 1) {
      messages = 0;
      usage = usage_now();
      start = now();
    } else {
      say("seconds", last - start);
      say("messages", messages);
      say_usage_since(usage);
    }
    enet_packet_destroy(event.packet);
  }
  if (sum != 0) fail("not what was sent");
  enet_host_destroy(host);
}

static void queue_message(ENetPeer *peer, const char *bytes, size_t size, enet_uint32 flags) {
  ENetPacket *packet = enet_packet_create(bytes, size, flags);
  if (!packet) fail("no memory");
  packet->freeCallback = on_free;
  queued += size;
  if (enet_peer_send(peer, 0, packet) < 0) fail("the peer is gone");
}

/* Sends what is queued and takes what has arrived, without waiting. */
static void service(ENetHost *host) {
  ENetEvent event;
  while (next_event(host, &event, 0)) {
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) fail("disconnected");
  }
}

/* Waits until no more than `limit` bytes are queued: for acknowledgements, which are no events. */
static void drain(ENetHost *host, size_t limit) {
  for (service(host); queued > limit; service(host)) {
    enet_uint32 condition = ENET_SOCKET_WAIT_RECEIVE;
    enet_socket_wait(host->socket, &condition, 1);
  }
}

static void send_messages(ENetHost *host, ENetPeer *peer, size_t size, long count, enet_uint32 flags) {
  size_t limit = size * 4 > QUEUED_BYTES ? size * 4 : QUEUED_BYTES;
  char *bytes = calloc(1, size);
  for (long sent = 0; sent < count; sent++) {
    queue_message(peer, bytes, size, flags);
    if (queued > limit) drain(host, limit / 2);
  }
  free(bytes);
}

static void mark(ENetHost *host, ENetPeer *peer) {
  queue_message(peer, "", 1, ENET_PACKET_FLAG_RELIABLE);
  drain(host, 0);
}

static void send_all(int port, size_t size, long count, long warmup, enet_uint32 flags) {
  ENetHost *host = open_client(1);
  ENetPeer *peer = connect_to(host, port);
  Usage usage;
  double start;
  /* Otherwise ENet drops unreliable messages at the sender. */
  enet_peer_throttle_configure(peer, ENET_PEER_PACKET_THROTTLE_INTERVAL, ENET_PEER_PACKET_THROTTLE_SCALE, 0);
  send_messages(host, peer, size, warmup, flags);
  mark(host, peer);
  usage = usage_now();
  start = now();
  send_messages(host, peer, size, count, flags);
  mark(host, peer);
  say("seconds", now() - start);
  say_usage_since(usage);
  disconnect_from(host, peer);
  enet_host_destroy(host);
}

int main(int argc, char **argv) {
  if (enet_initialize() != 0) return EXIT_FAILURE;
  if (argc == 2 && strcmp(argv[1], "receive") == 0) {
    receive();
  } else if (argc == 7 && strcmp(argv[1], "send") == 0) {
    send_all(atoi(argv[2]), strtoul(argv[3], NULL, 10), atol(argv[4]), atol(argv[5]),
             (enet_uint32)strtoul(argv[6], NULL, 10));
  } else {
    fail("usage: bench_stream receive | send PORT SIZE COUNT WARMUP FLAGS");
  }
  return EXIT_SUCCESS;
}
