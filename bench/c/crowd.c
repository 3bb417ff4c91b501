/*
 * A server with many peers, which send at a steady rate and are sent to at the same.
 *
 *   bench_crowd serve PEERS RATE SIZE SECONDS   prints `port N`; once all are there, and some time
 *                                               after, what it has used in SECONDS
 *   bench_crowd clients PORT PEERS RATE SIZE    the peers, each with a socket of its own; runs until
 *                                               it is killed, or for a minute
 *
 * RATE is in messages a second and may be 0. Messages are unreliable.
 */
#include "common.h"

#define IDLE_RATE 10 /* how often a second clients that send nothing look at their sockets */
#define LIFETIME_SECONDS 60

static enet_uint32 milliseconds_until(double time) {
  double left = (time - now()) * 1000;
  return left > 0 ? (enet_uint32)left + 1 : 0;
}

static void send_to_all(ENetHost *host, char *bytes, size_t size) {
  for (size_t i = 0; i < host->peerCount; i++) {
    if (host->peers[i].state != ENET_PEER_STATE_CONNECTED) continue;
    memcpy(bytes, &i, sizeof i); /* each peer gets a message of its own */
    send_bytes(&host->peers[i], bytes, size, 0);
  }
  enet_host_flush(host);
}

static void serve(size_t peers, double rate, size_t size, double settle, double seconds) {
  ENetHost *host = open_server(peers);
  double before = memory(), tick = 0, start = 0, end = 0, received = 0;
  char *bytes = calloc(1, size + sizeof peers);
  size_t connected = 0;
  ENetEvent event;
  Usage usage = {0, 0};
  for (;;) {
    double time = now(), next = tick > 0 && tick < end ? tick : end;
    if (next_event(host, &event, next > 0 ? milliseconds_until(next) : 1000)) {
      if (event.type == ENET_EVENT_TYPE_DISCONNECT) fail("a peer is gone");
      if (event.type == ENET_EVENT_TYPE_RECEIVE) {
        received++;
        enet_packet_destroy(event.packet);
      }
      if (event.type == ENET_EVENT_TYPE_CONNECT && ++connected == peers) {
        time = now();
        tick = rate > 0 ? time : 0;
        end = time + settle;
      }
    }
    if (tick > 0 && time >= tick) {
      send_to_all(host, bytes, size);
      tick += 1 / rate;
    }
    if (end > 0 && time >= end) {
      if (start > 0) break;
      start = time;
      end = start + seconds;
      usage = usage_now();
      received = 0;
    }
  }
  say("seconds", now() - start);
  say("received", received);
  say_usage_since(usage);
  say("memory", memory() - before);
  enet_host_destroy(host);
  free(bytes);
}

typedef struct {
  ENetHost *host;
  ENetPeer *peer;
} Client;

/* Takes what has arrived, sends what is queued; whether it connected. */
static int service(Client *client) {
  ENetEvent event;
  int connected = 0;
  while (next_event(client->host, &event, 0)) {
    if (event.type == ENET_EVENT_TYPE_RECEIVE) enet_packet_destroy(event.packet);
    if (event.type == ENET_EVENT_TYPE_CONNECT) connected = 1;
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) exit(EXIT_SUCCESS); /* the server is done */
  }
  return connected;
}

static void pause_until(double time) {
  double left = time - now();
  struct timespec wait = {0, (long)(left * 1e9)};
  if (left > 0 && left < 1) nanosleep(&wait, NULL);
}

static Client *connect_all(int port, size_t count) {
  ENetAddress address = loopback(port);
  Client *clients = calloc(count, sizeof *clients);
  size_t connected = 0;
  for (size_t i = 0; i < count; i++) {
    clients[i].host = open_client(1);
    clients[i].peer = enet_host_connect(clients[i].host, &address, 2, 0);
    if (!clients[i].peer) fail("no peer");
    connected += (size_t)service(&clients[i]);
    if (i % 50 == 0) pause_until(now() + 0.002); /* a burst would not fit the server's socket */
  }
  while (connected < count) {
    for (size_t i = 0; i < count; i++) connected += (size_t)service(&clients[i]);
    pause_until(now() + 0.002);
  }
  return clients;
}

/* Each has its turn once in a period, evenly spread, as clients on their own would. */
static void clients(int port, size_t count, double rate, size_t size) {
  Client *all = connect_all(port, count);
  char *bytes = calloc(1, size + 1);
  double period = 1 / (rate > 0 ? rate : IDLE_RATE);
  double start = now();
  for (double turn = 0; now() < start + LIFETIME_SECONDS; turn++) {
    for (size_t i = 0; i < count; i++) {
      pause_until(start + period * (turn + (double)i / (double)count));
      if (rate > 0) send_bytes(all[i].peer, bytes, size, 0);
      service(&all[i]);
    }
  }
}

int main(int argc, char **argv) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (enet_initialize() != 0) return EXIT_FAILURE;
  if (argc == 7 && strcmp(argv[1], "serve") == 0) {
    serve(strtoul(argv[2], NULL, 10), atof(argv[3]), strtoul(argv[4], NULL, 10), atof(argv[5]),
          atof(argv[6]));
  } else if (argc == 6 && strcmp(argv[1], "clients") == 0) {
    clients(atoi(argv[2]), strtoul(argv[3], NULL, 10), atof(argv[4]), strtoul(argv[5], NULL, 10));
  } else {
    fail("usage: bench_crowd serve PEERS RATE SIZE SECONDS | clients PORT PEERS RATE SIZE");
  }
  return EXIT_SUCCESS;
}
