/*
 * Clients that ask: each has a socket of its own, sends a reliable message, and sends the next one when an
 * answer has come.
 *
 *   bench_ask PORT CLIENTS SIZE SECONDS   after a second, prints how many answers have come in SECONDS
 */
#include "common.h"

#include <poll.h>

#define SETTLE_SECONDS 1
#define WAIT_MS 20 /* at most, so that ENet can look after its timeouts */

typedef struct {
  ENetHost *host;
  ENetPeer *peer;
  double asked;
} Client;

static char message[65536];

/* Takes what has arrived, and asks again for each answer. @returns the answers */
static double service(Client *client, size_t size) {
  ENetEvent event;
  double answers = 0;
  while (next_event(client->host, &event, 0)) {
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) fail("the server is gone");
    if (event.type == ENET_EVENT_TYPE_RECEIVE) {
      answers++;
      enet_packet_destroy(event.packet);
    }
    send_bytes(client->peer, message, size, ENET_PACKET_FLAG_RELIABLE);
    client->asked++;
  }
  enet_host_flush(client->host);
  return answers;
}

static void run(int port, size_t count, size_t size, double seconds) {
  ENetAddress address = loopback(port);
  Client *clients = calloc(count, sizeof *clients);
  struct pollfd *fds = calloc(count, sizeof *fds);
  double start = now() + SETTLE_SECONDS, answers = 0;
  Usage usage = {0, 0};
  for (size_t i = 0; i < count; i++) {
    clients[i].host = open_client(1);
    clients[i].peer = enet_host_connect(clients[i].host, &address, 2, 0);
    fds[i].fd = clients[i].host->socket;
    fds[i].events = POLLIN;
    service(&clients[i], size);
  }
  for (double time = now(), looked = 0; time < start + seconds; time = now()) {
    int everybody = time > looked + WAIT_MS / 1000.0;
    if (everybody) looked = time;
    if (time < start) {
      answers = 0;
      usage = usage_now();
    }
    poll(fds, count, WAIT_MS);
    for (size_t i = 0; i < count; i++)
      if (everybody || fds[i].revents) answers += service(&clients[i], size);
  }
  for (size_t i = 0; i < count; i++)
    if (clients[i].asked == 0) fail("a client is not connected");
  say("answers", answers);
  say_usage_since(usage);
}

int main(int argc, char **argv) {
  if (enet_initialize() != 0) return EXIT_FAILURE;
  if (argc != 5 || strtoul(argv[3], NULL, 10) > sizeof message)
    fail("usage: bench_ask PORT CLIENTS SIZE SECONDS");
  run(atoi(argv[1]), strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), atof(argv[4]));
  return EXIT_SUCCESS;
}
