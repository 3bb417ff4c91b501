/*
 * Connections that open and close, some at once.
 *
 *   bench_churn serve                          prints `port N`; ends at the first message
 *   bench_churn ask PORT ROUNDS AT_ONCE WARMUP prints `seconds` for ROUNDS times AT_ONCE connections
 */
#include "common.h"

#define MOST_AT_ONCE 64

static void serve(void) {
  ENetHost *host = open_server(MOST_AT_ONCE * 2);
  ENetEvent event;
  do {
    if (!next_event(host, &event, 1000)) continue;
  } while (event.type != ENET_EVENT_TYPE_RECEIVE);
  enet_packet_destroy(event.packet);
  enet_host_destroy(host);
}

static void wait_for(ENetHost *host, ENetEventType type, size_t count) {
  ENetEvent event;
  while (count > 0) {
    if (!next_event(host, &event, 5000)) fail("no answer");
    if (event.type == type) count--;
  }
}

static void ask(int port, long rounds, size_t at_once, long warmup) {
  ENetHost *host = open_client(at_once);
  ENetAddress address = loopback(port);
  double start = 0;
  for (long round = -warmup; round < rounds; round++) {
    if (round == 0) start = now();
    for (size_t i = 0; i < at_once; i++)
      if (!enet_host_connect(host, &address, 2, 0)) fail("no peer");
    wait_for(host, ENET_EVENT_TYPE_CONNECT, at_once);
    enet_host_flush(host); /* disconnecting would drop the acknowledgement, and leave the server waiting */
    for (size_t i = 0; i < at_once; i++) enet_peer_disconnect(&host->peers[i], 0);
    wait_for(host, ENET_EVENT_TYPE_DISCONNECT, at_once);
  }
  say("seconds", now() - start);
  send_bytes(connect_to(host, port), "", 1, ENET_PACKET_FLAG_RELIABLE);
  enet_host_flush(host);
  enet_host_destroy(host);
}

int main(int argc, char **argv) {
  if (enet_initialize() != 0) return EXIT_FAILURE;
  if (argc == 2 && strcmp(argv[1], "serve") == 0) {
    serve();
  } else if (argc == 6 && strcmp(argv[1], "ask") == 0) {
    ask(atoi(argv[2]), atol(argv[3]), strtoul(argv[4], NULL, 10), atol(argv[5]));
  } else {
    fail("usage: bench_churn serve | ask PORT ROUNDS AT_ONCE WARMUP");
  }
  return EXIT_SUCCESS;
}
