/*
 * The memory of hosts that wait for connections.
 *
 *   bench_hosts COUNT   prints `memory`: by how many bytes this process has grown with COUNT hosts of 64
 *                       peers
 */
#include "common.h"

#define PEERS 64 /* as many as the measured library's hosts have by default */

static ENetHost *open_host(void) {
  ENetAddress address = loopback(0);
  ENetHost *host = enet_host_create(&address, PEERS, 0, 0, 0);
  if (!host) fail("no host");
  enet_host_flush(host);
  return host;
}

int main(int argc, char **argv) {
  size_t count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
  ENetHost *first, **hosts;
  double before;
  if (count == 0) fail("usage: bench_hosts COUNT");
  if (enet_initialize() != 0) return EXIT_FAILURE;
  hosts = calloc(count, sizeof *hosts);
  first = open_host(); /* which loads what all of them share */
  before = memory();
  for (size_t i = 0; i < count; i++) hosts[i] = open_host();
  say("memory", memory() - before);
  for (size_t i = 0; i < count; i++) enet_host_destroy(hosts[i]);
  enet_host_destroy(first);
  free(hosts);
  return EXIT_SUCCESS;
}
