/*
 * The C side of bench/forward.ts, on plain libenet.
 *
 *   bench_forward serve                          forwards what a peer sends to all others; prints
 *                                                `port N`, and `cpu SECONDS` when the load has gone
 *   bench_forward load PORT SIZE COUNT PEERS     one sender and PEERS receivers; prints
 *                                                `seconds S` for COUNT messages to arrive everywhere
 */
#include "common.h"

#define UNDER_WAY 8 /* messages that the sender has out at once */

static void forward(ENetHost *host, const ENetPeer *from, ENetPacket *packet) {
  for (size_t i = 0; i < host->peerCount; i++)
    if (&host->peers[i] != from && host->peers[i].state == ENET_PEER_STATE_CONNECTED)
      enet_peer_send(&host->peers[i], 0, packet);
  if (packet->referenceCount == 0) enet_packet_destroy(packet);
}

static void serve(void) {
  ENetHost *host = open_server(256);
  ENetEvent event;
  Usage usage;
  size_t connected = 0;
  for (;;) {
    if (!next_event(host, &event, 1000)) continue;
    if (event.type == ENET_EVENT_TYPE_CONNECT) connected++;
    if (event.type == ENET_EVENT_TYPE_RECEIVE) forward(host, event.peer, event.packet);
    if (event.type == ENET_EVENT_TYPE_DISCONNECT && --connected == 0) break;
  }
  usage = usage_now();
  say("cpu", usage.user + usage.system);
}

static void load(int port, size_t size, size_t count, size_t receivers) {
  ENetAddress address = loopback(port);
  ENetEvent event;
  size_t connected = 0, sent = 0, received = 0, disconnected = 0;
  char *bytes = calloc(1, size);
  ENetHost *host = open_client(receivers + 1);
  double start;
  for (size_t i = 0; i <= receivers; i++) enet_host_connect(host, &address, 1, 0);
  while (connected <= receivers) {
    next_event(host, &event, 1000);
    if (event.type == ENET_EVENT_TYPE_CONNECT) connected++;
  }
  start = now();
  while (received < count * receivers) {
    while (sent < count && sent < received / receivers + UNDER_WAY) {
      enet_peer_send(&host->peers[0], 0, enet_packet_create(bytes, size, ENET_PACKET_FLAG_RELIABLE));
      sent++;
    }
    next_event(host, &event, 1000);
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    if (event.packet->dataLength != size) fail("not what was sent");
    enet_packet_destroy(event.packet);
    received++;
  }
  say("seconds", now() - start);
  for (size_t i = 0; i <= receivers; i++) enet_peer_disconnect(&host->peers[i], 0);
  while (disconnected <= receivers) {
    next_event(host, &event, 1000);
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) disconnected++;
  }
}

int main(int argc, char **argv) {
  if (enet_initialize() != 0) return EXIT_FAILURE;
  if (argc == 2 && strcmp(argv[1], "serve") == 0) {
    serve();
  } else if (argc == 6 && strcmp(argv[1], "load") == 0) {
    load(atoi(argv[2]), strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
         strtoul(argv[5], NULL, 10));
  } else {
    fail("usage: bench_forward serve | load PORT SIZE COUNT PEERS");
  }
  return EXIT_SUCCESS;
}
