/*
 * Messages there and back, many under way at once.
 *
 *   bench_reflect serve                                      prints `port N`, sends everything back
 *   bench_reflect ask FLAGS PORT SIZE COUNT WARMUP AT_ONCE   prints `seconds` and `messages` that came back
 */
#include "common.h"

#define SILENCE_MS 200 /* after which what is under way counts as lost */

static void ask(enet_uint32 flags, int port, size_t size, long count, long warmup, long at_once) {
  ENetHost *host = open_client(1);
  ENetPeer *peer = connect_to(host, port);
  ENetEvent event;
  char *bytes = calloc(1, size);
  long sent = -warmup, answered = -warmup, lost = 0;
  double start = 0;
  /* Otherwise ENet drops unreliable messages, on both sides. */
  enet_peer_throttle_configure(peer, ENET_PEER_PACKET_THROTTLE_INTERVAL, ENET_PEER_PACKET_THROTTLE_SCALE, 0);
  while (answered + lost < count) {
    for (; sent < count && sent - answered - lost < at_once; sent++) send_bytes(peer, bytes, size, flags);
    if (!next_event(host, &event, SILENCE_MS)) {
      lost = sent - answered;
      continue;
    }
    if (event.type != ENET_EVENT_TYPE_RECEIVE) fail("disconnected");
    enet_packet_destroy(event.packet);
    if (++answered == 0) start = now();
  }
  say("seconds", now() - start);
  say("messages", (double)answered);
  disconnect_from(host, peer);
  enet_host_destroy(host);
  free(bytes);
}

int main(int argc, char **argv) {
  if (enet_initialize() != 0) return EXIT_FAILURE;
  if (argc == 2 && strcmp(argv[1], "serve") == 0) {
    serve_echo();
  } else if (argc == 8 && strcmp(argv[1], "ask") == 0) {
    ask((enet_uint32)strtoul(argv[2], NULL, 10), atoi(argv[3]), strtoul(argv[4], NULL, 10), atol(argv[5]),
        atol(argv[6]), atol(argv[7]));
  } else {
    fail("usage: bench_reflect serve | ask FLAGS PORT SIZE COUNT WARMUP AT_ONCE");
  }
  return EXIT_SUCCESS;
}
