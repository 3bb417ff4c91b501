/*
 * What the C programs of the benchmark share. They are plain programs on libenet: its own sockets,
 * the system's malloc, no settings beyond those that the measured library has by default too.
 *
 * Every program prints lines of a word and a number.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <enet/enet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* What a process has used since it began, in seconds. */
typedef struct {
  double user;
  double system;
} Usage;

static inline double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline Usage usage_now(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (Usage){(double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
                 (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6};
}

static inline void say(const char *word, double number) {
  printf("%s %.9g\n", word, number);
  fflush(stdout);
}

static inline void say_usage_since(Usage start) {
  Usage end = usage_now();
  say("user", end.user - start.user);
  say("system", end.system - start.system);
}

/* Memory in use, in bytes. */
static inline double memory(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
  if (file) fclose(file);
  return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static inline void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(EXIT_FAILURE);
}

static inline ENetAddress loopback(int port) {
  ENetAddress address = {0, (enet_uint16)port};
  enet_address_set_host_ip(&address, "127.0.0.1");
  return address;
}

/* A host that others can connect to, on any free port, which it prints. */
static inline ENetHost *open_server(size_t peers) {
  ENetAddress address = loopback(0);
  ENetHost *host = enet_host_create(&address, peers, 2, 0, 0);
  if (!host) fail("no server");
  say("port", host->address.port);
  return host;
}

static inline ENetHost *open_client(size_t peers) {
  ENetHost *host = enet_host_create(NULL, peers, 2, 0, 0);
  if (!host) fail("no client");
  return host;
}

/* Waits for one event; whether there is one. */
static inline int next_event(ENetHost *host, ENetEvent *event, enet_uint32 timeout) {
  int result = enet_host_service(host, event, timeout);
  if (result < 0) fail("the socket failed");
  return result;
}

static inline ENetPeer *connect_to(ENetHost *host, int port) {
  ENetAddress address = loopback(port);
  ENetEvent event;
  ENetPeer *peer = enet_host_connect(host, &address, 2, 0);
  if (!peer) fail("no peer");
  if (!next_event(host, &event, 5000) || event.type != ENET_EVENT_TYPE_CONNECT) fail("not connected");
  return peer;
}

static inline void disconnect_from(ENetHost *host, ENetPeer *peer) {
  ENetEvent event;
  enet_peer_disconnect(peer, 0);
  while (next_event(host, &event, 5000)) {
    if (event.type == ENET_EVENT_TYPE_RECEIVE) enet_packet_destroy(event.packet);
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) return;
  }
}

/* Sends a message of `size` bytes. */
static inline void send_bytes(ENetPeer *peer, const void *bytes, size_t size, enet_uint32 flags) {
  ENetPacket *packet = enet_packet_create(bytes, size, flags);
  if (!packet) fail("no memory");
  if (enet_peer_send(peer, 0, packet) < 0) fail("the peer is gone");
}

/* A server of one client that sends everything back; ENet sends when no event is left. */
static inline void serve_echo(void) {
  ENetHost *host = open_server(1);
  ENetEvent event;
  for (;;) {
    if (!next_event(host, &event, 1000)) continue;
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) break;
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    if (enet_peer_send(event.peer, 0, event.packet) < 0) fail("the peer is gone");
  }
  enet_host_destroy(host);
}

#endif
